#include "port/netlink_objects.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>

#include "port/netlink_message.h"
#include "port/port_config.h"

#ifndef IFA_PROTO
#define IFA_PROTO 11  // Linux 5.18; the headers may be older than the kernel
#endif

namespace sluice::port {
namespace {

IpAddress any_address(uint8_t family) {
    return family == AF_INET ? IpAddress::from_v4(0) : IpAddress{};
}

bool is_ip(uint8_t family) { return family == AF_INET || family == AF_INET6; }

uint8_t bits_of(uint8_t family) { return family == AF_INET ? 32 : 128; }

// None if the attribute has another size than an address of the family. None for an IPv4-mapped IPv6 address too:
// an IpAddress would take it for the IPv4 address.
std::optional<IpAddress> address_of(const nlattr* attribute, uint8_t family) {
    const size_t size = bits_of(family) / 8;
    if (mnl_attr_get_payload_len(attribute) != size) return std::nullopt;
    IpAddress address = any_address(family);
    std::memcpy(address.bytes.data() + (16 - size), mnl_attr_get_payload(attribute), size);
    if (address.is_v4() != (family == AF_INET)) return std::nullopt;
    return address;
}

// The kernel omits the destination of a default route.
std::optional<IpPrefix> destination_of(const rtmsg& info, const nlattr* attribute, uint8_t family) {
    if (!is_ip(family) || info.rtm_dst_len > bits_of(family)) return std::nullopt;
    const auto to = attribute != nullptr ? address_of(attribute, family) : any_address(family);
    if (!to) return std::nullopt;
    return IpPrefix::around(*to, info.rtm_dst_len);
}

// The interfaces of all next hops of a route.
std::set<int> links_of(const nlattr* interface, const nlattr* multipath) {
    std::set<int> links;
    if (const auto link = number_of<int>(interface)) links.insert(*link);
    if (multipath == nullptr) return links;
    const auto* hop = static_cast<const rtnexthop*>(mnl_attr_get_payload(multipath));
    int left = mnl_attr_get_payload_len(multipath);
    while (left >= static_cast<int>(sizeof *hop) && hop->rtnh_len >= sizeof *hop && hop->rtnh_len <= left) {
        links.insert(hop->rtnh_ifindex);
        left -= static_cast<int>(NLMSG_ALIGN(hop->rtnh_len));
        hop = RTNH_NEXT(hop);
    }
    return links;
}

}  // namespace

std::optional<Link> read_link(const nlmsghdr* message) {
    const auto* info = header_of<ifinfomsg>(message);
    if (message->nlmsg_type != RTM_NEWLINK || info == nullptr) return std::nullopt;
    const auto found = attributes_behind<ifinfomsg, IFLA_MAX + 1>(info, message);
    Link link;
    link.index = info->ifi_index;
    link.up = (info->ifi_flags & IFF_UP) != 0;
    link.is_running = link.up && (info->ifi_flags & IFF_RUNNING) != 0;
    link.has_arp = (info->ifi_flags & IFF_NOARP) == 0;
    link.has_multicast = (info->ifi_flags & IFF_MULTICAST) != 0;
    link.has_carrier = number_of<uint8_t>(found[IFLA_CARRIER]).value_or(1) != 0;
    link.name = text_of(found[IFLA_IFNAME]);
    link.alias = text_of(found[IFLA_IFALIAS]);
    link.mtu = number_of<uint32_t>(found[IFLA_MTU]).value_or(0);
    if (const nlattr* mac = found[IFLA_ADDRESS]; mac && mnl_attr_get_payload_len(mac) == 6) {
        std::memcpy(link.mac.bytes.data(), mnl_attr_get_payload(mac), 6);
    }
    constexpr size_t kDrops = offsetof(rtnl_link_stats64, tx_dropped);
    if (const nlattr* stats = found[IFLA_STATS64]; stats && mnl_attr_get_payload_len(stats) >= kDrops + 8) {
        // Copied, because attributes are aligned to four bytes only.
        std::memcpy(&link.transmit_drops, static_cast<const char*>(mnl_attr_get_payload(stats)) + kDrops, 8);
    }
    if (found[IFLA_LINKINFO] != nullptr) {
        for_each_nested(found[IFLA_LINKINFO], [&](const nlattr* nested) {
            if (mnl_attr_get_type(nested) == IFLA_INFO_KIND) link.kind = text_of(nested);
            if (mnl_attr_get_type(nested) == IFLA_INFO_SLAVE_KIND) link.is_in_vrf = text_of(nested) == "vrf";
        });
    }
    return link;
}

std::optional<PeerLink> read_peer(const nlmsghdr* message) {
    const auto* info = header_of<ifinfomsg>(message);
    if (message->nlmsg_type != RTM_NEWLINK || info == nullptr) return std::nullopt;
    const auto found = attributes_behind<ifinfomsg, IFLA_MAX + 1>(info, message);
    return PeerLink{.index = number_of<int>(found[IFLA_LINK]).value_or(0),
                    .netns = number_of<uint32_t>(found[IFLA_LINK_NETNSID])};
}

std::optional<KernelAddress> read_address(const nlmsghdr* message, int index, Whose whose) {
    const auto* info = header_of<ifaddrmsg>(message);
    if (message->nlmsg_type != RTM_NEWADDR || info == nullptr) return std::nullopt;
    if (static_cast<int>(info->ifa_index) != index || !is_ip(info->ifa_family)) return std::nullopt;
    if (info->ifa_prefixlen > bits_of(info->ifa_family)) return std::nullopt;
    const auto found = attributes_behind<ifaddrmsg, IFA_PROTO + 1>(info, message);
    const bool is_ours = number_of<uint8_t>(found[IFA_PROTO]) == kRouteProtocol;
    if (whose == Whose::kOurs && !is_ours) return std::nullopt;
    const nlattr* attribute = found[IFA_LOCAL] != nullptr ? found[IFA_LOCAL] : found[IFA_ADDRESS];
    if (attribute == nullptr) return std::nullopt;
    const auto address = address_of(attribute, info->ifa_family);
    if (!address) return std::nullopt;
    return KernelAddress{*address, info->ifa_prefixlen, (info->ifa_flags & IFA_F_DADFAILED) != 0};
}

std::optional<KernelRoute> read_route(const nlmsghdr* message, uint8_t family, int index, Whose whose) {
    const auto* info = header_of<rtmsg>(message);
    if (message->nlmsg_type != RTM_NEWROUTE || info == nullptr) return std::nullopt;
    if (info->rtm_table != RT_TABLE_MAIN) return std::nullopt;
    const auto found = attributes_behind<rtmsg, RTA_MAX + 1>(info, message);
    KernelRoute route{.is_multipath = found[RTA_MULTIPATH] != nullptr};
    const bool is_ours = info->rtm_protocol == kRouteProtocol && !route.is_multipath;
    const bool leads_there = links_of(found[RTA_OIF], found[RTA_MULTIPATH]).contains(index);
    if ((whose != Whose::kAll && !is_ours) || leads_there == (whose == Whose::kOursElsewhere)) return std::nullopt;
    const auto to = destination_of(*info, found[RTA_DST], family);
    if (!to) return std::nullopt;
    route.to = *to;
    if (found[RTA_GATEWAY] != nullptr) {
        route.via = address_of(found[RTA_GATEWAY], family);
        if (!route.via) return std::nullopt;  // its gateway is of another family
    }
    route.metric = number_of<uint32_t>(found[RTA_PRIORITY]).value_or(0);
    if (family == AF_INET6 && route.metric == kMetricOfIpv6) route.metric = 0;
    return route;
}

std::optional<RouteNotice> read_route_notice(const nlmsghdr* message) {
    const auto* info = header_of<rtmsg>(message);
    if (message->nlmsg_type != RTM_NEWROUTE && message->nlmsg_type != RTM_DELROUTE) return std::nullopt;
    if (info == nullptr || info->rtm_table != RT_TABLE_MAIN) return std::nullopt;
    const auto found = attributes_behind<rtmsg, RTA_MAX + 1>(info, message);
    const auto to = destination_of(*info, found[RTA_DST], info->rtm_family);
    if (!to) return std::nullopt;
    return RouteNotice{*to, links_of(found[RTA_OIF], found[RTA_MULTIPATH])};
}

std::set<int> links_of_default_route(const nlmsghdr* message) {
    const auto* info = header_of<rtmsg>(message);
    if (message->nlmsg_type != RTM_NEWROUTE || info == nullptr) return {};
    if (info->rtm_dst_len != 0 || info->rtm_type != RTN_UNICAST) return {};
    const auto found = attributes_behind<rtmsg, RTA_MAX + 1>(info, message);
    return links_of(found[RTA_OIF], found[RTA_MULTIPATH]);
}

}  // namespace sluice::port
