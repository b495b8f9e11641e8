#include "explain/decider.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/none.h"
#include "wire/address.h"
#include "wire/headers.h"

namespace sluice::explain {
namespace {

using route::HopKind;
using path::Drop;
using path::DropRecord;

enum class Decider {
    kNone,     // no object
    kObject,   // the object that the record names
    kIngress,  // the ingress port
    kEgress,   // the egress port
    kNetwork,
    kNeighbor, // the network of the next hop
    kRoute,
    kUnderlay,
    kOverlay,  // the network of the packet's VNI
};

Decider decider_of(Drop reason) {
    using enum Drop;
    switch (reason) {
        case kNoNetwork:
        case kVlanNotAllowed:
        case kSpoofedMac:
        case kSpoofedAddress:
        case kSpoofedNeighbor:
        case kRogueDhcp:
        case kRogueRa:
        case kForeignMac:
        case kForeignAddress:
        case kMacLimit:
        case kFloodLimit:
        case kEgressRateLimit:
        case kCutShort:
        case kStale:
        case kFlowShare:
        // The packet itself is invalid: name its ingress port.
        case kRunt:
        case kMalformedOffload:
        case kInvalidSource:
        case kReservedMac:
        case kVxlanTruncated:
        case kVxlanOuterHeader:
        case kVxlanFragment:
        case kVxlanUdpChecksum:
        case kVxlanNoVniFlag:
        case kVxlanInnerRunt:
        case kVxlanEcn:
        case kMalformedIp:
        case kMalformedNeighbor:
        case kNotForRouter:
        case kMartian:
        case kSourceRoute:
        case kTtlExceeded:
        case kResponderBusy:
            return Decider::kIngress;
        case kSamePort:
        case kSplitHorizon:
        case kPortDown:
        case kLinkDown:
        case kTaggedOnNative:
        case kFragmentationNeeded:
        case kTooBig:
        case kTooLongForPeer:
        case kIngressRateLimit:
        case kTransmitFull:
        case kTransmitFailed:
        case kInterfaceDown: return Decider::kEgress;
        case kNoMember:
        case kBackground:
        case kFlatNetwork:
        case kTaggedIntoTunnel:
        case kNoListener:
        case kNoRoute: return Decider::kNetwork;
        case kNeighborPending:
        case kHostUnreachable: return Decider::kNeighbor;
        case kBlackhole:
        case kUnreachableRoute:
        case kDirectedBroadcast: return Decider::kRoute;
        case kUnknownVni:
        case kUnderlayTransit:
        case kVxlanPort:
            return Decider::kUnderlay;
        case kDenied:
        case kRejected:
        case kNoConnection:
        case kNoEndpoint:
        case kNoLocalEndpoint:
        case kNoServicePort:
        case kServiceSource:
        case kNatExhausted:
        case kNatHostLimit:
        case kNatBusy:
        case kTupleTaken:
        case kFragmentUnknown: return Decider::kObject;
        case kVxlanInnerVlan:
        case kUnknownRemote: return Decider::kOverlay;
        case kBeyondScope:
        case kNoBuffer:
        case kFlowTableFull:
        case kCount: break;
    }
    return Decider::kNone;
}

template <class Header>
std::optional<Header> header_at(const DropRecord& record, size_t offset) {
    Header header;
    if (offset + sizeof header > record.size) return std::nullopt;
    std::memcpy(&header, record.bytes.data() + offset, sizeof header);
    return header;
}

constexpr size_t kIp = sizeof(wire::EthernetHeader);

std::optional<IpAddress> destination_of(const DropRecord& record) {
    const auto ethernet = header_at<wire::EthernetHeader>(record, 0);
    if (!ethernet) return std::nullopt;
    if (ethernet->ether_type() == wire::EtherType::kIpv4) {
        if (const auto ip = header_at<wire::Ipv4Header>(record, kIp)) return wire::address_of(ip->destination);
    } else if (ethernet->ether_type() == wire::EtherType::kIpv6) {
        if (const auto ip = header_at<wire::Ipv6Header>(record, kIp)) return wire::address_of(ip->destination);
    }
    return std::nullopt;
}

// Takes a packet from the underlay.
std::optional<uint32_t> vni_of(const DropRecord& record) {
    const auto ethernet = header_at<wire::EthernetHeader>(record, 0);
    if (!ethernet) return std::nullopt;
    size_t udp = kIp + sizeof(wire::Ipv6Header);
    if (ethernet->ether_type() == wire::EtherType::kIpv4) {
        const auto ip = header_at<wire::Ipv4Header>(record, kIp);
        if (!ip) return std::nullopt;
        udp = kIp + ip->header_size();
    }
    const auto vxlan = header_at<wire::VxlanHeader>(record, udp + sizeof(wire::UdpHeader));
    if (!vxlan) return std::nullopt;
    return vxlan->vni();
}

std::optional<Object> port_object(const engine::Switch& running, path::PortId id, uint64_t time) {
    if (!running.is_same_since(id, time)) return std::nullopt;
    if (const auto* port = running.find_port(id)) {
        return Object{"port", port->name(), port->port->config().place};
    }
    for (const auto& [remote, held] : running.tunnels()) {
        if (held.id != id) continue;
        const auto& underlay = running.config().underlay;
        return Object{"tunnel", remote.text(), underlay ? underlay->place : base::Place{}};
    }
    return std::nullopt;
}

bool is_tunnel(const engine::Switch& running, path::PortId id, uint64_t time) {
    const auto object = port_object(running, id, time);
    return object && object->kind == "tunnel";
}

std::optional<Object> underlay_object(const engine::Switch& running) {
    const auto& underlay = running.config().underlay;
    if (!underlay) return std::nullopt;
    return Object{"underlay", underlay->network.empty() ? underlay->port : underlay->network, underlay->place};
}

// For a packet with an egress port or tunnel. A tunnel is down when its underlay's ports are.
std::optional<Object> egress_object(const engine::Switch& running, const DropRecord& record) {
    auto object = port_object(running, record.egress, record.time);
    if (record.reason != Drop::kPortDown || !object || object->kind != "tunnel") return object;
    for (const auto* port : engine::underlay_ports(running.config())) {
        const auto held = running.ports().find(port->name);
        if (held == running.ports().end() || (held->second.up && held->second.port->has_link())) continue;
        return Object{"port", held->first, held->second.port->config().place};
    }
    return object;
}

std::optional<Object> network_object(const engine::Switch& running, const DropRecord& record) {
    const std::string name = network_name(running, record.network, record.time);
    if (name == engine::kUnderlay) return underlay_object(running);
    const engine::NetworkConfig* network = engine::find_network(running.config(), name);
    if (network == nullptr) return std::nullopt;
    return Object{"network", name, network->place};
}

std::optional<Object> overlay_object(const engine::Switch& running, const DropRecord& record) {
    const auto vni = vni_of(record);
    for (const auto& network : running.config().networks) {
        if (vni && network.vxlan && network.vxlan->vni == *vni) {
            return Object{"network", network.name, network.place};
        }
    }
    return std::nullopt;
}

HopKind hop_of(Drop reason) {
    switch (reason) {
        case Drop::kBlackhole: return HopKind::kBlackhole;
        case Drop::kUnreachableRoute: return HopKind::kUnreachable;
        default: return HopKind::kBroadcast;
    }
}

// The route that the packet would take now.
struct Found {
    IpPrefix to;
    route::HopKey key;
    const engine::NetworkConfig* network;  // the ingress network
};

std::optional<Found> find_route(const engine::Switch& running, const DropRecord& record,
                                const std::optional<IpAddress>& destination) {
    const auto* network =
        engine::find_network(running.config(), network_name(running, record.network, record.time));
    if (!destination || network == nullptr) return std::nullopt;
    const router::Router& router = running.router();
    const auto domain = router.domains().find(network->domain);
    if (domain == router.domains().end()) return std::nullopt;
    const auto found = domain->second->table.longest(*destination);
    if (!found) return std::nullopt;
    return Found{found->first, router.hops().key(found->second), network};
}

// If the route has several next hops, the packet's own is not known.
std::optional<Object> neighbor_object(const engine::Switch& running, const DropRecord& record,
                                      const std::optional<IpAddress>& destination) {
    if (is_tunnel(running, record.egress, record.time)) return underlay_object(running);
    const auto found = find_route(running, record, destination);
    if (!found) return std::nullopt;
    route::HopKey key = found->key;
    if (key.kind == HopKind::kGroup) key = running.router().hops().key(key.members.front());
    if (key.kind != HopKind::kVia && key.kind != HopKind::kConnected) return std::nullopt;
    const auto* network =
        engine::find_network(running.config(), std::string(running.router().network_name(key.network)));
    if (network == nullptr) return std::nullopt;
    return Object{"network", network->name, network->place};
}

// The route that the packet would take now, if it is still of that kind.
std::optional<Object> route_object(const engine::Switch& running, const DropRecord& record,
                                   const std::optional<IpAddress>& destination) {
    const auto found = find_route(running, record, destination);
    if (!found || found->key.kind != hop_of(record.reason)) return std::nullopt;
    const std::string& domain = found->network->domain;
    const route::Domain::Derived* declared = running.router().declared(domain, found->to);
    std::string name = found->to.text();
    if (domain != route::kMainDomain) name += " of domain " + domain;
    return Object{"route", std::move(name), declared == nullptr ? base::Place{} : declared->place};
}

// Of a drop that no rule or policy has decided.
std::optional<Object> decider_of(const engine::Switch& running, const DropRecord& record,
                                 const std::optional<IpAddress>& destination) {
    switch (decider_of(record.reason)) {
        case Decider::kNone:
        case Decider::kObject: break;
        case Decider::kIngress: return port_object(running, record.ingress, record.time);
        case Decider::kEgress: return egress_object(running, record);
        case Decider::kNeighbor:
            return neighbor_object(running, record, destination ? destination : destination_of(record));
        case Decider::kNetwork: return network_object(running, record);
        case Decider::kRoute:
            return route_object(running, record, destination ? destination : destination_of(record));
        case Decider::kUnderlay: return underlay_object(running);
        case Decider::kOverlay: return overlay_object(running, record);
    }
    return std::nullopt;
}

}  // namespace

nlohmann::json to_json(const Object& object) {
    nlohmann::json row{{"kind", object.kind}, {"name", object.name}};
    base::tell_place(row, object.place);
    return row;
}

std::string text(const Object& object) {
    return fmt::format("{} {} ({})", object.kind, object.name, base::origin(object.place));
}

std::string text(const std::vector<Object>& objects) {
    std::string all;
    for (const Object& object : objects) all += (all.empty() ? "" : ", ") + text(object);
    return all;
}

std::vector<Object> deciders_of(const engine::Switch& running, const DropRecord& record,
                                const std::optional<IpAddress>& destination) {
    std::vector<Object> objects;
    if (record.object != 0) {
        for (const acl::Object& rule : running.rules(record.object)) {
            objects.push_back({std::string(rule.kind), rule.name, rule.place});
        }
    } else if (auto object = decider_of(running, record, destination)) {
        objects.push_back(std::move(*object));
    }
    return objects;
}

std::optional<IpAddress> neighbor_of(const engine::Switch& running, const DropRecord& record) {
    if (decider_of(record.reason) != Decider::kNeighbor) return std::nullopt;
    if (is_tunnel(running, record.egress, record.time)) return std::nullopt;
    const auto destination = destination_of(record);
    const auto found = find_route(running, record, destination);
    if (found && found->key.kind == HopKind::kVia) return found->key.via;
    if (found && found->key.kind == HopKind::kConnected) return destination;
    return std::nullopt;
}

std::string place_name(const engine::Switch& running, path::PortId id, uint64_t time) {
    const auto object = port_object(running, id, time);
    if (!object) return "";
    return object->kind == "tunnel" ? "tunnel " + object->name : object->name;
}

std::string network_name(const engine::Switch& running, path::NetworkId id, uint64_t time) {
    if (!running.is_same_since(id, time)) return "";
    for (const auto& [name, known] : running.network_ids()) {
        if (known == id) return name;
    }
    return "";
}

}  // namespace sluice::explain
