// The worker's half of a port over packet sockets: frames out of the kernel's ring, and bursts to it.
#include <linux/if_packet.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "path/batch.h"
#include "path/came_by.h"
#include "port/af_packet.h"
#include "wire/coalesce.h"
#include "wire/mbuf.h"
#include "wire/offload.h"
#include "wire/udp_run.h"

namespace sluice::port {
namespace {

using wire::VirtioNetHeader;

// Takes an unfinished packet.
uint32_t header_size(const rte_mbuf* m) noexcept { return m->l2_len + m->l3_len + m->l4_len; }

// The VLAN tag that the kernel has taken off a frame: TPID and TCI, or 0 if there is none or it is a priority tag
// (wire/vlan.h).
template <class From>
uint32_t tag_of(const From& from, uint32_t status) noexcept {
    if ((status & TP_STATUS_VLAN_VALID) == 0) return 0;
    const uint32_t tpid = (status & TP_STATUS_VLAN_TPID_VALID) != 0
                              ? from.tp_vlan_tpid
                              : static_cast<uint32_t>(wire::EtherType::kVlan);
    const bool is_priority = tpid == static_cast<uint32_t>(wire::EtherType::kVlan) &&
                             (from.tp_vlan_tci & wire::VlanTag::kIdMask) == 0;
    return is_priority ? 0 : tpid << 16 | from.tp_vlan_tci;
}

}  // namespace

Received AfPacket::receive(uint16_t number, rte_mbuf** packets, uint16_t room,
                           path::Counters& counters) noexcept {
    Queue& queue = queues_[number];
    uint16_t taken = 0;
    uint16_t kept = 0;
    uint16_t missed = 0;
    uint64_t bytes = 0;
    while (taken + missed < room) {
        uint8_t* slot =
            queue.ring.get() + size_t{queue.block} * ring_.block_size + queue.slot * ring_.slot_size;
        uint32_t* status_word = &reinterpret_cast<tpacket2_hdr*>(slot)->tp_status;
        const uint32_t status = __atomic_load_n(status_word, __ATOMIC_ACQUIRE);
        if ((status & TP_STATUS_USER) == 0) break;
        const auto& header = *reinterpret_cast<const tpacket2_hdr*>(slot);
        rte_mbuf* packet = nullptr;
        if (unlikely(header.tp_snaplen < header.tp_len && (status & TP_STATUS_COPY) == 0)) {
            ++missed;
        } else {
            bytes += header.tp_len;
            packet = take(queue, slot, status, counters);
            ++taken;
        }
        __atomic_store_n(status_word, uint32_t{TP_STATUS_KERNEL}, __ATOMIC_RELEASE);
        if (++queue.slot == ring_.slots_per_block) {
            queue.slot = 0;
            if (++queue.block == ring_.blocks) queue.block = 0;
        }
        if (packet != nullptr) packets[kept++] = packet;
    }
    if (taken != 0) counters.receive(id(), number, taken, bytes);
    if (unlikely(missed != 0)) missed_long_.fetch_add(missed, std::memory_order_relaxed);
    return {kept, taken + missed == room};
}

void AfPacket::listen(uint16_t number, bool on) noexcept {
    Queue& queue = queues_[number];
    if (queue.listening == on) return;
    queue.listening = on;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    epoll_ctl(queue.alarm.get(), on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, queue.socket.get(), &event);
}

rte_mbuf* AfPacket::take(Queue& queue, const uint8_t* slot, uint32_t status,
                         path::Counters& counters) noexcept {
    if (unlikely((status & TP_STATUS_COPY) != 0)) return read_long(queue, counters);
    const auto& header = *reinterpret_cast<const tpacket2_hdr*>(slot);
    rte_mbuf* packet = copy_from_slot(slot, counters);
    if (unlikely(packet == nullptr)) return nullptr;
    return accept(packet, slot + header.tp_mac - sizeof(VirtioNetHeader), tag_of(header, status), counters);
}

// An empty packet of one mbuf, or of two if `size` does not fit in one.
rte_mbuf* AfPacket::alloc(uint32_t size, path::Counters& counters) noexcept {
    rte_mbuf* head = rte_pktmbuf_alloc(pools_.buffers);
    if (unlikely(head != nullptr && size > rte_pktmbuf_tailroom(head))) {
        rte_mbuf* tail = rte_pktmbuf_alloc(pools_.large);
        if (tail != nullptr) {
            head->next = tail;
            head->nb_segs = 2;
        } else {
            rte_pktmbuf_free(head);
            head = nullptr;
        }
    }
    if (unlikely(head == nullptr)) counters.drop(id(), path::Drop::kNoBuffer, nullptr, {.ingress = id()});
    return head;
}

rte_mbuf* AfPacket::copy_from_slot(const uint8_t* slot, path::Counters& counters) noexcept {
    const auto& header = *reinterpret_cast<const tpacket2_hdr*>(slot);
    rte_mbuf* head = alloc(header.tp_len, counters);
    if (unlikely(head == nullptr)) return nullptr;
    const uint8_t* frame = slot + header.tp_mac;
    const uint32_t first = std::min<uint32_t>(header.tp_len, rte_pktmbuf_tailroom(head));
    rte_memcpy(rte_pktmbuf_mtod(head, void*), frame, first);
    head->data_len = static_cast<uint16_t>(first);
    head->pkt_len = header.tp_len;
    if (unlikely(head->next != nullptr)) {
        rte_memcpy(rte_pktmbuf_mtod(head->next, void*), frame + first, header.tp_len - first);
        head->next->data_len = static_cast<uint16_t>(header.tp_len - first);
    }
    return head;
}

// Reads a frame that is longer than a slot.
rte_mbuf* AfPacket::read_long(const Queue& queue, path::Counters& counters) noexcept {
    rte_mbuf* head = alloc(UINT32_MAX, counters);
    if (head == nullptr) {
        recv(queue.socket.get(), nullptr, 0, MSG_DONTWAIT | MSG_TRUNC);  // discard it, since its slot is gone
        return nullptr;
    }
    VirtioNetHeader header;
    const uint16_t first = rte_pktmbuf_tailroom(head);
    std::array<iovec, 3> vectors{{{&header, sizeof header},
                                  {rte_pktmbuf_mtod(head, void*), first},
                                  {rte_pktmbuf_mtod(head->next, void*), rte_pktmbuf_tailroom(head->next)}}};
    alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(tpacket_auxdata))> control;
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = vectors.size();
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got = recvmsg(queue.socket.get(), &message, MSG_DONTWAIT);
    if (got < static_cast<ssize_t>(sizeof header) || (message.msg_flags & MSG_TRUNC) != 0) {
        cut_short_.fetch_add(1, std::memory_order_relaxed);
        counters.drop(id(), path::Drop::kCutShort, nullptr);
        rte_pktmbuf_free(head);
        return nullptr;
    }
    const auto size = static_cast<uint32_t>(got) - uint32_t{sizeof header};
    head->data_len = static_cast<uint16_t>(std::min<uint32_t>(size, first));
    head->pkt_len = size;
    if (size > first) {
        head->next->data_len = static_cast<uint16_t>(size - first);
    } else {  // too long for a slot, but not for a buffer
        rte_pktmbuf_free(head->next);
        head->next = nullptr;
        head->nb_segs = 1;
    }
    uint32_t tag = 0;
    const cmsghdr* about = CMSG_FIRSTHDR(&message);
    if (about != nullptr && about->cmsg_level == SOL_PACKET && about->cmsg_type == PACKET_AUXDATA) {
        tpacket_auxdata auxiliary;
        std::memcpy(&auxiliary, CMSG_DATA(about), sizeof auxiliary);
        tag = tag_of(auxiliary, auxiliary.tp_status);
    }
    return accept(head, &header, tag, counters);
}

