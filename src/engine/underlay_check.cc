#include "engine/underlay_check.h"

#include <algorithm>
#include <set>

#include "router/route_check.h"

namespace sluice::engine {
namespace {

// Without the tunnel's headers an overlay must still carry IPv6 packets of 1280 bytes (RFC 8200, 5).
constexpr uint16_t kLeastMtu = 1280 + 70;

class UnderlayCheck {
 public:
    UnderlayCheck(const Config& config, base::Mistakes& mistakes)
        : config_(config), underlay_(*config.underlay), own_(end_points_of(config)), mistakes_(mistakes) {}

    void check_port() {
        const port::PortConfig* port = find_port(config_, underlay_.port);
        if (port == nullptr) {
            if (!mistakes_.is_missed(underlay_.port)) {
                report({"underlay", "port"}, "there is no port \"{}\"", underlay_.port);
            }
        } else if (!port->network.empty() || port->trunk) {
            report(
                {"underlay", "port"},
                "port {} is in a network: the underlay's is in none; to share it, write `network: {}` in place of "
                "`port` and `address`",
                port->name, port->network.empty() ? "NAME" : port->network);
        }
        if (port != nullptr && port->frame_mtu() < kLeastMtu) report_mtu("port", *port);
        for (size_t m = 0; m < config_.mirrors.size(); ++m) {
            const mirror::MirrorConfig& mirror = config_.mirrors[m];
            if (mirror.to != underlay_.port) continue;
            if (mistakes_.is_added("mirrors", m)) {
                mistakes_.report({"mirrors", m, "to"}, mirror.place, "port {} is the underlay's", mirror.to);
                continue;
            }
            report({"underlay", "port"}, "port {} is where mirror {} sends its copies", underlay_.port,
                   mirror.name);
        }
    }

    void check_network() {
        const auto found = std::ranges::find(config_.networks, underlay_.network, &NetworkConfig::name);
        const auto at = static_cast<size_t>(found - config_.networks.begin());
        if (found == config_.networks.end() || mistakes_.is_added("networks", at)) {
            return report({"underlay", "network"}, "there is no network \"{}\"", underlay_.network);
        }
        network_ = &*found;
        if (network_->vxlan) {
            return report(
                {"underlay", "network"},
                "network {} spans hosts by tunnels itself, and tunnels can't carry their own packets: name the "
                "network of the NIC",
                network_->name);
        }
        if (network_->flat) {
            return report({"underlay", "network"},
                          "network {} is `flat`: name a network that the NIC's link is bridged to",
                          network_->name);
        }
        if (network_->gateway.empty()) {
            if (mistakes_.is_unknown({"networks", at, "gateway"})) return;
            return report({"underlay", "network"},
                          "network {} has no `gateway`: its gateway addresses are this host's tunnel end points",
                          network_->name);
        }
        for (const port::PortConfig* port : underlay_ports(config_)) {
            if (port->frame_mtu() >= kLeastMtu) continue;
            const auto p = static_cast<size_t>(port - config_.ports.data());
            if (!mistakes_.is_added("ports", p)) {
                report_mtu("network", *port);
            } else {
                mistakes_.report({"ports", p, "mtu"}, port->place,
                                 "{} is too small: the underlay needs {} at least", port->frame_mtu(), kLeastMtu);
            }
        }
        check_remotes();
        check_ports();
        check_nat();
        check_published();
    }

 private:
    // Nothing but the underlay's network may lead to a remote end point: through another one, tunnel packets could
    // come into a tunnel again, or to stations there.
    void check_remotes() {
        std::set<IpAddress> told;
        for (size_t i = 0; i < config_.networks.size(); ++i) {
            const NetworkConfig& network = config_.networks[i];
            if (!network.vxlan) continue;
            const auto& remotes = network.vxlan->remotes;
            for (size_t r = 0; r < remotes.size() && !mistakes_.is_full(); ++r) {
                if (!told.insert(remotes[r]).second) continue;
                if (!check_networks_around(i, r)) check_route_to(i, r);
            }
        }
    }

    // True if the remote end point lies in a network.
    bool check_networks_around(size_t i, size_t r) {
        const NetworkConfig& network = config_.networks[i];
        const IpAddress& remote = network.vxlan->remotes[r];
        for (size_t n = 0; n < config_.networks.size(); ++n) {
            const NetworkConfig& other = config_.networks[n];
            if (!other.is_routed() || other.domain != network_->domain) continue;
            for (size_t s = 0; s < other.subnets.size(); ++s) {
                if (!other.subnets[s].contains(remote)) continue;
                if (&other == network_) return true;
                if (mistakes_.is_added("networks", n) && !mistakes_.is_added("networks", i)) {
                    mistakes_.report(
                        {"networks", n, "subnets", s}, other.place,
                        "{} contains {}, a remote tunnel end point of network {}, to which packets leave "
                        "by network {}",
                        other.subnets[s].text(), remote.text(), network.name, network_->name);
                } else {
                    mistakes_.report(
                        {"networks", i, "vxlan", "remotes", r}, network.place,
                        "{} lies in network {} ({}), but tunnel packets leave by the underlay's network {}: "
                        "give one of them another subnet, or network {} another `domain`",
                        remote.text(), other.name, other.subnets[s].text(), network_->name, other.name);
                }
                return true;
            }
        }
        return false;
    }

