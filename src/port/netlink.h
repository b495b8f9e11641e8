// Interfaces, addresses and routes of one network namespace, over rtnetlink (libmnl). Control thread only. The
// socket belongs to the namespace in which it was opened and pins it: open it, use it, close it.
//
// Addresses and routes that Sluice adds carry a protocol number of its own (the kernel's mark of who added them).
// It removes none without that mark.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "port/netlink_objects.h"
#include "port/netlink_reply.h"
#include "sluice/address.h"

struct mnl_socket;
struct nlmsghdr;

namespace sluice::port {

struct LinkChange {
    std::optional<MacAddress> mac;
    std::optional<uint32_t> mtu;
    std::optional<std::string> alias;
    std::optional<uint32_t> group;
    bool up = false;  // true: set it up; false: leave it as it is
    bool is_usable = false;  // true: with ARP and multicast; false: leave them as they are
    bool carrier = false;    // true: turn it on, which some kernels refuse
};

class Netlink {
 public:
    static base::Result<Netlink> open();

    base::Result<std::vector<Link>> links();
    // One interface; none if it does not exist.
    base::Result<std::optional<Link>> find_link(const std::string& name);
    base::Result<std::optional<Link>> find_link(int index);
    // The other end of a veth, in any namespace; none if it cannot be found.
    base::Result<std::optional<Link>> find_peer(int index);
    base::Result<void> change_link(int index, const LinkChange& change);
    base::Result<void> delete_link(int index);
    // Deletes several, and returns those that are gone afterwards. The kernel takes hardly longer for a thousand
    // than for one.
    std::vector<Link> delete_links(const std::vector<Link>& links);
    // Removes the queueing discipline, so that frames go to the driver at once.
    base::Result<void> set_no_queue(int index);

    // Addresses of one interface. Adding an address that exists is no error.
    base::Result<std::vector<KernelAddress>> addresses(int index, Whose whose);
    base::Result<void> add_address(int index, const KernelAddress& address);
    base::Result<void> delete_address(int index, const KernelAddress& address);
    // Adds a link-local address that looks like the kernel's own, without duplicate address detection.
    base::Result<void> add_link_local(int index, const IpAddress& address);
    // Adds the route to the address's subnet, as the kernel does when it adds an address. Routes to the same
    // subnet by other interfaces stay.
    base::Result<void> add_connected_route(int index, const KernelAddress& address);

    // Routes of the main table. With Whose::kAll, they include multipath routes with a next hop by the interface;
    // ours have one next hop.
    base::Result<std::vector<KernelRoute>> routes(int index, Whose whose);
    // add_route() replaces a route to the same destination with the same metric; add_new_route() fails instead.
    base::Result<void> add_route(int index, const KernelRoute& route);
    base::Result<void> add_new_route(int index, const KernelRoute& route);
    base::Result<void> delete_route(int index, const KernelRoute& route);

    // The interfaces of all default routes, of any origin and in any table.
    base::Result<std::set<int>> default_route_links();

 private:
    struct Close {
        void operator()(mnl_socket* socket) const noexcept;
    };
    explicit Netlink(mnl_socket* socket) : socket_(socket) {}

    // Appends parse(header) of each object to the list, if it returns one.
    template <class T, class Parse>
    base::Result<void> dump(nlmsghdr* request, std::vector<T>& list, Parse parse);
    base::Result<void> delete_group(const std::vector<Link>& links);
    base::Result<void> talk(nlmsghdr* request, std::string_view what);
    base::Result<std::optional<Link>> get_link(nlmsghdr* request);
    // Calls `visit` for each object of the answer. If the answer was interrupted, calls `forget` to undo the
    // visits, and sends the request again.
    base::Result<void> exchange(nlmsghdr* request, const NetlinkReply::Visit& visit,
                                const std::function<void()>& forget = [] {});
    base::Result<void> change_address(int type, int flags, int index, const KernelAddress& address,
                                      uint8_t protocol = kRouteProtocol);
    base::Result<void> change_route(int type, int flags, int index, const KernelRoute& route);

    std::unique_ptr<mnl_socket, Close> socket_;
    uint32_t sequence_ = 0;
};

}  // namespace sluice::port
