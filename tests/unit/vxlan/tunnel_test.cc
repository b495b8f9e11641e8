#include "vxlan/tunnel.h"

#include <gtest/gtest.h>

#include <random>

#include "support/eal.h"
#include "support/packet.h"
#include "support/pools.h"

namespace sluice::vxlan {
namespace {

using test::Bytes;
using test::Packet;

constexpr uint32_t kVni = 0xabcdef;
constexpr uint64_t kGood = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;

struct Underlay {
    const char* local;
    const char* remote;
    UdpChecksum checksum;
};
constexpr Underlay kUnderlays[] = {
    {"192.0.2.1", "192.0.2.2", UdpChecksum::kZero},
    {"192.0.2.1", "192.0.2.2", UdpChecksum::kFull},
    {"2001:db8::1", "2001:db8:1::2", UdpChecksum::kZero},
    {"2001:db8::1", "2001:db8:1::2", UdpChecksum::kFull},
};

Tunnel tunnel_of(const Underlay& underlay, uint16_t port = 4789) {
    return make_tunnel(*IpAddress::parse(underlay.local), *IpAddress::parse(underlay.remote), port,
                       underlay.checksum, *MacAddress::parse(test::kMacA),
                       *MacAddress::parse(test::kMacB));
}

bool is_v6(const Underlay& underlay) {
    return std::string_view(underlay.local).find(':') != std::string_view::npos;
}

// What the outer headers are by RFC 7348, figures 1 and 2.
Bytes expected(const Underlay& underlay, const Bytes& inner, uint16_t source_port, uint8_t traffic_class = 0,
               uint16_t port = 4789) {
    Packet packet = Packet().eth(test::kMacA, test::kMacB);
    if (is_v6(underlay)) {
        packet.ipv6(underlay.local, underlay.remote);
    } else {
        packet.ipv4(underlay.local, underlay.remote).id(0);
    }
    packet.traffic_class(traffic_class).udp(source_port, port);
    if (underlay.checksum == UdpChecksum::kZero) packet.without_checksum();
    return packet.vxlan(kVni).payload(inner);
}

rte_mbuf* from(const Bytes& inner, const std::vector<size_t>& sizes = {}) {
    return test::to_mbuf(test::test_pool(), inner, sizes);
}

void expect_finished_outer(const rte_mbuf* m, const Underlay& underlay) {
    EXPECT_EQ(m->ol_flags & ~kBufferFlags, 0u);
    EXPECT_EQ(m->l2_len, 14u);
    EXPECT_EQ(m->l3_len, is_v6(underlay) ? 40u : 20u);
    EXPECT_EQ(m->l4_len, 8u);
    EXPECT_EQ(m->tso_segsz, 0u);
    EXPECT_EQ(m->packet_type, 0u);
    EXPECT_TRUE(test::is_sound(m));
}

TEST(Encapsulate, EveryByteIsAsTheRfcHasIt) {
    for (const Underlay& underlay : kUnderlays) {
        const Tunnel tunnel = tunnel_of(underlay);
        EXPECT_EQ(tunnel.overhead(), is_v6(underlay) ? 70 : 50);
        for (size_t size : {0u, 1u, 46u, 47u, 1000u, 1486u, 1487u}) {
            const Bytes inner = Packet().eth().payload(size);
            for (const std::vector<size_t>& sizes :
                 std::vector<std::vector<size_t>>{{}, {14}, {14, 1}, {15, 7, 3}}) {
                rte_mbuf* m = from(inner, sizes);
                m->ol_flags |= kGood;
                m->packet_type = RTE_PTYPE_L2_ETHER;
                ASSERT_TRUE(has_room(m, tunnel));
                encapsulate(m, tunnel, kVni, 0);
                EXPECT_EQ(test::bytes_of(m), expected(underlay, inner, 49152)) << size;
                expect_finished_outer(m, underlay);
                rte_pktmbuf_free(m);
            }
        }
    }
}

TEST(Encapsulate, TheUdpPortsAreTheFlowsAndTheTunnels) {
    const Bytes inner = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).payload(10);
    for (const Underlay& underlay : kUnderlays) {
        for (uint32_t hash : {0u, 1u << 18, 0x8000'0000u, 0xffff'ffffu}) {
            rte_mbuf* m = from(inner);
            encapsulate(m, tunnel_of(underlay, 8472), kVni, hash);
            EXPECT_EQ(test::bytes_of(m),
                      expected(underlay, inner, static_cast<uint16_t>(49152 + (hash >> 18)), 0, 8472));
            rte_pktmbuf_free(m);
        }
    }
}

TEST(Encapsulate, ChecksumsAreRightForAnyBytes) {
    std::mt19937 random(7);
    for (int i = 0; i < 4000; ++i) {
        const Underlay& underlay = kUnderlays[random() % 4];
        Bytes inner = Packet().eth().payload(random() % 200);
        for (size_t at = 14; at < inner.size(); ++at) {
            // Many ones: sums that carry.
            inner[at] = static_cast<uint8_t>(random() % 3 == 0 ? random() : 0xff);
        }
        rte_mbuf* m = from(inner, {14 + random() % 20, 1 + random() % 9});
        encapsulate(m, tunnel_of(underlay), kVni, static_cast<uint32_t>(random()));
        const Bytes frame = test::bytes_of(m);
        EXPECT_TRUE(test::checksums_valid(frame));
        const size_t udp = is_v6(underlay) ? 54 : 34;
        EXPECT_EQ(frame[udp + 6] == 0 && frame[udp + 7] == 0, underlay.checksum == UdpChecksum::kZero);
        rte_pktmbuf_free(m);
    }
}

// RFC 768: a sum that comes out as 0 is sent as 0xffff, since 0 says that there is none.
TEST(Encapsulate, AFullChecksumIsNeverZero) {
    for (const Underlay& underlay : kUnderlays) {
        if (underlay.checksum == UdpChecksum::kZero) continue;
        Bytes inner = Packet().eth().payload(2);
        Bytes frame = expected(underlay, inner, 49152);
        const size_t field = (is_v6(underlay) ? 54 : 34) + 6;
        // The payload was 00 01; a checksum of c becomes 0 with c more of it.
        const int sum = inner[14] << 8 | inner[15];
        int more = sum + (frame[field] << 8 | frame[field + 1]);
        if (more > 0xffff) more -= 0xffff;
        inner[14] = static_cast<uint8_t>(more >> 8);
        inner[15] = static_cast<uint8_t>(more);
        rte_mbuf* m = from(inner);
        encapsulate(m, tunnel_of(underlay), kVni, 0);
        frame = test::bytes_of(m);
        EXPECT_EQ(frame[field], 0xff);
        EXPECT_EQ(frame[field + 1], 0xff);
        EXPECT_TRUE(test::checksums_valid(frame));
        rte_pktmbuf_free(m);
    }
}

TEST(Encapsulate, DscpAndEcnAreTheInnerPackets) {
    for (const Underlay& underlay : kUnderlays) {
        for (int value = 0; value < 256; ++value) {
            const auto traffic_class = static_cast<uint8_t>(value);
            for (const Packet& ip : {Packet().eth().ipv4("10.0.0.1", "10.0.0.2"),
                                     Packet().eth().ipv6("fd00::1", "fd00::2")}) {
                const Bytes inner = Packet(ip).traffic_class(traffic_class).udp(1, 2).payload(9);
                for (const std::vector<size_t>& sizes : std::vector<std::vector<size_t>>{{}, {14}, {15}}) {
                    rte_mbuf* m = from(inner, sizes);
                    encapsulate(m, tunnel_of(underlay), kVni, 0);
                    ASSERT_EQ(test::bytes_of(m), expected(underlay, inner, 49152, traffic_class)) << value;
                    rte_pktmbuf_free(m);
                }
            }
        }
    }
}

TEST(Encapsulate, AnUnfinishedChecksumIsFinished) {
    const Packet tcp = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80).payload(333);
    const Packet udp = Packet().eth().ipv6("fd00::1", "fd00::2").udp(1000, 53).payload(50);
    for (const Underlay& underlay : kUnderlays) {
        rte_mbuf* m = from(Packet(tcp).unfinished(), {40});
        test::mark(m, {});
        encapsulate(m, tunnel_of(underlay), kVni, 0);
        EXPECT_EQ(test::bytes_of(m), expected(underlay, tcp, 49152));
        expect_finished_outer(m, underlay);
        rte_pktmbuf_free(m);

        m = from(Packet(udp).unfinished());
        test::mark(m, {.l3_len = 40, .l4_len = 8, .ipv6 = true, .udp = true});
        encapsulate(m, tunnel_of(underlay), kVni, 0);
        EXPECT_EQ(test::bytes_of(m), expected(underlay, udp, 49152));
        expect_finished_outer(m, underlay);
        rte_pktmbuf_free(m);
    }
}

