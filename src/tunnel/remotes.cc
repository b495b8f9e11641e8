// What there is to do with the hosts at the other ends of tunnels beside carrying frames to them: they are pinged,
// and what they, and the routers on the way, say about our packets is heard.
#include "tunnel/output.h"
#include "wire/icmp.h"
#include "wire/layers.h"

namespace sluice::tunnel {
namespace {

using link::kEthernet;

uint16_t number_of(const IpAddress& remote, const view::Snapshot& snapshot) noexcept {
    return remote.is_v4() ? snapshot.remotes.find(wire::be32(remote.v4())) : snapshot.remotes.find(remote.bytes);
}

bool is_own(const IpAddress& address, const view::Snapshot& snapshot) noexcept {
    return address.is_v4() ? wire::be32(address.v4()).raw() == snapshot.end_point.raw()
                           : address.bytes == snapshot.end_point_ipv6;
}

// Whether the packet that an error quotes may be one that went into that tunnel. Errors are easily forged by
// who isn't on the way: all that is quoted must be right.
bool is_of(const view::TunnelSlot& tunnel, const wire::IcmpReport& report, const rte_mbuf* packet,
           const view::Snapshot& snapshot) noexcept {
    if (!is_own(report.source, snapshot) || report.destination_port != snapshot.udp_port ||
        report.source_port.host() < vxlan::kFirstSourcePort || report.may_be_fragmented) {
        return false;
    }
    // Most routers quote more than RFC 792 wants of them.
    if (report.rest + sizeof(wire::VxlanHeader) > report.end) return true;
    wire::VxlanHeader copy;
    const auto* header = wire::read(packet, report.rest, copy);
    const path::NetworkId network = header == nullptr ? path::kNoNetworkId : snapshot.vnis.find(header->vni());
    return network != path::kNoNetworkId && tunnel.networks[path::index(network)];
}

// The tunnel that a report is about; null: it is about none.
const view::TunnelSlot* tunnel_of(const wire::IcmpReport& report, const rte_mbuf* packet,
                                  const view::Tables& tables) noexcept {
    const bool is_answer = report.kind == wire::IcmpReport::Kind::kEchoReply;
    if (is_answer && report.id != vxlan::kPingId) return nullptr;
    const uint16_t number = number_of(is_answer ? report.from : report.destination, tables.snapshot);
    if (number == vxlan::kNoNumber) return nullptr;
    const view::TunnelSlot* tunnel = tables.slot(path::PortId{number}).tunnel;
    const bool is_it = tunnel != nullptr && (is_answer || is_of(*tunnel, report, packet, tables.snapshot));
    return is_it ? tunnel : nullptr;
}

}  // namespace

bool Output::understands(const rte_mbuf* packet, const view::Tables& tables) noexcept {
    const auto report = wire::read_icmp_report(packet, kEthernet);
    return report && tunnel_of(*report, packet, tables) != nullptr;
}

bool Output::hear(const rte_mbuf* packet, const view::Tables& tables) noexcept {
    using Kind = wire::IcmpReport::Kind;
    const auto report = wire::read_icmp_report(packet, kEthernet);
    const view::TunnelSlot* tunnel = report ? tunnel_of(*report, packet, tables) : nullptr;
    if (tunnel == nullptr) return false;
    vxlan::Remote& remote = *tunnel->remote;
    switch (report->kind) {
        case Kind::kEchoReply: remote.answered(tables.now); break;
        case Kind::kUnreachable: remote.failed(vxlan::Remote::Error::kUnreachable, tables.now); break;
        case Kind::kPortUnreachable: remote.failed(vxlan::Remote::Error::kPortUnreachable, tables.now); break;
        case Kind::kTooBig: {
            const uint32_t mtu = vxlan::PathMtu::of(report->mtu, report->size, tunnel->headers.ipv6);
            remote.path_mtu.learn(mtu, tables.now);
            return mtu != 0;
        }
    }
    return true;
}

// Where the next hop's address isn't known, that is asked for instead.
void Output::ping(path::PortId id, const view::Tables& tables) noexcept {
    const view::TunnelSlot* tunnel = tables.slot(id).tunnel;
    if (tunnel == nullptr) return;
    const route::NextHop& hop = route::hop_of(tables.hops, tunnel->hop->load(std::memory_order_acquire),
                                              []() noexcept { return 0U; });
    if (hop.kind != route::HopKind::kVia) return;
    neighbor::Entry& neighbor = *hop.neighbor;
    if (!neighbor.resolved()) {
        if (tables.neighbors.ask(neighbor, tables.now)) link_.solicit(neighbor);
        return;
    }
    const vxlan::Tunnel& headers = tunnel->headers;
    rte_mbuf* packet = wire::build_echo_request(pools_.buffers, vxlan::local_of(headers),
                                                vxlan::remote_of(headers), vxlan::kPingId, ++pings_);
    if (packet == nullptr) return;
    tables.counters.totals.made.add(1);
    path::Meta meta{};
    meta.ingress = id;
    meta.network = neighbor.network;
    meta.layer3 = path::Layer3::kOther;  // an error about it would go nowhere
    send_to_neighbor(meta, neighbor, packet, tables);
}

}  // namespace sluice::tunnel
