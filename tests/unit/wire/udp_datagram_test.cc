#include "wire/udp_datagram.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "support/eal.h"
#include "support/packet.h"
#include "wire/checksum.h"
#include "wire/headers.h"
#include "wire/layers.h"
#include "wire/own_frame.h"

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

std::optional<UdpDatagram> read(const Bytes& bytes, const std::vector<size_t>& chain = {}) {
    const Frame frame(test::to_guarded_mbuf(test::test_pool(), bytes, chain));
    return read_udp_datagram(frame.get());
}

TEST(UdpDatagram, IsReadFromAPacket) {
    for (const auto& chain : {std::vector<size_t>{}, std::vector<size_t>{20, 20, 4}}) {
        const auto datagram = read(Packet().eth().ipv4("10.0.0.2", "10.0.0.254").udp(5000, 53).payload(30), chain);
        ASSERT_TRUE(datagram);
        EXPECT_EQ(datagram->source, ip("10.0.0.2"));
        EXPECT_EQ(datagram->destination, ip("10.0.0.254"));
        EXPECT_EQ(datagram->source_port, 5000);
        EXPECT_EQ(datagram->destination_port, 53);
        EXPECT_EQ(datagram->payload, 42U);
        EXPECT_EQ(datagram->payload_size, 30U);
    }
    EXPECT_FALSE(read(Packet().eth().ipv4("10.0.0.2", "10.0.0.254").tcp(5000, 53).payload(30)));
}

TEST(UdpDatagram, OneWithAnErrorIsNone) {
    const Bytes good = Packet().eth().ipv6("fd00::2", "fd00::fe").udp(5000, 53).payload(30);
    ASSERT_TRUE(read(good));
    for (size_t at = 22; at < good.size(); ++at) {
        Bytes bad = good;
        bad[at] ^= 0x10;
        EXPECT_FALSE(read(bad)) << "byte " << at;
    }
    for (size_t size = 14; size < good.size(); ++size)
        EXPECT_FALSE(read(Bytes(good.begin(), good.begin() + size)));
}

TEST(UdpDatagram, OverIpv4TheChecksumMayBeMissing) {
    Bytes none = Packet().eth().ipv4("10.0.0.2", "10.0.0.254").udp(5000, 53).payload(30);
    none[40] = none[41] = 0;
    EXPECT_TRUE(read(none));
    none = Packet().eth().ipv6("fd00::2", "fd00::fe").udp(5000, 53).payload(30);
    none[60] = none[61] = 0;
    EXPECT_FALSE(read(none));
}

TEST(UdpDatagram, WhatIsBuiltIsRead) {
    const std::string payload = "an answer";
    for (const auto& [from, to] : {std::pair{"10.0.0.254", "255.255.255.255"}, std::pair{"fd00::fe", "fd00::2"}}) {
        const Frame frame(build_udp_datagram(
            test::test_pool(),
            {.source = ip(from), .destination = ip(to), .source_port = 53, .destination_port = 5000},
            std::as_bytes(std::span(payload))));
        ASSERT_TRUE(frame);
        const auto datagram = read_udp_datagram(frame.get());
        ASSERT_TRUE(datagram);
        EXPECT_EQ(datagram->source, ip(from));
        EXPECT_EQ(datagram->destination, ip(to));
        EXPECT_EQ(datagram->source_port, 53);
        EXPECT_EQ(datagram->destination_port, 5000);
        EXPECT_EQ(std::string(rte_pktmbuf_mtod_offset(frame.get(), const char*, datagram->payload),
                              datagram->payload_size),
                  payload);
    }
    const std::vector<std::byte> long_one(70000);
    EXPECT_FALSE(
        Frame(build_udp_datagram(test::test_pool(), {.source = ip("::1"), .destination = ip("::2")}, long_one)));
}

TEST(UdpDatagram, AnIcmpv6MessageHasItsChecksumAndHopLimit) {
    const std::array<std::byte, 16> message{std::byte{134}, std::byte{0}, std::byte{9}, std::byte{9},
                                            std::byte{64}};
    const Frame frame(build_icmpv6_message(test::test_pool(), ip("fe80::1"), ip("ff02::1"), message));
    ASSERT_TRUE(frame);
    EXPECT_EQ(rte_pktmbuf_pkt_len(frame.get()), 14U + 40 + 16);
    const auto& header = *rte_pktmbuf_mtod_offset(frame.get(), const Ipv6Header*, 14);
    EXPECT_EQ(header.hop_limit, 255);
    EXPECT_EQ(header.next, static_cast<uint8_t>(Protocol::kIcmpv6));
    EXPECT_EQ(fold(sum_of(frame.get(), 54, 70) + pseudo_header_sum(header, Protocol::kIcmpv6, 16)), 0xffff);
    EXPECT_FALSE(
        Frame(build_icmpv6_message(test::test_pool(), ip("::1"), ip("::2"), std::span(message).first(3))));
}

}  // namespace
}  // namespace sluice::wire
