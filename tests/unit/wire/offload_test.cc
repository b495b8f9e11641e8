#include "wire/offload.h"

#include <gtest/gtest.h>
#include <rte_net.h>

#include <random>

#include "support/eal.h"
#include "support/packet.h"
#include "wire/segment.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;
using V = VirtioNetHeader;

constexpr uint64_t kSegment = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;

// An mbuf that goes home at the end of the scope.
struct Frame {
    explicit Frame(const Bytes& bytes, const std::vector<size_t>& sizes = {})
        : m(test::to_guarded_mbuf(test::test_pool(), bytes, sizes)) {}
    Frame(const Frame&) = delete;
    ~Frame() { rte_pktmbuf_free(m); }

    rte_mbuf* m;
};

Packet tcp4(uint8_t flags = TcpHeader::kAck) {
    return Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1234, 80, flags);
}

TEST(FromVirtio, NothingAskedChangesNothing) {
    Frame frame(tcp4().payload(100));
    EXPECT_EQ(from_virtio(frame.m, V{}), OffloadResult::kOk);
    EXPECT_EQ(frame.m->ol_flags & ~RTE_MBUF_F_EXTERNAL, 0u);
    EXPECT_EQ(to_virtio(frame.m), V{});
}

TEST(FromVirtio, DataValidIsKeptUntilUnfinished) {
    Frame frame(tcp4().payload(100));
    from_virtio(frame.m, {.flags = V::kDataValid});
    EXPECT_NE(frame.m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_GOOD, 0u);
    EXPECT_EQ(to_virtio(frame.m), V{.flags = V::kDataValid});
    frame.m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;  // GOOD and BAD at once
    EXPECT_EQ(to_virtio(frame.m), V{});
}

TEST(FromVirtio, UnfinishedTcpRoundTripsAndFinishes) {
    const Packet packet = Packet()
                              .eth()
                              .vlan(5)
                              .ipv4("10.0.0.1", "10.0.0.2")
                              .options(4)
                              .tcp(1, 2)
                              .options(12)
                              .payload(333);
    Frame frame(Packet(packet).unfinished(), {15, 20, 3, 7});
    const V header{.flags = V::kNeedsChecksum, .checksum_start = 42, .checksum_offset = 16};
    ASSERT_EQ(from_virtio(frame.m, header), OffloadResult::kOk);
    EXPECT_EQ(frame.m->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_TCP_CKSUM);
    EXPECT_NE(frame.m->ol_flags & RTE_MBUF_F_TX_IPV4, 0u);
    EXPECT_EQ(frame.m->l2_len, 18u);
    EXPECT_EQ(frame.m->l3_len, 24u);
    EXPECT_EQ(frame.m->l4_len, 32u);
    EXPECT_EQ(to_virtio(frame.m), header);
    finish_checksums(frame.m);
    EXPECT_EQ(test::bytes_of(frame.m), packet.bytes());
    EXPECT_FALSE(is_unfinished(frame.m));
    finish_checksums(frame.m);
    EXPECT_EQ(test::bytes_of(frame.m), packet.bytes());
}

TEST(FromVirtio, UnfinishedUdpOverIpv6WithExtensions) {
    const Packet packet = Packet()
                              .eth()
                              .ipv6("fd00::1", "fd00::2")
                              .extension(0, 8)
                              .extension(60, 16)
                              .udp(1, 2)
                              .payload(99);
    Frame frame(Packet(packet).unfinished(), {60});
    const V header{.flags = V::kNeedsChecksum, .checksum_start = 78, .checksum_offset = 6};
    ASSERT_EQ(from_virtio(frame.m, header), OffloadResult::kOk);
    EXPECT_EQ(frame.m->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_UDP_CKSUM);
    EXPECT_EQ(frame.m->l3_len, 64u);
    EXPECT_EQ(to_virtio(frame.m), header);
    finish_checksums(frame.m);
    EXPECT_EQ(test::bytes_of(frame.m), packet.bytes());
}

