// A dry run: one packet takes the path of real packets, through the same stages, as the first one of its
// connection. The path does not know that it is one. What a packet may write is a copy here, which ends with the
// run: MAC tables, neighbors, flood limits, what is known of remote end points. Flows, fragments, counters and
// transmit buffers are new and empty. Rules count no hits, and no neighbor is asked for its MAC address.
//
// So a stage that writes something new needs a copy of that here. (The golden tests compare what a switch
// remembers before and after.) Control thread.
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
    struct Frame {
        path::PortId port;
        std::vector<uint8_t> bytes;
        std::optional<port::Port::Refusal> refusal;  // of the port
    };

    // Of a packet that comes from this port or tunnel.
    DryRun(engine::Switch& running, path::PortId ingress, std::span<const Station> assumed);

    // Takes the packet. What comes out of a tunnel is in that network already.
    const path::Witnessed& go(rte_mbuf* packet, path::NetworkId network = path::kNoNetworkId);

    // What would have left.
    const std::vector<Frame>& frames() const { return outbox_.frames; }

 private:
    struct Outbox final : port::Sink {
        void take(port::Port& port, rte_mbuf** packets, uint16_t count) noexcept override;

        std::vector<Frame> frames;
    };

    void copy_slots(path::PortId ingress);
    void copy_macs(path::NetworkId network);
    neighbor::Entry* copy(const neighbor::Entry& entry);
    void copy_neighbors(const engine::Switch& running);
    void assume(const Station& station);
    void note_wait();

    const view::Snapshot& snapshot_;
    path::Seconds now_;
    path::PortId ingress_;

    // Copies.
    std::vector<view::PortSlot> slots_;
    std::deque<view::TunnelSlot> tunnels_;
    std::deque<vxlan::Remote> remotes_;
    std::optional<bridge::FloodLimiter> floods_;  // of the port of ingress
    std::vector<view::Network> networks_;
    std::vector<bridge::MacTable*> macs_;  // copied where the packet may write it, or a station is assumed
    neighbor::Table neighbors_;
    std::vector<route::NextHop> hops_;  // to the copied neighbors

    // New and empty.
    path::Grace grace_{1};
    flow::Table flows_;
    flow::Fragments fragments_;
    Outbox outbox_;
    path::Counters counters_;
    port::Egress egress_;
    engine::Features features_;
    view::Drops drops_;
    path::Batch batch_;
    path::Witnessed told_;
};

}  // namespace sluice::explain
