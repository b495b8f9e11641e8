// What would become of a packet: one that is made up goes through the very stages of the data path, on the
// live snapshot and tables, and nothing is sent, learned or remembered. It is asked about as the first packet
// of a connection. Control thread.
//
// What a real one would have to wait for is taken for known: a station that declares its addresses and has
// not spoken yet is found behind its port.
#pragma once

#include <string>
#include <vector>

#include "explain/decider.h"
#include "explain/probe.h"

namespace sluice::explain {

enum class Verdict { kDeliver, kDrop, kReject };

constexpr auto names(Verdict) {
    return std::array{base::Name{Verdict::kDeliver, "deliver"}, base::Name{Verdict::kDrop, "drop"},
                      base::Name{Verdict::kReject, "reject"}};
}

struct Stage {
    std::string name;  // "ingress", "route", "policy"…
    std::string text;  // what it decided
    std::optional<Object> by;
};

// A frame that would have left.
struct Sent {
    std::string port;
    std::vector<uint8_t> bytes;
};

struct Trace {
    Verdict verdict = Verdict::kDeliver;
    std::string reason;              // of a drop or a reject, by its name; else empty
    std::vector<std::string> to;     // ports; of a packet for the switch itself none
    std::vector<Object> decided_by;
    std::vector<Stage> stages;
    std::vector<Sent> sent;          // answers of the switch's own among them
};

// An error where the question can't be understood.
base::Result<Trace> trace(engine::Switch& running, const Question& question);

}  // namespace sluice::explain
