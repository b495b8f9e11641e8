#include "docker/networks.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/object_name.h"
#include "docker/request.h"

namespace sluice::docker {
namespace {

using nlohmann::json;

constexpr std::string_view kMtu = "com.docker.network.driver.mtu";
constexpr std::string_view kPrefix = "com.docker.network.container_iface_prefix";
constexpr std::array<std::string_view, 9> kNetworkOptions{"network", "vni",       "remotes", "vlan", "domain",
                                                          "label.",  "namespace", kMtu,      kPrefix};
// Of these an existing network has its own.
constexpr std::array<std::string_view, 4> kOptionsOfNew{"vni", "remotes", "vlan", "domain"};
constexpr std::array<std::string_view, 3> kEndpointOptions{"label.", "namespace", "pod"};

constexpr const char* kGeneric = "com.docker.network.generic";
constexpr const char* kPortMap = "com.docker.network.portmap";
constexpr size_t kMostPrefix = 11;  // characters, so that a number fits behind it

std::string failure(const base::Result<void>& done) {
    return done.error().text();
}

// "docker-4f5e6a7b8c9d"
std::string name_of(const std::string& id) {
    return "docker-" + id.substr(0, 12);
}

// Of docker's ids, which are random, or of any other text.
MacAddress mac_of(const std::string& endpoint) {
    uint64_t hash = 0xcbf2'9ce4'8422'2325;  // FNV-1a
    for (const char c : endpoint) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100'0000'01b3;
    return MacAddress::from_uint64(0x0200'0000'0000 | (hash & 0xff'ffff'ffff));
}

json texts_of(const std::vector<std::string>& texts) {
    return json(texts);
}

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> words;
    for (size_t begin = 0; begin < list.size();) {
        const size_t end = std::min(list.find(',', begin), list.size());
        if (end > begin) words.push_back(list.substr(begin, end - begin));
        begin = end + 1;
    }
    return words;
}

std::string_view protocol_of(uint32_t number) {
    switch (number) {
        case 6:
            return "tcp";
        case 17:
            return "udp";
        case 132:
            return "sctp";
        default:
            return {};
    }
}

// The ports of which docker has one chosen: the kernel's for clients.
constexpr base::PortRange kAnyPort{32768, 60999};

Answer<std::vector<Published>> read_published(const json& options) {
    Request request(options, "Options.");
    std::vector<Published> published;
    for (const json& item : request.list(kPortMap)) {
        Request binding(item, fmt::format("Options.{}.", kPortMap));
        const auto protocol = protocol_of(binding.number("Proto", 255));
        const auto inside = static_cast<uint16_t>(binding.number("Port", 65535));
        const auto low = static_cast<uint16_t>(binding.number("HostPort", 65535));
        const auto high = static_cast<uint16_t>(binding.number("HostPortEnd", 65535));
        auto address = binding.parsed<IpAddress>("HostIP");
        if (!binding.mistake().empty()) return tl::unexpected(binding.mistake());
        if (protocol.empty() || inside == 0) return refuse("Options.{}: no protocol, or no port", kPortMap);
        if (address && address->is_unspecified()) address.reset();
        Published one{std::string(protocol), address, {low, std::max(low, high)}, inside};
        if (low == 0) one.outside = kAnyPort;
        // Docker may list 0.0.0.0 and :: both.
        if (std::ranges::find(published, one) == published.end()) published.push_back(std::move(one));
    }
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    return published;
}

}  // namespace

void Networks::remove_unconfirmed() {
    const std::vector<Network> networks = book_.entries().networks;
    for (const Network& network : networks) {
        if (network.is_confirmed) continue;
        if (const auto done = remove(network); !done)
            base::log::warning("docker", "network {} is left over, and can't be removed: {}", network.name,
                               done.error());
    }
}

Answer<std::vector<Networks::Subnet>> Networks::read_subnets(const json& body) {
    std::vector<Subnet> subnets;
    Request request(body);
    for (const char* family : {"IPv4Data", "IPv6Data"}) {
        for (const json& item : request.list(family)) {
            Request entry(item, fmt::format("{}.", family));
            const auto prefix = entry.parsed<IpPrefix>("Pool");
            const auto gateway = entry.parsed<InterfaceAddress>("Gateway");
            if (!entry.mistake().empty()) return tl::unexpected(entry.mistake());
            if (!prefix) continue;
            Subnet subnet{*prefix, {}};
            if (gateway) subnet.gateway = gateway->address;
            subnets.push_back(subnet);
        }
    }
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    return subnets;
}

