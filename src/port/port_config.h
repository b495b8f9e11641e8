// The configuration of a port. One struct for all kinds; exactly one of netns, host, vhost-user, device and bond
// is given and determines the kind.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/bit_rate.h"
#include "base/destination.h"
#include "base/error.h"
#include "base/fields.h"
#include "base/object_name.h"
#include "base/port_range.h"
#include "kube/selector.h"
#include "path/ids.h"
#include "path/port_protocol.h"
#include "path/service.h"
#include "sluice/address.h"

namespace sluice::port {

enum class Kind { kNetns, kHost, kVhostUser, kDevice, kBond };

enum class VhostMode { kClient, kServer };

constexpr auto names(VhostMode) {
    return std::array{base::Name{VhostMode::kClient, "client"},
                      base::Name{VhostMode::kServer, "server"}};
}

// The socket of a virtual machine, or of another front end that uses vhost-user.
struct VhostUserConfig {
    std::string path;
    VhostMode mode = VhostMode::kClient;  // the switch's role: a client connects, a server listens
    uint16_t queues = path::kMaxQueues;   // the most pairs that the guest may enable
    bool offloads = true;                 // unfinished checksums and 64 KiB segments, both ways
    std::string group;                    // that may connect to our socket; empty: root only

    bool operator==(const VhostUserConfig&) const = default;
};

template <class V>
void fields(V& v, VhostUserConfig& u) {
    v.required("path", u.path);
    v.optional("mode", u.mode);
    v.optional("queues", u.queues, base::Range{1, path::kMaxQueues});
    v.optional("offloads", u.offloads);
    v.optional("group", u.group);
    v.check("group", u.group.empty() || u.mode == VhostMode::kServer || v.is_wrong("mode"),
            "is for `mode: server`: as a client the switch connects to a socket of QEMU's");
    v.check("path", u.path.starts_with('/') && u.path.size() < 108,
            "is not an absolute path of less than 108 characters");
}

inline constexpr uint32_t kMetricOfIpv6 = 1024;  // the kernel's metric of an IPv6 route without one

// A route inside a container, which Sluice adds there.
struct RouteConfig {
    IpPrefix to;
    std::optional<IpAddress> via;  // none: on the link
    std::optional<uint32_t> metric;  // the route with the lowest one is used; none: the kernel's default
    base::Place place;

    // 0: the kernel's default.
    uint32_t kernel_metric() const noexcept {
        const uint32_t given = metric.value_or(0);
        return given == kMetricOfIpv6 && !to.address.is_v4() ? 0 : given;
    }

    bool operator==(const RouteConfig&) const = default;
};

template <class V>
void fields(V& v, RouteConfig& r) {
    base::Destination to{r.to};
    v.required("to", to);
    v.optional("via", r.via);
    if (to != base::Destination{r.to}) r.to = to.for_family(!r.via || r.via->is_v4());
    v.check("via", !r.via || v.is_wrong("to") || r.via->is_v4() == r.to.address.is_v4(),
            "is of another address family than `to`");
    v.optional("metric", r.metric, base::Range{0, UINT32_MAX});
}

enum class BondMode { kActiveBackup, kLacp };

constexpr auto names(BondMode) {
    return std::array{base::Name{BondMode::kActiveBackup, "active-backup"},
                      base::Name{BondMode::kLacp, "lacp"}};
}

// The stations that each member of a bond asks for their MAC addresses, to test that frames pass (the ARP
// monitoring of Linux' bonding driver, which has the same limit of targets).
struct ProbeConfig {
    static constexpr size_t kMostTargets = 16;

    uint32_t interval = 1000;  // ms
    std::vector<IpAddress> targets;
    uint16_t vlan = 0;         // the VLAN tag of the requests, at a trunk; 0: none

