// Later fragments that have overtaken their first one: they wait a moment for it, since nothing else says what
// they are part of. A port has a share, and when all places are taken, who waits at the port with the most makes
// room: nobody fills them for others. One for each worker, on its thread.
#pragma once

#include <rte_mbuf.h>

#include <memory>
#include <optional>
#include <vector>

#include "flow/record.h"
#include "path/batch.h"
#include "path/ids.h"
#include "path/tuple.h"

namespace sluice::flow {

class HeldFragments {
 public:
    static constexpr uint32_t kMost = 256;
    static constexpr uint32_t kMostOfAPort = 64;  // the fragments of 64 KiB, sent last first
    static constexpr path::Seconds kPatience = 2;  // seconds that begin while it waits

    struct Held {
        rte_mbuf* packet;
        path::Tuple tuple;  // as it shows it
        path::FragmentPart part;
        path::PortId ingress;
        path::NetworkId network;
        path::Layer3 layer3;
        path::Seconds since;
    };

    HeldFragments();
    HeldFragments(const HeldFragments&) = delete;
    ~HeldFragments();  // with all that it holds

    uint32_t count() const noexcept { return static_cast<uint32_t>(held_.size()); }
    // Whether one more of this port's would be held.
    bool has_room(path::PortId ingress) const noexcept;
    // Takes a packet for which there is room. The one that had to make room for it, if any.
    std::optional<Held> hold(const Held& held) noexcept;

    // Takes out those of which is_due(const Held&) says so, the oldest first. Good until the next call.
    template <class IsDue>
    const std::vector<Held>& take(IsDue is_due) noexcept {
        taken_.clear();
        size_t kept = 0;
        for (Held& held : held_) {
            if (is_due(held)) {
                --of_port_[path::index(held.ingress)];
                taken_.push_back(held);
            } else {
                held_[kept++] = held;
            }
        }
        held_.resize(kept);
        return taken_;
    }

    // Whether somebody may be due: something has changed (Fragments::changes()), or the second.
    bool is_time(uint32_t changes, path::Seconds now) noexcept {
        if (changes == changes_ && now == now_) return false;
        changes_ = changes;
        now_ = now;
        return true;
    }

 private:
    uint16_t most_of_a_port() const noexcept;

    std::vector<Held> held_;  // the oldest first; capacity for all is reserved, and for those taken
    std::vector<Held> taken_;
    std::unique_ptr<uint16_t[]> of_port_;
    uint32_t changes_ = 0;
    path::Seconds now_ = 0;
};

}  // namespace sluice::flow
