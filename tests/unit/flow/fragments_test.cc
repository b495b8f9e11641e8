#include "flow/fragments.h"

#include <gtest/gtest.h>

#include "tuples.h"

namespace sluice::flow {
namespace {

constexpr Seconds kNow = 100;

path::Tuple without_ports(path::Tuple tuple) {
    tuple.key.rest &= ~uint64_t{UINT32_MAX};
    return tuple;
}

bool follows(const Fragments& fragments, const path::Tuple& first, uint32_t id, Seconds now = kNow) {
    path::Tuple later = without_ports(first);
    const bool found = fragments.complete(later, id, now);
    EXPECT_TRUE(later == (found ? first : without_ports(first)));
    return found;
}

TEST(Fragments, LaterOnesGetTheFirstOnesPorts) {
    Fragments fragments;
    const path::Tuple first = tuple4(1, 2, 3000, 53);
    EXPECT_FALSE(follows(fragments, first, 7));
    fragments.add(first, 7, kNow);
    EXPECT_TRUE(follows(fragments, first, 7));
    EXPECT_FALSE(follows(fragments, first, 8)) << "another datagram";
    EXPECT_FALSE(follows(fragments, first.reversed(), 7));
    EXPECT_FALSE(follows(fragments, tuple4(1, 2, 3000, 53, wire::Protocol::kTcp), 7));
    EXPECT_FALSE(follows(fragments, tuple4(1, 2, 3000, 53, wire::Protocol::kUdp, 1), 7)) << "another domain";
    // The number is used again, with other ports.
    fragments.add(tuple4(1, 2, 3001, 53), 7, kNow + 1);
    EXPECT_TRUE(follows(fragments, tuple4(1, 2, 3001, 53), 7));
}

TEST(Fragments, Ipv6IsToldApartByItsAddresses) {
    Fragments fragments;
    const path::Tuple first = tuple6(1, 2, 3000, 53);
    path::Tuple other = tuple6(5, 2, 3000, 53);
    other.key = first.key;
    fragments.add(first, 7, kNow);
    EXPECT_TRUE(follows(fragments, first, 7));
    EXPECT_FALSE(follows(fragments, other, 7));
}

TEST(Fragments, AreForgottenInTime) {
    Fragments fragments;
    const path::Tuple first = tuple4(1, 2, 3000, 53);
    fragments.add(first, 0, kNow);
    EXPECT_TRUE(follows(fragments, first, 0, kNow + Fragments::kLife - 1));
    EXPECT_TRUE(follows(fragments, first, 0, kNow - 1)) << "a worker's clock may be behind another's";
    EXPECT_FALSE(follows(fragments, first, 0, kNow + Fragments::kLife));
}

TEST(Fragments, TheOldestMakeRoom) {
    Fragments fragments;
    const path::Tuple first = tuple4(1, 2, 3000, 53);
    constexpr uint32_t kDatagrams = 2 * Fragments::kEntries;
    for (uint32_t id = 0; id < kDatagrams; ++id) {
        fragments.add(first, id, kNow + id / 1000);
        ASSERT_TRUE(follows(fragments, first, id, kNow + id / 1000));
    }
    uint32_t old = 0;
    uint32_t young = 0;
    for (uint32_t id = 0; id < kDatagrams; ++id) {
        (id < kDatagrams / 2 ? old : young) += follows(fragments, first, id, kNow + 10);
    }
    EXPECT_LE(old + young, Fragments::kEntries);
    EXPECT_GT(young, 3 * old);
    EXPECT_GT(young, kDatagrams / 2 * 3 / 4);
}

}  // namespace
}  // namespace sluice::flow
