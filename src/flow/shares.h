// Who fills the flow table: how many of its flows each port and each address has begun. While there is room nobody
// is asked. When there is none, every port that has flows may have as many as every other: one that has fewer
// takes the places of those that have more, open connections too. Within a port an address that has more than an
// eighth of the table gives places to others, where there is nothing but open connections: addresses may be
// invented.
//
// Any worker adds and removes, and any thread asks. What is said is as exact as the moment allows.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "path/ids.h"
#include "path/tuple.h"

namespace sluice::flow {

// Who has begun a flow.
struct Owner {
    path::PortId port;
    uint32_t address;  // a place in the counts, which few others share
};

class Shares {
 public:
    static constexpr uint32_t kAddresses = 1 << 16;

    explicit Shares(uint32_t capacity);

    // `secret` is the table's: nobody chooses whose count he shares. Of IPv6 the first 64 bits are an address.
    static uint32_t address_place(const path::Tuple& original, uint64_t secret) noexcept;

    void add(const Owner& owner) noexcept;
    void remove(const Owner& owner) noexcept;
    uint32_t of(path::PortId port) const noexcept {
        return ports_[place(port)].load(std::memory_order_relaxed);
    }

    // What one who wants a place may do in a full table.
    class Claim {
     public:
        Claim(const Shares& shares, const Owner& owner) noexcept;

        // It has its share, or more.
        bool is_over() const noexcept { return has_share_ || has_address_share_; }
        // Somebody has more than a share, a port or an address, and this one has less.
        bool has_less() const noexcept { return has_less_; }
        // It may take an open connection of this other one's, who has more than a share. `all_are_open`: nothing
        // else was found for a whole round.
        bool may_take_from(const Owner& other, bool all_are_open) const noexcept;
        // It has its share and that one hasn't: it takes nothing there that is of use.
        bool must_spare(const Owner& other) const noexcept;

     private:
        const Shares& shares_;
        Owner owner_;
        uint32_t share_;
        bool has_share_;
        bool has_less_;
        bool has_address_share_;
    };

 private:
    static uint32_t place(path::PortId port) noexcept {
        return path::index(port) < path::kMaxPorts ? path::index(port) : path::kMaxPorts;
    }
    uint32_t address_share() const noexcept { return capacity_ / 8; }
    uint32_t of_address(uint32_t address) const noexcept {
        return addresses_[address].load(std::memory_order_relaxed);
    }

    using Count = std::atomic<uint32_t>;
    uint32_t capacity_;
    std::unique_ptr<Count[]> ports_;      // by PortId, and one for none
    std::unique_ptr<Count[]> addresses_;
    Count active_{0};  // ports that have flows
    Count rich_addresses_{0};  // that have more than their share
    Count active_addresses_{0};
};

}  // namespace sluice::flow