TEST(HasRoom, OnlyForBytesOfOnesOwnWithHeadroom) {
    const Tunnel v4 = tunnel_of(kUnderlays[0]), v6 = tunnel_of(kUnderlays[2]);
    rte_mbuf* m = from(Packet().eth().payload(100));
    EXPECT_TRUE(has_room(m, v4) && has_room(m, v6));
    m->data_off = 69;
    EXPECT_TRUE(has_room(m, v4));
    EXPECT_FALSE(has_room(m, v6));
    m->data_off = 128;
    rte_mbuf* clone = rte_pktmbuf_clone(m, test::test_pool());
    EXPECT_FALSE(has_room(m, v4));
    EXPECT_FALSE(has_room(clone, v4));
    rte_pktmbuf_free(clone);
    EXPECT_TRUE(has_room(m, v4));
    rte_pktmbuf_free(m);
    m = test::to_guarded_mbuf(test::test_pool(), Packet().eth());
    EXPECT_FALSE(has_room(m, v4));
    rte_pktmbuf_free(m);
}

TEST(EncapsulateShared, TheHeadersAreChainedBeforeBytesThatStayAsTheyAre) {
    for (const Underlay& underlay : kUnderlays) {
        const Tunnel tunnel = tunnel_of(underlay);
        const Packet ip = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").traffic_class(0xb9);
        const Bytes inner = Packet(ip).udp(1, 2).payload(301);
        for (const std::vector<size_t>& sizes : std::vector<std::vector<size_t>>{{}, {14}, {15, 7, 3}}) {
            rte_mbuf* m = from(inner, sizes);
            m->port = 3;
            m->ol_flags |= kGood;
            const uint16_t segments = m->nb_segs;
            rte_mbuf* clone = rte_pktmbuf_clone(m, test::test_pool());
            rte_mbuf* first = encapsulate_shared(clone, tunnel, kVni, 0, test::test_pool());
            rte_mbuf* second = encapsulate_shared(m, tunnel, kVni, 1u << 18, test::test_pool());
            ASSERT_TRUE(first != nullptr && second != nullptr);
            EXPECT_EQ(test::bytes_of(first), expected(underlay, inner, 49152, 0xb9));
            EXPECT_EQ(test::bytes_of(second), expected(underlay, inner, 49153, 0xb9));
            for (const rte_mbuf* chain : {first, second}) {
                EXPECT_EQ(chain->nb_segs, segments + 1);
                EXPECT_EQ(chain->pkt_len, inner.size() + tunnel.overhead());
                EXPECT_EQ(chain->port, 3);
                expect_finished_outer(chain, underlay);
            }
            rte_pktmbuf_free(first);
            EXPECT_EQ(test::bytes_of(second), expected(underlay, inner, 49153, 0xb9));
            rte_pktmbuf_free(second);
        }
    }
}

