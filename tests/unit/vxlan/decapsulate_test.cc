#include "vxlan/decapsulate.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>

#include "support/eal.h"
#include "support/packet.h"

namespace sluice::vxlan {
namespace {

using path::Drop;
using test::Bytes;
using test::Packet;

constexpr uint32_t kVni = 0x123456;
constexpr wire::be16 kPort{wire::VxlanHeader::kPort};
constexpr std::string_view kLocal4 = "192.0.2.1", kRemote4 = "192.0.2.2";
constexpr std::string_view kLocal6 = "2001:db8::1", kRemote6 = "2001:db8::2";

Packet outer4() { return Packet().eth().ipv4(kRemote4, kLocal4); }
Packet outer6() { return Packet().eth().ipv6(kRemote6, kLocal6); }
Bytes inner_frame(size_t payload = 30) {
    return Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(payload);
}
Bytes in(Packet outer, const Bytes& inner = inner_frame()) {
    return outer.udp(50000, 4789).vxlan(kVni).payload(inner);
}
Bytes without_checksum(Packet outer, const Bytes& inner = inner_frame()) {
    return outer.udp(50000, 4789).without_checksum().vxlan(kVni).payload(inner);
}

struct Frame {
    explicit Frame(const Bytes& bytes, const std::vector<size_t>& sizes = {})
        : m(test::to_guarded_mbuf(test::test_pool(), bytes, sizes)) {}
    Frame(const Frame&) = delete;
    ~Frame() { rte_pktmbuf_free(m); }

