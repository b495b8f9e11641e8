#include "port/kept_interface.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "wire/address.h"

namespace sluice::port {
namespace {

const IpAddress& address_of(const KernelAddress& address) { return address.address; }
const IpAddress& address_of(const KernelRoute& route) { return route.to.address; }

template <class T>
bool contains(const std::vector<T>& list, const T& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

std::string route_text(const KernelRoute& route) {
    const bool is_default = route.to.length == 0;
    return is_default ? fmt::format("the default route{}", route.to.address.is_v4() ? "" : " of IPv6")
                      : fmt::format("the route to {}", route.to.text());
}

const IpPrefix kLinkLocalSubnet{IpAddress{{0xfe, 0x80}}, 64};

// The port's guard accepts only the link-local address of the MAC address. If that MAC is kept, only this address
// counts.
bool is_own_link_local(const WantedInterface& wanted, const SeenInterface& seen, const IpAddress& address) {
    if (seen.link_local == LinkLocal::kNone) return false;
    const bool is_any_good = seen.link_local != LinkLocal::kOfMac || !wanted.keeps_mac;
    return is_any_good ? kLinkLocalSubnet.contains(address) : address == wire::link_local_of(wanted.mac.bytes);
}

// An interface without a carrier gets the address when the carrier comes.
bool lacks_link_local(const WantedInterface& wanted, const SeenInterface& seen) {
    if (seen.link_local == LinkLocal::kNone || !seen.link.is_running) return false;
    return std::none_of(seen.addresses.begin(), seen.addresses.end(), [&](const KernelAddress& address) {
        return !address.is_duplicate && is_own_link_local(wanted, seen, address.address);
    });
}

// The link-local address that the kernel takes for another station's; null if there is none.
const KernelAddress* find_duplicate_link_local(const WantedInterface& wanted, const SeenInterface& seen) {
    const auto found = std::find_if(seen.addresses.begin(), seen.addresses.end(), [&](const KernelAddress& one) {
        return one.is_duplicate && is_own_link_local(wanted, seen, one.address);
    });
    return found == seen.addresses.end() ? nullptr : &*found;
}

// The addresses whose subnets have no route, one per subnet.
std::vector<KernelAddress> addresses_without_route(const WantedInterface& wanted, const SeenInterface& seen) {
    std::vector<KernelAddress> lacking;
    // In a VRF the kernel keeps these routes in the VRF's own table.
    if (!seen.link.up || seen.link.is_in_vrf) return lacking;
    std::vector<IpPrefix> reached;
    for (const KernelRoute& route : wanted.routes) reached.push_back(route.to);
    for (const KernelRoute& route : seen.routes) {
        if (!route.via && !route.is_multipath) reached.push_back(route.to);
    }
    for (const KernelAddress& address : seen.addresses) {
        const IpPrefix subnet = IpPrefix::around(address.address, address.length);
        const bool is_kept = contains(wanted.addresses, address) ||
                             (subnet == kLinkLocalSubnet && seen.link_local != LinkLocal::kNone);
        if (!is_kept || address.length == address.address.bits() || contains(reached, subnet)) continue;
        lacking.push_back(address);
        reached.push_back(subnet);
    }
    return lacking;
}

std::vector<std::string> link_changes(const WantedInterface& wanted, const SeenInterface& seen) {
    std::vector<std::string> changes;
    if (!seen.link.up) changes.push_back(fmt::format("interface {} is set down in its namespace", seen.link.name));
    if (seen.link.mtu != wanted.mtu) changes.push_back(fmt::format("its MTU was set to {}", seen.link.mtu));
    if (wanted.keeps_mac && seen.link.mac != wanted.mac) {
        changes.push_back(fmt::format("its MAC address was set to {}", seen.link.mac.text()));
    }
    if (!seen.link.has_arp) changes.emplace_back("its ARP was turned off");
    if (!seen.link.has_multicast) changes.emplace_back("its multicast was turned off");
    if (!seen.link.has_carrier) changes.emplace_back("its carrier was turned off");
    return changes;
}

const KernelAddress* find_duplicate(const std::vector<KernelAddress>& seen, const IpAddress& address) {
    const auto found = std::find_if(seen.begin(), seen.end(), [&](const KernelAddress& one) {
        return one.is_duplicate && one.address == address;
    });
    return found == seen.end() ? nullptr : &*found;
}

std::string duplicate_text(const IpAddress& address) {
    return fmt::format("address {} was given up, as another station claimed it", address.text());
}

// Whether another port has the route, by its own interface.
bool is_taken(const KernelRoute& route, const SeenInterface& seen) {
    return std::any_of(seen.elsewhere.begin(), seen.elsewhere.end(), [&](const KernelRoute& other) {
        return other.to == route.to && other.metric == route.metric;
    });
}

}  // namespace

std::vector<std::string> changes(const WantedInterface& wanted, const SeenInterface& seen) {
    std::vector<std::string> changes = link_changes(wanted, seen);
    for (const KernelAddress& address : wanted.addresses) {
        if (contains(seen.addresses, address)) continue;
        if (find_duplicate(seen.addresses, address.address) != nullptr) {
            changes.push_back(duplicate_text(address.address));
        } else {
            changes.push_back(fmt::format("address {}/{} was removed", address.address.text(), address.length));
        }
    }
    if (const auto* duplicate = find_duplicate_link_local(wanted, seen)) {
        changes.push_back(duplicate_text(duplicate->address));
    } else if (lacks_link_local(wanted, seen)) {
        changes.emplace_back("the IPv6 link-local address was removed");
    }
    for (const KernelAddress& address : addresses_without_route(wanted, seen)) {
        changes.push_back(route_text({IpPrefix::around(address.address, address.length)}) + " was removed");
    }
    for (const KernelRoute& route : wanted.routes) {
        if (contains(seen.routes, route)) continue;
        const bool is_multipath = std::any_of(
            seen.routes.begin(), seen.routes.end(),
            [&](const KernelRoute& other) { return other.is_multipath && other.to == route.to; });
        changes.push_back(route_text(route) + (is_taken(route, seen) ? " is another port's of this namespace"
                                               : is_multipath        ? " was given several next hops"
                                                                     : " was removed"));
    }
    return changes;
}

bool RepairPace::tick(bool is_broken) noexcept {
    if (!is_broken) {
        waited_ = 0;
        if (calm_ < kCalm) ++calm_;
        if (is_calm()) pause_ = kFirstPause;
        return false;
    }
    calm_ = 0;
    if (++waited_ < pause_) return false;
    waited_ = 0;
    pause_ = std::min(pause_ * 2, kLongestPause);
    return true;
}

base::Result<void> KeptInterface::set_up(int index, WantedInterface wanted, Since made) {
    auto netlink = Netlink::open();
    if (!netlink) return tl::unexpected(netlink.error());
    index_ = index;
    wanted_ = std::move(wanted);
    std::vector<IpPrefix> destinations;
    for (const KernelRoute& route : wanted_.routes) destinations.push_back(route.to);
    for (const KernelAddress& address : wanted_.addresses) {
        destinations.push_back(IpPrefix::around(address.address, address.length));
    }
    destinations.push_back(kLinkLocalSubnet);
    // Open the watch before changing anything, so that it sees every change from now on.
    auto watch = InterfaceWatch::open(index_, std::move(destinations));
    if (!watch) return tl::unexpected(watch.error());
    watch_ = std::move(*watch);
    sets_mac_ = true;
    auto done = apply(*netlink, made);
    sets_mac_ = wanted_.keeps_mac;
    // Reset them only once: from here on they are the namespace's own.
    if (wanted_.advertisements == RouterAdvertisements::kReset) {
        wanted_.advertisements = RouterAdvertisements::kAsTheyAre;
    }
    changes_.clear();
    no_link_.clear();
    if (done && failures_ != decltype(failures_){}) inspect(*netlink);
    return done;
}

bool KeptInterface::is_due() {
    has_news_ |= watch_.read();
    repairs_now_ = pace_.tick(!changes_.empty());
    return has_news_ || repairs_now_;
}

void KeptInterface::look() {
    auto netlink = Netlink::open();
    if (!netlink) return;
    if (has_news_) inspect(*netlink);
    if (std::exchange(repairs_now_, false) && !changes_.empty()) repair(*netlink);
}

// The order matters: the kernel adds the link-local address before it reports the link as running, and an address
// before its route.
base::Result<std::optional<SeenInterface>> KeptInterface::see(Netlink& netlink) const {
    auto link = netlink.find_link(index_);
    if (!link) return tl::unexpected(link.error());
    if (!*link) return std::nullopt;
    auto addresses = netlink.addresses(index_, Whose::kAll);
    if (!addresses) return tl::unexpected(addresses.error());
    auto routes = netlink.routes(index_, Whose::kAll);
    if (!routes) return tl::unexpected(routes.error());
    SeenInterface seen{**link, std::move(*addresses), std::move(*routes), link_local_of(wanted_.name)};
    const bool lacks_route = std::any_of(wanted_.routes.begin(), wanted_.routes.end(),
                                         [&](const KernelRoute& route) { return !contains(seen.routes, route); });
    if (!lacks_route) return seen;
    auto elsewhere = netlink.routes(index_, Whose::kOursElsewhere);
    if (!elsewhere) return tl::unexpected(elsewhere.error());
    seen.elsewhere = std::move(*elsewhere);
    return seen;
}

void KeptInterface::inspect(Netlink& netlink) {
    const auto seen = see(netlink);
    // If reading failed, the next tick reads again. The interface's owner detects that it is gone.
    has_news_ = !seen;
    if (has_news_ || !*seen) return;
    changes_ = changes(wanted_, **seen);
    const Link& link = (*seen)->link;
    no_link_ = link.up ? "" : fmt::format("interface {} is set down in its namespace", link.name);
    if (changes_.empty()) failures_ = {};
    const std::string now = trouble_now();
    if (!now.empty() && now != told_) base::log::warning("port", "{}: {}", wanted_.port, now);
    told_ = now;
}

void KeptInterface::repair(Netlink& netlink) {
    const std::string broken = fmt::format("{}", fmt::join(changes_, ", "));
    if (auto done = apply(netlink); !done) failures_.back() = done.error().message;
    inspect(netlink);
    if (!changes_.empty()) return;
    ++repairs_;
    last_repair_ = broken + ": repaired";
    base::log::notice("port", "{}: {}", wanted_.port, last_repair_);
}

std::string KeptInterface::trouble_now() const {
    std::vector<std::string> troubles;
    for (const std::string& failure : failures_) {
        if (!failure.empty()) troubles.push_back(failure);
    }
    return fmt::format("{}", fmt::join(troubles.empty() ? changes_ : troubles, ", "));
}

std::string KeptInterface::trouble() const {
    if (!changes_.empty()) return trouble_now();
    return pace_.is_calm() ? "" : last_repair_;
}

// The order matters: an MTU below 1280 removes IPv6's settings, a larger one brings back the kernel's defaults,
// and an interface that comes up requests router advertisements.
base::Result<void> KeptInterface::apply_link(Netlink& netlink) {
    const auto before = netlink.find_link(index_);
    LinkChange link{.mtu = wanted_.mtu};
    if (sets_mac_) link.mac = wanted_.mac;
    if (auto done = netlink.change_link(index_, link); !done) return done;
    // The kernel keeps the link-local address of the previous MAC address, and would send from it.
    if (sets_mac_ && before && *before && (*before)->mac != wanted_.mac &&
        link_local_of(wanted_.name) == LinkLocal::kOfMac) {
        (void)netlink.delete_address(index_, {wire::link_local_of((*before)->mac.bytes), kLinkLocalSubnet.length});
    }
    set_router_advertisements();
    if (before && *before && !(*before)->has_carrier) (void)netlink.change_link(index_, {.carrier = true});
    return netlink.change_link(index_, {.up = true, .is_usable = true});
}

// Adds wanted objects, and deletes ours that are unwanted.
template <class T>
void KeptInterface::reconcile(Netlink& netlink, const std::vector<T>& present, const std::vector<T>& wanted,
                              base::Result<void> (Netlink::*add)(int, const T&),
                              base::Result<void> (Netlink::*remove)(int, const T&)) {
    for (const T& item : present) {
        if (!contains(wanted, item)) note_failure(address_of(item), (netlink.*remove)(index_, item));
    }
    for (const T& item : wanted) note_failure(address_of(item), (netlink.*add)(index_, item));
}

void KeptInterface::note_failure(const IpAddress& address, const base::Result<void>& done) {
    std::string& failure = failures_[address.is_v4() ? 0 : 1];
    if (done || !failure.empty()) return;
    const std::string why = address.is_v4() ? "" : why_no_ipv6(wanted_.name);
    failure = why.empty() ? done.error().message : why + ", and so its addresses and routes are missing";
}

// The kernel keeps one copy of an IPv6 address per interface and does not change its prefix length. If the
// address has another length, delete it first. An IPv4 address may be there with several lengths.
base::Result<void> KeptInterface::make_room(Netlink& netlink) {
    const auto present = netlink.addresses(index_, Whose::kAll);
    if (!present) return tl::unexpected(present.error());
    for (const KernelAddress& wanted : wanted_.addresses) {
        if (wanted.address.is_v4() || contains(*present, wanted)) continue;
        for (const KernelAddress& other : *present) {
            if (other.address == wanted.address) (void)netlink.delete_address(index_, other);
        }
    }
    return {};
}

// Restores the kernel's own additions after a program has removed them.
base::Result<void> KeptInterface::restore_kernels_part(Netlink& netlink) {
    const auto seen = see(netlink);
    if (!seen) return tl::unexpected(seen.error());
    if (!*seen) return {};
    note_failure(kLinkLocalSubnet.address, restore_link_local(netlink, **seen));
    for (const KernelAddress& address : addresses_without_route(wanted_, **seen)) {
        note_failure(address.address, netlink.add_connected_route(index_, address));
    }
    return {};
}

// The switch vouches for the interface's MAC address, and so for the link-local address of that MAC. It is added
// without duplicate address detection, which any station that answers could make fail.
base::Result<void> KeptInterface::restore_link_local(Netlink& netlink, const SeenInterface& seen) {
    if (const auto* duplicate = find_duplicate_link_local(wanted_, seen)) {
        if (auto done = netlink.delete_address(index_, *duplicate); !done) return done;
        return netlink.add_link_local(index_, duplicate->address);
    }
    if (!lacks_link_local(wanted_, seen)) return {};
    if (seen.link_local != LinkLocal::kOfMac) return make_link_local(wanted_.name, seen.link_local);
    return netlink.add_link_local(index_, wire::link_local_of(seen.link.mac.bytes));
}

// The wanted routes, without those that another port has.
base::Result<std::vector<KernelRoute>> KeptInterface::wanted_routes(Netlink& netlink) const {
    if (wanted_.routes.empty()) return std::vector<KernelRoute>{};
    const auto seen = see(netlink);
    if (!seen) return tl::unexpected(seen.error());
    std::vector<KernelRoute> routes = wanted_.routes;
    if (*seen) std::erase_if(routes, [&](const KernelRoute& route) { return is_taken(route, **seen); });
    return routes;
}

base::Result<void> KeptInterface::apply(Netlink& netlink, Since made) {
    failures_ = {};
    if (auto done = apply_link(netlink); !done) return done;
    if (made == Since::kNow) {
        reconcile(netlink, {}, wanted_.addresses, &Netlink::add_address, &Netlink::delete_address);
        // Another port may have one of them: the next look() reads that and reports it.
        for (const KernelRoute& route : wanted_.routes) has_news_ |= !netlink.add_new_route(index_, route);
        return {};
    }
    if (auto done = make_room(netlink); !done) return done;
    const auto addresses = netlink.addresses(index_, Whose::kOurs);
    if (!addresses) return tl::unexpected(addresses.error());
    reconcile(netlink, *addresses, wanted_.addresses, &Netlink::add_address, &Netlink::delete_address);
    if (auto done = restore_kernels_part(netlink); !done) return done;
    const auto routes = netlink.routes(index_, Whose::kOurs);
    if (!routes) return tl::unexpected(routes.error());
    const auto wanted = wanted_routes(netlink);
    if (!wanted) return tl::unexpected(wanted.error());
    reconcile(netlink, *routes, *wanted, &Netlink::add_route, &Netlink::delete_route);
    has_news_ |= wanted->size() != wanted_.routes.size();  // so that it is reported
    return {};
}

void KeptInterface::set_router_advertisements() const {
    base::Result<void> done;
    switch (wanted_.advertisements) {
        case RouterAdvertisements::kAsTheyAre: break;
        case RouterAdvertisements::kRefuse: done = refuse_router_advertisements(wanted_.name); break;
        case RouterAdvertisements::kAccept: done = accept_router_advertisements(wanted_.name); break;
        case RouterAdvertisements::kReset: done = reset_router_advertisements(wanted_.name); break;
    }
    if (done) return;
    base::log::warning("port", "{}: {}: router advertisements may give interface {} addresses and routes",
                       wanted_.port, done.error().message, wanted_.name);
}

}  // namespace sluice::port
