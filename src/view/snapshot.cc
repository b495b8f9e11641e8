#include "view/snapshot.h"

#include <sys/mman.h>

#include <new>

#include "wire/headers.h"
#include "wire/mbuf.h"

namespace sluice::view {

void* Snapshot::operator new(size_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return memory;
}

void Snapshot::operator delete(void* memory, size_t size) noexcept {
    munmap(memory, size);
}

// Headers may be spread over several mbufs.
bool Snapshot::is_end_point_slowly(const rte_mbuf* packet) const noexcept {
    constexpr uint32_t kIp = sizeof(wire::EthernetHeader);
    const wire::EtherType type = wire::ether_type(packet);
    if (type == wire::EtherType::kIpv4) {
        wire::Ipv4Header copy;
        const auto* ip = wire::read(packet, kIp, copy);
        return ip != nullptr && ip->destination.raw() == end_point.raw();
    }
    wire::Ipv6Header copy;
    const auto* ip = type == wire::EtherType::kIpv6 ? wire::read(packet, kIp, copy) : nullptr;
    return ip != nullptr && ip->destination == end_point_ipv6;
}

}  // namespace sluice::view
