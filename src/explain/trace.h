// What would become of a packet: one that is made up goes through the very stages of the data path, on the
// live snapshot and tables, and nothing is sent, learned or remembered. It is asked about as the first packet
// of a connection. Control thread.
//
// What a real one would have to wait for is taken for known: a station that declares its addresses and has
// not spoken yet is found behind its port. Of one that nothing is known of, the answer is that it would be asked
// for.
#pragma once

#include "explain/probe.h"
#include "explain/teller.h"

namespace sluice::explain {

// An error where the question can't be understood.
base::Result<Trace> trace(engine::Switch& running, const Question& question);

}  // namespace sluice::explain
