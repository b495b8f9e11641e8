#include "port/netlink.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <random>

#include "port/port_config.h"

#ifndef IFA_PROTO
#define IFA_PROTO 11  // Linux 5.18; the headers may be older than the kernel
#endif

namespace sluice::port {
namespace {

struct Message {
    std::array<char, 4096> space{};
    nlmsghdr* header;

    Message(int type, int flags) : header(mnl_nlmsg_put_header(space.data())) {
        header->nlmsg_type = static_cast<uint16_t>(type);
        header->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
    }
    template <class T>
    T* extra() {
        return static_cast<T*>(mnl_nlmsg_put_extra_header(header, sizeof(T)));
    }
};

void put_address(nlmsghdr* header, uint16_t type, const IpAddress& address) {
    // An IPv4 address is in the last four bytes (address.h).
    const size_t size = address.is_v4() ? 4 : 16;
    mnl_attr_put(header, type, size, address.bytes.data() + (16 - size));
}

uint8_t family_of(const IpAddress& address) { return address.is_v4() ? AF_INET : AF_INET6; }

}  // namespace

void Netlink::Close::operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }

base::Result<Netlink> Netlink::open() {
    mnl_socket* socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (socket == nullptr) return base::fail_errno("cannot open a netlink socket");
    Netlink netlink(socket);
    if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0) {
        return base::fail_errno("cannot bind a netlink socket");
    }
    // With strict checking the kernel lists only one interface's addresses and routes. Before Linux 4.20 it lists
    // all, and the others are skipped here.
    int strict = 1;
    (void)mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &strict, sizeof strict);
    return netlink;
}

// Each container that comes or goes while interfaces are listed interrupts the list. A hundred interruptions in a
// row do not happen in practice.
base::Result<void> Netlink::exchange(nlmsghdr* request, const NetlinkReply::Visit& visit,
                                     const std::function<void()>& forget) {
    constexpr int kMostAttempts = 100;
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
        request->nlmsg_seq = ++sequence_;
        ssize_t sent = 0;
        do {
            sent = mnl_socket_sendto(socket_.get(), request, request->nlmsg_len);
        } while (sent < 0 && errno == EINTR);
        if (sent < 0) return base::fail_errno("netlink");
        NetlinkReply reply(request);
        NetlinkReply::State state = NetlinkReply::State::kMore;
        alignas(nlmsghdr) std::array<char, 32768> buffer;
        while (state == NetlinkReply::State::kMore) {
            const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
            if (size < 0 && errno == EINTR) continue;
            if (size < 0) return base::fail_errno("netlink");
            state = reply.take(std::span(buffer).first(static_cast<size_t>(size)), visit);
        }
        if (state == NetlinkReply::State::kComplete) return {};
        if (state == NetlinkReply::State::kFailed) {
            errno = reply.error();
            return base::fail_errno("netlink");
        }
        forget();
    }
    errno = EAGAIN;
    return base::fail("netlink: the kernel's list changes faster than it can be read");
}

template <class T, class Parse>
base::Result<void> Netlink::dump(nlmsghdr* request, std::vector<T>& list, Parse parse) {
    const size_t before = list.size();
    return exchange(
        request,
        [&](const nlmsghdr* header) {
            if (auto object = parse(header)) list.push_back(std::move(*object));
        },
        [&] { list.resize(before); });
}

base::Result<void> Netlink::talk(nlmsghdr* request, std::string_view what) {
    request->nlmsg_flags |= NLM_F_ACK;
    auto done = exchange(request, [](const nlmsghdr*) {});
    if (!done) return base::fail("{}: {}", what, std::strerror(errno));
    return done;
}

base::Result<std::vector<Link>> Netlink::links() {
    Message message(RTM_GETLINK, NLM_F_DUMP);
    message.extra<ifinfomsg>()->ifi_family = AF_UNSPEC;
    std::vector<Link> links;
    auto done = dump(message.header, links, read_link);
    if (!done) return tl::unexpected(done.error());
    return links;
}

base::Result<std::optional<Link>> Netlink::find_link(const std::string& name) {
    // For a longer name the kernel reports an invalid argument instead of a missing interface.
    if (name.empty() || name.size() >= IFNAMSIZ) return std::nullopt;
    Message message(RTM_GETLINK, 0);
    message.extra<ifinfomsg>()->ifi_family = AF_UNSPEC;
    mnl_attr_put_strz(message.header, IFLA_IFNAME, name.c_str());
    return get_link(message.header);
}

base::Result<std::optional<Link>> Netlink::find_link(int index) {
    Message message(RTM_GETLINK, 0);
    message.extra<ifinfomsg>()->ifi_index = index;
    return get_link(message.header);
}

