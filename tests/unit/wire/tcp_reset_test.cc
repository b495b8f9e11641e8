#include "wire/tcp_reset.h"

#include <gtest/gtest.h>

#include <cstring>

#include "support/eal.h"
#include "support/packet.h"
#include "wire/headers.h"

namespace sluice::wire {
namespace {

using test::Packet;

// The answer as bytes; empty: none.
test::Bytes reset_of(const test::Bytes& frame, const std::vector<size_t>& chain = {}) {
    rte_mbuf* segment = test::to_guarded_mbuf(test::test_pool(), frame, chain);
    rte_mbuf* reset = build_tcp_reset(test::test_pool(), segment, 14);
    test::Bytes bytes = reset == nullptr ? test::Bytes{} : test::bytes_of(reset);
    rte_pktmbuf_free(reset);
    rte_pktmbuf_free(segment);
    return bytes;
}

TcpHeader tcp_of(const test::Bytes& frame, bool ipv6) {
    TcpHeader header{};
    std::memcpy(&header, frame.data() + (ipv6 ? 54 : 34), sizeof header);
    return header;
}

Packet ip(bool ipv6) {
    return ipv6 ? Packet().eth().ipv6("fd00::1", "fd00::2") : Packet().eth().ipv4("10.0.0.1", "10.0.0.2");
}

TEST(TcpReset, AnswersASynByAcknowledgingIt) {
    for (const bool ipv6 : {false, true}) {
        SCOPED_TRACE(ipv6);
        const test::Bytes reset = reset_of(ip(ipv6).tcp(1234, 80, TcpHeader::kSyn, 1000));
        ASSERT_FALSE(reset.empty());
        EXPECT_TRUE(test::checksums_valid(reset));
        const TcpHeader tcp = tcp_of(reset, ipv6);
        EXPECT_EQ(tcp.flags, TcpHeader::kRst | TcpHeader::kAck);
        EXPECT_EQ(tcp.sequence.host(), 0u);
        EXPECT_EQ(tcp.acknowledgement.host(), 1001u);
        EXPECT_EQ(tcp.source_port.host(), 80);
        EXPECT_EQ(tcp.destination_port.host(), 1234);
        const auto address = [&](size_t at, size_t size) {
            return test::Bytes(reset.begin() + long(at), reset.begin() + long(at + size));
        };
        EXPECT_EQ(ipv6 ? address(22, 16) : address(26, 4), test::address_bytes(ipv6 ? "fd00::2" : "10.0.0.2"));
    }
}

TEST(TcpReset, CountsWhatASegmentHolds) {
    const test::Bytes reset = reset_of(ip(false).tcp(1, 2, TcpHeader::kFin, 500).payload(100), {40, 60});
    EXPECT_EQ(tcp_of(reset, false).acknowledgement.host(), 601u);
}

TEST(TcpReset, HasTheNumberThatWasAcknowledged) {
    const test::Bytes reset = reset_of(ip(false).tcp(1, 2, TcpHeader::kAck, 500).payload(10));
    EXPECT_EQ(tcp_of(reset, false).flags, TcpHeader::kRst);
    EXPECT_EQ(tcp_of(reset, false).acknowledgement.host(), 0u);
}

TEST(TcpReset, OfNothingElse) {
    EXPECT_TRUE(reset_of(ip(false).tcp(1, 2, TcpHeader::kRst)).empty());
    EXPECT_TRUE(reset_of(ip(false).udp(1, 2)).empty());
    EXPECT_TRUE(reset_of(ip(false).fragment(0x0010).payload(40)).empty());
    EXPECT_TRUE(reset_of(Packet().eth().ipv4("10.0.0.1", "224.0.0.9").tcp(1, 2)).empty());
    EXPECT_TRUE(reset_of(Packet().eth().ipv6("ff02::1", "fd00::2").tcp(1, 2)).empty());
    const test::Bytes whole = ip(false).tcp(1, 2);
    for (size_t size = 14; size < whole.size(); ++size) {
        EXPECT_TRUE(reset_of(test::Bytes(whole.begin(), whole.begin() + long(size))).empty()) << size;
    }
}

}  // namespace
}  // namespace sluice::wire