    rte_mbuf* m;
};

using Examine = Outcome(const rte_mbuf*, wire::be16, Outer&);

std::string told(Examine way, const rte_mbuf* m) {
    Outer outer;
    const Outcome outcome = way(m, kPort, outer);
    if (outcome == Outcome::kNotVxlan) return "not VXLAN";
    if (outcome == Outcome::kFragment)
        return std::string(path::text(outer.reason).name) + ", or another connection's";
    if (outcome == Outcome::kDropped || outcome == Outcome::kTagged) return std::string(path::text(outer.reason).name);
    std::string text = "accepted " + std::to_string(outer.vni) + " at " + std::to_string(outer.size) +
                       " to " + std::to_string(outer.end) + " from";
    if (outer.ipv6) {
        for (const uint8_t byte : outer.source_ipv6) text += " " + std::to_string(byte);
    } else {
        text += " " + std::to_string(outer.source.host());
    }
    if (outer.changes && outer.untags) text += " untags";
    if (outer.changes && outer.marks) text += " mark " + std::to_string(static_cast<int>(outer.ecn));
    return text;
}

// What both ways say, however the segments lie.
std::string examined(const Bytes& bytes) {
    std::string text;
    for (const std::vector<size_t>& sizes : std::vector<std::vector<size_t>>{
             {}, {14}, {34}, {42, 1}, {50}, {63}, {15, 20, 3, 1, 1, 20}, {70}, {84}}) {
        if (!sizes.empty() && sizes[0] >= bytes.size()) continue;
        Frame frame(bytes, sizes);
        const std::string slow = told(examine_slowly, frame.m);
        if (sizes.empty()) text = slow;
        EXPECT_EQ(slow, text);
        EXPECT_EQ(told(examine, frame.m), text);
    }
    return text;
}

std::string name(Drop reason) { return std::string(path::text(reason).name); }

// A frame with some bytes changed, and the IPv4 header checksum put right again.
Bytes changed(Bytes frame, const std::function<void(Bytes&)>& change, bool repair = true) {
    change(frame);
    if (repair && frame[12] == 8 && frame.size() >= 34u) {
        unsigned sum = 0;
        frame[24] = frame[25] = 0;
        const size_t end = 14 + (frame[14] & 15) * 4u;
        for (size_t at = 14; at + 1 < end && at + 1 < frame.size(); at += 2) {
            sum += frame[at] * 256u + frame[at + 1];
        }
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
        frame[24] = static_cast<uint8_t>(~sum >> 8);
        frame[25] = static_cast<uint8_t>(~sum);
    }
    return frame;
}

// Takes the frame out, and gives what came out; empty if nothing may.
Bytes taken_out(rte_mbuf* m) {
    Outer outer;
    if (examine(m, kPort, outer) != Outcome::kAccepted) return {};
    strip(m, outer);
    EXPECT_TRUE(test::is_sound(m));
    EXPECT_GE(m->data_len, 14);
    EXPECT_EQ(m->ol_flags & ~kBufferFlags, 0u);
    EXPECT_EQ(m->packet_type, 0u);
    EXPECT_EQ(m->tx_offload, 0u);
    return test::bytes_of(m);
}

TEST(Decapsulate, TellsVniSourceAndWhereTheFrameIs) {
    const std::string v4 = "accepted 1193046 at 50 to 122 from 3221225986";
    EXPECT_EQ(examined(in(outer4())), v4);
    EXPECT_EQ(examined(without_checksum(outer4())), v4);
    EXPECT_EQ(examined(in(outer4().id(5).ttl(1).fragment(0))), v4) << "DF isn't asked for";
    const std::string v6 = "accepted 1193046 at 70 to 142 from 32 1 13 184 0 0 0 0 0 0 0 0 0 0 0 2";
    EXPECT_EQ(examined(in(outer6())), v6);
    EXPECT_EQ(examined(without_checksum(outer6())), v6);
    EXPECT_EQ(examined(without_checksum(outer4(), Packet().eth())),
              "accepted 1193046 at 50 to 64 from 3221225986");
}

TEST(Decapsulate, OptionsAndExtensionHeadersAreSkipped) {
    EXPECT_EQ(examined(in(outer4().options(8))), "accepted 1193046 at 58 to 130 from 3221225986");
    EXPECT_EQ(examined(in(outer6().extension(0, 8).extension(60, 16))),
              "accepted 1193046 at 94 to 166 from 32 1 13 184 0 0 0 0 0 0 0 0 0 0 0 2");
    EXPECT_EQ(examined(in(outer6().extension(0, 264))), name(Drop::kVxlanOuterHeader));
    EXPECT_EQ(examined(changed(in(outer6().extension(43, 24)), [](Bytes& f) { f[57] = 1; })),
              name(Drop::kVxlanOuterHeader))
        << "a source route under way";
}

TEST(Decapsulate, WhatIsNotVxlanIsSomebodyElses) {
    EXPECT_EQ(examined(outer4().icmp_echo(1, 1).payload(60)), "not VXLAN");
    EXPECT_EQ(examined(outer6().icmp_echo(1, 1).payload(60)), "not VXLAN");
    EXPECT_EQ(examined(outer4().tcp(50000, 4789).payload(60)), "not VXLAN");
    EXPECT_EQ(examined(outer4().udp(50000, 4790).vxlan(1).payload(inner_frame())), "not VXLAN");
    EXPECT_EQ(examined(outer6().udp(50000, 53).payload(60)), "not VXLAN");
    EXPECT_EQ(examined(outer6().extension(0, 8).icmp_echo(1, 1)), "not VXLAN");
    EXPECT_EQ(examined(Packet().eth().payload(80)), "not VXLAN");
    Frame frame(Packet(outer4()).udp(50000, 8472).vxlan(7).payload(inner_frame()));
    Outer outer;
    EXPECT_EQ(examine(frame.m, wire::be16(8472), outer), Outcome::kAccepted);
    EXPECT_EQ(examine(frame.m, kPort, outer), Outcome::kNotVxlan);
}

TEST(Decapsulate, AnOuterHeaderThatMakesNoSense) {
    const std::string wrong = name(Drop::kVxlanOuterHeader);
    for (const Bytes& good : {in(outer4()), without_checksum(outer4())}) {
        EXPECT_EQ(examined(changed(good, [](Bytes& f) { f[14] = 0x55; })), wrong) << "version";
        EXPECT_EQ(examined(changed(good, [](Bytes& f) { f[14] = 0x44; })), wrong) << "header size";
        EXPECT_EQ(examined(changed(good, [](Bytes& f) { f[16] = 0, f[17] = 19; })), wrong) << "total";
        EXPECT_EQ(examined(changed(good, [](Bytes& f) { f[25] ^= 1; }, false)), wrong) << "checksum";
        EXPECT_EQ(examined(changed(good, [](Bytes& f) { f[22] ^= 1; }, false)), wrong) << "TTL";
        EXPECT_EQ(examined(changed(good, [](Bytes& f) { ++f[39]; })), wrong) << "UDP size";
        EXPECT_EQ(examined(changed(good, [](Bytes& f) { f[38] = 0, f[39] = 7; })), wrong) << "UDP size";
    }
    const Bytes options = in(outer4().options(8));
    EXPECT_EQ(examined(changed(options, [](Bytes& f) { f[35] ^= 4; }, false)), wrong);
    for (const Bytes& good : {in(outer6()), without_checksum(outer6())}) {
        EXPECT_EQ(examined(changed(good, [](Bytes& f) { f[14] = 0x70; })), wrong) << "version";
        EXPECT_EQ(examined(changed(good, [](Bytes& f) { ++f[59]; })), wrong) << "UDP size";
        EXPECT_EQ(examined(changed(good, [](Bytes& f) { f[58] = 0, f[59] = 0; })), wrong) << "jumbo";
    }
    EXPECT_EQ(examined(changed(outer6().extension(0, 8).udp(1, 4789).bytes(), [](Bytes& f) { f[19] = 7; })),
              wrong)
        << "an extension header beyond the end";
}

TEST(Decapsulate, TruncatedWhereverItEnds) {
    const std::string truncated = name(Drop::kVxlanTruncated);
    for (const Bytes& good : {in(outer4()), without_checksum(outer4()), in(outer4().options(4)),
                              in(outer6()), without_checksum(outer6()), in(outer6().extension(0, 8))}) {
        for (size_t size = 14; size < good.size(); ++size) {
            const Bytes frame(good.begin(), good.begin() + static_cast<ptrdiff_t>(size));
            EXPECT_EQ(examined(frame), truncated) << size << " of " << good.size();
        }
        EXPECT_EQ(examined(good).substr(0, 8), "accepted");
    }
}

// Here the lengths agree with the frame, and each byte less is another header that isn't whole.
TEST(Decapsulate, NothingBeforeTheInnerEthernetHeaderIsWhole) {
    for (const auto& ip : {outer4(), outer4().options(4), outer6()}) {
        const size_t udp = Packet(ip).udp(50000, 4789).bytes().size();
        for (const bool checksum : {true, false}) {
            for (size_t more = 0; more <= 22; ++more) {
                const Bytes tail = Packet().vxlan(kVni).eth();
                Packet packet = Packet(ip).udp(50000, 4789);
                if (!checksum) packet.without_checksum();
                const Bytes frame =
                    packet.payload(Bytes(tail.begin(), tail.begin() + static_cast<ptrdiff_t>(more)));
                const std::string expected = more < 8    ? name(Drop::kVxlanTruncated)
                                             : more < 22 ? name(Drop::kVxlanInnerRunt)
                                                         : "accepted 1193046 at " + std::to_string(udp + 8);
                EXPECT_EQ(examined(frame).substr(0, expected.size()), expected) << more;
            }
        }
    }
    // IP says less than a UDP header.
    for (size_t size = 0; size < 8; ++size) {
        EXPECT_EQ(examined(Packet().eth().ipv4(kRemote4, kLocal4, 17).payload(size)),
                  name(Drop::kVxlanTruncated));
        EXPECT_EQ(examined(Packet().eth().ipv6(kRemote6, kLocal6, 17).payload(size)),
                  name(Drop::kVxlanTruncated));
    }
}

TEST(Decapsulate, FragmentsAreNotPutTogether) {
    const std::string fragment = name(Drop::kVxlanFragment);
    const std::string unclear = fragment + ", or another connection's";
    EXPECT_EQ(examined(in(outer4().fragment(0x2000))), fragment);
    EXPECT_EQ(examined(in(outer4().fragment(0x2001))), unclear);
    EXPECT_EQ(examined(Packet().eth().ipv4(kRemote4, kLocal4, 17).fragment(0x0009).payload(40)), unclear);
    EXPECT_EQ(examined(outer4().fragment(0x2000).udp(4789, 4788).payload(40)), unclear);
    EXPECT_EQ(examined(in(outer6().ipv6_fragment(0, true, 1))), fragment);
    EXPECT_EQ(examined(outer6().ipv6_fragment(0, true, 1).udp(4789, 4788).payload(40)), unclear);
    Bytes last = outer6().ipv6_fragment(80, false, 1).payload(40);
    last[54] = 17;
    EXPECT_EQ(examined(last), unclear);
    EXPECT_EQ(examined(Packet().eth().ipv4(kRemote4, kLocal4, 1).fragment(0x2000).payload(40)), "not VXLAN");
    EXPECT_EQ(examined(outer6().ipv6_fragment(0, true, 1).icmp_echo(1, 1)), "not VXLAN");
}

TEST(Decapsulate, AUdpChecksumIsVerifiedUnlessSomebodyVouchesForIt) {
    const std::string wrong = name(Drop::kVxlanUdpChecksum);
    for (const Bytes& good : {in(outer4()), in(outer6()), in(outer4(), inner_frame(31))}) {
        const size_t udp = good[12] == 8 ? 34 : 54;
        for (size_t at : {udp, udp + 6, udp + 8, udp + 14, udp + 16 + 7, good.size() - 1}) {
            EXPECT_EQ(examined(changed(good, [&](Bytes& f) { f[at] ^= 0x10; })), wrong) << at;
        }
        const Bytes bad = changed(good, [&](Bytes& f) { f[udp + 7] ^= 1; });
        Frame frame(bad);
        const auto outcome = [&] {
            EXPECT_EQ(told(examine, frame.m), told(examine_slowly, frame.m));
            Outer outer;
            return examine(frame.m, kPort, outer);
        };
        const uint64_t none = frame.m->ol_flags;
        frame.m->ol_flags = none | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
        EXPECT_EQ(outcome(), Outcome::kAccepted);
        frame.m->ol_flags = none | RTE_MBUF_F_RX_L4_CKSUM_NONE;
        EXPECT_EQ(outcome(), Outcome::kDropped) << "GOOD and BAD at once";
        frame.m->ol_flags = none | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
        EXPECT_EQ(outcome(), Outcome::kDropped);
        // A NIC that looks into tunnels.
        frame.m->packet_type = RTE_PTYPE_TUNNEL_VXLAN;
        frame.m->ol_flags = none | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
        EXPECT_EQ(outcome(), Outcome::kDropped) << "the inner one";
        frame.m->ol_flags = none | RTE_MBUF_F_RX_OUTER_L4_CKSUM_GOOD;
        EXPECT_EQ(outcome(), Outcome::kAccepted);
        frame.m->packet_type = 0;
        // A kernel's that leaves it to the device.
        frame.m->ol_flags = none;
        test::mark(frame.m, {.l3_len = static_cast<uint16_t>(udp - 14),
                             .l4_len = 8,
                             .ipv6 = udp == 54,
                             .udp = true});
        EXPECT_EQ(outcome(), Outcome::kAccepted);
    }
}

TEST(Decapsulate, TheVniFlagMustBeSetAndReservedBitsAreIgnored) {
    for (const Bytes& good : {without_checksum(outer4()), without_checksum(outer6())}) {
        const size_t vxlan = good[12] == 8 ? 42 : 62;
        const std::string accepted = examined(good);
        for (int flags = 0; flags < 256; ++flags) {
            const Bytes frame = changed(good, [&](Bytes& f) { f[vxlan] = static_cast<uint8_t>(flags); });
            EXPECT_EQ(examined(frame), (flags & 8) != 0 ? accepted : name(Drop::kVxlanNoVniFlag)) << flags;
        }
        for (size_t at : {vxlan + 1, vxlan + 2, vxlan + 3, vxlan + 7}) {
            EXPECT_EQ(examined(changed(good, [&](Bytes& f) { f[at] = 0xff; })), accepted) << at;
        }
    }
}

TEST(Decapsulate, ATaggedInnerFrameIsRefused) {
    for (const Packet& ip : {outer4(), outer6()}) {
        const std::string tagged = name(Drop::kVxlanInnerVlan);
        const Bytes inner = Packet().eth().vlan(5).ipv4("10.0.0.1", "10.0.0.2").udp(1, 2);
        EXPECT_EQ(examined(without_checksum(ip, inner)), tagged);
        EXPECT_EQ(examined(in(ip, Packet().eth().vlan(5, 0x88a8).payload(46))), tagged);
        EXPECT_EQ(examined(in(ip, Packet().eth(test::kMacA, test::kMacB, 0x8100))), tagged);
    }
}

TEST(Decapsulate, APriorityTagComesOffInOneBufferOrSeveral) {
    const auto inner = [](Packet packet, uint8_t traffic_class) -> Bytes {
        return packet.ipv4("10.0.0.1", "10.0.0.2").traffic_class(traffic_class).udp(1, 2).payload(20);
    };
    const Bytes tagged = inner(Packet().eth().vlan(0x6000), 2);
    const Bytes bare = inner(Packet().eth(), 2);
    const Bytes marked = inner(Packet().eth(), 3);
    for (const Packet& ip : {outer4(), outer6()}) {
        for (const uint8_t traffic_class : {0, 3}) {
            Bytes whole = in(Packet(ip).traffic_class(traffic_class), tagged);
            whole.resize(whole.size() + 7);  // the underlay's padding
            for (uint16_t first = 14; first < 120; ++first) {
                Frame frame(whole, {first});
                EXPECT_EQ(taken_out(frame.m), traffic_class == 3 ? marked : bare) << first;
            }
        }
    }
    EXPECT_EQ(examined(in(outer4(), Packet().eth().vlan(0).vlan(5).payload(46))), name(Drop::kVxlanInnerVlan));
    EXPECT_EQ(examined(in(outer4(), Packet().eth().vlan(0, 0x88a8).payload(46))), name(Drop::kVxlanInnerVlan));
}

TEST(Ecn, IsAsInFigure4OfRfc6040) {
    using enum Ecn;
    EXPECT_EQ(ecn_of(0), kNotEct);
    EXPECT_EQ(ecn_of(0xfd), kEct1);
    EXPECT_EQ(ecn_of(2), kEct0);
    EXPECT_EQ(ecn_of(3), kCongestion);
    const struct {
        Ecn inner, outer, result;
    } rows[] = {
        {kNotEct, kNotEct, kNotEct},         {kNotEct, kEct0, kNotEct},
        {kNotEct, kEct1, kNotEct},           {kNotEct, kCongestion, kLost},
        {kEct0, kNotEct, kEct0},             {kEct0, kEct0, kEct0},
        {kEct0, kEct1, kEct1},               {kEct0, kCongestion, kCongestion},
        {kEct1, kNotEct, kEct1},             {kEct1, kEct0, kEct1},
        {kEct1, kEct1, kEct1},               {kEct1, kCongestion, kCongestion},
        {kCongestion, kNotEct, kCongestion}, {kCongestion, kEct0, kCongestion},
        {kCongestion, kEct1, kCongestion},   {kCongestion, kCongestion, kCongestion},
    };
    for (const auto& [inner, outer, result] : rows) {
        EXPECT_EQ(out_of_tunnel(inner, outer), result);
        // The same in packets, with checksums that stay right, and the DSCP as it was.
        const auto mark = [](Ecn ecn) { return static_cast<uint8_t>(0xb8 | static_cast<int>(ecn)); };
        for (const Packet& ip : {Packet().eth().ipv4("10.0.0.1", "10.0.0.2"),
                                 Packet().eth().ipv6("fd00::1", "fd00::2")}) {
            for (const Packet& outer_ip : {outer4(), outer6()}) {
                const Bytes before = Packet(ip).traffic_class(mark(inner)).udp(1, 2).payload(20);
                const Bytes frame = in(Packet(outer_ip).traffic_class(static_cast<uint8_t>(outer)), before);
                const std::string lost = name(Drop::kVxlanEcn);
                if (result == kLost) {
                    EXPECT_EQ(examined(frame), lost);
                    continue;
                }
                EXPECT_EQ(examined(frame).substr(0, 8), "accepted");
                const Bytes after = Packet(ip).traffic_class(mark(result)).udp(1, 2).payload(20);
                for (const std::vector<size_t>& sizes :
                     std::vector<std::vector<size_t>>{
                         {}, {15, 40, 1, 9, 1, 1}, {64, 1, 9, 1}, {84, 1, 9, 1}}) {
                    Frame packet(frame, sizes);
                    EXPECT_EQ(taken_out(packet.m), after);
                }
            }
        }
    }
}

TEST(Ecn, WhatIsNotIpHasNone) {
    for (const Bytes& inner : {Packet().eth().arp_request(test::kMacA, "10.0.0.1", "10.0.0.2").bytes(),
                               Packet().eth(test::kMacA, test::kMacB, 0x0800).payload(19).bytes(),
                               Packet().eth(test::kMacA, test::kMacB, 0x0800).payload(30).bytes(),
                               Packet().eth(test::kMacA, test::kMacB, 0x86dd).payload(39).bytes(),
                               Packet().eth(test::kMacA, test::kMacB, 0x86dd).payload(60).bytes()}) {
        Frame frame(in(outer4().traffic_class(3), inner));
        EXPECT_EQ(taken_out(frame.m), inner);
    }
}

TEST(Strip, LeavesTheInnerFrameHoweverSegmentsLie) {
    const Bytes inner = inner_frame(101);
    for (const Bytes& frame : {in(outer4()), in(outer4(), inner), in(outer4().options(40), inner),
                               in(outer6(), inner), in(outer6().extension(60, 64), inner)}) {
        const bool small = frame.size() == in(outer4()).size();
        const size_t begin = frame.size() - (small ? inner_frame() : inner).size();
        const Bytes expected(frame.begin() + static_cast<ptrdiff_t>(begin), frame.end());
        for (size_t first = 14; first < frame.size(); ++first) {
            for (size_t second : {1u, 14u, 50u}) {
                // A guest or a NIC doesn't make empty mbufs, but chains may have them.
                for (const std::vector<size_t>& sizes :
                     std::vector<std::vector<size_t>>{{first}, {first, second, 3}, {first, 0, second, 0}}) {
                    Frame packet(frame, sizes);
                    ASSERT_EQ(taken_out(packet.m), expected) << first << " " << second;
                }
            }
        }
    }
}

TEST(Strip, WhatTheUnderlayPaddedWithGoes) {
    for (const Packet& ip : {outer4(), outer6()}) {
        for (size_t more : {1u, 4u, 60u}) {
            Bytes frame = in(Packet(ip));
            frame.insert(frame.end(), more, 0xee);
            EXPECT_EQ(examined(frame), examined(in(Packet(ip))));
            for (size_t first = 14; first < frame.size(); first += 3) {
                Frame packet(frame, {first, frame.size() - first - 1});
                ASSERT_EQ(taken_out(packet.m), inner_frame()) << first;
            }
        }
    }
    // UDP options (RFC 9868): UDP says less than IP.
    Bytes frame = without_checksum(outer4());
    frame = changed(frame, [](Bytes& f) { f[39] = static_cast<uint8_t>(f[39] - 5); });
    Frame packet(frame);
    EXPECT_EQ(taken_out(packet.m), Bytes(frame.begin() + 50, frame.end() - 5));
}

TEST(Strip, AGoodOuterChecksumSaysNothingOfTheInnerOne) {
    Frame frame(in(outer4()));
    frame.m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    frame.m->packet_type = RTE_PTYPE_L4_UDP;
    frame.m->l2_len = 14;
    taken_out(frame.m);  // looks at flags and lengths
    EXPECT_EQ(wire::to_virtio(frame.m), wire::VirtioNetHeader{});
}

// Any damage at all: both ways agree, and what is taken in is whole.
TEST(Decapsulate, AnyBytes) {
    std::mt19937 random(11);
    const std::vector<Bytes> good{in(outer4()), without_checksum(outer4()), in(outer4().options(8)),
                                  in(outer6()), without_checksum(outer6()), in(outer6().extension(0, 16)),
                                  without_checksum(outer4().traffic_class(3)),
                                  without_checksum(outer6().ipv6_fragment(0, false, 7))};
    size_t accepted = 0;
    for (int i = 0; i < 20'000; ++i) {
        Bytes frame = good[random() % good.size()];
        for (uint32_t count = 1 + random() % 3; count != 0; --count) {
            frame[12 + random() % (std::min<size_t>(frame.size(), 90) - 12)] = static_cast<uint8_t>(random());
        }
        frame = changed(frame, [](Bytes&) {}, random() % 4 != 0);
        if (random() % 4 == 0) frame.resize(14 + random() % (frame.size() - 13));
        const size_t first = 14 + random() % frame.size();
        Frame packet(frame, {first, 1 + random() % 30});
        ASSERT_EQ(told(examine, packet.m), told(examine_slowly, packet.m));
        Outer outer;
        if (examine(packet.m, kPort, outer) != Outcome::kAccepted) continue;
        ++accepted;
        const size_t expected = outer.end - outer.size;
        ASSERT_EQ(taken_out(packet.m).size(), expected);
    }
    EXPECT_GT(accepted, 2000u);
}

TEST(Decapsulate, GivesBackWhatEncapsulateTook) {
    std::mt19937 random(13);
    for (int i = 0; i < 4000; ++i) {
        const bool ipv6 = random() % 2 != 0;
        const auto checksum = random() % 2 != 0 ? UdpChecksum::kFull : UdpChecksum::kZero;
        const Tunnel tunnel = make_tunnel(*IpAddress::parse(ipv6 ? kRemote6 : kRemote4),
                                          *IpAddress::parse(ipv6 ? kLocal6 : kLocal4), 4789, checksum);
        const auto traffic_class = static_cast<uint8_t>(random());
        Packet inner = Packet().eth();
        if (random() % 2 != 0) {
            inner.ipv4("10.0.0.1", "10.0.0.2").traffic_class(traffic_class);
        } else {
            inner.ipv6("fd00::1", "fd00::2").traffic_class(traffic_class);
        }
        const Bytes bytes = inner.udp(1, 2).payload(random() % 1500);
        const uint32_t vni = random() % (wire::VxlanHeader::kMaxVni + 1);
        rte_mbuf* m = test::to_mbuf(test::test_pool(), bytes,
                                    {14 + random() % bytes.size(), 1 + random() % 99});
        if (random() % 2 != 0) {
            ASSERT_TRUE(has_room(m, tunnel));
            encapsulate(m, tunnel, vni, wire::flow_hash(m));
        } else {
            m = encapsulate_shared(m, tunnel, vni, wire::flow_hash(m), test::test_pool());
            ASSERT_NE(m, nullptr);
        }
        Outer outer;
        ASSERT_EQ(examine(m, kPort, outer), Outcome::kAccepted);
        EXPECT_EQ(outer.vni, vni);
        EXPECT_EQ(outer.ipv6, ipv6);
        EXPECT_EQ(outer.size, tunnel.overhead());
        ASSERT_EQ(taken_out(m), bytes);
        rte_pktmbuf_free(m);
    }
}

}  // namespace
}  // namespace sluice::vxlan
