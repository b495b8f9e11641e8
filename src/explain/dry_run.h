// Dry runs: each packet takes the path of real packets, through the same stages, as the first one of its
// connection. The path does not know that it is a dry run. What a packet may write is a copy here: MAC tables,
// neighbors, flood limits, what is known of remote end points. Flows, fragments, counters and transmit buffers are
// new and empty. Rules count no hits, and no neighbor is asked for its MAC address.
//
// The copies cost up to some milliseconds, so many packets share them. After each packet, what it has written is
// undone: the next packet finds everything as if it was the first. That works for the packets of questions
// (explain/probe.h). After any other packet the copies are made anew. The copies are of one moment: nothing may
// change the switch while a DryRun lives, and what workers learn meanwhile is not seen.
//
// So a stage that writes something new needs a copy of that here, and must be undone here. (The golden tests
// compare what a switch remembers before and after, and the answers to many questions with those to each alone.)
// Control thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/switch.h"
#include "engine/worker_features.h"
#include "path/witness.h"
#include "port/egress.h"

namespace sluice::explain {

class DryRun {
 public:
    // A station that would be found by asking for it, which a dry run must not do. It is taken for known, unless
    // the switch knows better.
    struct Station {
        path::NetworkId network;
        IpAddress address;
        uint64_t mac;
        path::PortId port;  // or tunnel
    };
    // Where a packet comes from.
    struct Entrance {
        path::PortId ingress;  // a port or a tunnel
        path::NetworkId network = path::kNoNetworkId;  // of what comes out of a tunnel
        std::span<const Station> assumed = {};
    };
    struct Frame {
        path::PortId port;
        std::vector<uint8_t> bytes;
        std::optional<port::Port::Refusal> refusal;  // of the port
    };

    explicit DryRun(engine::Switch& running);
    ~DryRun();

    // Takes the packet. The answer lasts until the next packet.
    const path::Witnessed& go(rte_mbuf* packet, const Entrance& entrance);

    // What would have left.
    const std::vector<Frame>& frames() const { return outbox_.frames; }

 private:
    class Copies;
    struct Outbox final : port::Sink {
        void take(port::Port& port, rte_mbuf** packets, uint16_t count) noexcept override;

        std::vector<Frame> frames;
    };

    engine::Switch& running_;
    Outbox outbox_;
    path::Witnessed told_;
    std::unique_ptr<Copies> copies_;  // null: to be made for the next packet
};

}  // namespace sluice::explain
