#include "wire/vlan.h"

#include <gtest/gtest.h>

#include "support/eal.h"
#include "support/packet.h"
#include "wire/offload.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

const Bytes kPlain = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(100);
const Bytes kTagged = Packet().eth().vlan(77).ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(100);

rte_mbuf* mbuf(const Bytes& bytes, const std::vector<size_t>& chain = {}) {
    return test::to_mbuf(test::test_pool(), bytes, chain);
}

TEST(Vlan, PushesAndPops) {
    rte_mbuf* m = mbuf(kPlain, {30, 5});
    ASSERT_EQ(push_vlan(m, 77, test::test_pool()), m);
    EXPECT_EQ(test::bytes_of(m), kTagged);
    EXPECT_EQ(m->pkt_len, kTagged.size());
    pop_vlan(m);
    EXPECT_EQ(test::bytes_of(m), kPlain);
    rte_pktmbuf_free(m);
}

TEST(Vlan, SharedBytesStayAsTheyAre) {
    rte_mbuf* m = mbuf(kPlain);
    rte_mbuf* copy = rte_pktmbuf_clone(m, test::test_pool());
    for (rte_mbuf*& one : {std::ref(copy), std::ref(m)}) {
        rte_mbuf* tagged = push_vlan(one, 77, test::test_pool());
        ASSERT_NE(tagged, one);
        EXPECT_EQ(test::bytes_of(tagged), kTagged);
        EXPECT_EQ(tagged->nb_segs, 2u);
        if (&one == &copy) EXPECT_EQ(test::bytes_of(m), kPlain);
        one = tagged;
    }
    EXPECT_EQ(test::bytes_of(copy), kTagged);
    rte_pktmbuf_free(copy);
    rte_pktmbuf_free(m);
}

TEST(Vlan, APriorityTagComesOff) {
    const auto popped = [](const Packet& packet, const std::vector<size_t>& chain = {}) {
        rte_mbuf* m = mbuf(packet, chain);
        const bool was_there = pop_priority_tag(m);
        const Bytes bytes = test::bytes_of(m);
        rte_pktmbuf_free(m);
        return was_there ? bytes : Bytes{};
    };
    const auto rest = [](Packet packet) { return packet.ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(100); };
    EXPECT_EQ(popped(rest(Packet().eth().vlan(0))), kPlain);
    EXPECT_EQ(popped(rest(Packet().eth().vlan(0xf000)), {18}), kPlain);
    EXPECT_EQ(popped(rest(Packet().eth().vlan(0)), {17}), Bytes{});
    EXPECT_EQ(popped(rest(Packet().eth().vlan(1))), Bytes{});
    EXPECT_EQ(popped(rest(Packet().eth().vlan(0, 0x88a8))), Bytes{});
    EXPECT_EQ(popped(rest(Packet().eth())), Bytes{});
    EXPECT_EQ(popped(rest(Packet().eth().vlan(0).vlan(5))), rest(Packet().eth().vlan(5)).bytes());
    EXPECT_EQ(popped(Packet().eth("02:00:00:00:00:0a", "02:00:00:00:00:0b", 0x8100)), Bytes{});
    // Others see these bytes.
    rte_mbuf* m = mbuf(rest(Packet().eth().vlan(0)));
    rte_mbuf* copy = rte_pktmbuf_clone(m, test::test_pool());
    EXPECT_FALSE(pop_priority_tag(m));
    EXPECT_FALSE(pop_priority_tag(copy));
    rte_pktmbuf_free(copy);
    EXPECT_TRUE(pop_priority_tag(m));
    rte_pktmbuf_free(m);
}

TEST(Vlan, KeepsTheLengthsOfUnfinishedPacketsInStep) {
    const Packet tcp = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).payload(500);
    const Packet same = Packet().eth().vlan(9).ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).payload(500);
    for (const bool shared : {false, true}) {
        rte_mbuf* m = mbuf(Packet(tcp).unfinished());
        test::mark(m, {});
        rte_mbuf* other = shared ? rte_pktmbuf_clone(m, test::test_pool()) : nullptr;
        rte_mbuf* tagged = push_vlan(m, 9, test::test_pool());
        EXPECT_EQ(tagged->l2_len, 18u);
        rte_pktmbuf_free(other);
        finish_checksums(tagged);
        EXPECT_EQ(test::bytes_of(tagged), same.bytes()) << shared;
        rte_pktmbuf_free(tagged);
    }
    rte_mbuf* m = mbuf(Packet(same).unfinished());
    test::mark(m, {.l2_len = 18});
    pop_vlan(m);
    EXPECT_EQ(m->l2_len, 14u);
    finish_checksums(m);
    EXPECT_EQ(test::bytes_of(m), tcp.bytes());
    rte_pktmbuf_free(m);
}

}  // namespace
}  // namespace sluice::wire
