// The configuration of overlays (RFC 7348): the networks that span hosts, the other hosts, and the underlay that
// carries their packets.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fields.h"
#include "base/mistakes.h"
#include "path/service.h"
#include "sluice/address.h"

namespace sluice::vxlan {

// A declared station behind a remote end point. Learning does not change it.
struct StaticConfig {
    MacAddress mac;
    std::vector<IpAddress> address;  // the switch answers ARP and Neighbor Discovery for these
    IpAddress remote;
    base::Place place;

    bool operator==(const StaticConfig&) const = default;
};

template <class V>
void fields(V& v, StaticConfig& s) {
    v.required("mac", s.mac);
    v.optional("address", s.address);
    v.required("remote", s.remote);
    v.check("mac", !s.mac.is_multicast() && !s.mac.is_zero(),
            "is a group or zero address, which no station has");
}

// The treatment of inner frames with VLAN tags (RFC 7348, 6.1).
enum class InnerVlan { kDrop, kCarry };

constexpr auto names(InnerVlan) {
    return std::array{base::Name{InnerVlan::kDrop, "drop"}, base::Name{InnerVlan::kCarry, "carry"}};
}

struct OverlayConfig {
    uint32_t vni = 0;                 // VXLAN network identifier, 24 bits
    std::vector<IpAddress> remotes;   // the other hosts' end points
    InnerVlan inner_vlan = InnerVlan::kDrop;
    std::vector<path::Service> serves{path::Service::kDhcp};  // that stations behind remotes may offer
    std::vector<StaticConfig> statics;

    bool operator==(const OverlayConfig&) const = default;
};

template <class V>
void fields(V& v, OverlayConfig& o) {
    v.required("vni", o.vni, base::Range{1, 0xff'ffff});
    v.optional("remotes", o.remotes);
    v.optional("inner-vlan", o.inner_vlan);
    v.optional("serves", o.serves);
    v.optional("static", o.statics);
}

// The checksum of the outer UDP header (RFC 7348, 5).
enum class OuterChecksum { kAuto, kZero, kFull };

constexpr auto names(OuterChecksum) {
    return std::array{base::Name{OuterChecksum::kAuto, "auto"}, base::Name{OuterChecksum::kZero, "zero"},
                      base::Name{OuterChecksum::kFull, "full"}};
}

// Whether packets to a remote end point of that family carry a checksum. A receiver may accept an IPv6 packet
// without one only if it was configured to (RFC 6935, 5); Linux is not by default.
constexpr bool is_full(OuterChecksum checksum, bool ipv6) noexcept {
    return checksum == OuterChecksum::kFull || (checksum == OuterChecksum::kAuto && ipv6);
}

// Either a network of the configuration, which carries other traffic as well: its gateway addresses are this
// host's end points. Or a port that carries nothing else, with all that follows up to `gateway`.
struct UnderlayConfig {
    std::string network;                    // empty: it is a port
    std::string port;                       // the underlay's port, which is in no network
    std::vector<InterfaceAddress> address;  // of this host's end points, at most one per family
    std::optional<MacAddress> mac;          // of the underlay's interface; none: derived
    std::vector<IpAddress> gateway;         // routers to remotes that are not on the underlay's link
    uint16_t udp_port = 4789;
    OuterChecksum checksum = OuterChecksum::kAuto;
    base::Place place;

    bool operator==(const UnderlayConfig&) const = default;
};

template <class V>
void fields(V& v, UnderlayConfig& u) {
    v.optional("network", u.network);
    if (u.network.empty()) {
        v.required("port", u.port);
        v.required("address", u.address);
    } else {
        v.optional("port", u.port);
        v.optional("address", u.address);
    }
    v.optional("mac", u.mac);
    v.optional("gateway", u.gateway);
    v.optional("udp-port", u.udp_port, base::Range{1, 65535});
    v.optional("checksum", u.checksum);
    v.check("mac", !u.mac || (!u.mac->is_multicast() && !u.mac->is_zero()),
            "is a group or zero address, which no host has");
    const bool is_port = u.network.empty();
    v.check("port", is_port || u.port.empty(), "stands beside `network`: give one of them");
    v.check("address", is_port || u.address.empty(),
            "stands beside `network`: leave it out, the network's `gateway` addresses are this host's end points");
    v.check("mac", is_port || !u.mac, "stands beside `network`: give the network this `gateway-mac`");
    v.check("gateway", is_port || u.gateway.empty(), "stands beside `network`: write `routes` by that gateway");
}

// What is wrong with the underlay's addresses and gateways.
void check(const UnderlayConfig& underlay, base::Mistakes& mistakes);

// What is wrong with the networks' overlays, held against each other and against the underlay, which must outlive
// this, with this host's end points there.
class OverlayChecks {
 public:
    OverlayChecks(const std::optional<UnderlayConfig>& underlay, std::vector<IpAddress> own,
                  base::Mistakes& mistakes)
        : underlay_(underlay), own_(std::move(own)), mistakes_(mistakes) {}

    // Of the network of this index, name and place.
    void check(size_t network, const std::string& name, const OverlayConfig& overlay, const base::Place& place);

 private:
    const std::optional<UnderlayConfig>& underlay_;
    const std::vector<IpAddress> own_;
    base::Mistakes& mistakes_;
    std::map<uint32_t, std::string> vnis_;  // by VNI, the network's name
};

}  // namespace sluice::vxlan
