// Tells people what became of a packet (path/witness.h), stage by stage, with the objects of the configuration
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
    kAsk,  // somebody has to be asked first where the packet's next station is
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
    std::string reason;              // of a drop or a reject, by its name; else empty
    std::vector<std::string> to;     // ports; of a packet for the switch itself none
    std::vector<Object> decided_by;
    std::vector<Stage> stages;
    std::string packet;              // the one that was made up, in tcpdump's words (wire/summary.h); else empty
    std::vector<Sent> sent;          // of a packet that was only asked about; answers of the switch's own too
};

// A frame that was given to a port.
struct Left {
    path::PortId port;
    std::optional<port::Port::Refusal> refusal;  // why it would get no further, as far as the port knows
};

// `ingress` is the first stage; its object is named if nothing else has decided. `left`: the frames that left, of
// which `told` may have kept only some.
Trace tell(const engine::Switch& running, const path::Witnessed& told, std::span<const Left> left,
           Stage ingress);

}  // namespace sluice::explain
