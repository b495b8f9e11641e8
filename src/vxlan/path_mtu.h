// How long a packet may be on its way to a remote tunnel end point, where a link on that way takes less than
// our own: the routers say so, since outer packets are never fragmented (RFC 1191, RFC 8201). What is known
// is forgotten after ten minutes, as the way may have changed (RFC 1191, 6.3; RFC 8201, 5.3), and told again
// if it hasn't. Workers learn, the control thread forgets, everybody reads, all without a lock.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::vxlan {

class PathMtu {
 public:
    using Seconds = uint32_t;

    static constexpr Seconds kLifetime = 600;
    // Nobody's message makes it less. IPv4: what every host takes (RFC 791, 3.1); less than that is no link of
    // today, but somebody who wants the tunnel to be of no use. IPv6: every link's (RFC 8200, 5); what tells
    // less is ignored (RFC 8201, 4).
    static constexpr uint32_t kLeastIpv4 = 576;
    static constexpr uint32_t kLeastIpv6 = 1280;

    // A router's "too big" about a packet of that size, IP header included: the MTU that follows from it, 0
    // where none does. Of a router that doesn't say (`told` is 0, RFC 1191, 5) it is the next of the usual ones.
    static uint32_t of(uint32_t told, uint32_t packet_size, bool ipv6) noexcept;

    // A message only ever lowers what is known. True if it did.
    bool learn(uint32_t mtu, Seconds now) noexcept;
    // True if what was known is forgotten.
    bool expire(Seconds now) noexcept;
    // 0: nothing is known.
    [[gnu::always_inline]] uint32_t get() const noexcept {
        return static_cast<uint32_t>(word_.load(std::memory_order_relaxed));
    }
    // How long it will be known.
    Seconds left(Seconds now) const noexcept;

 private:
    static constexpr uint64_t word(uint32_t mtu, Seconds since) noexcept { return uint64_t{since} << 32 | mtu; }

    std::atomic<uint64_t> word_{0};  // the MTU, and above it when it was learned
};

}  // namespace sluice::vxlan