base::Result<std::optional<Link>> Netlink::find_peer(int index) {
    Message question(RTM_GETLINK, 0);
    question.extra<ifinfomsg>()->ifi_index = index;
    PeerLink peer;
    auto done = exchange(question.header, [&](const nlmsghdr* header) {
        peer = read_peer(header).value_or(peer);
    });
    if (!done) return tl::unexpected(done.error());
    // Indices are unique per namespace: the two ends may have the same.
    if (peer.index == 0 || (peer.index == index && !peer.netns)) return std::nullopt;
    Message message(RTM_GETLINK, 0);
    message.extra<ifinfomsg>()->ifi_index = peer.index;
    if (peer.netns) mnl_attr_put_u32(message.header, IFLA_TARGET_NETNSID, *peer.netns);
    return get_link(message.header);
}

base::Result<std::optional<Link>> Netlink::get_link(nlmsghdr* request) {
    std::optional<Link> link;
    auto done = exchange(request, [&](const nlmsghdr* header) {
        if (auto read = read_link(header)) link = std::move(read);
    });
    if (!done && errno != ENODEV) return tl::unexpected(done.error());
    return link;
}

base::Result<void> Netlink::change_link(int index, const LinkChange& change) {
    Message message(RTM_NEWLINK, 0);
    auto* info = message.extra<ifinfomsg>();
    info->ifi_index = index;
    if (change.up) {
        info->ifi_flags |= IFF_UP;
        info->ifi_change |= IFF_UP;
    }
    if (change.is_usable) {
        info->ifi_flags |= IFF_MULTICAST;
        info->ifi_change |= IFF_MULTICAST | IFF_NOARP;
    }
    if (change.carrier) mnl_attr_put_u8(message.header, IFLA_CARRIER, 1);
    if (change.mac) mnl_attr_put(message.header, IFLA_ADDRESS, 6, change.mac->bytes.data());
    if (change.mtu) mnl_attr_put_u32(message.header, IFLA_MTU, *change.mtu);
    if (change.group) mnl_attr_put_u32(message.header, IFLA_GROUP, *change.group);
    if (change.alias) mnl_attr_put_str(message.header, IFLA_IFALIAS, change.alias->c_str());
    return talk(message.header, "cannot set up the interface");
}

base::Result<void> Netlink::delete_link(int index) {
    Message message(RTM_DELLINK, 0);
    message.extra<ifinfomsg>()->ifi_index = index;
    return talk(message.header, "cannot delete the interface");
}

// The kernel waits 20 ms for all processors each time when it deletes an interface. It deletes a group as one, so
// the interfaces are put into a group of their own.
base::Result<void> Netlink::delete_group(const std::vector<Link>& links) {
    // Users of interface groups choose small numbers.
    std::random_device random;
    const uint32_t group = random() | 1U << 31;
    for (const Link& link : links) {
        if (auto done = change_link(link.index, {.group = group}); !done) return done;
    }
    Message message(RTM_DELLINK, 0);
    message.extra<ifinfomsg>()->ifi_family = AF_UNSPEC;
    mnl_attr_put_u32(message.header, IFLA_GROUP, group);
    return talk(message.header, "cannot delete the interfaces");
}

std::vector<Link> Netlink::delete_links(const std::vector<Link>& links) {
    if (links.size() > 1 && delete_group(links)) return links;
    std::vector<Link> deleted;
    for (const Link& link : links) {
        if (delete_link(link.index)) deleted.push_back(link);
    }
    return deleted;
}

base::Result<void> Netlink::set_no_queue(int index) {
    Message message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
    auto* info = message.extra<tcmsg>();
    info->tcm_ifindex = index;
    info->tcm_parent = TC_H_ROOT;
    mnl_attr_put_strz(message.header, TCA_KIND, "noqueue");
    return talk(message.header, "cannot take the interface's queueing discipline out");
}

base::Result<std::vector<KernelAddress>> Netlink::addresses(int index, Whose whose) {
    Message message(RTM_GETADDR, NLM_F_DUMP);
    auto* request = message.extra<ifaddrmsg>();
    request->ifa_family = AF_UNSPEC;
    request->ifa_index = static_cast<uint32_t>(index);
    std::vector<KernelAddress> addresses;
    auto done = dump(message.header, addresses,
                     [=](const nlmsghdr* header) { return read_address(header, index, whose); });
    if (!done && errno != ENODEV) return tl::unexpected(done.error());
    return addresses;
}

base::Result<void> Netlink::change_address(int type, int flags, int index, const KernelAddress& address,
                                           uint8_t protocol) {
    Message message(type, flags);
    auto* info = message.extra<ifaddrmsg>();
    info->ifa_family = family_of(address.address);
    info->ifa_prefixlen = address.length;
    info->ifa_index = static_cast<uint32_t>(index);
    info->ifa_scope = RT_SCOPE_UNIVERSE;
    put_address(message.header, IFA_LOCAL, address.address);
    put_address(message.header, IFA_ADDRESS, address.address);
    // The switch vouches for its addresses: a container must not wait a second for duplicate address detection
    // (RFC 4862, 5.4) before its first packet.
    mnl_attr_put_u32(message.header, IFA_FLAGS, address.address.is_v4() ? 0 : IFA_F_NODAD);
    mnl_attr_put_u8(message.header, IFA_PROTO, protocol);
    return talk(message.header, fmt::format("address {}/{}", address.address.text(),
                                             address.length));
}

