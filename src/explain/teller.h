// Explains to users what happened to a packet (path/witness.h), stage by stage, with the configuration objects
// that decided. Control thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/text.h"
#include "explain/decider.h"
#include "path/witness.h"

namespace sluice::explain {

enum class Verdict {
    kDeliver,
    kDrop,
    kReject,
    kAsk,  // the next hop's MAC address must be requested first
};

constexpr auto names(Verdict) {
    return std::array{base::Name{Verdict::kDeliver, "deliver"}, base::Name{Verdict::kDrop, "drop"},
                      base::Name{Verdict::kReject, "reject"}, base::Name{Verdict::kAsk, "ask"}};
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
    std::string reason;              // the name of the drop reason, of a drop or a reject
    std::vector<std::string> to;     // ports; empty for a packet to the switch itself
    std::vector<Object> decided_by;
    std::vector<Stage> stages;
    std::string packet;              // the packet of a dry run, in tcpdump's words (wire/summary.h)
    std::vector<Sent> sent;          // of a dry run: the frames with all that the switch would send as answers
};

// A frame that was given to a port.
struct Left {
    path::PortId port;
    std::optional<port::Port::Refusal> refusal;  // why it would get no further, if the port knows
};

// `ingress` is the first stage; its object is named if no other object has decided. `left`: all frames that left;
// `told` may have kept only some of them.
Trace tell(const engine::Switch& running, const path::Witnessed& told, std::span<const Left> left,
           Stage ingress);

}  // namespace sluice::explain
