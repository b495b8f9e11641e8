#include "wire/neighbor_message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "support/eal.h"
#include "support/packet.h"
#include "wire/checksum.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::kMacA;
using test::kMacB;
using test::Packet;
using Result = tl::expected<NeighborMessage, NoNeighborMessage>;

constexpr size_t kIp = 14;
constexpr size_t kIcmp = kIp + 40;
constexpr size_t kOption = kIcmp + 24;

const MacBytes kA{2, 0, 0, 0, 0, 0xa};
const MacBytes kB{2, 0, 0, 0, 0, 0xb};

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

Result read_bytes(const Bytes& bytes, const std::vector<size_t>& chain = {}) {
    rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), bytes, chain);
    const Result result = read_neighbor_message(m);
    rte_pktmbuf_free(m);
    return result;
}

bool is_malformed(const Bytes& bytes) {
    const Result result = read_bytes(bytes);
    return !result && result.error() == NoNeighborMessage::kMalformed;
}
bool is_other(const Bytes& bytes) {
    const Result result = read_bytes(bytes);
    return !result && result.error() == NoNeighborMessage::kOther;
}

// The bytes of a frame that a builder made, which is freed.
Bytes taken(rte_mbuf* m) {
    if (m == nullptr) return {};
    EXPECT_EQ(m->nb_segs, 1);
    EXPECT_EQ(m->pkt_len, m->data_len);
    const Bytes bytes = test::bytes_of(m);
    rte_pktmbuf_free(m);
    return bytes;
}

// A neighbor message byte by byte. `type` is ICMPv6's.
Bytes discovery(uint8_t type, const char* source, const char* destination, uint8_t flags,
                const char* target, const Bytes& options, const char* to_mac = kMacB.data()) {
    Bytes body{type, 0, 0, 0, flags, 0, 0, 0};
    const Bytes address = test::address_bytes(target);
    body.insert(body.end(), address.begin(), address.end());
    body.insert(body.end(), options.begin(), options.end());
    Bytes frame = Packet().eth(kMacA, to_mac).ipv6(source, destination, 58).ttl(255).payload(body);
    frame[kIp + 6] = 58;
    return frame;
}

// Makes lengths and the checksum right after a change.
Bytes finished(Bytes frame) {
    auto& header = *reinterpret_cast<Ipv6Header*>(&frame[kIp]);
    const auto size = static_cast<uint16_t>(frame.size() - kIcmp);
    header.payload_size = be16(size);
    auto& icmp = *reinterpret_cast<IcmpHeader*>(&frame[kIcmp]);
    icmp.checksum = be16(0);
    icmp.checksum =
        checksum_of(sum_of(&icmp, size, pseudo_header_sum(header, Protocol::kIcmpv6, size)));
    return frame;
}

const Bytes kSourceA{1, 1, 2, 0, 0, 0, 0, 0xa};
const Bytes kTargetA{2, 1, 2, 0, 0, 0, 0, 0xa};

Bytes solicitation(const char* source, const char* destination, const char* target,
                   const Bytes& options) {
    return finished(discovery(135, source, destination, 0, target, options));
}
Bytes advertisement(const char* destination, uint8_t flags, const char* target, const Bytes& options) {
    return finished(discovery(136, "fd00::a", destination, flags, target, options));
}
Bytes good_solicitation() { return solicitation("fd00::a", "ff02::1:ff00:b", "fd00::b", kSourceA); }
Bytes good_advertisement() { return advertisement("fd00::b", 0xe0, "fd00::a", kTargetA); }

Bytes with(Bytes bytes, size_t at, unsigned value) {
    bytes.at(at) = static_cast<uint8_t>(value);
    return bytes;
}

TEST(Arp, Request) {
    const Bytes frame = Packet().eth(kMacA, "ff:ff:ff:ff:ff:ff").arp_request(kMacA, "10.0.0.1", "10.0.0.2");
    const Result message = read_bytes(frame);
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->solicits && message->has_sender_mac && message->overrides);
    EXPECT_FALSE(message->answers || message->probe || message->gratuitous || message->router);
    EXPECT_EQ(message->sender, ip("10.0.0.1"));
    EXPECT_EQ(message->sender_mac, kA);
    EXPECT_EQ(message->target, ip("10.0.0.2"));
    EXPECT_EQ(message->target_mac, MacBytes{});
}