    bool operator==(const ProbeConfig&) const = default;
};

template <class V>
void fields(V& v, ProbeConfig& p) {
    v.optional("interval", p.interval, base::Range{100, 60'000});
    v.required("targets", p.targets);
    v.optional("vlan", p.vlan, base::Range{0, 4094});
    v.check("targets", !p.targets.empty() && p.targets.size() <= ProbeConfig::kMostTargets,
            "takes 1 to 16 addresses");
}

// Several devices as one (IEEE 802.1AX for LACP).
struct BondConfig {
    static constexpr size_t kMostMembers = 8;

    BondMode mode = BondMode::kActiveBackup;
    std::vector<std::string> members;  // DPDK device arguments
    std::optional<ProbeConfig> probe;  // none: only a member's link counts

    bool operator==(const BondConfig&) const = default;
};

template <class V>
void fields(V& v, BondConfig& b) {
    v.optional("mode", b.mode);
    v.required("members", b.members);
    v.optional("probe", b.probe);
    v.check("members", !b.members.empty() && b.members.size() <= BondConfig::kMostMembers,
            "takes 1 to 8 devices");
    v.check("probe", !b.probe || b.mode == BondMode::kActiveBackup || v.is_wrong("mode"),
            "is for `mode: active-backup`: with lacp the protocol finds the members that work");
}

// The networks of a port that carries several, each with its VLAN ID.
struct TrunkConfig {
    std::vector<std::string> networks;
    std::string native;  // one more network, whose frames are untagged

    bool operator==(const TrunkConfig&) const = default;
};

template <class V>
void fields(V& v, TrunkConfig& t) {
    v.optional("networks", t.networks);
    v.optional("native", t.native);
    v.check("networks", !t.networks.empty() || !t.native.empty(), "needs at least one network");
}

// Ports of outside addresses that lead to the port's own addresses.
struct PublishedPort {
    std::optional<IpAddress> address;  // none: all gateway addresses
    base::PortRange ports;
    path::PortProtocol protocol = path::PortProtocol::kTcp;
    std::optional<base::PortRange> to;  // none: the same
    base::Place place;

    bool operator==(const PublishedPort&) const = default;
};

template <class V>
void fields(V& v, PublishedPort& p) {
    v.optional("address", p.address);
    v.check("address", !p.address || (!p.address->is_multicast() && !p.address->is_unspecified()),
            "is no address of a host: leave it out to publish at all gateway addresses");
    v.required("port", p.ports);
    v.check("port", p.ports.low != 0, "has port 0, which no connection can have");
    v.optional("proto", p.protocol);
    v.optional("to", p.to);
    v.check("to", !p.to || p.to->low != 0, "has port 0, which no connection can have");
    if (!v.is_wrong("port")) {
        v.check("to", !p.to || p.to->size() == p.ports.size(), "has another number of ports than `port`");
    }
}

bool is_interface_name(std::string_view name) noexcept;  // as the kernel's dev_valid_name() checks it

// Whose interface the port is, as the container runtime that has added it tells. It finds the port again by that.
struct ContainerConfig {
    static constexpr size_t kMostCharacters = 255;

    std::string id;
    std::string by;  // which runtime, and for which of its networks
    std::string interface;  // as the runtime calls it, where the port makes no interface in the container

    bool operator==(const ContainerConfig&) const = default;
};

template <class V>
void fields(V& v, ContainerConfig& c) {
    constexpr const char* kLength = "is empty or has more than 255 characters";
    const auto fits = [](const std::string& text) {
        return !text.empty() && text.size() <= ContainerConfig::kMostCharacters;
    };
    v.required("id", c.id);
    v.check("id", fits(c.id), kLength);
    v.required("by", c.by);
    v.check("by", fits(c.by), kLength);
    v.optional("interface", c.interface);
    v.check("interface", c.interface.empty() || is_interface_name(c.interface),
            "is not an interface name: 1 to 15 characters without '/', ':' and blanks");
}

enum class Spoofing { kDeny, kAllow };

constexpr auto names(Spoofing) {
    return std::array{base::Name{Spoofing::kDeny, "deny"}, base::Name{Spoofing::kAllow, "allow"}};
}

using path::Service;

// Frames per second that may be flooded from a port; 0: no limit. Defaults: PortConfig::flood_limits().
struct FloodLimitConfig {
    std::optional<uint32_t> broadcast;
    std::optional<uint32_t> multicast;
    std::optional<uint32_t> unknown;

    bool operator==(const FloodLimitConfig&) const = default;
};

struct FloodLimits {
    uint32_t broadcast;
    uint32_t multicast;
    uint32_t unknown;

    // More than any well-behaved container sends, and few enough that a storm takes little of a worker's time.
    static constexpr FloodLimits of_container() noexcept { return {1000, 10'000, 10'000}; }
};

template <class V>
void fields(V& v, FloodLimitConfig& f) {
    v.optional("broadcast", f.broadcast);
    v.optional("multicast", f.multicast);
    v.optional("unknown", f.unknown);
}

// A token bucket (rate_limit.h).
struct TokenBucketConfig {
    static constexpr uint64_t kLowestRate = 1000;
    static constexpr uint64_t kHighestRate = 1'000'000'000'000;
    static constexpr uint64_t kLargestBurst = uint64_t{4} << 30;

    base::BitRate rate;
    std::optional<base::Bytes> burst;  // none: see burst_size()

    // Bytes. By default what comes in a fifth of a second: TCP loses a window at a full bucket, and waits 200 ms
    // if it loses all of it.
    uint64_t burst_size() const noexcept {
        constexpr uint64_t kSmallest = 256 << 10;
        if (burst) return burst->value;
        return std::clamp(rate.bits / 8 / 5, kSmallest, kLargestBurst);
    }

    bool operator==(const TokenBucketConfig&) const = default;
};

template <class V>
void fields(V& v, TokenBucketConfig& t) {
    v.required("rate", t.rate);
    v.check("rate", t.rate.bits >= t.kLowestRate && t.rate.bits <= t.kHighestRate,
            "is not a rate from 1k to 1T bits a second: leave the limit out and there is none");
    v.optional("burst", t.burst);
    v.check("burst", !t.burst || (t.burst->value != 0 && t.burst->value <= t.kLargestBurst),
            "is not a burst from 1 byte to 4 GiB");
}

// Of what goes to the port's guest (ingress), and of what comes from it (egress). None: no limit.
struct RateLimitConfig {
    std::optional<TokenBucketConfig> ingress;
    std::optional<TokenBucketConfig> egress;

    bool empty() const noexcept { return !ingress && !egress; }
    bool operator==(const RateLimitConfig&) const = default;
};

template <class V>
void fields(V& v, RateLimitConfig& r) {
    v.optional("ingress", r.ingress);
    v.optional("egress", r.egress);
}

struct PortConfig {
    static constexpr size_t kMostAliases = 64;

    std::string name;
    std::string netns;   // a name, an absolute path, or pid:N; empty unless the kind is netns
    bool handover = false;  // a container runtime moves the interface into `netns`, names and configures it
    bool host = false;
    std::optional<VhostUserConfig> vhost_user;
    std::string device;  // DPDK device arguments; empty unless the kind is device
    std::optional<BondConfig> bond;
    std::string network;
    std::string interface;  // empty: see interface_name()
    std::optional<MacAddress> mac;
    std::vector<InterfaceAddress> address;
    std::vector<RouteConfig> routes;
    std::optional<uint16_t> mtu;  // bytes, without the Ethernet header; see frame_mtu()
    uint16_t queues = 0;  // 0: one per worker
    std::optional<bool> accept_ra;  // none: see accepts_ra()
    std::optional<TrunkConfig> trunk;  // instead of `network`
    Spoofing spoofing = Spoofing::kDeny;
    std::optional<std::vector<Service>> serves;  // none: see may_serve()
    FloodLimitConfig flood_limit;
    RateLimitConfig rate_limit;
    uint32_t mac_limit = 0;     // learned addresses; 0: no limit
    std::string split_horizon;  // a group whose ports exchange no frames
    std::string pod;         // "namespace/name": the Pod object that it is the port of
    std::string name_space;  // without one: the pod's namespace, and its labels
    base::Words labels;
    std::vector<PublishedPort> publish;
    std::vector<std::string> aliases;  // names in DNS, beside the port's own
    std::optional<ContainerConfig> container;
    base::Place place;

    bool operator==(const PortConfig&) const = default;

    // Whether NetworkPolicies may select it.
    bool is_pod() const noexcept { return !pod.empty() || !name_space.empty() || !labels.empty(); }

    Kind kind() const noexcept {
        if (host) return Kind::kHost;
        if (vhost_user) return Kind::kVhostUser;
        if (bond) return Kind::kBond;
        return device.empty() ? Kind::kNetns : Kind::kDevice;
    }
    // Whether it is a DPDK device.
    bool is_ethdev() const noexcept { return kind() == Kind::kDevice || kind() == Kind::kBond; }
    // Whether Sluice makes a kernel interface for it.
    bool is_tap() const noexcept { return kind() == Kind::kNetns || kind() == Kind::kHost; }
    // Whether it may send from its own addresses only: if they are declared and spoofing is not allowed.
    bool is_guarded() const noexcept { return !address.empty() && spoofing == Spoofing::kDeny; }
    // Whether router advertisements may give its interface addresses and routes. A port with declared addresses
    // needs no others, and may not send from others.
    bool accepts_ra() const noexcept { return accept_ra.value_or(address.empty()); }
    // By default, containers, guests and devices with declared addresses may serve nothing. The host may, and so
    // may a device without declared addresses, since a network with routers may be behind it.
    bool may_serve(Service service) const {
        if (!serves) return kind() == Kind::kHost || (is_ethdev() && address.empty());
        return std::find(serves->begin(), serves->end(), service) != serves->end();
    }
    // As configured. By default containers, guests and the host have limits; a device has none, since it may lead
    // to a whole network.
    FloodLimits flood_limits() const noexcept {
        const FloodLimits usual = is_ethdev() ? FloodLimits{0, 0, 0} : FloodLimits::of_container();
        return {flood_limit.broadcast.value_or(usual.broadcast), flood_limit.multicast.value_or(usual.multicast),
                flood_limit.unknown.value_or(usual.unknown)};
    }
    // As configured or derived (engine/config.h completes it), otherwise Ethernet's 1500.
    uint16_t frame_mtu() const noexcept { return mtu.value_or(1500); }
    // The configuration with its defaults filled in. Without the MAC address, which depends on the instance too.
    PortConfig in_force() const;
    // The interface's name: as configured, otherwise eth0 in a container and the port's own name on the host.
    std::string interface_name() const {
        if (!interface.empty()) return interface;
        return host ? name : "eth0";
    }
};

std::string_view kind_name(Kind kind) noexcept;

// Whether opening the device would wait for another program, and so block all other clients.
bool has_waiting_device(const PortConfig& config) noexcept;

// Whether a member of the bond is a device that no bond can use, whatever its interface.
bool has_unfit_member(const PortConfig& config) noexcept;

bool is_netns(std::string_view netns) noexcept;
bool is_pod_name(std::string_view pod) noexcept;  // NAMESPACE/NAME
bool is_alias(std::string_view name) noexcept;    // in DNS

template <class V>
void fields(V& v, PortConfig& p) {
    v.required("name", p.name);
    v.check("name", base::is_object_name(p.name), base::kObjectNameRule);
    v.optional("netns", p.netns);
    v.optional("handover", p.handover);
    v.optional("host", p.host);
    v.optional("vhost-user", p.vhost_user);
    v.optional("device", p.device);
    v.optional("bond", p.bond);
    v.optional("network", p.network);
    v.optional("interface", p.interface);
    v.optional("mac", p.mac);
    v.optional("address", p.address);
    v.optional("routes", p.routes);
    v.optional("mtu", p.mtu, base::Range{68, 65521});
    v.optional("queues", p.queues, base::Range{0, path::kMaxQueues});
    v.optional("accept-ra", p.accept_ra);
    v.optional("trunk", p.trunk);
    v.optional("spoofing", p.spoofing);
    v.optional("serves", p.serves);
    v.optional("flood-limit", p.flood_limit);
    v.optional("rate-limit", p.rate_limit);
    v.optional("mac-limit", p.mac_limit);
    v.optional("split-horizon", p.split_horizon);
    v.optional("pod", p.pod);
    v.optional("namespace", p.name_space);
    v.optional("labels", p.labels);
    v.optional("publish", p.publish);
    v.optional("aliases", p.aliases);
    v.optional("container", p.container);
    v.check("aliases", p.aliases.size() <= PortConfig::kMostAliases, "are too many: 64 at most");
    v.check("aliases", std::ranges::all_of(p.aliases, is_alias),
            "has what is no DNS name: letters, digits, '-' and '_' between dots");
    v.check("publish", p.publish.empty() || !p.address.empty() || v.is_wrong("address"),
            "needs the port's `address`, to which the packets could go");
    v.check("pod", p.pod.empty() || is_pod_name(p.pod), "is not a pod: write NAMESPACE/NAME");
    v.check("pod", p.pod.empty() || (p.name_space.empty() && p.labels.empty()),
            "names a Pod object, which has the namespace and the labels: leave those out here");
    v.check("namespace", p.name_space.empty() || kube::why_no_dns_label(p.name_space).empty(),
            kube::why_no_dns_label(""));
    for (const auto& [key, value] : p.labels) {
        v.check("labels", kube::why_no_label_key(key).empty(),
                fmt::format("{} {}", base::shown(key), kube::why_no_label_key("")));
        v.check("labels", kube::why_no_label_value(value).empty(),
                fmt::format("{} {}", base::shown(value), kube::why_no_label_value("-")));
    }
    v.check("trunk", !p.trunk || p.network.empty(),
            "stands beside `network`: a port is in one network, or a trunk of several");
    constexpr std::string_view kOneKind =
        "needs exactly one of `netns`, `host: true`, `vhost-user`, `device` and `bond`";
    const std::array kinds{std::pair("netns", !p.netns.empty()), std::pair("host", p.host),
                           std::pair("vhost-user", p.vhost_user.has_value()),
                           std::pair("device", !p.device.empty()), std::pair("bond", p.bond.has_value())};
    const auto first = std::find_if(kinds.begin(), kinds.end(), [](const auto& kind) { return kind.second; });
    const bool is_unclear =
        std::any_of(kinds.begin(), kinds.end(), [&](const auto& k) { return v.is_wrong(k.first); });
    v.check("netns", first != kinds.end() || is_unclear, kOneKind);
    for (auto other = first; other != kinds.end(); ++other) {
        if (other != first) v.check(other->first, !other->second, kOneKind);
    }
    v.check("netns", p.netns.empty() || is_netns(p.netns),
            "is not a network namespace: give a name (ip netns), an absolute path, or pid:NUMBER");
    v.check("interface", is_interface_name(p.interface_name()),
            "is not an interface name: 1 to 15 characters without '/', ':' and blanks (for a host "
            "port without `interface:`, the port's name must be one)");
    v.check("mac", !p.mac || (!p.mac->is_multicast() && !p.mac->is_zero()),
            "is a group or zero address, which no interface can have");
    v.check("accept-ra", !p.accept_ra || p.is_tap(),
            "is for interfaces that Sluice makes in a kernel: ports of the kinds netns and host");
    v.check("handover", !p.handover || p.kind() == Kind::kNetns, "is for ports of the kind netns");
    v.check("device", p.device.empty() || (p.interface.empty() && p.routes.empty()),
            "has no interface in the kernel: leave out interface and routes");
    v.check(p.bond ? "bond" : "device", !has_waiting_device(p),
            "would wait for the other end (server=1): have that one serve the socket, and leave server=1 out");
    v.check("bond", !has_unfit_member(p),
            "has a member by net_af_xdp, whose driver takes no MAC address, without which DPDK starts no bond, "
            "and needs packet memory of its own: take net_af_packet for that interface");
    v.check("bond", !p.bond || !p.bond->probe || p.bond->probe->vlan == 0 || p.trunk,
            "has a `probe` with a VLAN ID, and isn't a trunk: leave `vlan` out");
    v.check("bond", !p.bond || (p.interface.empty() && p.routes.empty()),
            "has no interface in the kernel: leave out interface and routes");
    v.check("vhost-user", !p.vhost_user || (p.interface.empty() && p.routes.empty() && p.queues == 0),
            "has its interface in the guest: leave out interface and routes, and give `queues` inside "
            "of `vhost-user`");
}

}  // namespace sluice::port
