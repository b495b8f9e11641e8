#include "nat/pool.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace sluice::nat {
namespace {

using std::memory_order_relaxed;
constexpr uint16_t kLastWellKnown = 1023;

constexpr uint64_t bit(uint32_t port) noexcept {
    return uint64_t{1} << port % 64;
}

// The bits of a range of ports in the word that has the ports from `begin` on.
constexpr uint64_t bits_of_range(uint32_t begin, uint32_t first, uint32_t last) noexcept {
    uint64_t bits = ~uint64_t{0};
    if (first > begin) bits &= ~uint64_t{0} << (first - begin);
    if (last < begin + 63) bits &= ~uint64_t{0} >> (begin + 63 - last);
    return bits;
}

}  // namespace

Ports::Ports(uint16_t low, uint16_t high, std::atomic<uint32_t>& total)
    : low_(low),
      high_(high),
      base_(low / 64 * 64),
      capacity_(uint32_t{high} - low + 1),
      words_(allocate_zeroed<std::atomic<uint64_t>>(high / 64 - low / 64 + 1)),
      sharers_(allocate_zeroed<std::atomic<uint8_t>>(uint32_t{high} - base_ + 1)),
      holders_(allocate_zeroed<std::atomic<uint32_t>>(uint32_t{high} - base_ + 1)),
      total_(total) {}

bool Ports::take(uint16_t port) noexcept {
    if (!has(port) || (word(port).load(memory_order_relaxed) & bit(port)) != 0) return false;
    if ((word(port).fetch_or(bit(port), std::memory_order_acq_rel) & bit(port)) != 0) return false;
    used_.fetch_add(1, memory_order_relaxed);
    total_.fetch_add(1, memory_order_relaxed);
    return true;
}

std::optional<uint16_t> Ports::take_some(uint32_t first, uint32_t last, uint64_t mask, uint64_t random) noexcept {
    first = std::max<uint32_t>(first, low_);
    last = std::min<uint32_t>(last, high_);
    if (first > last || free() == 0) return std::nullopt;
    const auto start = first + static_cast<uint32_t>(random % (last - first + 1));
    if (const auto port = scan(start, last, mask)) return port;
    return start == first ? std::nullopt : scan(first, start - 1, mask);
}

std::optional<uint16_t> Ports::scan(uint32_t first, uint32_t last, uint64_t mask) noexcept {
    for (uint32_t begin = first / 64 * 64; begin <= last; begin += 64) {
        const uint64_t wanted = mask & bits_of_range(begin, first, last);
        while (const uint64_t free = ~word(begin).load(memory_order_relaxed) & wanted) {
            const auto port = static_cast<uint16_t>(begin + static_cast<uint32_t>(std::countr_zero(free)));
            if (take(port)) return port;
        }
    }
    return std::nullopt;
}

// Only release() clears the port's bit, and that needs the lock.
bool Ports::share_with_lock(uint16_t port) noexcept {
    std::atomic<uint8_t>& sharers = sharers_[port - base_];
    const uint8_t before = sharers.load(memory_order_relaxed);
    if (before >= kMostSharers) return false;  // reserved, too
    sharers.store(before + 1, memory_order_relaxed);
    shared_.fetch_add(1, memory_order_relaxed);
    return true;
}

bool Ports::take_or_share(uint16_t port, Patience patience) noexcept {
    if (!has(port)) return false;
    const Hold hold(lock_, patience);
    return hold && (take(port) || share_with_lock(port));
}

std::optional<uint16_t> Ports::share_some(std::span<const uint16_t> avoided, uint64_t random) noexcept {
    const auto start = low_ + static_cast<uint32_t>(random % (uint32_t{high_} - low_ + 1));
    const Hold hold(lock_, Patience::kWorker);
    if (!hold) return std::nullopt;
    const auto share_between = [&](uint32_t first, uint32_t last) -> std::optional<uint16_t> {
        for (uint32_t begin = first / 64 * 64; begin <= last; begin += 64) {
            uint64_t in_use = word(begin).load(memory_order_relaxed) & bits_of_range(begin, first, last);
            for (; in_use != 0; in_use &= in_use - 1) {
                const auto port = static_cast<uint16_t>(begin + static_cast<uint32_t>(std::countr_zero(in_use)));
                if (std::find(avoided.begin(), avoided.end(), port) != avoided.end()) continue;
                if (share_with_lock(port)) return port;
            }
        }
        return std::nullopt;
    };
    if (const auto port = share_between(start, high_)) return port;
    return start == low_ ? std::nullopt : share_between(low_, start - 1);
}

void Ports::reserve(uint16_t port) noexcept {
    if (is_reserved(port)) return;
    word(port).fetch_or(bit(port), memory_order_relaxed);
    sharers_[port - base_].store(kReserved, memory_order_relaxed);
    --capacity_;
}

