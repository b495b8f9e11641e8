#include "port/netlink_objects.h"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cstring>

#include "port/netlink_message.h"

#ifndef IFA_PROTO
#define IFA_PROTO 11  // Linux 5.18; the headers may be older than the kernel
#endif

namespace sluice::port {
namespace {

IpAddress any_address(uint8_t family) {
    return family == AF_INET ? IpAddress::from_v4(0) : IpAddress{};
}

IpAddress address_of(const nlattr* attribute, uint8_t family) {
    const size_t size = family == AF_INET ? 4 : 16;
    IpAddress address = any_address(family);
    if (mnl_attr_get_payload_len(attribute) == size) {
        std::memcpy(address.bytes.data() + (16 - size), mnl_attr_get_payload(attribute), size);
    }
    return address;
}

}  // namespace

std::optional<Link> read_link(const nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWLINK) return std::nullopt;
    const auto* info = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(message));
    auto found = attributes<IFLA_MAX + 1>(message, sizeof *info);
    Link link;
    link.index = info->ifi_index;
    link.up = (info->ifi_flags & IFF_UP) != 0;
    link.is_running = link.up && (info->ifi_flags & IFF_RUNNING) != 0;
    link.name = text_of(found[IFLA_IFNAME]);
    link.alias = text_of(found[IFLA_IFALIAS]);
    if (found[IFLA_MTU] != nullptr) link.mtu = mnl_attr_get_u32(found[IFLA_MTU]);
    if (const nlattr* mac = found[IFLA_ADDRESS]; mac && mnl_attr_get_payload_len(mac) == 6) {
        std::memcpy(link.mac.bytes.data(), mnl_attr_get_payload(mac), 6);
    }
    constexpr size_t kDrops = offsetof(rtnl_link_stats64, tx_dropped);
    if (const nlattr* stats = found[IFLA_STATS64]; stats && mnl_attr_get_payload_len(stats) >= kDrops + 8) {
        // Copied, for attributes are aligned to four bytes only.
        std::memcpy(&link.transmit_drops, static_cast<const char*>(mnl_attr_get_payload(stats)) + kDrops, 8);
    }
    if (found[IFLA_LINKINFO] != nullptr) {
        const auto* first = static_cast<const nlattr*>(mnl_attr_get_payload(found[IFLA_LINKINFO]));
        const char* end = reinterpret_cast<const char*>(first) +
                          mnl_attr_get_payload_len(found[IFLA_LINKINFO]);
        for_each_attribute(first, end, [&](const nlattr* nested) {
            if (mnl_attr_get_type(nested) == IFLA_INFO_KIND) link.kind = mnl_attr_get_str(nested);
            if (mnl_attr_get_type(nested) == IFLA_INFO_SLAVE_KIND) {
                link.is_in_vrf = text_of(nested) == "vrf";
            }
        });
    }
    return link;
}

std::optional<PeerLink> read_peer(const nlmsghdr* message) {
    if (message->nlmsg_type != RTM_NEWLINK) return std::nullopt;
    auto found = attributes<IFLA_MAX + 1>(message, sizeof(ifinfomsg));
    PeerLink peer;
    if (found[IFLA_LINK] != nullptr) peer.index = static_cast<int>(mnl_attr_get_u32(found[IFLA_LINK]));
    if (found[IFLA_LINK_NETNSID] != nullptr) peer.netns = mnl_attr_get_u32(found[IFLA_LINK_NETNSID]);
    return peer;
}

std::optional<KernelAddress> read_address(const nlmsghdr* message, int index, Whose whose) {
    const auto* info = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(message));
    if (message->nlmsg_type != RTM_NEWADDR || static_cast<int>(info->ifa_index) != index) return std::nullopt;
    auto found = attributes<IFA_PROTO + 1>(message, sizeof *info);
    const bool is_ours = found[IFA_PROTO] != nullptr && mnl_attr_get_u8(found[IFA_PROTO]) == kRouteProtocol;
    if (whose == Whose::kOurs && !is_ours) return std::nullopt;
    const nlattr* address = found[IFA_LOCAL] != nullptr ? found[IFA_LOCAL] : found[IFA_ADDRESS];
    if (address == nullptr) return std::nullopt;
    return KernelAddress{address_of(address, info->ifa_family), info->ifa_prefixlen};
}

std::optional<KernelRoute> read_route(const nlmsghdr* message, uint8_t family, int index, Whose whose) {
    const auto* info = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    if (message->nlmsg_type != RTM_NEWROUTE || info->rtm_table != RT_TABLE_MAIN) return std::nullopt;
    if (whose == Whose::kOurs && info->rtm_protocol != kRouteProtocol) return std::nullopt;
    auto found = attributes<RTA_MAX + 1>(message, sizeof *info);
    std::vector<int> links;
    if (found[RTA_OIF] != nullptr) links = {static_cast<int>(mnl_attr_get_u32(found[RTA_OIF]))};
    if (found[RTA_MULTIPATH] != nullptr) links = links_of_hops(found[RTA_MULTIPATH]);
    if (std::find(links.begin(), links.end(), index) == links.end()) return std::nullopt;
    KernelRoute route{.is_multipath = found[RTA_MULTIPATH] != nullptr};
    if (whose == Whose::kOurs && route.is_multipath) return std::nullopt;
    IpAddress to = found[RTA_DST] != nullptr ? address_of(found[RTA_DST], family)
                                             : any_address(family);
    route.to = {to, info->rtm_dst_len};
    if (found[RTA_GATEWAY] != nullptr) {
        route.via = address_of(found[RTA_GATEWAY], family);
    }
    return route;
}

std::vector<int> links_of_hops(const nlattr* multipath) {
    std::vector<int> links;
    const auto* hop = static_cast<const rtnexthop*>(mnl_attr_get_payload(multipath));
    int left = mnl_attr_get_payload_len(multipath);
    while (left >= static_cast<int>(sizeof *hop) && hop->rtnh_len >= sizeof *hop && hop->rtnh_len <= left) {
        links.push_back(hop->rtnh_ifindex);
        left -= static_cast<int>(NLMSG_ALIGN(hop->rtnh_len));
        hop = RTNH_NEXT(hop);
    }
    return links;
}

std::vector<int> links_of_default_route(const nlmsghdr* message) {
    const auto* info = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(message));
    if (message->nlmsg_type != RTM_NEWROUTE || info->rtm_dst_len != 0 || info->rtm_type != RTN_UNICAST) return {};
    auto found = attributes<RTA_MAX + 1>(message, sizeof *info);
    std::vector<int> links;
    if (found[RTA_MULTIPATH] != nullptr) links = links_of_hops(found[RTA_MULTIPATH]);
    if (found[RTA_OIF] != nullptr) links.push_back(static_cast<int>(mnl_attr_get_u32(found[RTA_OIF])));
    return links;
}

}  // namespace sluice::port
