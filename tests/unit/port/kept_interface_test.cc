#include "port/kept_interface.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <libmnl/libmnl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "port/ipv6_settings.h"
#include "support/netns.h"

namespace {
thread_local bool receiving_fails = false;
}

// In place of libmnl's: the kernel refuses an answer only where memory is short.
extern "C" ssize_t mnl_socket_recvfrom(const mnl_socket* socket, void* buffer, size_t size) {
    static const auto original =
        reinterpret_cast<decltype(&mnl_socket_recvfrom)>(dlsym(RTLD_NEXT, "mnl_socket_recvfrom"));
    if (!receiving_fails) return original(socket, buffer, size);
    errno = ENOBUFS;
    return -1;
}

namespace sluice::port {
namespace {

using Texts = std::vector<std::string>;

const MacAddress kMac = *MacAddress::parse("02:00:00:00:00:0a");

KernelAddress address(std::string_view text, uint8_t length) { return {*IpAddress::parse(text), length}; }
KernelRoute route(std::string_view to, std::string_view via) {
    return {*IpPrefix::parse(to), *IpAddress::parse(via)};
}
KernelRoute to_subnet(std::string_view subnet) { return {*IpPrefix::parse(subnet)}; }

const KernelAddress kLinkLocalOfMac = address("fe80::ff:fe00:a", 64);

const WantedInterface kWanted{
    .port = "web",
    .name = "eth0",
    .mac = kMac,
    .mtu = 1500,
    .addresses = {address("10.0.0.2", 24), address("fd00::2", 64)},
    .routes = {route("0.0.0.0/0", "10.0.0.1"), route("::/0", "fd00::1"), route("10.9.0.0/16", "10.0.0.1")}};

SeenInterface as_wanted() {
    return {.link = {.name = "eth0", .mac = kMac, .mtu = 1500, .up = true},
            .addresses = kWanted.addresses,
            .routes = {kWanted.routes[0], kWanted.routes[1], kWanted.routes[2], to_subnet("10.0.0.0/24"),
                       to_subnet("fd00::/64")}};
}

TEST(KeptInterface, AsItIsWantedNothingHasChanged) {
    EXPECT_EQ(changes(kWanted, as_wanted()), Texts{});
    SeenInterface seen = as_wanted();
    seen.addresses.push_back(address("10.0.0.77", 24));
    seen.routes.push_back(route("10.7.0.0/16", "10.0.0.9"));
    EXPECT_EQ(changes(kWanted, seen), Texts{}) << "what others add is theirs";
}

TEST(KeptInterface, WhatHasChangedIsNamed) {
    SeenInterface seen = as_wanted();
    seen.link.up = false;
    seen.link.mtu = 1400;
    seen.link.mac.bytes[5] = 0x0b;
    EXPECT_EQ(changes(kWanted, seen),
              (Texts{"interface eth0 is set down in its namespace", "its MTU was set to 1400",
                     "its MAC address was set to 02:00:00:00:00:0b"}));
    WantedInterface loose = kWanted;
    loose.keeps_mac = false;
    seen = as_wanted();
    seen.link.mac.bytes[5] = 0x0b;
    EXPECT_EQ(changes(loose, seen), Texts{});
}

TEST(KeptInterface, WhatWasRemovedIsNamed) {
    SeenInterface seen = as_wanted();
    seen.addresses = {address("10.0.0.2", 16), kWanted.addresses[1]};
    seen.routes.clear();
    EXPECT_EQ(changes(kWanted, seen),
              (Texts{"address 10.0.0.2/24 was removed", "the route to fd00::/64 was removed",
                     "the default route was removed", "the default route of IPv6 was removed",
                     "the route to 10.9.0.0/16 was removed"}));
    seen = as_wanted();
    seen.routes[0].via = *IpAddress::parse("10.0.0.66");
    EXPECT_EQ(changes(kWanted, seen), (Texts{"the default route was removed"})) << "it leads elsewhere";
    seen.routes[0] = {*IpPrefix::parse("0.0.0.0/0"), {}, true};
    EXPECT_EQ(changes(kWanted, seen), (Texts{"the default route was given several next hops"}));
}

// There the kernel has the routes to subnets in the VRF's own table.
TEST(KeptInterface, InAVrfNoRouteToASubnetIsMissed) {
    SeenInterface seen = as_wanted();
    seen.routes.resize(kWanted.routes.size());
    EXPECT_EQ(changes(kWanted, seen),
              (Texts{"the route to 10.0.0.0/24 was removed", "the route to fd00::/64 was removed"}));
    seen.link.is_in_vrf = true;
    EXPECT_EQ(changes(kWanted, seen), Texts{});
    seen.routes.erase(seen.routes.begin());
    EXPECT_EQ(changes(kWanted, seen), (Texts{"the default route was removed"})) << "it is the port's own";
}

TEST(KeptInterface, AMissingLinkLocalAddressIsNamedWhereTheKernelMakesOne) {
    const Texts missing{"the IPv6 link-local address was removed"};
    SeenInterface seen = as_wanted();
    seen.link.is_running = true;
    EXPECT_EQ(changes(kWanted, seen), Texts{});
    for (const LinkLocal how : {LinkLocal::kOfMac, LinkLocal::kOfSecret, LinkLocal::kRandom}) {
        seen.link_local = how;
        EXPECT_EQ(changes(kWanted, seen), missing);
    }
    seen.link.is_running = false;
    EXPECT_EQ(changes(kWanted, seen), Texts{}) << "it comes with the carrier";

    seen.link.is_running = true;
    seen.routes.push_back(to_subnet("fe80::/64"));
    seen.addresses.push_back(address("fe80::77", 64));
    EXPECT_EQ(changes(kWanted, seen), Texts{});
    seen.link_local = LinkLocal::kOfMac;
    EXPECT_EQ(changes(kWanted, seen), missing) << "the guard takes that of the MAC address only";
    WantedInterface loose = kWanted;
    loose.keeps_mac = false;
    EXPECT_EQ(changes(loose, seen), Texts{});
    seen.addresses.back() = kLinkLocalOfMac;
    EXPECT_EQ(changes(kWanted, seen), Texts{});
    seen.routes.pop_back();
    EXPECT_EQ(changes(kWanted, seen), (Texts{"the route to fe80::/64 was removed"}));
}

TEST(KeptInterface, AMissingRouteToASubnetIsNamedOnce) {
    WantedInterface wanted = kWanted;
    wanted.addresses.push_back(address("10.0.0.3", 24));
    wanted.addresses.push_back(address("10.5.0.1", 32));
    SeenInterface seen = as_wanted();
    seen.addresses = wanted.addresses;
    EXPECT_EQ(changes(wanted, seen), Texts{});
    seen.routes = wanted.routes;
    EXPECT_EQ(changes(wanted, seen),
              (Texts{"the route to 10.0.0.0/24 was removed", "the route to fd00::/64 was removed"}));
    wanted.routes.push_back(route("10.0.0.0/24", "10.0.0.1"));
    seen.routes = wanted.routes;
    EXPECT_EQ(changes(wanted, seen), (Texts{"the route to fd00::/64 was removed"})) << "it is declared otherwise";
}

// An interface of the kernel's, in a namespace of its own.
class KeptInterfaceTest : public testing::Test {
 protected:
    void SetUp() override {
        if (!netns_.is_there()) GTEST_SKIP() << "needs root";
        ASSERT_TRUE(netns_.shell("ip link add eth0 type veth peer name peer && ip link set peer up"));
        netns_.run([&] {
            index_ = static_cast<int>(if_nametoindex("eth0"));
            const auto done = kept_.set_up(index_, kWanted);
            ASSERT_TRUE(done) << done.error().message;
            ASSERT_EQ(kept_.trouble(), "");
            while (kept_.is_due()) kept_.look();  // what set_up() itself has done
        });
    }
    void TearDown() override { kept_.close(); }

