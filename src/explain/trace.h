// Dry run (`trace`): a made-up packet passes through the real stages of the data path, on the live snapshot and
// tables. Nothing is sent, learned or stored. The packet counts as the first one of its connection. Control
// thread.
//
// A dry run does not wait as a real packet might: a station that declares its addresses and has not sent yet is
// assumed behind its port. If nothing is known of a station, the answer is that its MAC address would be
// requested.
#pragma once

#include "explain/probe.h"
#include "explain/teller.h"

namespace sluice::explain {

// An error if the request is invalid.
base::Result<Trace> trace(engine::Switch& running, const Question& question);

}  // namespace sluice::explain
