// Questions to the switch that the protocol thread answers (punt/line.h): DNS at the gateways' addresses, and DHCP
// and router solicitations, which are mostly sent to groups. A worker hands over what they say, and sends what the
// thread says to them.
#include <rte_cycles.h>

#include <algorithm>

#include "path/batch.h"
#include "responder/answers.h"
#include "responder/responder.h"
#include "wire/udp_datagram.h"

namespace sluice::responder {
namespace {

constexpr uint16_t kDnsPort = 53;
constexpr uint16_t kDhcpServerPort = 67;
constexpr uint16_t kDhcpV6ServerPort = 547;
constexpr uint8_t kRouterSolicitation = 133;

bool serves(const view::Network& network, uint16_t port) noexcept {
    if (port == kDnsPort) return network.serves_dns;
    return network.serves_dhcp && (port == kDhcpServerPort || port == kDhcpV6ServerPort);
}

punt::Head head_of(punt::Kind kind, const path::Meta& meta, const view::Tables& tables) noexcept {
    punt::Head head{};
    head.kind = kind;
    head.worker = tables.worker;
    head.network = meta.network;
    head.port = meta.ingress;
    const port::Port* port = tables.slot(meta.ingress).port;
    if (port != nullptr) head.serial = port->serial();
    head.mac = meta.source_mac;
    return head;
}

// Router solicitations have nothing in them that is needed but where they come from.
bool is_router_solicitation(const rte_mbuf* packet) noexcept {
    if (wire::ether_type(packet) != wire::EtherType::kIpv6) return false;
    struct Solicitation {
        wire::Ipv6Header ip;
        wire::IcmpHeader icmp;
    };
    Solicitation copy;
    const auto* it = static_cast<const Solicitation*>(
        rte_pktmbuf_read(packet, sizeof(wire::EthernetHeader), sizeof copy, &copy));
    return it != nullptr && it->ip.protocol() == wire::Protocol::kIcmpv6 && it->icmp.type == kRouterSolicitation &&
           it->ip.hop_limit == UINT8_MAX;
}

}  // namespace

// Stations behind a tunnel ask their own host: the same gateway is there.
bool Responder::hears(const path::Meta& meta, const view::Tables& tables) const noexcept {
    const bool is_station = meta.source_mac != 0 && !path::is_group(meta.source_mac);
    return (line_ != nullptr || effect_ == Effect::kNone) && is_station &&
           tables.slot(meta.ingress).tunnel == nullptr;
}

bool Responder::may_ask(const path::Meta& meta, const view::Tables& tables) noexcept {
    const guard::Guard* guard = tables.slot(meta.ingress).guard;
    if (effect_ == Effect::kNone || (guard != nullptr && guard->check_addresses)) return true;
    const uint64_t now = rte_rdtsc();
    const uint64_t interval = rte_get_tsc_hz() / kQueriesPerSecond;
    uint64_t& due = queries_due_[path::index(meta.ingress)];
    if (due > now + interval * (kQueriesAtOnce - 1)) return false;
    due = std::max(due, now) + interval;
    return true;
}

// True if it took the packet.
bool Responder::punt_datagram(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    if ((!network.serves_dns && !network.serves_dhcp) || !hears(meta, tables)) return false;
    const auto datagram = wire::read_udp_datagram(packet);
    if (!datagram || !serves(network, datagram->destination_port)) return false;
    // A client of DHCP has no address yet.
    const bool is_dns = datagram->destination_port == kDnsPort;
    if (is_dns && !may_be_answered(meta, packet, network, Asked::kAlone)) return false;
    punt::Head head = head_of(punt::Kind::kUdp, meta, tables);
    head.station = datagram->source;
    head.own = datagram->destination;
    head.station_port = datagram->source_port;
    head.own_port = datagram->destination_port;
    return hand_over(meta, head, {datagram->payload, datagram->payload_size}, packet, tables);
}

bool Responder::punt_segment(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    if (!network.serves_dns || !hears(meta, tables)) return false;
    const auto segment = wire::read_tcp_segment(packet);
    if (!segment || segment->destination_port != kDnsPort) return false;
    if (!may_be_answered(meta, packet, network, Asked::kAlone)) return false;
    punt::Head head = head_of(punt::Kind::kTcp, meta, tables);
    head.station = segment->source;
    head.own = segment->destination;
    head.station_port = segment->source_port;
    head.own_port = segment->destination_port;
    head.sequence = segment->sequence;
    head.acknowledgement = segment->acknowledgement;
    head.window = segment->window;
    head.flags = segment->flags;
    return hand_over(meta, head, {segment->payload, segment->payload_size}, packet, tables);
}

// Of a frame to a group, before it is flooded: only the switch gives addresses there.
bool Responder::punt_group_message(const path::Meta& meta, rte_mbuf* packet, const view::Tables& tables) noexcept {
    if (!tables.network(meta.network).serves_dhcp || !path::is_group(meta.destination_mac)) return false;
    if (!is_router_solicitation(packet)) return punt_datagram(meta, packet, tables);
    if (!hears(meta, tables)) return false;
    return hand_over(meta, head_of(punt::Kind::kIcmpv6, meta, tables), {}, packet, tables);
}

bool Responder::hand_over(const path::Meta& meta, const punt::Head& head, Payload payload, rte_mbuf* packet,
                          const view::Tables& tables) noexcept {
    if (payload.size > punt::kMostBytes) return false;
    if (effect_ == Effect::kNone) {
        link_.consume(packet, tables);
        return true;
    }
    punt::Message* question = may_ask(meta, tables) ? line_->begin_question(meta.ingress) : nullptr;
    if (question == nullptr) {
        link_.drop(meta, path::Drop::kResponderBusy, packet, tables);
        return true;
    }
    question->head = head;
    question->size = static_cast<uint16_t>(payload.size);
    std::byte* bytes = question->bytes.data();
    // DPDK looks for the byte behind a chain's last one, even if none is to be read.
    const void* begin = payload.size == 0 ? nullptr : rte_pktmbuf_read(packet, payload.begin, payload.size, bytes);
    if (begin != nullptr && begin != bytes) std::memcpy(bytes, begin, payload.size);
    line_->ask(meta.ingress);
    link_.consume(packet, tables);
    return true;
}

// What the protocol thread says. The station may be gone by now, and its port's id another port's.
void Responder::say(const punt::Message& answer, const view::Tables& tables) noexcept {
    const punt::Head& head = answer.head;
    if (path::index(head.network) >= tables.snapshot.networks.size()) return;
    const view::Network& network = tables.network(head.network);
    const port::Port* port = tables.slot(head.port).port;
    if (network.mac == 0 || !tables.carries(head.port, head.network)) return;
    if (port == nullptr || port->serial() != head.serial) return;
    rte_mbuf* packet = nullptr;
    switch (head.kind) {
        case punt::Kind::kUdp:
            packet = wire::build_udp_datagram(pools_.buffers,
                                              {.source = head.own,
                                               .destination = head.station,
                                               .source_port = head.own_port,
                                               .destination_port = head.station_port},
                                              answer.payload());
            break;
        case punt::Kind::kTcp:
            packet = wire::build_tcp_segment(pools_.buffers,
                                             {.source = head.own,
                                              .destination = head.station,
                                              .source_port = head.own_port,
                                              .destination_port = head.station_port,
                                              .sequence = head.sequence,
                                              .acknowledgement = head.acknowledgement,
                                              .flags = head.flags,
                                              .window = head.window},
                                             {reinterpret_cast<const char*>(answer.bytes.data()), answer.size});
            break;
        case punt::Kind::kIcmpv6:
            packet = wire::build_icmpv6_message(pools_.buffers, head.own, head.station, answer.payload());
            break;
    }
    if (packet == nullptr) return;
    tables.counters.totals.made.add(1);
    link::write_macs(packet, head.mac, network.mac);
    output_.send(head.network, head.port, packet, tables);
}

}  // namespace sluice::responder
