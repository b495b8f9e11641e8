#include "port/interface_watch.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "port/netlink.h"

namespace sluice::port {
namespace {

constexpr int kMostMessages = 64;  // that a call of read() takes
// A host whose routes change all the time loses notifications all the time, and a look costs as much as its routes.
constexpr int kRestAfterLoss = 25;

bool is_route_of(const nlmsghdr* header, int index, const std::vector<IpPrefix>& destinations) noexcept {
    const auto* route = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(header));
    if (route->rtm_table != RT_TABLE_MAIN) return false;  // ours are in there
    bool is_ours = false;
    const bool is_v4 = route->rtm_family == AF_INET;
    IpPrefix to{is_v4 ? IpAddress::from_v4(0) : IpAddress{}, route->rtm_dst_len};
    const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(header));
    const auto* at = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(header, sizeof *route));
    for (; mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at))); at = mnl_attr_next(at)) {
        const size_t size = is_v4 ? 4 : 16;
        if (mnl_attr_get_type(at) == RTA_OIF) is_ours |= static_cast<int>(mnl_attr_get_u32(at)) == index;
        if (mnl_attr_get_type(at) == RTA_MULTIPATH) {
            const std::vector<int> links = links_of_hops(at);
            is_ours |= std::find(links.begin(), links.end(), index) != links.end();
        }
        if (mnl_attr_get_type(at) == RTA_DST && mnl_attr_get_payload_len(at) == size) {
            std::memcpy(to.address.bytes.data() + (16 - size), mnl_attr_get_payload(at), size);
        }
    }
    // A route of ours that was replaced leads by another interface now.
    const bool is_new = header->nlmsg_type == RTM_NEWROUTE;
    return (is_ours || is_new) && std::find(destinations.begin(), destinations.end(), to) != destinations.end();
}

}  // namespace

bool is_about(const nlmsghdr* header, int index, const std::vector<IpPrefix>& destinations) noexcept {
    const auto has = [&](size_t size) { return mnl_nlmsg_get_payload_len(header) >= size; };
    switch (header->nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
            return has(sizeof(ifinfomsg)) &&
                   static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(header))->ifi_index == index;
        case RTM_NEWADDR:
        case RTM_DELADDR:
            return has(sizeof(ifaddrmsg)) &&
                   static_cast<int>(static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(header))->ifa_index) == index;
        case RTM_NEWROUTE:
        case RTM_DELROUTE: return has(sizeof(rtmsg)) && is_route_of(header, index, destinations);
        default: return false;
    }
}

void InterfaceWatch::Close::operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }

base::Result<InterfaceWatch> InterfaceWatch::open(int index, std::vector<IpPrefix> destinations) {
    InterfaceWatch watch;
    watch.index_ = index;
    watch.destinations_ = std::move(destinations);
    watch.socket_.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK));
    unsigned groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    for (const IpPrefix& to : watch.destinations_) {
        groups |= to.address.is_v4() ? RTMGRP_IPV4_ROUTE : RTMGRP_IPV6_ROUTE;
    }
    if (watch.socket_ == nullptr || mnl_socket_bind(watch.socket_.get(), groups, MNL_SOCKET_AUTOPID) < 0) {
        return base::fail_errno("cannot listen to the kernel's word of the interface");
    }
    return watch;
}

bool InterfaceWatch::read() {
    if (socket_ == nullptr) return false;
    bool told = false;
    alignas(nlmsghdr) std::array<char, 32768> buffer;
    for (int i = 0; i < kMostMessages; ++i) {
        const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == ENOBUFS) {
            lost_ = true;
            continue;
        }
        if (size <= 0) break;
        auto left = static_cast<int>(size);
        const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data());
        for (; mnl_nlmsg_ok(header, left); header = mnl_nlmsg_next(header, &left)) {
            told |= is_about(header, index_, destinations_);
        }
    }
    if (rest_ > 0) --rest_;
    if (lost_ && rest_ == 0) {
        lost_ = false;
        rest_ = kRestAfterLoss;
        told = true;
    }
    return told;
}

}  // namespace sluice::port
