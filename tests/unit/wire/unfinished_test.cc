#include "wire/unfinished.h"

#include <gtest/gtest.h>

#include "support/eal.h"
#include "support/packet.h"
#include "wire/offload.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

struct Frame {
    explicit Frame(const Bytes& bytes, const std::vector<size_t>& sizes = {})
        : m(test::to_guarded_mbuf(test::test_pool(), bytes, sizes)) {}
    Frame(const Frame&) = delete;
    ~Frame() { rte_pktmbuf_free(m); }

    rte_mbuf* m;
};

Packet tcp4() { return Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 80); }
Packet udp6() { return Packet().eth().ipv6("fd00::1", "fd00::2").udp(1, 53); }

// What comes out in the end is the packet with a right checksum.
void expect_recovered(const Packet& packet, const std::vector<size_t>& sizes = {}) {
    Frame frame(Packet(packet).unfinished(), sizes);
    EXPECT_EQ(recover_unfinished(frame.m), KernelFrame::kUnfinished);
    EXPECT_TRUE(is_unfinished(frame.m));
    finish_checksums(frame.m);
    EXPECT_EQ(test::bytes_of(frame.m), packet.bytes());
}

void expect_left_alone(const Bytes& bytes) {
    Frame frame(bytes);
    EXPECT_EQ(recover_unfinished(frame.m), KernelFrame::kFinished);
    EXPECT_FALSE(is_unfinished(frame.m));
    EXPECT_EQ(test::bytes_of(frame.m), bytes);
}

TEST(RecoverUnfinished, MarksWhatHoldsThePseudoHeadersSum) {
    expect_recovered(tcp4().payload(1000));
    expect_recovered(tcp4().options(12).payload(999));
    expect_recovered(tcp4());
    expect_recovered(udp6().payload(1));
    expect_recovered(Packet().eth().ipv4("10.0.0.1", "10.0.0.2").options(8).udp(1, 2).payload(7));
    expect_recovered(Packet().eth().vlan(5).ipv6("fd00::1", "fd00::2").tcp(1, 2).payload(3));
    expect_recovered(Packet().eth().ipv6("fd00::1", "fd00::2").extension(60, 16).tcp(1, 2).payload(3));
    expect_recovered(tcp4().payload(500), {15, 21, 13, 7});
}

TEST(RecoverUnfinished, MarksPaddedFrames) {
    Bytes bytes = Packet(udp6()).payload(2).unfinished();
    bytes.resize(bytes.size() + 11, 0xee);
    Frame frame(bytes);
    EXPECT_EQ(recover_unfinished(frame.m), KernelFrame::kUnfinished);
    finish_checksums(frame.m);
    Bytes finished = test::bytes_of(frame.m);
    finished.resize(finished.size() - 11);
    EXPECT_EQ(finished, udp6().payload(2).bytes());
}

TEST(RecoverUnfinished, LeavesTheRestAlone) {
    expect_left_alone(tcp4().payload(1000));
    expect_left_alone(udp6().payload(1));
    expect_left_alone(
        Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(10).without_checksum());
    expect_left_alone(Packet().eth().ipv4("10.0.0.1", "10.0.0.2").icmp_echo(1, 1).payload(56));
    expect_left_alone(Packet().eth().arp_request(test::kMacA, "10.0.0.1", "10.0.0.2"));
    expect_left_alone(Packet().eth().ipv6("fd00::1", "fd00::2").ipv6_fragment(0, true, 7).payload(64));
    expect_left_alone(Packet().eth().payload(46));
    expect_left_alone(Bytes(14, 0x81));
    expect_left_alone(Bytes(9, 0));
}

TEST(RecoverUnfinished, DamageStaysDamage) {
    Bytes bytes = tcp4().payload(100);
    bytes[60] ^= 1;
    expect_left_alone(bytes);
}

// Once in 65,536 packets a right checksum has the same value.
TEST(RecoverUnfinished, FinishingWhatWasFinishedChangesNothing) {
    int found = 0;
    for (unsigned word = 0; word < 65536; ++word) {
        const Bytes payload{static_cast<uint8_t>(word >> 8), static_cast<uint8_t>(word)};
        const Packet packet =
            Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 53).payload(payload);
        const Bytes finished = packet.bytes();
        if (finished != Packet(packet).unfinished().bytes()) continue;
        ++found;
        expect_recovered(packet);
    }
    EXPECT_GE(found, 1);
}

TEST(RecoverUnfinished, NamesWhatIsCutShort) {
    for (const Packet& packet :
         {tcp4().payload(1000), udp6().payload(1000),
          Packet().eth().vlan(5).ipv4("10.0.0.1", "10.0.0.2").icmp_echo(1, 1).payload(100)}) {
        Bytes bytes = packet;
        bytes.resize(bytes.size() - 1);
        Frame frame(bytes);
        EXPECT_EQ(recover_unfinished(frame.m), KernelFrame::kCutShort);
        EXPECT_FALSE(is_unfinished(frame.m));
    }
}

// As the kernel's VXLAN device sends it over a link that finishes checksums: the outer one is right
// for the finished packet.
TEST(RecoverUnfinished, FinishesInsideOfVxlan) {
    const auto outer = [] {
        return Packet().eth().ipv4("192.0.2.1", "192.0.2.2").udp(5000, 4789).vxlan(7);
    };
    const auto inner = [](Packet packet) {
        return packet.eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 80).payload(333);
    };
    const Bytes finished = inner(outer());
    Bytes bytes = finished;
    const Bytes with_pseudo_sum = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 80).payload(333).unfinished();
    const size_t begin = bytes.size() - with_pseudo_sum.size();
    std::copy(with_pseudo_sum.begin(), with_pseudo_sum.end(), bytes.begin() + static_cast<long>(begin));
    ASSERT_NE(bytes, finished);
    Frame frame(bytes);
    EXPECT_EQ(recover_unfinished(frame.m), KernelFrame::kUnfinished);
    EXPECT_FALSE(is_unfinished(frame.m));
    EXPECT_EQ(test::bytes_of(frame.m), finished);

    expect_left_alone(finished);
    expect_left_alone(Packet().eth().ipv4("192.0.2.1", "192.0.2.2").udp(5000, 4789).payload(3));
}

}  // namespace
}  // namespace sluice::wire
