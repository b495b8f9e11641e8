// The path MTU to a remote tunnel end point, if it is smaller than our own link's. Routers report it, since outer
// packets are never fragmented (RFC 1191, RFC 8201). It is forgotten after ten minutes, because the path may have
// changed (RFC 1191, 6.3; RFC 8201, 5.3); if it has not, routers report it again. Workers learn, the control
// thread forgets, all threads read, without a lock.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::vxlan {

class PathMtu {
 public:
    using Seconds = uint32_t;

    static constexpr Seconds kLifetime = 600;
    // No message lowers it below these. IPv4: the packet size that every host accepts (RFC 791, 3.1). No current
    // link has a smaller MTU; such a message is an attack on the tunnel. IPv6: every link's least MTU (RFC 8200,
    // 5); smaller values are ignored (RFC 8201, 4).
    static constexpr uint32_t kLeastIpv4 = 576;
    static constexpr uint32_t kLeastIpv6 = 1280;

    // The MTU that follows from a router's "too big" about a packet of that size, IP header included; 0 if none
    // follows. If the router does not tell its MTU (`told` is 0, RFC 1191, 5), it is the next smaller common one.
    static uint32_t of(uint32_t told, uint32_t packet_size, bool ipv6) noexcept;

    // Lowers the MTU; never raises it. Returns true if it has changed.
    bool learn(uint32_t mtu, Seconds now) noexcept;
    // Forgets an MTU that is too old. Returns true if it did.
    bool expire(Seconds now) noexcept;
    // 0: no MTU is known.
    [[gnu::always_inline]] uint32_t get() const noexcept {
        return static_cast<uint32_t>(word_.load(std::memory_order_relaxed));
    }
    // The time until it is forgotten.
    Seconds left(Seconds now) const noexcept;

 private:
    static constexpr uint64_t word(uint32_t mtu, Seconds since) noexcept { return uint64_t{since} << 32 | mtu; }

    std::atomic<uint64_t> word_{0};  // the MTU; in the upper half, when it was learned
};

}  // namespace sluice::vxlan
