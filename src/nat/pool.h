// The outside of NAT: addresses, each with a range of ports for every transport, and which of these are in use. A
// port has one holder (a mapping, see mappings.h), or several where the caller shares it.
//
// Workers take and share ports on several cores at once; the control thread releases them. Taking a free port
// needs no lock. Sharing or releasing one needs the lock of its address and transport, because the last of the
// holders frees the port. The counts are exact when no thread is between two steps.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "nat/chains.h"
#include "nat/endpoint.h"
#include "nat/lock.h"

namespace sluice::nat {

inline constexpr size_t kMaxPoolAddresses = 256;

// Ports that no mapping may have: they are published, or the switch's own.
struct ReservedPorts {
    IpAddress address;
    Transport transport = Transport::kTcp;
    uint16_t low = 0;
    uint16_t high = 0;

    bool operator==(const ReservedPorts&) const = default;
};

struct PoolSettings {
    std::vector<IpAddress> addresses;  // 1 to kMaxPoolAddresses, each once
    uint16_t low = 1024;               // of the ports, and of the identifiers of echoes
    uint16_t high = 65535;
    std::vector<ReservedPorts> reserved;  // those of other addresses or ports are ignored

    bool operator==(const PoolSettings&) const = default;
};

// The ports of one address and transport.
class Ports {
 public:
    // `total` counts the ports in use of several of these.
    Ports(uint16_t low, uint16_t high, std::atomic<uint32_t>& total);

    // Which ports of a word of 64 will do.
    static constexpr uint64_t kAny = ~uint64_t{0};
    static constexpr uint64_t kEven = 0x5555'5555'5555'5555;
    static constexpr uint64_t kOdd = ~kEven;

    // --- workers ---

    // If it is free. Of a port outside the range: false.
    bool take(uint16_t port) noexcept;
    // A free port of the range from `first` to `last`, the first one behind a random place.
    std::optional<uint16_t> take_some(uint32_t first, uint32_t last, uint64_t mask, uint64_t random) noexcept;
    // A given port, also if it is in use. False: it is reserved or outside the range, as many share it as may, or
    // the lock is taken.
    bool take_or_share(uint16_t port, Patience patience) noexcept;
    // A port in use, the first one behind a random place, but none of `avoided`.
    std::optional<uint16_t> share_some(std::span<const uint16_t> avoided, uint64_t random) noexcept;

    // Who has the port: a number of the caller's. Of a shared port it is the first one, while that is there.
    static constexpr uint32_t kNobody = 0;
    uint32_t holder(uint16_t port) const noexcept {
        return has(port) ? holders_[port - base_].load(std::memory_order_relaxed) : kNobody;
    }
    // If nobody has it.
    void set_holder(uint16_t port, uint32_t holder) noexcept {
        uint32_t nobody = kNobody;
        std::atomic<uint32_t>& place = holders_[port - base_];
        if (place.load(std::memory_order_relaxed) == kNobody)
            place.compare_exchange_strong(nobody, holder, std::memory_order_relaxed);
    }
    void replace_holder(uint16_t port, uint32_t holder) noexcept {
        holders_[port - base_].store(holder, std::memory_order_relaxed);
    }
    // By the one who has it.
    void clear_holder(uint16_t port, uint32_t holder) noexcept {
        holders_[port - base_].compare_exchange_strong(holder, kNobody, std::memory_order_relaxed);
    }
    bool is_reserved(uint16_t port) const noexcept {
        return sharers_[port - base_].load(std::memory_order_relaxed) == kReserved;
    }
    bool has(uint16_t port) const noexcept { return low_ <= port && port <= high_; }

    // --- control thread ---

    // Before workers have the pool.
    void reserve(uint16_t port) noexcept;
    // By one of its holders.
    void release(uint16_t port) noexcept;

    // --- any thread ---

    uint32_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
    uint32_t capacity() const noexcept { return capacity_; }
    // Holders beyond the first ones of their ports.
    uint32_t shared() const noexcept { return shared_.load(std::memory_order_relaxed); }
    uint32_t free() const noexcept { return capacity_ - std::min(capacity_, used()); }

 private:
    static constexpr uint8_t kReserved = 255;
    static constexpr uint8_t kMostSharers = 254;  // beyond the first holder