// Applies the kernel's virtio-net header to the packet.
rte_mbuf* AfPacket::accept(rte_mbuf* packet, const void* header_bytes, uint32_t tag,
                           path::Counters& counters) noexcept {
    VirtioNetHeader header;
    std::memcpy(&header, header_bytes, sizeof header);
    if (unlikely(tag != 0)) {
        constexpr size_t kAddresses = offsetof(wire::EthernetHeader, type);
        packet->data_off = static_cast<uint16_t>(packet->data_off - sizeof(wire::VlanTag));
        packet->data_len = static_cast<uint16_t>(packet->data_len + sizeof(wire::VlanTag));
        packet->pkt_len += sizeof(wire::VlanTag);
        auto* frame = rte_pktmbuf_mtod(packet, uint8_t*);
        std::memmove(frame, frame + sizeof(wire::VlanTag), kAddresses);
        tag = __builtin_bswap32(tag);
        std::memcpy(frame + kAddresses, &tag, sizeof tag);
        header.checksum_start = static_cast<uint16_t>(header.checksum_start + sizeof(wire::VlanTag));
    }
    if (unlikely(wire::from_virtio(packet, header) != wire::OffloadResult::kOk)) {
        if (header.gso_type != VirtioNetHeader::kGsoNone) {
            met_untakeable_.store(true, std::memory_order_relaxed);
        }
        counters.drop(id(), path::Drop::kMalformedOffload, packet);
        rte_pktmbuf_free(packet);
        return nullptr;
    }
    if ((header.flags & VirtioNetHeader::kNeedsChecksum) != 0) {
        unfinished_.fetch_add(1, std::memory_order_relaxed);
    }
    path::set_came_by(packet, id());
    return packet;
}

