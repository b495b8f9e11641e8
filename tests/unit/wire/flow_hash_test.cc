#include "wire/flow_hash.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "support/eal.h"
#include "support/packet.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

// By every way: at once, through the slow one, and over segments of all kinds; they agree.
uint32_t hash_of(const Bytes& frame) {
    uint32_t hash = 0;
    for (const std::vector<size_t>& sizes : std::vector<std::vector<size_t>>{
             {}, {14}, {15, 1, 1}, {14, 20}, {34, 2}, {40, 3, 11}}) {
        rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), frame, sizes);
        if (sizes.empty()) hash = flow_hash(m);
        EXPECT_EQ(flow_hash(m), hash) << sizes.size();
        EXPECT_EQ(flow_hash_slowly(m), hash) << sizes.size();
        rte_pktmbuf_free(m);
    }
    return hash;
}

Packet v4(std::string_view source = "10.0.0.1", std::string_view destination = "10.0.0.2") {
    return Packet().eth().ipv4(source, destination);
}
Packet v6(std::string_view source = "fd00::1", std::string_view destination = "fd00::2") {
    return Packet().eth().ipv6(source, destination);
}

TEST(FlowHash, IsTheSameForTheWholeFlow) {
    for (const auto& ip : {v4(), v6()}) {
        const uint32_t hash = hash_of(Packet(ip).tcp(1000, 80).payload(100));
        EXPECT_EQ(hash_of(Packet(ip).ttl(3).tcp(1000, 80, 0x11, 77).payload(33)), hash);
        EXPECT_EQ(hash_of(Packet(ip).tcp(1000, 80)), hash);
    }
    const uint32_t hash = hash_of(v4().tcp(1000, 80).payload(100));
    EXPECT_EQ(hash_of(v4().id(7).options(8).tcp(1000, 80).payload(10)), hash) << "options";
    EXPECT_EQ(hash_of(Packet().eth().vlan(5).ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80)), hash);
    EXPECT_EQ(hash_of(Packet().eth(test::kMacB, test::kMacA).ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80)),
              hash)
        << "a router on the way";
    EXPECT_EQ(hash_of(v6().extension(0, 8).extension(60, 16).udp(5, 6)), hash_of(v6().udp(5, 6)));
}

TEST(FlowHash, EveryPartOfTheTupleCounts) {
    std::set<uint32_t> hashes;
    const std::vector<Packet> packets{
        v4().tcp(1000, 80), v4().tcp(1001, 80), v4().tcp(1000, 81), v4().udp(1000, 80),
        v4("10.0.0.3").tcp(1000, 80), v4("10.0.0.1", "10.0.0.3").tcp(1000, 80),
        v4("10.0.0.2", "10.0.0.1").tcp(80, 1000),
        v6().tcp(1000, 80), v6().tcp(1001, 80), v6().tcp(1000, 81), v6().udp(1000, 80),
        v6("fd00:0:0:1::1").tcp(1000, 80), v6("fd00::3").tcp(1000, 80),
        v6("fd00::1", "fd00:0:0:1::2").tcp(1000, 80), v6("fd00::1", "fd00::3").tcp(1000, 80)};
    for (const Packet& packet : packets) hashes.insert(hash_of(Packet(packet).payload(10)));
    EXPECT_EQ(hashes.size(), packets.size());
}

TEST(FlowHash, WithoutPortsTheAddressesAndTheProtocolCount) {
    EXPECT_EQ(hash_of(v4().icmp_echo(1, 1)), hash_of(v4().icmp_echo(2, 9).payload(50)));
    EXPECT_EQ(hash_of(v6().icmp_echo(1, 1)), hash_of(v6().icmp_echo(2, 9).payload(50)));
    EXPECT_NE(hash_of(v4().icmp_echo(1, 1)), hash_of(v4("10.0.0.9").icmp_echo(1, 1)));
    EXPECT_NE(hash_of(v4().icmp_echo(1, 1)), hash_of(Packet(v4()).payload(8)));
}

