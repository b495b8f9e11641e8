#include "engine/port_index.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/added_object.h"
#include "engine/machine.h"
#include "port/claims.h"
#include "port/tap.h"

namespace sluice::engine {
namespace {

std::vector<std::string> networks_of(const port::PortConfig& port) {
    if (!port.trunk) return {port.network};
    std::vector<std::string> networks = port.trunk->networks;
    networks.push_back(port.trunk->native);
    return networks;
}

// The MAC address of a port's own station, as far as the configuration says.
std::optional<MacAddress> mac_of(const port::PortConfig& port, const std::string& instance) {
    return port.mac || !port.is_tap() ? port.mac : port::Tap::mac_of(port, instance);
}

std::vector<std::string> keys_of(const port::PortConfig& port, const std::string& instance) {
    std::vector<std::string> keys{"port " + port.name};
    for (const port::Claim& claim : port::claims(port)) keys.push_back(claim.identity);
    if (const auto mac = mac_of(port, instance)) {
        for (const auto& network : networks_of(port)) {
            if (!network.empty()) keys.push_back(fmt::format("{} in network {}", mac->text(), network));
        }
    }
    if (port.network.empty()) return keys;
    for (const auto& address : port.address) {
        keys.push_back(fmt::format("{} in network {}", address.address.text(), port.network));
    }
    return keys;
}

// The part of the configuration around a port: its networks, the underlay with its ports, and the port.
Config around(const Config& config, const port::PortConfig& port) {
    Config part;
    part.dpdk = config.dpdk;
    part.control = config.control;  // which names the switch, and so gives MAC addresses
    part.underlay = config.underlay;
    const auto is_of_port = [&](const std::string& name) {
        if (!port.trunk) return name == port.network;
        const auto& networks = port.trunk->networks;
        return name == port.trunk->native || std::find(networks.begin(), networks.end(), name) != networks.end();
    };
    const std::string_view underlay = underlay_network(config);
    for (const auto& network : config.networks) {
        if (is_of_port(network.name) || network.name == underlay) part.networks.push_back(network);
    }
    // This part of the configuration lacks the ports that they name.
    for (auto& network : part.networks) network.static_macs.clear();
    for (const auto* each : underlay_ports(config)) part.ports.push_back(*each);
    part.ports.push_back(port);
    return part;
}

}  // namespace

PortIndex::PortIndex(const std::vector<port::PortConfig>& ports, std::string instance)
    : instance_(std::move(instance)) {
    for (const auto& port : ports) add(port);
}

void PortIndex::add(const port::PortConfig& port) {
    for (std::string& key : keys_of(port, instance_)) taken_.insert(std::move(key));
    if (port.kind() == port::Kind::kNetns) ++in_namespaces_[port::namespace_of(port)];
    ++ports_;
    devices_ += port::dpdk_devices(port);
}

void PortIndex::remove(const port::PortConfig& port) {
    for (const std::string& key : keys_of(port, instance_)) taken_.erase(key);
    if (port.kind() == port::Kind::kNetns) {
        const auto in = in_namespaces_.find(port::namespace_of(port));
        if (in != in_namespaces_.end() && --in->second == 0) in_namespaces_.erase(in);
    }
    --ports_;
    devices_ -= port::dpdk_devices(port);
}

bool PortIndex::is_free_for(const port::PortConfig& port) const {
    const auto keys = keys_of(port, instance_);
    return std::none_of(keys.begin(), keys.end(), [&](const std::string& key) { return taken_.contains(key); });
}

bool PortIndex::shares_namespace(const port::PortConfig& port) const {
    return port.kind() == port::Kind::kNetns && in_namespaces_.contains(port::namespace_of(port));
}

bool names_port(const Config& config, const std::string& port) {
    const auto any = [](const auto& list, auto is_named) {
        return std::any_of(list.begin(), list.end(), is_named);
    };
    if (config.underlay && config.underlay->port == port) return true;
    return any(config.acls,
               [&](const auto& acl) {
                   return any(acl.apply, [&](const auto& apply) { return apply.port == port; });
               }) ||
           any(config.mirrors,
               [&](const auto& mirror) {
                   return mirror.to == port || any(mirror.from, [&](const auto& from) { return from == port; });
               }) ||
           any(config.networks,
               [&](const auto& network) {
                   return any(network.static_macs, [&](const auto& entry) { return entry.port == port; });
               }) ||
           any(config.publish, [&](const auto& published) { return published.to.port == port; }) ||
           any(config.routes, [&](const auto& route) {
               return route.hop.port == port || any(route.hops, [&](const auto& hop) { return hop.port == port; });
           });
}

// Whether the configuration has a static entry for the port's MAC address.
bool places_mac(const Config& config, const port::PortConfig& port) {
    const auto mac = mac_of(port, config.control.socket);
    return mac && std::any_of(config.networks.begin(), config.networks.end(), [&](const auto& network) {
        return std::any_of(network.static_macs.begin(), network.static_macs.end(),
                           [&](const auto& entry) { return entry.mac == *mac; });
    });
}

namespace {

// Whether an address of the port is one that the switch answers for, by `services`, `nat` or `publish`.
bool has_outside_address(const Config& config, const port::PortConfig& port) {
    return std::ranges::any_of(port.address, [&](const InterfaceAddress& own) {
        const IpAddress& address = own.address;
        return std::ranges::any_of(config.services,
                                   [&](const service::ServiceConfig& service) {
                                       return std::ranges::find(service.address, address) != service.address.end();
                                   }) ||
               std::ranges::any_of(config.nat,
                                   [&](const nat::NatConfig& rule) {
                                       if (rule.one_to_one && rule.one_to_one->outside == address) return true;
                                       return rule.addresses &&
                                              std::ranges::any_of(*rule.addresses, [&](const auto& range) {
                                                  return range.contains(address);
                                              });
                                   }) ||
               std::ranges::any_of(config.publish, [&](const nat::PublishConfig& published) {
                   return published.address == address;
               });
    });
}

}  // namespace

bool may_stand_alone(const Config& config, const PortIndex& index, const port::PortConfig& port) {
    if (!index.is_free_for(port) || names_port(config, port.name) || places_mac(config, port)) return false;
    if (!port.publish.empty() || has_outside_address(config, port)) return false;
    // The MTU of overlays depends on it, and its addresses must be no remote end point's.
    const auto in = networks_of(port);
    if (config.underlay && std::find(in.begin(), in.end(), underlay_network(config)) != in.end()) return false;
    if (index.ports() + remotes_of(config).size() >= path::kMaxPorts) return false;
    // DPDK makes at most one device at its start for each argument.
    const size_t devices = port::dpdk_devices(port);
    if (devices != 0 && index.devices() + devices + config.dpdk.args.size() > port::kMostDevices) return false;
    const Config part = around(config, port);
    Declared others = declared_in(part);
    --others.of(ObjectKind::kPort);
    const Verdict verdict = judge(part, nullptr, this_machine(), {}, {}, others);
    return verdict.errors.empty() && verdict.added.empty();
}

}  // namespace sluice::engine
