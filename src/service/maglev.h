// Maglev hashing: a table of slots, each with the number of a back end. The hash of a connection gives the slot,
// so every switch with the same back ends makes the same choice.
//
// As in Maglev (Eisenbud et al., NSDI 2016, 3.4) each back end has a sequence of slots, from its id, and the back
// ends take turns. There a back end searches in its turn until it finds a free slot. Here it probes one slot in
// its turn, and leaves the race when it has its share. So when a back end comes or goes, about half as many slots
// of the others change, and every share is exact within one slot.
//
// The table depends on the set of ids and weights only, not on their order. Its size depends on the number of
// back ends: when that number passes a step of sizes (kSizes in maglev.cc), all slots are dealt anew.
//
// Immutable: built on the control thread, read by any number of workers at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sluice::service {

class Maglev {
 public:
    static constexpr size_t kMaxBackends = UINT16_MAX;
    static constexpr uint32_t kNone = UINT32_MAX;

    struct Entry {
        uint64_t id = 0;      // each once; the same after a restart and on every host
        uint32_t weight = 1;  // 0: gets no slot; others get at least one
    };

    // Has no back ends.
    Maglev() = default;
    // Up to kMaxBackends entries.
    explicit Maglev(std::span<const Entry> entries);

    // The index of an entry; kNone if none has a weight.
    uint32_t choose(uint32_t hash) const noexcept {
        if (slots_.empty()) return kNone;
        // The product moves the low bits up, because the upper bits choose the slot.
        const uint32_t mixed = hash * 0x9e37'79b1U;
        return slots_[uint64_t{mixed} * slots_.size() >> 32];
    }
    // Indices of entries.
    std::span<const uint16_t> slots() const noexcept { return slots_; }

 private:
    std::vector<uint16_t> slots_;
};

}  // namespace sluice::service
