#include "explain/probe.h"

#include <algorithm>
#include <cstring>

#include "path/parse.h"
#include "wire/address.h"
#include "wire/checksum.h"

namespace sluice::explain {
namespace {

using engine::HeldPort;
using route::HopKey;
using route::HopKind;
using engine::NetworkConfig;
using engine::Switch;

constexpr uint8_t kTtl = 64;

// The networks of a port's guest: one, or those of its trunk, the native one first.
std::vector<std::string> networks_of(const Switch& running, const port::PortConfig& config) {
    if (!config.trunk) return {std::string(engine::network_of(running.config(), config))};
    std::vector<std::string> names = config.trunk->networks;
    if (!config.trunk->native.empty()) names.insert(names.begin(), config.trunk->native);
    return names;
}

// The MAC address of the port's guest: declared, the device's, or made up.
uint64_t mac_of(const HeldPort& held) {
    if (const auto mac = held.port->mac(); mac && !mac->is_zero()) return path::mac_key(*mac);
    const uint16_t id = path::index(held.port->id());
    return path::mac_key(MacAddress{{0x02, 0x53, 0x4c, 0x00, uint8_t(id >> 8), uint8_t(id)}});
}

bool is_declared(const NetworkConfig& network, const Switch& running, const IpAddress& address) {
    const auto& gateway = network.gateway;
    return std::find(gateway.begin(), gateway.end(), address) != gateway.end() ||
           !running.ports_with(address).empty();
}

IpAddress plus(const IpAddress& address, uint8_t n) {
    IpAddress next = address;
    next.bytes[15] = static_cast<uint8_t>(next.bytes[15] + n);
    return next;
}

// An address for a port without one: one of the subnet that no station is known to have, and not the other end's
// (`taken`). Without a subnet, one of the blocks for benchmarks (RFC 2544, RFC 5180).
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

// `given`: its address, whatever the port declares.
End end_at(const Switch& running, const HeldPort& held, bool v4,
           const std::optional<IpAddress>& taken = std::nullopt,
           const std::optional<IpAddress>& given = std::nullopt) {
    End end{.port = &held, .id = held.port->id(), .mac = mac_of(held)};
    const auto networks = networks_of(running, held.port->config());
    if (!networks.empty()) end.network = networks.front();
    const auto own = given ? given : declared_address(held.port->config(), v4);
    end.is_assumed_address = !own;
    end.address =
        own ? *own : spare_address(running, engine::find_network(running.config(), end.network), v4, end, taken);
    end.station = end.address;
    for (const auto& name : networks) {
        const NetworkConfig* network = engine::find_network(running.config(), name);
        const bool has = network != nullptr &&
                         std::any_of(network->subnets.begin(), network->subnets.end(),
                                     [&](const IpPrefix& s) { return s.contains(end.address); });
        if (!has) continue;
        end.network = name;
        break;
    }
    return end;
}

bool is_link_local(const IpAddress& address) { return !address.is_v4() && wire::is_link_local6(address.bytes); }

bool is_in(const Switch& running, const HeldPort& held, const std::string& network) {
    const auto names = networks_of(running, held.port->config());
    return std::find(names.begin(), names.end(), network) != names.end();
}

// The port with the address: of that network if possible, otherwise of any. A link-local address may also follow
// from the MAC address of a port of that network.
const HeldPort* owner_of(const Switch& running, const IpAddress& address, const std::string& network = "") {
    const auto declaring = running.ports_with(address);
    for (const HeldPort* held : declaring) {
        if (is_in(running, *held, network)) return held;
    }
    if (is_link_local(address)) {
        for (const auto& [name, held] : running.ports()) {
            const auto mac = held.port->mac();
            const bool follows = mac && wire::link_local_of(mac->bytes) == address;
            if (follows && is_in(running, held, network)) return &held;
        }
    }
    return declaring.empty() ? nullptr : declaring.front();
}

const HeldPort* port_with(const Switch& running, path::PortId id) {
    return running.find_port(id);
}

// Finds its port in the MAC table; leaves the port unset if the MAC is not there.
void find_place(const Switch& running, End& end) {
    const auto table = running.macs().find(end.network);
    if (table == running.macs().end()) return;
    const bridge::Entry found = table->second->find(end.mac, bridge::MacTable::hash(end.mac));
    if (!found.found()) return;
    end.id = found.port();
    end.port = port_with(running, end.id);
}

// The station as declared in the configuration or as learned; `address` is reached through it. None if its MAC
// address is unknown.
std::optional<End> end_of_station(const Switch& running, path::NetworkId id, const IpAddress& station,
                                  const IpAddress& address) {
    End end{.network = std::string(running.router().network_name(id)), .address = address, .station = station};
    if (const HeldPort* held = owner_of(running, station, end.network); held != nullptr) {
        const bool is_here = is_in(running, *held, end.network);
        const std::string network = end.network;
        end = end_at(running, *held, station.is_v4());
        if (is_here) end.network = network;
        end.address = address;
        end.station = station;
        end.is_assumed_address = false;
        return end;
    }
    const neighbor::Entry* entry = running.router().neighbors().find(id, station);
    end.mac = entry == nullptr ? 0 : entry->mac.load(std::memory_order_acquire);
    if (end.mac == 0) return std::nullopt;
    find_place(running, end);
    return end;
}

// The next hops of a route: one or several.
std::vector<HopKey> hops_of(const Switch& running, route::HopId id) {
    const auto& hops = running.router().hops();
    const HopKey& key = hops.key(id);
    std::vector<HopKey> keys;
    if (key.kind != HopKind::kGroup) keys.push_back(key);
    for (const route::HopId member : key.members) keys.push_back(hops.key(member));
    std::erase_if(keys, [](const HopKey& k) { return k.kind != HopKind::kVia && k.kind != HopKind::kConnected; });
    return keys;
}

// The stations that may be the next hop of a packet to the address, as far as they are known.
std::vector<End> stations_to(const Switch& running, const route::Domain& domain, const IpAddress& address) {
    std::vector<End> stations;
    const auto found = domain.table.longest(address);
    if (!found) return stations;
    for (const HopKey& key : hops_of(running, found->second)) {
        const IpAddress& station = key.kind == HopKind::kVia ? key.via : address;
        if (auto end = end_of_station(running, key.network, station, address)) stations.push_back(*end);
    }
    return stations;
}

// The one port of the network behind which stations may be that no port declares: a device, a bond or the host,
// if it may send from any address. Null: there is none, or several, or the network has remote hosts too.
const HeldPort* only_way_out(const Switch& running, const NetworkConfig& network) {
    if (network.vxlan && !network.vxlan->remotes.empty()) return nullptr;
    const HeldPort* only = nullptr;
    for (const auto& [name, held] : running.ports()) {
        const port::PortConfig& config = held.port->config();
        const bool leads_out = (config.host || config.is_ethdev()) && !config.is_guarded() && !config.is_pod();
        const auto networks = networks_of(running, config);
        if (!leads_out || std::find(networks.begin(), networks.end(), network.name) == networks.end()) continue;
        if (only != nullptr) return nullptr;
        only = &held;
    }
    return only;
}

// The end with a source address that no station has sent from yet, if its route leads to one port for certain.
std::optional<End> end_behind_only_port(const Switch& running, const HopKey& hop, const IpAddress& address) {
    const std::string name(running.router().network_name(hop.network));
    const NetworkConfig* network = engine::find_network(running.config(), name);
    const HeldPort* held = network == nullptr ? nullptr : only_way_out(running, *network);
    if (held == nullptr) return std::nullopt;
    End end = end_at(running, *held, address.is_v4());
    end.network = name;
    end.address = address;
    end.station = hop.kind == HopKind::kVia ? hop.via : address;
    end.is_assumed_address = false;
    return end;
}

// The end with that source address: at the port that declares it, or where its route leads.
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
        for (const End& end : stations_to(running, *domain, address)) {
            if (end.id != path::kNoPort) return end;
        }
        const auto found = domain->table.longest(address);
        const auto keys = found ? hops_of(running, found->second) : std::vector<HopKey>{};
        if (keys.empty()) continue;
        const HopKey& key = keys.front();
        if (const auto end = end_behind_only_port(running, key, address)) return *end;
        const IpAddress& station = key.kind == HopKind::kVia ? key.via : address;
        const std::string behind = station == address ? "" : fmt::format("behind {}, ", station.text());
        unseen = fmt::format("{} would be {}in network {}, where {} has not been seen yet: ping it once, "
                             "or name a port", address.text(), behind,
                             running.router().network_name(key.network), station.text());
    }
    if (!unseen.empty()) return tl::unexpected(base::Error{unseen, {}, {}});
    return tl::unexpected(base::Error{
        fmt::format("no port has the address {}, and no route leads to it: name a port", address.text()), {}, {}});
}

