#include "port/egress.h"

#include <rte_cycles.h>
#include <sys/mman.h>

#include <new>

#include "wire/headers.h"
#include "wire/mbuf.h"
#include "wire/offload.h"
#include "wire/segment.h"
#include "wire/vlan.h"

namespace sluice::port {
namespace {

// The most flood copies in transmit buffers at a time. Without a limit, a batch of broadcasts in a network of
// hundreds of ports could empty the pool.
constexpr uint32_t kMaxCopies = 1024;

// A VLAN tag doesn't count towards the MTU (an IEEE 802.3 Q-tagged frame; Linux does the same).
uint32_t tag_size(const rte_mbuf* packet) noexcept {
    const auto* ethernet = rte_pktmbuf_mtod(packet, const wire::EthernetHeader*);
    return wire::is_vlan(ethernet->ether_type()) ? sizeof(wire::VlanTag) : 0;
}

}  // namespace

Egress::Egress(path::WorkerId worker, Pools pools, path::Counters& counters, Sink* sink)
    : worker_(worker),
      pools_(pools),
      counters_(counters),
      sink_(sink),
      waiting_(std::make_unique<path::PortId[]>(path::kMaxPorts)) {
    void* memory = mmap(nullptr, path::kMaxPorts * sizeof(Buffer), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    buffers_.reset(static_cast<Buffer*>(memory));
}

void Egress::Unmap::operator()(Buffer* buffers) const noexcept {
    munmap(buffers, path::kMaxPorts * sizeof(Buffer));
}

void Egress::send_unusual(Port& port, rte_mbuf* packet) noexcept {
    const Capabilities can = port.capabilities();
    const bool segment = wire::is_segment(packet);
    if (wire::longest_frame(packet) > port.max_frame() + tag_size(packet)) {
        return drop(port, packet, path::Drop::kTooBig);
    }
    if (segment && !can.tcp_segments) return cut(port, packet);
    if (!can.checksums && wire::is_unfinished(packet)) wire::finish_checksums(packet);
    if (packet->nb_segs > 1 && !can.chained && !make_linear(packet)) {
        return drop(port, packet, path::Drop::kNoBuffer);
    }
    push(port, port.id(), packet);
}

void Egress::cut(Port& port, rte_mbuf* segment) noexcept {
    wire::Cutter cutter(segment, pools_.holding(wire::longest_frame(segment)));
    uint32_t pieces = 0;
    while (rte_mbuf* piece = cutter.next()) {
        push(port, port.id(), piece);
        ++pieces;
    }
    // The segment itself counts as one of its pieces. A piece that could not be made counts as made and dropped,
    // so that the sum shows how many frames the receiver lacks.
    const uint32_t missing = cutter.failed() ? cutter.remaining() : 0;
    counters_.totals.made.add(pieces + missing - 1);
    if (missing != 0) counters_.drop(port.id(), path::Drop::kNoBuffer, segment, {.count = missing});
    rte_pktmbuf_free(segment);
}

bool Egress::make_linear(rte_mbuf*& packet) noexcept {
    if (packet->pkt_len > kLargeSize - RTE_PKTMBUF_HEADROOM) return false;
    rte_mbuf* linear = rte_pktmbuf_copy(packet, pools_.holding(packet->pkt_len), 0, UINT32_MAX);
    if (linear == nullptr) return false;
    rte_pktmbuf_free(packet);
    packet = linear;
    return true;
}

void Egress::send(const Exit& exit, rte_mbuf* packet) noexcept {
    Port& port = *exit.port;
    if (exit.native || exit.vlan != 0) wire::pop_priority_tag(packet);
    if (exit.native && wire::is_vlan(wire::ether_type(packet))) {
        return drop(port, packet, path::Drop::kTaggedOnNative);
    }
    if (exit.vlan != 0) {
        rte_mbuf* tagged = wire::push_vlan(packet, exit.vlan, pools_.buffers);
        if (tagged == nullptr) return drop(port, packet, path::Drop::kNoBuffer);
        packet = tagged;
    }
    if (exit.mirrors != nullptr) mirror(*exit.mirrors, packet);
    send(port, packet);
}

void Egress::flood(const std::vector<Exit>& exits, const Port* from, uint16_t horizon, rte_mbuf* packet,
                   const path::DropSite& site) noexcept {
    // The copies share their bytes, so checksums and tags must be changed before.
    if (!wire::is_segment(packet)) wire::finish_checksums(packet);
    wire::pop_priority_tag(packet);
    const Exit* previous = nullptr;
    for (const Exit& exit : exits) {
        if (exit.port == from || (horizon != 0 && exit.horizon == horizon)) continue;
        if (previous != nullptr) send_copy(*previous, packet);
        previous = &exit;
    }
    // The last exit gets the packet itself.
    if (previous != nullptr) {
        send(*previous, packet);
    } else {
        counters_.drop(site.ingress, path::Drop::kNoMember, packet, site);
        rte_pktmbuf_free(packet);
    }
}

void Egress::send_copy(Exit exit, rte_mbuf* packet) noexcept {
    counters_.totals.made.add(1);
    rte_mbuf* copy = rte_pktmbuf_clone(packet, pools_.buffers);
    if (unlikely(copy == nullptr)) {
        return counters_.drop(exit.port->id(), path::Drop::kNoBuffer, packet);
    }
    send(exit, copy);
    if (++copies_ >= kMaxCopies) flush();
}

void Egress::mirror(const std::vector<Mirror>& mirrors, rte_mbuf* packet) noexcept {
    for (const Mirror& mirror : mirrors) {
        if (!mirror.filter->matches(packet)) continue;
        if (mirror.capture != nullptr) {
            // Only this worker writes its capture ring.
            if (sink_ == nullptr) mirror.capture->ring(worker_).push(mirror.what, packet, nullptr);
            continue;
        }
        // The copy needs bytes of its own, because the packet may be changed later.
        counters_.totals.made.add(1);
        rte_mbuf* copy = rte_pktmbuf_copy(packet, pools_.buffers, 0, UINT32_MAX);
        if (copy != nullptr) {
            send(*mirror.to, copy);
        } else {
            counters_.drop(mirror.to->id(), path::Drop::kNoBuffer, packet);
        }
    }
}

void Egress::flush() noexcept {
    for (uint32_t i = 0; i < waiting_count_; ++i) {
        Buffer& buffer = buffers_[path::index(waiting_[i])];
        buffer.waiting = false;
        if (buffer.count != 0) send_buffer(buffer);
    }
    waiting_count_ = 0;
    copies_ = 0;
}

void Egress::begin_or_send(Buffer& buffer, Port& port, path::PortId id) noexcept {
    if (!buffer.waiting) {
        buffer.port = &port;
        buffer.waiting = true;
        waiting_[waiting_count_++] = id;
    }
    if (buffer.count == path::kBatchSize) send_buffer(buffer);
}

void Egress::send_buffer(Buffer& buffer) noexcept {
    if (unlikely(sink_ != nullptr)) {
        sink_->take(*buffer.port, buffer.packets, buffer.count);
    } else {
        if (RateLimit* limit = buffer.port->ingress_limit()) police(buffer, *limit);
        if (likely(buffer.count != 0)) {
            buffer.port->transmit(worker_, buffer.packets, buffer.count, buffer.bytes, counters_);
        }
    }
    buffer.count = 0;
    buffer.policed = 0;
    buffer.bytes = 0;
}

void Egress::police(Buffer& buffer, RateLimit& limit) noexcept {
    rte_mbuf** packets = buffer.packets + buffer.policed;
    const auto count = static_cast<uint16_t>(buffer.count - buffer.policed);
    const auto left = limit.police(packets, count, rte_get_tsc_cycles(), [&](rte_mbuf* packet) {
        buffer.bytes -= packet->pkt_len;
        drop(*buffer.port, packet, path::Drop::kIngressRateLimit);
    });
    buffer.policed = static_cast<uint16_t>(buffer.policed + left);
    buffer.count = buffer.policed;
}

void Egress::police_waiting() noexcept {
    if (sink_ != nullptr) return;
    for (uint32_t i = 0; i < waiting_count_; ++i) {
        Buffer& buffer = buffers_[path::index(waiting_[i])];
        if (RateLimit* limit = buffer.port->ingress_limit()) police(buffer, *limit);
    }
}

void Egress::drop(Port& port, rte_mbuf* packet, path::Drop reason) noexcept {
    counters_.drop(port.id(), reason, packet);
    rte_pktmbuf_free(packet);
}

}  // namespace sluice::port