TEST(Arp, Reply) {
    const Bytes frame = Packet().eth(kMacA, kMacB).arp_reply(kMacA, "10.0.0.1", kMacB, "10.0.0.2");
    const Result message = read_bytes(frame);
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->answers && message->has_sender_mac && message->overrides);
    EXPECT_FALSE(message->solicits || message->probe || message->gratuitous);
    EXPECT_EQ(message->sender, ip("10.0.0.1"));
    EXPECT_EQ(message->sender_mac, kA);
    EXPECT_EQ(message->target, ip("10.0.0.2"));
    EXPECT_EQ(message->target_mac, kB);
}

TEST(Arp, ProbesAndAnnouncements) {
    const Result probe = read_bytes(Packet().eth().arp_request(kMacA, "0.0.0.0", "10.0.0.2"));
    ASSERT_TRUE(probe);
    EXPECT_TRUE(probe->probe && probe->solicits);
    EXPECT_FALSE(probe->gratuitous);
    for (const Bytes& frame : {Packet().eth().arp_request(kMacA, "10.0.0.2", "10.0.0.2").bytes(),
                              Packet().eth().arp_reply(kMacA, "10.0.0.2", kMacB, "10.0.0.2").bytes()}) {
        const Result announcement = read_bytes(frame);
        ASSERT_TRUE(announcement);
        EXPECT_TRUE(announcement->gratuitous);
        EXPECT_FALSE(announcement->probe);
    }
}

TEST(Arp, Malformed) {
    const Bytes good = Packet().eth().arp_request(kMacA, "10.0.0.1", "10.0.0.2");
    ASSERT_TRUE(read_bytes(good));
    EXPECT_TRUE(is_malformed(Bytes(good.begin(), good.end() - 1)));
    EXPECT_TRUE(is_malformed(with(good, 15, 6)));     // hardware type
    EXPECT_TRUE(is_malformed(with(good, 16, 0x86)));  // protocol type
    EXPECT_TRUE(is_malformed(with(good, 18, 8)));     // sizes
    EXPECT_TRUE(is_malformed(with(good, 19, 16)));
    EXPECT_TRUE(is_malformed(with(good, 22, 3)));  // a sender's group MAC
    EXPECT_TRUE(is_malformed(with(with(good, 22, 0), 27, 0)));
    for (const char* sender : {"127.0.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.1"})
        EXPECT_TRUE(is_malformed(Packet().eth().arp_request(kMacA, sender, "10.0.0.2"))) << sender;
    for (const char* target : {"0.0.0.0", "224.0.0.1", "255.255.255.255"})
        EXPECT_TRUE(is_malformed(Packet().eth().arp_request(kMacA, "10.0.0.1", target))) << target;
    EXPECT_TRUE(is_malformed(Packet().eth().arp_reply(kMacA, "0.0.0.0", kMacB, "10.0.0.2")));
    EXPECT_TRUE(is_other(with(good, 21, 3)));  // RARP
}

TEST(NeighborDiscovery, Solicitation) {
    const Result message = read_bytes(good_solicitation());
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->solicits && message->has_sender_mac);
    EXPECT_FALSE(message->answers || message->probe || message->gratuitous || message->overrides);
    EXPECT_EQ(message->sender, ip("fd00::a"));
    EXPECT_EQ(message->sender_mac, kA);
    EXPECT_EQ(message->target, ip("fd00::b"));
}

TEST(NeighborDiscovery, SolicitationWithoutOption) {
    const Result message = read_bytes(solicitation("fd00::a", "fd00::b", "fd00::b", {}));
    ASSERT_TRUE(message);
    EXPECT_FALSE(message->has_sender_mac);
}