TEST(FromVirtio, ComputedUdpZeroBecomesAllOnes) {
    // The payload makes up for the rest: with it the sum is 0xffff and its complement 0.
    Bytes probe = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(Bytes{0, 0});
    const Bytes payload{probe[40], probe[41]};
    Frame frame(
        Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(payload).unfinished());
    from_virtio(frame.m, {.flags = V::kNeedsChecksum, .checksum_start = 34, .checksum_offset = 6});
    finish_checksums(frame.m);
    EXPECT_EQ(test::bytes_of(frame.m)[40], 0xff);
    EXPECT_EQ(test::bytes_of(frame.m)[41], 0xff);
    EXPECT_TRUE(test::checksums_valid(test::bytes_of(frame.m)));
}

TEST(FromVirtio, PaddingBehindTheDatagramIsNotSummed) {
    const Bytes right = tcp4().payload(1);
    Bytes padded = tcp4().payload(1).unfinished();
    padded.resize(60, 0xa5);
    Frame frame(padded);
    from_virtio(frame.m, {.flags = V::kNeedsChecksum, .checksum_start = 34, .checksum_offset = 16});
    finish_checksums(frame.m);
    const Bytes bytes = test::bytes_of(frame.m);
    EXPECT_TRUE(std::equal(right.begin(), right.end(), bytes.begin()));
}

TEST(FromVirtio, InnerChecksumOfTunnelIsFinishedAtOnce) {
    const Packet packet = Packet()
                              .eth()
                              .ipv4("10.0.0.1", "10.0.0.2")
                              .udp(9, 4789)
                              .without_checksum()
                              .vxlan(5)
                              .eth()
                              .ipv4("192.168.0.1", "192.168.0.2")
                              .tcp(1, 2)
                              .payload(777);
    Frame frame(Packet(packet).unfinished(), {40, 61});
    const V header{.flags = V::kNeedsChecksum, .checksum_start = 84, .checksum_offset = 16};
    EXPECT_EQ(from_virtio(frame.m, header), OffloadResult::kOk);
    EXPECT_FALSE(is_unfinished(frame.m));
    EXPECT_EQ(test::bytes_of(frame.m), packet.bytes());
}

TEST(FromVirtio, ChecksumOutsideTheFrameIsMalformed) {
    Frame frame(tcp4());
    const auto result = [&](uint16_t start, uint16_t offset) {
        return from_virtio(
            frame.m,
            {.flags = V::kNeedsChecksum, .checksum_start = start, .checksum_offset = offset});
    };
    EXPECT_EQ(result(52, 0), OffloadResult::kOk);
    EXPECT_EQ(result(52, 1), OffloadResult::kMalformed);
    EXPECT_EQ(result(65535, 65535), OffloadResult::kMalformed);
}

TEST(FromVirtio, SegmentsRoundTrip) {
    Frame v4(tcp4(TcpHeader::kAck | TcpHeader::kCwr).payload(5000).unfinished(), {54});
    const V header4{.flags = V::kNeedsChecksum,
                    .gso_type = V::kGsoTcpv4 | V::kGsoEcn,
                    .header_size = 54,
                    .gso_size = 1448,
                    .checksum_start = 34,
                    .checksum_offset = 16};
    ASSERT_EQ(from_virtio(v4.m, header4), OffloadResult::kOk);
    EXPECT_EQ(v4.m->ol_flags & kSegment, kSegment);
    EXPECT_EQ(v4.m->tso_segsz, 1448u);
    EXPECT_EQ(segment_count(v4.m), 4u);
    EXPECT_EQ(to_virtio(v4.m), header4);

    Frame v6(Packet().eth().ipv6("fd00::1", "fd00::2").tcp(1, 2).payload(60000).unfinished());
    const V header6{.flags = V::kNeedsChecksum,
                    .gso_type = V::kGsoTcpv6,
                    .header_size = 74,
                    .gso_size = 1428,
                    .checksum_start = 54,
                    .checksum_offset = 16};
    ASSERT_EQ(from_virtio(v6.m, header6), OffloadResult::kOk);
    EXPECT_EQ(to_virtio(v6.m), header6);
    finish_checksums(v6.m);
    EXPECT_TRUE(test::checksums_valid(test::bytes_of(v6.m)));
}

