#include "port/kept_interface.h"

#include <gtest/gtest.h>

#include "port/ipv6_settings.h"

namespace sluice::port {
namespace {

using Texts = std::vector<std::string>;

const MacAddress kMac = *MacAddress::parse("02:00:00:00:00:0a");

KernelAddress address(std::string_view text, uint8_t length) { return {*IpAddress::parse(text), length}; }
KernelRoute route(std::string_view to, std::string_view via) {
    return {*IpPrefix::parse(to), *IpAddress::parse(via)};
}

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
            .routes = kWanted.routes};
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
              (Texts{"address 10.0.0.2/24 was removed", "the default route was removed",
                     "the default route of IPv6 was removed", "the route to 10.9.0.0/16 was removed"}));
    seen = as_wanted();
    seen.routes[0].via = *IpAddress::parse("10.0.0.66");
    EXPECT_EQ(changes(kWanted, seen), (Texts{"the default route was removed"})) << "it leads elsewhere";
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
