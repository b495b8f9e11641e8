#include "port/namespace_watch.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "port/netlink.h"
#include "port/netlink_message.h"
#include "port/netlink_objects.h"

namespace sluice::port {
namespace {

constexpr int kMostMessages = 64;  // the most messages that one take() reads

// The live watches. A namespace that a watch pins keeps its identity.
std::map<NetnsId, std::weak_ptr<NamespaceWatch>>& watches() {
    static std::map<NetnsId, std::weak_ptr<NamespaceWatch>> watches;
    return watches;
}

void erase(auto& map, const auto& key, const Listener& listener) {
    auto [first, end] = map.equal_range(key);
    while (first != end) first = first->second == &listener ? map.erase(first) : std::next(first);
}

}  // namespace

base::Result<std::shared_ptr<NamespaceWatch>> NamespaceWatch::here() {
    const base::Fd own(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!own) return base::fail_errno("cannot open the network namespace");
    const auto id = identify_netns(own);
    if (!id) return tl::unexpected(id.error());
    if (const auto known = watches().find(*id); known != watches().end()) {
        if (auto watch = known->second.lock()) return watch;
    }
    std::shared_ptr<NamespaceWatch> watch(new NamespaceWatch);
    watch->id_ = *id;
    if (auto done = watch->open(); !done) return tl::unexpected(done.error());
    watches()[*id] = watch;
    return watch;
}

NamespaceWatch::~NamespaceWatch() {
    // A newer watch may have the place by now, opened after this one had expired.
    const auto known = watches().find(id_);
    if (known != watches().end() && known->second.expired()) watches().erase(known);
}

base::Result<void> NamespaceWatch::open() {
    socket_.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK));
    constexpr unsigned kGroups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    if (socket_ == nullptr || mnl_socket_bind(socket_.get(), kGroups, MNL_SOCKET_AUTOPID) < 0) {
        return base::fail_errno("cannot listen to the kernel's notifications of interfaces");
    }
    // Each interface has an IPv6 link-local address, so routes of IPv6 must be watched as well.
    return join(RTNLGRP_IPV6_ROUTE);
}

base::Result<void> NamespaceWatch::join(unsigned group) {
    if (mnl_socket_setsockopt(socket_.get(), NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0) return {};
    return base::fail_errno("cannot listen to the kernel's notifications of routes");
}

base::Result<void> NamespaceWatch::add(Listener& listener) {
    const bool has_ipv4 = std::any_of(listener.destinations.begin(), listener.destinations.end(),
                                      [](const IpPrefix& to) { return to.address.is_v4(); });
    if (has_ipv4 && !hears_ipv4_routes_) {
        if (auto done = join(RTNLGRP_IPV4_ROUTE); !done) return done;
        hears_ipv4_routes_ = true;
    }
    by_index_.emplace(listener.index, &listener);
    for (const IpPrefix& to : listener.destinations) by_destination_.emplace(to, &listener);
    return {};
}

void NamespaceWatch::remove(Listener& listener) {
    erase(by_index_, listener.index, listener);
    for (const IpPrefix& to : listener.destinations) erase(by_destination_, to, listener);
}

void NamespaceWatch::take() {
    for (int i = 0; i < kMostMessages; ++i) {
        if (!take_one()) return;
    }
}

bool NamespaceWatch::take_one() {
    alignas(nlmsghdr) std::array<char, 32768> buffer;
    const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) return true;
    if (size < 0 && errno == ENOBUFS) {
        ++losses_;
        return true;
    }
    if (size <= 0) return false;
    read(std::span(buffer).first(static_cast<size_t>(size)));
    return true;
}

void NamespaceWatch::read(std::span<const char> piece) {
    auto left = static_cast<int>(piece.size());
    const auto* header = reinterpret_cast<const nlmsghdr*>(piece.data());
    for (; is_whole(header, left); header = mnl_nlmsg_next(header, &left)) {
        note_alias(header);
        tell(header);
    }
}

void NamespaceWatch::tell_interface(int index) {
    const auto [first, end] = by_index_.equal_range(index);
    for (auto at = first; at != end; ++at) at->second->has_news = true;
}

void NamespaceWatch::tell(const nlmsghdr* header) {
    switch (header->nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK: {
            const auto* link = header_of<ifinfomsg>(header);
            if (link != nullptr) tell_interface(link->ifi_index);
            return;
        }
        case RTM_NEWADDR:
        case RTM_DELADDR: {
            const auto* address = header_of<ifaddrmsg>(header);
            if (address != nullptr) tell_interface(static_cast<int>(address->ifa_index));
            return;
        }
        case RTM_NEWROUTE:
        case RTM_DELROUTE: return tell_of_route(header);
        default: return;
    }
}

void NamespaceWatch::tell_of_route(const nlmsghdr* header) {
    const auto notice = read_route_notice(header);
    if (!notice) return;
    const IpPrefix& to = notice->to;
    // If the route replaces one of ours, it leads by another interface now.
    const bool replaces = header->nlmsg_type == RTM_NEWROUTE && (header->nlmsg_flags & NLM_F_REPLACE) != 0;
    if (replaces) {
        const auto [first, end] = by_destination_.equal_range(to);
        for (auto at = first; at != end; ++at) at->second->has_news = true;
    }
    for (const int link : notice->links) {
        const auto [first, end] = by_index_.equal_range(link);
        for (auto at = first; at != end; ++at) {
            const auto& destinations = at->second->destinations;
            at->second->has_news |= std::find(destinations.begin(), destinations.end(), to) != destinations.end();
        }
    }
}

void NamespaceWatch::note_alias(const nlmsghdr* header) {
    const bool is_of_link = header->nlmsg_type == RTM_NEWLINK || header->nlmsg_type == RTM_DELLINK;
    const auto* info = header_of<ifinfomsg>(header);
    if (!listed_ || !is_of_link || info == nullptr) return;
    if (info->ifi_family != AF_UNSPEC) return;  // a message of the bridge family: the interface has left a bridge
    if (const auto before = aliases_.find(info->ifi_index); before != aliases_.end()) {
        indices_.erase(before->second);
        aliases_.erase(before);
    }
    if (header->nlmsg_type == RTM_DELLINK) return;
    const auto found = attributes_behind<ifinfomsg, IFLA_IFALIAS + 1>(info, header);
    const std::string alias = text_of(found[IFLA_IFALIAS]);
    if (alias.empty()) return;
    aliases_[info->ifi_index] = alias;
    indices_[alias] = info->ifi_index;
}

base::Result<void> NamespaceWatch::list_aliases() {
    auto netlink = Netlink::open();
    if (!netlink) return tl::unexpected(netlink.error());
    const uint64_t losses = losses_;
    auto links = netlink->links();
    if (!links) return tl::unexpected(links.error());
    aliases_.clear();
    indices_.clear();
    for (const Link& link : *links) {
        if (link.alias.empty()) continue;
        aliases_[link.index] = link.alias;
        indices_[link.alias] = link.index;
    }
    listed_ = losses;
    return {};
}

base::Result<std::optional<int>> NamespaceWatch::find_alias(const std::string& alias) {
    // The limit keeps a program that changes interfaces all the time from holding us here.
    constexpr int kMost = 4096;
    int taken = 0;
    while (taken < kMost && take_one()) ++taken;
    if (!listed_ || *listed_ != losses_ || taken == kMost) {
        if (auto done = list_aliases(); !done) return tl::unexpected(done.error());
    }
    const auto found = indices_.find(alias);
    return found == indices_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace sluice::port
