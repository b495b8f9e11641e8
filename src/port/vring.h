// What is wrong with a guest's virtqueue, in words. rte_vhost refuses a descriptor that it can't follow
// and never goes past it, without a word; this looks at where it stands and says why.
//
// The guest may write its ring, and unmap its memory, while it is read here: every access goes through
// the kernel (process_vm_readv), so the worst that comes of it is a wrong sentence. Control thread.
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

// A virtqueue (VIRTIO 1.2, 2.7 and 2.8) and how far its device has come.
struct VringView {
    bool packed = false;
    uint16_t size = 0;                    // descriptors
    const void* descriptors = nullptr;    // descriptor table, or packed descriptor ring
    const void* available = nullptr;      // of a split ring
    uint16_t next = 0;                    // index of the next available descriptor (chain) to take
    bool wrap = true;                     // of a packed ring: the device's wrap counter at `next`
};

// The fault of the next available descriptor chain; none where it is sound or there is no next.
std::optional<std::string> find_fault(const VringView& ring, const std::vector<GuestRegion>& memory);

// Where the device of a packed ring has come to, read from the ring itself: QEMU remembers it for split
// rings only, and tells a switch that comes back to begin anew (VIRTIO 1.2, 2.8.1: the used flag of a
// descriptor is the device's wrap counter of the lap in which it was used, so that it changes where the
// device stands). None where that can't be told: chains of several descriptors change it more than once.
struct PackedPosition {
    uint16_t next;
    bool wrap;

    bool operator==(const PackedPosition&) const = default;
};
std::optional<PackedPosition> find_packed_position(const VringView& ring);

}  // namespace sluice::port