// A network of the switch that exists: docker's subnets must be its own, and so must the gateways.
Done Networks::use_existing(Network& network, const SwitchNetwork& existing,
                            const std::vector<Subnet>& subnets) const {
    if (existing.is_flat)
        return refuse("the switch's network {} is flat: docker's containers need a bridged one", network.name);
    for (const Subnet& subnet : subnets) {
        if (std::ranges::find(existing.subnets, subnet.prefix) == existing.subnets.end()) {
            std::vector<std::string> own;
            for (const IpPrefix& prefix : existing.subnets) own.push_back(prefix.text());
            return refuse(
                "{} is no subnet of the switch's network {} ({}): give docker the same --subnet, or let the "
                "switch "
                "give the addresses (--ipam-driver sluice --ipam-opt sluice.network={})",
                subnet.prefix.text(), network.name, fmt::format("{}", fmt::join(own, ", ")), network.name);
        }
        const auto own = std::ranges::find_if(
            existing.gateway, [&](const IpAddress& address) { return subnet.prefix.contains(address); });
        if (own == existing.gateway.end()) continue;
        if (subnet.gateway && *subnet.gateway != *own) {
            return refuse("the gateway of the switch's network {} is {}, and not {}: give docker --gateway {}",
                          network.name, own->text(), subnet.gateway->text(), own->text());
        }
        network.gateway.push_back(*own);
    }
    return {};
}

