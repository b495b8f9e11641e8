#include "path/tuple.h"

#include <gtest/gtest.h>

#include <string>

#include "support/eal.h"
#include "support/packet.h"

namespace sluice::path {
namespace {

using test::Packet;
using wire::Protocol;

constexpr FlowDomain kDomain{7};

// The mbuf lives as long as the answer, which points into it.
struct Read {
    explicit Read(const test::Bytes& bytes, const std::vector<size_t>& chain = {})
        : mbuf(test::to_guarded_mbuf(test::test_pool(), bytes, chain)) {
        read_connection(mbuf, kDomain, connection);
    }
    Read(const Read&) = delete;
    ~Read() { rte_pktmbuf_free(mbuf); }

    rte_mbuf* mbuf;
    Connection connection{};
};

Packet v4() { return Packet().eth().ipv4("10.0.0.1", "10.0.0.2"); }
Packet v6() { return Packet().eth().ipv6("fd00::1", "fd00::2"); }

TEST(Tuple, OfTcpAndUdp) {
    for (const bool ipv6 : {false, true}) {
        SCOPED_TRACE(ipv6);
        Packet tcp = ipv6 ? v6() : v4();
        const Read read(tcp.tcp(1234, 80, wire::TcpHeader::kSyn).payload(30));
        const Connection& c = read.connection;
        EXPECT_EQ(c.kind, PacketKind::kConnection);
        EXPECT_EQ(c.protocol(), Protocol::kTcp);
        EXPECT_EQ(c.is_ipv6(), ipv6);
        EXPECT_EQ(c.key.domain(), kDomain);
        EXPECT_EQ(c.key.source_port().host(), 1234);
        EXPECT_EQ(c.key.destination_port().host(), 80);
        EXPECT_EQ(c.tcp_flags, wire::TcpHeader::kSyn);
        EXPECT_EQ(c.l4_offset, ipv6 ? 54 : 34);
        Packet udp = ipv6 ? v6() : v4();
        EXPECT_EQ(Read(udp.udp(1234, 80)).connection.protocol(), Protocol::kUdp);
    }
}

TEST(Tuple, AnswersHaveItReversed) {
    const Read request(v4().tcp(1234, 80));
    const Read reply(Packet().eth().ipv4("10.0.0.2", "10.0.0.1").tcp(80, 1234));
    EXPECT_EQ(request.connection.tuple().reversed(), reply.connection.tuple());
    EXPECT_NE(request.connection.tuple(), reply.connection.tuple());
    const Read request6(v6().udp(1234, 53));
    const Read reply6(Packet().eth().ipv6("fd00::2", "fd00::1").udp(53, 1234));
    EXPECT_EQ(request6.connection.tuple().reversed(), reply6.connection.tuple());
    const Read echo(v4().icmp_echo(77, 1));
    const Read answer(Packet().eth().ipv4("10.0.0.2", "10.0.0.1").icmp(0, 0, 77u << 16 | 1));
    EXPECT_EQ(echo.connection.kind, PacketKind::kConnection);
    EXPECT_EQ(echo.connection.tuple().reversed(), answer.connection.tuple());
    EXPECT_EQ(echo.connection.icmp_type, 8);
    EXPECT_EQ(answer.connection.icmp_type, 0);
}

TEST(Tuple, BehindOptionsExtensionsAndTags) {
    const Read options(v4().options(8).tcp(1234, 80));
    EXPECT_EQ(options.connection.l4_offset, 42);
    EXPECT_EQ(options.connection.tuple(), Read(v4().tcp(1234, 80)).connection.tuple());
    const Read extensions(v6().extension(0, 8).extension(60, 16).tcp(1234, 80));
    EXPECT_EQ(extensions.connection.tuple(), Read(v6().tcp(1234, 80)).connection.tuple());
    const Read tagged(Packet().eth().vlan(5).ipv4("10.0.0.1", "10.0.0.2").tcp(1234, 80));
    EXPECT_EQ(tagged.connection.tuple(), Read(v4().tcp(1234, 80)).connection.tuple());
    const Read chain(v4().tcp(1234, 80).payload(20), {36, 10});
    EXPECT_EQ(chain.connection.tuple(), Read(v4().tcp(1234, 80)).connection.tuple());
}

TEST(Tuple, KindsOfPackets) {
    auto kind = [](const test::Bytes& bytes) { return Read(bytes).connection.kind; };
    EXPECT_EQ(kind(Packet().eth().arp_request(test::kMacA, "10.0.0.1", "10.0.0.2")), PacketKind::kArp);
    EXPECT_EQ(kind(Packet().eth().vlan(0).arp_request(test::kMacA, "10.0.0.1", "10.0.0.2")), PacketKind::kArp);
    EXPECT_EQ(kind(Packet().eth().vlan(5).arp_request(test::kMacA, "10.0.0.1", "10.0.0.2")), PacketKind::kNotIp);
    EXPECT_EQ(kind(Packet().eth().vlan(0).vlan(5).arp_request(test::kMacA, "10.0.0.1", "10.0.0.2")),
              PacketKind::kNotIp);
    EXPECT_EQ(kind(Packet().eth().payload(60)), PacketKind::kNotIp);
    EXPECT_EQ(Read(Packet().eth().payload(60)).connection.ether_type, 0x88b5);
    EXPECT_EQ(Read(Packet().eth().vlan(5, 0x8100, 0x8847).payload(60)).connection.ether_type, 0x8847);
    EXPECT_EQ(kind(v4().payload(8)), PacketKind::kProtocol);
    EXPECT_EQ(kind(v4().icmp(13, 0, 0).payload(12)), PacketKind::kSingle);
    EXPECT_EQ(kind(v4().icmp(3, 1, 0).payload(28)), PacketKind::kIcmpError);
    EXPECT_EQ(kind(v6().icmp(2, 0, 1280).payload(48)), PacketKind::kIcmpError);
    EXPECT_EQ(kind(v6().ttl(255).icmp(135, 0, 0).payload(16)), PacketKind::kNeighbor);
    EXPECT_EQ(kind(v6().ttl(254).icmp(135, 0, 0).payload(16)), PacketKind::kSingle) << "from beyond the link";
    EXPECT_EQ(kind(v6().icmp(128, 0, 5).payload(16)), PacketKind::kConnection);
}

TEST(Tuple, AnEchoAndItsReplyAreEachOthersAnswersAndNoOthers) {
    const Read echo(v4().icmp(8, 0, 77 << 16).payload(8));
    const Read reply(Packet().eth().ipv4("10.0.0.2", "10.0.0.1").icmp(0, 0, 77 << 16).payload(8));
    const Read other_echo(Packet().eth().ipv4("10.0.0.2", "10.0.0.1").icmp(8, 0, 77 << 16).payload(8));
    EXPECT_EQ(echo.connection.tuple().reversed(), reply.connection.tuple());
    EXPECT_EQ(reply.connection.tuple().reversed(), echo.connection.tuple());
    EXPECT_NE(echo.connection.tuple().reversed(), other_echo.connection.tuple());
    EXPECT_EQ(reply.connection.key.domain(), kDomain);
    const Read echo6(v6().icmp(128, 0, 77 << 16).payload(8));
    const Read reply6(Packet().eth().ipv6("fd00::2", "fd00::1").icmp(129, 0, 77 << 16).payload(8));
    EXPECT_EQ(echo6.connection.tuple().reversed(), reply6.connection.tuple());
    EXPECT_TRUE(reply6.connection.is_ipv6());
}

TEST(Tuple, UnderTooManyTagsThereMayBeAnything) {
    auto tagged = [](int tags) {
        Packet packet = Packet().eth();
        for (int i = 0; i < tags; ++i) packet.vlan(0);
        return Read(packet.ipv4("10.0.0.1", "10.0.0.2").udp(1, 80)).connection.kind;
    };
    EXPECT_EQ(tagged(4), PacketKind::kConnection);
    EXPECT_EQ(tagged(5), PacketKind::kMalformed);
}

TEST(Tuple, Fragments) {
    const Read first(v4().fragment(0x2000).id(99).udp(1, 2).payload(24));
    EXPECT_EQ(first.connection.kind, PacketKind::kConnection);
    EXPECT_TRUE(first.connection.first_fragment);
    const Read later(Packet().eth().ipv4("10.0.0.1", "10.0.0.2", 17).fragment(0x0004).id(99).payload(24));
    EXPECT_EQ(later.connection.kind, PacketKind::kLaterFragment);
    EXPECT_EQ(later.connection.key.source_port().host(), 0);
    const auto is_part = [](const Read& read, uint32_t id, uint32_t begin, uint32_t end) {
        const FragmentPart part = fragment_part(read.mbuf, read.connection);
        return part.id == id && part.begin == begin && part.end == end;
    };
    EXPECT_TRUE(is_part(first, 99, 0, 32));
    EXPECT_TRUE(is_part(later, 99, 32, 56));
    const Read first6(v6().ipv6_fragment(0, true, 1234).udp(1, 2).payload(24));
    EXPECT_TRUE(first6.connection.first_fragment);
    const Read later6(v6().ipv6_fragment(32, false, 1234).payload(24));
    EXPECT_EQ(later6.connection.kind, PacketKind::kLaterFragment);
    EXPECT_TRUE(is_part(first6, 1234, 0, 32));
    EXPECT_TRUE(is_part(later6, 1234, 32, 56));
    EXPECT_TRUE(is_part(Read(v6().ipv6_fragment(0, true, 7).extension(60, 8).udp(1, 2).payload(24)), 7, 0, 40));
    // One that would write over the flags of the first (RFC 3128).
    const Read tiny(Packet().eth().ipv4("10.0.0.1", "10.0.0.2", 6).fragment(0x0001).id(9).payload(24));
    EXPECT_EQ(tiny.connection.kind, PacketKind::kMalformed);
    const Read tiny6(Packet().eth().ipv6("fd00::1", "fd00::2").ipv6_fragment(8, false, 9).tcp(1, 2));
    EXPECT_EQ(tiny6.connection.kind, PacketKind::kMalformed);
    EXPECT_FALSE(Read(v6().ipv6_fragment(0, false, 5).udp(1, 2)).connection.first_fragment);
}

// Whatever is cut off, nothing is read behind the end (AddressSanitizer sees it), and what decides is there.
TEST(Tuple, NothingIsReadBehindTheEnd) {
    const std::vector<test::Bytes> frames = {
        v4().tcp(1, 2).payload(10),         v6().extension(0, 8).udp(1, 2),
        v4().icmp(3, 1, 0).payload(28),     Packet().eth().vlan(3).ipv4("10.0.0.1", "10.0.0.2").udp(1, 2),
        v6().ipv6_fragment(0, true, 3).udp(1, 2)};
    for (const auto& frame : frames) {
        for (size_t size = 14; size < frame.size(); ++size) {
            const Read read(test::Bytes(frame.begin(), frame.begin() + static_cast<long>(size)));
            if (read.connection.kind == PacketKind::kConnection) {
                EXPECT_NE(read.connection.ip, nullptr);
                EXPECT_NE(read.connection.l4_offset, 0);
            }
            Tuple quoted;
            if (read.connection.kind == PacketKind::kIcmpError) {
                EXPECT_FALSE(read_quoted(read.mbuf, read.connection, quoted));
            }
        }
    }
}

TEST(Tuple, OfWhatAnErrorQuotes) {
    const test::Bytes sent = v4().udp(1234, 33434).payload(20);
    const test::Bytes quote(sent.begin() + 14, sent.begin() + 14 + 28);
    const Read error(Packet().eth().ipv4("10.0.0.9", "10.0.0.1").icmp(11, 0, 0).payload(quote));
    Tuple quoted;
    ASSERT_TRUE(read_quoted(error.mbuf, error.connection, quoted));
    EXPECT_EQ(quoted, Read(sent).connection.tuple());
    const test::Bytes sent6 = v6().tcp(1234, 80).payload(200);
    const test::Bytes quote6(sent6.begin() + 14, sent6.end());
    const Read error6(Packet().eth().ipv6("fd00::9", "fd00::1").icmp(2, 0, 1280).payload(quote6));
    ASSERT_TRUE(read_quoted(error6.mbuf, error6.connection, quoted));
    EXPECT_EQ(quoted, Read(sent6).connection.tuple());
}

}  // namespace
}  // namespace sluice::path
