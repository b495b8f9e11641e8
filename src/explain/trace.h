// Dry run (`trace`): a made-up packet passes through the real stages of the data path, on the live snapshot and
// tables. Nothing is sent, learned or stored. The packet counts as the first one of its connection. Control
// thread.
//
// A dry run does not wait as a real packet might: a station that declares its addresses and has not sent yet is
// assumed behind its port. If nothing is known of a station, the answer is that its MAC address would be
// requested.
#pragma once

#include "explain/dry_run.h"
#include "explain/probe.h"
#include "explain/teller.h"

namespace sluice::explain {

// Answers many questions, each as if it was the only one. Nothing may change the switch while a Tracer lives,
// because its dry runs share copies (dry_run.h).
class Tracer {
 public:
    explicit Tracer(engine::Switch& running);

    // An error if the request is invalid.
    base::Result<Trace> trace(const Question& question);

 private:
    Trace run(rte_mbuf* packet, const Probe& probe);

    engine::Switch& running_;
    DryRun run_;
};

// The same for one question.
base::Result<Trace> trace(engine::Switch& running, const Question& question);

}  // namespace sluice::explain
