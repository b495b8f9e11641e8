#include "guard/owners.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "support/eal.h"
#include "support/packet.h"

namespace sluice::guard {
namespace {

using path::NetworkId;
using path::PortId;
using test::Packet;

constexpr NetworkId kBlue{0};
constexpr NetworkId kRed{1};
constexpr PortId kPort{3};
constexpr PortId kOther{4};

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

std::optional<Claim> claim_of(const test::Bytes& frame, const std::vector<size_t>& chain = {}) {
    rte_mbuf* m = test::to_mbuf(test::test_pool(), frame, chain);
    const auto claim = find_claim(m);
    rte_pktmbuf_free(m);
    return claim;
}

TEST(Owners, WithoutAnyEverybodyMayUseEverything) {
    EXPECT_TRUE(Owners().empty());
    EXPECT_TRUE(Owners().may_use(kBlue, ip("10.0.0.1"), kPort, false));
}

TEST(Owners, AnAddressIsItsPortsInItsNetwork) {
    const Owners owners({{kBlue, kPort, ip("10.0.0.1")}}, {});
    EXPECT_FALSE(owners.empty());
    EXPECT_TRUE(owners.may_use(kBlue, ip("10.0.0.1"), kPort, false));
    EXPECT_FALSE(owners.may_use(kBlue, ip("10.0.0.1"), kOther, false));
    EXPECT_FALSE(owners.may_use(kBlue, ip("10.0.0.1"), kOther, true)) << "no router's";
    EXPECT_TRUE(owners.may_use(kBlue, ip("10.0.0.2"), kOther, false));
    EXPECT_TRUE(owners.may_use(kRed, ip("10.0.0.1"), kOther, false));
}

TEST(Owners, TheRoutersAddressIsNoPorts) {
    const Owners owners({{kBlue, Owners::kRouter, ip("10.0.0.254")}, {kBlue, kPort, ip("10.0.0.1")}}, {kOther});
    EXPECT_FALSE(owners.may_use(kBlue, ip("10.0.0.254"), kPort, false));
    EXPECT_FALSE(owners.may_use(kBlue, ip("10.0.0.254"), kOther, false)) << "trusted or not";
    EXPECT_TRUE(owners.may_use(kBlue, ip("10.0.0.254"), kOther, true));
    EXPECT_TRUE(owners.may_use(kBlue, ip("10.0.0.1"), kOther, false)) << "trusted";
}

TEST(Owners, WhatTwoPortsHaveIsNobodysAndTheRoutersStays) {
    const Owners owners({{kBlue, kPort, ip("10.0.0.1")},
                         {kBlue, kOther, ip("10.0.0.1")},
                         {kBlue, kPort, ip("10.0.0.2")},
                         {kBlue, kPort, ip("10.0.0.2")},
                         {kBlue, Owners::kRouter, ip("10.0.0.3")},
                         {kBlue, kPort, ip("10.0.0.3")}},
                        {});
    EXPECT_TRUE(owners.may_use(kBlue, ip("10.0.0.1"), PortId{9}, false));
    EXPECT_FALSE(owners.may_use(kBlue, ip("10.0.0.2"), kOther, false)) << "said twice of one port";
    EXPECT_FALSE(owners.may_use(kBlue, ip("10.0.0.3"), kPort, false));
}

TEST(Owners, WhoMayProbe) {
    const Owners owners({{kBlue, Owners::kRouter, ip("10.0.0.254")}, {kBlue, kPort, ip("10.0.0.1")}}, {PortId{9}});
    EXPECT_TRUE(owners.may_probe_for(kBlue, ip("10.0.0.1"), kPort));
    EXPECT_FALSE(owners.may_probe_for(kBlue, ip("10.0.0.1"), kOther));
    EXPECT_TRUE(owners.may_probe_for(kBlue, ip("10.0.0.1"), PortId{9})) << "trusted";
    EXPECT_TRUE(owners.may_probe_for(kBlue, ip("10.0.0.254"), kOther)) << "the router answers";
    EXPECT_TRUE(owners.may_probe_for(kBlue, ip("10.0.0.2"), kOther));
    EXPECT_TRUE(owners.may_probe_for(kRed, ip("10.0.0.1"), kOther));
}

TEST(Owners, ManyAreFoundAsInAMap) {
    std::mt19937 random(7);
    std::map<std::pair<NetworkId, IpAddress>, PortId> naive;
    std::vector<Owners::Entry> entries;
    for (int i = 0; i < 3000; ++i) {
        const NetworkId network{static_cast<uint16_t>(random() % 3)};
        const IpAddress address = IpAddress::from_v4(0x0a00'0000 + random() % 5000);
        const PortId port{static_cast<uint16_t>(random() % path::kMaxPorts)};
        if (naive.try_emplace({network, address}, port).second) entries.push_back({network, port, address});
    }
    const Owners owners(entries, {});
    for (int i = 0; i < 20'000; ++i) {
        const NetworkId network{static_cast<uint16_t>(random() % 3)};
        const IpAddress address = IpAddress::from_v4(0x0a00'0000 + random() % 5000);
        const PortId port{static_cast<uint16_t>(random() % path::kMaxPorts)};
        const auto known = naive.find({network, address});
        EXPECT_EQ(owners.may_use(network, address, port, false), known == naive.end() || known->second == port);
    }
}

TEST(Claims, OfArpTheSender) {
    const test::Bytes frame = Packet().eth().arp_request(test::kMacA, "10.0.0.1", "10.0.0.2");
    const auto claim = claim_of(frame, {14, 5, 9});
    ASSERT_TRUE(claim);
    EXPECT_EQ(claim->address, ip("10.0.0.1"));
    EXPECT_EQ(claim->mac, path::mac_key(*MacAddress::parse(test::kMacA)));
    EXPECT_FALSE(claim_of(test::Bytes(frame.begin(), frame.begin() + 30))) << "it ends early";
    EXPECT_TRUE(claim_of(Packet().eth().vlan(0x2000).arp_request(test::kMacA, "10.0.0.1", "10.0.0.2")));
    EXPECT_FALSE(claim_of(Packet().eth().vlan(7).arp_request(test::kMacA, "10.0.0.1", "10.0.0.2")));
}

TEST(Claims, OfAdvertisementsTheTargetAndOfOtherDiscoveryTheSource) {
    test::Bytes body = test::address_bytes("fd00::9");
    body.insert(body.end(), {2, 1, 2, 0, 0, 0, 0, 0x0b, 1, 1, 2, 0, 0, 0, 0, 0x0c});
    const auto discovery = [&](uint8_t type) {
        return claim_of(Packet().eth().ipv6("fd00::1", "ff02::1").icmp(type, 0, 0).payload(body));
    };
    const auto advertised = discovery(136);
    ASSERT_TRUE(advertised);
    EXPECT_EQ(advertised->address, ip("fd00::9"));
    EXPECT_EQ(advertised->mac, path::mac_key(*MacAddress::parse(test::kMacB)));
    const auto solicited = discovery(135);
    ASSERT_TRUE(solicited);
    EXPECT_EQ(solicited->address, ip("fd00::1"));
    EXPECT_EQ(solicited->mac, path::mac_key(*MacAddress::parse("02:00:00:00:00:0c")));
    for (const uint8_t type : {133, 134, 137}) {
        ASSERT_TRUE(discovery(type)) << int{type};
        EXPECT_EQ(discovery(type)->address, ip("fd00::1"));
    }
    EXPECT_FALSE(discovery(128)) << "a ping";
}

TEST(Claims, NothingElseClaimsAnything) {
    EXPECT_FALSE(claim_of(Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2)));
    EXPECT_FALSE(claim_of(Packet().eth().ipv6("fd00::1", "fd00::2").tcp(1, 2)));
    EXPECT_FALSE(claim_of(Packet().eth().payload(46)));
}

}  // namespace
}  // namespace sluice::guard
