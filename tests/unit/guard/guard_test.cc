#include "guard/guard.h"

#include <gtest/gtest.h>

#include <random>

#include "path/parse.h"
#include "support/eal.h"
#include "support/packet.h"

namespace sluice::guard {
namespace {

using path::Drop;
using test::Bytes;
using test::kMacA;
using test::kMacB;
using test::Packet;

constexpr Drop kFine = Drop::kCount;
constexpr std::string_view kBroadcast = "ff:ff:ff:ff:ff:ff";
// fe80:: and what RFC 4291 makes of 02:00:00:00:00:0a
constexpr std::string_view kLinkLocal = "fe80::ff:fe00:a";

class GuardTest : public testing::Test {
 protected:
    GuardTest() {
        guard_.mac = path::mac_key(*MacAddress::parse(kMacA));
        guard_.check_addresses = true;
        guard_.addresses = {*IpAddress::parse("10.0.0.1"), *IpAddress::parse("fd00::1")};
    }

    Drop judge(const Bytes& frame, const std::vector<size_t>& chain = {}) const {
        rte_mbuf* m = test::to_mbuf(test::test_pool(), frame, chain);
        path::Meta meta{};
        path::Parse::admit(meta, m, 0);
        const Drop reason = guard_.judge(meta, m);
        Guard guard = guard_;
        guard.set_usual();
        has_passed_shortly_ = Shortcut::passes(meta, m, guard.usual);
        EXPECT_TRUE(!has_passed_shortly_ || reason == kFine) << "the shortcut lets pass what the guard drops";
        rte_pktmbuf_free(m);
        return reason;
    }

    bool passes_shortly(const Bytes& frame) const {
        EXPECT_EQ(judge(frame), kFine);
        return has_passed_shortly_;
    }

    Guard guard_;
    mutable bool has_passed_shortly_ = false;
};

TEST_F(GuardTest, TheUsualPacketPassesByTheShortcut) {
    EXPECT_TRUE(passes_shortly(Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2)));
    EXPECT_TRUE(passes_shortly(Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2)));
    EXPECT_TRUE(passes_shortly(Packet().eth().ipv6("fd00::1", "fd00::2").udp(1, 2)));
    EXPECT_TRUE(passes_shortly(Packet().eth().ipv6("fd00::1", "fd00::2").tcp(1, 2)));
    guard_.addresses.clear();
    EXPECT_EQ(judge(Packet().eth().ipv4("0.0.0.0", "10.0.0.2").udp(1, 2)), Drop::kSpoofedAddress);
    EXPECT_EQ(judge(Packet().eth().ipv6("::", "fd00::2").udp(1, 2)), Drop::kSpoofedAddress);
    guard_.check_addresses = false;
    EXPECT_TRUE(passes_shortly(Packet().eth().ipv4("10.0.0.9", "10.0.0.2").udp(1, 2)));
    EXPECT_TRUE(passes_shortly(Packet().eth().ipv6("fd00::9", "fd00::2").udp(1, 2)));
}

// Bytes of a right packet changed at random: what the shortcut lets pass the guard lets pass too.
TEST_F(GuardTest, TheShortcutLetsNothingPassThatTheGuardDrops) {
    std::mt19937 dice(11);
    guard_.addresses.push_back(*IpAddress::parse("0.0.0.0"));
    const Bytes frames[]{Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 68).payload(20),
                         Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).payload(20),
                         Packet().eth().ipv6("fd00::1", "fd00::2").udp(1, 546).payload(20),
                         Packet().eth().ipv6("fd00::1", "fd00::2").tcp(1, 2).payload(20)};
    for (int i = 0; i < 20'000; ++i) {
        Bytes frame = frames[dice() % std::size(frames)];
        for (unsigned changes = dice() % 4; changes > 0; --changes) {
            frame[dice() % frame.size()] ^= static_cast<uint8_t>(1u << dice() % 8);
        }
        frame.resize(std::max<size_t>(path::kEthernetHeader, frame.size() - (dice() % 8 == 0 ? dice() % 60 : 0)));
        (void)judge(frame);
    }
}

// A neighbor solicitation (135) or advertisement (136) with one link-layer option.
Bytes neighbor(std::string_view source, uint8_t type, std::string_view target, std::string_view mac,
               std::string_view from = kMacA) {
    Bytes body{type, 0, 0, 0, 0, 0, 0, 0};
    const Bytes address = test::address_bytes(target);
    body.insert(body.end(), address.begin(), address.end());
    if (!mac.empty()) {
        const Bytes bytes = test::mac_bytes(mac);
        body.insert(body.end(), {static_cast<uint8_t>(type == 135 ? 1 : 2), 1});
        body.insert(body.end(), bytes.begin(), bytes.end());
    }
    return Packet().eth(from, "33:33:00:00:00:01").ipv6(source, "ff02::1", 58).payload(body);
}

