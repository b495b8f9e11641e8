#include "wire/ip_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "sluice/address.h"
#include "support/eal.h"
#include "support/packet.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

constexpr uint32_t kL3 = 14;

const Bytes kIpv4 = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(100);
const Bytes kOptions = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").options(40).udp(1, 2).payload(9);
const Bytes kIpv6 = Packet().eth().ipv6("fd00::1", "fd00::2").udp(1, 2).payload(100);

IpCheck check(const Bytes& bytes, bool ipv6, const std::vector<size_t>& chain = {}, uint64_t flags = 0) {
    rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), bytes, chain);
    m->ol_flags |= flags;
    const IpCheck result = ipv6 ? check_ipv6(m, kL3) : check_ipv4(m, kL3);
    rte_pktmbuf_free(m);
    return result;
}

Bytes with(Bytes bytes, size_t at, unsigned value, bool right_checksum = true) {
    bytes.at(at) = static_cast<uint8_t>(value);
    auto& ip = *reinterpret_cast<Ipv4Header*>(&bytes[kL3]);
    if (right_checksum && kL3 + ip.header_size() <= bytes.size()) ip.checksum = header_checksum(ip);
    return bytes;
}

struct Row {
    const char* name;
    Bytes frame;
    bool ipv6;
    IpCheck expected;
};

TEST(IpCheck, Rows) {
    const Bytes padded = [] {
        Bytes bytes = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2);
        bytes.resize(60);
        return bytes;
    }();
    const auto cut = [](const Bytes& bytes, size_t size) {
        return Bytes(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    };
    const Bytes no_next = Packet().eth().ipv6("fd00::1", "fd00::2", 59);
    const Bytes jumbo = [] {
        Bytes bytes = Packet().eth().ipv6("fd00::1", "fd00::2").extension(0, 8).udp(1, 2).payload(9);
        bytes[kL3 + 4] = bytes[kL3 + 5] = 0;
        return bytes;
    }();
    const Row rows[] = {
        {"plain", kIpv4, false, IpCheck::kValid},
        {"options", kOptions, false, IpCheck::kValid},
        {"padding", padded, false, IpCheck::kValid},
        {"version 5", with(kIpv4, 14, 0x55), false, IpCheck::kBadHeader},
        {"IPv6 for IPv4", with(kIpv4, 14, 0x65), false, IpCheck::kBadHeader},
        {"IHL 4", with(kIpv4, 14, 0x44), false, IpCheck::kBadHeader},
        {"cut in the header", cut(kIpv4, 33), false, IpCheck::kBadHeader},
        {"cut in the options", cut(kOptions, 73), false, IpCheck::kBadHeader},
        {"total length 19", with(with(kIpv4, 16, 0), 17, 19), false, IpCheck::kBadLength},
        {"shorter than its options", with(with(kOptions, 16, 0), 17, 59), false, IpCheck::kBadLength},
        {"cut behind the header", cut(kIpv4, kIpv4.size() - 1), false, IpCheck::kBadLength},
        {"wrong checksum", with(kIpv4, 22, 17, false), false, IpCheck::kBadChecksum},
        {"wrong checksum over options", with(kOptions, 60, 0, false), false, IpCheck::kBadChecksum},
        {"IPv6", kIpv6, true, IpCheck::kValid},
        {"IPv6 with nothing in it", no_next, true, IpCheck::kValid},
        {"IPv4 for IPv6", with(kIpv6, 14, 0x45, false), true, IpCheck::kBadHeader},
        {"cut in the IPv6 header", cut(kIpv6, 53), true, IpCheck::kBadHeader},
        {"cut behind the IPv6 header", cut(kIpv6, kIpv6.size() - 1), true, IpCheck::kBadLength},
        {"jumbogram", jumbo, true, IpCheck::kBadLength},
    };
    for (const Row& row : rows) EXPECT_EQ(check(row.frame, row.ipv6), row.expected) << row.name;
}

TEST(IpCheck, HeaderLiesInTheFirstMbuf) {
    EXPECT_EQ(check(kIpv4, false, {34}), IpCheck::kValid);
    EXPECT_EQ(check(kIpv4, false, {33}), IpCheck::kBadHeader);
    EXPECT_EQ(check(kOptions, false, {74}), IpCheck::kValid);
    EXPECT_EQ(check(kOptions, false, {73}), IpCheck::kBadHeader);
    EXPECT_EQ(check(kIpv6, true, {54}), IpCheck::kValid);
    EXPECT_EQ(check(kIpv6, true, {53}), IpCheck::kBadHeader);
}

TEST(IpCheck, ChecksumThatTheDeviceFoundGoodIsNotSummed) {
    const Bytes wrong = with(kIpv4, 22, 17, false);
    EXPECT_EQ(check(wrong, false, {}, RTE_MBUF_F_RX_IP_CKSUM_GOOD), IpCheck::kValid);
    EXPECT_EQ(check(wrong, false, {}, RTE_MBUF_F_RX_IP_CKSUM_BAD), IpCheck::kBadChecksum);
    EXPECT_EQ(check(wrong, false, {}, RTE_MBUF_F_RX_IP_CKSUM_NONE), IpCheck::kBadChecksum);
    EXPECT_EQ(check(kIpv4, false, {}, RTE_MBUF_F_RX_IP_CKSUM_BAD), IpCheck::kValid);
}

