// The control socket's methods for containers: makes their parameters and reads their answers. Any thread; plain
// values.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "sluice-cni/configuration.h"
#include "sluice-cni/environment.h"
#include "sluice-cni/result.h"

namespace sluice::cni {

inline constexpr char kContainerAdd[] = "container.add";
inline constexpr char kContainerDelete[] = "container.delete";
inline constexpr char kContainerList[] = "container.list";

// The addresses and routes that a delegated plugin has chosen.
struct Chosen {
    std::vector<InterfaceAddress> addresses;
    std::vector<Route> routes;  // empty: the network's own
    nlohmann::json dns = nlohmann::json::object();
};

// A row of container.list.
struct Attachment {
    std::string container;
    std::string interface;
    std::string port;
    std::string network;
    std::string netns;
    std::string socket;  // of vhost-user
    std::string mac;
    std::string state;
    uint32_t mtu = 0;
    std::vector<InterfaceAddress> addresses;
    RateLimits rate_limits;
};

// Reads the output of a delegated plugin's ADD.
tl::expected<Chosen, std::string> read_chosen(std::string_view text);

nlohmann::json add_params(const Environment& environment, const Configuration& configuration,
                          const std::optional<Chosen>& chosen);
nlohmann::json delete_params(const ValidAttachment& attachment, const std::string& by);

// Read answers of the switch. An error is a sentence that says where the answer doesn't follow the protocol.
tl::expected<Added, std::string> read_added(const nlohmann::json& answer, const std::string& netns);
tl::expected<std::vector<Attachment>, std::string> read_attachments(const nlohmann::json& answer);
// Whether network.list has a network of this name in force.
tl::expected<bool, std::string> has_network(const nlohmann::json& answer, const std::string& name);

}  // namespace sluice::cni