TEST_F(GuardTest, AGuestMayChooseItsLinkLocalAddress) {
    const Bytes solicits = Packet().eth().ipv6("fe80::1234", "ff02::1:2").udp(546, 547);
    const Bytes probes = neighbor("::", 135, "fe80::1234", "");
    EXPECT_EQ(judge(solicits), Drop::kSpoofedAddress);
    EXPECT_EQ(judge(probes), Drop::kSpoofedNeighbor);
    guard_.allows_link_local = true;
    EXPECT_EQ(judge(solicits), kFine);
    EXPECT_EQ(judge(probes), kFine);
    EXPECT_EQ(judge(Packet().eth().ipv6("fd00::1234", "ff02::1:2").udp(546, 547)), Drop::kSpoofedAddress);
    EXPECT_EQ(judge(Packet().eth().ipv4("169.254.0.1", "10.0.0.2").udp(1, 2)), Drop::kSpoofedAddress);
}

TEST_F(GuardTest, ItsOwnAddressesPass) {
    EXPECT_EQ(judge(Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2)), kFine);
    EXPECT_EQ(judge(Packet().eth().ipv6("fd00::1", "fd00::2").udp(1, 2)), kFine);
    EXPECT_EQ(judge(Packet().eth().ipv6(kLinkLocal, "ff02::2").udp(1, 2)), kFine);
    EXPECT_EQ(judge(Packet().eth().payload(40)), kFine) << "neither IP nor ARP";
}

TEST_F(GuardTest, AnothersMac) {
    EXPECT_EQ(judge(Packet().eth(kMacB, kMacA).ipv4("10.0.0.1", "10.0.0.2")), Drop::kSpoofedMac);
    guard_.mac = 0;
    EXPECT_EQ(judge(Packet().eth(kMacB, kMacA).ipv4("10.0.0.1", "10.0.0.2")), kFine);
}

TEST_F(GuardTest, AnothersAddress) {
    EXPECT_EQ(judge(Packet().eth().ipv4("10.0.0.9", "10.0.0.2").tcp(1, 2)), Drop::kSpoofedAddress);
    EXPECT_EQ(judge(Packet().eth().ipv6("fd00::9", "fd00::2").tcp(1, 2)), Drop::kSpoofedAddress);
    EXPECT_EQ(judge(Packet().eth().ipv6("fe80::1", "fd00::2").tcp(1, 2)), Drop::kSpoofedAddress);
    EXPECT_EQ(judge(Packet().eth().ipv6("fd00::9", "fd00::2").icmp_echo(1, 1)), Drop::kSpoofedAddress);
    EXPECT_EQ(judge(Packet().eth().ipv6("::", "fd00::2").tcp(1, 2)), Drop::kSpoofedAddress);
}

TEST_F(GuardTest, TagsHideNothing) {
    EXPECT_EQ(judge(Packet().eth().vlan(5).ipv4("10.0.0.1", "10.0.0.2")), kFine);
    EXPECT_EQ(judge(Packet().eth().vlan(5).ipv4("10.0.0.9", "10.0.0.2")), Drop::kSpoofedAddress);
    EXPECT_EQ(judge(Packet().eth().vlan(5, 0x88a8).vlan(6).ipv4("10.0.0.9", "10.0.0.2")),
              Drop::kSpoofedAddress);
    EXPECT_EQ(judge(Packet().eth().vlan(1).vlan(2).vlan(3).payload(40)), Drop::kRogueRa);
    guard_.serves_dhcp = guard_.serves_ra = true;
    EXPECT_EQ(judge(Packet().eth().vlan(1).vlan(2).vlan(3).payload(40)), Drop::kMalformedIp);
}

TEST_F(GuardTest, HeadersOverSegmentsAndFramesThatEndEarly) {
    const Bytes spoofed = Packet().eth().ipv4("10.0.0.9", "10.0.0.2").tcp(1, 2);
    EXPECT_EQ(judge(spoofed, {14, 7, 8}), Drop::kSpoofedAddress);
    const Bytes arp = Packet().eth().arp_request(kMacA, "10.0.0.1", "10.0.0.2");
    EXPECT_EQ(judge(arp, {14, 9, 3}), kFine);
    EXPECT_EQ(judge(Bytes(arp.begin(), arp.begin() + 30)), Drop::kMalformedNeighbor);
    EXPECT_EQ(judge(Bytes(spoofed.begin(), spoofed.begin() + 20)), Drop::kMalformedIp);
    const Bytes ipv6 = Packet().eth().ipv6("fd00::1", "fd00::2").tcp(1, 2);
    EXPECT_EQ(judge(Bytes(ipv6.begin(), ipv6.begin() + 40)), Drop::kMalformedIp);
    const Bytes solicitation = neighbor("fd00::1", 135, "fd00::2", kMacA);
    EXPECT_EQ(judge(Bytes(solicitation.begin(), solicitation.begin() + 70)), Drop::kMalformedNeighbor);
}

