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

constexpr Verdict kAllow = Verdict::kAllow;

// Of each datagram the first fragment has 32 bytes.
path::FragmentPart part(uint32_t id) { return {.id = id, .begin = 0, .end = 32}; }
path::FragmentPart rest(uint32_t id) { return {.id = id, .begin = 32, .end = 64}; }

bool follows(const Fragments& fragments, const path::Tuple& first, uint32_t id, Seconds now = kNow) {
    path::Tuple later = without_ports(first);
    const bool found = fragments.complete(later, rest(id), now) == Fragments::First::kPermitted;
    EXPECT_TRUE(later == (found ? first : without_ports(first)));
    return found;
}

TEST(Fragments, LaterOnesGetTheFirstOnesPorts) {
    Fragments fragments;
    const path::Tuple first = tuple4(1, 2, 3000, 53);
    EXPECT_FALSE(follows(fragments, first, 7));
    fragments.add(first, part(7), kAllow, kNow);
    EXPECT_TRUE(follows(fragments, first, 7));
    EXPECT_FALSE(follows(fragments, first, 8)) << "another datagram";
    EXPECT_FALSE(follows(fragments, first.reversed(), 7));
    EXPECT_FALSE(follows(fragments, tuple4(1, 2, 3000, 53, wire::Protocol::kTcp), 7));
    EXPECT_FALSE(follows(fragments, tuple4(1, 2, 3000, 53, wire::Protocol::kUdp, 1), 7)) << "another domain";
    // The number is used again, with other ports.
    fragments.add(tuple4(1, 2, 3001, 53), part(7), kAllow, kNow + 1);
    EXPECT_TRUE(follows(fragments, tuple4(1, 2, 3001, 53), 7));
}

TEST(Fragments, Ipv6IsToldApartByItsAddresses) {
    Fragments fragments;
    const path::Tuple first = tuple6(1, 2, 3000, 53);
    path::Tuple other = tuple6(5, 2, 3000, 53);
    other.key = first.key;
    fragments.add(first, part(7), kAllow, kNow);
    EXPECT_TRUE(follows(fragments, first, 7));
    EXPECT_FALSE(follows(fragments, other, 7));
}

TEST(Fragments, AreForgottenInTime) {
    Fragments fragments;
    const path::Tuple first = tuple4(1, 2, 3000, 53);
    fragments.add(first, part(0), kAllow, kNow);
    EXPECT_TRUE(follows(fragments, first, 0, kNow + Fragments::kLife - 1));
    EXPECT_TRUE(follows(fragments, first, 0, kNow - 1)) << "a worker's clock may be behind another's";
    EXPECT_FALSE(follows(fragments, first, 0, kNow + Fragments::kLife));
}

TEST(Fragments, RefusedOnesHaveNotesOfTheirOwn) {
    Fragments fragments;
    const path::Tuple first = tuple4(1, 2, 3000, 53);
    for (uint32_t id = 0; id < 100; ++id) fragments.add(first, part(id), kAllow, kNow);
    for (uint32_t id = 1000; id < 1000 + 2 * Fragments::kEntries; ++id) {
        fragments.add(first, part(id), Verdict::kDeny, kNow + 1);
        path::Tuple later = without_ports(first);
        ASSERT_EQ(fragments.complete(later, rest(id), kNow + 1), Fragments::First::kRefused);
        ASSERT_TRUE(later == first);
    }
    for (uint32_t id = 0; id < 100; ++id) EXPECT_TRUE(follows(fragments, first, id, kNow + 1)) << id;
}

TEST(Fragments, NoneWritesOverTheFirst) {
    Fragments fragments;
    const path::Tuple first = tuple4(1, 2, 3000, 53);
    fragments.add(first, part(7), kAllow, kNow);
    path::Tuple later = without_ports(first);
    EXPECT_EQ(fragments.complete(later, {.id = 7, .begin = 24, .end = 64}, kNow), Fragments::First::kOverlapped);
}

// What is cut may begin with an extension header, which later fragments show for the protocol.
TEST(Fragments, OfIpv6TheFirstOneTellsTheProtocol) {
    Fragments fragments;
    const path::Tuple first = tuple6(1, 2, 3000, 53);
    fragments.add(first, part(7), kAllow, kNow);
    path::Tuple later = without_ports(first);
    later.key.rest = (later.key.rest & ~(uint64_t{0xff} << 32)) | uint64_t{60} << 32;
    EXPECT_EQ(fragments.complete(later, rest(7), kNow), Fragments::First::kPermitted);
    EXPECT_TRUE(later == first);
}

TEST(Fragments, WhoWaitsLooksWhenSomethingHasChanged) {
    Fragments fragments;
    const uint32_t before = fragments.changes();
    fragments.add(tuple4(1, 2, 3000, 53), part(7), kAllow, kNow);
    EXPECT_NE(fragments.changes(), before);
}

TEST(Fragments, TheOldestMakeRoom) {
    Fragments fragments;
    const path::Tuple first = tuple4(1, 2, 3000, 53);
    constexpr uint32_t kDatagrams = 2 * Fragments::kEntries;
    for (uint32_t id = 0; id < kDatagrams; ++id) {
        fragments.add(first, part(id), kAllow, kNow + id / 1000);
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