TEST(NeighborDiscovery, Probe) {
    const Result message = read_bytes(solicitation("::", "ff02::1:ff00:b", "fd00::b", {}));
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->solicits && message->probe);
    EXPECT_FALSE(message->has_sender_mac);
    // RFC 4861, 7.1.1: no option, and to the solicited-node address only.
    EXPECT_TRUE(is_malformed(solicitation("::", "ff02::1:ff00:b", "fd00::b", kSourceA)));
    EXPECT_TRUE(is_malformed(solicitation("::", "fd00::b", "fd00::b", {})));
    EXPECT_TRUE(is_malformed(solicitation("::", "ff02::1", "fd00::b", {})));
}

TEST(NeighborDiscovery, Advertisement) {
    const Result message = read_bytes(good_advertisement());
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->answers && message->overrides && message->router && message->has_sender_mac);
    EXPECT_FALSE(message->solicits || message->gratuitous || message->probe);
    EXPECT_EQ(message->sender, ip("fd00::a"));
    EXPECT_EQ(message->sender_mac, kA);
    EXPECT_EQ(message->target, ip("fd00::b"));
    EXPECT_EQ(message->target_mac, kB);
}

TEST(NeighborDiscovery, AdvertisedAddressIsTheSenderWhoeverSendsIt) {
    const Result message = read_bytes(advertisement("ff02::1", 0, "fd00::77", kTargetA));
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->gratuitous);
    EXPECT_FALSE(message->overrides || message->router);
    EXPECT_EQ(message->sender, ip("fd00::77"));
}

TEST(NeighborDiscovery, OtherOptionsArePassedOver) {
    Bytes options{14, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};  // a nonce (RFC 3971)
    options.insert(options.end(), kTargetA.begin(), kTargetA.end());
    options.insert(options.end(), kSourceA.begin(), kSourceA.end());
    const Result message = read_bytes(solicitation("fd00::a", "ff02::1:ff00:b", "fd00::b", options));
    ASSERT_TRUE(message);
    EXPECT_EQ(message->sender_mac, kA);
}

TEST(NeighborDiscovery, Malformed) {
    const Bytes good = good_solicitation();
    ASSERT_TRUE(read_bytes(good));
    EXPECT_TRUE(is_malformed(with(good, kIp + 7, 254)));  // hop limit
    EXPECT_TRUE(is_malformed(with(good, kIcmp + 3, good[kIcmp + 3] ^ 1)));
    EXPECT_TRUE(is_malformed(finished(with(good, kIcmp + 1, 1))));  // code
    EXPECT_TRUE(is_malformed(Bytes(good.begin(), good.end() - 1)));
    EXPECT_TRUE(is_malformed(finished(Bytes(good.begin(), good.begin() + kOption - 1))));
    EXPECT_TRUE(is_malformed(finished(with(good, kOption + 1, 0))));  // an option of nothing
    EXPECT_TRUE(is_malformed(finished(with(with(good, kOption, 14), kOption + 1, 2))));  // beyond the end
    EXPECT_TRUE(is_malformed(finished(Bytes(good.begin(), good.end() - 1))));
    EXPECT_TRUE(is_malformed(finished(with(good, kOption + 2, 3))));  // a group MAC
    Bytes longer = good;
    longer.resize(longer.size() + 8);
    EXPECT_TRUE(is_malformed(finished(with(longer, kOption + 1, 2))));  // no Ethernet address
    EXPECT_TRUE(is_malformed(solicitation("fd00::a", "fd00::b", "ff02::1", kSourceA)));
    EXPECT_TRUE(is_malformed(solicitation("fd00::a", "fd00::b", "::", kSourceA)));
    EXPECT_TRUE(is_malformed(solicitation("ff02::1", "fd00::b", "fd00::b", kSourceA)));
    EXPECT_TRUE(is_malformed(advertisement("ff02::1", 0x40, "fd00::a", kTargetA)));  // S to a group
    EXPECT_TRUE(is_malformed(advertisement("fd00::b", 0x40, "ff02::1", kTargetA)));
    Bytes many = good;
    for (int i = 0; i < 160; ++i) many.insert(many.end(), kTargetA.begin(), kTargetA.end());
    EXPECT_TRUE(is_malformed(finished(many)));
}