TEST(FromVirtio, SegmentThatFitsInOneFrameIsJustUnfinished) {
    Frame frame(tcp4().payload(1448).unfinished());
    const V header{.flags = V::kNeedsChecksum,
                   .gso_type = V::kGsoTcpv4,
                   .gso_size = 1448,
                   .checksum_start = 34,
                   .checksum_offset = 16};
    ASSERT_EQ(from_virtio(frame.m, header), OffloadResult::kOk);
    EXPECT_EQ(frame.m->ol_flags & kSegment, RTE_MBUF_F_TX_TCP_CKSUM);
    EXPECT_EQ(segment_count(frame.m), 1u);
}

TEST(FromVirtio, SegmentWithoutNeedsChecksumGetsItsPseudoHeaderSum) {
    const Bytes right = tcp4().payload(3000);
    Frame frame(right);
    ASSERT_EQ(from_virtio(frame.m, {.gso_type = V::kGsoTcpv4, .gso_size = 1000}),
              OffloadResult::kOk);
    EXPECT_EQ(test::bytes_of(frame.m), tcp4().payload(3000).unfinished().bytes());
    finish_checksums(frame.m);
    EXPECT_EQ(test::bytes_of(frame.m), right);
}

TEST(FromVirtio, NonsenseSegmentsAreMalformed) {
    const auto result = [](const Bytes& packet, uint8_t type, uint16_t size, uint16_t start = 34) {
        Frame frame(packet);
        return from_virtio(frame.m, {.flags = V::kNeedsChecksum,
                                     .gso_type = type,
                                     .gso_size = size,
                                     .checksum_start = start,
                                     .checksum_offset = 16});
    };
    const Packet good = tcp4().payload(5000).unfinished();
    EXPECT_EQ(result(good, V::kGsoTcpv4, 5), OffloadResult::kOk);
    EXPECT_EQ(result(good, V::kGsoTcpv4, 0), OffloadResult::kMalformed);
    EXPECT_EQ(result(good, V::kGsoTcpv4, 4), OffloadResult::kMalformed);  // 1250 frames
    EXPECT_EQ(result(good, V::kGsoTcpv6, 1000), OffloadResult::kMalformed);
    EXPECT_EQ(result(good, V::kGsoUdp, 1000), OffloadResult::kMalformed);
    EXPECT_EQ(result(good, V::kGsoEcn, 1000), OffloadResult::kMalformed);
    EXPECT_EQ(result(good, V::kGsoTcpv4, 1000, 36), OffloadResult::kMalformed);
    EXPECT_EQ(result(Packet(good).fragment(Ipv4Header::kMoreFragments), V::kGsoTcpv4, 1000),
              OffloadResult::kMalformed);
    Bytes truncated = good;
    truncated.resize(4000);
    EXPECT_EQ(result(truncated, V::kGsoTcpv4, 1000), OffloadResult::kMalformed);
    const Packet udp = Packet().eth().ipv4("1.1.1.1", "2.2.2.2").udp(1, 2).payload(5000);
    EXPECT_EQ(result(udp, V::kGsoTcpv4, 1000), OffloadResult::kMalformed);
}

Packet random_packet(std::mt19937& random) {
    Packet packet;
    packet.eth();
    for (unsigned tags = random() % 6; tags > 3; --tags) packet.vlan(9);
    if (random() % 2 == 0) {
        packet.ipv4("10.0.0.1", "10.0.0.2");
        if (random() % 3 == 0) packet.options(random() % 11 * 4);
    } else {
        packet.ipv6("fd00::1", "fd00::2");
        for (unsigned count = random() % 4; count > 1; --count)
            packet.extension(random() % 2 == 0 ? 60 : 43, 8 * (1 + random() % 32));
    }
    if (random() % 3 == 0) return packet.udp(1, 2).payload(random() % 100).unfinished();
    return packet.tcp(1, 2).options(random() % 11 * 4).payload(random() % 5000).unfinished();
}

