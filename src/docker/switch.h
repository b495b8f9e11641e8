// What the plug-in for docker asks of the switch. The control side carries each call out as one transaction, in
// force and in the state file when it returns. An error is a sentence for the user of docker. Control thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "base/fields.h"
#include "base/port_range.h"
#include "sluice/address.h"

namespace sluice::docker {

template <class T>
using Answer = tl::expected<T, std::string>;
using Done = Answer<void>;

template <class... Args>
tl::unexpected<std::string> refuse(fmt::format_string<Args...> format, Args&&... args) {
    return tl::unexpected(fmt::format(format, std::forward<Args>(args)...));
}

// A network of the switch.
struct SwitchNetwork {
    std::vector<IpPrefix> subnets;
    std::vector<IpAddress> gateway;
    bool is_flat = false;
};

// A container's end of a network.
struct Attachment {
    std::string endpoint;  // docker's id
    std::string network;   // of the switch
    std::string netns;     // where docker moves the interface
    std::vector<IpAddress> addresses;
    MacAddress mac;
    std::optional<uint16_t> mtu;
    std::string pod;
    std::string name_space;
    base::Words labels;
};

// A port of outside addresses that leads to a port of the container.
struct Published {
    std::string protocol;              // tcp, udp, sctp
    std::optional<IpAddress> address;  // none: all gateway addresses
    base::PortRange outside;           // the first free one of these
    uint16_t inside = 0;

    bool operator==(const Published&) const = default;
};

class Switch {
 public:
    virtual ~Switch() = default;

    // A free address of the subnet, and of the range if there is one: as the network's `ipam` says. None: there is
    // none.
    virtual std::optional<IpAddress> choose_address(const std::string& network, const IpPrefix& subnet,
                                                    const std::optional<IpPrefix>& range) = 0;

    virtual std::optional<SwitchNetwork> find_network(const std::string& name) const = 0;
    // Of all networks.
    virtual std::vector<IpPrefix> subnets() const = 0;
    virtual std::set<IpAddress> addresses_in_use(const std::string& network) const = 0;
    // The keys are those of the configuration.
    virtual Done add_network(const nlohmann::json& keys) = 0;
    // Success if there is none.
    virtual Done remove_network(const std::string& name) = 0;

    // The name of the interface that docker is to move. The same again for an endpoint that has joined already.
    virtual Answer<std::string> join(const Attachment& attachment) = 0;
    // Whether it has joined a container that is there.
    virtual bool has_container(const std::string& endpoint) const = 0;
    // Success if it hasn't joined.
    virtual Done leave(const std::string& endpoint) = 0;
    // In place of what the endpoint has published before. None: success also if it hasn't joined.
    virtual Done publish(const std::string& endpoint, const std::vector<Published>& ports) = 0;
};

}  // namespace sluice::docker