// A burst on its way to the kernel. The packets still belong to the caller.
class AfPacket::Outbox {
 public:
    Outbox(AfPacket& port, int socket, path::Counters& counters) noexcept
        : port_(port), socket_(socket), counters_(counters) {}
    ~Outbox() {
        flush();
        if (sent_ != 0) counters_.transmit(port_.id(), sent_, bytes_);
    }
    Outbox(const Outbox&) = delete;

    // The packet counts as `frames` of `bytes` in all.
    void add(rte_mbuf* packet, uint16_t frames, uint64_t bytes) noexcept {
        if (!has_room(packet->nb_segs)) return drop(packet, frames, E2BIG);
        begin(wire::to_virtio(packet), {packet, nullptr, bytes, 0, 0, frames});
        append(packet, 0);
    }
    // Adds a run of UDP datagrams. Returns false if it is too long.
    bool add(rte_mbuf* const* packets, const wire::UdpRun& run) noexcept {
        uint32_t parts = 0;
        uint64_t bytes = 0;
        for (uint16_t i = 0; i < run.count; ++i) {
            parts += packets[i]->nb_segs;
            bytes += packets[i]->pkt_len;
        }
        if (!has_room(parts)) return false;
        begin(wire::begin_udp_run(packets[0], run),
              {packets[0], packets, bytes, run.payload_size, run.header_size, run.count});
        append(packets[0], 0);
        for (uint16_t i = 1; i < run.count; ++i) append(packets[i], run.header_size);
        return true;
    }

 private:
    static constexpr uint32_t kMaxVectors = 512;

    // Not initialized: there are many of them, and few are used.
    struct Message {
        const rte_mbuf* packet;  // the first packet
        rte_mbuf* const* packets;  // the packets of a run; null: no run
        uint64_t bytes;
        uint32_t payload_size;  // this and the one above are of a run
        uint16_t header_size;
        uint16_t frames;
    };

    bool has_room(uint32_t parts) noexcept {
        if (parts >= kMaxVectors) return false;
        if (count_ == path::kBatchSize || vector_count_ + parts >= kMaxVectors) flush();
        return true;
    }
    void begin(const VirtioNetHeader& header, const Message& message) noexcept {
        headers_[count_] = header;
        messages_[count_] = message;
        msghdr& to = calls_[count_].msg_hdr;
        to = {};
        to.msg_iov = &vectors_[vector_count_];
        to.msg_iovlen = 1;
        vectors_[vector_count_++] = {&headers_[count_], sizeof header};
        ++count_;
    }
    void append(rte_mbuf* packet, uint32_t from) noexcept {
        for (rte_mbuf* part = packet; part != nullptr; part = part->next) {
            if (part->data_len > from) {
                vectors_[vector_count_++] = {rte_pktmbuf_mtod_offset(part, void*, from),
                                             part->data_len - from};
                ++calls_[count_ - 1].msg_hdr.msg_iovlen;
            }
            from = 0;
        }
    }

