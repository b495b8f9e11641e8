#include "wire/headers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <concepts>
#include <cstring>

#include "support/packet.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

template <class A, class B>
concept Comparable = requires(A a, B b) {
    a == b;
};
static_assert(Comparable<be16, be16>);
static_assert(!Comparable<be16, int> && !Comparable<be16, uint16_t> && !Comparable<be16, be32>);
static_assert(!std::convertible_to<int, be16> && !std::convertible_to<be16, int>);
static_assert(be16(0x1234).host() == 0x1234 && be64(1).raw() == uint64_t{1} << 56);
static_assert(be32::from_raw(be32(7).raw()) == be32(7));

template <class Header>
Header take(const Bytes& bytes, size_t offset) {
    Header header;
    std::memcpy(&header, bytes.data() + offset, sizeof header);
    return header;
}

template <class Header>
Bytes put(Bytes bytes, size_t offset, const Header& header) {
    std::memcpy(bytes.data() + offset, &header, sizeof header);
    return bytes;
}

TEST(BigEndian, LiesInNetworkOrder) {
    const be32 value(0x01020304);
    uint8_t bytes[4];
    std::memcpy(bytes, &value, 4);
    EXPECT_EQ(bytes[0], 1);
    EXPECT_EQ(bytes[3], 4);
}

TEST(Headers, TaggedTcpOverIpv4) {
    const Bytes frame = Packet()
                            .eth()
                            .vlan(0x6005, 0x88a8)
                            .vlan(7)
                            .ipv4("10.0.0.1", "10.1.2.3")
                            .id(9)
                            .ttl(63)
                            .tcp(1234, 80, TcpHeader::kSyn, 0xdeadbeef)
                            .options(12)
                            .bytes();
    const auto ethernet = take<EthernetHeader>(frame, 0);
    EXPECT_EQ(ethernet.source[5], 0x0a);
    EXPECT_EQ(ethernet.destination[5], 0x0b);
    EXPECT_EQ(ethernet.ether_type(), EtherType::kServiceVlan);
    const auto outer = take<VlanTag>(frame, 14);
    EXPECT_EQ(outer.id(), 5);
    EXPECT_EQ(outer.priority(), 3);
    EXPECT_FALSE(outer.drop_eligible());
    EXPECT_EQ(outer.ether_type(), EtherType::kVlan);
    EXPECT_EQ(take<VlanTag>(frame, 18).ether_type(), EtherType::kIpv4);

    const auto ip = take<Ipv4Header>(frame, 22);
    EXPECT_EQ(ip.version(), 4);
    EXPECT_EQ(ip.header_size(), 20);
    EXPECT_EQ(ip.total_size.host(), 52);
    EXPECT_EQ(ip.id.host(), 9);
    EXPECT_EQ(ip.ttl, 63);
    EXPECT_EQ(ip.protocol(), Protocol::kTcp);
    EXPECT_EQ(ip.source, be32(0x0a000001));
    EXPECT_EQ(ip.destination, be32(0x0a010203));
    EXPECT_FALSE(ip.is_fragment());

    const auto tcp = take<TcpHeader>(frame, 42);
    EXPECT_EQ(tcp.source_port.host(), 1234);
    EXPECT_EQ(tcp.destination_port.host(), 80);
    EXPECT_EQ(tcp.sequence.host(), 0xdeadbeef);
    EXPECT_EQ(tcp.flags, TcpHeader::kSyn);
    EXPECT_EQ(tcp.header_size(), 32);

    EXPECT_EQ(put(put(put(frame, 0, ethernet), 22, ip), 42, tcp), frame);
}

TEST(Headers, UdpOverIpv6WithExtensions) {
    const Bytes frame = Packet()
                            .eth()
                            .ipv6("fd00::1", "fd00::2")
                            .extension(0, 16)
                            .ipv6_fragment(1480, true, 77)
                            .udp(53, 5353)
                            .payload(10)
                            .bytes();
    const auto ip = take<Ipv6Header>(frame, 14);
    EXPECT_EQ(ip.version(), 6);
    EXPECT_EQ(ip.payload_size.host(), 16 + 8 + 18);
    EXPECT_EQ(ip.protocol(), Protocol::kHopByHop);
    EXPECT_EQ(ip.source[0], 0xfd);
    EXPECT_EQ(ip.destination[15], 2);
    const auto extension = take<Ipv6Extension>(frame, 54);
    EXPECT_EQ(extension.header_size(), 16);
    EXPECT_EQ(extension.protocol(), Protocol::kFragment);
    const auto fragment = take<Ipv6Fragment>(frame, 70);
    EXPECT_EQ(fragment.offset(), 1480);
    EXPECT_TRUE(fragment.more());
    EXPECT_EQ(fragment.id, be32(77));
    EXPECT_EQ(fragment.protocol(), Protocol::kUdp);
    EXPECT_EQ(take<UdpHeader>(frame, 78).size.host(), 18);
    EXPECT_EQ(put(put(frame, 14, ip), 70, fragment), frame);
}

