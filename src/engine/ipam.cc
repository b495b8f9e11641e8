#include "engine/ipam.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "base/address_range.h"
#include "base/subnets.h"

namespace sluice::engine {
namespace {

using base::AddressRange;

std::vector<AddressRange> ranges_of(const NetworkConfig& network, bool v4) {
    std::vector<AddressRange> ranges;
    for (const AddressRange& range : network.ipam.ranges) {
        if (range.low.is_v4() == v4) ranges.push_back(range);
    }
    if (!ranges.empty()) return ranges;
    for (const IpPrefix& subnet : network.subnets) {
        if (subnet.address.is_v4() == v4) ranges.push_back(base::range_of(subnet));
    }
    return ranges;
}

// The first address that anybody may have and nobody has. Each step passes an address that is in use, an excluded
// range, or one of the few that no station can have.
std::optional<IpAddress> find_free(const NetworkConfig& network, const AddressRange& range,
                                   const Holders& holders) {
    for (IpAddress at = range.low;; at = base::next(at)) {
        const auto excluded =
            std::ranges::find_if(network.ipam.exclude, [&](const AddressRange& it) { return it.contains(at); });
        if (excluded != network.ipam.exclude.end()) {
            at = excluded->high;
        } else if (!holders.contains(at) && base::why_unusable(at, network.subnets).empty()) {
            return at;
        }
        if (at >= range.high) return std::nullopt;
    }
}

// Those behind `last` first.
std::vector<AddressRange> in_turn(const std::vector<AddressRange>& ranges, const std::optional<IpAddress>& last) {
    const auto begin =
        std::ranges::find_if(ranges, [&](const AddressRange& range) { return last && range.contains(*last); });
    if (begin == ranges.end()) return ranges;
    std::vector<AddressRange> turn;
    if (*last != begin->high) turn.push_back({base::next(*last), begin->high});
    turn.insert(turn.end(), begin + 1, ranges.end());
    turn.insert(turn.end(), ranges.begin(), begin);
    turn.push_back({begin->low, *last});
    return turn;
}

// "10.0.0.1 is the gateway's, 10.0.0.2 is port web's, and 12 more (sluicectl ipam list)"
std::string told(const std::vector<AddressRange>& ranges, const Holders& holders, bool has_exclusions) {
    constexpr size_t kMost = 4;
    std::string text;
    size_t count = 0;
    for (const auto& [address, holder] : holders) {
        const bool is_inside =
            std::ranges::any_of(ranges, [&](const AddressRange& range) { return range.contains(address); });
        if (!is_inside || ++count > kMost) continue;
        text += fmt::format("{}{} is {}'s", text.empty() ? "" : ", ", address.text(), holder.name);
    }
    if (count > kMost) text += fmt::format(", and {} more have one", count - kMost);
    if (has_exclusions) text += fmt::format("{}`ipam.exclude` keeps others free", text.empty() ? "" : ", and ");
    return text;
}

}  // namespace

namespace {

// Stations that the configuration names without declaring them: add(address, name).
template <class Add>
void add_stations(const Config& config, const NetworkConfig& network, const Add& add) {
    for (const route::RouteConfig& route : config.routes) {
        for (const route::HopConfig& hop : route.all_hops()) {
            if (hop.via) add(*hop.via, "the next hop to " + route.to.text());
        }
    }
    for (const IpAddress& server : network.dns.nameserver) add(server, "a nameserver");
    for (const dns::UpstreamConfig& server : config.dns.upstreams) add(server.address, "a nameserver");
    if (network.dhcp) {
        for (const IpAddress& server : network.dhcp->ntp) add(server, "a time server");
        for (const dhcp::RouteConfig& route : network.dhcp->routes)
            add(route.via, "the next hop to " + route.to.text());
    }
    if (network.vxlan) {
        for (const vxlan::StaticConfig& station : network.vxlan->statics) {
            for (const IpAddress& address : station.address) add(address, "a station at " + station.remote.text());
        }
    }
}

}  // namespace

Holders holders_in(const Config& config, const std::vector<WaitingObject>& waiting, const NetworkConfig& network) {
    Holders holders;
    for (const IpAddress& gateway : network.gateway) holders.emplace(gateway, Holder{"the gateway"});
    const auto add = [&](const port::PortConfig& port, const std::string& name) {
        const auto networks = networks_of(config, port);
        if (std::ranges::find(networks, network.name) == networks.end()) return;
        for (const InterfaceAddress& own : port.address) holders.emplace(own.address, Holder{name, &port});
    };
    for (const port::PortConfig& port : config.ports) add(port, "port " + port.name);
    for (const WaitingObject& each : waiting) {
        if (const auto* port = each.object->as_port()) add(*port, fmt::format("port {} (it waits)", port->name));
    }
    const auto add_outside = [&](const IpAddress& address, const std::string& name) {
        const bool is_inside =
            std::ranges::any_of(network.subnets, [&](const IpPrefix& it) { return it.contains(address); });
        if (is_inside) holders.emplace(address, Holder{name});
    };
    for (const service::ServiceConfig& service : config.services) {
        for (const IpAddress& address : service.address) add_outside(address, "service " + service.name);
    }
    for (const nat::NatConfig& rule : config.nat) {
        const std::string name = "nat " + (rule.name.empty() ? origin(rule.place) : rule.name);
        if (rule.one_to_one) add_outside(rule.one_to_one->outside, name);
        if (!rule.addresses) continue;
        for (const nat::AddressRange& range : *rule.addresses) {
            std::vector<IpAddress> addresses;
            nat::add_addresses(range, addresses);
            for (const IpAddress& address : addresses) add_outside(address, name);
        }
    }
    for (const nat::PublishConfig& published : published_in(config)) {
        if (published.address) add_outside(*published.address, "a published port");
    }
    add_stations(config, network, add_outside);
    return holders;
}

bool is_free(const NetworkConfig& network, const Holders& holders, const IpAddress& address) {
    const std::vector<AddressRange> ranges = ranges_of(network, address.is_v4());
    return std::ranges::any_of(ranges, [&](const AddressRange& it) { return it.contains(address); }) &&
           find_free(network, {address, address}, holders).has_value();
}

tl::expected<std::vector<InterfaceAddress>, base::Error> Ipam::choose(const NetworkConfig& network,
                                                                      const Holders& holders) {
    if (network.subnets.empty()) {
        return tl::unexpected(base::Error{
            fmt::format(
                "network {} has no `subnets` to choose an address from: give it some, or ask for an address",
                network.name),
            {},
            {}});
    }
    std::vector<InterfaceAddress> chosen;
    for (const bool v4 : {true, false}) {
        if (ranges_of(network, v4).empty()) continue;
        const auto found = choose(network, holders, v4);
        if (!found) return tl::unexpected(found.error());
        chosen.push_back({*found});
    }
    return chosen;
}

base::Result<IpAddress> Ipam::choose(const NetworkConfig& network, const Holders& holders, bool v4) {
    const std::vector<AddressRange> ranges = ranges_of(network, v4);
    Last& last = last_[network.name];
    std::optional<IpAddress>& before = v4 ? last.v4 : last.v6;
    for (const AddressRange& range : in_turn(ranges, before)) {
        if (const auto found = find_free(network, range, holders)) {
            before = found;
            return *found;
        }
    }
    return base::fail("network {} has no free {} address: {}", network.name, v4 ? "IPv4" : "IPv6",
                      told(ranges, holders, !network.ipam.exclude.empty()));
}

}  // namespace sluice::engine