    void flush() noexcept {
        uint32_t done = 0;
        while (done < count_) {
            const int sent = sendmmsg(socket_, &calls_[done], count_ - done, MSG_DONTWAIT);
            if (unlikely(sent <= 0)) {
                refuse(messages_[done++], errno);
                continue;
            }
            for (const uint32_t end = done + static_cast<uint32_t>(sent); done < end; ++done) {
                sent_ += messages_[done].frames;
                bytes_ += messages_[done].bytes;
                if (messages_[done].packets == nullptr) continue;
                port_.runs_.store(Runs::kTaken, std::memory_order_relaxed);
            }
        }
        count_ = 0;
        vector_count_ = 0;
    }
    // If the kernel refuses a run, its packets are sent one by one. If it has never taken a run, none is sent any
    // more.
    void refuse(const Message& message, int error) noexcept {
        if (message.packets == nullptr || error != EINVAL) return drop(message.packet, message.frames, error);
        Runs unknown = Runs::kUnknown;
        port_.runs_.compare_exchange_strong(unknown, Runs::kRefused);
        wire::abandon_udp_run(message.packets[0], {.count = message.frames,
                                                   .header_size = message.header_size,
                                                   .payload_size = message.payload_size});
        Outbox single(port_, socket_, counters_);
        for (uint16_t i = 0; i < message.frames; ++i) {
            single.add(message.packets[i], 1, message.packets[i]->pkt_len);
        }
    }
    void drop(const rte_mbuf* packet, uint16_t frames, int error) noexcept {
        auto reason = path::Drop::kTransmitFailed;
        if (error == EAGAIN || error == ENOBUFS || error == ENOMEM) reason = path::Drop::kTransmitFull;
        if (reason == path::Drop::kTransmitFull) reason = why_no_room(packet);
        if (error == EMSGSIZE) reason = path::Drop::kTooLongForPeer;
        if (error == ENETDOWN || error == ENXIO || error == ENODEV) reason = path::Drop::kInterfaceDown;
        if (reason == path::Drop::kTransmitFailed) {
            port_.transmit_error_.store(error, std::memory_order_relaxed);
        }
        counters_.drop(port_.id(), reason, packet, {.count = frames});
    }

    // The kernel also returns ENOBUFS if there is no link, or if the frame is too long for a veth's other end.
    path::Drop why_no_room(const rte_mbuf* packet) noexcept {
        port_.met_refusal_.store(true, std::memory_order_relaxed);
        if (port_.has_no_link_.load(std::memory_order_relaxed)) return path::Drop::kLinkDown;
        const bool is_whole = !wire::is_segment(packet);
        return is_whole && port_.is_too_long_for_peer(packet->pkt_len) ? path::Drop::kTooLongForPeer
                                                                       : path::Drop::kTransmitFull;
    }

    AfPacket& port_;
    int socket_;
    path::Counters& counters_;
    uint32_t count_ = 0;
    uint32_t vector_count_ = 0;
    uint32_t sent_ = 0;  // frames
    uint64_t bytes_ = 0;
    VirtioNetHeader headers_[path::kBatchSize];
    Message messages_[path::kBatchSize];
    mmsghdr calls_[path::kBatchSize];
    iovec vectors_[kMaxVectors];
};

void AfPacket::transmit(path::WorkerId worker, rte_mbuf** packets, uint16_t count, uint32_t,
                        path::Counters& counters) noexcept {
    std::array<uint16_t, path::kBatchSize> merged;
    count = wire::coalesce(packets, count, merged.data());
    const bool runs = runs_.load(std::memory_order_relaxed) != Runs::kRefused;
    {
        Outbox box(*this, senders_[path::index(worker)].get(), counters);
        for (uint16_t i = 0; i < count;) {
            const wire::UdpRun run =
                runs ? wire::find_udp_run(packets + i, static_cast<uint16_t>(count - i)) : wire::UdpRun{};
            if (run.count > 1 && box.add(packets + i, run)) {
                i = static_cast<uint16_t>(i + run.count);
                continue;
            }
            uint64_t bytes = packets[i]->pkt_len;
            if (merged[i] != 1) bytes += uint64_t{merged[i] - 1u} * header_size(packets[i]);
            box.add(packets[i], merged[i], bytes);
            ++i;
        }
    }
    rte_pktmbuf_free_bulk(packets, count);
}

}  // namespace sluice::port
