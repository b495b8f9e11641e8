#include "engine/dns_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"

namespace sluice::engine {
namespace {

using dns::wire_name;
using NamedRecord = dns::NamesTable::Named;
using NamedRecords = std::vector<NamedRecord>;

// As much of a container's id as people know it by.
constexpr size_t kShownOfId = 12;

dns::Source dns_source_of_port(const std::string& name, const base::Place& place = {}) {
    return {"port", name, place};
}
dns::Source dns_source_of(const kube::Key& key, const base::Place& place = {}) {
    const bool is_pod = key.kind == kube::Kind::kPod;
    return {is_pod ? "pod" : "service", key.name_space + "/" + key.name, place};
}

// What a container is called, each once, the name that people know it by first.
std::vector<std::string> names_of_port(const port::PortConfig& port) {
    std::vector<std::string> names = port.aliases;
    if (!port.pod.empty()) names.push_back(port.pod.substr(port.pod.find('/') + 1));
    // A runtime's container has a port whose name the switch has made up. All others have one that people gave.
    names.insert(port.container ? names.end() : names.begin(), port.name);
    if (port.container) names.push_back(port.container->id.substr(0, kShownOfId));
    std::vector<std::string> once;
    for (const std::string& name : names) {
        std::string lower = base::lower(name);
        const bool is_known = std::ranges::find(once, lower) != once.end();
        if (!is_known && port::is_alias(lower)) once.push_back(std::move(lower));
    }
    return once;
}

// A pod, or an endpoint without a name of its own: "10-0-0-1".
std::string dashed(const IpAddress& address) {
    std::string text = address.text();
    std::ranges::replace_if(
        text, [](char c) { return c == '.' || c == ':'; }, '-');
    // No label of a host name begins or ends with a dash.
    if (text.starts_with('-')) text = "0" + text;
    if (text.ends_with('-')) text += "0";
    return text;
}

std::string host_name_of(const ServiceEndpoint& endpoint) {
    return endpoint.host_name.empty() ? dashed(endpoint.address) : endpoint.host_name;
}

bool is_dns_insider(const port::PortConfig& port) {
    return !port.is_ethdev() || port.is_guarded();
}

std::string lower_protocol(kube::Protocol protocol) {
    return base::lower(base::word_of(protocol));
}

}  // namespace

std::vector<IpAddress> dns_addresses(const NetworkConfig& network) {
    if (!network.dns.enabled || !network.is_routed()) return {};
    if (!network.gateway.empty()) return network.gateway;
    return {flat_gateway(true), flat_gateway(false)};
}

bool DnsNames::arrange(const Config& config, const std::map<std::string, path::NetworkId, std::less<>>& networks) {
    const bool has_other_domain = config.dns.domain != domain_;
    domain_ = config.dns.domain;
    settings_.zone = wire_name(domain_);
    settings_.ttl = config.dns.ttl;
    settings_.upstreams = config.dns.upstreams;
    settings_.views.clear();
    settings_.subnets.clear();
    settings_.own.clear();
    services_ = table_.scope_of_domain(flow_domain_of_routes(route::kMainDomain));
    for (const IpPrefix& prefix : config.service_ranges.cluster_ips)
        settings_.subnets.push_back({services_, prefix});
    std::map<std::string, base::Place> named;
    for (const NetworkConfig& network : config.networks) {
        const dns::Scope domain = table_.scope_of_domain(flow_domain_of(network));
        for (const IpPrefix& subnet : network.subnets) settings_.subnets.push_back({domain, subnet});
        const std::vector<IpAddress> addresses = dns_addresses(network);
        settings_.own.insert(settings_.own.end(), addresses.begin(), addresses.end());
        const auto id = networks.find(network.name);
        if (addresses.empty() || id == networks.end()) continue;
        const dns::Scope own = table_.scope_of_network(network.name);
        const size_t at = path::index(id->second);
        if (settings_.views.size() <= at) settings_.views.resize(at + 1);
        settings_.views[at] = {network.name, own, domain};
        NamedRecords records;
        for (const IpAddress& address : addresses)
            records.push_back({in_zone("ns.dns"), dns::address_record(address, own)});
        records.push_back({in_zone("dns-version"), dns::text_record(kSchemaVersion, own)});
        records.push_back({settings_.zone, dns::name_record(dns::Type::kNs, in_zone("ns.dns"), own)});
        table_.set({"network", network.name, network.place}, std::move(records));
        named.emplace(network.name, network.place);
    }
    for (const auto& [name, place] : networks_) {
        if (!named.contains(name)) table_.set({"network", name, {}}, {});
    }
    networks_ = std::move(named);
    table_.set(settings_);
    if (!has_other_domain) return false;
    for (const auto& [key, pod] : pods_) set_pod(key, pod);
    return true;
}

// Empty: it is too long to be a name.
std::string DnsNames::in_zone(std::string_view name) const {
    return wire_name(fmt::format("{}.{}", name, domain_));
}

void DnsNames::set_port(const Config& config, const port::PortConfig& port, path::PortId id,
                        const std::vector<IpAddress>& leased) {
    remove_port(port.name);
    ports_[port.name] = id;
    settings_.insiders.set(path::index(id), is_dns_insider(port));
    table_.set(settings_);
    const NetworkConfig* network = find_network(config, network_of(config, port));
    if (network == nullptr || port.trunk) return;
    const dns::Scope own = table_.scope_of_network(network->name);
    const dns::Scope domain = table_.scope_of_domain(flow_domain_of(*network));
    std::vector<IpAddress> addresses = leased;
    for (const InterfaceAddress& declared : port.address) addresses.push_back(declared.address);
    NamedRecords records;
    std::string first;
    for (const std::string& name : names_of_port(port)) {
        const std::string alone = wire_name(name);
        const std::string qualified = wire_name(name + "." + network->name);
        // The cluster's names are those of its objects alone.
        if (alone.empty() || qualified.empty() || dns::is_in(alone, settings_.zone) ||
            dns::is_in(qualified, settings_.zone))
            continue;
        for (const IpAddress& address : addresses) {
            records.push_back({alone, dns::address_record(address, own)});
            records.push_back({qualified, dns::address_record(address, domain)});
        }
        if (first.empty()) first = qualified;
    }
    for (const IpAddress& address : addresses) {
        if (first.empty()) break;
        records.push_back({dns::reverse_name(address), dns::name_record(dns::Type::kPtr, first, domain)});
    }
    table_.set(dns_source_of_port(port.name, port.place), std::move(records));
}

void DnsNames::remove_port(const std::string& name) {
    const auto known = ports_.find(name);
    if (known == ports_.end()) return;
    settings_.insiders.reset(path::index(known->second));
    table_.set(settings_);
    table_.set(dns_source_of_port(name), {});
    ports_.erase(known);
}

void DnsNames::set_pod(const kube::Key& key, const ServicePod* pod, const std::string& domain) {
    if (pod == nullptr || pod->is_over || pod->addresses.empty()) {
        pods_.erase(key);
        return table_.set(dns_source_of(key), {});
    }
    const Pod known{pod->addresses, domain.empty() ? flow_domain_of_routes(route::kMainDomain) : domain};
    pods_[key] = known;
    set_pod(key, known);
}

void DnsNames::set_pod(const kube::Key& key, const Pod& pod) {
    NamedRecords records;
    for (const IpAddress& address : pod.addresses) {
        std::string name = in_zone(fmt::format("{}.{}.pod", dashed(address), key.name_space));
        if (!name.empty())
            records.push_back({std::move(name), dns::address_record(address, table_.scope_of_domain(pod.domain))});
    }
    table_.set(dns_source_of(key), std::move(records));
}

void DnsNames::set_service(const kube::Key& key, const KubeServices::Known* service) {
    if (service == nullptr) return table_.set(dns_source_of(key), {});
    const std::string base = fmt::format("{}.{}.svc", key.name, key.name_space);
    NamedRecords records;
    if (service->facts->type == kube::ServiceType::kExternalName) {
        const std::string target = wire_name(service->facts->external_name);
        if (!target.empty())
            records.push_back({in_zone(base), dns::name_record(dns::Type::kCname, target, services_)});
    } else if (service->facts->is_headless) {
        add_headless(base, *service, records);
    } else {
        add_cluster_ip(base, *service, records);
    }
    std::erase_if(records, [](const NamedRecord& record) { return record.name.empty(); });
    table_.set(dns_source_of(key, service->place), std::move(records));
}

void DnsNames::add_cluster_ip(const std::string& base, const KubeServices::Known& service,
                              Records& records) const {
    const std::string name = in_zone(base);
    for (const IpAddress& address : service.facts->cluster_ips) {
        records.push_back({name, dns::address_record(address, services_)});
        records.push_back({dns::reverse_name(address), dns::name_record(dns::Type::kPtr, name, services_)});
    }
    for (const kube::ServicePort& port : service.facts->ports) {
        if (port.name.empty() || service.facts->cluster_ips.empty()) continue;
        records.push_back({in_zone(fmt::format("_{}._{}.{}", port.name, lower_protocol(port.protocol), base)),
                           dns::service_record(port.port, name, services_)});
    }
}

// Of endpoints that are ready, and of all those whose Service says so.
void DnsNames::add_headless(const std::string& base, const KubeServices::Known& service, Records& records) const {
    const std::string name = in_zone(base);
    const auto is_told = [&](const ServiceEndpoint& it) {
        return it.state == EndpointState::kReady || service.facts->publishes_not_ready_addresses;
    };
    for (const ServiceEndpoint& it : service.endpoints) {
        if (!is_told(it)) continue;
        const std::string host = in_zone(fmt::format("{}.{}", host_name_of(it), base));
        records.push_back({name, dns::address_record(it.address, services_)});
        records.push_back({host, dns::address_record(it.address, services_)});
        records.push_back({dns::reverse_name(it.address), dns::name_record(dns::Type::kPtr, host, services_)});
    }
    for (size_t i = 0; i < service.facts->ports.size(); ++i) {
        const kube::ServicePort& port = service.facts->ports[i];
        if (port.name.empty()) continue;
        const std::string at = in_zone(fmt::format("_{}._{}.{}", port.name, lower_protocol(port.protocol), base));
        // A host of two families has one record.
        std::set<std::pair<std::string, uint16_t>> hosts;
        for (const ServiceEndpoint& it : service.by_port[i]) {
            if (is_told(it)) hosts.emplace(in_zone(fmt::format("{}.{}", host_name_of(it), base)), it.port);
        }
        for (const auto& [host, number] : hosts)
            records.push_back({at, dns::service_record(number, host, services_)});
    }
}

std::shared_ptr<const dns::Names> DnsNames::take() {
    return table_.take();
}

ResolverSettings resolver_settings(const Config& config, const NetworkConfig& network,
                                   const std::vector<InterfaceAddress>& addresses, const std::string& name_space) {
    ResolverSettings settings{network.dns.nameserver, network.dns.search, network.dns.options};
    if (settings.nameservers.empty()) {
        // A resolver waits for servers that it has no address to ask from.
        for (const IpAddress& address : dns_addresses(network)) {
            const bool has_family = std::ranges::any_of(
                addresses, [&](const InterfaceAddress& own) { return own.address.is_v4() == address.is_v4(); });
            if (has_family && settings.nameservers.size() < dns::kMostNameservers)
                settings.nameservers.push_back(address);
        }
    }
    if (name_space.empty()) return settings;
    const std::string& domain = config.dns.domain;
    const std::vector<std::string> own{fmt::format("{}.svc.{}", name_space, domain), "svc." + domain, domain};
    settings.search.insert(settings.search.begin(), own.begin(), own.end());
    const bool has_dots = std::ranges::any_of(
        settings.options, [](const std::string& option) { return option.starts_with("ndots:"); });
    if (!has_dots) settings.options.push_back("ndots:5");
    return settings;
}

}  // namespace sluice::engine
