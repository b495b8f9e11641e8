// The protocol between a virtio-net driver and its device, beyond the frame's header (headers.h): feature bits
// and the descriptors of virtqueues (VIRTIO 1.2, 2.7, 2.8, 5.1.3, 6). Little-endian, as every host that Sluice
// runs on. (Linux's own headers for these are not C++.)
#pragma once

#include <cstdint>

namespace sluice::wire::virtio {

// Feature bits. GUEST_ bits say what the driver accepts, the others what it may send.
enum Feature : uint64_t {
    kChecksum = uint64_t{1} << 0,
    kGuestChecksum = uint64_t{1} << 1,
    kMtu = uint64_t{1} << 3,
    kGuestTso4 = uint64_t{1} << 7,
    kGuestTso6 = uint64_t{1} << 8,
    kGuestEcn = uint64_t{1} << 9,
    kGuestUfo = uint64_t{1} << 10,
    kHostTso4 = uint64_t{1} << 11,
    kHostTso6 = uint64_t{1} << 12,
    kHostEcn = uint64_t{1} << 13,
    kHostUfo = uint64_t{1} << 14,
    kMergeableBuffers = uint64_t{1} << 15,
    kRingPacked = uint64_t{1} << 34,
    kInOrder = uint64_t{1} << 35,
};

// Flags of a descriptor.
inline constexpr uint16_t kNext = 1 << 0;
inline constexpr uint16_t kWrite = 1 << 1;
inline constexpr uint16_t kIndirect = 1 << 2;
inline constexpr uint16_t kPackedAvailable = 1 << 7;
inline constexpr uint16_t kPackedUsed = 1 << 15;

struct Descriptor {
    uint64_t address;  // guest physical
    uint32_t length;   // bytes
    uint16_t flags;
    uint16_t next;
};
static_assert(sizeof(Descriptor) == 16);

// The driver's area of a split ring; ring[] follows.
struct AvailableRing {
    uint16_t flags;
    uint16_t index;  // where the driver puts the next entry, modulo 2^16
};

struct PackedDescriptor {
    uint64_t address;
    uint32_t length;
    uint16_t id;
    uint16_t flags;
};
static_assert(sizeof(PackedDescriptor) == 16);

}  // namespace sluice::wire::virtio
