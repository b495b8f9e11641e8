#include "wire/icmp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "support/eal.h"
#include "support/packet.h"
#include "wire/address.h"
#include "wire/checksum.h"
#include "wire/ip_check.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::kMacA;
using test::kMacB;
using test::Packet;
using Kind = IcmpErrorKind;

constexpr uint16_t kL3 = 14;
constexpr std::string_view kBroadcast = "ff:ff:ff:ff:ff:ff";
constexpr std::string_view kGroup6 = "33:33:00:00:00:01";

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

rte_mbuf* mbuf(const Bytes& bytes, const std::vector<size_t>& chain = {}) {
    return test::to_guarded_mbuf(test::test_pool(), bytes, chain);
}

Bytes slice(const Bytes& bytes, size_t begin, size_t end) {
    return Bytes(bytes.begin() + static_cast<ptrdiff_t>(begin), bytes.begin() + static_cast<ptrdiff_t>(end));
}

Packet v4(const char* source = "10.0.0.1", const char* destination = "10.9.0.2",
          std::string_view mac = kMacB) {
    return Packet().eth(kMacA, mac).ipv4(source, destination);
}
Packet v6(const char* source = "fd00::1", const char* destination = "fd09::2",
          std::string_view mac = kMacB) {
    return Packet().eth(kMacA, mac).ipv6(source, destination);
}

// An ICMP or ICMPv6 message of a type, with a body; its checksum isn't right, which nobody asks here.
Packet message(Packet packet, uint8_t protocol, uint8_t type) {
    Bytes body(8);
    body[0] = type;
    packet.payload(body);
    Bytes bytes = packet;
    bytes[kL3 + (protocol == 1 ? 9 : 6)] = protocol;
    return Packet().payload(bytes);
}

bool may_answer(const Bytes& bytes, Kind kind = Kind::kTimeExceeded, const std::vector<size_t>& chain = {}) {
    rte_mbuf* m = mbuf(bytes, chain);
    const bool may = may_answer_with_error(m, kL3, kind);
    rte_pktmbuf_free(m);
    return may;
}

Bytes error_about(const Bytes& bytes, IcmpError error, const char* source,
                  const std::vector<size_t>& chain = {}) {
    rte_mbuf* m = mbuf(bytes, chain);
    m->port = 9;
    rte_mbuf* built = build_icmp_error(test::test_pool(), m, kL3, error, ip(source));
    EXPECT_EQ(test::bytes_of(m), bytes);
    rte_pktmbuf_free(m);
    if (built == nullptr) return {};
    EXPECT_EQ(built->nb_segs, 1);
    EXPECT_EQ(built->pkt_len, built->data_len);
    EXPECT_EQ(built->ol_flags, 0u);
    EXPECT_EQ(built->port, 9);
    const Bytes result = test::bytes_of(built);
    rte_pktmbuf_free(built);
    return result;
}

