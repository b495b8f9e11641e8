// Interfaces, addresses and routes of one network namespace, over rtnetlink (libmnl). Control thread
// only. The socket belongs to the namespace in which it was opened and pins it: open it, use it, drop
// it.
//
// What Sluice puts into a container it marks as its own with a protocol number (the kernel's notion
// of "who added this"), and it takes away nothing that doesn't bear the mark.
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
    // One of them; none: it isn't there.
    base::Result<std::optional<Link>> find_link(const std::string& name);
    base::Result<std::optional<Link>> find_link(int index);
    // The other end of a veth, in whatever namespace it is; none: it can't be found.
    base::Result<std::optional<Link>> find_peer(int index);
    base::Result<void> change_link(int index, const LinkChange& change);
    base::Result<void> delete_link(int index);
    // Several, and those that are gone then. The kernel takes hardly longer for a thousand than for one.
    std::vector<Link> delete_links(const std::vector<Link>& links);
    // Takes the queueing discipline out: a frame goes to the driver at once.
    base::Result<void> set_no_queue(int index);

    // On one interface. Adding what is there already is no error.
    base::Result<std::vector<KernelAddress>> addresses(int index, Whose whose);
    base::Result<void> add_address(int index, const KernelAddress& address);
    base::Result<void> delete_address(int index, const KernelAddress& address);
    // A link-local address that looks like the kernel's own, without duplicate address detection.
    base::Result<void> add_link_local(int index, const IpAddress& address);
    // The route to the address's subnet, as the kernel adds it together with an address. The subnet may be on link
    // of other interfaces as well: their routes stay.
    base::Result<void> add_connected_route(int index, const KernelAddress& address);

    // In the main table. Multipath routes of which a next hop leads by the interface are there among all; ours
    // have one next hop.
    base::Result<std::vector<KernelRoute>> routes(int index, Whose whose);
    // Takes the place of another route to there under the same metric. A new one doesn't: it fails.
    base::Result<void> add_route(int index, const KernelRoute& route);
    base::Result<void> add_new_route(int index, const KernelRoute& route);
    base::Result<void> delete_route(int index, const KernelRoute& route);

    // The interfaces by which a default route leads, whoever added it and in whatever table.
    base::Result<std::set<int>> default_route_links();

 private:
    struct Close {
        void operator()(mnl_socket* socket) const noexcept;
    };
    explicit Netlink(mnl_socket* socket) : socket_(socket) {}

    // Adds to the list what `parse` makes of each object; parse(header) answers with one or none.
    template <class T, class Parse>
    base::Result<void> dump(nlmsghdr* request, std::vector<T>& list, Parse parse);
    base::Result<void> delete_group(const std::vector<Link>& links);
    base::Result<void> talk(nlmsghdr* request, std::string_view what);
    base::Result<std::optional<Link>> get_link(nlmsghdr* request);
    // `visit` meets each object of the answer. An answer that was interrupted is asked for again, after
    // `forget` has undone what was visited.
    base::Result<void> exchange(nlmsghdr* request, const NetlinkReply::Visit& visit,
                                const std::function<void()>& forget = [] {});
    base::Result<void> change_address(int type, int flags, int index, const KernelAddress& address,
                                      uint8_t protocol = kRouteProtocol);
    base::Result<void> change_route(int type, int flags, int index, const KernelRoute& route);

    std::unique_ptr<mnl_socket, Close> socket_;
    uint32_t sequence_ = 0;
};

}  // namespace sluice::port
