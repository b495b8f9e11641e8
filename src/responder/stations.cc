// Messages about the locations of stations: announcements of new ones, and requests about stations that may have
// another MAC address than others believe.
#include <algorithm>
#include <optional>

#include "responder/responder.h"
#include "port/derived_mac.h"
#include "wire/layers.h"
#include "wire/mbuf.h"

namespace sluice::responder {
namespace {

using link::bytes_of;
using link::kEthernet;

// Sender and receiver of a frame, as far as ARP or ND can ask for the receiver.
struct Ends {
    IpAddress from;
    IpAddress to;
};

std::optional<Ends> ends_of(const rte_mbuf* packet) noexcept {
    if (const auto message = wire::read_neighbor_message(packet)) {
        if (!message->solicits || message->probe) return std::nullopt;
        return Ends{message->sender, message->target};
    }
    if (wire::ether_type(packet) == wire::EtherType::kIpv4) {
        wire::Ipv4Header copy;
        const auto* ip = wire::read(packet, kEthernet, copy);
        if (ip == nullptr || wire::is_martian_source4(ip->source.host()) ||
            wire::is_martian_source4(ip->destination.host())) {
            return std::nullopt;
        }
        return Ends{wire::address_of(ip->source), wire::address_of(ip->destination)};
    }
    if (wire::ether_type(packet) != wire::EtherType::kIpv6) return std::nullopt;
    wire::Ipv6Header copy;
    const auto* ip = wire::read(packet, kEthernet, copy);
    if (ip == nullptr || wire::is_martian_source6(ip->source) || wire::is_martian_source6(ip->destination)) {
        return std::nullopt;
    }
    return Ends{wire::address_of(ip->source), wire::address_of(ip->destination)};
}

bool is_on_link(const view::Network& network, const IpAddress& address) noexcept {
    if (network.subnets.empty() || (!address.is_v4() && address.bytes[0] == 0xfe)) return true;
    return std::any_of(network.subnets.begin(), network.subnets.end(),
                       [&](const IpPrefix& subnet) { return subnet.contains(address); });
}

}  // namespace

// Sends to all members of the network except those behind `from`, if there are any.
void Responder::spread(path::NetworkId id, path::PortId from, rte_mbuf* packet,
                       const view::Tables& tables) noexcept {
    if (packet == nullptr) return;
    const view::Network& network = tables.network(id);
    const port::Port* port = tables.slot(from).port;
    const bool is_local = port != nullptr;
    const bool others = std::any_of(network.members.begin(), network.members.end(),
                                    [&](const auto& exit) { return exit.port != port; });
    if (!others && (!is_local || network.tunnels.empty())) return rte_pktmbuf_free(packet);
    tables.counters.totals.made.add(1);
    output_.send_to_all(id, network.members, from, nullptr, packet, tables);
}

// Announces the addresses of a new port, or its MAC address (RFC 903, as QEMU announces guests).
void Responder::announce(const Chore& chore, const view::Tables& tables) noexcept {
    if (path::index(chore.network) >= tables.snapshot.networks.size()) return;
    const view::Network& network = tables.network(chore.network);
    if (!tables.carries(chore.port, chore.network)) return;
    // Learn it here too: until now the station may have been behind a tunnel.
    network.table->learn(chore.mac, bridge::MacTable::hash(chore.mac), chore.port, tables.now);
    if (network.flat) return;
    spread(chore.network, chore.port, build_announcement(chore), tables);
}

void Responder::tell(const Chore& chore, const view::Tables& tables) noexcept {
    if (path::index(chore.network) >= tables.snapshot.networks.size()) return;
    if (!tables.carries(chore.port, chore.network)) return;
    rte_mbuf* packet = build_announcement(chore);
    if (packet == nullptr) return;
    tables.counters.totals.made.add(1);
    output_.send(chore.network, chore.port, packet, tables);
}

rte_mbuf* Responder::build_announcement(const Chore& chore) const noexcept {
    const wire::MacBytes mac = bytes_of(chore.mac);
    if (chore.address.is_unspecified()) return wire::build_station_announcement(pools_.buffers, mac);
    if (chore.address.is_v4()) return wire::build_arp_announcement(pools_.buffers, mac, chore.address);
    return wire::build_neighbor_announcement(pools_.buffers, mac, chore.address, false);
}

// Handles a frame whose destination has gone with its port. Another station may have the IP address by now, which
// the sender does not know. Asks for that station in the sender's name, so that it answers the sender.
void Responder::seek_departed(const path::Meta& meta, const rte_mbuf* packet,
                              const view::Tables& tables) noexcept {
    const view::Network& network = tables.network(meta.network);
    if (!network.macs->has_departed(meta.destination_mac, bridge::MacTable::hash(meta.destination_mac))) return;
    if (tables.slot(meta.ingress).tunnel != nullptr || network.flat) return;
    const auto ends = ends_of(packet);
    if (!ends || !is_on_link(network, ends->to) || !is_on_link(network, ends->from)) return;
    if (!tables.snapshot.owners.may_use(meta.network, ends->from, meta.ingress, false)) return;
    if (!link_.may_answer(meta.ingress)) return;
    const wire::MacBytes mac = bytes_of(meta.source_mac);
    rte_mbuf* question = ends->to.is_v4()
                             ? wire::build_arp_request(pools_.buffers, mac, ends->from, ends->to)
                             : wire::build_neighbor_solicitation(pools_.buffers, mac, ends->from, ends->to);
    spread(meta.network, meta.ingress, question, tables);
}

// Asks behind one port or tunnel for the address, by broadcast: its station may have another MAC address now.
void Responder::verify(const Chore& chore, const view::Tables& tables) noexcept {
    if (path::index(chore.network) >= tables.snapshot.networks.size()) return;
    const view::Network& network = tables.network(chore.network);
    if (!tables.carries(chore.port, chore.network)) return;
    const wire::MacBytes mac = bytes_of(network.mac != 0 ? network.mac : network.asker);
    const auto from = own_address(network, chore.address);
    // A solicitation from :: would be a probe, after which a station gives up an address that is new to it (RFC
    // 4862, 5.4.3).
    rte_mbuf* packet =
        chore.address.is_v4()
            ? wire::build_arp_request(pools_.buffers, mac, from.value_or(IpAddress::from_v4(0)), chore.address)
            : wire::build_neighbor_solicitation(pools_.buffers, mac, from.value_or(wire::link_local_of(mac)),
                                                chore.address);
    if (packet == nullptr) return;
    tables.counters.totals.made.add(1);
    output_.send(chore.network, chore.port, packet, tables);
}

}  // namespace sluice::responder
