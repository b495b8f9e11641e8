// The control socket as a file: one daemon owns its path, and the file has the right mode from its first moment.
// Control thread, at the start and at the end.
//
// The daemon that holds the lock on "<socket>.lock" owns the path. The kernel releases the lock when the process
// ends. So a daemon that gets the lock knows that a socket file at the path is stale, and replaces it. The lock
// file is never removed: otherwise two daemons could hold locks on two files of the same name.
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
