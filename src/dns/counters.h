// Counters that the protocol thread counts up and any thread reads.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::dns {

inline void count(std::atomic<uint64_t>& counter) noexcept {
    counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace sluice::dns
