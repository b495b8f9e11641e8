// An interface that Sluice made in a namespace. It is kept as its port is configured (up, with its MTU, addresses
// and routes), whatever programs in the namespace change. Control thread.
//
//   Deviations are reported (no_link(), trouble()) and repaired a moment later. Repeated deviations are repaired
//   more and more slowly (RepairPace).
//   Settings that the kernel refuses are reported too, and retried at the same pace. The address families are
//   independent: if IPv6 is switched off there, IPv4 still works.
//   The kernel's own additions belong to the interface: a link-local address, and the routes to the subnets of its
//   addresses.
//   A route that another port has in the same namespace, by another interface, stays that port's. This port lacks
//   the route and reports that.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "port/interface_watch.h"
#include "port/ipv6_settings.h"
#include "port/netlink.h"

namespace sluice::port {

// The treatment of router advertisements and redirects.
enum class RouterAdvertisements { kAsTheyAre, kRefuse, kAccept, kReset };

struct WantedInterface {
    std::string port;  // for the log
    std::string name;  // of the interface
    MacAddress mac;
    bool keeps_mac = true;  // keep it once it was set; false: the namespace may change it
    uint32_t mtu = 0;
    RouterAdvertisements advertisements = RouterAdvertisements::kAsTheyAre;
    std::vector<KernelAddress> addresses;
    std::vector<KernelRoute> routes;
};

struct SeenInterface {
    Link link;
    std::vector<KernelAddress> addresses;  // including those that others added
    std::vector<KernelRoute> routes;
    LinkLocal link_local = LinkLocal::kNone;  // how the kernel makes the link-local address
    std::vector<KernelRoute> elsewhere = {};  // Sluice's routes by other interfaces, which are other ports'
};

// The differences, each in a few words: "address 10.0.0.2/24 was removed".
std::vector<std::string> changes(const WantedInterface& wanted, const SeenInterface& seen);

// When deviations are repaired, counted in calls of tick(), which come a few times a second. Each repair doubles
// the pause before the next one, up to a limit. A minute without deviations resets the pause.
class RepairPace {
 public:
    static constexpr int kFirstPause = 2;
    static constexpr int kLongestPause = 64;
    static constexpr int kCalm = 300;

    // Whether to repair now.
    bool tick(bool is_broken) noexcept;
    bool is_calm() const noexcept { return calm_ >= kCalm; }

 private:
    int pause_ = kFirstPause;
    int waited_ = 0;
    int calm_ = kCalm;
};

// Whether the interface may have addresses and routes already. One that was made a moment ago has none, so those
// of all other interfaces in its namespace need not be read.
enum class Since { kNow, kBefore };

class KeptInterface {
 public:
    // Call the next ones in the interface's namespace. The caller knows that index and name are still the
    // interface's.

    // Configures the interface as wanted. An error is about the link; errors of addresses and routes are in
    // trouble().
    base::Result<void> set_up(int index, WantedInterface wanted, Since made = Since::kBefore);
    void look();

    // Call these in any namespace.

    // Whether look() has something to do. Call it a few times a second.
    bool is_due();
    void rename(const std::string& name) { wanted_.name = name; }
    void close() { *this = {}; }
    // The reason why the interface carries no frames; empty if it does.
    const std::string& no_link() const noexcept { return no_link_; }
    // Other deviations, present or just repaired; empty: none.
    std::string trouble() const;
    uint64_t repairs() const noexcept { return repairs_; }
    const std::string& last_repair() const noexcept { return last_repair_; }

 private:
    base::Result<void> apply(Netlink& netlink, Since made = Since::kBefore);
    base::Result<void> apply_link(Netlink& netlink);
    template <class T>
    void reconcile(Netlink& netlink, const std::vector<T>& present, const std::vector<T>& wanted,
                   base::Result<void> (Netlink::*add)(int, const T&),
                   base::Result<void> (Netlink::*remove)(int, const T&));
    base::Result<void> make_room(Netlink& netlink);
    base::Result<void> restore_kernels_part(Netlink& netlink);
    base::Result<void> restore_link_local(Netlink& netlink, const SeenInterface& seen);
    base::Result<std::vector<KernelRoute>> wanted_routes(Netlink& netlink) const;
    // None if the interface is gone.
    base::Result<std::optional<SeenInterface>> see(Netlink& netlink) const;
    void note_failure(const IpAddress& address, const base::Result<void>& done);
    void set_router_advertisements() const;
    void inspect(Netlink& netlink);
    void repair(Netlink& netlink);
    std::string trouble_now() const;

    int index_ = 0;
    WantedInterface wanted_;
    InterfaceWatch watch_;
    RepairPace pace_;
    bool has_news_ = false;
    bool repairs_now_ = false;
    bool sets_mac_ = true;
    std::vector<std::string> changes_;       // as of the last inspect()
    std::array<std::string, 3> failures_;    // of the last apply(): IPv4, IPv6, the interface itself
    std::string no_link_;
    std::string told_;  // last message in the log
    std::string last_repair_;
    uint64_t repairs_ = 0;
};

}  // namespace sluice::port