    void check_route_to(size_t i, size_t r) {
        const NetworkConfig& network = config_.networks[i];
        const IpAddress& remote = network.vxlan->remotes[r];
        const route::RouteConfig* longest = nullptr;
        for (const route::RouteConfig& route : config_.routes) {
            if (route.domain != network_->domain || !route.to.contains(remote)) continue;
            if (longest == nullptr || route.to.length > longest->to.length) longest = &route;
        }
        if (longest == nullptr) return;
        for (const route::HopConfig& hop : longest->all_hops()) {
            const std::string by = router::resolve_network(config_, hop, longest->domain);
            if (by.empty() || by == network_->name) continue;
            mistakes_.report(
                {"networks", i, "vxlan", "remotes", r}, network.place,
                "{} is routed by network {} (route {} at {}), but tunnel packets leave by the underlay's "
                "network {}: give it a route there",
                remote.text(), by, longest->to.text(), origin(longest->place), network_->name);
            return;
        }
    }

    // Whoever has a remote end point's address in the underlay's network could send into tunnels.
    void check_ports() {
        const std::set<IpAddress> remotes = remotes_of(config_);
        for (size_t p = 0; p < config_.ports.size(); ++p) {
            const port::PortConfig& port = config_.ports[p];
            if (port.network != network_->name) continue;
            for (size_t a = 0; a < port.address.size(); ++a) {
                if (!remotes.contains(port.address[a].address)) continue;
                mistakes_.report(
                    {"ports", p, "address", a}, port.place,
                    "{} is a remote tunnel end point's: what the port sends would be taken for tunnel "
                    "packets",
                    port.address[a].address.text());
            }
        }
    }

    void check_nat() {
        for (size_t i = 0; i < config_.nat.size(); ++i) {
            const nat::NatConfig& rule = config_.nat[i];
            if (rule.one_to_one && is_own(rule.one_to_one->outside)) {
                mistakes_.report(
                    {"nat", i, "static", "outside"}, rule.place,
                    "{} is this host's tunnel end point, and a static address has all of its ports for "
                    "itself: take another address of the network",
                    rule.one_to_one->outside.text());
            }
            if (!rule.addresses || rule.out == network_->name) continue;
            for (size_t r = 0; r < rule.addresses->size(); ++r) {
                const nat::AddressRange& range = (*rule.addresses)[r];
                for (const IpAddress& own : own_) {
                    if (own < range.low || range.high < own) continue;
                    mistakes_.report(
                        {"nat", i, "addresses", r}, rule.place,
                        "has {}, this host's tunnel end point, which only what leaves by network {} may "
                        "have",
                        own.text(), network_->name);
                }
            }
        }
    }

    // What is published at the tunnels' own port would never get a packet from outside.
    void check_published() {
        const uint16_t port = underlay_.udp_port;
        for (size_t i = 0; i < config_.publish.size(); ++i) {
            const nat::PublishConfig& published = config_.publish[i];
            const bool is_taken = published.protocol == nat::PublishedProtocol::kUdp &&
                                  published.ports.low <= port && port <= published.ports.high;
            if (!is_taken || !is_published_here(published)) continue;
            mistakes_.report(
                {"publish", i, "port"}, published.place,
                "UDP port {} of this host's tunnel end points is VXLAN's: publish another port, or at "
                "another `address`",
                port);
        }
        for (size_t i = 0; i < config_.services.size(); ++i) {
            const service::ServiceConfig& service = config_.services[i];
            if (std::ranges::none_of(service.address, [&](const IpAddress& it) { return is_own(it); })) continue;
            for (size_t p = 0; p < service.ports.size(); ++p) {
                if (service.ports[p].protocol != service::Transport::kUdp || service.ports[p].port != port)
                    continue;
                mistakes_.report(
                    {"services", i, "ports", p, "port"}, service.place,
                    "UDP port {} of this host's tunnel end points is VXLAN's: give the Service another "
                    "address or port",
                    port);
            }
        }
        const base::PortRange& nodes = config_.service_ranges.node_ports;
        if (nodes.low <= port && port <= nodes.high) {
            report({"underlay", "udp-port"},
                   "{} is in the range of node ports (`service-ranges: {{node-ports: {}-{}}}`), which are reached "
                   "at the end points too: take another one on all hosts, or another range",
                   port, nodes.low, nodes.high);
        }
    }

    bool is_published_here(const nat::PublishConfig& published) const {
        if (published.address) return is_own(*published.address);
        const port::PortConfig* port = find_port(config_, published.to.port);
        const NetworkConfig* network = port == nullptr ? nullptr : find_network(config_, port->network);
        return network_->domain == (network == nullptr ? std::string(route::kMainDomain) : network->domain);
    }

    bool is_own(const IpAddress& address) const { return std::ranges::find(own_, address) != own_.end(); }

    void report_mtu(std::string_view key, const port::PortConfig& port) {
        report({"underlay", key}, "port {} has an MTU of {}: an underlay needs {} at least", port.name,
               port.frame_mtu(), kLeastMtu);
    }
    template <class... Args>
    void report(std::initializer_list<base::Step> steps, fmt::format_string<Args...> format, Args&&... args) {
        mistakes_.report(steps, underlay_.place, format, std::forward<Args>(args)...);
    }

    const Config& config_;
    const vxlan::UnderlayConfig& underlay_;
    const std::vector<IpAddress> own_;
    base::Mistakes& mistakes_;
    const NetworkConfig* network_ = nullptr;
};

}  // namespace

void check_underlay(const Config& config, base::Mistakes& mistakes) {
    UnderlayCheck check(config, mistakes);
    config.underlay->network.empty() ? check.check_port() : check.check_network();
}

}  // namespace sluice::engine