TEST(MayAnswerWithError, Ipv4) {
    EXPECT_TRUE(may_answer(v4().udp(1, 2)));
    EXPECT_TRUE(may_answer(v4().tcp(1, 2)));
    EXPECT_TRUE(may_answer(v4().payload(4)));
    EXPECT_TRUE(may_answer(v4().icmp_echo(1, 2)));
    EXPECT_TRUE(may_answer(v4("169.254.1.1").udp(1, 2)));
    for (const uint8_t type : {3, 4, 5, 11, 12}) EXPECT_FALSE(may_answer(message(v4(), 1, type))) << +type;
    for (const uint8_t type : {0, 8, 13, 14}) EXPECT_TRUE(may_answer(message(v4(), 1, type))) << +type;
    EXPECT_FALSE(may_answer(v4("10.0.0.1", "10.9.0.2", kBroadcast).udp(1, 2)));
    for (const char* group : {"224.0.0.1", "239.1.1.1", "255.255.255.255"})
        EXPECT_FALSE(may_answer(v4("10.0.0.1", group).udp(1, 2), Kind::kTooBig)) << group;
    for (const char* source : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"})
        EXPECT_FALSE(may_answer(v4(source).udp(1, 2))) << source;
}

TEST(MayAnswerWithError, Ipv4Fragments) {
    EXPECT_TRUE(may_answer(v4().fragment(0x2000).udp(1, 2)));
    EXPECT_FALSE(may_answer(v4().fragment(0x2001).udp(1, 2)));
    EXPECT_FALSE(may_answer(v4().fragment(0x0001).udp(1, 2)));
    // An ICMP message whose type can't be seen.
    Bytes nothing = v4();
    nothing[kL3 + 9] = 1;
    EXPECT_FALSE(may_answer(nothing));
}

TEST(MayAnswerWithError, Ipv6) {
    EXPECT_TRUE(may_answer(v6().udp(1, 2)));
    EXPECT_TRUE(may_answer(v6().icmp_echo(1, 2)));
    EXPECT_TRUE(may_answer(v6("fe80::1").udp(1, 2)));
    for (const uint8_t type : {1, 2, 3, 4, 100, 127, 137})
        EXPECT_FALSE(may_answer(message(v6(), 58, type))) << +type;
    for (const uint8_t type : {128, 129, 135, 143})
        EXPECT_TRUE(may_answer(message(v6(), 58, type))) << +type;
    for (const char* source : {"::", "::1", "ff02::1", "::ffff:10.0.0.1"}) {
        EXPECT_FALSE(may_answer(v6(source).udp(1, 2))) << source;
        EXPECT_FALSE(may_answer(v6(source).udp(1, 2), Kind::kTooBig)) << source;
    }
}

TEST(MayAnswerWithError, OnlyTooBigAboutMulticastOfIpv6) {
    for (const Bytes& bytes : {v6("fd00::1", "ff0e::1", kGroup6).udp(1, 2).bytes(),
                               v6("fd00::1", "ff0e::1").udp(1, 2).bytes(),
                               v6("fd00::1", "fd09::2", kGroup6).udp(1, 2).bytes()}) {
        EXPECT_TRUE(may_answer(bytes, Kind::kTooBig));
        EXPECT_FALSE(may_answer(bytes, Kind::kTimeExceeded));
        EXPECT_FALSE(may_answer(bytes, Kind::kNoRoute));
    }
}

TEST(MayAnswerWithError, BehindExtensionHeaders) {
    EXPECT_TRUE(may_answer(v6().extension(0, 8).extension(60, 24).udp(1, 2)));
    Bytes error = v6().extension(0, 8).extension(60, 24).icmp_echo(1, 2);
    EXPECT_TRUE(may_answer(error));
    error[kL3 + 40 + 32] = 3;
    EXPECT_FALSE(may_answer(error));
    for (size_t split = 14; split < 100; ++split) EXPECT_FALSE(may_answer(error, {}, {split, 1}));
    EXPECT_TRUE(may_answer(v6().ipv6_fragment(0, true, 7).udp(1, 2)));
    EXPECT_FALSE(may_answer(v6().ipv6_fragment(8, false, 7).udp(1, 2)));
    // The chain goes on where the packet ends, and goes on for longer than anybody needs.
    Bytes cut = v6().extension(60, 8);
    cut[kL3 + 40 + 1] = 1;
    EXPECT_FALSE(may_answer(cut));
    Packet endless = v6();
    for (int i = 0; i < 9; ++i) endless.extension(60, 8);
    EXPECT_FALSE(may_answer(endless.udp(1, 2)));
}

struct Row {
    IcmpError error;
    uint8_t type4, code4;
    uint32_t rest4;
    uint8_t type6, code6;
    uint32_t rest6;
};
const Row kRows[] = {
    {{Kind::kNoRoute}, 3, 0, 0, 1, 0, 0},
    {{Kind::kHostUnreachable}, 3, 1, 0, 1, 3, 0},
    {{Kind::kProhibited}, 3, 13, 0, 1, 1, 0},
    {{Kind::kProtocolUnreachable}, 3, 2, 0, 4, 1, 6},
    {{Kind::kPortUnreachable}, 3, 3, 0, 1, 4, 0},
    {{Kind::kTooBig, 1400}, 3, 4, 1400, 2, 0, 1400},
    {{Kind::kTimeExceeded}, 11, 0, 0, 3, 0, 0},
};

TEST(BuildIcmpError, Ipv4) {
    const Bytes about = v4().ttl(1).udp(7, 8).payload(50);
    for (const Row& row : kRows) {
        const Bytes frame = error_about(about, row.error, "192.0.2.1");
        ASSERT_EQ(frame.size(), 14u + 20 + 8 + 78);
        EXPECT_TRUE(test::checksums_valid(frame));
        EXPECT_EQ(slice(frame, 0, 14), (Bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0}));
        const auto& header = *reinterpret_cast<const Ipv4Header*>(&frame[14]);
        EXPECT_EQ(header.version_size, 0x45);
        EXPECT_EQ(header.traffic_class, 0xc0);
        EXPECT_EQ(header.ttl, 64);
        EXPECT_EQ(header.fragment, be16(0));
        EXPECT_EQ(header.total_size.host(), frame.size() - 14);
        EXPECT_EQ(address_of(header.source), ip("192.0.2.1"));
        EXPECT_EQ(address_of(header.destination), ip("10.0.0.1"));
        const auto& icmp = *reinterpret_cast<const IcmpHeader*>(&frame[34]);
        EXPECT_EQ(icmp.type, row.type4);
        EXPECT_EQ(icmp.code, row.code4);
        EXPECT_EQ(icmp.rest, be32(row.rest4));
        EXPECT_EQ(slice(frame, 42, frame.size()), slice(about, 14, about.size()));
    }
}