TEST(IpCheck, AnyHeaderIsValidWithItsOwnChecksumOnly) {
    std::mt19937 random(11);
    for (int round = 0; round < 2000; ++round) {
        Bytes bytes = round % 2 == 0 ? kIpv4 : kOptions;
        for (size_t at = kL3 + 4; at < kL3 + 20; ++at) bytes[at] = static_cast<uint8_t>(random());
        if (round % 8 < 2) std::fill(bytes.begin() + kL3 + 4, bytes.begin() + kL3 + 20, 0xff);
        bytes = with(bytes, kL3 + 8, random() % 256);
        EXPECT_EQ(check(bytes, false), IpCheck::kValid);
        bytes[kL3 + 4 + random() % 16] ^= static_cast<uint8_t>(1u << random() % 8);
        EXPECT_EQ(check(bytes, false), IpCheck::kBadChecksum);
    }
}

TEST(IpCheck, RandomBytesAreReadInBoundsOnly) {
    std::mt19937 random(12);
    int valid = 0;
    for (int round = 0; round < 20000; ++round) {
        Bytes bytes(kL3 + random() % 90);
        for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
        if (bytes.size() > kL3) bytes[kL3] = static_cast<uint8_t>(random() % 4 == 0 ? 0x60 : 0x45);
        if (bytes.size() > kL3 + 5) bytes[kL3 + 2] = bytes[kL3 + 4] = 0;
        const uint64_t flags = random() % 2 == 0 ? RTE_MBUF_F_RX_IP_CKSUM_GOOD : 0;
        valid += check(bytes, false, {random() % 60}, flags) == IpCheck::kValid;
        valid += check(bytes, true, {random() % 60}) == IpCheck::kValid;
    }
    EXPECT_GT(valid, 100);
}

uint32_t v4(const char* text) { return IpAddress::parse(text)->v4(); }
Ipv6Bytes v6(const char* text) {
    Ipv6Bytes bytes{};
    const Bytes parsed = test::address_bytes(text);
    std::copy(parsed.begin(), parsed.end(), bytes.begin());
    return bytes;
}

TEST(Martian, Ipv4) {
    for (const char* text : {"0.0.0.0", "0.255.255.255", "127.0.0.1", "127.255.255.255", "240.0.0.0",
                             "254.1.1.1", "255.255.255.255"}) {
        EXPECT_TRUE(is_martian_source4(v4(text))) << text;
        EXPECT_TRUE(is_martian_destination4(v4(text))) << text;
    }
    for (const char* text : {"224.0.0.1", "239.255.255.255"}) {
        EXPECT_TRUE(is_martian_source4(v4(text))) << text;
        EXPECT_FALSE(is_martian_destination4(v4(text))) << text;
        EXPECT_TRUE(is_multicast4(v4(text))) << text;
    }
    for (const char* text : {"1.0.0.0", "10.0.0.1", "126.255.255.255", "128.0.0.0", "169.254.1.1",
                             "192.0.2.1", "223.255.255.255"}) {
        EXPECT_FALSE(is_martian_source4(v4(text))) << text;
        EXPECT_FALSE(is_martian_destination4(v4(text))) << text;
        EXPECT_FALSE(is_multicast4(v4(text))) << text;
    }
    EXPECT_FALSE(is_multicast4(v4("240.0.0.0")));
    for (const char* text : {"169.254.0.0", "169.254.255.255"}) EXPECT_TRUE(is_link_local4(v4(text)));
    for (const char* text : {"169.253.255.255", "169.255.0.0"}) EXPECT_FALSE(is_link_local4(v4(text)));
}

TEST(Martian, Ipv6) {
    for (const char* text : {"::", "::1", "::ffff:0:0", "::ffff:10.0.0.1", "ff00::1", "ff11::1"}) {
        EXPECT_TRUE(is_martian_source6(v6(text))) << text;
        EXPECT_TRUE(is_martian_destination6(v6(text))) << text;
    }
    for (const char* text : {"ff02::1", "ff05::2", "ffff::"}) {
        EXPECT_TRUE(is_martian_source6(v6(text))) << text;
        EXPECT_FALSE(is_martian_destination6(v6(text))) << text;
        EXPECT_TRUE(is_multicast6(v6(text))) << text;
    }
    for (const char* text : {"fd00::1", "2001:db8::1", "fe80::1", "::2", "64:ff9b::1", "fec0::",
                             "1::ffff:10.0.0.1", "::1:ffff:0:0"}) {
        EXPECT_FALSE(is_martian_source6(v6(text))) << text;
        EXPECT_FALSE(is_martian_destination6(v6(text))) << text;
        EXPECT_FALSE(is_multicast6(v6(text))) << text;
    }
    for (const char* text : {"fe80::", "febf:ffff::1"}) EXPECT_TRUE(is_link_local6(v6(text))) << text;
    for (const char* text : {"fe7f::1", "fec0::1", "ff02::1"}) EXPECT_FALSE(is_link_local6(v6(text)));
}

TEST(Ttl, EveryDecrementLeavesTheChecksumRight) {
    Bytes bytes = kIpv4;
    auto& ip = *reinterpret_cast<Ipv4Header*>(&bytes[kL3]);
    // All ids: among them the checksums around 0 and 0xffff, where the carry turns.
    for (uint32_t id = 0; id < 0x10000; ++id) {
        ip.id = be16(static_cast<uint16_t>(id));
        ip.ttl = static_cast<uint8_t>(2 + id % 254);
        ip.checksum = header_checksum(ip);
        Ipv4Header expected = ip;
        --expected.ttl;
        expected.checksum = header_checksum(expected);
        decrement_ttl(ip);
        ASSERT_EQ(ip.ttl, expected.ttl);
        ASSERT_EQ(ip.checksum, expected.checksum) << id;
    }
    auto& ip6 = *reinterpret_cast<Ipv6Header*>(&bytes[kL3]);
    ip6.hop_limit = 255;
    decrement_hop_limit(ip6);
    EXPECT_EQ(ip6.hop_limit, 254);
}

}  // namespace
}  // namespace sluice::wire