base::Result<End> end_named(const Switch& running, const std::string& text, bool v4,
                            const std::optional<IpAddress>& taken, const std::optional<IpAddress>& given) {
    if (const auto address = IpAddress::parse(text)) return end_with(running, *address);
    const auto held = running.ports().find(text);
    if (held != running.ports().end()) return end_at(running, held->second, v4, taken, given);
    return tl::unexpected(base::Error{fmt::format("there is no port \"{}\"", text), {}, {}});
}

// A station of the sender's network of which only the MAC address is known.
End end_of_mac(const Switch& running, const End& from, const MacAddress& mac, bool v4) {
    End end{.network = from.network, .mac = path::mac_key(mac)};
    find_place(running, end);
    const auto own = end.port == nullptr ? std::nullopt : declared_address(end.port->port->config(), v4);
    end.is_assumed_address = !own;
    end.address =
        own ? *own
            : spare_address(running, engine::find_network(running.config(), end.network), v4, end, from.address);
    end.station = end.address;
    return end;
}

// On a trunk, the tag selects the frame's network. With another tag the frame is in none.
void choose_network(const Switch& running, End& end, uint16_t vlan, bool may_readdress) {
    if (end.port == nullptr || !end.port->port->config().trunk) return;
    const port::TrunkConfig& trunk = *end.port->port->config().trunk;
    std::string chosen = vlan == 0 ? trunk.native : "";
    for (const std::string& name : trunk.networks) {
        const NetworkConfig* network = engine::find_network(running.config(), name);
        if (vlan != 0 && network != nullptr && network->vlan == vlan) chosen = name;
    }
    if (chosen == end.network) return;
    end.network = chosen;
    const NetworkConfig* network = engine::find_network(running.config(), chosen);
    if (network == nullptr || !may_readdress || !end.is_assumed_address) return;
    end.address = spare_address(running, network, end.address.is_v4(), end, std::nullopt);
    end.station = end.address;
}

