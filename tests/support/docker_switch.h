// A switch for docker's driver that keeps what it is told, and refuses what the test says.
#pragma once

#include <map>
#include <set>

#include "base/address_range.h"
#include "base/subnets.h"
#include "docker/switch.h"

namespace sluice::test {

class DockerSwitch final : public docker::Switch {
 public:
    struct Port {
        docker::Attachment attachment;
        std::vector<docker::Published> published = {};
        bool has_container = true;
    };

    std::optional<docker::SwitchNetwork> find_network(const std::string& name) const override {
        const auto found = networks.find(name);
        return found == networks.end() ? std::nullopt : std::optional(found->second);
    }
    std::vector<IpPrefix> subnets() const override {
        std::vector<IpPrefix> all;
        for (const auto& [name, network] : networks)
            all.insert(all.end(), network.subnets.begin(), network.subnets.end());
        return all;
    }
    std::set<IpAddress> addresses_in_use(const std::string& network) const override {
        std::set<IpAddress> addresses;
        if (const auto found = find_network(network))
            addresses.insert(found->gateway.begin(), found->gateway.end());
        for (const auto& [endpoint, port] : ports) {
            if (port.attachment.network != network) continue;
            addresses.insert(port.attachment.addresses.begin(), port.attachment.addresses.end());
        }
        return addresses;
    }
    std::optional<IpAddress> choose_address(const std::string& network, const IpPrefix& subnet,
                                            const std::optional<IpPrefix>& range) override {
        const std::set<IpAddress> taken = addresses_in_use(network);
        const base::AddressRange from = base::range_of(range.value_or(subnet));
        constexpr int kSteps = 1024;
        IpAddress at = from.low;
        for (int i = 0; i < kSteps && from.contains(at); ++i, at = base::next(at)) {
            if (taken.contains(at) || !base::why_unusable(at, {subnet}).empty()) continue;
            if (chosen.insert(at).second) return at;
        }
        return std::nullopt;
    }
    docker::Done add_network(const nlohmann::json& keys) override {
        if (!refusal.empty()) return tl::unexpected(refusal);
        last_keys = keys;
        docker::SwitchNetwork network;
        for (const auto& subnet : keys.value("subnets", nlohmann::json::array()))
            network.subnets.push_back(*IpPrefix::parse(subnet.get<std::string>()));
        for (const auto& address : keys.value("gateway", nlohmann::json::array()))
            network.gateway.push_back(*IpAddress::parse(address.get<std::string>()));
        networks[keys.at("name").get<std::string>()] = network;
        return {};
    }
    docker::Done remove_network(const std::string& name) override {
        if (!refusal.empty()) return tl::unexpected(refusal);
        networks.erase(name);
        return {};
    }
    docker::Answer<std::string> join(const docker::Attachment& attachment) override {
        if (!refusal.empty()) return tl::unexpected(refusal);
        ports.insert_or_assign(attachment.endpoint, Port{attachment});
        return "sl" + attachment.endpoint.substr(0, 4);
    }
    bool has_container(const std::string& endpoint) const override {
        const auto found = ports.find(endpoint);
        return found != ports.end() && found->second.has_container;
    }
    docker::Done leave(const std::string& endpoint) override {
        if (!refusal.empty()) return tl::unexpected(refusal);
        ports.erase(endpoint);
        return {};
    }
    docker::Done publish(const std::string& endpoint, const std::vector<docker::Published>& published) override {
        const auto found = ports.find(endpoint);
        if (found == ports.end() && published.empty()) return {};
        if (found == ports.end()) return docker::refuse("endpoint {} has not joined", endpoint);
        if (!refusal.empty()) return tl::unexpected(refusal);
        found->second.published = published;
        return {};
    }

    std::map<std::string, docker::SwitchNetwork> networks;
    std::map<std::string, Port> ports;
    nlohmann::json last_keys;  // of the network that was added last
    std::set<IpAddress> chosen;
    std::string refusal;       // what it says to every change; empty: it carries them out
};

}  // namespace sluice::test
