#include "wire/tcp_segment.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "support/eal.h"
#include "support/packet.h"
#include "wire/headers.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

struct Free {
    void operator()(rte_mbuf* m) const { rte_pktmbuf_free(m); }
};
using Frame = std::unique_ptr<rte_mbuf, Free>;

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

std::optional<TcpSegment> read(const Bytes& bytes, const std::vector<size_t>& chain = {}) {
    const Frame frame(test::to_guarded_mbuf(test::test_pool(), bytes, chain));
    return read_tcp_segment(frame.get());
}

Packet response() {
    return Packet().eth().ipv4("10.0.0.2", "10.0.0.254").tcp(80, 40000, TcpHeader::kAck, 77).payload(100);
}

TEST(TcpSegment, IsReadFromAPacket) {
    for (const auto& chain : {std::vector<size_t>{}, std::vector<size_t>{20, 20, 30}}) {
        const auto segment = read(response(), chain);
        ASSERT_TRUE(segment);
        EXPECT_EQ(segment->source, ip("10.0.0.2"));
        EXPECT_EQ(segment->destination, ip("10.0.0.254"));
        EXPECT_EQ(segment->source_port, 80);
        EXPECT_EQ(segment->destination_port, 40000);
        EXPECT_EQ(segment->sequence, 77U);
        EXPECT_EQ(segment->flags, TcpHeader::kAck);
        EXPECT_EQ(segment->payload, 54U);
        EXPECT_EQ(segment->payload_size, 100U);
    }
    const auto options = read(Packet().eth().ipv6("fd00::2", "fd00::fe").tcp(80, 40000).options(12).payload(9));
    ASSERT_TRUE(options);
    EXPECT_EQ(options->source, ip("fd00::2"));
    EXPECT_EQ(options->payload, 86U);
    EXPECT_EQ(options->payload_size, 9U);
}

TEST(TcpSegment, OneWithAnErrorIsNone) {
    const Bytes good = response();
    ASSERT_TRUE(read(good));
    // Whatever bit is wrong behind the Ethernet header, and however short it is.
    for (size_t at = 14; at < good.size(); ++at) {
        Bytes bad = good;
        bad[at] ^= 0x10;
        const bool is_ip_header = at < 34;  // which the path has checked
        if (!is_ip_header) {
            EXPECT_FALSE(read(bad)) << at;
        }
    }
    for (size_t size = 0; size < good.size(); ++size)
        EXPECT_FALSE(read(Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(size)))) << size;
    EXPECT_FALSE(read(Packet().eth().ipv4("10.0.0.2", "10.0.0.254").udp(80, 40000).payload(100)));
    EXPECT_FALSE(read(response().fragment(0x2000)));
    EXPECT_FALSE(read(Packet().eth().ipv6("::ffff:10.0.0.2", "::ffff:10.0.0.254").tcp(80, 40000).payload(100)));
    EXPECT_FALSE(read(response().without_checksum()));
}

TEST(TcpSegment, AnUnfinishedChecksumIsRight) {
    const Frame frame(test::to_mbuf(test::test_pool(), response().unfinished()));
    EXPECT_FALSE(read_tcp_segment(frame.get()));
    test::mark(frame.get(), {});
    EXPECT_TRUE(read_tcp_segment(frame.get()));
}

TEST(TcpSegment, IsMadeAsItIsRead) {
    const std::string request = "GET / HTTP/1.1\r\n\r\n";
    for (const auto& [from, to] : {std::pair("10.0.0.254", "10.0.0.2"), std::pair("fd00::fe", "fd00::2")}) {
        for (const std::string& payload : {std::string(), request}) {
            const TcpSegment made{.source = ip(from),
                                  .destination = ip(to),
                                  .source_port = 40000,
                                  .destination_port = 80,
                                  .sequence = 0xffff'ffff,
                                  .acknowledgement = 5,
                                  .flags = TcpHeader::kAck | TcpHeader::kPsh,
                                  .window = 1024};
            const Frame frame(build_tcp_segment(test::test_pool(), made, payload));
            ASSERT_NE(frame, nullptr);
            EXPECT_TRUE(test::checksums_valid(test::bytes_of(frame.get())));
            const auto segment = read_tcp_segment(frame.get());
            ASSERT_TRUE(segment);
            EXPECT_EQ(segment->source, made.source);
            EXPECT_EQ(segment->destination, made.destination);
            EXPECT_EQ(segment->source_port, made.source_port);
            EXPECT_EQ(segment->sequence, made.sequence);
            EXPECT_EQ(segment->acknowledgement, made.acknowledgement);
            EXPECT_EQ(segment->flags, made.flags);
            EXPECT_EQ(segment->window, made.window);
            EXPECT_EQ(segment->payload_size, payload.size());
        }
    }
    EXPECT_EQ(build_tcp_segment(test::test_pool(), {.source = ip("10.0.0.1"), .destination = ip("10.0.0.2")},
                                std::string(60'000, 'x')),
              nullptr);
}

}  // namespace
}  // namespace sluice::wire