TEST(BuildIcmpError, Ipv6) {
    const Bytes about = v6().ttl(1).udp(7, 8).payload(50);
    for (const Row& row : kRows) {
        const Bytes frame = error_about(about, row.error, "fd00::ff");
        ASSERT_EQ(frame.size(), 14u + 40 + 8 + 98);
        EXPECT_TRUE(test::checksums_valid(frame));
        EXPECT_EQ(slice(frame, 0, 14), (Bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0xdd}));
        const auto& header = *reinterpret_cast<const Ipv6Header*>(&frame[14]);
        EXPECT_EQ(header.traffic_class(), 0xc0);
        EXPECT_EQ(header.hop_limit, 64);
        EXPECT_EQ(slice(frame, 22, 54), [] {
            Bytes both = test::address_bytes("fd00::ff");
            const Bytes to = test::address_bytes("fd00::1");
            both.insert(both.end(), to.begin(), to.end());
            return both;
        }());
        const auto& icmp = *reinterpret_cast<const IcmpHeader*>(&frame[54]);
        EXPECT_EQ(icmp.type, row.type6);
        EXPECT_EQ(icmp.code, row.code6);
        EXPECT_EQ(icmp.rest, be32(row.rest6));
        EXPECT_EQ(slice(frame, 62, frame.size()), slice(about, 14, about.size()));
    }
}

TEST(BuildIcmpError, PointsAtTheNextHeaderThatNobodyKnows) {
    const Bytes about = v6().extension(0, 16).extension(60, 8).payload(50);
    const Bytes frame = error_about(about, {Kind::kProtocolUnreachable}, "fd00::ff");
    EXPECT_EQ(slice(frame, 58, 62), (Bytes{0, 0, 0, 40 + 16}));
    EXPECT_EQ(frame[62 + 56], 253);
}

TEST(BuildIcmpError, QuotesAsMuchAsFits) {
    for (const size_t size : {0, 1, 519, 520, 521, 1231, 1400, 9000}) {
        Bytes about = v4().udp(7, 8).payload(size);
        const size_t packet = about.size() - 14;
        about.resize(about.size() + 20, 0xee);  // padding isn't the packet's
        const Bytes frame = error_about(about, {Kind::kNoRoute}, "192.0.2.1", {50, 0, 3, 700});
        EXPECT_EQ(frame.size(), 14 + std::min<size_t>(576, 28 + packet)) << size;
        EXPECT_TRUE(test::checksums_valid(frame));
        EXPECT_EQ(slice(frame, 42, frame.size()), slice(about, 14, 14 + frame.size() - 42));

        Bytes about6 = v6().udp(7, 8).payload(size);
        const size_t packet6 = about6.size() - 14;
        about6.resize(about6.size() + 20, 0xee);
        const Bytes frame6 = error_about(about6, {Kind::kNoRoute}, "fd00::ff", {60, 0, 3, 700});
        EXPECT_EQ(frame6.size(), 14 + std::min<size_t>(1280, 48 + packet6)) << size;
        EXPECT_TRUE(test::checksums_valid(frame6));
        EXPECT_EQ(slice(frame6, 62, frame6.size()), slice(about6, 14, 14 + frame6.size() - 62));
    }
}