// Under AddressSanitizer (the mbufs' bytes lie in heap blocks of their exact size) this is the
// proof that nothing a guest says has us read or write outside.
// What DPDK's vhost library says of a guest's packet, in receive flags.
TEST(FromReceiveFlags, SaysTheSameAsTheHeaderThatTheyCameFrom) {
    Frame told(tcp4().payload(3000).unfinished());
    Frame flagged(tcp4().payload(3000).unfinished());
    const V header{.flags = V::kNeedsChecksum,
                   .gso_type = V::kGsoTcpv4,
                   .gso_size = 1448,
                   .checksum_start = 34,
                   .checksum_offset = 16};
    ASSERT_EQ(from_virtio(told.m, header), OffloadResult::kOk);
    flagged.m->ol_flags |= RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_NONE;
    flagged.m->tso_segsz = 1448;
    ASSERT_EQ(from_receive_flags(flagged.m), OffloadResult::kOk);
    EXPECT_EQ(flagged.m->ol_flags, told.m->ol_flags);
    EXPECT_EQ(flagged.m->tx_offload, told.m->tx_offload);
}

TEST(FromReceiveFlags, AnUnfinishedChecksum) {
    const Packet packet = Packet().eth().ipv6("fd00::1", "fd00::2").udp(5, 7).payload(77);
    Frame frame(Packet(packet).unfinished());
    frame.m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
    ASSERT_EQ(from_receive_flags(frame.m), OffloadResult::kOk);
    EXPECT_EQ(frame.m->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_UDP_CKSUM);
    finish_checksums(frame.m);
    EXPECT_EQ(test::bytes_of(frame.m), packet.bytes());
}

TEST(FromReceiveFlags, AGoodChecksumIsKept) {
    Frame frame(tcp4().payload(10));
    frame.m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    ASSERT_EQ(from_receive_flags(frame.m), OffloadResult::kOk);
    EXPECT_FALSE(is_unfinished(frame.m));
    EXPECT_EQ(to_virtio(frame.m), V{.flags = V::kDataValid});
}

TEST(FromReceiveFlags, WhatTheFrameDoesNotAllowIsMalformed) {
    Frame udp(Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(5, 7).payload(3000));
    udp.m->ol_flags |= RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_NONE;
    udp.m->tso_segsz = 1000;
    EXPECT_EQ(from_receive_flags(udp.m), OffloadResult::kMalformed);
    Frame tiny(tcp4().payload(60000));
    tiny.m->ol_flags |= RTE_MBUF_F_RX_LRO | RTE_MBUF_F_RX_L4_CKSUM_NONE;
    tiny.m->tso_segsz = 1;
    EXPECT_EQ(from_receive_flags(tiny.m), OffloadResult::kMalformed);
    Frame other(Packet().eth().payload(100));
    other.m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_NONE;
    EXPECT_EQ(from_receive_flags(other.m), OffloadResult::kMalformed);
}

TEST(FromVirtio, RandomHeadersOverRandomFramesStayInside) {
    std::mt19937 random(2);
    int accepted = 0;
    for (int round = 0; round < 20000; ++round) {
        Bytes bytes = random_packet(random);
        const bool damaged = random() % 2 == 0;
        if (damaged && random() % 2 == 0) bytes.resize(random() % (bytes.size() + 1));
        for (unsigned flips = damaged ? random() % 4 : 0; flips > 0 && !bytes.empty(); --flips)
            bytes[random() % std::min<size_t>(bytes.size(), 120)] = static_cast<uint8_t>(random());
        std::vector<size_t> sizes(random() % 8);
        for (size_t& size : sizes) size = random() % (random() % 2 == 0 ? 20 : 400);

        V header{
            .flags = static_cast<uint8_t>(random() % 4),
            .gso_type = static_cast<uint8_t>(random() % 3 == 0 ? random() : random() % 2 * 4),
            .header_size = static_cast<uint16_t>(random()),
            .gso_size = static_cast<uint16_t>(random() % 3 == 0 ? random() : 5 + random() % 9000),
            .checksum_start =
                static_cast<uint16_t>(random() % 3 == 0 ? random() : 34 + random() % 60),
            .checksum_offset = static_cast<uint16_t>(random() % 3 == 0 ? random() : 16)};
        Frame frame(bytes, sizes);
        if (from_virtio(frame.m, header) == OffloadResult::kMalformed) continue;
        ++accepted;
        EXPECT_EQ(test::bytes_of(frame.m).size(), bytes.size());
        const V back = to_virtio(frame.m);
        if (is_unfinished(frame.m) && (header.flags & V::kNeedsChecksum) != 0) {
            EXPECT_EQ(back.checksum_start, header.checksum_start);
            EXPECT_EQ(back.checksum_offset, header.checksum_offset);
        }
        Cutter cutter(frame.m, test::test_pool());
        uint32_t count = 0;
        while (rte_mbuf* piece = cutter.next()) {
            ++count;
            rte_pktmbuf_free(piece);
        }
        EXPECT_EQ(count + cutter.remaining(), segment_count(frame.m));
        finish_checksums(frame.m);
    }
    EXPECT_GT(accepted, 1000);
}