// It would be the binding of 10.0.0.1 in a table of both families.
TEST(NeighborDiscovery, SpeaksForNoIpv4Address) {
    EXPECT_TRUE(is_malformed(advertisement("fd00::b", 0x60, "::ffff:10.0.0.1", kTargetA)));
    EXPECT_TRUE(is_malformed(solicitation("::ffff:10.0.0.1", "fd00::b", "fd00::b", kSourceA)));
}

TEST(NeighborMessage, OtherFrames) {
    EXPECT_TRUE(is_other(Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2)));
    EXPECT_TRUE(is_other(Packet().eth().ipv6("fd00::1", "fd00::2").icmp_echo(1, 2).ttl(255)));
    EXPECT_TRUE(is_other(Packet().eth().ipv6("fd00::1", "fd00::2").udp(1, 2)));
    EXPECT_TRUE(is_other(Packet().eth().vlan(5).arp_request(kMacA, "10.0.0.1", "10.0.0.2")));
    EXPECT_TRUE(is_other(with(good_solicitation(), kIcmp, 134)));
    EXPECT_TRUE(is_other(with(good_solicitation(), kIcmp, 137)));
    EXPECT_TRUE(is_other(Bytes(13)));
}

TEST(NeighborMessage, ChainsReadAsOnePiece) {
    for (const Bytes& frame : {good_solicitation(), good_advertisement()}) {
        for (size_t split = 0; split <= frame.size(); ++split) {
            const Result message = read_bytes(frame, {split, 1, 0, 2});
            ASSERT_TRUE(message) << split;
            EXPECT_EQ(message->sender, ip("fd00::a"));
            EXPECT_EQ(message->sender_mac, kA);
        }
    }
    const Bytes arp = Packet().eth().arp_request(kMacA, "10.0.0.1", "10.0.0.2");
    for (size_t split = 0; split <= arp.size(); ++split) EXPECT_TRUE(read_bytes(arp, {split, 3}));
}

TEST(NeighborMessage, DamagedMessagesAreReadInBoundsOnly) {
    std::mt19937 random(21);
    const Bytes originals[] = {good_solicitation(), good_advertisement(),
                               Packet().eth().arp_request(kMacA, "10.0.0.1", "10.0.0.2")};
    int read = 0;
    for (int round = 0; round < 30000; ++round) {
        const size_t which = random() % 3;
        Bytes frame = originals[which];
        for (unsigned more = random() % 4 * 8; more > 0; --more)
            frame.push_back(static_cast<uint8_t>(random() % 4));
        for (unsigned hits = random() % 3; hits > 0; --hits)
            frame[random() % frame.size()] = static_cast<uint8_t>(random());
        if (random() % 4 == 0) frame.resize(random() % frame.size());
        if (which < 2 && frame.size() >= kIcmp + 8 && random() % 4 != 0) frame = finished(frame);
        std::vector<size_t> chain(random() % 4);
        for (size_t& size : chain) size = random() % 60;
        const Result message = read_bytes(frame, chain);
        if (!message) continue;
        ++read;
        EXPECT_NE(message->solicits, message->answers);
        EXPECT_TRUE(!message->has_sender_mac || !is_group(message->sender_mac));
        EXPECT_EQ(message->sender.is_unspecified(), message->probe);
        EXPECT_EQ(message->sender.is_v4(), frame[12] == 8);
    }
    EXPECT_GT(read, 3000);
}

TEST(BuildArp, RequestIsPaddedAndRight) {
    Bytes expected =
        Packet().eth(kMacA, "ff:ff:ff:ff:ff:ff").arp_request(kMacA, "10.0.0.1", "10.0.0.2");
    expected.resize(60);
    EXPECT_EQ(taken(build_arp_request(test::test_pool(), kA, ip("10.0.0.1"), ip("10.0.0.2"))), expected);
    const Bytes mac = test::mac_bytes(kMacB);
    std::copy(mac.begin(), mac.end(), expected.begin());
    EXPECT_EQ(taken(build_arp_request(test::test_pool(), kA, ip("10.0.0.1"), ip("10.0.0.2"), kB)),
              expected);
}

