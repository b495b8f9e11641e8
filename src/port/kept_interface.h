// An interface that Sluice made in a namespace, kept as its port is configured: up, with its MTU, addresses and
// routes, whatever somebody in the namespace does to it. Control thread.
//
//   What is broken is told (no_link(), trouble()), and repaired a moment later. Who breaks it again and again is
//   answered more and more slowly (RepairPace).
//   What the kernel refuses is told as well, and tried again at the same pace. Each address family stands for
//   itself: IPv6 that is switched off there takes nothing from IPv4.
//   What the kernel gives such an interface by itself belongs to it: a link-local address, and the routes to the
//   subnets of its addresses.
//   A route that another port has in the same namespace, by another interface, stays that port's: this one's lacks
//   it, and says so.
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

// What is done about router advertisements and redirects.
enum class RouterAdvertisements { kAsTheyAre, kRefuse, kAccept, kReset };

struct WantedInterface {
    std::string port;  // for the log
    std::string name;  // of the interface
    MacAddress mac;
    bool keeps_mac = true;  // once it was set; else the namespace may change it
    uint32_t mtu = 0;
    RouterAdvertisements advertisements = RouterAdvertisements::kAsTheyAre;
    std::vector<KernelAddress> addresses;
    std::vector<KernelRoute> routes;
};

struct SeenInterface {
    Link link;
    std::vector<KernelAddress> addresses;  // whoever added them
    std::vector<KernelRoute> routes;
    LinkLocal link_local = LinkLocal::kNone;  // how the kernel makes that address
    std::vector<KernelRoute> elsewhere = {};  // those of Sluice's by other interfaces: another port's
};

// What has been changed, a few words each: "address 10.0.0.2/24 was removed".
std::vector<std::string> changes(const WantedInterface& wanted, const SeenInterface& seen);

// When what is broken is repaired, counted in calls of tick(), which come a few times a second. Each repair
// doubles the pause before the next one, up to a limit; a minute in which nothing was broken ends that.
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

// Whether somebody may have set an interface up before: one that was made a moment ago has neither addresses nor
// routes, and needs no look at those of all others in its namespace.
enum class Since { kNow, kBefore };

class KeptInterface {
 public:
    // The next ones are called in the interface's namespace, by one who knows that the index and the name are
    // still the interface's.

    // Makes it what is wanted. An error is about the link; what is wrong with addresses and routes is trouble().
    base::Result<void> set_up(int index, WantedInterface wanted, Since made = Since::kBefore);
    void look();

    // These anywhere.

    // Whether look() has something to do. To be asked a few times a second.
    bool is_due();
    void rename(const std::string& name) { wanted_.name = name; }
    void close() { *this = {}; }
    // Why nothing can come or go by it; empty if it can.
    const std::string& no_link() const noexcept { return no_link_; }
    // What else is wrong, or was until a moment ago; empty: nothing.
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
    // None: the interface is gone.
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
    std::vector<std::string> changes_;       // when inspect() last looked
    std::array<std::string, 3> failures_;    // of the last apply(): IPv4, IPv6, the interface itself
    std::string no_link_;
    std::string told_;  // in the log
    std::string last_repair_;
    uint64_t repairs_ = 0;
};

}  // namespace sluice::port