TEST_F(GuardTest, Arp) {
    EXPECT_EQ(judge(Packet().eth(kMacA, kBroadcast).arp_request(kMacA, "10.0.0.1", "10.0.0.2")), kFine);
    EXPECT_EQ(judge(Packet().eth(kMacA, kBroadcast).arp_request(kMacA, "0.0.0.0", "10.0.0.1")), kFine)
        << "a probe";
    EXPECT_EQ(judge(Packet().eth(kMacA, kBroadcast).arp_request(kMacA, "10.0.0.2", "10.0.0.2")),
              Drop::kSpoofedNeighbor);
    EXPECT_EQ(judge(Packet().eth().arp_reply(kMacB, "10.0.0.1", kMacB, "10.0.0.2")),
              Drop::kSpoofedNeighbor);
}

TEST_F(GuardTest, ArpOfAnotherKindIsMalformed) {
    const Bytes good = Packet().eth(kMacA, kBroadcast).arp_request(kMacA, "10.0.0.1", "10.0.0.2");
    for (const size_t at : {14, 15, 16, 17, 18, 19}) {  // hardware type, protocol type, their sizes
        Bytes frame = good;
        frame[at] ^= 0x11;
        EXPECT_EQ(judge(frame), Drop::kMalformedNeighbor) << at;
    }
}

TEST_F(GuardTest, RarpIsHeldToTheSame) {
    const auto rarp = [](std::string_view sender_mac) {
        Bytes frame = Packet().eth(kMacA, kBroadcast).arp_request(sender_mac, "0.0.0.0", "0.0.0.0");
        frame[12] = 0x80;
        frame[13] = 0x35;
        frame[21] = 3;
        return frame;
    };
    EXPECT_EQ(judge(rarp(kMacA)), kFine);
    EXPECT_EQ(judge(rarp(kMacB)), Drop::kSpoofedNeighbor);
}

TEST_F(GuardTest, AnIpHeaderThatIsNoneIsMalformed) {
    const Bytes udp = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(20);
    const auto changed = [](Bytes frame, size_t at, uint8_t value) {
        frame[at] = value;
        return frame;
    };
    EXPECT_EQ(judge(changed(udp, 17, 10)), Drop::kMalformedIp) << "total length";
    EXPECT_EQ(judge(changed(udp, 14, 0x44)), Drop::kMalformedIp) << "header length";
    EXPECT_EQ(judge(Bytes(udp.begin(), udp.begin() + 36)), Drop::kMalformedIp) << "cut short";
    Bytes ipv6 = Packet().eth().ipv6("fd00::1", "fd00::2").udp(1, 2).payload(20);
    EXPECT_EQ(judge(changed(ipv6, 14, 0x45)), Drop::kMalformedIp) << "version";
    ipv6[12] = 0x08;
    ipv6[13] = 0x00;
    EXPECT_EQ(judge(ipv6), Drop::kMalformedIp) << "of the other EtherType";
}

TEST_F(GuardTest, NeighborDiscovery) {
    EXPECT_EQ(judge(neighbor("fd00::1", 135, "fd00::2", kMacA)), kFine);
    EXPECT_EQ(judge(neighbor("fd00::1", 135, "fd00::2", kMacB)), Drop::kSpoofedNeighbor);
    EXPECT_EQ(judge(neighbor("fd00::1", 136, "fd00::1", kMacA)), kFine);
    EXPECT_EQ(judge(neighbor(kLinkLocal, 136, kLinkLocal, kMacA)), kFine);
    EXPECT_EQ(judge(neighbor("fd00::1", 136, "fd00::2", kMacA)), Drop::kSpoofedNeighbor);
    EXPECT_EQ(judge(neighbor("fd00::1", 136, "fd00::1", kMacB)), Drop::kSpoofedNeighbor);
    EXPECT_EQ(judge(neighbor("::", 135, "fd00::1", "")), kFine) << "duplicate address detection";
    EXPECT_EQ(judge(neighbor("::", 135, "fd00::2", "")), Drop::kSpoofedNeighbor);
    EXPECT_EQ(judge(neighbor("fd00::2", 136, "fd00::1", kMacA)), Drop::kSpoofedAddress);
    // Joins of groups, before there is an address, behind a hop-by-hop header.
    EXPECT_EQ(judge(Packet().eth().ipv6("::", "ff02::16").extension(0, 8).payload(Bytes{58, 0})),
              Drop::kSpoofedAddress);
}