Done Networks::make(Network& network, const Options& options, const std::vector<Subnet>& subnets,
                    bool is_internal) {
    const auto vni = options.number("vni", 1, 0xff'ffff);
    const auto vlan = options.number("vlan", 1, 4094);
    for (const auto* number : {&vni, &vlan}) {
        if (!*number) return tl::unexpected(number->error());
    }
    json keys{{"name", network.name}, {"subnets", json::array()}};
    for (const Subnet& subnet : subnets) {
        keys["subnets"].push_back(subnet.prefix.text());
        // Nothing is routed into an internal network, or out of it.
        if (subnet.gateway && !is_internal) network.gateway.push_back(*subnet.gateway);
    }
    for (const IpAddress& gateway : network.gateway) keys["gateway"].push_back(gateway.text());
    if (*vni) keys["vxlan"] = {{"vni", **vni}, {"remotes", texts_of(split(options.text("remotes")))}};
    if (*vlan) keys["vlan"] = **vlan;
    if (options.has("domain")) keys["domain"] = options.text("domain");
    if (options.has("remotes") && !*vni) return refuse("option sluice.remotes needs sluice.vni");

    // The book comes first: what it has and docker doesn't know is removed at the next start.
    network.is_made = true;
    if (auto done = book_.put(network); !done) return tl::unexpected(failure(done));
    if (auto done = switch_.add_network(keys); !done) {
        (void)book_.remove_network(network.id);
        return done;
    }
    return {};
}

Answer<json> Networks::create_network(const json& body) {
    Request request(body);
    Network network;
    network.id = request.required("NetworkID");
    Request given(request.object("Options"), "Options.");
    const bool is_internal = given.flag("com.docker.network.internal");
    const auto options = Options::read(given.object(kGeneric), kNetworkOptions);
    const auto subnets = read_subnets(body);
    for (const Request* each : {&request, &given}) {
        if (!each->mistake().empty()) return tl::unexpected(each->mistake());
    }
    if (!options) return tl::unexpected(options.error());
    if (!subnets) return tl::unexpected(subnets.error());
    if (const Network* known = book_.find_network(network.id); known != nullptr && known->is_confirmed)
        return json::object();

    const auto mtu = options->number(kMtu, 68, 65521);
    if (!mtu) return tl::unexpected(mtu.error());
    if (*mtu) network.mtu = static_cast<uint16_t>(**mtu);
    if (options->has(kPrefix)) network.prefix = options->text(kPrefix);
    if (network.prefix.empty() || network.prefix.size() > kMostPrefix)
        return refuse("option {}: 1 to {} characters", kPrefix, kMostPrefix);
    network.name_space = options->text("namespace");
    network.labels = options->labels();
    network.name = options->has("network") ? options->text("network") : name_of(network.id);
    if (!base::is_object_name(network.name))
        return refuse("option sluice.network: {} {}", base::shown(network.name), base::kObjectNameRule);

    if (const auto existing = switch_.find_network(network.name)) {
        for (const std::string_view option : kOptionsOfNew) {
            if (options->has(option))
                return refuse("the switch has a network {} already: leave option sluice.{} out", network.name,
                              option);
        }
        const auto other = std::ranges::find(book_.entries().networks, network.name, &Network::name);
        network.is_made = other != book_.entries().networks.end() && other->is_made;
        if (auto done = use_existing(network, *existing, *subnets); !done) return tl::unexpected(done.error());
        if (is_internal) network.gateway.clear();
    } else if (auto done = make(network, *options, *subnets, is_internal); !done) {
        return tl::unexpected(done.error());
    }
    network.is_confirmed = true;
    if (auto done = book_.put(network); !done) {
        (void)remove(network);
        return tl::unexpected(failure(done));
    }
    base::log::notice("docker", "network {} is docker's {}", network.name, network.id.substr(0, 12));
    return json::object();
}

// With what containers have left of it.
Done Networks::remove(const Network& network) {
    const std::vector<Endpoint> endpoints = book_.entries().endpoints;
    for (const Endpoint& endpoint : endpoints) {
        if (endpoint.network != network.id) continue;
        if (auto done = switch_.leave(endpoint.id); !done) return done;
        if (auto done = book_.remove_endpoint(endpoint.id); !done) return tl::unexpected(failure(done));
    }
    const bool is_shared = std::ranges::any_of(book_.entries().networks, [&](const Network& other) {
        return other.name == network.name && other.id != network.id;
    });
    if (network.is_made && !is_shared) {
        if (auto done = switch_.remove_network(network.name); !done) return done;
    }
    if (auto done = book_.remove_network(network.id); !done) return tl::unexpected(failure(done));
    return {};
}

Answer<json> Networks::delete_network(const json& body) {
    Request request(body);
    const std::string id = request.required("NetworkID");
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    const Network* known = book_.find_network(id);
    if (known == nullptr) return json::object();
    const Network network = *known;
    if (auto done = remove(network); !done) return tl::unexpected(done.error());
    base::log::notice("docker", "network {} is docker's no more", network.name);
    return json::object();
}

// Docker gives each address of a network once. An endpoint that has one of these and no container is left over of
// a docker that was killed before it could delete it.
Done Networks::take_over_addresses(const Endpoint& newcomer) {
    const std::vector<Endpoint> endpoints = book_.entries().endpoints;
    for (const Endpoint& other : endpoints) {
        if (other.network != newcomer.network || other.id == newcomer.id) continue;
        const auto shared = std::ranges::find_if(newcomer.addresses, [&](const IpAddress& address) {
            return std::ranges::find(other.addresses, address) != other.addresses.end();
        });
        if (shared == newcomer.addresses.end()) continue;
        if (switch_.has_container(other.id))
            return refuse("{} is the address of endpoint {}", shared->text(), other.id.substr(0, 12));
        if (auto done = switch_.leave(other.id); !done) return done;
        if (auto done = book_.remove_endpoint(other.id); !done) return tl::unexpected(failure(done));
    }
    return {};
}

Answer<json> Networks::create_endpoint(const json& body) {
    Request request(body);
    Endpoint endpoint;
    endpoint.network = request.required("NetworkID");
    endpoint.id = request.required("EndpointID");
    Request interface(request.object("Interface"), "Interface.");
    const auto v4 = interface.parsed<InterfaceAddress>("Address");
    const auto v6 = interface.parsed<InterfaceAddress>("AddressIPv6");
    const auto mac = interface.parsed<MacAddress>("MacAddress");
    const json& given = request.object("Options");
    const auto options = Options::read(given, kEndpointOptions);
    const auto published = read_published(given);
    for (const Request* each : {&request, &interface}) {
        if (!each->mistake().empty()) return tl::unexpected(each->mistake());
    }
    if (!options) return tl::unexpected(options.error());
    if (!published) return tl::unexpected(published.error());
    const Network* network = book_.find_network(endpoint.network);
    if (network == nullptr)
        return refuse("the switch doesn't know network {}: remove it, and create it again",
                      endpoint.network.substr(0, 12));
    if (!published->empty() && network->gateway.empty())
        return refuse("network {} has no gateway, so no port can be published", network->name);

    for (const auto& address : {v4, v6}) {
        if (address) endpoint.addresses.push_back(address->address);
    }
    endpoint.mac = mac.value_or(mac_of(endpoint.id));
    endpoint.pod = options->text("pod");
    endpoint.name_space = options->text("namespace");
    endpoint.labels = options->labels();
    // A Pod object has a namespace and labels of its own.
    if (endpoint.pod.empty()) {
        if (endpoint.name_space.empty()) endpoint.name_space = network->name_space;
        endpoint.labels.insert(network->labels.begin(), network->labels.end());
    }
    if (auto done = take_over_addresses(endpoint); !done) return tl::unexpected(done.error());
    if (auto done = book_.put(endpoint); !done) return tl::unexpected(failure(done));
    // Docker refuses an answer with a value that it has given itself.
    json answer = json::object();
    if (!mac) answer["MacAddress"] = endpoint.mac.text();
    return json{{"Interface", std::move(answer)}};
}

Answer<json> Networks::delete_endpoint(const json& body) {
    Request request(body);
    const std::string id = request.required("EndpointID");
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    if (auto done = switch_.leave(id); !done) return tl::unexpected(done.error());
    if (auto done = book_.remove_endpoint(id); !done) return tl::unexpected(failure(done));
    return json::object();
}

// Docker knows what types its own drivers' values have, and takes no others: it gets none.
Answer<json> Networks::endpoint_info(const json& body) {
    Request request(body);
    (void)request.required("EndpointID");
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    return json{{"Value", json::object()}};
}

std::optional<IpAddress> Networks::gateway_of(const Network& network, const Endpoint& endpoint, bool v4) const {
    const bool has_address =
        std::ranges::find(endpoint.addresses, v4, &IpAddress::is_v4) != endpoint.addresses.end();
    const auto own = std::ranges::find(network.gateway, v4, &IpAddress::is_v4);
    return !has_address || own == network.gateway.end() ? std::nullopt : std::optional(*own);
}

Answer<json> Networks::join(const json& body) {
    Request request(body);
    const std::string id = request.required("EndpointID");
    const std::string netns = request.required("SandboxKey");
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    const Endpoint* known = book_.find_endpoint(id);
    const Network* network = known == nullptr ? nullptr : book_.find_network(known->network);
    if (network == nullptr) return refuse("the switch doesn't know endpoint {}", id.substr(0, 12));
    const auto interface = switch_.join({.endpoint = id,
                                         .network = network->name,
                                         .netns = netns,
                                         .addresses = known->addresses,
                                         .mac = known->mac,
                                         .mtu = network->mtu,
                                         .pod = known->pod,
                                         .name_space = known->name_space,
                                         .labels = known->labels});
    if (!interface) return tl::unexpected(interface.error());
    // Without a gateway of ours docker would add one of its own bridges to the container.
    json answer{{"InterfaceName", {{"SrcName", *interface}, {"DstPrefix", network->prefix}}},
                {"DisableGatewayService", true}};
    if (const auto gateway = gateway_of(*network, *known, true)) answer["Gateway"] = gateway->text();
    if (const auto gateway = gateway_of(*network, *known, false)) answer["GatewayIPv6"] = gateway->text();
    return answer;
}

Answer<json> Networks::leave(const json& body) {
    Request request(body);
    const std::string id = request.required("EndpointID");
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    if (auto done = switch_.leave(id); !done) return tl::unexpected(done.error());
    return json::object();
}

Answer<json> Networks::publish(const json& body) {
    Request request(body);
    const std::string id = request.required("EndpointID");
    const auto ports = read_published(request.object("Options"));
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    if (!ports) return tl::unexpected(ports.error());
    if (ports->empty()) return json::object();
    if (auto done = switch_.publish(id, *ports); !done) return tl::unexpected(done.error());
    return json::object();
}

Answer<json> Networks::unpublish(const json& body) {
    Request request(body);
    const std::string id = request.required("EndpointID");
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    if (auto done = switch_.publish(id, {}); !done) return tl::unexpected(done.error());
    return json::object();
}

}  // namespace sluice::docker