TEST(EncapsulateShared, AnUnfinishedFrameIsCopiedAndTheOthersSeeNothing) {
    const Packet whole = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80).payload(333);
    const Bytes unfinished = Packet(whole).unfinished();
    rte_mbuf* m = from(unfinished);
    test::mark(m, {});
    rte_mbuf* clone = rte_pktmbuf_clone(m, test::test_pool());
    rte_mbuf* out = encapsulate_shared(clone, tunnel_of(kUnderlays[1]), kVni, 0, test::test_pool());
    ASSERT_NE(out, nullptr);
    EXPECT_EQ(test::bytes_of(out), expected(kUnderlays[1], whole, 49152));
    expect_finished_outer(out, kUnderlays[1]);
    EXPECT_EQ(test::bytes_of(m), unfinished);
    EXPECT_EQ(rte_mbuf_refcnt_read(m), 1);
    rte_pktmbuf_free(out);
    rte_pktmbuf_free(m);
}

TEST(EncapsulateShared, WithoutABufferThePacketStaysTheCallers) {
    const Packet whole = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80).payload(33);
    rte_mbuf* m = from(Packet(whole).unfinished());
    {
        test::Shortage none(test::test_pool(), 0);
        EXPECT_EQ(encapsulate_shared(m, tunnel_of(kUnderlays[0]), kVni, 0, test::test_pool()), nullptr);
        test::mark(m, {});
        EXPECT_EQ(encapsulate_shared(m, tunnel_of(kUnderlays[0]), kVni, 0, test::test_pool()), nullptr);
    }
    EXPECT_EQ(test::bytes_of(m), Packet(whole).unfinished().bytes());
    EXPECT_TRUE(wire::is_unfinished(m));
    rte_pktmbuf_free(m);
}

}  // namespace
}  // namespace sluice::vxlan
