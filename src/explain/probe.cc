#include "explain/probe.h"

#include <algorithm>
#include <cstring>

#include "path/parse.h"
#include "wire/address.h"
#include "wire/checksum.h"

namespace sluice::explain {
namespace {

using engine::HeldPort;
using engine::HopKey;
using engine::HopKind;
using engine::NetworkConfig;
using engine::Switch;

constexpr uint8_t kTtl = 64;

const NetworkConfig* find_network(const Switch& running, std::string_view name) {
    const auto& networks = running.config().networks;
    auto found = std::find_if(networks.begin(), networks.end(), [&](const auto& n) { return n.name == name; });
    return found == networks.end() ? nullptr : &*found;
}

// Networks that a port's guest is in: one, or those of its trunk, the native one first.
std::vector<std::string> networks_of(const Switch& running, const port::PortConfig& config) {
    if (!config.trunk) return {std::string(engine::network_of(running.config(), config))};
    std::vector<std::string> names = config.trunk->networks;
    if (!config.trunk->native.empty()) names.insert(names.begin(), config.trunk->native);
    return names;
}

// The address that the port's guest has, as declared, by the device, or made up.
uint64_t mac_of(const HeldPort& held) {
    if (const auto mac = held.port->mac(); mac && !mac->is_zero()) return path::mac_key(*mac);
    const uint16_t id = path::index(held.port->id());
    return path::mac_key(MacAddress{{0x02, 0x53, 0x4c, 0x00, uint8_t(id >> 8), uint8_t(id)}});
}

bool is_declared(const NetworkConfig& network, const Switch& running, const IpAddress& address) {
    const auto& gateway = network.gateway;
    if (std::find(gateway.begin(), gateway.end(), address) != gateway.end()) return true;
    for (const auto& [name, held] : running.ports()) {
        for (const auto& own : held.port->config().address) {
            if (own.address == address) return true;
        }
    }
    return false;
}

IpAddress plus(const IpAddress& address, uint8_t n) {
    IpAddress next = address;
    next.bytes[15] = static_cast<uint8_t>(next.bytes[15] + n);
    return next;
}

// For a port without any: one of the subnet's that nobody else is known to have, the other end (`taken`) least of
// all, or of the blocks for benchmarks (RFC 2544, RFC 5180) where there is no subnet.
IpAddress spare_address(const Switch& running, const NetworkConfig* network, bool v4, const End& end,
                        const std::optional<IpAddress>& taken) {
    const auto is_free = [&](const IpAddress& address) {
        if (address == taken || is_declared(*network, running, address)) return false;
        const auto id = running.network_ids().find(network->name);
        const neighbor::Entry* known =
            id == running.network_ids().end() ? nullptr : running.router().neighbors().find(id->second, address);
        return known == nullptr || known->mac.load(std::memory_order_relaxed) == end.mac;
    };
    if (network != nullptr) {
        for (const IpPrefix& subnet : network->subnets) {
            if (subnet.address.is_v4() != v4 || subnet.length > subnet.address.bits() - 3) continue;
            for (uint8_t n = 1; n < 255 && subnet.contains(plus(subnet.address, n)); ++n) {
                const IpAddress candidate = plus(subnet.address, n);
                if (is_free(candidate)) return candidate;
            }
        }
    }
    const uint16_t id = path::index(end.id);
    if (v4) return IpAddress::from_v4(0xc612'0001U + id);
    return plus(*IpAddress::parse("2001:2::"), static_cast<uint8_t>(id + 1));
}

std::optional<IpAddress> declared_address(const port::PortConfig& config, bool v4) {
    for (const auto& own : config.address) {
        if (own.address.is_v4() == v4) return own.address;
    }
    return std::nullopt;
}

End end_at(const Switch& running, const HeldPort& held, bool v4,
           const std::optional<IpAddress>& taken = std::nullopt) {
    End end{.port = &held, .id = held.port->id(), .mac = mac_of(held)};
    const auto networks = networks_of(running, held.port->config());
    if (!networks.empty()) end.network = networks.front();
    const auto own = declared_address(held.port->config(), v4);
    end.is_assumed_address = !own;
    end.address = own ? *own
                      : spare_address(running, find_network(running, end.network), v4, end, taken);
    end.station = end.address;
    for (const auto& name : networks) {
        const NetworkConfig* network = find_network(running, name);
        const bool has = network != nullptr &&
                         std::any_of(network->subnets.begin(), network->subnets.end(),
                                     [&](const IpPrefix& s) { return s.contains(end.address); });
        if (!has) continue;
        end.network = name;
        break;
    }
    return end;
}

const HeldPort* owner_of(const Switch& running, const IpAddress& address) {
    for (const auto& [name, held] : running.ports()) {
        for (const auto& own : held.port->config().address) {
            if (own.address == address) return &held;
        }
    }
    return nullptr;
}

const HeldPort* port_with(const Switch& running, path::PortId id) {
    const auto* port = running.find_port(id);
    return port != nullptr ? &port->second : nullptr;
}

// A station that is no port's declared one, as far as the switch has seen it.
std::optional<End> end_of_station(const Switch& running, path::NetworkId id, const IpAddress& station,
                                  const IpAddress& address) {
    End end{.network = std::string(running.router().network_name(id)), .address = address, .station = station};
    if (const HeldPort* held = owner_of(running, station); held != nullptr) {
        end = end_at(running, *held, station.is_v4());
        end.address = address;
        end.station = station;
        return end;
    }
    const neighbor::Entry* entry = running.router().neighbors().find(id, station);
    end.mac = entry == nullptr ? 0 : entry->mac.load(std::memory_order_acquire);
    const auto table = running.macs().find(end.network);
    if (end.mac == 0 || table == running.macs().end()) return std::nullopt;
    const bridge::Entry found = table->second->find(end.mac, bridge::MacTable::hash(end.mac));
    if (!found.found()) return std::nullopt;
    end.id = found.port();
    end.port = port_with(running, end.id);
    return end;
}

// Where an address is at home: with the port that declares it, or where its route points.
base::Result<End> end_with(const Switch& running, const IpAddress& address) {
    if (const HeldPort* held = owner_of(running, address); held != nullptr) {
        End end = end_at(running, *held, address.is_v4());
        end.address = address;
        end.station = address;
        end.is_assumed_address = false;
        return end;
    }
    std::string unseen;
    for (const auto& [name, domain] : running.router().domains()) {
        if (name == engine::kUnderlay) continue;
        const auto found = domain->table.longest(address);
        if (!found) continue;
        HopKey key = running.router().hops().key(found->second);
        if (key.kind == HopKind::kGroup) key = running.router().hops().key(key.members.front());
        if (key.kind != HopKind::kVia && key.kind != HopKind::kConnected) continue;
        const IpAddress& station = key.kind == HopKind::kVia ? key.via : address;
        if (auto end = end_of_station(running, key.network, station, address)) return *end;
        unseen = fmt::format("{} would be behind {} in network {}, which has not been seen yet: ping it once, "
                             "or name a port", address.text(), station.text(),
                             running.router().network_name(key.network));
    }
    if (!unseen.empty()) return tl::unexpected(base::Error{unseen, {}, {}});
    return tl::unexpected(base::Error{
        fmt::format("no port has the address {}, and no route leads to it: name a port", address.text()), {}, {}});
}

base::Result<End> end_named(const Switch& running, const std::string& text, bool v4,
                            const std::optional<IpAddress>& taken) {
    if (const auto address = IpAddress::parse(text)) return end_with(running, *address);
    const auto held = running.ports().find(text);
    if (held != running.ports().end()) return end_at(running, held->second, v4, taken);
    return tl::unexpected(base::Error{fmt::format("there is no port \"{}\"", text), {}, {}});
}

// The family that the two ends have in common: that of an address, or of what the ports declare.
bool is_v4(const Switch& running, const Question& question) {
    for (const std::string* text : {&question.from, &question.to}) {
        if (const auto address = IpAddress::parse(*text)) return address->is_v4();
    }
    for (const std::string* text : {&question.from, &question.to}) {
        const auto held = running.ports().find(*text);
        if (held == running.ports().end()) continue;
        const auto& config = held->second.port->config();
        if (!config.address.empty() && !declared_address(config, true)) return false;
    }
    return true;
}

bool is_gateway(const NetworkConfig& network, const IpAddress& address) {
    return std::find(network.gateway.begin(), network.gateway.end(), address) != network.gateway.end() ||
           (network.flat && address == engine::flat_gateway(address.is_v4()));
}

uint16_t vlan_of(const Switch& running, const End& end) {
    if (end.port == nullptr || !end.port->port->config().trunk) return 0;
    const auto& trunk = *end.port->port->config().trunk;
    const NetworkConfig* network = find_network(running, end.network);
    return network == nullptr || trunk.native == end.network ? 0 : network->vlan;
}

constexpr uint16_t kLeastL4Size = 32;  // bytes of the longest header here, and some payload
constexpr uint32_t kMostIpSize = 65'535 - RTE_PKTMBUF_HEADROOM - 64;  // what one large buffer holds, headers and all

void write_ethernet(uint8_t* frame, const Probe& probe, wire::EtherType type) {
    auto* ethernet = reinterpret_cast<wire::EthernetHeader*>(frame);
    std::memcpy(ethernet->destination.data(), &probe.destination_mac, ethernet->destination.size());
    std::memcpy(ethernet->source.data(), &probe.from.mac, ethernet->source.size());
    ethernet->set_ether_type(probe.vlan != 0 ? wire::EtherType::kVlan : type);
    if (probe.vlan == 0) return;
    auto* tag = reinterpret_cast<wire::VlanTag*>(ethernet + 1);
    tag->control = wire::be16(probe.vlan);
    tag->type = wire::be16(static_cast<uint16_t>(type));
}

// The pseudo-header's sum.
wire::Sum write_ip(wire::Ipv4Header& header, const Probe& probe, wire::Protocol protocol, uint16_t l4_size) {
    header.version_size = 0x45;
    header.total_size = wire::be16(static_cast<uint16_t>(sizeof header + l4_size));
    header.fragment = wire::be16(wire::Ipv4Header::kDontFragment);
    header.ttl = kTtl;
    header.next = static_cast<uint8_t>(protocol);
    header.source = wire::be32(probe.from.address.v4());
    header.destination = wire::be32(probe.to.address.v4());
    header.checksum = wire::header_checksum(header);
    return wire::pseudo_header_sum(header, protocol, l4_size);
}

wire::Sum write_ip(wire::Ipv6Header& header, const Probe& probe, wire::Protocol protocol, uint16_t l4_size) {
    header.version_class_label = wire::be32(0x6000'0000);
    header.payload_size = wire::be16(l4_size);
    header.next = static_cast<uint8_t>(protocol);
    header.hop_limit = kTtl;
    header.source = probe.from.address.bytes;
    header.destination = probe.to.address.bytes;
    return wire::pseudo_header_sum(header, protocol, l4_size);
}

// Where the internet checksum goes; 0: there is none.
size_t write_l4(uint8_t* l4, uint16_t size, wire::Protocol protocol, const Question& question) {
    if (protocol == wire::Protocol::kIcmp || protocol == wire::Protocol::kIcmpv6) {
        auto* header = reinterpret_cast<wire::IcmpHeader*>(l4);
        header->type =
            protocol == wire::Protocol::kIcmp ? wire::IcmpHeader::kEcho : wire::IcmpHeader::kV6Echo;
        header->rest = wire::be32(uint32_t{question.source_port} << 16 | 1);
        return offsetof(wire::IcmpHeader, checksum);
    }
    auto* header = reinterpret_cast<wire::TcpHeader*>(l4);
    header->source_port = wire::be16(question.source_port);
    header->destination_port = wire::be16(question.destination_port);
    if (protocol == wire::Protocol::kTcp) {
        header->size_word = sizeof *header / 4 << 4;
        header->flags = wire::TcpHeader::kSyn;
        header->window = wire::be16(UINT16_MAX);
        return offsetof(wire::TcpHeader, checksum);
    }
    if (protocol == wire::Protocol::kUdp) {
        reinterpret_cast<wire::UdpHeader*>(l4)->size = wire::be16(size);
        return offsetof(wire::UdpHeader, checksum);
    }
    constexpr size_t kChunk = 12;  // behind SCTP's common header: an INIT of 20 bytes (RFC 9260, 3.3.2)
    l4[kChunk] = 1;
    l4[kChunk + 3] = kLeastL4Size - kChunk;
    return 0;
}

}  // namespace

base::Result<Probe> find_probe(const Switch& running, const Question& question) {
    if (question.length.value_or(0) > kMostIpSize) {
        return tl::unexpected(base::Error{
            fmt::format("a packet of {} bytes is not made up: {} at most", *question.length, kMostIpSize), {}, {}});
    }
    const bool v4 = is_v4(running, question);
    const size_t least = (v4 ? sizeof(wire::Ipv4Header) : sizeof(wire::Ipv6Header)) + kLeastL4Size;
    if (question.length && *question.length < least) {
        return tl::unexpected(base::Error{
            fmt::format("a packet of {} bytes is not made up: {} at least", *question.length, least), {}, {}});
    }
    const auto address = IpAddress::parse(question.to);
    auto from = end_named(running, question.from, v4, address ? std::optional(*address) : std::nullopt);
    if (!from) return tl::unexpected(from.error());
    Probe probe{.from = *from};
    const NetworkConfig* network = find_network(running, from->network);
    probe.to.address = address ? *address : IpAddress{};
    if (!address) {
        auto to = end_named(running, question.to, v4, from->address);
        if (!to) return tl::unexpected(to.error());
        probe.to = *to;
    } else if (network == nullptr || !is_gateway(*network, *address)) {
        // Who it is, is the routes' to say; where a station on the way is known, it helps.
        if (auto to = end_with(running, *address)) probe.to = *to;
    }
    if (probe.from.address.is_v4() != probe.to.address.is_v4()) {
        return tl::unexpected(base::Error{"one end has an IPv4 address and the other an IPv6 one", {}, {}});
    }
    probe.vlan = vlan_of(running, probe.from);
    const bool on_link =
        network != nullptr && !network->flat && !is_gateway(*network, probe.to.address) &&
        (probe.to.network == network->name ||
         std::any_of(network->subnets.begin(), network->subnets.end(),
                     [&](const IpPrefix& subnet) { return subnet.contains(probe.to.address); }));
    const bool is_routed = network != nullptr && network->is_routed();
    probe.is_bridged = on_link || !is_routed;
    if (!probe.is_bridged) {
        probe.destination_mac = path::mac_key(engine::router_mac(*network, running.instance()));
    } else if (on_link && probe.to.mac != 0 && probe.to.network == network->name) {
        probe.destination_mac = probe.to.mac;
    }
    if (question.source_mac) probe.from.mac = path::mac_key(*question.source_mac);
    if (question.destination_mac) probe.destination_mac = path::mac_key(*question.destination_mac);
    if (question.vlan) probe.vlan = *question.vlan;
    return probe;
}

rte_mbuf* build_probe(const port::Pools& pools, const Probe& probe, const Question& question) {
    const bool v4 = probe.from.address.is_v4();
    const bool is_icmp =
        question.protocol == wire::Protocol::kIcmp || question.protocol == wire::Protocol::kIcmpv6;
    const wire::Protocol icmp = v4 ? wire::Protocol::kIcmp : wire::Protocol::kIcmpv6;
    const wire::Protocol protocol = is_icmp ? icmp : question.protocol;
    const uint16_t ip_size = v4 ? sizeof(wire::Ipv4Header) : sizeof(wire::Ipv6Header);
    const uint16_t tag_size = probe.vlan != 0 ? sizeof(wire::VlanTag) : 0;
    const auto l3 = static_cast<uint16_t>(sizeof(wire::EthernetHeader) + tag_size);
    const uint32_t ip_packet = std::max<uint32_t>(question.length.value_or(0), ip_size + kLeastL4Size);
    const auto l4_size = static_cast<uint16_t>(ip_packet - ip_size);
    const auto size = static_cast<uint16_t>(l3 + ip_packet);
    rte_mbuf* m = rte_pktmbuf_alloc(pools.holding(size));
    if (m == nullptr) return nullptr;
    auto* frame = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(m, size));
    std::memset(frame, 0, size);
    write_ethernet(frame, probe, v4 ? wire::EtherType::kIpv4 : wire::EtherType::kIpv6);
    const wire::Sum pseudo = v4 ? write_ip(*reinterpret_cast<wire::Ipv4Header*>(frame + l3), probe, protocol, l4_size)
                                : write_ip(*reinterpret_cast<wire::Ipv6Header*>(frame + l3), probe, protocol, l4_size);
    uint8_t* l4 = frame + l3 + ip_size;
    const size_t field = write_l4(l4, l4_size, protocol, question);
    if (field == 0) return m;
    // ICMP of IPv4 has no pseudo-header (RFC 792).
    const wire::Sum before = protocol == wire::Protocol::kIcmp ? 0 : pseudo;
    const wire::be16 sum = wire::nonzero_checksum_of(wire::sum_of(l4, l4_size, before));
    std::memcpy(l4 + field, &sum, sizeof sum);
    return m;
}

}  // namespace sluice::explain