TEST(BuildArp, Reply) {
    Bytes expected = Packet().eth(kMacA, kMacB).arp_reply(kMacA, "10.0.0.1", kMacB, "10.0.0.2");
    expected.resize(60);
    EXPECT_EQ(taken(build_arp_reply(test::test_pool(), kA, ip("10.0.0.1"), kB, ip("10.0.0.2"))),
              expected);
}

TEST(BuildArp, Announcement) {
    const Bytes frame = taken(build_arp_announcement(test::test_pool(), kA, ip("10.0.0.1")));
    EXPECT_EQ(frame.size(), 60u);
    EXPECT_EQ(Bytes(frame.begin(), frame.begin() + 6), Bytes(6, 0xff));
    const Result message = read_bytes(frame);
    ASSERT_TRUE(message);
    EXPECT_TRUE(message->gratuitous && message->solicits);
}

TEST(BuildArp, OfAStationWithoutAddresses) {
    Bytes expected = Packet().eth(kMacA, "ff:ff:ff:ff:ff:ff").arp_reply(kMacA, "0.0.0.0", kMacA, "0.0.0.0");
    expected.resize(60);
    expected[12] = 0x80;
    expected[13] = 0x35;
    expected[21] = 3;
    EXPECT_EQ(taken(build_station_announcement(test::test_pool(), kA)), expected);
}

TEST(BuildNeighborDiscovery, Solicitation) {
    const auto build = [](const char* from, std::optional<MacBytes> to_mac) {
        return taken(build_neighbor_solicitation(test::test_pool(), kA, ip(from), ip("fd00::1:b"), to_mac));
    };
    const Bytes to_group = finished(discovery(135, "fd00::a", "ff02::1:ff01:b", 0, "fd00::1:b", kSourceA,
                                              "33:33:ff:01:00:0b"));
    EXPECT_EQ(build("fd00::a", {}), to_group);
    EXPECT_TRUE(test::checksums_valid(to_group));
    EXPECT_EQ(build("fd00::a", kB), solicitation("fd00::a", "fd00::1:b", "fd00::1:b", kSourceA));
    const Bytes probe = build("::", {});
    EXPECT_TRUE(test::checksums_valid(probe));
    ASSERT_TRUE(read_bytes(probe));
    EXPECT_TRUE(read_bytes(probe)->probe);
}

TEST(BuildNeighborDiscovery, Advertisement) {
    const auto build = [](const char* to, AdvertisementFlags flags) {
        return taken(build_neighbor_advertisement(test::test_pool(), kA, ip("fd00::a"), kB, ip(to), flags));
    };
    EXPECT_EQ(build("fd00::b", {.router = true, .solicited = true, .overrides = true}),
              good_advertisement());
    EXPECT_EQ(build("fd00::b", {.solicited = true}), advertisement("fd00::b", 0x40, "fd00::a", kTargetA));
    // To a probe.
    const Bytes to_all =
        finished(discovery(136, "fd00::a", "ff02::1", 0x20, "fd00::a", kTargetA, "33:33:00:00:00:01"));
    EXPECT_EQ(build("::", {.solicited = true, .overrides = true}), to_all);
    EXPECT_EQ(taken(build_neighbor_announcement(test::test_pool(), kA, ip("fd00::a"), false)), to_all);
}

TEST(BuildNeighborMessage, DryPoolGivesNothing) {
    test::start_eal();
    rte_mempool* pool = rte_pktmbuf_pool_create("dry", 1, 0, 0, 2048, SOCKET_ID_ANY);
    rte_mbuf* last = rte_pktmbuf_alloc(pool);
    EXPECT_EQ(build_arp_announcement(pool, kA, ip("10.0.0.1")), nullptr);
    EXPECT_EQ(build_neighbor_announcement(pool, kA, ip("fd00::a"), true), nullptr);
    rte_pktmbuf_free(last);
    rte_mempool_free(pool);
}

}  // namespace
}  // namespace sluice::wire
