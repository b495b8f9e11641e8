#include "control/containers.h"

#include <algorithm>

#include "control/objects.h"
#include "control/report.h"

namespace sluice::control {
namespace {

using engine::Batch;
using engine::ObjectKind;
using nlohmann::json;
using port::PortConfig;

// As the container's runtime calls it.
std::string interface_of(const PortConfig& port) {
    const bool has_own = port.container && !port.container->interface.empty();
    return has_own ? port.container->interface : port.interface_name();
}

json socket_path_of(const PortConfig& port) {
    return port.vhost_user ? json(port.vhost_user->path) : json();
}

// What tells a container's interface from all others.
struct ContainerKey {
    port::ContainerConfig container;
    std::string interface;

    bool is_of(const PortConfig& port) const {
        return port.container && port.container->id == container.id && port.container->by == container.by &&
               interface_of(port) == interface;
    }
};
ContainerKey container_key(const json& params) {
    return {{.id = text_of(params, "container"), .by = text_of(params, "by")}, params.value("interface", "eth0")};
}

// The ports that runtimes have added, those that wait too.
template <class F>
void each_of_containers(const Running& daemon, F call) {
    for (const PortConfig& port : daemon.intent.config().ports) {
        if (port.container) call(port);
    }
    for (const engine::WaitingObject& waiting : daemon.intent.waiting()) {
        const PortConfig* port = waiting.object->as_port();
        if (port != nullptr && port->container) call(*port);
    }
}

// The name of the port with that key; empty: there is none.
std::string find_container(const Running& daemon, const ContainerKey& key) {
    std::string name;
    each_of_containers(daemon, [&](const PortConfig& port) {
        if (key.is_of(port)) name = port.name;
    });
    return name;
}

bool is_port_name_taken(const Running& daemon, const std::string& name) {
    return engine::find_port(daemon.intent.config(), name) != nullptr ||
           daemon.intent.find_waiting(ObjectKind::kPort, name) != nullptr;
}

// "4f5e6a7b8c9d-eth0": as much of the id as people know it by.
std::string new_port_name(const Running& daemon, const ContainerKey& key) {
    constexpr size_t kShown = 12;
    std::string name = key.container.id.substr(0, kShown) + "-" + key.interface;
    for (char& c : name) {
        if (!base::is_object_name({&c, 1}) && c != '-' && c != '_' && c != '.') c = '-';
    }
    if (!base::is_object_name(name)) name = "c" + name;
    std::string unique = name;
    for (unsigned i = 2; is_port_name_taken(daemon, unique); ++i) unique = fmt::format("{}-{}", name, i);
    return unique;
}

json addresses_json(const engine::Config& config, const PortConfig& port) {
    const auto* network = engine::find_network(config, port.network);
    json list = json::array();
    for (const InterfaceAddress& address : port.address) {
        json gateway;
        for (const auto& route : port.routes) {
            const bool is_default = route.to.length == 0 && route.to.address.is_v4() == address.address.is_v4();
            if (is_default && route.via) gateway = route.via->text();
        }
        if (gateway.is_null() && network != nullptr) {
            const auto own = std::ranges::find(network->gateway, address.address.is_v4(), &IpAddress::is_v4);
            if (own != network->gateway.end()) gateway = own->text();
        }
        list.push_back({{"address", address.text()}, {"gateway", std::move(gateway)}});
    }
    return list;
}

json routes_json(const PortConfig& port) {
    json list = json::array();
    for (const auto& route : port.routes) {
        list.push_back({{"to", route.to.text()}, {"via", route.via ? json(route.via->text()) : json()}});
    }
    return list;
}

// In the words of CNI. What is empty is left out.
json dns_json(const Running& daemon, const PortConfig& port) {
    json dns = json::object();
    const engine::Config& config = daemon.running.config();
    const auto* network = engine::find_network(config, port.network);
    if (network == nullptr) return dns;
    const std::string name_space = port.pod.substr(0, port.pod.find('/'));
    const engine::ResolverSettings settings =
        engine::resolver_settings(config, *network, port.address, name_space);
    for (const IpAddress& server : settings.nameservers) dns["nameservers"].push_back(server.text());
    if (!settings.search.empty()) dns["search"] = settings.search;
    if (!settings.options.empty()) dns["options"] = settings.options;
    return dns;
}

// The answer about a container's port that is there.
json report_container(const Running& daemon, const engine::HeldPort& held) {
    const PortConfig& port = held.port->config();
    const auto mac = held.port->mac();
    return {{"port", report_port(daemon.running, held)},
            {"interface", interface_of(port)},
            {"socket-path", socket_path_of(port)},
            {"mac", mac ? json(mac->text()) : json()},
            {"mtu", port.frame_mtu()},
            {"address", addresses_json(daemon.running.config(), port)},
            {"routes", routes_json(port)},
            {"dns", dns_json(daemon, port)}};
}

const engine::HeldPort* find_up(const Running& daemon, const std::string& name) {
    const auto held = daemon.running.ports().find(name);
    return held == daemon.running.ports().end() || !held->second.up ? nullptr : &held->second;
}

// Whether the text of a value is this one's.
template <class T>
bool is_value(const json& text, const T& value) {
    T read;
    return base::read(base::from_json(text), read).empty() && read == value;
}

// Whether what is asked for is what the port has.
bool has_what_is_asked(const PortConfig& port, const json& params) {
    const auto is_other = [&](const char* key, const std::string& own) {
        return params.contains(key) && text_of(params, key) != own;
    };
    if (is_other("netns", port.netns) || is_other("network", port.network) || is_other("pod", port.pod))
        return false;
    if (params.contains("vhost-user") != port.vhost_user.has_value()) return false;
    if (port.vhost_user && !is_value(params.at("vhost-user"), *port.vhost_user)) return false;
    const bool has_limits = params.contains("rate-limit") ? is_value(params.at("rate-limit"), port.rate_limit)
                                                          : port.rate_limit == port::RateLimitConfig{};
    if (!has_limits) return false;
    if (!params.contains("address")) return true;
    return std::ranges::all_of(params.at("address"), [&](const json& asked) {
        if (!asked.is_string()) return false;
        const auto address = InterfaceAddress::parse(asked.get<std::string>());
        return address &&
               std::ranges::find(port.address, address->address, &InterfaceAddress::address) != port.address.end();
    });
}

json rate_limit_json(const std::optional<port::TokenBucketConfig>& limit) {
    if (!limit) return nullptr;
    return {{"rate", limit->rate.bits}, {"burst", limit->burst_size()}};
}

engine::Changes remove_port(Running& daemon, const std::string& name) {
    return daemon.intent.remove(daemon.running, {ObjectKind::kPort, name}, engine::Clock::now());
}

// Those of Kubernetes, which are no part of the configuration.
void add_services(const Running& daemon, engine::Holders& holders) {
    for (const auto& [key, front] : daemon.running.translation().fronts()) {
        if (front.frontend->kind != service::Kind::kNodePort)
            holders.emplace(key.address, engine::Holder{"service " + front.name});
    }
}

// Those that docker has for its containers, which may not have started yet.
void add_dockers(const Running& daemon, const engine::NetworkConfig& network, engine::Holders& holders) {
    for (const IpAddress& address : daemon.docker.addresses_in(network.name))
        holders.emplace(address, engine::Holder{"docker"});
}

// The network that the request makes, if there is none of its name and it has `subnets`.
engine::SharedObject network_of(const Running& daemon, const json& params) {
    const std::string name = text_of(params, "network");
    if (engine::find_network(daemon.intent.config(), name) != nullptr || !params.contains("subnets"))
        return nullptr;
    json keys{{"name", name}, {"subnets", params.at("subnets")}};
    if (params.contains("gateway")) keys["gateway"] = params.at("gateway");
    return engine::read_object(ObjectKind::kNetwork, base::from_json(keys));
}

json port_keys(const ContainerKey& key, const std::string& name, const json& params) {
    json keys{{"name", name}, {"container", {{"id", key.container.id}, {"by", key.container.by}}}};
    if (params.contains("vhost-user")) {
        keys["container"]["interface"] = key.interface;
    } else {
        keys["interface"] = key.interface;
    }
    for (const char* same : {"netns", "vhost-user", "network", "address", "mac", "mtu", "pod", "namespace",
                             "labels", "routes", "publish", "rate-limit", "aliases"}) {
        if (params.contains(same)) keys[same] = params.at(same);
    }
    return keys;
}

}  // namespace

engine::Holders holders_without_leases(const Running& daemon, const engine::NetworkConfig& network) {
    auto holders = engine::holders_in(daemon.intent.config(), daemon.intent.waiting(), network);
    add_services(daemon, holders);
    add_dockers(daemon, network, holders);
    return holders;
}

engine::Holders address_holders(const Running& daemon, const engine::NetworkConfig& network) {
    auto holders = holders_without_leases(daemon, network);
    add_leases(daemon.guests.leases(), network.name, holders);
    return holders;
}

Answer container_add(Running& daemon, const json& params) {
    const ContainerKey key = container_key(params);
    if (const std::string known = find_container(daemon, key); !known.empty()) {
        const engine::HeldPort* held = find_up(daemon, known);
        if (held != nullptr && has_what_is_asked(held->port->config(), params))
            return report_container(daemon, *held);
        if (const auto removed = remove_port(daemon, known); !removed) return refused(removed.error());
    }
    const std::string name = new_port_name(daemon, key);
    json keys = port_keys(key, name, params);
    Batch batch;
    if (auto network = network_of(daemon, params)) batch.objects.push_back({std::move(network)});
    if (!keys.contains("address")) {
        const auto* network = batch.objects.empty()
                                  ? engine::find_network(daemon.intent.config(), text_of(params, "network"))
                                  : &std::get<engine::NetworkConfig>(batch.objects[0].object->config);
        if (network != nullptr) {
            const auto chosen = daemon.ipam.choose(*network, address_holders(daemon, *network));
            if (!chosen) return refused({chosen.error()});
            keys["address"] = json::array();
            for (const InterfaceAddress& address : *chosen) keys["address"].push_back(address.text());
        }
    }
    batch.objects.push_back({engine::read_object(ObjectKind::kPort, base::from_json(keys))});
    for (const Batch::Object& each : batch.objects) {
        const base::Errors& faults = each.object->faults;
        batch.errors.insert(batch.errors.end(), faults.begin(), faults.end());
    }
    const auto added = daemon.intent.add(daemon.running, batch, engine::Clock::now());
    if (!added) return refused(added.error());
    if (const engine::HeldPort* held = find_up(daemon, name)) return report_container(daemon, *held);
    const auto held = daemon.running.ports().find(name);
    const std::string why = held == daemon.running.ports().end() ? "it waits" : held->second.reason;
    // With the network that was made for it.
    const auto removed = daemon.intent.remove(daemon.running, batch, engine::Clock::now());
    if (!removed) return refused(removed.error());
    return refused({{fmt::format("the container's port does not come up: {}", why), {}, {}}});
}

Answer container_delete(Running& daemon, const json& params) {
    const std::string name = find_container(daemon, container_key(params));
    if (name.empty()) return json{{"deleted", false}};
    if (const auto removed = remove_port(daemon, name); !removed) return refused(removed.error());
    return json{{"deleted", true}};
}

Answer container_list(const Running& daemon, const json& params) {
    const std::string by = text_of(params, "by");
    json containers = json::array();
    each_of_containers(daemon, [&](const PortConfig& port) {
        if (!by.empty() && port.container->by != by) return;
        json addresses = json::array();
        for (const InterfaceAddress& address : port.address) addresses.push_back(address.text());
        json row{{"container", port.container->id},
                 {"interface", interface_of(port)},
                 {"by", port.container->by},
                 {"port", port.name},
                 {"network", base::or_none(port.network)},
                 {"netns", base::or_none(port.netns)},
                 {"socket-path", socket_path_of(port)},
                 {"address", std::move(addresses)},
                 {"mac", nullptr},
                 {"mtu", port.frame_mtu()},
                 {"rate-limit",
                  {{"ingress", rate_limit_json(port.rate_limit.ingress)},
                   {"egress", rate_limit_json(port.rate_limit.egress)}}},
                 {"state", "waiting"},
                 {"reason", nullptr}};
        const auto held = daemon.running.ports().find(port.name);
        if (held != daemon.running.ports().end()) {
            const auto mac = held->second.port->mac();
            if (mac) row["mac"] = mac->text();
            if (port.handover) row["interface"] = held->second.port->interface();
            row["state"] = held->second.up ? "up" : "down";
            row["reason"] = base::or_none(held->second.reason);
        } else if (const auto* waiting = daemon.intent.find_waiting(ObjectKind::kPort, port.name)) {
            row["reason"] = waiting->reason();
        }
        containers.push_back(std::move(row));
    });
    return json{{"containers", std::move(containers)}};
}

Answer ipam_list(const Running& daemon, const json& params) {
    const engine::Config& config = daemon.intent.config();
    const std::string wanted = text_of(params, "network");
    if (!wanted.empty() && engine::find_network(config, wanted) == nullptr)
        return refused({{fmt::format("there is no network \"{}\"", wanted), {}, {}}});
    json rows = json::array();
    for (const engine::NetworkConfig& network : config.networks) {
        if (!wanted.empty() && network.name != wanted) continue;
        const auto holders = address_holders(daemon, network);
        for (const auto& [address, holder] : holders) {
            const PortConfig* port = holder.port;
            const bool is_container = port != nullptr && port->container;
            rows.push_back({{"address", address.text()},
                            {"network", network.name},
                            {"holder", holder.name},
                            {"container", is_container ? json(port->container->id) : json()},
                            {"by", is_container ? json(port->container->by) : json()},
                            {"pod", port != nullptr ? base::or_none(port->pod) : json()}});
        }
    }
    return json{{"addresses", std::move(rows)}};
}

}  // namespace sluice::control
