#include "wire/segment.h"

#include <gtest/gtest.h>

#include <random>

#include "support/eal.h"
#include "support/packet.h"
#include "wire/offload.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

// A TCP segment and where its headers lie, known to the test from building it.
struct Segment {
    Packet packet;
    size_t l2 = 14, l3 = 20, l4 = 20;
    bool ipv6 = false;
    uint8_t flags = TcpHeader::kAck;
    uint16_t id = 1;
    uint32_t sequence = 1;

    size_t headers() const { return l2 + l3 + l4; }
};

Segment random_segment(std::mt19937& random) {
    Segment s;
    s.packet.eth();
    for (unsigned tags = random() % 3; tags > 0; --tags, s.l2 += 4) s.packet.vlan(7, 0x88a8);
    s.ipv6 = random() % 2 == 0;
    if (s.ipv6) {
        s.packet.ipv6("fd00::1", "2001:db8::ffff:2");
        s.l3 = 40;
        for (unsigned count = random() % 3; count > 0; --count) {
            const size_t size = 8 * (1 + random() % 12);
            s.packet.extension(count == 2 ? 0 : 60, size);
            s.l3 += size;
        }
    } else {
        const size_t options = random() % 11 * 4;
        s.id = static_cast<uint16_t>(random());
        s.packet.ipv4("10.0.0.1", "10.200.0.2").id(s.id).options(options);
        s.l3 += options;
    }
    const size_t options = random() % 11 * 4;
    s.flags = static_cast<uint8_t>(TcpHeader::kAck | random());
    s.sequence = static_cast<uint32_t>(random());
    s.packet.tcp(1234, 80, s.flags, s.sequence).options(options);
    s.l4 += options;
    return s;
}

rte_mbuf* to_segment(const Segment& s, const Bytes& bytes, uint16_t mss,
                     const std::vector<size_t>& sizes = {}) {
    rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), bytes, sizes);
    const VirtioNetHeader header{
        .flags = VirtioNetHeader::kNeedsChecksum,
        .gso_type = s.ipv6 ? VirtioNetHeader::kGsoTcpv6 : VirtioNetHeader::kGsoTcpv4,
        .gso_size = mss,
        .checksum_start = static_cast<uint16_t>(s.l2 + s.l3),
        .checksum_offset = 16};
    EXPECT_EQ(from_virtio(m, header), OffloadResult::kOk);
    m->port = 42;
    m->vlan_tci = 77;
    m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    return m;
}

std::vector<Bytes> cut(const rte_mbuf* m, rte_mempool* pool) {
    std::vector<Bytes> pieces;
    Cutter cutter(m, pool);
    while (rte_mbuf* piece = cutter.next()) {
        EXPECT_EQ(piece->nb_segs, 1);
        EXPECT_EQ(piece->port, 42);
        EXPECT_EQ(piece->vlan_tci, 77);
        EXPECT_EQ(piece->ol_flags, RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED);
        EXPECT_EQ(piece->pkt_len, piece->data_len);
        pieces.push_back(test::bytes_of(piece));
        rte_pktmbuf_free(piece);
    }
    EXPECT_FALSE(cutter.failed());
    EXPECT_EQ(cutter.remaining(), 0u);
    return pieces;
}

// What piece `index` must be, put together by hand from the whole; checksums aside.
Bytes expected_piece(const Segment& s, const Bytes& whole, size_t mss, size_t index, size_t count) {
    const size_t begin = s.headers() + index * mss;
    const size_t end = std::min(begin + mss, whole.size());
    Bytes piece(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(s.headers()));
    piece.insert(piece.end(), whole.begin() + static_cast<ptrdiff_t>(begin),
                 whole.begin() + static_cast<ptrdiff_t>(end));
    const auto put = [&](size_t at, size_t value) {
        piece[at] = static_cast<uint8_t>(value >> 8);
        piece[at + 1] = static_cast<uint8_t>(value);
    };
    put(s.l2 + (s.ipv6 ? 4 : 2), piece.size() - s.l2 - (s.ipv6 ? 40 : 0));
    if (!s.ipv6) put(s.l2 + 4, s.id + index);
    const size_t tcp = s.l2 + s.l3;
    const auto sequence = static_cast<uint32_t>(s.sequence + index * mss);
    put(tcp + 4, sequence >> 16);
    put(tcp + 6, sequence);
    uint8_t flags = s.flags;
    if (index + 1 < count) flags &= static_cast<uint8_t>(~(TcpHeader::kFin | TcpHeader::kPsh));
    if (index > 0) flags &= static_cast<uint8_t>(~TcpHeader::kCwr);
    piece[tcp + 13] = flags;
    return piece;
}

Bytes without_checksums(const Segment& s, Bytes piece) {
    if (!s.ipv6) piece[s.l2 + 10] = piece[s.l2 + 11] = 0;
    piece[s.l2 + s.l3 + 16] = piece[s.l2 + s.l3 + 17] = 0;
    return piece;
}

