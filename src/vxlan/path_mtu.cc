#include "vxlan/path_mtu.h"

#include <algorithm>

namespace sluice::vxlan {
namespace {

// MTUs of present and past links (RFC 1191, 7.1).
constexpr uint32_t kPlateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006};

}  // namespace

uint32_t PathMtu::of(uint32_t told, uint32_t packet_size, bool ipv6) noexcept {
    if (ipv6) return told < kLeastIpv6 || told >= packet_size ? 0 : told;
    if (told == 0) {
        for (const uint32_t plateau : kPlateaus) {
            if (plateau < packet_size) return plateau;
        }
        return packet_size > kLeastIpv4 ? kLeastIpv4 : 0;
    }
    // A packet that fits is not too big: the message makes no sense.
    if (told >= packet_size) return 0;
    return std::max(told, kLeastIpv4);
}

bool PathMtu::learn(uint32_t mtu, Seconds now) noexcept {
    if (mtu == 0) return false;
    uint64_t known = word_.load(std::memory_order_relaxed);
    for (;;) {
        const auto before = static_cast<uint32_t>(known);
        if (before != 0 && before < mtu) return false;
        if (word_.compare_exchange_weak(known, word(mtu, now), std::memory_order_relaxed)) return before != mtu;
    }
}

bool PathMtu::expire(Seconds now) noexcept {
    uint64_t known = word_.load(std::memory_order_relaxed);
    if (known == 0 || left(now) != 0) return false;
    // Unless a worker has learned it again just now.
    return word_.compare_exchange_strong(known, 0, std::memory_order_relaxed);
}

PathMtu::Seconds PathMtu::left(Seconds now) const noexcept {
    const uint64_t known = word_.load(std::memory_order_relaxed);
    if (known == 0) return 0;
    const auto since = static_cast<Seconds>(known >> 32);
    // A worker's clock may be slightly ahead.
    const Seconds age = now > since ? now - since : 0;
    return age >= kLifetime ? 0 : kLifetime - age;
}

}  // namespace sluice::vxlan