TEST(BuildIcmpError, QuotesNoMoreThanTheWayBackCarries) {
    const auto size4 = [](uint32_t most) {
        const IcmpError error{.kind = Kind::kNoRoute, .most = most};
        const Bytes frame = error_about(v4().udp(7, 8).payload(1000), error, "192.0.2.1");
        EXPECT_TRUE(test::checksums_valid(frame));
        return frame.size() - 14;
    };
    EXPECT_EQ(size4(300), 300u);
    EXPECT_EQ(size4(9000), 576u);
    EXPECT_EQ(size4(0), 28u + 28) << "an IP header and 8 bytes (RFC 792)";
    const Bytes frame6 =
        error_about(v6().udp(7, 8).payload(2000), {.kind = Kind::kNoRoute, .most = 1100}, "fd00::ff");
    EXPECT_TRUE(test::checksums_valid(frame6));
    EXPECT_EQ(frame6.size() - 14, 1100u);
}

TEST(BuildIcmpError, BehindTags) {
    const Bytes about = Packet().eth().vlan(5).ipv4("10.0.0.1", "10.9.0.2").udp(1, 2).payload(9);
    rte_mbuf* m = mbuf(about);
    rte_mbuf* error = build_icmp_error(test::test_pool(), m, 18, {Kind::kNoRoute}, ip("192.0.2.1"));
    const Bytes frame = test::bytes_of(error);
    EXPECT_TRUE(test::checksums_valid(frame));
    EXPECT_EQ(slice(frame, 42, frame.size()), slice(about, 18, about.size()));
    rte_pktmbuf_free(error);
    rte_pktmbuf_free(m);
}

TEST(BuildIcmpError, SmallBuffersQuoteLessAndTinyOnesNothing) {
    test::start_eal();
    rte_mbuf* m = mbuf(v6().udp(1, 2).payload(1000));
    rte_mempool* small = rte_pktmbuf_pool_create("small", 1, 0, 0, 128 + 300, SOCKET_ID_ANY);
    rte_mbuf* error = build_icmp_error(small, m, kL3, {Kind::kNoRoute}, ip("fd00::ff"));
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->pkt_len, 300u);
    EXPECT_TRUE(test::checksums_valid(test::bytes_of(error)));
    EXPECT_EQ(build_icmp_error(small, m, kL3, {Kind::kNoRoute}, ip("fd00::ff")), nullptr);  // dry
    rte_pktmbuf_free(error);
    rte_mempool* tiny = rte_pktmbuf_pool_create("tiny", 1, 0, 0, 128 + 80, SOCKET_ID_ANY);
    EXPECT_EQ(build_icmp_error(tiny, m, kL3, {Kind::kNoRoute}, ip("fd00::ff")), nullptr);
    EXPECT_EQ(rte_mempool_avail_count(tiny), 1u);
    rte_pktmbuf_free(m);
    rte_mempool_free(tiny);
    rte_mempool_free(small);
}

LocalPacket classify(const Bytes& bytes) {
    rte_mbuf* m = mbuf(bytes);
    const LocalPacket result = classify_local(m, kL3);
    rte_pktmbuf_free(m);
    return result;
}