// The family that both ends have: that of a given address, or of the ports' declared addresses.
bool is_v4(const Switch& running, const Question& question) {
    for (const auto* address : {&question.from_address, &question.to_address}) {
        if (*address) return (*address)->is_v4();
    }
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

// Whether the switch answers for the address on the network's link: its gateway's, or one of NAT's or a Service's.
bool is_gateway(const Switch& running, const NetworkConfig& network, const IpAddress& address) {
    if (!network.is_routed()) return false;
    const auto& own = running.snapshot().networks[path::index(running.network_ids().at(network.name))].addresses;
    return std::find(network.gateway.begin(), network.gateway.end(), address) != network.gateway.end() ||
           std::find(own.begin(), own.end(), address) != own.end() ||
           (network.flat && address == engine::flat_gateway(address.is_v4())) ||
           address == wire::link_local_of(engine::router_mac(network, running.instance()).bytes);
}

// The MAC address that follows from a group address or a broadcast address (RFC 1112, 6.4; RFC 2464, 7); 0 for
// other addresses. `network` is the sender's, or null.
uint64_t group_mac(const NetworkConfig* network, const IpAddress& address) {
    const uint64_t everybody = path::kMacMask;
    if (!address.is_v4()) {
        if (!address.is_multicast()) return 0;
        return path::mac_key(MacAddress{wire::multicast_mac_of(address.bytes)});
    }
    const uint32_t v4 = address.v4();
    if (v4 == UINT32_MAX) return everybody;
    if (address.is_multicast()) return path::mac_key(MacAddress::from_uint64(0x0100'5e00'0000 | (v4 & 0x7f'ffff)));
    if (network == nullptr || network->flat) return 0;
    const auto ends_with_it = [&](const IpPrefix& subnet) {
        return subnet.address.is_v4() && subnet.length <= 30 && subnet.contains(address) &&
               (v4 | ~(UINT32_MAX >> subnet.length)) == UINT32_MAX;
    };
    const bool is_broadcast = std::any_of(network->subnets.begin(), network->subnets.end(), ends_with_it);
    return is_broadcast ? everybody : 0;
}

uint16_t vlan_of(const Switch& running, const End& end) {
    if (end.port == nullptr || !end.port->port->config().trunk) return 0;
    const auto& trunk = *end.port->port->config().trunk;
    const NetworkConfig* network = engine::find_network(running.config(), end.network);
    return network == nullptr || trunk.native == end.network ? 0 : network->vlan;
}

constexpr uint16_t kUsualL4Size = 32;  // size in bytes of the longest header here, with some payload
constexpr uint32_t kMostIpSize =
    65'535 - RTE_PKTMBUF_HEADROOM - 64;  // fits in one large buffer, headers included

// The size in bytes of the L4 header, or of SCTP's first chunk with its header.
uint16_t least_l4_size(wire::Protocol protocol) {
    switch (protocol) {
        case wire::Protocol::kTcp: return sizeof(wire::TcpHeader);
        case wire::Protocol::kSctp: return kUsualL4Size;
        case wire::Protocol::kUdp: return sizeof(wire::UdpHeader);
        default: return sizeof(wire::IcmpHeader);
    }
}

uint16_t ip_header_size(bool v4) { return v4 ? sizeof(wire::Ipv4Header) : sizeof(wire::Ipv6Header); }

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

// Writes the header and returns the pseudo-header's sum.
wire::Sum write_ip(wire::Ipv4Header& header, const Probe& probe, wire::Protocol protocol, uint16_t l4_size) {
    header.version_size = 0x45;
    header.total_size = wire::be16(static_cast<uint16_t>(sizeof header + l4_size));
    if (probe.has_df) header.fragment = wire::be16(wire::Ipv4Header::kDontFragment);
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

// Returns the offset of the internet checksum; 0 if there is none.
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
    l4[kChunk + 3] = kUsualL4Size - kChunk;
    return 0;
}

}  // namespace

namespace {

base::Result<void> check_length(const Question& question, bool v4) {
    if (!question.length) return {};
    const uint32_t least = ip_header_size(v4) + least_l4_size(question.protocol);
    if (*question.length >= least && *question.length <= kMostIpSize) return {};
    const bool is_short = *question.length < least;
    const std::string bound =
        is_short ? fmt::format("{} at least", least) : fmt::format("{} at most", kMostIpSize);
    return tl::unexpected(
        base::Error{fmt::format("a packet of {} bytes can't be made: {}", *question.length, bound), {}, {}});
}

// The first destination MAC depends on the router and on the stations of the sender's link.
base::Result<void> find_destination(const Switch& running, const Question& question, bool v4, Probe& probe) {
    const NetworkConfig* network = engine::find_network(running.config(), probe.from.network);
    const bool is_named = running.ports().contains(question.to);
    if (const auto mac = MacAddress::parse(question.to); mac && !is_named) {
        probe.to = end_of_mac(running, probe.from, *mac, v4);
        probe.destination_mac = probe.to.mac;
        return {};
    }
    const auto address = IpAddress::parse(question.to);
    if (!address) {
        auto to = end_named(running, question.to, v4, probe.from.address, question.to_address);
        if (!to) return tl::unexpected(to.error());
        probe.to = *to;
        probe.names_port = true;
    } else {
        probe.to.address = *address;
        probe.destination_mac = group_mac(network, *address);
        if (probe.destination_mac != 0) return {};
    }
    const IpAddress to = probe.to.address;
    const bool is_routed = network != nullptr && network->is_routed();
    const bool is_for_router = network != nullptr && is_gateway(running, *network, to);
    const bool is_of_subnet =
        network != nullptr && !network->flat && !is_for_router &&
        (probe.to.network == network->name || is_link_local(to) || (network->subnets.empty() && !is_routed) ||
         std::any_of(network->subnets.begin(), network->subnets.end(),
                     [&](const IpPrefix& subnet) { return subnet.contains(to); }));
    probe.is_on_link = is_of_subnet;
    if (address && is_of_subnet) {
        const auto id = running.network_ids().at(network->name);
        if (auto station = end_of_station(running, id, to, to)) probe.to = *station;
    } else if (address && is_routed && !is_for_router) {
        const auto domain = running.router().domains().find(network->domain);
        if (domain != running.router().domains().end()) probe.others = stations_to(running, *domain->second, to);
        if (!probe.others.empty()) probe.to = probe.others.front();
    } else if (address && network == nullptr) {
        if (const HeldPort* held = owner_of(running, to)) probe.to.mac = mac_of(*held);
    }
    if (network == nullptr) {
        // The packet gets no further than its port, whatever its destination.
        probe.destination_mac = probe.to.mac != 0 ? probe.to.mac : path::kMacMask;
    } else if (is_routed && !is_of_subnet) {
        probe.destination_mac = path::mac_key(engine::router_mac(*network, running.instance()));
    } else if (probe.to.network == network->name) {
        probe.destination_mac = probe.to.mac;
    }
    return {};
}

// Whether a sender uses its link-local address as source for this destination.
bool is_of_link(const IpAddress& address) {
    const bool is_link_group = !address.is_v4() && address.is_multicast() && (address.bytes[1] & 0xf) <= 2;
    return is_link_local(address) || is_link_group;
}

}  // namespace

base::Result<Probe> find_probe(const Switch& running, const Question& question) {
    const bool v4 = is_v4(running, question);
    const auto address = IpAddress::parse(question.to);
    const std::optional<IpAddress> taken = address ? std::optional(*address) : question.to_address;
    auto from = end_named(running, question.from, v4, taken, question.from_address);
    if (!from) return tl::unexpected(from.error());
    Probe probe{.from = *from};
    const bool is_address = IpAddress::parse(question.from).has_value();
    if (question.vlan) choose_network(running, probe.from, *question.vlan, !is_address);
    if (address && is_of_link(*address) && !is_address && !question.from_address) {
        wire::MacBytes mac;
        std::memcpy(mac.data(), &probe.from.mac, mac.size());
        probe.from.address = probe.from.station = wire::link_local_of(mac);
        probe.from.is_assumed_address = false;
    }
    if (auto done = find_destination(running, question, v4, probe); !done) return tl::unexpected(done.error());
    if (probe.from.address.is_v4() != probe.to.address.is_v4()) {
        return tl::unexpected(base::Error{"one end has an IPv4 address and the other an IPv6 one", {}, {}});
    }
    if (auto done = check_length(question, probe.from.address.is_v4()); !done) return tl::unexpected(done.error());
    probe.vlan = question.vlan.value_or(vlan_of(running, probe.from));
    probe.has_df = question.df.value_or(question.protocol == wire::Protocol::kTcp ||
                                        question.protocol == wire::Protocol::kSctp);
    if (question.source_mac) probe.from.mac = path::mac_key(*question.source_mac);
    if (question.destination_mac) probe.destination_mac = path::mac_key(*question.destination_mac);
    return probe;
}

rte_mbuf* build_probe(const port::Pools& pools, const Probe& probe, const Question& question) {
    const bool v4 = probe.from.address.is_v4();
    const bool is_icmp =
        question.protocol == wire::Protocol::kIcmp || question.protocol == wire::Protocol::kIcmpv6;
    const wire::Protocol icmp = v4 ? wire::Protocol::kIcmp : wire::Protocol::kIcmpv6;
    const wire::Protocol protocol = is_icmp ? icmp : question.protocol;
    const uint16_t ip_size = ip_header_size(v4);
    const uint16_t tag_size = probe.vlan != 0 ? sizeof(wire::VlanTag) : 0;
    const auto l3 = static_cast<uint16_t>(sizeof(wire::EthernetHeader) + tag_size);
    const uint32_t ip_packet = question.length.value_or(ip_size + kUsualL4Size);
    const auto l4_size = static_cast<uint16_t>(ip_packet - ip_size);
    const auto size = static_cast<uint16_t>(l3 + ip_packet);
    rte_mbuf* m = rte_pktmbuf_alloc(pools.holding(size));
    if (m == nullptr) return nullptr;
    auto* frame = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(m, size));
    std::memset(frame, 0, size);
    write_ethernet(frame, probe, v4 ? wire::EtherType::kIpv4 : wire::EtherType::kIpv6);
    const wire::Sum pseudo =
        v4 ? write_ip(*reinterpret_cast<wire::Ipv4Header*>(frame + l3), probe, protocol, l4_size)
           : write_ip(*reinterpret_cast<wire::Ipv6Header*>(frame + l3), probe, protocol, l4_size);
    uint8_t* l4 = frame + l3 + ip_size;
    const size_t field = write_l4(l4, l4_size, protocol, question);
    if (field == 0) return m;
    // ICMP over IPv4 has no pseudo-header (RFC 792).
    const wire::Sum before = protocol == wire::Protocol::kIcmp ? 0 : pseudo;
    const wire::be16 sum = wire::nonzero_checksum_of(wire::sum_of(l4, l4_size, before));
    std::memcpy(l4 + field, &sum, sizeof sum);
    return m;
}

}  // namespace sluice::explain
