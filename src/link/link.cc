#include "link/link.h"

#include <algorithm>

#include "path/came_by.h"
#include "wire/headers.h"
#include "wire/ip_check.h"
#include "wire/layers.h"
#include "wire/mbuf.h"
#include "wire/offload.h"

namespace sluice::link {
namespace {

using path::Drop;

// Reasons that a sender is told of. Of a foreign address it is told if it probed for the address.
bool is_told(Drop reason) noexcept {
    switch (reason) {
        case Drop::kForeignAddress:
        case Drop::kTtlExceeded:
        case Drop::kNoRoute:
        case Drop::kUnreachableRoute:
        case Drop::kHostUnreachable:
        case Drop::kFragmentationNeeded:
        case Drop::kNoListener:
        case Drop::kNoEndpoint:
        case Drop::kNoServicePort:
        case Drop::kRejected: return true;
        default: return false;
    }
}

// Reasons that an object of the configuration stands beside, which only a tracked packet's metadata holds.
bool is_policy(Drop reason) noexcept {
    return reason == Drop::kDenied || reason == Drop::kRejected || reason == Drop::kNoConnection ||
           reason == Drop::kFragmentUnknown || reason == Drop::kNoEndpoint || reason == Drop::kNoLocalEndpoint ||
           reason == Drop::kNoServicePort || reason == Drop::kServiceSource || reason == Drop::kNatExhausted ||
           reason == Drop::kNatHostLimit || reason == Drop::kNatBusy || reason == Drop::kTupleTaken;
}

// Whether the packet has been put into a tunnel already, and waits for the tunnel's next hop. (A tunnel's pings
// come from it as well.)
bool is_wrapped(const path::Meta& meta, const rte_mbuf* packet, const view::Tables& tables) noexcept {
    if (meta.layer3 != path::Layer3::kOther || meta.ingress == path::kNoPort) return false;
    const view::PortSlot& slot = tables.slot(meta.ingress);
    if (slot.tunnel == nullptr || path::index(meta.network) >= tables.snapshot.networks.size() ||
        !tables.network(meta.network).is_underlay) {
        return false;
    }
    const uint32_t ip = slot.tunnel->headers.ipv6 ? sizeof(wire::Ipv6Header) : sizeof(wire::Ipv4Header);
    const uint32_t udp = kEthernet + ip;
    if (packet->data_len < udp + sizeof(wire::UdpHeader)) return false;
    const auto next = slot.tunnel->headers.ipv6
                          ? rte_pktmbuf_mtod_offset(packet, const wire::Ipv6Header*, kEthernet)->protocol()
                          : rte_pktmbuf_mtod_offset(packet, const wire::Ipv4Header*, kEthernet)->protocol();
    const auto* ports = rte_pktmbuf_mtod_offset(packet, const wire::UdpHeader*, udp);
    return next == wire::Protocol::kUdp && ports->destination_port == tables.snapshot.udp_port;
}

}  // namespace

bool may_be_fragmented(const rte_mbuf* packet) noexcept {
    if (wire::ether_type(packet) != wire::EtherType::kIpv4 || wire::is_segment(packet) ||
        wire::check_ipv4(packet, kEthernet) != wire::IpCheck::kValid) {
        return false;
    }
    const auto* ip = rte_pktmbuf_mtod_offset(packet, const wire::Ipv4Header*, kEthernet);
    return (ip->fragment.host() & wire::Ipv4Header::kDontFragment) == 0;
}

path::Meta meta_of(const neighbor::Waiting& waiting, const view::Tables& tables) noexcept {
    path::Meta meta{};
    meta.ingress = waiting.ingress;
    meta.network = waiting.network;
    meta.fate = path::Fate::kRoute;
    meta.connection = waiting.connection;
    meta.header = rte_pktmbuf_mtod_offset(waiting.packet, void*, kEthernet);
    const bool is_ours = tables.slot(waiting.ingress).tunnel != nullptr &&
                         path::index(waiting.network) < tables.snapshot.networks.size() &&
                         tables.network(waiting.network).is_underlay;
    const wire::EtherType type = wire::ether_type(waiting.packet);
    if (is_ours) {
        meta.layer3 = path::Layer3::kOther;  // an error would go into the tunnel, and wait there as well
    } else if (type == wire::EtherType::kIpv4) {
        meta.layer3 = path::Layer3::kIpv4;
    } else if (type == wire::EtherType::kIpv6) {
        meta.layer3 = path::Layer3::kIpv6;
    }
    const auto* frame = rte_pktmbuf_mtod(waiting.packet, const uint8_t*);
    meta.destination_mac = path::mac_key(frame);
    meta.source_mac = path::mac_key(frame + sizeof(wire::MacBytes));
    return meta;
}

Link::Link(port::Pools pools, size_t most_asked)
    : pools_(pools),
      most_asked_(most_asked),
      answers_due_(std::make_unique<uint64_t[]>(path::kMaxPorts)),
      second_(rte_get_tsc_hz()) {
    notes_.reserve(kMostRefused + kMostAnswered + most_asked);
    refused_.reserve(kMostRefused);
    answered_.reserve(kMostAnswered);
    asked_.reserve(most_asked);
}

Link::~Link() {
    for (const Refused& refused : refused_) rte_pktmbuf_free(refused.packet);
    for (const Answered& answered : answered_) rte_pktmbuf_free(answered.waiting.packet);
}

rte_mbuf* Link::make_own(path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    rte_mbuf* own = rte_pktmbuf_copy(packet, tables.egress.pools().holding(packet->pkt_len), 0, UINT32_MAX);
    if (own == nullptr) {
        drop(meta, Drop::kNoBuffer, packet, tables);
        return nullptr;
    }
    if (reachable_.packet == packet) reachable_.packet = own;
    rte_pktmbuf_free(packet);
    meta.header = rte_pktmbuf_mtod_offset(own, void*, kEthernet);
    meta.connection.ip = static_cast<const uint8_t*>(meta.header);
    return own;
}

bool Link::may_answer(path::PortId port) noexcept {
    const uint64_t now = rte_rdtsc();
    const uint64_t interval = second_ / kAnswersPerSecond;
    uint64_t& due = answers_due_[path::index(port)];
    if (due > now + interval * (kAnswersAtOnce - 1)) return false;
    due = std::max(due, now) + interval;
    return true;
}

void Link::refuse(const path::Meta& meta, Drop reason, uint16_t mtu, rte_mbuf* packet) noexcept {
    // What a tunnel of ours sends is nobody's to be told about.
    const bool is_noted = is_told(reason) && meta.layer3 != path::Layer3::kOther && refused_.size() < kMostRefused;
    if (!is_noted) return rte_pktmbuf_free(packet);
    notes_.push_back(Note::kRefused);
    refused_.push_back({meta, packet, reason, mtu});
}

void Link::drop(const path::Meta& meta, Drop reason, rte_mbuf* packet, const view::Tables& tables) noexcept {
    if (is_wrapped(meta, packet, tables)) return drop_wrapped(meta, reason, packet, tables);
    tables.counters.drop(path::drop_place(meta, reason), reason, packet,
                         path::drop_site(meta, reason, is_policy(reason) ? meta.connection.object : 0));
    refuse(meta, reason, 0, packet);
}

void Link::drop_absent(const path::Meta& meta, path::PortId port, rte_mbuf* packet,
                       const view::Tables& tables) noexcept {
    const port::Port* up = tables.slot(port).port;
    const Drop reason = up != nullptr && !up->has_link() ? Drop::kLinkDown : Drop::kPortDown;
    if (is_wrapped(meta, packet, tables)) return drop_wrapped(meta, reason, packet, tables);
    tables.counters.drop(port, reason, packet, {.ingress = meta.ingress, .egress = port, .network = meta.network});
    refuse(meta, Drop::kHostUnreachable, 0, packet);
}

void Link::drop_too_big(const path::Meta& meta, path::PortId exit, uint16_t mtu, rte_mbuf* packet,
                        const view::Tables& tables) noexcept {
    tables.counters.drop(meta.ingress, Drop::kFragmentationNeeded, packet,
                         {.ingress = meta.ingress, .egress = exit, .network = meta.network});
    refuse(meta, Drop::kFragmentationNeeded, mtu, packet);
}

void Link::tell_too_long(const path::Meta& meta, uint16_t mtu, const rte_mbuf* packet) noexcept {
    if (meta.layer3 == path::Layer3::kOther || refused_.size() == kMostRefused) return;
    // Whole: an error is about a packet whose length is right.
    rte_mbuf* quoted = rte_pktmbuf_copy(packet, pools_.holding(packet->pkt_len), 0, UINT32_MAX);
    if (quoted != nullptr) refuse(meta, Drop::kFragmentationNeeded, mtu, quoted);
}

// What is told is the frame that was to go into the tunnel, and where it came from.
void Link::drop_wrapped(const path::Meta& meta, Drop reason, rte_mbuf* packet,
                        const view::Tables& tables) noexcept {
    const path::PortId tunnel = meta.ingress;
    const path::PortId ingress = path::came_by(packet);
    const vxlan::Tunnel& headers = tables.slot(tunnel).tunnel->headers;
    const auto outer = static_cast<uint16_t>(headers.overhead());
    path::NetworkId network = meta.network;
    if (packet->data_len >= outer && packet->pkt_len > outer) {
        const uint32_t at = outer - uint32_t{sizeof(wire::VxlanHeader)};
        const auto* vxlan = rte_pktmbuf_mtod_offset(packet, const wire::VxlanHeader*, at);
        network = tables.snapshot.vnis.find(vxlan->vni());
        rte_pktmbuf_adj(packet, outer);
    }
    const bool is_of_sender = path::is_of_ingress(reason) && ingress != path::kNoPort;
    tables.counters.drop(is_of_sender ? ingress : tunnel, reason, packet,
                         {.ingress = ingress, .egress = tunnel, .network = network});
    rte_pktmbuf_free(packet);
}

void Link::consume(rte_mbuf* packet, const view::Tables& tables) noexcept {
    tables.counters.totals.consumed.add(1);
    rte_pktmbuf_free(packet);
}

void Link::solicit(neighbor::Entry& neighbor) noexcept {
    if (asked_.size() == most_asked_) return;
    notes_.push_back(Note::kAsked);
    asked_.push_back(&neighbor);
}

void Link::hold(const path::Meta& meta, neighbor::Entry& neighbor, rte_mbuf* packet,
                const view::Tables& tables) noexcept {
    const guard::Owners::Entry* absent = tables.snapshot.find_absent(neighbor.network, neighbor.address);
    // Where nobody tracks connections, nobody has read this one's.
    const bool is_read = tables.snapshot.has_policies && meta.layer3 != path::Layer3::kOther;
    const neighbor::Waiting waiting{packet, meta.ingress, meta.network,
                                    is_read ? meta.connection : path::Connection{}};
    if (tables.neighbors.ask(neighbor, tables.now)) solicit(neighbor);
    // The address is asked for nevertheless: it may be elsewhere by now.
    if (absent != nullptr) return drop_absent(meta, absent->port, packet, tables);
    // Large buffers are few, and no container could be read while they wait here.
    const bool may_wait = packet->pkt_len <= port::kBufferSize;
    if (may_wait && tables.neighbors.hold(neighbor, waiting)) return;
    if (neighbor.resolved()) return resume({.count = 1, .packets = {waiting}}, neighbor, tables);
    drop(meta, Drop::kNeighborPending, packet, tables);
}

void Link::resume(const neighbor::Held& held, neighbor::Entry& neighbor, const view::Tables& tables) noexcept {
    for (uint16_t i = 0; i < held.count; ++i) {
        const neighbor::Waiting& waiting = held.packets[i];
        if (answered_.size() < kMostAnswered) {
            notes_.push_back(Note::kAnswered);
            answered_.push_back({waiting, &neighbor});
            continue;
        }
        tables.counters.drop(waiting.ingress, Drop::kNeighborPending, waiting.packet,
                             {.ingress = waiting.ingress, .network = waiting.network});
        rte_pktmbuf_free(waiting.packet);
    }
}

void Link::count_pieces(const path::DropSite& site, path::PortId place, uint32_t pieces, const rte_mbuf* packet,
                        const view::Tables& tables) noexcept {
    tables.counters.totals.made.add(pieces + site.count - 1);
    if (site.count != 0) tables.counters.drop(place, Drop::kNoBuffer, packet, site);
}

}  // namespace sluice::link