TEST(ClassifyLocal, Rows) {
    const std::pair<Bytes, LocalPacket> rows[] = {
        {v4().icmp_echo(1, 2), LocalPacket::kEchoRequest},
        {v6().icmp_echo(1, 2), LocalPacket::kEchoRequest},
        {v6().extension(0, 8).icmp_echo(1, 2), LocalPacket::kEchoRequest},
        {v4().udp(1, 2), LocalPacket::kUdp},
        {v6().udp(1, 2), LocalPacket::kUdp},
        {v4().options(8).tcp(1, 2), LocalPacket::kTcp},
        {v6().extension(60, 16).tcp(1, 2), LocalPacket::kTcp},
        {v4().payload(9), LocalPacket::kOther},
        {v6().payload(9), LocalPacket::kOther},
        {message(v4(), 1, 0), LocalPacket::kNoAnswer},
        {message(v4(), 1, 3), LocalPacket::kNoAnswer},
        {message(v6(), 58, 129), LocalPacket::kNoAnswer},
        {message(v6(), 58, 135), LocalPacket::kNoAnswer},
        {Packet().eth().ipv6("fd00::1", "fd00::2", 59), LocalPacket::kNoAnswer},
        {v4().fragment(0x2000).udp(1, 2), LocalPacket::kFragment},
        {v4().fragment(5).udp(1, 2), LocalPacket::kFragment},
        {v6().ipv6_fragment(0, true, 7).udp(1, 2), LocalPacket::kFragment},
        {v6().ipv6_fragment(8, false, 7).udp(1, 2), LocalPacket::kFragment},
        {v6().ipv6_fragment(0, false, 7).udp(1, 2), LocalPacket::kUdp},
        {Packet().eth().ipv4("10.0.0.1", "10.0.0.2", 17).payload(7), LocalPacket::kMalformed},
        {Packet().eth().ipv4("10.0.0.1", "10.0.0.2", 6).payload(19), LocalPacket::kMalformed},
        {Packet().eth().ipv6("fd00::1", "fd00::2", 58).payload(7), LocalPacket::kMalformed},
        {Packet().eth().ipv6("fd00::1", "fd00::2", 60).payload(Bytes{17, 9, 0, 0, 0, 0, 0, 0}),
         LocalPacket::kMalformed},
    };
    for (const auto& [bytes, expected] : rows)
        EXPECT_EQ(classify(bytes), expected) << "row " << &bytes - &rows[0].first;
}

// The reply, or nothing for what isn't answered, which must not change then.
Bytes reply_to(const Bytes& bytes, const std::vector<size_t>& chain = {}) {
    rte_mbuf* m = mbuf(bytes, chain);
    const bool made = make_echo_reply(m, kL3);
    const Bytes result = test::bytes_of(m);
    rte_pktmbuf_free(m);
    EXPECT_TRUE(made || result == bytes);
    return made ? result : Bytes{};
}

// What the builder makes, as a reply.
Bytes as_reply(Bytes bytes, size_t icmp, uint8_t type) {
    const auto sum = [&bytes](size_t at) { return bytes[at] << 8 | bytes[at + 1]; };
    // The type falls by 8 or rises by 1, in the high byte; the checksum goes the other way.
    int checksum = sum(icmp + 2) + (bytes[icmp] - type) * 256;
    if (checksum > 0xffff) checksum -= 0xffff;
    if (checksum < 0) checksum += 0xffff;
    if (checksum == 0) checksum = 0xffff;
    bytes[icmp] = type;
    bytes[icmp + 2] = static_cast<uint8_t>(checksum >> 8);
    bytes[icmp + 3] = static_cast<uint8_t>(checksum);
    return bytes;
}