TEST(Headers, Ipv4FragmentsAreFragments) {
    const auto fragment = [](uint16_t value) {
        const Bytes frame = Packet().eth().ipv4("1.1.1.1", "2.2.2.2").fragment(value);
        return take<Ipv4Header>(frame, 14).is_fragment();
    };
    EXPECT_FALSE(fragment(Ipv4Header::kDontFragment));
    EXPECT_TRUE(fragment(Ipv4Header::kMoreFragments));
    EXPECT_TRUE(fragment(185));
}

TEST(Headers, ArpAndIcmp) {
    const Bytes request = Packet().eth().arp_request(test::kMacA, "10.0.0.1", "10.0.0.2");
    const auto arp = take<ArpHeader>(request, 14);
    EXPECT_EQ(arp.hardware_type.host(), ArpHeader::kHardwareEthernet);
    EXPECT_EQ(arp.protocol_type.host(), static_cast<uint16_t>(EtherType::kIpv4));
    EXPECT_EQ(arp.operation.host(), ArpHeader::kRequest);
    EXPECT_EQ(arp.sender_mac[5], 0x0a);
    EXPECT_EQ(arp.sender_address, be32(0x0a000001));
    EXPECT_EQ(arp.target_address, be32(0x0a000002));
    EXPECT_EQ(take<EthernetHeader>(request, 0).ether_type(), EtherType::kArp);

    const Bytes echo = Packet().eth().ipv4("1.1.1.1", "2.2.2.2").icmp_echo(3, 4).payload(8);
    EXPECT_EQ(take<IcmpHeader>(echo, 34).type, IcmpHeader::kEcho);
    EXPECT_EQ(take<IcmpHeader>(echo, 34).rest, be32(0x00030004));
    const Bytes echo6 = Packet().eth().ipv6("fd00::1", "fd00::2").icmp_echo(3, 4);
    EXPECT_EQ(take<IcmpHeader>(echo6, 54).type, IcmpHeader::kV6Echo);
}

// The builder and the verifier were written apart; that they agree is what other tests build on.
TEST(PacketBuilder, MakesValidChecksums) {
    EXPECT_TRUE(test::checksums_valid(Packet()
                                          .eth()
                                          .vlan(5)
                                          .ipv4("10.0.0.1", "10.0.0.2")
                                          .options(8)
                                          .tcp(1, 2)
                                          .options(4)
                                          .payload(1001)));
    EXPECT_TRUE(test::checksums_valid(
        Packet().eth().ipv6("fd00::1", "fd00::2").extension(60, 24).udp(1, 2).payload(7)));
    EXPECT_TRUE(test::checksums_valid(Packet().eth().ipv6("fd00::1", "fd00::2").icmp_echo(1, 2)));
    const Packet tunnel = Packet()
                              .eth()
                              .ipv4("10.0.0.1", "10.0.0.2")
                              .udp(9, 4789)
                              .without_checksum()
                              .vxlan(5)
                              .eth()
                              .ipv6("fd00::1", "fd00::2")
                              .tcp(1, 2)
                              .payload(99);
    EXPECT_TRUE(test::checksums_valid(tunnel));
}

TEST(PacketBuilder, EveryFlippedBitBehindIpIsFound) {
    const Bytes frame = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).payload(33);
    for (size_t bit = 14 * 8; bit < frame.size() * 8; ++bit) {
        // Which header the rest is: a fragment's or another protocol's checksum isn't looked at.
        const size_t at = bit / 8;
        if (at == 20 || at == 21 || at == 23) continue;
        Bytes flipped = frame;
        flipped[at] ^= static_cast<uint8_t>(1u << bit % 8);
        EXPECT_FALSE(test::checksums_valid(flipped)) << "bit " << bit;
    }
    EXPECT_FALSE(test::checksums_valid(
        Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).payload(33).unfinished()));
}

}  // namespace
}  // namespace sluice::wire