// What Intel's drivers make of a packet, in DPDK's words.
Bytes prepared_by_dpdk(const Bytes& bytes, const test::Unfinished& what) {
    Frame frame(bytes);
    test::mark(frame.m, what);
    if (what.segment_size != 0 && !what.ipv6) frame.m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
    EXPECT_EQ(rte_net_intel_cksum_prepare(frame.m), 0);
    return test::bytes_of(frame.m);
}

TEST(PrepareForDevice, IsWhatDriversExpect) {
    const Packet v4 = Packet().eth().vlan(5).ipv4("10.0.0.1", "10.0.0.2").options(8);
    const Packet v6 = Packet().eth().ipv6("fd00::1", "fd00::2");
    struct Row {
        Packet packet;
        test::Unfinished what;
    };
    const Row rows[] = {
        {Packet(v4).tcp(1, 2).options(12).payload(5000), {18, 28, 32, false, false, 1400}},
        {Packet(v6).tcp(1, 2).options(12).payload(5000), {14, 40, 32, true, false, 1400}},
        {Packet(v4).tcp(1, 2).payload(101), {18, 28, 20, false, false, 0}},
        {Packet(v6).tcp(1, 2).payload(101), {14, 40, 20, true, false, 0}},
        {Packet(v4).udp(1, 2).payload(101), {18, 28, 8, false, true, 0}},
        {Packet(v6).udp(1, 2).payload(101), {14, 40, 8, true, true, 0}},
    };
    for (const Row& row : rows) {
        const Bytes unfinished = Packet(row.packet).unfinished();
        Frame frame(unfinished, {200});
        test::mark(frame.m, row.what);
        ASSERT_TRUE(prepare_for_device(frame.m));
        const Bytes prepared = test::bytes_of(frame.m);
        EXPECT_EQ(prepared, prepared_by_dpdk(unfinished, row.what));
        // A segment has another sum, any other packet the same.
        EXPECT_EQ(prepared == unfinished, row.what.segment_size == 0);
        const bool asks_ip = (frame.m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0;
        EXPECT_EQ(asks_ip, row.what.segment_size != 0 && !row.what.ipv6);
        // Again, as for a copy that was sent before: no change.
        ASSERT_TRUE(prepare_for_device(frame.m));
        EXPECT_EQ(test::bytes_of(frame.m), prepared);
    }
}

TEST(PrepareForDevice, WhatADeviceRefusesIsStillCut) {
    Frame frame(tcp4().payload(3000).unfinished());
    test::mark(frame.m, {.segment_size = 1000});
    ASSERT_TRUE(prepare_for_device(frame.m));
    Cutter cutter(frame.m, test::test_pool());
    int count = 0;
    while (rte_mbuf* piece = cutter.next()) {
        EXPECT_TRUE(test::checksums_valid(test::bytes_of(piece)));
        rte_pktmbuf_free(piece);
        ++count;
    }
    EXPECT_EQ(count, 3);
}

TEST(PrepareForDevice, LeavesWhatDevicesGetWrong) {
    const Bytes extended =
        Packet().eth().ipv6("fd00::1", "fd00::2").extension(60, 8).tcp(1, 2).payload(3000).unfinished();
    Frame frame(extended);
    test::mark(frame.m, {14, 48, 20, true, false, 1000});
    EXPECT_FALSE(prepare_for_device(frame.m));
    EXPECT_EQ(test::bytes_of(frame.m), extended);

    Frame spread(tcp4().payload(3000).unfinished(), {40});
    test::mark(spread.m, {.segment_size = 1000});
    EXPECT_FALSE(prepare_for_device(spread.m));
}

}  // namespace
}  // namespace sluice::wire