    std::optional<uint16_t> scan(uint32_t first, uint32_t last, uint64_t mask) noexcept;
    bool share_with_lock(uint16_t port) noexcept;
    std::atomic<uint64_t>& word(uint32_t port) const noexcept { return words_[port / 64 - base_ / 64]; }

    uint16_t low_, high_;
    uint16_t base_;  // the low end, rounded down to a word
    uint32_t capacity_;
    Zeroed<std::atomic<uint64_t>> words_;   // a bit a port: in use, or reserved
    Zeroed<std::atomic<uint8_t>> sharers_;  // holders beyond the first; written with the lock
    Zeroed<std::atomic<uint32_t>> holders_;
    alignas(64) Lock lock_;
    std::atomic<uint32_t> used_{0};
    std::atomic<uint32_t> shared_{0};
    std::atomic<uint32_t>& total_;
};

// A port of a pool.
struct Place {
    uint16_t address = 0;  // index of the address
    uint16_t port = 0;

    bool operator==(const Place&) const = default;
};

class Pool {
 public:
    // Throws std::bad_alloc.
    explicit Pool(const PoolSettings& settings);

    // --- workers ---

    // The addresses of one family are adjacent: IPv4, then IPv6.
    struct Family {
        uint16_t begin = 0;
        uint16_t end = 0;
        bool is_v4 = false;

        uint16_t size() const noexcept { return end - begin; }
        bool is_empty() const noexcept { return begin == end; }
    };
    Family family(const IpAddress& address) const noexcept { return families_[address.is_v4() ? 0 : 1]; }
    const IpAddress& address(uint16_t index) const noexcept { return addresses_[index]; }
    std::optional<uint16_t> index_of(const IpAddress& address) const noexcept;
    Ports& ports(uint16_t address, Transport transport) noexcept {
        return ports_[address * kTransportCount + static_cast<size_t>(transport)];
    }
    const Ports& ports(uint16_t address, Transport transport) const noexcept {
        return const_cast<Pool*>(this)->ports(address, transport);
    }
    uint32_t free(const Family& family, Transport transport) const noexcept {
        const Total& total = totals_[family.is_v4 ? 0 : 1][static_cast<size_t>(transport)];
        return total.capacity - std::min(total.capacity, total.used.load(std::memory_order_relaxed));
    }

    // A free port for an inside port, of the paired address if it has one, else of another of the family: the same
    // port where it is free, else one at random. A well-known port gets a well-known one if the range has one, and
    // others get others (RFC 4787, REQ-3), and UDP keeps the parity (REQ-4), unless only other ports are free.
    std::optional<Place> take(Transport transport, const Family& family, uint16_t paired, uint16_t inside_port,
                              uint64_t random) noexcept;
    // A port that a mapping has already, at random, none of `avoided`: of the paired address if it has one, else
    // of another.
    static constexpr size_t kMostAvoided = 8;
    std::optional<Place> share(Transport transport, const Family& family, uint16_t paired,
                               std::span<const Place> avoided, uint64_t random) noexcept;
    bool take_or_share(Transport transport, const Place& place, Patience patience) noexcept {
        return ports(place.address, transport).take_or_share(place.port, patience);
    }
    void release(Transport transport, const Place& place) noexcept {
        ports(place.address, transport).release(place.port);
    }
    // Whether a mapping may have it.
    bool allows(Transport transport, const Place& place) const noexcept;

    uint16_t address_count() const noexcept { return static_cast<uint16_t>(addresses_.size()); }
    uint32_t port_count() const noexcept { return uint32_t{high_} - low_ + 1; }  // of an address and transport

 private:
    static std::optional<uint16_t> take_at(Ports& ports, Transport transport, uint16_t inside_port,
                                           uint64_t random) noexcept;

    struct alignas(64) Total {
        std::atomic<uint32_t> used{0};
        uint32_t capacity = 0;
    };

    uint16_t low_, high_;
    std::vector<IpAddress> addresses_;  // sorted: IPv4 first
    std::array<Family, 2> families_;    // IPv4, IPv6
    Total totals_[2][kTransportCount];  // by family
    std::deque<Ports> ports_;           // by address and transport
};

}  // namespace sluice::nat
