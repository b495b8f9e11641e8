// The calls of docker's IPAM protocol: pools of addresses, and addresses out of them. A pool is a subnet of its
// own, or with `--ipam-opt sluice.network=NAME` a subnet of a network of the switch: its addresses are then given
// beside those that the switch's other containers and the configuration have. Control thread.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "docker/book.h"
#include "docker/switch.h"

namespace sluice::docker {

class Pools {
 public:
    // Both outlive it.
    Pools(Switch& fabric, Book& book) : switch_(fabric), book_(book) {}

    Answer<nlohmann::json> request_pool(const nlohmann::json& body);
    Answer<nlohmann::json> release_pool(const nlohmann::json& body);
    Answer<nlohmann::json> request_address(const nlohmann::json& body);
    Answer<nlohmann::json> release_address(const nlohmann::json& body);

 private:
    Answer<Pool> pool_of_network(const std::string& network, std::optional<IpPrefix> subnet, bool is_v6) const;
    Answer<Pool> pool_of_its_own(std::optional<IpPrefix> subnet, bool is_v6) const;
    const Pool* find_unused(const Pool& like) const;
    std::string new_id(const IpPrefix& subnet) const;
    std::optional<IpAddress> gateway_of(const Pool& pool) const;
    std::set<IpAddress> taken_in(const Pool& pool) const;
    std::optional<IpAddress> choose(const Pool& pool);

    Switch& switch_;
    Book& book_;
    std::map<std::string, IpAddress> last_;  // chosen, by the pool's id: the next one is behind it
};

}  // namespace sluice::docker