    SeenInterface seen() {
        SeenInterface seen;
        netns_.run([&] {
            auto netlink = Netlink::open();
            seen = {netlink->find_link(index_)->value(), *netlink->addresses(index_, Whose::kAll),
                    *netlink->routes(index_, Whose::kAll), link_local_of("eth0")};
        });
        return seen;
    }
    void expect_repaired(const std::string& command, const std::string& what) {
        SCOPED_TRACE(command);
        const uint64_t before = kept_.repairs();
        ASSERT_TRUE(netns_.shell(command));
        EXPECT_NE(changes(kWanted, seen()), Texts{});
        // By the first attempt: the next one comes later.
        netns_.run([&] {
            for (int i = 0; i < pause_ + 1; ++i) {
                if (kept_.is_due()) kept_.look();
            }
        });
        pause_ *= 2;
        EXPECT_EQ(kept_.repairs(), before + 1);
        EXPECT_EQ(kept_.last_repair(), what + ": repaired");
        EXPECT_EQ(changes(kWanted, seen()), Texts{});
    }

    test::Netns netns_;
    int index_ = 0;
    int pause_ = RepairPace::kFirstPause;
    KeptInterface kept_;
};

TEST_F(KeptInterfaceTest, FlagsThatAreTurnedOffAreTurnedOn) {
    expect_repaired("ip link set eth0 arp off", "its ARP was turned off");
    expect_repaired("ip link set eth0 multicast off", "its multicast was turned off");
    expect_repaired("ip link set eth0 arp off multicast off",
                    "its ARP was turned off, its multicast was turned off");
}

// Another station has answered for it (RFC 4862, 5.4.3), and goes on doing so.
TEST_F(KeptInterfaceTest, AnAddressThatDuplicateAddressDetectionTookAwayIsRestored) {
    const std::string wait = " && for i in $(seq 200); do ip -6 address show dev eth0 dadfailed | "
                             "grep -q inet6 && exit 0; sleep 0.05; done; exit 1";
    const std::string other =
        "ip address add fe80::ff:fe00:a/64 dev peer nodad && ip address add fd00::2/64 dev peer nodad && ";
    const std::string link_local = "ip address replace fe80::ff:fe00:a/64 dev eth0";
    expect_repaired(other + "ip address delete fe80::ff:fe00:a/64 dev eth0 && " + link_local + wait,
                    "address fe80::ff:fe00:a was given up, as another station claimed it");
    EXPECT_TRUE(netns_.shell("ip -6 address show dev eth0 | grep -A1 fe80::ff:fe00:a && "
                             "! ip -6 address show dev eth0 tentative | grep inet6"));
    expect_repaired("ip address delete fd00::2/64 dev eth0 && ip address add fd00::2/64 dev eth0" + wait,
                    "address fd00::2 was given up, as another station claimed it");
    // One that was removed comes back without asking, too.
    expect_repaired("ip address delete fe80::ff:fe00:a/64 dev eth0", "the IPv6 link-local address was removed");
    EXPECT_TRUE(netns_.shell("! ip -6 address show dev eth0 tentative | grep inet6"));
}

TEST_F(KeptInterfaceTest, ARouteOfAnotherPortsInTheSameNamespaceStaysThere) {
    ASSERT_TRUE(netns_.shell("ip link add eth1 type veth peer name peer1 && ip link set peer1 up"));
    WantedInterface wanted = kWanted;
    wanted.port = "other";
    wanted.name = "eth1";
    wanted.mac = *MacAddress::parse("02:00:00:00:00:0c");
    wanted.addresses = {address("10.0.1.2", 24)};
    wanted.routes = {route("0.0.0.0/0", "10.0.1.1"), route("10.8.0.0/16", "10.0.1.1")};
    KeptInterface other;
    netns_.run([&] {
        ASSERT_TRUE(other.set_up(static_cast<int>(if_nametoindex("eth1")), wanted));
        for (int i = 0; i < 2 * RepairPace::kLongestPause; ++i) {
            for (KeptInterface* kept : {&kept_, &other}) {
                if (kept->is_due()) kept->look();
            }
        }
    });
    EXPECT_EQ(other.trouble(), "the default route is another port's of this namespace");
    EXPECT_EQ(kept_.trouble(), "");
    EXPECT_EQ(kept_.repairs(), 0u);
    EXPECT_EQ(changes(kWanted, seen()), Texts{});
    EXPECT_TRUE(netns_.shell("ip route show dev eth1 | grep -q 10.8.0.0/16"));
    // With another metric each has its own.
    wanted.routes[0].metric = 1;
    netns_.run([&] {
        ASSERT_TRUE(other.set_up(static_cast<int>(if_nametoindex("eth1")), wanted));
        while (kept_.is_due()) kept_.look();
    });
    EXPECT_EQ(other.trouble(), "");
    EXPECT_EQ(changes(kWanted, seen()), Texts{});
    EXPECT_TRUE(netns_.shell("ip route show default dev eth1 | grep -q 'metric 1'"));
    netns_.run([&] { other.close(); });
}

TEST_F(KeptInterfaceTest, AnAddressOfAnotherLengthIsReplaced) {
    expect_repaired("ip address delete fd00::2/64 dev eth0 && ip address add fd00::2/48 dev eth0",
                    "address fd00::2/64 was removed");
    expect_repaired("ip address delete 10.0.0.2/24 dev eth0 && ip address add 10.0.0.2/16 dev eth0 && "
                    "ip route add default via 10.0.0.1 && ip route add 10.9.0.0/16 via 10.0.0.1",
                    "address 10.0.0.2/24 was removed");
}

TEST_F(KeptInterfaceTest, OneThatWasMadeAMomentAgoGetsAllThatIsWanted) {
    kept_.close();
    ASSERT_TRUE(netns_.shell("ip link delete eth0 && ip link add eth0 type veth peer name peer && "
                             "ip link set peer up"));
    netns_.run([&] {
        index_ = static_cast<int>(if_nametoindex("eth0"));
        ASSERT_TRUE(kept_.set_up(index_, kWanted, Since::kNow));
        EXPECT_EQ(kept_.trouble(), "");
        while (kept_.is_due()) kept_.look();
    });
    EXPECT_EQ(changes(kWanted, seen()), Texts{});
    EXPECT_EQ(kept_.repairs(), 0u);
}

TEST_F(KeptInterfaceTest, OurOwnAddressTakesAnotherLength) {
    WantedInterface wanted = kWanted;
    wanted.addresses[1].length = 48;
    netns_.run([&] { ASSERT_TRUE(kept_.set_up(index_, wanted)); });
    EXPECT_EQ(kept_.trouble(), "");
    EXPECT_EQ(changes(wanted, seen()), Texts{});
}

TEST_F(KeptInterfaceTest, AMultipathRouteIsReplaced) {
    expect_repaired("ip route replace default nexthop via 10.0.0.1 dev eth0 nexthop via 10.0.0.66 dev eth0",
                    "the default route was given several next hops");
    expect_repaired("ip -6 route append default via fd00::66 dev eth0",
                    "the default route of IPv6 was given several next hops");
    const std::vector<KernelRoute> routes = seen().routes;
    const auto is_default = [](const KernelRoute& route) { return route.to.length == 0; };
    EXPECT_EQ(std::count_if(routes.begin(), routes.end(), is_default), 2);
}

TEST_F(KeptInterfaceTest, WhatTheKernelHasAddedIsRestored) {
    const auto has_link_local = [&] {
        const auto all = seen().addresses;
        return std::find(all.begin(), all.end(), kLinkLocalOfMac) != all.end();
    };
    ASSERT_TRUE(has_link_local());
    expect_repaired("ip address delete fe80::ff:fe00:a/64 dev eth0", "the IPv6 link-local address was removed");
    EXPECT_TRUE(has_link_local());
    expect_repaired("ip -6 address flush dev eth0",
                    "address fd00::2/64 was removed, the IPv6 link-local address was removed");
    EXPECT_TRUE(has_link_local());
    expect_repaired("ip -6 route delete fe80::/64 dev eth0", "the route to fe80::/64 was removed");
    expect_repaired("ip -4 route flush dev eth0",
                    "the route to 10.0.0.0/24 was removed, the default route was removed, "
                    "the route to 10.9.0.0/16 was removed");
}

TEST_F(KeptInterfaceTest, RoutesOfOtherInterfacesToTheSameSubnetStay) {
    ASSERT_TRUE(netns_.shell("ip address add 10.0.0.99/24 dev peer && ip address add fd00::99/64 dev peer"));
    expect_repaired("ip -4 route flush dev eth0 && ip -6 route flush dev eth0",
                    "the route to 10.0.0.0/24 was removed, the route to fd00::/64 was removed, "
                    "the route to fe80::/64 was removed, the default route was removed, "
                    "the default route of IPv6 was removed, the route to 10.9.0.0/16 was removed");
    for (const char* show : {"-4 route show 10.0.0.0/24", "-6 route show fd00::/64", "-6 route show fe80::/64"}) {
        EXPECT_TRUE(netns_.shell(std::string("test -n \"$(ip ") + show + " dev peer)\"")) << show;
    }
}

TEST_F(KeptInterfaceTest, ALinkLocalAddressOfAnotherKindIsRestored) {
    ASSERT_TRUE(netns_.shell("sysctl -qw net.ipv6.conf.eth0.addr_gen_mode=3 && "
                             "ip address delete fe80::ff:fe00:a/64 dev eth0"));
    const auto link_local = [&] {
        for (const KernelAddress& address : seen().addresses) {
            if (address.address.bytes[0] == 0xfe) return address.address.text();
        }
        return std::string();
    };
    const std::string before = link_local();
    ASSERT_NE(before, "");
    netns_.run([&] {
        while (kept_.is_due()) kept_.look();
    });
    EXPECT_EQ(kept_.trouble(), "");
    expect_repaired("ip address delete " + before + "/64 dev eth0", "the IPv6 link-local address was removed");
    EXPECT_EQ(link_local(), before);
}

// Without a secret the kernel refuses that mode; without any, the interface would count as one that wants no address.
TEST_F(KeptInterfaceTest, WhereAModeIsRefusedTheLinkLocalAddressIsMadeOfTheMac) {
    netns_.run([&] {
        EXPECT_FALSE(make_link_local("eth0", LinkLocal::kOfSecret));
        EXPECT_EQ(link_local_of("eth0"), LinkLocal::kOfMac);
    });
    const auto all = seen().addresses;
    EXPECT_NE(std::find(all.begin(), all.end(), kLinkLocalOfMac), all.end());
}

TEST_F(KeptInterfaceTest, WhereTheKernelMakesNoLinkLocalAddressNoneIsMissed) {
    ASSERT_TRUE(netns_.shell("sysctl -qw net.ipv6.conf.eth0.addr_gen_mode=1 && "
                             "ip address delete fe80::ff:fe00:a/64 dev eth0"));
    netns_.run([&] {
        ASSERT_TRUE(kept_.is_due());
        kept_.look();
    });
    EXPECT_EQ(kept_.trouble(), "");
}

TEST_F(KeptInterfaceTest, AnotherMacAddressBringsAnotherLinkLocalAddress) {
    WantedInterface wanted = kWanted;
    wanted.mac = *MacAddress::parse("02:00:00:00:00:0b");
    netns_.run([&] { ASSERT_TRUE(kept_.set_up(index_, wanted)); });
    EXPECT_EQ(changes(wanted, seen()), Texts{});
    const auto all = seen().addresses;
    EXPECT_EQ(std::find(all.begin(), all.end(), kLinkLocalOfMac), all.end());
}

TEST_F(KeptInterfaceTest, NewsThatCouldNotBeReadIsReadLater) {
    ASSERT_TRUE(netns_.shell("ip link set eth0 mtu 1400"));
    netns_.run([&] {
        ASSERT_TRUE(kept_.is_due());
        receiving_fails = true;
        kept_.look();
        receiving_fails = false;
        EXPECT_EQ(kept_.trouble(), "");
        EXPECT_TRUE(kept_.is_due());
        kept_.look();
        EXPECT_EQ(kept_.trouble(), "its MTU was set to 1400");
    });
}

TEST_F(KeptInterfaceTest, ARepairThatFailsIsToldOnce) {
    ASSERT_TRUE(netns_.shell("ip link set eth0 mtu 1400"));
    testing::internal::CaptureStderr();
    netns_.run([&] {
        // Of this thread.
        __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
        std::array<__user_cap_data_struct, 2> all{};
        ASSERT_EQ(syscall(SYS_capget, &header, all.data()), 0);
        auto less = all;
        less[0].effective &= ~(1U << CAP_NET_ADMIN);
        ASSERT_EQ(syscall(SYS_capset, &header, less.data()), 0);
        for (int i = 0; i < 3 * RepairPace::kLongestPause; ++i) {
            if (kept_.is_due()) kept_.look();
        }
        EXPECT_EQ(kept_.trouble(), "cannot set up the interface: Operation not permitted");
        ASSERT_EQ(syscall(SYS_capset, &header, all.data()), 0);
    });
    const std::string log = testing::internal::GetCapturedStderr();
    const size_t first = log.find("Operation not permitted");
    EXPECT_NE(first, std::string::npos) << log;
    EXPECT_EQ(log.find("Operation not permitted", first + 1), std::string::npos) << log;
    netns_.run([&] {
        for (int i = 0; i < 2 * RepairPace::kLongestPause; ++i) {
            if (kept_.is_due()) kept_.look();
        }
    });
    EXPECT_EQ(kept_.last_repair(), "its MTU was set to 1400: repaired");
    EXPECT_EQ(changes(kWanted, seen()), Texts{});
}

// The calls of tick() until a repair, of something that is broken in each.
int ticks_until_repair(RepairPace& pace) {
    int ticks = 1;
    while (!pace.tick(true)) ++ticks;
    return ticks;
}

TEST(RepairPace, RepairsSoonAndThenMoreAndMoreSlowly) {
    RepairPace pace;
    EXPECT_FALSE(pace.tick(false));
    for (const int expected : {2, 4, 8, 16, 32, 64, 64, 64}) EXPECT_EQ(ticks_until_repair(pace), expected);
}

TEST(RepairPace, WhatIsWellForAMomentDoesNotMakeItFaster) {
    RepairPace pace;
    EXPECT_TRUE(pace.is_calm());
    EXPECT_EQ(ticks_until_repair(pace), 2);
    for (int i = 0; i < RepairPace::kCalm - 1; ++i) EXPECT_FALSE(pace.tick(false));
    EXPECT_FALSE(pace.is_calm());
    EXPECT_EQ(ticks_until_repair(pace), 4);
    for (int i = 0; i < RepairPace::kCalm; ++i) EXPECT_FALSE(pace.tick(false));
    EXPECT_TRUE(pace.is_calm());
    EXPECT_EQ(ticks_until_repair(pace), 2);
}

TEST(RepairPace, WhatIsMendedBeforeItsTimeIsLeftAlone) {
    RepairPace pace;
    EXPECT_FALSE(pace.tick(true));
    EXPECT_FALSE(pace.tick(false));
    EXPECT_FALSE(pace.tick(true)) << "it waits anew";
    EXPECT_TRUE(pace.tick(true));
}

TEST(Ipv6Settings, AnInterfaceThatIsNotThereHasNothingToSet) {
    EXPECT_TRUE(refuse_router_advertisements("no-such-one"));
    EXPECT_TRUE(accept_router_advertisements("no-such-one"));
    EXPECT_EQ(why_no_ipv6("no-such-one"), "its kernel has no IPv6, or the MTU is below 1280");
}

}  // namespace
}  // namespace sluice::port
