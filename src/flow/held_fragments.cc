#include "flow/held_fragments.h"

#include <algorithm>

namespace sluice::flow {

HeldFragments::HeldFragments() : of_port_(std::make_unique<uint16_t[]>(path::kMaxPorts)) {
    held_.reserve(kMost);
    taken_.reserve(kMost);
}

HeldFragments::~HeldFragments() {
    for (const Held& held : held_) rte_pktmbuf_free(held.packet);
}

uint16_t HeldFragments::most_of_a_port() const noexcept {
    uint16_t most = 0;
    for (const Held& held : held_) most = std::max(most, of_port_[path::index(held.ingress)]);
    return most;
}

bool HeldFragments::has_room(path::PortId ingress) const noexcept {
    const uint16_t own = of_port_[path::index(ingress)];
    return own < kMostOfAPort && (held_.size() < kMost || own + 1 < most_of_a_port());
}

std::optional<HeldFragments::Held> HeldFragments::hold(const Held& held) noexcept {
    std::optional<Held> displaced;
    if (held_.size() == kMost) {
        const uint16_t most = most_of_a_port();
        const auto oldest = std::find_if(held_.begin(), held_.end(), [&](const Held& other) {
            return of_port_[path::index(other.ingress)] == most;
        });
        displaced = *oldest;
        --of_port_[path::index(oldest->ingress)];
        held_.erase(oldest);
    }
    ++of_port_[path::index(held.ingress)];
    held_.push_back(held);
    return displaced;
}

}  // namespace sluice::flow
