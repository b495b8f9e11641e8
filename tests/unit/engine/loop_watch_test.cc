#include "engine/loop_watch.h"

#include <gtest/gtest.h>

namespace sluice::engine {
namespace {

using bridge::MacTable;
using path::NetworkId;
using path::PortId;

constexpr NetworkId kBlue{0};
constexpr PortId kA{1};
constexpr PortId kL1{5};
constexpr PortId kL2{6};

MacTable::Motion moved(PortId from, PortId to, uint32_t moves, uint32_t flaps = 0) {
    return {.mac = 7, .from = from, .to = to, .moves = moves, .flaps = flaps};
}
MacTable::Motion foreign(PortId owner, PortId port, uint32_t count) {
    return {.mac = 8, .from = owner, .to = port, .foreign = count};
}
const auto kNobodyIsGone = [](const LoopWatch::Loop&) { return false; };

TEST(LoopWatch, AStationThatMovesToAndFroIsALoop) {
    LoopWatch watch;
    const auto loops = watch.look(kBlue, {moved(kL2, kL1, 3, 900), moved(kL1, kL2, 2)}, 100);
    ASSERT_EQ(loops.size(), 1u);
    EXPECT_EQ(loops[0].a, kL1);
    EXPECT_EQ(loops[0].b, kL2);
    EXPECT_EQ(loops[0].mac, 7u);
    EXPECT_EQ(loops[0].count, 905u);
    EXPECT_TRUE(watch.has(kBlue, kL2, kL1));
    EXPECT_FALSE(watch.has(NetworkId{1}, kL1, kL2));
}

TEST(LoopWatch, AFailoverIsNone) {
    LoopWatch watch;
    EXPECT_TRUE(watch.look(kBlue, {moved(kL1, kL2, 1), moved(kL2, kL1, 1)}, 100).empty());
    EXPECT_TRUE(watch.look(kBlue, {moved(kL1, kL2, 500)}, 101).empty()) << "they have all gone one way";
}

TEST(LoopWatch, WhatIsFloodedToOnePortAndComesBackByAnother) {
    LoopWatch watch;
    const auto loops = watch.look(kBlue, {foreign(kA, kL1, 1), foreign(kA, kL2, 1)}, 100);
    ASSERT_EQ(loops.size(), 1u);
    EXPECT_EQ(loops[0].a, kL1);
    EXPECT_EQ(loops[0].b, kL2);
    EXPECT_EQ(loops[0].mac, 8u);
}

TEST(LoopWatch, OneThatPretendsToBeAnotherIsNoLoop) {
    LoopWatch watch;
    EXPECT_TRUE(watch.look(kBlue, {foreign(kA, kL1, 100'000)}, 100).empty());
    EXPECT_TRUE(watch.look(kBlue, {foreign(kA, kL1, 5), foreign(kL1, kL2, 5)}, 101).empty());
}

TEST(LoopWatch, ALoopBeginsOnceAndEndsWhenItIsQuiet) {
    LoopWatch watch;
    const std::vector<MacTable::Motion> motions{moved(kL1, kL2, 5), moved(kL2, kL1, 5)};
    EXPECT_EQ(watch.look(kBlue, motions, 100).size(), 1u);
    EXPECT_TRUE(watch.look(kBlue, motions, 130).empty());
    EXPECT_TRUE(watch.take_ended(130 + LoopWatch::kQuiet - 1, kNobodyIsGone).empty());
    const auto ended = watch.take_ended(130 + LoopWatch::kQuiet, kNobodyIsGone);
    ASSERT_EQ(ended.size(), 1u);
    EXPECT_EQ(ended[0].count, 20u);
    EXPECT_TRUE(watch.loops().empty());
    EXPECT_EQ(watch.look(kBlue, motions, 300).size(), 1u);
}

TEST(LoopWatch, ALoopEndsWithItsPort) {
    LoopWatch watch;
    watch.look(kBlue, {moved(kL1, kL2, 5), moved(kL2, kL1, 5)}, 100);
    EXPECT_EQ(watch.take_ended(101, [](const LoopWatch::Loop& loop) { return loop.b == kL2; }).size(), 1u);
}

}  // namespace
}  // namespace sluice::engine