TEST(Cutter, RandomSegmentsMatchNaiveCutting) {
    std::mt19937 random(3);
    for (int round = 0; round < 400; ++round) {
        const Segment s = random_segment(random);
        const uint16_t mss = static_cast<uint16_t>(64 + random() % 1400);
        const size_t most = round % 10 == 0 ? 64000 : 8000;
        const size_t size = mss + 1 + random() % (most - mss);
        const Bytes bytes = Packet(s.packet).payload(size).unfinished();
        std::vector<size_t> sizes(random() % 9);
        for (size_t& part : sizes) part = random() % (random() % 2 == 0 ? 50 : 4000);
        rte_mbuf* m = to_segment(s, bytes, mss, sizes);

        const size_t count = (size + mss - 1) / mss;
        EXPECT_EQ(segment_count(m), count);
        const std::vector<Bytes> pieces = cut(m, test::test_pool());
        ASSERT_EQ(pieces.size(), count);
        for (size_t i = 0; i < count; ++i) {
            ASSERT_TRUE(test::checksums_valid(pieces[i])) << "round " << round << " piece " << i;
            ASSERT_EQ(without_checksums(s, pieces[i]),
                      without_checksums(s, expected_piece(s, bytes, mss, i, count)));
        }
        EXPECT_EQ(test::bytes_of(m), bytes);
        rte_pktmbuf_free(m);
    }
}

TEST(Cutter, FinAndPushGoLastAndCwrFirst) {
    Segment s;
    s.flags = TcpHeader::kFin | TcpHeader::kPsh | TcpHeader::kAck | TcpHeader::kCwr;
    s.packet.eth().ipv4("1.1.1.1", "2.2.2.2").id(65535).tcp(1, 2, s.flags);
    rte_mbuf* m = to_segment(s, Packet(s.packet).payload(2500).unfinished(), 1000);
    const std::vector<Bytes> pieces = cut(m, test::test_pool());
    ASSERT_EQ(pieces.size(), 3u);
    EXPECT_EQ(pieces[0][47], TcpHeader::kAck | TcpHeader::kCwr);
    EXPECT_EQ(pieces[1][47], TcpHeader::kAck);
    EXPECT_EQ(pieces[2][47], TcpHeader::kAck | TcpHeader::kFin | TcpHeader::kPsh);
    EXPECT_EQ(pieces[1][18] << 8 | pieces[1][19], 0);  // the id wraps
    rte_pktmbuf_free(m);
}

TEST(Cutter, PaddingBehindTheDatagramIsNoPayload) {
    Segment s;
    s.packet.eth().ipv4("1.1.1.1", "2.2.2.2").tcp(1, 2);
    Bytes bytes = Packet(s.packet).payload(100).unfinished();
    bytes.resize(bytes.size() + 30, 0xee);
    rte_mbuf* m = to_segment(s, bytes, 60);
    const std::vector<Bytes> pieces = cut(m, test::test_pool());
    ASSERT_EQ(pieces.size(), 2u);
    EXPECT_EQ(pieces[1].size(), 54u + 40);
    rte_pktmbuf_free(m);
}

TEST(Cutter, LargestSegmentInLargeMbuf) {
    Segment s;
    s.packet.eth().ipv4("1.1.1.1", "2.2.2.2").tcp(1, 2);
    const Bytes bytes = Packet(s.packet).payload(65535 - 40).unfinished();
    rte_mbuf* m = to_segment(s, bytes, 1460);
    EXPECT_EQ(segment_count(m), 45u);
    EXPECT_EQ(cut(m, test::test_pool()).size(), 45u);
    m->tso_segsz = 30000;
    EXPECT_EQ(cut(m, test::large_pool()).size(), 3u);
    rte_pktmbuf_free(m);
}

TEST(Cutter, PieceThatDoesNotFitTheBufferFails) {
    Segment s;
    s.packet.eth().ipv4("1.1.1.1", "2.2.2.2").tcp(1, 2);
    rte_mbuf* m = to_segment(s, Packet(s.packet).payload(9000).unfinished(), 3000);
    Cutter cutter(m, test::test_pool());
    EXPECT_EQ(cutter.next(), nullptr);
    EXPECT_TRUE(cutter.failed());
    EXPECT_EQ(cutter.remaining(), 3u);
    rte_pktmbuf_free(m);
}

TEST(Cutter, ExhaustedPoolFailsAndLeaksNothing) {
    test::start_eal();
    rte_mempool* pool = rte_pktmbuf_pool_create("few", 3, 0, 0, 2048 + 128, SOCKET_ID_ANY);
    ASSERT_NE(pool, nullptr);
    Segment s;
    s.packet.eth().ipv4("1.1.1.1", "2.2.2.2").tcp(1, 2);
    const Bytes bytes = Packet(s.packet).payload(5000).unfinished();
    rte_mbuf* m = to_segment(s, bytes, 1000);
    Cutter cutter(m, pool);
    std::vector<rte_mbuf*> pieces;
    while (rte_mbuf* piece = cutter.next()) pieces.push_back(piece);
    EXPECT_EQ(pieces.size(), 3u);
    EXPECT_TRUE(cutter.failed());
    EXPECT_EQ(cutter.remaining(), 2u);
    for (rte_mbuf* piece : pieces) rte_pktmbuf_free(piece);
    EXPECT_EQ(cutter.next(), nullptr);  // a failure lasts
    EXPECT_EQ(rte_mempool_avail_count(pool), 3u);
    EXPECT_EQ(test::bytes_of(m), bytes);
    rte_pktmbuf_free(m);
    rte_mempool_free(pool);
}

}  // namespace
}  // namespace sluice::wire
