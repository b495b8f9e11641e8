#include "port/port.h"

#include "port/af_packet.h"
#include "port/ethdev.h"
#include "port/tap.h"
#include "port/vhost.h"
#include "wire/headers.h"

namespace sluice::port {
namespace {

std::atomic<uint64_t> last_serial{0};

}  // namespace

Port::Port(path::PortId id, PortConfig config) : config_(std::move(config)), id_(id), serial_(++last_serial) {
    set_max_frame();
}

std::unique_ptr<Port> make_port(path::PortId id, const PortConfig& config, const Context& context) {
    if (AfPacket::takes(config)) return std::make_unique<AfPacket>(id, config, context);
    switch (config.kind()) {
        case Kind::kDevice:
        case Kind::kBond: return std::make_unique<Ethdev>(id, config, context);
        case Kind::kVhostUser: return std::make_unique<VhostUser>(id, config, context);
        case Kind::kNetns:
        case Kind::kHost: break;
    }
    return std::make_unique<Tap>(id, config, context);
}

std::optional<Port::Refusal> Port::refusal(uint32_t) const {
    std::string why = no_link();
    if (why.empty()) return std::nullopt;
    return Refusal{path::Drop::kLinkDown, std::move(why)};
}

void Port::set_max_frame() noexcept {
    max_frame_.store(config_.frame_mtu() + uint32_t{sizeof(wire::EthernetHeader)},
                     std::memory_order_relaxed);
}

void Port::limit_rates(uint64_t second) noexcept {
    uint8_t limited = 0;
    const auto take = [&](const std::optional<TokenBucketConfig>& config, RateLimit& limit, uint8_t direction) {
        if (!config) return;
        limit.set(config->rate.bits, config->burst_size(), second);
        limited |= direction;
    };
    take(config_.rate_limit.ingress, ingress_limit_, kIngress);
    take(config_.rate_limit.egress, egress_limit_, kEgress);
    limited_.store(limited, std::memory_order_release);
}

bool same_interface(const PortConfig& a, const PortConfig& b) {
    return a.kind() == b.kind() && a.netns == b.netns && a.handover == b.handover && a.device == b.device &&
           a.bond == b.bond && a.vhost_user == b.vhost_user && a.interface_name() == b.interface_name();
}

bool same_device(const PortConfig& a, const PortConfig& b) {
    if (a.is_ethdev() && a.frame_mtu() != b.frame_mtu()) return false;
    return same_interface(a, b) && a.queues == b.queues;
}

}  // namespace sluice::port
