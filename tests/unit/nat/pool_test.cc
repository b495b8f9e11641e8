#include "nat/pool.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "nat/secret.h"

namespace sluice::nat {
namespace {

const IpAddress kOne = IpAddress::from_v4(0xc0000201);
const IpAddress kTwo = IpAddress::from_v4(0xc0000202);
const IpAddress kSix = *IpAddress::parse("2001:db8::1");

// The specification's test vectors: the key is the bytes 0 to 15, and the message the bytes 0 to 7, or 0 to 15.
TEST(Secret, IsSipHash24) {
    constexpr Secret secret(0x0706050403020100, 0x0f0e0d0c0b0a0908);
    EXPECT_EQ(secret.hash(std::array<uint64_t, 0>{}), 0x726fdb47dd0e0e31u);
    EXPECT_EQ(secret.hash(std::array{uint64_t{0x0706050403020100}}), 0x93f5f5799a932462u);
    EXPECT_EQ(secret.hash(std::array{uint64_t{0x0706050403020100}, uint64_t{0x0f0e0d0c0b0a0908}}),
              0x3f2acc7f57c29bdbu);
}

TEST(Secret, IsDrawn) {
    EXPECT_NE(Secret().hash(kOne, 0), Secret().hash(kOne, 0));
}

class PoolTest : public testing::Test {
 protected:
    std::optional<Place> take(Pool& pool, Transport transport, uint16_t inside_port, uint16_t paired = 0) {
        return pool.take(transport, pool.family(kOne), paired, inside_port, random_());
    }
    std::mt19937_64 random_{1};
};

TEST_F(PoolTest, PreservesTheInsidePort) {
    Pool pool({.addresses = {kOne}});
    EXPECT_EQ(take(pool, Transport::kTcp, 40000), (Place{0, 40000}));
    EXPECT_EQ(take(pool, Transport::kUdp, 40000), (Place{0, 40000}));  // each transport has its own ports
    const auto other = take(pool, Transport::kTcp, 40000);
    ASSERT_TRUE(other);
    EXPECT_NE(other->port, 40000);
    EXPECT_GE(other->port, 1024);
}

TEST_F(PoolTest, UdpKeepsTheParityWhileItCan) {
    Pool pool({.addresses = {kOne}, .low = 2000, .high = 2199});
    std::set<uint16_t> ports;
    for (int i = 0; i < 100; ++i) {
        const auto place = take(pool, Transport::kUdp, 4000);
        ASSERT_TRUE(place);
        EXPECT_EQ(place->port % 2, 0);
        EXPECT_TRUE(ports.insert(place->port).second);
    }
    // All even ones are taken: an odd one is better than none.
    EXPECT_EQ(take(pool, Transport::kUdp, 4000)->port % 2, 1);
    EXPECT_EQ(take(pool, Transport::kUdp, 4001)->port % 2, 1);
}

TEST_F(PoolTest, WellKnownPortsGetWellKnownOnesIfTheRangeHasSome) {
    Pool wide({.addresses = {kOne}, .low = 1, .high = 65535});
    EXPECT_EQ(take(wide, Transport::kTcp, 22)->port, 22);
    EXPECT_LT(take(wide, Transport::kTcp, 22)->port, 1024);
    ASSERT_TRUE(take(wide, Transport::kTcp, 3000));
    for (int i = 0; i < 100; ++i) EXPECT_GE(take(wide, Transport::kTcp, 3000)->port, 1024);
    Pool usual({.addresses = {kOne}});
    EXPECT_GE(take(usual, Transport::kTcp, 22)->port, 1024);
}

TEST_F(PoolTest, ARandomPortIsHardToGuess) {
    Pool pool({.addresses = {kOne}});
    std::set<uint16_t> quarters;
    for (int i = 0; i < 64; ++i) quarters.insert(take(pool, Transport::kTcp, 1023)->port / 4096);
    EXPECT_GT(quarters.size(), 10u);
}

TEST_F(PoolTest, GivesEachPortOnceAndThenNone) {
    Pool pool({.addresses = {kOne, kTwo}, .low = 1000, .high = 1130});
    std::set<std::pair<uint16_t, uint16_t>> places;
    const auto family = pool.family(kOne);
    EXPECT_EQ(pool.free(family, Transport::kTcp), 262u);
    for (int i = 0; i < 262; ++i) {
        const auto place = take(pool, Transport::kTcp, static_cast<uint16_t>(random_()));
        ASSERT_TRUE(place);
        EXPECT_TRUE(places.emplace(place->address, place->port).second);
        EXPECT_TRUE(place->port >= 1000 && place->port <= 1130);
        if (i < 131) {
            EXPECT_EQ(place->address, 0);  // the paired one, while it has room
        }
    }
    EXPECT_FALSE(take(pool, Transport::kTcp, 1000));
    EXPECT_EQ(pool.free(family, Transport::kTcp), 0u);
    EXPECT_EQ(pool.ports(1, Transport::kTcp).used(), 131u);
    EXPECT_EQ(pool.ports(1, Transport::kUdp).used(), 0u);

    pool.release(Transport::kTcp, {1, 1077});
    EXPECT_EQ(take(pool, Transport::kTcp, 5), (Place{1, 1077}));
}

TEST_F(PoolTest, APortIsFreeWhenItsLastHolderHasReleasedIt) {
    Pool pool({.addresses = {kOne}, .low = 5000, .high = 5000});
    Ports& ports = pool.ports(0, Transport::kTcp);
    ASSERT_TRUE(take(pool, Transport::kTcp, 1));
    const auto family = pool.family(kOne);
    EXPECT_EQ(pool.share(Transport::kTcp, family, 0, {}, 7), (Place{0, 5000}));
    EXPECT_EQ(pool.share(Transport::kTcp, family, 0, {}, 8), (Place{0, 5000}));
    EXPECT_EQ(ports.shared(), 2u);
    EXPECT_EQ(ports.used(), 1u);
    for (int i = 0; i < 2; ++i) pool.release(Transport::kTcp, {0, 5000});
    EXPECT_EQ(ports.shared(), 0u);
    EXPECT_FALSE(ports.take(5000));
    pool.release(Transport::kTcp, {0, 5000});
    EXPECT_EQ(ports.used(), 0u);
    EXPECT_TRUE(ports.take(5000));
    // An endpoint's earlier ports are no use to it.
    EXPECT_FALSE(pool.share(Transport::kTcp, family, 0, std::array{Place{0, 5000}}, 7));
}

TEST_F(PoolTest, APortIsSharedByABoundedNumber) {
    Pool pool({.addresses = {kOne}, .low = 5000, .high = 5000});
    int holders = 0;
    EXPECT_FALSE(pool.share(Transport::kTcp, pool.family(kOne), 0, {}, 1));  // a free port isn't shared
    while (pool.take_or_share(Transport::kTcp, {0, 5000}, Patience::kWorker)) ++holders;
    EXPECT_FALSE(pool.share(Transport::kTcp, pool.family(kOne), 0, {}, 1));
    EXPECT_EQ(holders, 255);
    for (int i = 0; i < holders; ++i) pool.release(Transport::kTcp, {0, 5000});
    EXPECT_EQ(pool.ports(0, Transport::kTcp).used(), 0u);
}

TEST_F(PoolTest, NeverGivesReservedPorts) {
    Pool pool({.addresses = {kOne, kTwo},
               .low = 8000,
               .high = 8009,
               .reserved = {{kOne, Transport::kTcp, 7000, 8007},
                            {kOne, Transport::kTcp, 8007, 8007},
                            {kSix, Transport::kTcp, 1, 9}}});
    EXPECT_EQ(pool.ports(0, Transport::kTcp).capacity(), 2u);
    EXPECT_EQ(pool.ports(0, Transport::kUdp).capacity(), 10u);
    EXPECT_EQ(pool.free(pool.family(kOne), Transport::kTcp), 12u);
    EXPECT_EQ(take(pool, Transport::kTcp, 8008), (Place{0, 8008}));
    EXPECT_EQ(take(pool, Transport::kTcp, 8001), (Place{0, 8009}));
    EXPECT_EQ(take(pool, Transport::kTcp, 8001), (Place{1, 8001}));
    EXPECT_FALSE(pool.take_or_share(Transport::kTcp, {0, 8001}, Patience::kWorker));
    for (uint64_t i = 0; i < 20; ++i) {
        const auto place = pool.share(Transport::kTcp, pool.family(kOne), 0, {}, i);
        ASSERT_TRUE(place);
        EXPECT_TRUE(place->address == 1 || place->port >= 8008);
    }
    EXPECT_FALSE(pool.allows(Transport::kTcp, {0, 8007}));
    EXPECT_TRUE(pool.allows(Transport::kTcp, {0, 8008}));
    EXPECT_FALSE(pool.allows(Transport::kTcp, {0, 8010}));
}

TEST_F(PoolTest, FamiliesAreApart) {
    Pool pool({.addresses = {kSix, kTwo, kOne}});
    EXPECT_EQ(pool.address(0), kOne);
    EXPECT_EQ(pool.address(1), kTwo);
    EXPECT_EQ(pool.address(2), kSix);
    EXPECT_EQ(pool.family(kSix).begin, 2);
    EXPECT_EQ(pool.family(kSix).end, 3);
    EXPECT_EQ(pool.index_of(kSix), 2);
    EXPECT_EQ(pool.index_of(IpAddress::from_v4(1)), std::nullopt);
    EXPECT_TRUE(Pool({.addresses = {kOne}}).family(kSix).is_empty());
    EXPECT_EQ(Pool({.addresses = {kSix}}).index_of(kOne), std::nullopt);
}

// Against a set, with ranges whose ends are anywhere in a word.
TEST_F(PoolTest, AgreesWithASetOfPorts) {
    for (int world = 0; world < 50; ++world) {
        const auto low = static_cast<uint16_t>(random_() % 300);
        const auto high = static_cast<uint16_t>(low + random_() % 200);
        Pool pool({.addresses = {kOne}, .low = low, .high = high});
        std::set<uint16_t> used;
        for (int step = 0; step < 2000; ++step) {
            if (random_() % 2 == 0) {
                const auto place = take(pool, Transport::kEcho, static_cast<uint16_t>(random_() % 600));
                ASSERT_EQ(place.has_value(), used.size() < size_t{high} - low + 1);
                if (!place) continue;
                ASSERT_TRUE(place->port >= low && place->port <= high);
                ASSERT_TRUE(used.insert(place->port).second);
            } else if (!used.empty()) {
                auto one = used.begin();
                std::advance(one, random_() % used.size());
                pool.release(Transport::kEcho, {0, *one});
                used.erase(one);
            }
            ASSERT_EQ(pool.ports(0, Transport::kEcho).used(), used.size());
        }
    }
}

}  // namespace
}  // namespace sluice::nat