TEST_F(GuardTest, OptionsWithoutASizeEndTheSearch) {
    Bytes frame = neighbor("fd00::1", 136, "fd00::1", kMacA);
    frame[frame.size() - 7] = 0;
    EXPECT_EQ(judge(frame), Drop::kMalformedNeighbor);
}

TEST_F(GuardTest, DhcpAndRouterAdvertisements) {
    const Packet request = Packet().eth(kMacA, kBroadcast).ipv4("0.0.0.0", "255.255.255.255").udp(68, 67);
    EXPECT_EQ(judge(request), kFine);
    EXPECT_EQ(judge(Packet().eth().ipv4("0.0.0.0", "10.0.0.2").udp(68, 53)), Drop::kSpoofedAddress);
    EXPECT_EQ(judge(Packet().eth().ipv4("0.0.0.0", "10.0.0.2").udp(68, 67)), Drop::kSpoofedAddress)
        << "a client that has no address knows no server";
    const Packet answer = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(67, 68);
    const Packet answer6 = Packet().eth().ipv6("fd00::1", "fd00::2").udp(547, 546);
    const Packet extended = Packet().eth().ipv6("fd00::1", "fd00::2").extension(60, 16).udp(547, 546);
    const Bytes router = Packet().eth().ipv6(kLinkLocal, "ff02::1", 58).payload(Bytes{134, 0, 0, 0, 0, 0, 0, 0});
    EXPECT_EQ(judge(answer), Drop::kRogueDhcp);
    EXPECT_EQ(judge(Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1067, 68)), Drop::kRogueDhcp);
    EXPECT_EQ(judge(Packet().eth().ipv6("fd00::1", "fd00::2").udp(1547, 546)), Drop::kRogueDhcp);
    EXPECT_EQ(judge(answer6), Drop::kRogueDhcp);
    EXPECT_EQ(judge(extended), Drop::kRogueDhcp);
    EXPECT_EQ(judge(router), Drop::kRogueRa);
    guard_.serves_dhcp = true;
    EXPECT_EQ(judge(answer), kFine);
    EXPECT_EQ(judge(answer6), kFine);
    EXPECT_EQ(judge(router), Drop::kRogueRa);
    guard_.serves_ra = true;
    EXPECT_EQ(judge(router), kFine);
}

TEST_F(GuardTest, NothingHidesBehindExtensionsOrFragments) {
    Packet five = Packet().eth().ipv6("fd00::1", "ff02::1");
    for (int i = 0; i < 5; ++i) five.extension(60, 8);
    five.payload(Bytes{134, 0, 0, 0, 0, 0, 0, 0});
    EXPECT_EQ(judge(five), Drop::kRogueRa);
    Packet foreign = Packet().eth().ipv6("fd00::9", "ff02::1");
    for (int i = 0; i < 5; ++i) foreign.extension(60, 8);
    EXPECT_EQ(judge(foreign), Drop::kSpoofedAddress);
    const Bytes cut = Packet().eth().ipv6("fd00::1", "ff02::1").extension(60, 8).payload(Bytes{});
    EXPECT_EQ(judge(cut), kFine) << "253 is nothing that is looked into";
    const Bytes runt = Packet().eth().ipv6("fd00::1", "ff02::1", 58).payload(Bytes{134, 0, 0});
    EXPECT_EQ(judge(runt), Drop::kRogueRa);
    guard_.serves_ra = true;
    EXPECT_EQ(judge(five), Drop::kRogueDhcp);
    guard_.serves_dhcp = true;
    EXPECT_EQ(judge(five), Drop::kMalformedIp) << "a claim could hide there";
    EXPECT_EQ(judge(runt), Drop::kMalformedIp);
    guard_ = {};
    EXPECT_EQ(judge(Packet().eth().ipv6("fd00::1", "ff02::1", 58).payload(Bytes{134, 0, 0})),
              Drop::kRogueRa);
}

TEST_F(GuardTest, RedirectsGuideAsRouterAdvertisementsDo) {
    const Bytes redirect =
        Packet().eth().ipv6(kLinkLocal, "fd00::2", 58).payload(Bytes{137, 0, 0, 0, 0, 0, 0, 0});
    EXPECT_EQ(judge(redirect), Drop::kRogueRa);
    guard_.serves_ra = true;
    EXPECT_EQ(judge(redirect), kFine);
}

