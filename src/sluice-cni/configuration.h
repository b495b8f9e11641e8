// The network configuration that a runtime gives on standard input (CNI specification, section 1): parsed
// strictly, with the runtime's additions (`runtimeConfig`, `args`, `prevResult`, `cni.dev/...`).
// config/10-sluice.conflist is an example, and README.md explains the keys. Any thread; plain values.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/fields.h"
#include "sluice-cni/environment.h"
#include "sluice-cni/failure.h"
#include "sluice-cni/result.h"
#include "sluice/address.h"

namespace sluice::cni {

inline constexpr size_t kMaxInput = 1 << 20;  // bytes of a configuration, and of a delegated plugin's result

// A port of the switch that leads to a port of the container.
struct PublishedPort {
    uint16_t port = 0;
    uint16_t to = 0;
    std::string proto = "tcp";
    std::optional<IpAddress> address;  // none: every address that the switch publishes at
};

// What the container gets.
enum class Attach {
    kNetns,      // an interface in its network namespace
    kVhostUser,  // a socket, for a workload that brings its own driver
};
constexpr auto names(Attach) {
    return std::array{base::Name{Attach::kNetns, "netns"}, base::Name{Attach::kVhostUser, "vhost-user"}};
}

enum class SocketMode { kServer, kClient };
constexpr auto names(SocketMode) {
    return std::array{base::Name{SocketMode::kServer, "server"}, base::Name{SocketMode::kClient, "client"}};
}

// The socket of `attach: vhost-user`, beside the keys of a port's `vhost-user`.
struct VhostSocket {
    std::string folder = "/run/sluice/cni";
    SocketMode mode = SocketMode::kServer;  // the switch's
    std::string group;
    std::optional<uint16_t> queues;
    std::optional<bool> offloads;

    // For that interface of the container.
    std::string path(const Environment& environment) const {
        return folder + "/" + environment.container + "/" + environment.interface + ".sock";
    }
};

template <class V>
void fields(V& v, VhostSocket& s) {
    v.optional("folder", s.folder);
    v.check("folder", s.folder.starts_with('/') && s.folder.size() < 80,
            "is not an absolute path of less than 80 characters");
    v.optional("mode", s.mode);
    v.optional("group", s.group);
    v.optional("queues", s.queues, base::Range{1, 16});
    v.optional("offloads", s.offloads);
}

// A limit of the container's traffic in one direction, as the port's `rate-limit` has it.
struct RateLimit {
    uint64_t rate = 0;   // bits a second; 0: no limit
    uint64_t burst = 0;  // bytes; 0: the switch's default

    bool operator==(const RateLimit&) const = default;
};

// The conventions' directions are the switch's: ingress is traffic to the container, egress from it.
struct RateLimits {
    RateLimit ingress;
    RateLimit egress;

    bool operator==(const RateLimits&) const = default;
};

// An attachment that GC must keep.
struct ValidAttachment {
    std::string container;
    std::string interface;

    bool operator==(const ValidAttachment&) const = default;
};

struct Configuration {
    std::string version;  // one of kVersions
    std::string name;     // of the CNI network
    std::string network;  // of the switch's network
    std::vector<IpPrefix> subnets;
    std::vector<IpAddress> gateway;
    std::string socket;
    std::optional<uint16_t> mtu;
    Attach attach = Attach::kNetns;
    VhostSocket vhost_user;
    std::string ipam;  // the plugin that chooses addresses; empty: the switch
    base::Words labels;
    std::string name_space;
    nlohmann::json dns = nlohmann::json::object();
    std::vector<std::string> aliases;  // the container's names in the network
    std::vector<PublishedPort> publish;
    RateLimits rate_limits;
    std::vector<InterfaceAddress> ips;  // that the runtime asks for
    std::optional<MacAddress> mac;
    std::optional<Result> prev_result;               // read for ADD and CHECK only
    std::vector<ValidAttachment> valid_attachments;  // read for GC only
    std::vector<std::string> ignored;                // mistakes that DEL and GC pass over

    // The owner of the attachments, by which the switch keeps networks of several runtimes apart.
    std::string by() const { return "cni:" + name; }
    bool is_delegated() const noexcept { return !ipam.empty(); }
};

tl::expected<Configuration, Failure> read_configuration(std::string_view text, Command command);

// The version that an answer is given in, also if the configuration has mistakes: the one that it asks for, or the
// newest that this plugin speaks.
std::string version_of_answer(std::string_view text);
// The cniVersion of a request for VERSION, whatever it is; without one, the newest.
std::string version_of_request(std::string_view text);

}  // namespace sluice::cni
