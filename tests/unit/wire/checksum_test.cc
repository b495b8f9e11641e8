#include "wire/checksum.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "support/eal.h"
#include "support/packet.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

uint16_t naive(const Bytes& bytes, size_t begin, size_t end) {
    uint64_t sum = 0;
    for (size_t i = begin; i < end; ++i)
        sum += (i - begin) % 2 == 0 ? uint64_t{bytes[i]} << 8 : bytes[i];
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
}

TEST(Checksum, ExampleOfRfc1071) {
    const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    EXPECT_EQ(checksum_of(sum_of(bytes, sizeof bytes)), be16(0xffff - 0xddf2));
}

TEST(Checksum, ZeroIsWrittenAsAllOnesForUdp) {
    EXPECT_EQ(checksum_of(0xffff), be16(0));
    EXPECT_EQ(nonzero_checksum_of(0xffff), be16(0xffff));
    EXPECT_EQ(nonzero_checksum_of(1), checksum_of(1));
}

TEST(Checksum, Ipv4HeaderWithOptions) {
    Bytes frame = Packet().eth().ipv4("10.0.0.1", "192.168.7.9").options(20).udp(1, 2);
    Ipv4Header& header = *reinterpret_cast<Ipv4Header*>(&frame[14]);
    const be16 right = header.checksum;
    EXPECT_EQ(header_checksum(header), right);
    header.checksum = be16(0xbeef);  // what stands in the field doesn't matter
    EXPECT_EQ(header_checksum(header), right);
}

TEST(Checksum, PseudoHeaders) {
    Bytes frame = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).payload(5).unfinished();
    Sum sum = pseudo_header_sum(*reinterpret_cast<Ipv4Header*>(&frame[14]), Protocol::kTcp, 25);
    EXPECT_EQ(be16::from_raw(fold(sum)).host(), naive(frame, 50, 52));
    frame = Packet().eth().ipv6("fd00::1", "fd00::abcd").udp(1, 2).payload(5).unfinished();
    sum = pseudo_header_sum(*reinterpret_cast<Ipv6Header*>(&frame[14]), Protocol::kUdp, 13);
    EXPECT_EQ(be16::from_raw(fold(sum)).host(), naive(frame, 60, 62));
}

// Odd segments of heavy bytes: where rte_raw_cksum_mbuf of 22.11 loses carries.
TEST(Checksum, ChainsOfAnyShapeMatchNaive) {
    std::mt19937 random(1);
    for (int round = 0; round < 500; ++round) {
        Bytes bytes(1 + random() % 3000);
        for (uint8_t& byte : bytes) byte = round % 2 == 0 ? 0xff : static_cast<uint8_t>(random());
        std::vector<size_t> sizes(random() % 6);
        for (size_t& size : sizes) size = random() % 700;
        rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), bytes, sizes);
        ASSERT_NE(m, nullptr);
        const uint32_t begin = random() % bytes.size();
        const uint32_t end = begin + random() % (bytes.size() - begin + 1);
        // All ones and all zeros are both zero; sums of bytes that aren't all 0 never give the
        // latter, so plain equality holds.
        EXPECT_EQ(be16::from_raw(fold(sum_of(m, begin, end))).host(), naive(bytes, begin, end));
        EXPECT_EQ(fold(sum_of(m, begin, end + 70000)),
                  fold(sum_of(m, begin, static_cast<uint32_t>(bytes.size()))));
        rte_pktmbuf_free(m);
    }
}

TEST(Checksum, FinishesFieldSplitBetweenSegments) {
    const Packet packet = Packet().eth().ipv6("fd00::1", "fd00::2").tcp(7, 8).payload(301);
    Bytes frame = Packet(packet).unfinished();
    for (size_t split : {70, 71, 72}) {
        rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), frame, {split, 0, 1});
        finish_l4_checksum(m, 54, 70, m->pkt_len);
        EXPECT_EQ(test::bytes_of(m), packet.bytes());
        rte_pktmbuf_free(m);
    }
}

}  // namespace
}  // namespace sluice::wire
