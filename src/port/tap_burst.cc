// The worker's half of a TAP port: frames from and to the descriptor, one system call per frame. The copy of a 64
// KiB segment costs far more than the call, and frames of one flow are first joined into such a segment.
#include <rte_mbuf.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "path/batch.h"
#include "path/came_by.h"
#include "port/tap.h"
#include "wire/coalesce.h"
#include "wire/offload.h"
#include "wire/vlan.h"

namespace sluice::port {
namespace {

// The most bytes that one burst reads. Segments are then read and written while they are in the core's own cache:
// 64 segments of 64 KiB would go to memory and back.
constexpr uint32_t kBurstBytes = 128 * 1024;

constexpr uint16_t kMaxVectors = 64;
static_assert(wire::kMaxCoalesced < kMaxVectors);

// Takes an unfinished packet.
uint32_t header_size(const rte_mbuf* m) noexcept { return m->l2_len + m->l3_len + m->l4_len; }

}  // namespace

Received Tap::receive(uint16_t queue, rte_mbuf** packets, uint16_t room,
                      path::Counters& counters) noexcept {
    const int fd = queues_[queue].get();
    Received received{0, true};
    uint32_t bytes = 0;
    uint32_t taken = 0;
    rte_mbuf* head = nullptr;
    rte_mbuf* tail = nullptr;
    while (received.count < room && bytes < kBurstBytes) {
        if (head == nullptr && (head = rte_pktmbuf_alloc(pools_.buffers)) == nullptr) break;
        if (tail == nullptr && (tail = rte_pktmbuf_alloc(pools_.large)) == nullptr) break;
        wire::VirtioNetHeader header;
        const uint16_t head_room = rte_pktmbuf_tailroom(head);
        const std::array<iovec, 3> vectors{{{&header, sizeof header},
                                            {rte_pktmbuf_mtod(head, void*), head_room},
                                            {rte_pktmbuf_mtod(tail, void*),
                                             rte_pktmbuf_tailroom(tail)}}};
        const ssize_t got = readv(fd, vectors.data(), vectors.size());
        if (got < static_cast<ssize_t>(sizeof header)) {
            // The queue is empty (EAGAIN) or the device is gone (EBADFD): check() finds out which.
            received.more = false;
            break;
        }
        const auto size = static_cast<uint32_t>(got) - static_cast<uint32_t>(sizeof header);
        rte_mbuf* packet = head;
        head = nullptr;
        packet->pkt_len = size;
        packet->data_len = static_cast<uint16_t>(size <= head_room ? size : head_room);
        if (size > head_room) {
            tail->data_len = static_cast<uint16_t>(size - head_room);
            packet->next = tail;
            packet->nb_segs = 2;
            tail = nullptr;
        }
        bytes += size;
        ++taken;
        if (wire::from_virtio(packet, header) != wire::OffloadResult::kOk) [[unlikely]] {
            counters.drop(id(), path::Drop::kMalformedOffload, packet);
            rte_pktmbuf_free(packet);
            continue;
        }
        // Here the frame has just been copied to the cache, and other ports' fast paths pay nothing.
        if (wire::ether_type(packet) == wire::EtherType::kVlan) [[unlikely]] wire::pop_priority_tag(packet);
        path::set_came_by(packet, id());
        packets[received.count++] = packet;
    }
    rte_pktmbuf_free(head);
    rte_pktmbuf_free(tail);
    if (taken != 0) counters.receive(id(), queue, taken, bytes);
    return received;
}

void Tap::transmit(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t,
                   path::Counters& counters) noexcept {
    const int fd = queues_[path::index(worker) % queues_.size()].get();
    uint32_t sent = 0;
    uint64_t bytes = 0;
    std::array<uint16_t, path::kBatchSize> merged;
    count = wire::coalesce(packets, count, merged.data());
    for (uint16_t i = 0; i < count; ++i) {
        rte_mbuf* packet = packets[i];
        wire::VirtioNetHeader header = wire::to_virtio(packet);
        std::array<iovec, kMaxVectors> vectors;
        vectors[0] = {&header, sizeof header};
        int used = 1;
        for (rte_mbuf* part = packet; part != nullptr && used < kMaxVectors; part = part->next) {
            vectors[static_cast<size_t>(used++)] = {rte_pktmbuf_mtod(part, void*), part->data_len};
        }
        if (packet->nb_segs >= kMaxVectors) [[unlikely]] {
            transmit_error_.store(EMSGSIZE, std::memory_order_relaxed);
            counters.drop(id(), path::Drop::kTransmitFailed, packet, {.count = merged[i]});
            continue;
        }
        if (writev(fd, vectors.data(), used) >= 0) [[likely]] {
            sent += merged[i];
            bytes += packet->pkt_len;
            if (merged[i] != 1) bytes += uint64_t{merged[i] - 1u} * header_size(packet);
            continue;
        }
        path::Drop reason = path::Drop::kTransmitFailed;
        switch (errno) {
            case EAGAIN:
            case ENOBUFS: reason = path::Drop::kTransmitFull; break;
            case EIO: reason = path::Drop::kInterfaceDown; break;
            case EMSGSIZE: reason = path::Drop::kTooLongForPeer; break;
            default: transmit_error_.store(errno, std::memory_order_relaxed);
        }
        counters.drop(id(), reason, packet, {.count = merged[i]});
    }
    if (sent != 0) counters.transmit(id(), sent, bytes);
    rte_pktmbuf_free_bulk(packets, count);
}

}  // namespace sluice::port
