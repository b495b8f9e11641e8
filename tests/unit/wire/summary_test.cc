#include "wire/summary.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "support/packet.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

constexpr const char* kMacs = "02:00:00:00:00:0a > 02:00:00:00:00:0b";

std::string tell(const Bytes& frame) { return summary(frame, frame.size()); }

// What follows the addresses and the length.
std::string rest(const Bytes& frame) {
    const std::string line = tell(frame);
    const std::string begin = fmt::format("{}, length {}: ", kMacs, frame.size());
    EXPECT_TRUE(line.starts_with(begin)) << line;
    return line.substr(std::min(line.size(), begin.size()));
}

Packet ipv4() { return Packet().eth().ipv4("10.0.0.1", "10.0.0.2"); }
Packet ipv6() { return Packet().eth().ipv6("fd00::1", "fd00::2"); }

TEST(Summary, TellsPortsAndTcpFlags) {
    EXPECT_EQ(tell(ipv4().tcp(1234, 80, 0x02, 7)),
              std::string(kMacs) + ", length 54: 10.0.0.1.1234 > 10.0.0.2.80: TCP [S], seq 7");
    EXPECT_EQ(rest(ipv4().tcp(1, 2, 0x12, 7).payload(9)), "10.0.0.1.1 > 10.0.0.2.2: TCP [S.], seq 7, ack 77");
    EXPECT_EQ(rest(ipv4().tcp(1, 2, 0xed, 7)), "10.0.0.1.1 > 10.0.0.2.2: TCP [FRPUEW], seq 7");
    EXPECT_EQ(rest(ipv4().tcp(1, 2, 0, 7)), "10.0.0.1.1 > 10.0.0.2.2: TCP [none], seq 7");
    EXPECT_EQ(rest(ipv6().udp(53, 9)), "fd00::1.53 > fd00::2.9: UDP");
    EXPECT_EQ(rest(Packet().eth().ipv4("10.0.0.1", "10.0.0.2", 132).payload(Bytes{0, 5, 0, 6, 0, 0, 0, 0})),
              "10.0.0.1.5 > 10.0.0.2.6: SCTP");
}

