// The worker's half of a vhost-user port: bursts from and to a guest's rings. rte_vhost copies, so a packet is
// free as soon as it is sent. rte_vhost locks a ring to which two workers transmit.
#include <rte_mbuf.h>
#include <rte_vhost.h>

#include <algorithm>

#include "path/batch.h"
#include "path/came_by.h"
#include "port/vhost.h"
#include "wire/offload.h"
#include "wire/vlan.h"

namespace sluice::port {
namespace {

// The most packets that one call of rte_vhost takes (MAX_PKT_BURST of its virtio_net.c).
constexpr uint16_t kCall = 32;

// The most segments in one burst. They stay in the core's cache until they are copied out again: 32 segments of
// 64 KiB would go to memory and back.
constexpr uint16_t kSegments = 4;

constexpr uint64_t kOffloaded =
    RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK;

}  // namespace

Received VhostUser::receive(uint16_t queue, rte_mbuf** packets, uint16_t room,
                            path::Counters& counters) noexcept {
    const int guest = guest_.load(std::memory_order_acquire);
    if (guest == kNoGuest) return {0, false};
    const auto ring = static_cast<uint16_t>(2 * queue + 1);
    uint16_t wanted = std::min(room, appetite_[queue]);
    uint16_t taken = 0;
    while (taken < wanted) {
        const auto left = static_cast<uint16_t>(wanted - taken);
        const uint16_t got =
            rte_vhost_dequeue_burst(guest, ring, pools_.buffers, packets + taken, left);
        taken += got;
        if (got < std::min(left, kCall)) break;
    }
    if (taken == 0) return {0, false};

    uint64_t bytes = 0;
    uint16_t kept = 0;
    bool segments = false;
    for (uint16_t i = 0; i < taken; ++i) {
        rte_mbuf* packet = packets[i];
        bytes += packet->pkt_len;
        segments |= packet->nb_segs > 1;
        if ((packet->ol_flags & kOffloaded) != 0 &&
            wire::from_receive_flags(packet) != wire::OffloadResult::kOk) [[unlikely]] {
            counters.drop(id(), path::Drop::kMalformedOffload, packet);
            rte_pktmbuf_free(packet);
            continue;
        }
        // rte_vhost has just copied the frame, so its EtherType is in the core's cache.
        if (wire::ether_type(packet) == wire::EtherType::kVlan) [[unlikely]] wire::pop_priority_tag(packet);
        path::set_came_by(packet, id());
        packets[kept++] = packet;
    }
    appetite_[queue] = segments ? kSegments : path::kBatchSize;
    counters.receive(id(), queue, taken, bytes);
    return {kept, taken == wanted};
}

void VhostUser::transmit(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
                         path::Counters& counters) noexcept {
    const int guest = guest_.load(std::memory_order_acquire);
    uint16_t sent = 0;
    if (likely(guest != kNoGuest)) {
        const uint16_t ring =
            transmit_ring_[path::index(worker)].load(std::memory_order_relaxed);
        while (sent < count) {
            const auto left = static_cast<uint16_t>(count - sent);
            const uint16_t done = rte_vhost_enqueue_burst(guest, ring, packets + sent, left);
            sent += done;
            if (done < std::min(left, kCall)) break;
        }
    }
    for (uint16_t i = sent; i < count; ++i) bytes -= packets[i]->pkt_len;
    if (sent != 0) counters.transmit(id(), sent, bytes);
    if (sent < count) {
        const auto reason =
            guest == kNoGuest ? path::Drop::kLinkDown : path::Drop::kTransmitFull;
        counters.drop_all(id(), reason, packets + sent, count - sent);
    }
    rte_pktmbuf_free_bulk(packets, count);
}

void VhostUser::listen(uint16_t queue, bool on) noexcept {
    const int guest = guest_.load(std::memory_order_acquire);
    if (guest == kNoGuest) return;
    rte_vhost_enable_guest_notification(guest, static_cast<uint16_t>(2 * queue + 1), on ? 1 : 0);
}

}  // namespace sluice::port