// A router advertisement behind extension headers of this kind, from where nobody is guarded.
Bytes advertisement_behind(uint8_t kind, Bytes extension, size_t size) {
    extension.resize(size);
    Bytes bytes = std::move(extension);
    bytes.insert(bytes.end(), {134, 0, 0, 0, 0, 0, 0, 0});
    return Packet().eth().ipv6(kLinkLocal, "ff02::1", kind).payload(bytes);
}

TEST_F(GuardTest, EveryExtensionHeaderIsLookedBehind) {
    guard_ = {};
    for (const uint8_t kind : {0, 43, 60, 135, 139, 140}) {
        EXPECT_EQ(judge(advertisement_behind(kind, {58, 2}, 24)), Drop::kRogueRa) << int{kind};
    }
    // An authentication header counts in units of 4 bytes.
    EXPECT_EQ(judge(advertisement_behind(51, {58, 4}, 24)), Drop::kRogueRa);
    EXPECT_EQ(judge(advertisement_behind(59, {58, 2}, 24)), kFine) << "nothing follows, whatever it looks like";
    guard_.serves_ra = true;
    EXPECT_EQ(judge(advertisement_behind(51, {58, 4}, 24)), kFine);
}

TEST_F(GuardTest, AFragmentedAdvertisementIsOne) {
    guard_ = {};
    EXPECT_EQ(judge(advertisement_behind(44, {58, 0, 0, 1}, 8)), Drop::kRogueRa) << "the first of several";
    EXPECT_EQ(judge(advertisement_behind(44, {58, 0, 0, 0}, 8)), Drop::kRogueRa) << "the only one";
    EXPECT_EQ(judge(advertisement_behind(44, {58, 0, 0, 9}, 8)), kFine) << "a later one begins with anything";
    // Destination options that end with the first fragment: what comes next is in the second.
    Bytes first{60, 0, 0, 1, 0, 0, 0, 0, 58, 0, 0, 0, 0, 0, 0, 0};
    const Bytes hidden = Packet().eth().ipv6(kLinkLocal, "ff02::1", 44).payload(first);
    EXPECT_EQ(judge(hidden), Drop::kRogueRa);
    // A pretended echo request behind the end of the packet, where its receiver doesn't look.
    Bytes padded = hidden;
    padded.insert(padded.end(), {128, 0, 0, 0, 0, 0, 0, 0});
    EXPECT_EQ(judge(padded), Drop::kRogueRa);
    Bytes inside = Packet().eth().ipv6(kLinkLocal, "ff02::1", 44).payload([&] {
        first.insert(first.end(), {128, 0, 0, 0, 0, 0, 0, 0});
        return first;
    }());
    EXPECT_EQ(judge(inside), kFine) << "an echo request indeed";
}

TEST_F(GuardTest, ADhcpAnswerHidesBehindNoEnd) {
    Bytes frame = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(67, 68);
    frame[17] = 20;  // the IP packet ends before UDP does
    EXPECT_EQ(judge(frame), Drop::kMalformedIp);
    guard_ = {};
    EXPECT_EQ(judge(frame), Drop::kMalformedIp) << "nor where any address may be used";
}

TEST_F(GuardTest, WhoHasNoAddressesMaySendFromAny) {
    guard_ = {};
    EXPECT_FALSE(guard_.allows_all());
    EXPECT_EQ(judge(Packet().eth(kMacB, kMacA).ipv4("10.9.9.9", "10.0.0.2").tcp(1, 2)), kFine);
    EXPECT_EQ(judge(Packet().eth(kMacB, kMacA).arp_reply(kMacA, "10.9.9.9", kMacA, "10.0.0.2")), kFine);
    EXPECT_EQ(judge(neighbor("fd00::7", 136, "fd00::9", kMacB)), kFine);
    EXPECT_EQ(judge(Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(67, 68)), Drop::kRogueDhcp);
    guard_.serves_dhcp = guard_.serves_ra = true;
    EXPECT_TRUE(guard_.allows_all());
}

TEST_F(GuardTest, LaterFragmentsAreJudgedByTheirSource) {
    EXPECT_EQ(judge(Packet().eth().ipv4("10.0.0.1", "10.0.0.2", 17).fragment(185).payload(Bytes{0, 67, 0, 68, 0, 0, 0, 0})),
              kFine);
    EXPECT_EQ(judge(Packet().eth().ipv4("10.0.0.3", "10.0.0.2", 17).fragment(185).payload(100)),
              Drop::kSpoofedAddress);
}

}  // namespace
}  // namespace sluice::guard
