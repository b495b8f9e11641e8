// The calls of docker's protocol for remote network drivers (libnetwork): networks, endpoints, and containers that
// join and leave them. Each is idempotent: docker may repeat a call whose answer it didn't get.
//
//   A network of docker's is a network of the switch: one that is made for it, or with `-o sluice.network=NAME`
//   one that exists. Its containers' ports come and go with Join and Leave, the address is docker's (its IPAM's).
//   Published ports are in force between ProgramExternalConnectivity and RevokeExternalConnectivity, which docker
//   calls for the one network of a container that has its default route.
//
// Control thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "docker/book.h"
#include "docker/switch.h"

namespace sluice::docker {

class Options;

class Networks {
 public:
    // Both outlive it.
    Networks(Switch& fabric, Book& book) : switch_(fabric), book_(book) {}

    // Removes networks that were made, and of which docker was not told any more because the switch stopped.
    void remove_unconfirmed();

    Answer<nlohmann::json> create_network(const nlohmann::json& body);
    Answer<nlohmann::json> delete_network(const nlohmann::json& body);
    Answer<nlohmann::json> create_endpoint(const nlohmann::json& body);
    Answer<nlohmann::json> delete_endpoint(const nlohmann::json& body);
    Answer<nlohmann::json> endpoint_info(const nlohmann::json& body);
    Answer<nlohmann::json> join(const nlohmann::json& body);
    Answer<nlohmann::json> leave(const nlohmann::json& body);
    Answer<nlohmann::json> publish(const nlohmann::json& body);
    Answer<nlohmann::json> unpublish(const nlohmann::json& body);

 private:
    // The subnets that docker gives a network, with the gateway of each.
    struct Subnet {
        IpPrefix prefix;
        std::optional<IpAddress> gateway;
    };
    static Answer<std::vector<Subnet>> read_subnets(const nlohmann::json& body);
    Done use_existing(Network& network, const SwitchNetwork& existing, const std::vector<Subnet>& subnets) const;
    Done make(Network& network, const Options& options, const std::vector<Subnet>& subnets, bool is_internal);
    Done remove(const Network& network);
    Done take_over_addresses(const Endpoint& newcomer);
    std::optional<IpAddress> gateway_of(const Network& network, const Endpoint& endpoint, bool v4) const;

    Switch& switch_;
    Book& book_;
};

}  // namespace sluice::docker