void Ports::release(uint16_t port) noexcept {
    const Hold hold(lock_, Patience::kControl);
    std::atomic<uint8_t>& sharers = sharers_[port - base_];
    if (const uint8_t before = sharers.load(memory_order_relaxed); before != 0) {
        sharers.store(before - 1, memory_order_relaxed);
        shared_.fetch_sub(1, memory_order_relaxed);
        return;
    }
    holders_[port - base_].store(kNobody, memory_order_relaxed);
    used_.fetch_sub(1, memory_order_relaxed);
    total_.fetch_sub(1, memory_order_relaxed);
    word(port).fetch_and(~bit(port), std::memory_order_release);
}

Pool::Pool(const PoolSettings& settings)
    : low_(settings.low), high_(settings.high), addresses_(settings.addresses) {
    assert(low_ <= high_ && addresses_.size() <= kMaxPoolAddresses);
    const auto is_v4 = [](const IpAddress& address) { return address.is_v4(); };
    std::sort(addresses_.begin(), addresses_.end(), [](const IpAddress& one, const IpAddress& other) {
        return one.is_v4() != other.is_v4() ? one.is_v4() : one < other;
    });
    const auto v4 = static_cast<uint16_t>(std::count_if(addresses_.begin(), addresses_.end(), is_v4));
    families_ = {Family{0, v4, true}, Family{v4, address_count(), false}};
    for (const IpAddress& own : addresses_) {
        for (Total& total : totals_[own.is_v4() ? 0 : 1]) ports_.emplace_back(low_, high_, total.used);
    }
    for (const ReservedPorts& reserved : settings.reserved) {
        const auto index = index_of(reserved.address);
        if (!index) continue;
        for (uint32_t port = std::max(reserved.low, low_); port <= std::min(reserved.high, high_); ++port) {
            ports(*index, reserved.transport).reserve(static_cast<uint16_t>(port));
        }
    }
    for (size_t i = 0; i < ports_.size(); ++i) {
        const bool is_ipv4 = addresses_[i / kTransportCount].is_v4();
        totals_[is_ipv4 ? 0 : 1][i % kTransportCount].capacity += ports_[i].capacity();
    }
}

std::optional<uint16_t> Pool::index_of(const IpAddress& address) const noexcept {
    const Family in = family(address);
    const auto begin = addresses_.begin() + in.begin, end = addresses_.begin() + in.end;
    const auto found = std::lower_bound(begin, end, address);
    if (found == end || *found != address) return std::nullopt;
    return static_cast<uint16_t>(found - addresses_.begin());
}

std::optional<uint16_t> Pool::take_at(Ports& ports, Transport transport, uint16_t inside_port,
                                      uint64_t random) noexcept {
    if (ports.free() == 0) return std::nullopt;
    if (ports.take(inside_port)) return inside_port;
    if (transport == Transport::kEcho) return ports.take_some(0, UINT16_MAX, Ports::kAny, random);
    const auto take_some = [&](uint64_t mask) {
        const bool is_well_known = inside_port <= kLastWellKnown;
        const auto well_known = [&] { return ports.take_some(0, kLastWellKnown, mask, random); };
        const auto others = [&] { return ports.take_some(kLastWellKnown + 1, UINT16_MAX, mask, random); };
        const auto first = is_well_known ? well_known() : others();
        if (first) return first;
        return is_well_known ? others() : well_known();
    };
    if (transport == Transport::kUdp) {
        if (const auto port = take_some(inside_port % 2 == 0 ? Ports::kEven : Ports::kOdd)) return port;
    }
    return take_some(Ports::kAny);
}

std::optional<Place> Pool::take(Transport transport, const Family& family, uint16_t paired, uint16_t inside_port,
                                uint64_t random) noexcept {
    uint16_t at = paired;
    for (uint16_t i = 0; i < family.size(); ++i) {
        if (const auto port = take_at(ports(at, transport), transport, inside_port, random)) {
            return Place{at, *port};
        }
        if (++at == family.end) at = family.begin;
    }
    return std::nullopt;
}

std::optional<Place> Pool::share(Transport transport, const Family& family, uint16_t paired,
                                 std::span<const Place> avoided, uint64_t random) noexcept {
    constexpr uint16_t kMostAddresses = 4;  // that are searched
    uint16_t at = paired;
    for (uint16_t i = 0; i < std::min(family.size(), kMostAddresses); ++i) {
        std::array<uint16_t, kMostAvoided> here;
        size_t count = 0;
        for (const Place& place : avoided) {
            if (place.address == at) here[count++] = place.port;
        }
        const auto port = ports(at, transport).share_some({here.data(), count}, random);
        if (port) return Place{at, *port};
        if (++at == family.end) at = family.begin;
    }
    return std::nullopt;
}

bool Pool::allows(Transport transport, const Place& place) const noexcept {
    const Ports& at = ports(place.address, transport);
    return at.has(place.port) && !at.is_reserved(place.port);
}

}  // namespace sluice::nat
