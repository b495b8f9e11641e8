#include "network/network_config.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "base/subnets.h"

namespace sluice::network {
namespace {

void check_gateways(const NetworkConfig& network, size_t i, base::Mistakes& mistakes) {
    base::Prefixes<const IpPrefix*> subnets;
    for (const IpPrefix& subnet : network.subnets) subnets.add(subnet, &subnet);
    subnets.sort();
    for (size_t g = 0; g < network.gateway.size(); ++g) {
        const IpAddress& gateway = network.gateway[g];
        const auto* subnet = network.flat ? nullptr : subnets.find(gateway);
        std::vector<IpPrefix> links;
        if (subnet != nullptr) links.push_back(subnet->first);
        if (!network.flat && links.empty()) {
            if (mistakes.is_unknown({"networks", i, "subnets"})) continue;
            mistakes.report({"networks", i, "gateway", g}, network.place,
                            "{} is in none of the network's `subnets`", gateway.text());
        } else if (const std::string why = base::why_unusable(gateway, links); !why.empty()) {
            mistakes.report({"networks", i, "gateway", g}, network.place, "{} {}", gateway.text(), why);
        }
    }
}

// A range lies in one subnet, and so do all addresses between its ends.
void check_ranges(const NetworkConfig& network, size_t i, const char* key,
                  const std::vector<base::AddressRange>& ranges, base::Mistakes& mistakes) {
    if (mistakes.is_unknown({"networks", i, "subnets"})) return;
    for (size_t r = 0; r < ranges.size(); ++r) {
        const bool is_inside = std::ranges::any_of(network.subnets, [&](const IpPrefix& subnet) {
            return subnet.contains(ranges[r].low) && subnet.contains(ranges[r].high);
        });
        if (is_inside) continue;
        mistakes.report({"networks", i, "ipam", key, r}, network.place, "{} is in none of the network's `subnets`",
                        to_text(ranges[r]));
    }
}

void check_static_macs(const NetworkConfig& network, size_t i, base::Mistakes& mistakes) {
    std::set<MacAddress> seen;
    for (size_t s = 0; s < network.static_macs.size(); ++s) {
        const auto& entry = network.static_macs[s];
        if (seen.insert(entry.mac).second) continue;
        mistakes.report({"networks", i, "static", s, "mac"}, entry.place, "{} has an entry already",
                        entry.mac.text());
    }
}

// Within a routing domain an address must lie in one network's subnets only. Each subnet is reported once, however
// many others it overlaps.
void check_overlaps(const std::vector<NetworkConfig>& networks, base::Mistakes& mistakes) {
    struct Domain {
        std::vector<IpPrefix> subnets;
        std::vector<std::pair<size_t, size_t>> at;  // network, and index in it
    };
    std::map<std::string_view, Domain> domains;
    for (size_t i = 0; i < networks.size(); ++i) {
        const NetworkConfig& network = networks[i];
        if (!network.is_routed()) continue;
        Domain& domain = domains[network.domain];
        for (size_t s = 0; s < network.subnets.size(); ++s) {
            domain.subnets.push_back(network.subnets[s]);
            domain.at.emplace_back(i, s);
        }
    }
    for (const auto& [name, domain] : domains) {
        const std::vector<size_t> overlaps = base::earlier_overlaps(domain.subnets);
        for (size_t k = 0; k < overlaps.size(); ++k) {
            const auto [i, s] = domain.at[k];
            const NetworkConfig& other = networks[domain.at[overlaps[k]].first];
            const NetworkConfig& network = networks[i];
            if (&other == &network) continue;  // check() has reported it
            mistakes.report({"networks", i, "subnets", s}, network.place,
                             "{} overlaps {} of network {}, and both are routed in domain {}: "
                             "give one another `domain`",
                             domain.subnets[k].text(), domain.subnets[overlaps[k]].text(), other.name, name);
            if (mistakes.is_full()) return;
        }
    }
}

}  // namespace

void check(const std::vector<NetworkConfig>& networks, base::Mistakes& mistakes) {
    std::map<std::string_view, const NetworkConfig*> named;
    for (size_t i = 0; i < networks.size() && !mistakes.is_full(); ++i) {
        const NetworkConfig& network = networks[i];
        const auto [first, fresh] = named.emplace(network.name, &network);
        if (!fresh && !network.name.empty()) {
            mistakes.report({"networks", i, "name"}, network.place,
                            "network {} is declared already, at {}: give one another name", network.name,
                            origin(first->second->place));
        }
        const std::vector<size_t> overlaps = base::earlier_overlaps(network.subnets);
        for (size_t a = 0; a < network.subnets.size(); ++a) {
            if (overlaps[a] == a) continue;
            mistakes.report({"networks", i, "subnets", a}, network.place, "{} overlaps {}",
                            network.subnets[a].text(), network.subnets[overlaps[a]].text());
        }
        check_gateways(network, i, mistakes);
        check_static_macs(network, i, mistakes);
        check_ranges(network, i, "ranges", network.ipam.ranges, mistakes);
        check_ranges(network, i, "exclude", network.ipam.exclude, mistakes);
    }
    check_overlaps(networks, mistakes);
}

}  // namespace sluice::network
