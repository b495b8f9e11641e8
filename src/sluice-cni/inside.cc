#include "sluice-cni/inside.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <thread>

#include "base/fd.h"
#include "base/text.h"

namespace sluice::cni {
namespace {

using Socket = std::unique_ptr<mnl_socket, decltype([](mnl_socket* socket) { mnl_socket_close(socket); })>;
using Take = std::function<void(const nlmsghdr*)>;

tl::unexpected<std::string> failed(std::string_view what, int error) {
    return tl::unexpected(fmt::format("{}: {}", what, std::strerror(error)));
}

int take_message(const nlmsghdr* header, void* take) {
    (*static_cast<const Take*>(take))(header);
    return MNL_CB_OK;
}

// Lists all objects of a kind: links, addresses, or routes.
template <class Extra>
tl::expected<void, std::string> list(mnl_socket* socket, uint16_t type, Take take) {
    std::array<char, 32768> buffer{};
    nlmsghdr* request = mnl_nlmsg_put_header(buffer.data());
    request->nlmsg_type = type;
    request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request->nlmsg_seq = type;  // another one for each list
    mnl_nlmsg_put_extra_header(request, sizeof(Extra));
    if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0) return failed("asking the kernel", errno);
    for (;;) {
        const ssize_t size = mnl_socket_recvfrom(socket, buffer.data(), buffer.size());
        if (size < 0) return failed("the kernel's answer", errno);
        const int next = mnl_cb_run(buffer.data(), static_cast<size_t>(size), type, mnl_socket_get_portid(socket),
                                    take_message, &take);
        if (next == MNL_CB_STOP) return {};
        if (next < 0) return failed("the kernel's answer", errno);
    }
}

// The attribute of this type, or null.
const nlattr* find(const nlmsghdr* header, size_t extra, uint16_t type) {
    const auto* attribute = static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(header, extra));
    const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(header));
    for (; mnl_attr_ok(attribute, static_cast<int>(end - reinterpret_cast<const char*>(attribute)));
         attribute = mnl_attr_next(attribute)) {
        if (mnl_attr_get_type(attribute) == type) return attribute;
    }
    return nullptr;
}

std::optional<IpAddress> address_of(const nlattr* attribute, int family) {
    if (attribute == nullptr) return std::nullopt;
    const auto* bytes = static_cast<const uint8_t*>(mnl_attr_get_payload(attribute));
    const size_t size = mnl_attr_get_payload_len(attribute);
    if (family == AF_INET && size == 4) {
        return IpAddress::from_v4(uint32_t{bytes[0]} << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3]);
    }
    if (family != AF_INET6 || size != 16) return std::nullopt;
    IpAddress address;
    std::copy_n(bytes, 16, address.bytes.begin());
    return address;
}

// The interface's index, and what the link says of it.
int take_link(const nlmsghdr* header, const std::string& name, Inside& inside) {
    const auto* link = static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(header));
    const nlattr* ifname = find(header, sizeof *link, IFLA_IFNAME);
    if (ifname == nullptr || name != mnl_attr_get_str(ifname)) return 0;
    inside.exists = true;
    inside.is_up = (link->ifi_flags & IFF_UP) != 0;
    if (const nlattr* mtu = find(header, sizeof *link, IFLA_MTU)) inside.mtu = mnl_attr_get_u32(mtu);
    const nlattr* mac = find(header, sizeof *link, IFLA_ADDRESS);
    if (mac != nullptr && mnl_attr_get_payload_len(mac) == 6) {
        MacAddress address;
        std::copy_n(static_cast<const uint8_t*>(mnl_attr_get_payload(mac)), 6, address.bytes.begin());
        inside.mac = address.text();
    }
    return link->ifi_index;
}

void take_address(const nlmsghdr* header, int index, Inside& inside) {
    const auto* message = static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(header));
    if (static_cast<int>(message->ifa_index) != index) return;
    // IFA_ADDRESS is the other end's where a point-to-point interface has IFA_LOCAL too.
    auto address = address_of(find(header, sizeof *message, IFA_LOCAL), message->ifa_family);
    if (!address) address = address_of(find(header, sizeof *message, IFA_ADDRESS), message->ifa_family);
    if (address) inside.addresses.push_back({*address, message->ifa_prefixlen});
}

void take_route(const nlmsghdr* header, int index, Inside& inside) {
    const auto* message = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(header));
    const nlattr* oif = find(header, sizeof *message, RTA_OIF);
    if (message->rtm_type != RTN_UNICAST || oif == nullptr) return;
    if (static_cast<int>(mnl_attr_get_u32(oif)) != index) return;
    const IpAddress any = message->rtm_family == AF_INET ? IpAddress::from_v4(0) : IpAddress{};
    const auto to = address_of(find(header, sizeof *message, RTA_DST), message->rtm_family).value_or(any);
    inside.routes.push_back({IpPrefix::around(to, message->rtm_dst_len),
                             address_of(find(header, sizeof *message, RTA_GATEWAY), message->rtm_family)});
}

// In the namespace already.
tl::expected<Inside, std::string> look_here(const std::string& interface) {
    const Socket socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    if (socket == nullptr) return failed("a netlink socket", errno);
    if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) return failed("binding a netlink socket", errno);
    Inside inside;
    int index = 0;
    auto looked = list<ifinfomsg>(socket.get(), RTM_GETLINK, [&](const nlmsghdr* header) {
        if (const int found = take_link(header, interface, inside); found != 0) index = found;
    });
    if (looked && index != 0) {
        looked = list<ifaddrmsg>(socket.get(), RTM_GETADDR,
                                 [&](const nlmsghdr* header) { take_address(header, index, inside); });
    }
    if (looked && index != 0) {
        looked = list<rtmsg>(socket.get(), RTM_GETROUTE,
                             [&](const nlmsghdr* header) { take_route(header, index, inside); });
    }
    if (!looked) return tl::unexpected(std::move(looked.error()));
    return inside;
}

}  // namespace

tl::expected<Inside, std::string> look_inside(const std::string& netns, const std::string& interface) {
    // If the path is a pipe's, a blocking open() would wait for a writer.
    const base::Fd file(open(netns.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) return failed(fmt::format("network namespace {}", base::shown(netns)), errno);
    tl::expected<Inside, std::string> inside;
    std::thread([&] {
        if (setns(file.get(), CLONE_NEWNET) != 0) {
            inside = failed(fmt::format("entering the network namespace {}", base::shown(netns)), errno);
        } else {
            inside = look_here(interface);
        }
    }).join();
    return inside;
}

}  // namespace sluice::cni