TEST(MakeEchoReply, Ipv4AndIpv6InChainsOfAnyShape) {
    std::mt19937 random(41);
    for (int round = 0; round < 1000; ++round) {
        const auto id = static_cast<uint16_t>(random()), sequence = static_cast<uint16_t>(random());
        const size_t size = random() % 4 == 0 ? random() % 4000 : random() % 64;
        std::vector<size_t> chain;
        if (round % 2 == 0) chain = {34 + random() % 12, random() % 3, random() % 40};
        const Bytes request = v4().ttl(9).icmp_echo(id, sequence).payload(size);
        const Bytes reply = v4("10.9.0.2", "10.0.0.1").icmp_echo(id, sequence).payload(size);
        const Bytes made = reply_to(request, chain);
        ASSERT_EQ(made, as_reply(reply, 34, 0));
        ASSERT_TRUE(test::checksums_valid(made));

        if (round % 2 == 0) chain[0] += 20;
        const Bytes request6 = v6().ttl(9).icmp_echo(id, sequence).payload(size);
        const Bytes reply6 = v6("fd09::2", "fd00::1").icmp_echo(id, sequence).payload(size);
        const Bytes made6 = reply_to(request6, chain);
        ASSERT_EQ(made6, as_reply(reply6, 54, 129));
        ASSERT_TRUE(test::checksums_valid(made6));
    }
}

TEST(MakeEchoReply, ReplyOfNothingButZeros) {
    const Bytes reply = reply_to(v4().icmp_echo(0, 0).payload(Bytes(56)));
    EXPECT_EQ(slice(reply, 34, 38), (Bytes{0, 0, 0xff, 0xff}));
    EXPECT_TRUE(test::checksums_valid(reply));
}

TEST(MakeEchoReply, PaddingStays) {
    Bytes request = v4().icmp_echo(1, 2);
    request.resize(60, 0xee);
    const Bytes reply = reply_to(request);
    ASSERT_EQ(reply.size(), 60u);
    EXPECT_TRUE(test::checksums_valid(reply));
    EXPECT_EQ(slice(reply, 42, 60), Bytes(18, 0xee));
}

TEST(MakeEchoReply, OptionsAreForgotten) {
    Bytes request = v4().options(8).icmp_echo(1, 2).payload(9);
    const Bytes source_route{0x83, 7, 4, 10, 3, 3, 3, 0};
    std::copy(source_route.begin(), source_route.end(), request.begin() + 34);
    auto& header = *reinterpret_cast<Ipv4Header*>(&request[14]);
    header.checksum = header_checksum(header);
    const Bytes reply = reply_to(request);
    EXPECT_TRUE(test::checksums_valid(reply));
    EXPECT_EQ(slice(reply, 34, 42), Bytes(8, 1));
}

TEST(MakeEchoReply, NotToWhatIsNoRequest) {
    EXPECT_FALSE(reply_to(v4().icmp_echo(1, 2)).empty());
    Bytes wrong = v4().icmp_echo(1, 2).payload(10);
    wrong.back() ^= 1;
    EXPECT_TRUE(reply_to(wrong).empty());
    Bytes wrong6 = v6().icmp_echo(1, 2).payload(10);
    wrong6.back() ^= 1;
    EXPECT_TRUE(reply_to(wrong6).empty());
    EXPECT_TRUE(reply_to(as_reply(v4().icmp_echo(1, 2), 34, 0)).empty());
    EXPECT_TRUE(reply_to(v4().udp(1, 2)).empty());
    EXPECT_TRUE(reply_to(v4().fragment(0x2000).icmp_echo(1, 2)).empty());
    EXPECT_TRUE(reply_to(v6().extension(60, 8).icmp_echo(1, 2)).empty());
    EXPECT_TRUE(reply_to(v6().ipv6_fragment(0, false, 3).icmp_echo(1, 2)).empty());
    EXPECT_TRUE(reply_to(v4("10.0.0.1", "224.0.0.1").icmp_echo(1, 2)).empty());
    EXPECT_TRUE(reply_to(v4("10.0.0.1", "255.255.255.255").icmp_echo(1, 2)).empty());
    EXPECT_TRUE(reply_to(v4("224.0.0.1").icmp_echo(1, 2)).empty());
    EXPECT_TRUE(reply_to(v6("fd00::1", "ff02::1").icmp_echo(1, 2)).empty());
    EXPECT_TRUE(reply_to(v6("::").icmp_echo(1, 2)).empty());
}

std::optional<IcmpReport> report_of(const Bytes& bytes, const std::vector<size_t>& chain = {}) {
    rte_mbuf* m = mbuf(bytes, chain);
    const auto report = read_icmp_report(m, kL3);
    rte_pktmbuf_free(m);
    return report;
}