TEST(FlowHash, FragmentsOfOneDatagramAgree) {
    const uint32_t first = hash_of(v4().id(9).fragment(0x2000).udp(1000, 80).payload(64));
    EXPECT_EQ(hash_of(Packet().eth().ipv4("10.0.0.1", "10.0.0.2", 17).id(9).fragment(0x2009).payload(64)),
              first);
    EXPECT_EQ(hash_of(Packet().eth().ipv4("10.0.0.1", "10.0.0.2", 17).id(9).fragment(0x0012).payload(3)),
              first);
    const auto fragment = [](uint16_t offset, bool more, const Bytes& payload) {
        Bytes frame = v6().ipv6_fragment(offset, more, 5).payload(payload);
        frame[54] = 17;
        return hash_of(frame);
    };
    EXPECT_EQ(fragment(0, true, Packet().udp(1000, 80).payload(64)), fragment(72, false, test::pattern(5)));
    EXPECT_NE(first, hash_of(v4("10.0.0.3").id(9).fragment(0x2000).udp(1000, 80).payload(64)));
}

TEST(FlowHash, OfAnythingElseTheMacsAndTheTypeCount) {
    const auto frame = [](std::string_view from, std::string_view to, uint16_t type, size_t size) {
        return hash_of(Packet().eth(from, to, type).payload(size));
    };
    const uint32_t hash = frame(test::kMacA, test::kMacB, 0x88b5, 60);
    EXPECT_EQ(frame(test::kMacA, test::kMacB, 0x88b5, 0), hash);
    EXPECT_NE(frame(test::kMacB, test::kMacA, 0x88b5, 60), hash);
    EXPECT_NE(frame(test::kMacA, test::kMacB, 0x88b6, 60), hash);
    EXPECT_NE(frame("02:00:00:00:00:0c", test::kMacB, 0x88b5, 60), hash);
    // What calls itself IP and isn't.
    EXPECT_EQ(frame(test::kMacA, test::kMacB, 0x0800, 60), frame(test::kMacA, test::kMacB, 0x0800, 4));
}

// Any bytes at all: the ways agree, and nothing outside of the frame is read (under ASan).
TEST(FlowHash, AnyBytesAndAnyLength) {
    std::mt19937 random(3);
    const std::vector<Bytes> good{v4().options(4).tcp(1, 2).payload(9), v4().udp(1, 2).payload(9),
                                  v6().extension(0, 8).ipv6_fragment(0, true, 1).udp(1, 2),
                                  v6().extension(43, 24).tcp(1, 2), v6().udp(1, 2),
                                  Packet().eth().vlan(5).vlan(6).ipv6("::1", "::2").tcp(1, 2)};
    for (const Bytes& frame : good) {
        for (size_t size = 0; size <= frame.size(); ++size) {
            hash_of(Bytes(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(size)));
        }
        for (int i = 0; i < 300; ++i) {
            Bytes changed = frame;
            changed[12 + random() % (frame.size() - 12)] = static_cast<uint8_t>(random());
            hash_of(changed);
        }
    }
}

// What it is for: both ends of the hash spread connections as clients make them (even source ports, one
// after the other) evenly over a few ways.
TEST(FlowHash, SpreadsConnections) {
    constexpr int kFlows = 4096;
    for (int bits : {1, 2, 3, 4}) {
        std::map<uint32_t, int> low, high;
        for (int i = 0; i < kFlows; ++i) {
            rte_mbuf* m = test::to_mbuf(test::test_pool(),
                                        v4().tcp(static_cast<uint16_t>(32768 + 2 * i), 80));
            const uint32_t hash = flow_hash(m);
            rte_pktmbuf_free(m);
            ++low[hash & ((1u << bits) - 1)];
            ++high[hash >> (32 - bits)];
        }
        const int fair = kFlows >> bits;
        for (const auto& counts : {low, high}) {
            EXPECT_EQ(counts.size(), size_t{1} << bits);
            for (const auto& [way, count] : counts) EXPECT_NEAR(count, fair, fair / 4) << way;
        }
    }
}

}  // namespace
}  // namespace sluice::wire