TEST(Summary, TellsTheFrameInsideOfVxlan) {
    const auto outer = [] { return Packet().eth().ipv4("192.0.2.1", "192.0.2.2").udp(50'000, 4789); };
    const std::string ends = "192.0.2.1.50000 > 192.0.2.2.4789: UDP, VXLAN ";
    EXPECT_EQ(rest(outer().vxlan(100).eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2, 2, 7)),
              ends + "vni 100: " + kMacs + ": 10.0.0.1.1 > 10.0.0.2.2: TCP [S], seq 7");
    EXPECT_EQ(rest(outer().vxlan(100).eth().vlan(5).arp_request(test::kMacA, "10.0.0.1", "10.0.0.2")),
              ends + "vni 100: " + kMacs + ", vlan 5: ARP who-has 10.0.0.2 tell 10.0.0.1");
    EXPECT_EQ(rest(outer().vxlan(100)), ends + "vni 100: runt");
    EXPECT_EQ(rest(outer().vxlan(100).eth().ipv4("10.0.0.1", "10.0.0.2").udp(3, 4789).vxlan(7).eth()),
              ends + "vni 100: " + kMacs + ": 10.0.0.1.3 > 10.0.0.2.4789: UDP");
}

TEST(Summary, TellsVlans) {
    EXPECT_EQ(tell(Packet().eth().vlan(10, 0x88a8).vlan(20).ipv4("10.0.0.1", "10.0.0.2").udp(1, 2)),
              std::string(kMacs) + ", vlan 10, vlan 20, length 50: 10.0.0.1.1 > 10.0.0.2.2: UDP");
}

TEST(Summary, TellsArp) {
    EXPECT_EQ(rest(Packet().eth().arp_request(test::kMacA, "10.0.0.1", "10.0.0.2")),
              "ARP who-has 10.0.0.2 tell 10.0.0.1");
    EXPECT_EQ(rest(Packet().eth().arp_reply(test::kMacA, "10.0.0.1", test::kMacB, "10.0.0.2")),
              "ARP 10.0.0.1 is-at 02:00:00:00:00:0a");
}

TEST(Summary, TellsIcmp) {
    EXPECT_EQ(rest(ipv4().icmp_echo(5, 6)), "10.0.0.1 > 10.0.0.2: ICMP echo request, id 5, seq 6");
    EXPECT_EQ(rest(ipv4().icmp(0, 0, 0x0005'0006)), "10.0.0.1 > 10.0.0.2: ICMP echo reply, id 5, seq 6");
    EXPECT_EQ(rest(ipv4().icmp(3, 4, 1400)), "10.0.0.1 > 10.0.0.2: ICMP fragmentation needed, mtu 1400");
    EXPECT_EQ(rest(ipv4().icmp(3, 1, 0)), "10.0.0.1 > 10.0.0.2: ICMP unreachable, code 1");
    EXPECT_EQ(rest(ipv4().icmp(11, 0, 0)), "10.0.0.1 > 10.0.0.2: ICMP time exceeded");
    EXPECT_EQ(rest(ipv4().icmp(13, 1, 0)), "10.0.0.1 > 10.0.0.2: ICMP type 13, code 1");
    EXPECT_EQ(rest(ipv6().icmp_echo(5, 6)), "fd00::1 > fd00::2: ICMPv6 echo request, id 5, seq 6");
    EXPECT_EQ(rest(ipv6().icmp(2, 0, 1400)), "fd00::1 > fd00::2: ICMPv6 too big, mtu 1400");
    EXPECT_EQ(rest(ipv6().icmp(134, 0, 0)), "fd00::1 > fd00::2: ICMPv6 router advertisement");
    const Bytes target = test::address_bytes("fd00::9");
    EXPECT_EQ(rest(ipv6().icmp(135, 0, 0).payload(target)),
              "fd00::1 > fd00::2: ICMPv6 neighbor solicitation, who has fd00::9");
    EXPECT_EQ(rest(ipv6().icmp(136, 0, 0).payload(target)),
              "fd00::1 > fd00::2: ICMPv6 neighbor advertisement, of fd00::9");
    EXPECT_EQ(rest(ipv6().icmp(135, 0, 0)), "fd00::1 > fd00::2: ICMPv6 neighbor solicitation");
}

// A later fragment begins with no ports.
TEST(Summary, TellsFragments) {
    EXPECT_EQ(rest(ipv4().id(9).fragment(0x2000).udp(1, 2)),
              "10.0.0.1.1 > 10.0.0.2.2: UDP, fragment (id 9, offset 0+)");
    EXPECT_EQ(rest(ipv4().id(9).fragment(185).udp(1, 2)),
              "10.0.0.1 > 10.0.0.2: UDP, fragment (id 9, offset 1480)");
    EXPECT_EQ(rest(ipv6().ipv6_fragment(1480, false, 9).udp(1, 2)),
              "fd00::1 > fd00::2: UDP, fragment (id 9, offset 1480)");
    EXPECT_EQ(rest(ipv6().extension(0, 8).ipv6_fragment(0, true, 9).tcp(1, 2, 2)),
              "fd00::1.1 > fd00::2.2: TCP [S], seq 1, fragment (id 9, offset 0+)");
}

TEST(Summary, SkipsOptionsAndExtensionHeaders) {
    EXPECT_EQ(rest(ipv4().options(8).udp(1, 2)), "10.0.0.1.1 > 10.0.0.2.2: UDP");
    EXPECT_EQ(rest(ipv6().extension(0, 8).extension(60, 16).extension(43, 8).udp(1, 2)),
              "fd00::1.1 > fd00::2.2: UDP");
}

TEST(Summary, TellsWhatItDoesNotKnowByNumber) {
    EXPECT_EQ(rest(Packet().eth().payload(46)), "ethertype 0x88b5");
    EXPECT_EQ(rest(Packet().eth(test::kMacA, test::kMacB, 0x26).payload(46)), "LLC");
    EXPECT_EQ(rest(ipv4()), "10.0.0.1 > 10.0.0.2: protocol 253");
    EXPECT_EQ(rest(Packet().eth(test::kMacA, test::kMacB, 0x0800).payload(46)), "IPv4, malformed");
}

// What is known of a frame may end anywhere, and its length is the frame's own.
TEST(Summary, EndsWhereTheBytesDo) {
    const Bytes frame = ipv4().tcp(1234, 80).payload(10);
    auto first = [&](size_t size) { return summary({frame.data(), size}, 1000); };
    const std::string begin = std::string(kMacs) + ", length 1000: ";
    EXPECT_EQ(first(0), "runt, length 1000");
    EXPECT_EQ(first(13), "runt, length 1000");
    EXPECT_EQ(first(14), begin + "IPv4, cut short");
    EXPECT_EQ(first(34), begin + "10.0.0.1 > 10.0.0.2: TCP");
    EXPECT_EQ(first(38), begin + "10.0.0.1.1234 > 10.0.0.2.80: TCP");
    EXPECT_EQ(first(54), begin + "10.0.0.1.1234 > 10.0.0.2.80: TCP [.], seq 1, ack 77");
}

// Read from heap blocks of just their size, for AddressSanitizer to look on.
TEST(Summary, ReadsNothingBehindTheBytes) {
    std::mt19937 random(7);
    const std::vector<Bytes> frames = {
        ipv4().options(8).tcp(1, 2).payload(30), ipv6().extension(0, 8).ipv6_fragment(0, true, 1).tcp(1, 2),
        ipv6().icmp(135, 0, 0).payload(16),
        Packet().eth().ipv4("1.2.3.4", "5.6.7.8").udp(1, 4789).vxlan(9).eth().ipv6("fd00::1", "fd00::2").udp(1, 2),
        Packet().eth().vlan(5).vlan(6).ipv4("1.2.3.4", "5.6.7.8").udp(1, 2),
        Packet().eth().arp_request(test::kMacA, "10.0.0.1", "10.0.0.2")};
    for (int i = 0; i < 20'000; ++i) {
        Bytes frame = frames[random() % frames.size()];
        frame.resize(random() % (frame.size() + 1));
        frame.shrink_to_fit();
        for (size_t flips = random() % 3; flips > 0 && !frame.empty(); --flips) {
            frame[random() % frame.size()] = static_cast<uint8_t>(random());
        }
        EXPECT_NE(tell(frame), "");
    }
}

}  // namespace
}  // namespace sluice::wire
