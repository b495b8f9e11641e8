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
