// Reads and writes the results that plugins give to the runtime and to each other (CNI specification, section 5),
// in the versions that this plugin speaks. Entries of other plugins stay unchanged. Any thread; plain values.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/tree.h"
#include "sluice-cni/failure.h"
#include "sluice/address.h"

namespace sluice::cni {

// From the oldest to the newest.
inline constexpr std::array<std::string_view, 3> kVersions = {"0.4.0", "1.0.0", "1.1.0"};
inline constexpr std::string_view kNewestVersion = kVersions.back();

struct Interface {
    std::string name;
    std::string mac;
    uint32_t mtu = 0;
    std::string sandbox;  // the network namespace's path
    std::string socket = {};  // of an interface that is a socket
};

struct Ip {
    InterfaceAddress address;
    std::optional<IpAddress> gateway;
};

struct Route {
    IpPrefix to;
    std::optional<IpAddress> via;  // none: on the link
};

// The interface that this plugin has made, with its addresses and routes.
struct Added {
    Interface interface;
    std::vector<Ip> ips;
    std::vector<Route> routes;
    nlohmann::json dns = nlohmann::json::object();  // what the network gives its containers
};

// A result as JSON. Each list is an array of objects, and `dns` is an object.
struct Result {
    nlohmann::json interfaces = nlohmann::json::array();
    nlohmann::json ips = nlohmann::json::array();
    nlohmann::json routes = nlohmann::json::array();
    nlohmann::json dns = nlohmann::json::object();
};

// Checks the keys that this plugin uses: addresses, destinations, gateways and indices of interfaces. An error is
// a sentence that names the key: "ips[0].address: '10.0.0.5' has no prefix length".
tl::expected<Result, std::string> read_result(const base::Tree& tree);

// The value of a key if it is a string; otherwise an empty text.
std::string text_at(const nlohmann::json& object, const char* key);

// Appends our interface to a result of this version.
void append(Result& result, const Added& added, std::string_view version);
// Appends to each list of `dns` the items that are missing. A domain in `dns` stays.
void append_dns(nlohmann::json& dns, const nlohmann::json& more);
// Fills in what `dns` leaves out, if it names no servers.
void complete_dns(nlohmann::json& dns, const nlohmann::json& defaults);

nlohmann::json to_json(const Result& result, std::string_view version);
nlohmann::json to_json(const Failure& failure, std::string_view version);
// The answer to VERSION. `version`: that of the request.
nlohmann::json supported_versions(std::string_view version);

}  // namespace sluice::cni