base::Result<void> Netlink::add_address(int index, const KernelAddress& address) {
    return change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, address);
}

base::Result<void> Netlink::delete_address(int index, const KernelAddress& address) {
    return change_address(RTM_DELADDR, 0, index, address);
}

base::Result<void> Netlink::add_link_local(int index, const IpAddress& address) {
    constexpr uint8_t kProtocolOfKernel = 3;  // IFAPROT_KERNEL_LL
    constexpr uint8_t kLength = 64;
    return change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, {address, kLength}, kProtocolOfKernel);
}

base::Result<void> Netlink::add_connected_route(int index, const KernelAddress& address) {
    constexpr uint32_t kMetricOfKernel = 256;  // for IPv6
    const bool is_v4 = address.address.is_v4();
    const IpPrefix to = IpPrefix::around(address.address, address.length);
    Message message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND);
    auto* info = message.extra<rtmsg>();
    info->rtm_family = family_of(to.address);
    info->rtm_dst_len = to.length;
    info->rtm_table = RT_TABLE_MAIN;
    // If the route looks like the kernel's own, the kernel deletes it together with the address.
    info->rtm_protocol = RTPROT_KERNEL;
    info->rtm_type = RTN_UNICAST;
    info->rtm_scope = is_v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    put_address(message.header, RTA_DST, to.address);
    if (is_v4) put_address(message.header, RTA_PREFSRC, address.address);
    if (!is_v4) mnl_attr_put_u32(message.header, RTA_PRIORITY, kMetricOfKernel);
    mnl_attr_put_u32(message.header, RTA_OIF, static_cast<uint32_t>(index));
    return talk(message.header, fmt::format("route to {}", to.text()));
}

base::Result<std::vector<KernelRoute>> Netlink::routes(int index, Whose whose) {
    std::vector<KernelRoute> routes;
    for (uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
        Message message(RTM_GETROUTE, NLM_F_DUMP);
        message.extra<rtmsg>()->rtm_family = family;
        mnl_attr_put_u32(message.header, RTA_TABLE, RT_TABLE_MAIN);
        if (whose != Whose::kOursElsewhere) {
            mnl_attr_put_u32(message.header, RTA_OIF, static_cast<uint32_t>(index));
        }
        auto done = dump(message.header, routes,
                         [=](const nlmsghdr* header) { return read_route(header, family, index, whose); });
        // The interface has gone, or the namespace does not have this table yet.
        if (!done && errno != ENODEV && errno != ENOENT) return tl::unexpected(done.error());
    }
    return routes;
}

base::Result<void> Netlink::change_route(int type, int flags, int index, const KernelRoute& route) {
    Message message(type, flags);
    auto* info = message.extra<rtmsg>();
    info->rtm_family = family_of(route.to.address);
    info->rtm_dst_len = route.to.length;
    info->rtm_table = RT_TABLE_MAIN;
    info->rtm_protocol = kRouteProtocol;
    info->rtm_type = RTN_UNICAST;
    info->rtm_scope = route.via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
    put_address(message.header, RTA_DST, route.to.address);
    if (route.via) put_address(message.header, RTA_GATEWAY, *route.via);
    if (route.metric != 0) mnl_attr_put_u32(message.header, RTA_PRIORITY, route.metric);
    mnl_attr_put_u32(message.header, RTA_OIF, static_cast<uint32_t>(index));
    return talk(message.header, fmt::format("route to {}", route.to.text()));
}

base::Result<void> Netlink::add_route(int index, const KernelRoute& route) {
    return change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, index, route);
}

base::Result<void> Netlink::add_new_route(int index, const KernelRoute& route) {
    return change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, index, route);
}

base::Result<void> Netlink::delete_route(int index, const KernelRoute& route) {
    return change_route(RTM_DELROUTE, 0, index, route);
}

base::Result<std::set<int>> Netlink::default_route_links() {
    std::set<int> links;
    for (uint8_t family : {uint8_t{AF_INET}, uint8_t{AF_INET6}}) {
        Message message(RTM_GETROUTE, NLM_F_DUMP);
        message.extra<rtmsg>()->rtm_family = family;
        // Also use an interrupted list: the interface had a default route when it was visited.
        auto done = exchange(message.header, [&](const nlmsghdr* header) {
            links.merge(links_of_default_route(header));
        });
        if (!done) return tl::unexpected(done.error());
    }
    return links;
}

}  // namespace sluice::port