// A tunnel packet of 1500 bytes from 192.0.2.1 to 192.0.2.2, and the same on IPv6, from IP on.
Bytes sent4(uint16_t fragment = 0x4000) {
    const Bytes frame = Packet().eth().ipv4("192.0.2.1", "192.0.2.2").fragment(fragment).udp(0xc001, 4789)
                            .vxlan(7).payload(1464);
    return slice(frame, 14, frame.size());
}
Bytes sent6() {
    const Bytes frame =
        Packet().eth().ipv6("2001:db8::1", "2001:db8::2").udp(0xc001, 4789).vxlan(7).payload(1444);
    return slice(frame, 14, frame.size());
}

Packet error4(uint8_t type, uint8_t code, uint32_t rest, const Bytes& quote) {
    return Packet().eth().ipv4("198.51.100.9", "192.0.2.1").icmp(type, code, rest).payload(quote);
}
Packet error6(uint8_t type, uint8_t code, uint32_t rest, const Bytes& quote) {
    return Packet().eth().ipv6("2001:db8:9::9", "2001:db8::1").icmp(type, code, rest).payload(quote);
}

TEST(IcmpReport, TellsOfThePacketThatIsQuoted) {
    using Report = IcmpReport::Kind;
    for (const std::vector<size_t>& chain : {std::vector<size_t>{}, {34, 10, 5}}) {
        const auto report = report_of(error4(3, 4, 0xffff'0578, slice(sent4(), 0, 548)), chain);
        ASSERT_TRUE(report);
        EXPECT_EQ(report->kind, Report::kTooBig);
        EXPECT_EQ(report->mtu, 1400u);
        EXPECT_EQ(report->from, ip("198.51.100.9"));
        EXPECT_EQ(report->source, ip("192.0.2.1"));
        EXPECT_EQ(report->destination, ip("192.0.2.2"));
        EXPECT_EQ(report->source_port.host(), 0xc001);
        EXPECT_EQ(report->destination_port.host(), 4789);
        EXPECT_EQ(report->size, 1500u);
        EXPECT_FALSE(report->may_be_fragmented);
        EXPECT_EQ(report->rest, 14u + 28 + 28);
        EXPECT_EQ(report->end, 14u + 28 + 548);
    }
    const auto report = report_of(error6(2, 0, 1400, slice(sent6(), 0, 1232)), {54, 20});
    ASSERT_TRUE(report);
    EXPECT_EQ(report->kind, Report::kTooBig);
    EXPECT_EQ(report->mtu, 1400u);
    EXPECT_EQ(report->destination, ip("2001:db8::2"));
    EXPECT_EQ(report->size, 1500u);
    EXPECT_EQ(report->rest, 14u + 48 + 48);

    EXPECT_EQ(report_of(error4(3, 3, 0, sent4()))->kind, Report::kPortUnreachable);
    EXPECT_EQ(report_of(error4(3, 1, 0, sent4()))->kind, Report::kUnreachable);
    EXPECT_EQ(report_of(error4(3, 13, 0, sent4()))->kind, Report::kUnreachable);
    EXPECT_EQ(report_of(error4(11, 0, 0, sent4()))->kind, Report::kUnreachable);
    EXPECT_EQ(report_of(error6(1, 4, 0, sent6()))->kind, Report::kPortUnreachable);
    EXPECT_EQ(report_of(error6(1, 0, 0, sent6()))->kind, Report::kUnreachable);
    EXPECT_TRUE(report_of(error4(3, 4, 1400, sent4(0)))->may_be_fragmented);
}

TEST(IcmpReport, IsOfNothingElse) {
    const Bytes good = sent4();
    ASSERT_TRUE(report_of(error4(3, 4, 1400, slice(good, 0, 28))));
    EXPECT_FALSE(report_of(error4(3, 4, 1400, slice(good, 0, 27))));  // RFC 792 wants eight bytes of UDP
    EXPECT_FALSE(report_of(error4(3, 4, 1400, {})));
    EXPECT_FALSE(report_of(error4(4, 0, 1400, good)));                // source quench (RFC 6633)
    EXPECT_FALSE(report_of(error4(8, 0, 1400, good)));
    EXPECT_FALSE(report_of(error4(3, 4, 1400, sent4(0x4001))));       // a later fragment
    EXPECT_FALSE(report_of(error4(3, 4, 1400, sent6())));
    EXPECT_FALSE(report_of(error6(2, 0, 1400, good)));
    Bytes tcp = good;
    tcp[9] = 6;
    EXPECT_FALSE(report_of(error4(3, 4, 1400, tcp)));
    Bytes spoiled = error4(3, 4, 1400, good);
    spoiled.back() ^= 1;
    EXPECT_FALSE(report_of(spoiled));
    EXPECT_FALSE(report_of(v4().udp(1, 2).payload(40)));
}

TEST(IcmpReport, AnEchoRequestComesBackAsReply) {
    for (const auto& [from, to] : {std::pair{"192.0.2.1", "192.0.2.2"}, {"2001:db8::1", "2001:db8::2"}}) {
        rte_mbuf* m = build_echo_request(test::test_pool(), ip(from), ip(to), 77, 3);
        ASSERT_NE(m, nullptr);
        EXPECT_TRUE(test::checksums_valid(test::bytes_of(m)));
        EXPECT_FALSE(read_icmp_report(m, kL3));
        ASSERT_TRUE(make_echo_reply(m, kL3));
        const auto report = read_icmp_report(m, kL3);
        ASSERT_TRUE(report);
        EXPECT_EQ(report->kind, IcmpReport::Kind::kEchoReply);
        EXPECT_EQ(report->from, ip(to));
        EXPECT_EQ(report->id, 77);
        rte_pktmbuf_free(m);
    }
}

// Whatever check_ipv4() and check_ipv6() let pass.
TEST(Icmp, RandomPacketsAreReadInBoundsOnly) {
    std::mt19937 random(42);
    int valid = 0, errors = 0;
    for (int round = 0; round < 30000; ++round) {
        const bool ipv6 = round % 2 == 0;
        const uint8_t nexts[] = {0, 1, 6, 17, 43, 44, 51, 58, 59, 60};
        Bytes frame(kL3 + (ipv6 ? 40 : 20) + random() % 120);
        for (uint8_t& byte : frame) {
            byte = static_cast<uint8_t>(random() % 4 == 0 ? random() : nexts[random() % 10]);
        }
        frame[0] = 2;
        frame[kL3] = static_cast<uint8_t>(ipv6 ? 0x60 : 0x45 + random() % 11);
        if (random() % 4 != 0) frame[kL3 + (ipv6 ? 6 : 9)] = nexts[random() % 10];
        frame[kL3 + (ipv6 ? 4 : 2)] = 0;
        if (!ipv6 && random() % 2 == 0) frame[kL3 + 6] = frame[kL3 + 7] = 0;
        rte_mbuf* m = mbuf(frame, {random() % 160, random() % 20});
        m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
        const IpCheck check = ipv6 ? check_ipv6(m, kL3) : check_ipv4(m, kL3);
        if (check == IpCheck::kValid) {
            ++valid;
            const auto kind = static_cast<Kind>(random() % 7);
            if (may_answer_with_error(m, kL3, kind)) {
                ++errors;
                rte_mbuf* error = build_icmp_error(test::test_pool(), m, kL3, {kind, 1400},
                                                   ip(ipv6 ? "fd00::ff" : "192.0.2.1"));
                EXPECT_TRUE(test::checksums_valid(test::bytes_of(error)));
                EXPECT_FALSE(may_answer_with_error(error, kL3, kind));
                rte_pktmbuf_free(error);
            }
            const LocalPacket local = classify_local(m, kL3);
            const bool replied = make_echo_reply(m, kL3);
            EXPECT_TRUE(!replied || local == LocalPacket::kEchoRequest);
        }
        rte_pktmbuf_free(m);
    }
    EXPECT_GT(valid, 5000);
    EXPECT_GT(errors, 1000);
}

}  // namespace
}  // namespace sluice::wire
