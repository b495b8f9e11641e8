// The control socket as a file: one daemon owns its path, with the right mode from its first
// moment. Control thread, at start and at the end.
//
// The owner of the path is who holds the lock on "<socket>.lock". The kernel drops that lock with
// the process, so a socket that a killed daemon left behind is known to be stale and replaced. The
// lock file stays: if it were removed, two daemons could hold locks on two files of one name.
#pragma once

#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "control/access.h"

namespace sluice::control {

struct Listener {
    base::Fd lock;
    base::Fd socket;  // non-blocking, listening
};

base::Result<Listener> listen_at(const std::string& path, const Grants& grants);

}  // namespace sluice::control
