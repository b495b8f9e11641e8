// Explains faults of a guest's virtqueue. rte_vhost refuses a descriptor that it cannot follow, stays there and
// reports nothing. This code looks at that descriptor and gives the reason.
//
// The guest may write its ring and unmap its memory during the look. Every access goes through the kernel
// (process_vm_readv), so the worst result is a wrong sentence. Control thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice::port {

// A piece of the guest's memory as this process sees it.
struct GuestRegion {
    uint64_t guest;  // guest physical address
    uint64_t host;   // address here
    uint64_t size;   // bytes
};

// A virtqueue (VIRTIO 1.2, 2.7 and 2.8) and its device's position.
struct VringView {
    bool packed = false;
    uint16_t size = 0;                    // descriptors
    const void* descriptors = nullptr;    // descriptor table, or packed descriptor ring
    const void* available = nullptr;      // of a split ring
    uint16_t next = 0;                    // index of the next available descriptor (chain) to take
    bool wrap = true;                     // of a packed ring: the device's wrap counter at `next`
};

// The fault of the next available descriptor chain; none if it is valid or there is no next one.
std::optional<std::string> find_fault(const VringView& ring, const std::vector<GuestRegion>& memory);

// The device's position in a packed ring, derived from the ring itself. QEMU remembers it for split rings only,
// and tells a switch that reconnects to start at the beginning. (VIRTIO 1.2, 2.8.1: the used flag of a descriptor
// is the device's wrap counter in the lap in which it was used, so the flag changes at the device's position.)
// None if it is ambiguous: chains of several descriptors cause more than one change.
struct PackedPosition {
    uint16_t next;
    bool wrap;

    bool operator==(const PackedPosition&) const = default;
};
std::optional<PackedPosition> find_packed_position(const VringView& ring);

}  // namespace sluice::port
