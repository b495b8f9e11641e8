#include "port/vring.h"

#include <fmt/format.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "wire/virtio.h"

namespace sluice::port {
namespace {

using namespace wire::virtio;

// The most descriptors of one chain: rte_vhost follows no more (BUF_VECTOR_MAX), and every one costs a system
// call.
constexpr uint32_t kMostFollowed = 256;

using Fault = std::optional<std::string>;

// Returns false if that memory is gone.
template <class T>
bool fetch(const void* base, size_t index, T& value) {
    iovec local{&value, sizeof value};
    const auto address = reinterpret_cast<uintptr_t>(base) + index * sizeof value;
    iovec remote{reinterpret_cast<void*>(address), sizeof value};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == sizeof value;
}

const GuestRegion* find_region(const std::vector<GuestRegion>& memory, uint64_t address,
                               uint64_t size) {
    for (const GuestRegion& region : memory) {
        if (address < region.guest || address - region.guest >= region.size) continue;
        return size <= region.size - (address - region.guest) ? &region : nullptr;
    }
    return nullptr;
}

// Whether every byte lies in the guest's memory. A buffer may span several regions.
bool is_mapped(const std::vector<GuestRegion>& memory, uint64_t address, uint64_t size) {
    while (size != 0) {
        const GuestRegion* region = find_region(memory, address, 1);
        if (region == nullptr) return false;
        const uint64_t piece = std::min(size, region->size - (address - region->guest));
        address += piece;
        size -= piece;
    }
    return true;
}

std::string outside(uint64_t index, uint64_t address, uint32_t length) {
    return fmt::format("descriptor {} points outside of the guest's memory ({} bytes at {:#x})", index,
                       length, address);
}

// Follows a chain in a table of linked descriptors: the ring's own, or an indirect one.
template <class Table>
Fault follow(const Table& table, uint32_t size, uint16_t head,
             const std::vector<GuestRegion>& memory) {
    uint32_t index = head;
    for (uint32_t count = 0; count <= std::min(size, kMostFollowed); ++count) {
        if (index >= size) {
            return fmt::format("descriptor index {} is outside of a table of {}", index, size);
        }
        Descriptor descriptor{};
        if (!table(index, descriptor)) return "the descriptor table is not mapped";
        if (!is_mapped(memory, descriptor.address, descriptor.length)) {
            return outside(index, descriptor.address, descriptor.length);
        }
        if ((descriptor.flags & kNext) == 0) return {};
        index = descriptor.next;
    }
    if (size > kMostFollowed) {
        return fmt::format("the descriptor chain that begins at {} is longer than {}, or a loop", head,
                           kMostFollowed);
    }
    return fmt::format("the descriptor chain that begins at {} never ends: it is a loop", head);
}

Fault follow_indirect(const Descriptor& descriptor, uint16_t ring_size, uint64_t index,
                      const std::vector<GuestRegion>& memory) {
    const uint64_t count = descriptor.length / sizeof(Descriptor);
    if (count == 0 || count > ring_size) {
        return fmt::format("the indirect table of descriptor {} has {} entries in a ring of {}", index,
                           count, ring_size);
    }
    const GuestRegion* region = find_region(memory, descriptor.address, descriptor.length);
    if (region == nullptr) return outside(index, descriptor.address, descriptor.length);
    const auto* table =
        reinterpret_cast<const void*>(region->host + (descriptor.address - region->guest));
    return follow([&](uint32_t i, Descriptor& entry) { return fetch(table, i, entry); },
                  static_cast<uint32_t>(count), 0, memory);
}

Fault find_split_fault(const VringView& ring, const std::vector<GuestRegion>& memory) {
    uint16_t filled = 0;
    if (!fetch(ring.available, offsetof(AvailableRing, index) / sizeof filled, filled)) {
        return "the available ring is not mapped";
    }
    const auto ahead = static_cast<uint16_t>(filled - ring.next);
    if (ahead == 0) return {};
    if (ahead > ring.size) {
        return fmt::format("the available index is {} entries ahead in a ring of {}", ahead, ring.size);
    }
    uint16_t head = 0;
    const size_t slot = sizeof(AvailableRing) / sizeof head + ring.next % ring.size;
    if (!fetch(ring.available, slot, head)) return "the available ring is not mapped";
    if (head >= ring.size) {
        return fmt::format("descriptor index {} is outside of a ring of {}", head, ring.size);
    }
    Descriptor first{};
    if (!fetch(ring.descriptors, head, first)) return "the descriptor table is not mapped";
    if ((first.flags & kIndirect) != 0) {
        return follow_indirect(first, ring.size, head, memory);
    }
    return follow([&](uint32_t i, Descriptor& entry) { return fetch(ring.descriptors, i, entry); },
                  ring.size, head, memory);
}

Fault find_packed_fault(const VringView& ring, const std::vector<GuestRegion>& memory) {
    uint16_t index = ring.next;
    bool wrap = ring.wrap;
    const uint32_t most = std::min<uint32_t>(ring.size, kMostFollowed);
    for (uint32_t count = 0; count < most; ++count) {
        PackedDescriptor descriptor{};
        if (!fetch(ring.descriptors, index, descriptor)) return "the descriptor ring is not mapped";
        const bool available = ((descriptor.flags & kPackedAvailable) != 0) == wrap &&
                               ((descriptor.flags & kPackedUsed) != 0) != wrap;
        if (count == 0 && !available) return {};
        if ((descriptor.flags & kIndirect) != 0) {
            // Its table holds packed descriptors in order, without the next flag (2.8.7).
            const uint64_t entries = descriptor.length / sizeof(PackedDescriptor);
            const GuestRegion* region = find_region(memory, descriptor.address, descriptor.length);
            if (region == nullptr) return outside(index, descriptor.address, descriptor.length);
            if (entries == 0 || entries > ring.size) {
                return fmt::format("the indirect table of descriptor {} has {} entries in a ring of {}",
                                   index, entries, ring.size);
            }
            return {};
        }
        if (!is_mapped(memory, descriptor.address, descriptor.length)) {
            return outside(index, descriptor.address, descriptor.length);
        }
        if ((descriptor.flags & kNext) == 0) return {};
        if (++index == ring.size) {
            index = 0;
            wrap = !wrap;
        }
    }
    return fmt::format("the descriptor chain that begins at {} is longer than {}", ring.next, most);
}

}  // namespace

std::optional<std::string> find_fault(const VringView& ring, const std::vector<GuestRegion>& memory) {
    if (ring.size == 0 || ring.descriptors == nullptr) return {};
    return ring.packed ? find_packed_fault(ring, memory) : find_split_fault(ring, memory);
}

std::optional<PackedPosition> find_packed_position(const VringView& ring) {
    // Read in one piece, because rte_vhost holds the rings' locks meanwhile.
    std::vector<PackedDescriptor> table(ring.size);
    const size_t size = table.size() * sizeof(PackedDescriptor);
    iovec local{table.data(), size};
    iovec remote{const_cast<void*>(ring.descriptors), size};
    if (size == 0 || process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != static_cast<ssize_t>(size)) {
        return {};
    }
    std::optional<PackedPosition> found;
    auto used = [&](size_t i) { return (table[i].flags & kPackedUsed) != 0; };
    for (uint16_t i = 1; i < ring.size; ++i) {
        if (used(i) == used(i - 1U)) continue;
        if (found) return {};
        found = {i, used(i - 1U)};
    }
    // No change: the device stands at the beginning of a lap, and the flags show the lap before.
    return found ? found : PackedPosition{0, !used(0)};
}

}  // namespace sluice::port
