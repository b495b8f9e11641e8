// The worker's half of a DPDK device: bursts in and out, work that a device leaves to software, and the
// interrupts of its queues.
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

#include <algorithm>
#include <array>
#include <bit>

#include "path/batch.h"
#include "port/bond.h"
#include "port/ethdev.h"
#include "wire/mbuf.h"
#include "wire/offload.h"
#include "wire/segment.h"

namespace sluice::port {
namespace {

constexpr uint32_t kRoom = kBufferSize - RTE_PKTMBUF_HEADROOM;  // the bytes that an ordinary buffer holds
// A quarter of the large buffers is kept from the rings of devices, and at least as many as the workers' caches
// may hold (24 each).
constexpr uint32_t kSparedByWorker = 32;

}  // namespace

Received Ethdev::receive(uint16_t queue, rte_mbuf** packets, uint16_t room,
                         path::Counters& counters) noexcept {
    uint16_t count = rte_eth_rx_burst(device_, queue, packets, room);
    if (unlikely(is_lacp_) && queue == 0) send_lacp();
    if (unlikely(listening_[queue])) {
        if (count == 0) {
            // Some devices (Intel's from i40e on) disable an interrupt when they raise it. So after a wake-up
            // without packets it must be enabled again. Packets that came before that raise none, hence one more
            // burst.
            rte_eth_dev_rx_intr_enable(device_, queue);
            count = rte_eth_rx_burst(device_, queue, packets, room);
        }
        if (count != 0) listen(queue, false);
    }
    if (unlikely(probes_ != nullptr)) probe_members(queue);
    if (count == 0) return {0, false};
    const bool more = count == room;
    if (unlikely(probes_ != nullptr)) {
        count = probes_->receive(packets, count);
        if (count == 0) return {0, more};
    }
    uint64_t bytes = 0;
    uint64_t both = 0;  // of the two bits that together say "unfinished"
    constexpr uint64_t kNone = RTE_MBUF_F_RX_L4_CKSUM_NONE;
    constexpr int kApart = std::countr_zero(RTE_MBUF_F_RX_L4_CKSUM_BAD);
    constexpr int kBetween = std::countr_zero(RTE_MBUF_F_RX_L4_CKSUM_GOOD) - kApart;
    static_assert(kNone == (RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_GOOD) && kBetween > 0);
#pragma GCC unroll 4
    for (uint16_t i = 0; i < count; ++i) {
        bytes += packets[i]->pkt_len;
        both |= packets[i]->ol_flags & packets[i]->ol_flags >> kBetween;
    }
    const bool unfinished = (both >> kApart & 1) != 0;
    counters.receive(id(), queue, count, bytes);
    uint16_t kept = count;
    if (unlikely(is_backup_)) {
        kept = drop_stale(device_, queue, sources_[queue], packets, count, id(), counters);
    }
    if (unlikely(kernel_ != nullptr)) {
        kept = kernel_->receive(packets, kept, counters);
    } else if (unlikely(unfinished)) {
        kept = accept_unfinished(packets, kept, counters);
    }
    return {kept, more};
}

// The bonding device sends its LACP messages during our bursts, and needs one at least every 100 ms.
void Ethdev::send_lacp() noexcept {
    const uint64_t now = rte_get_tsc_cycles();
    if (now < next_lacp_) return;
    next_lacp_ = now + rte_get_tsc_hz() / 20;
    rte_spinlock_lock(&turns_[0].lock);
    rte_eth_tx_burst(device_, 0, nullptr, 0);
    rte_spinlock_unlock(&turns_[0].lock);
}

void Ethdev::probe_members(uint16_t queue) noexcept {
    const uint64_t now = rte_get_tsc_cycles();
    if (likely(!probes_->is_due(queue, now)) || !probes_->look(queue, now)) return;
    rte_spinlock_lock(&turns_[0].lock);
    probes_->send();
    rte_spinlock_unlock(&turns_[0].lock);
}

void Ethdev::listen(uint16_t queue, bool on) noexcept {
    if (listening_[queue] == on) return;
    listening_[queue] = on;
    if (on) {
        rte_eth_dev_rx_intr_enable(device_, queue);
    } else {
        rte_eth_dev_rx_intr_disable(device_, queue);
    }
}

// A hypervisor's device passes on the unfinished checksums of its guests (virtio's NEEDS_CSUM).
uint16_t Ethdev::accept_unfinished(rte_mbuf** packets, uint16_t count,
                                   path::Counters& counters) noexcept {
    uint16_t kept = 0;
    for (uint16_t i = 0; i < count; ++i) {
        rte_mbuf* packet = packets[i];
        const uint64_t checksum = packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
        if (checksum == RTE_MBUF_F_RX_L4_CKSUM_NONE &&
            wire::from_receive_flags(packet) != wire::OffloadResult::kOk) {
            counters.drop(id(), path::Drop::kMalformedOffload, packet);
            rte_pktmbuf_free(packet);
            continue;
        }
        packets[kept++] = packet;
    }
    return kept;
}

void Ethdev::transmit(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
                      path::Counters& counters) noexcept {
    const Capabilities can = capabilities();
    uint64_t flags = 0;
    uint32_t longest = 0;
    // A plain device is never given such packets.
    const bool plain = !can.checksums && max_frame() <= kRoom;
    for (uint16_t i = 0; i < count && !plain; ++i) {
        flags |= packets[i]->ol_flags;
        longest = std::max(longest, packets[i]->pkt_len);
    }
    if (unlikely(longest > kRoom) && can.chained && is_short_of_large()) spare_large(packets, count);
    if (can.checksums &&
        unlikely((flags & (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG)) != 0)) {
        return send_unfinished(worker, packets, count, counters);
    }
    send(worker, packets, count, bytes, counters);
}

// Without counting the workers' caches: reading them would touch many cache lines, and only their owners can use
// them.
bool Ethdev::is_short_of_large() const noexcept {
    const rte_mempool* pool = pools_.large;
    const uint32_t spared = std::max(pool->size / 4, workers_ * kSparedByWorker);
    return rte_mempool_get_ops(pool->ops_index)->get_count(pool) < spared;
}

// A device frees a sent packet only when it needs the descriptor again, so the last packets stay in its ring
// until as many have followed. In this way a ring of 1024 descriptors held 512 segments: all large buffers that
// there are by default. Then no TAP could be read, because that needs one, and no packets followed any more.
void Ethdev::spare_large(rte_mbuf** packets, uint16_t count) noexcept {
    for (uint16_t i = 0; i < count; ++i) {
        if (packets[i]->pkt_len <= kRoom) continue;
        rte_mbuf* spread = rte_pktmbuf_copy(packets[i], pools_.buffers, 0, UINT32_MAX);
        if (spread == nullptr) continue;
        rte_pktmbuf_free(packets[i]);
        packets[i] = spread;
    }
}

void Ethdev::send(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t bytes,
                  path::Counters& counters) noexcept {
    const uint16_t queue = transmit_queue(worker);
    const bool shared = transmit_queues_ < workers_ || is_lacp_ || probes_ != nullptr;
    if (shared) rte_spinlock_lock(&turns_[queue].lock);
    const uint16_t sent = rte_eth_tx_burst(device_, queue, packets, count);
    if (shared) rte_spinlock_unlock(&turns_[queue].lock);

    // The device owns the packets that were sent, so their bytes are the sum without those left over.
    for (uint16_t i = sent; i < count; ++i) bytes -= packets[i]->pkt_len;
    if (sent != 0) counters.transmit(id(), sent, bytes);
    if (sent < count) {
        counters.drop_all(id(), path::Drop::kTransmitFull, packets + sent, count - sent);
        rte_pktmbuf_free_bulk(packets + sent, count - sent);
    }
}

void Ethdev::send_unfinished(path::WorkerId worker, rte_mbuf** packets, uint16_t count,
                             path::Counters& counters) noexcept {
    const uint16_t queue = transmit_queue(worker);
    uint16_t first = 0;  // index of the first unsent packet
    uint32_t bytes = 0;
    for (uint16_t i = 0; i < count; ++i) {
        if (wire::is_unfinished(packets[i]) && !prepare(queue, packets[i])) {
            if (wire::is_segment(packets[i])) {
                send(worker, packets + first, static_cast<uint16_t>(i - first), bytes, counters);
                cut(worker, packets[i], counters);
                first = static_cast<uint16_t>(i + 1);
                bytes = 0;
                continue;
            }
            wire::finish_checksums(packets[i]);
        }
        bytes += packets[i]->pkt_len;
    }
    if (first < count) {
        send(worker, packets + first, static_cast<uint16_t>(count - first), bytes, counters);
    }
}

// Returns false if software has to finish the packet.
bool Ethdev::prepare(uint16_t queue, rte_mbuf*& packet) noexcept {
    // A segment's headers are changed for the device. If the segment was flooded, other ports share them.
    if (wire::is_segment(packet) && !wire::is_own(packet)) {
        rte_mbuf* own = rte_pktmbuf_copy(packet, pools_.large, 0, UINT32_MAX);
        if (own == nullptr) return false;
        rte_pktmbuf_free(packet);
        packet = own;
    }
    return wire::prepare_for_device(packet) && rte_eth_tx_prepare(device_, queue, &packet, 1) == 1;
}

void Ethdev::cut(path::WorkerId worker, rte_mbuf* segment, path::Counters& counters) noexcept {
    wire::Cutter cutter(segment, pools_.holding(wire::longest_frame(segment)));
    std::array<rte_mbuf*, path::kBatchSize> pieces;
    uint16_t count = 0;
    uint32_t bytes = 0;
    uint32_t made = 0;
    while (rte_mbuf* piece = cutter.next()) {
        pieces[count++] = piece;
        bytes += piece->pkt_len;
        ++made;
        if (count < pieces.size()) continue;
        send(worker, pieces.data(), count, bytes, counters);
        count = 0;
        bytes = 0;
    }
    if (count != 0) send(worker, pieces.data(), count, bytes, counters);
    // Counted as in Egress::cut().
    const uint32_t missing = cutter.failed() ? cutter.remaining() : 0;
    counters.totals.made.add(made + missing - 1);
    if (missing != 0) counters.drop(id(), path::Drop::kNoBuffer, segment, {.count = missing});
    rte_pktmbuf_free(segment);
}

}  // namespace sluice::port
