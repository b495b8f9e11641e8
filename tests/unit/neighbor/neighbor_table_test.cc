#include "neighbor/neighbor_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "support/pools.h"

namespace sluice::neighbor {
namespace {

using path::NetworkId;
using path::PortId;

constexpr NetworkId kBlue{0};
constexpr NetworkId kRed{1};
constexpr uint64_t kMac = 0x0a0000000002;
constexpr uint64_t kOther = 0x0b0000000002;
constexpr Seconds kNow = 1000;

IpAddress ip(uint32_t i) { return IpAddress::from_v4(0x0a00'0000 + i); }

class NeighborTable : public testing::Test {
 protected:
    // An entry that has answered.
    Entry& resolved(uint32_t i, Seconds now = kNow) {
        Entry& entry = *table_.add(kBlue, ip(i), now);
        Held waiting;
        EXPECT_TRUE(table_.learn(entry, kMac, true, now, waiting));
        return entry;
    }
    bool has(const std::vector<Entry*>& entries, const Entry& entry) {
        return std::find(entries.begin(), entries.end(), &entry) != entries.end();
    }
    rte_mbuf* packet() { return rte_pktmbuf_alloc(test::switch_pools().buffers); }

    Table table_{128, 16};
};

TEST_F(NeighborTable, AnEntryIsOneOfItsNetwork) {
    Entry* blue = table_.add(kBlue, ip(1), kNow);
    ASSERT_NE(blue, nullptr);
    EXPECT_EQ(table_.find(kRed, ip(1)), nullptr);
    EXPECT_NE(table_.add(kRed, ip(1), kNow), blue);
    EXPECT_EQ(table_.add(kBlue, ip(1), kNow), blue);
    EXPECT_EQ(table_.find(kBlue, ip(1)), blue);
    EXPECT_EQ(table_.size(), 2u);
    EXPECT_FALSE(blue->resolved());
}

TEST_F(NeighborTable, OneAsksAndWhatWaitsIsHandedOver) {
    Entry& entry = *table_.add(kBlue, ip(1), kNow);
    EXPECT_TRUE(table_.ask(entry, kNow));
    EXPECT_FALSE(table_.ask(entry, kNow));
    rte_mbuf* m = packet();
    EXPECT_TRUE(table_.hold(entry, {m, PortId{3}, kRed}));
    EXPECT_EQ(table_.waiting(entry), 1u);
    Held waiting;
    EXPECT_TRUE(table_.learn(entry, kMac, true, kNow, waiting));
    ASSERT_EQ(waiting.count, 1u);
    EXPECT_EQ(waiting.packets[0].packet, m);
    EXPECT_EQ(waiting.packets[0].ingress, PortId{3});
    EXPECT_EQ(entry.mac, kMac);
    EXPECT_EQ(entry.state, State::kReachable);
    EXPECT_EQ(table_.waiting(entry), 0u);
    // Nothing waits for what is known.
    EXPECT_FALSE(table_.hold(entry, {m, PortId{3}, kRed}));
    rte_pktmbuf_free(m);
}

TEST_F(NeighborTable, SomePacketsWaitAndNoMore) {
    Entry& entry = *table_.add(kBlue, ip(1), kNow);
    for (uint16_t i = 0; i < kMaxHeld; ++i) EXPECT_TRUE(table_.hold(entry, {packet(), PortId{0}, kBlue}));
    rte_mbuf* m = packet();
    EXPECT_FALSE(table_.hold(entry, {m, PortId{0}, kBlue}));
    rte_pktmbuf_free(m);
    // The others are freed with the table.
}

TEST_F(NeighborTable, AnotherAddressIsTakenFromWhoMayOverride) {
    Entry& entry = resolved(1);
    Held waiting;
    EXPECT_FALSE(table_.learn(entry, kOther, false, kNow, waiting));
    EXPECT_EQ(entry.mac, kMac);
    EXPECT_TRUE(table_.learn(entry, kOther, true, kNow, waiting));
    EXPECT_EQ(entry.mac, kOther);
}

TEST_F(NeighborTable, AStaticEntryLearnsNothing) {
    ASSERT_TRUE(table_.set_static(kBlue, ip(1), kMac, kNow));
    Entry& entry = *table_.find(kBlue, ip(1));
    Held waiting;
    EXPECT_FALSE(table_.learn(entry, kOther, true, kNow, waiting));
    EXPECT_EQ(entry.mac, kMac);
    table_.age(kNow + 10 * Table::kIdleTime);
    EXPECT_EQ(table_.find(kBlue, ip(1)), &entry);
    table_.forget_static(entry);
    EXPECT_FALSE(entry.resolved());
    EXPECT_EQ(entry.state, State::kFailed);
}

TEST_F(NeighborTable, WhoDoesNotAnswerIsAskedThreeTimesAndGivenUp) {
    Entry& entry = *table_.add(kBlue, ip(1), kNow);
    ASSERT_TRUE(table_.ask(entry, kNow));
    ASSERT_TRUE(table_.hold(entry, {packet(), PortId{0}, kBlue}));
    EXPECT_TRUE(table_.age(kNow).solicit.empty());
    EXPECT_TRUE(has(table_.age(kNow + 1).solicit, entry));
    EXPECT_TRUE(has(table_.age(kNow + 2).solicit, entry));
    const Table::Due due = table_.age(kNow + 3);
    EXPECT_TRUE(due.solicit.empty());
    ASSERT_TRUE(has(due.release, entry));
    EXPECT_EQ(entry.state, State::kFailed);
    // While its packet waits it stays.
    EXPECT_EQ(table_.find(kBlue, ip(1)), &entry);
    Held waiting;
    table_.release(entry, waiting);
    ASSERT_EQ(waiting.count, 1u);
    rte_pktmbuf_free(waiting.packets[0].packet);
    table_.age(kNow + 4 + Table::kTries);
    EXPECT_EQ(table_.find(kBlue, ip(1)), nullptr);
    EXPECT_TRUE(table_.has_retired());
}

TEST_F(NeighborTable, OneInUseIsProbedBeforeAnybodyNotices) {
    Entry& entry = resolved(1);
    Seconds now = kNow + Table::kReachableTime;
    EXPECT_TRUE(table_.age(now).solicit.empty());
    EXPECT_EQ(entry.state, State::kStale);
    entry.used = now;
    EXPECT_TRUE(has(table_.age(now).solicit, entry));
    EXPECT_EQ(entry.state, State::kProbe);
    EXPECT_TRUE(entry.resolved());
    // It answers.
    Held waiting;
    EXPECT_FALSE(table_.learn(entry, kMac, true, now, waiting));
    EXPECT_EQ(entry.state, State::kReachable);
}

TEST_F(NeighborTable, OneThatIsSuspectedIsProbedIfItIsInUse) {
    Entry& entry = resolved(1);
    Entry& unused = resolved(2);
    const Seconds now = kNow + Table::kReachableTime - 2;
    entry.confirmed = unused.confirmed = now;
    entry.used = now;
    unused.used = now - Table::kReachableTime;
    EXPECT_TRUE(table_.age(now).solicit.empty());
    table_.suspect(entry);
    table_.suspect(unused);
    const Table::Due due = table_.age(now);
    EXPECT_TRUE(has(due.solicit, entry));
    EXPECT_FALSE(has(due.solicit, unused));
    ASSERT_TRUE(table_.set_static(kBlue, ip(3), kMac, now));
    table_.suspect(*table_.find(kBlue, ip(3)));
    EXPECT_EQ(table_.find(kBlue, ip(3))->state, State::kStatic);
}

TEST_F(NeighborTable, OneThatHasGoneIsForgotten) {
    Entry& entry = resolved(1);
    Seconds now = kNow + Table::kReachableTime;
    table_.age(now);
    entry.used = now;
    for (int i = 0; i < 4; ++i) table_.age(now++);
    EXPECT_EQ(entry.state, State::kFailed);
    EXPECT_FALSE(entry.resolved());
}

TEST_F(NeighborTable, OneThatIsWatchedIsAskedWhetherItIsUsedOrNot) {
    Entry& entry = *table_.pin(kBlue, ip(1), kNow);
    table_.watch(entry);
    // Nobody has used it yet.
    EXPECT_TRUE(has(table_.age(kNow).solicit, entry));
    EXPECT_EQ(entry.state, State::kIncomplete);
    Held waiting;
    EXPECT_TRUE(table_.learn(entry, kMac, true, kNow, waiting));
    EXPECT_TRUE(table_.age(kNow + 1).solicit.empty());
    Seconds now = kNow + Table::kWatchTime;
    for (int i = 0; i < Table::kTries; ++i) EXPECT_TRUE(has(table_.age(now++).solicit, entry));
    EXPECT_TRUE(entry.resolved());
    EXPECT_FALSE(entry.is_gone);
    EXPECT_TRUE(table_.age(now).solicit.empty());
    EXPECT_EQ(entry.state, State::kFailed);
    EXPECT_FALSE(entry.resolved());
    EXPECT_TRUE(entry.is_gone);
    // It is asked now and then, and is gone until it answers.
    const Seconds asked = now - 1;
    while (++now < asked + Table::kRetryTime) EXPECT_TRUE(table_.age(now).solicit.empty());
    EXPECT_TRUE(has(table_.age(now).solicit, entry));
    EXPECT_TRUE(entry.is_gone);
    EXPECT_TRUE(table_.learn(entry, kMac, true, now, waiting));
    EXPECT_FALSE(entry.is_gone);
    table_.unwatch(entry);
    EXPECT_TRUE(table_.age(now + Table::kWatchTime).solicit.empty());
    EXPECT_EQ(entry.state, State::kReachable);
}

// For the log: once when it is given up, once when it is there again.
TEST_F(NeighborTable, ANextHopThatGoesAndComesBackIsTold) {
    Entry& hop = *table_.pin(kBlue, ip(1), kNow);
    Entry& watched = *table_.pin(kBlue, ip(2), kNow);
    table_.watch(watched);
    Entry& station = *table_.add(kBlue, ip(3), kNow);
    std::vector<Entry*> failed;
    std::vector<Entry*> returned;
    const auto age = [&](Seconds from, Seconds to) {
        failed.clear();
        returned.clear();
        for (Seconds now = from; now != to; ++now) {
            const Table::Due due = table_.age(now);
            failed.insert(failed.end(), due.failed.begin(), due.failed.end());
            returned.insert(returned.end(), due.returned.begin(), due.returned.end());
        }
    };
    EXPECT_TRUE(table_.ask(hop, kNow));
    EXPECT_TRUE(table_.ask(station, kNow));
    age(kNow, kNow + 10);
    EXPECT_EQ(failed, std::vector<Entry*>{&hop});
    EXPECT_TRUE(returned.empty());
    // Asked in vain once more.
    EXPECT_TRUE(table_.ask(hop, kNow + 10));
    age(kNow + 10, kNow + 20);
    EXPECT_TRUE(failed.empty());
    EXPECT_TRUE(table_.ask(hop, kNow + 20));
    Held waiting;
    EXPECT_TRUE(table_.learn(hop, kMac, true, kNow + 20, waiting));
    age(kNow + 20, kNow + 30);
    EXPECT_EQ(returned, std::vector<Entry*>{&hop});
    EXPECT_TRUE(failed.empty());
}

TEST_F(NeighborTable, OneThatNobodyUsesIsRemovedUnlessARouteLeadsToIt) {
    Entry& used = resolved(1);
    Entry* pinned = table_.pin(kBlue, ip(2), kNow);
    ASSERT_NE(pinned, nullptr);
    EXPECT_EQ(table_.pin(kBlue, ip(2), kNow), pinned);
    table_.age(kNow + Table::kReachableTime);
    table_.age(kNow + Table::kIdleTime);
    EXPECT_EQ(table_.find(kBlue, ip(1)), nullptr);
    EXPECT_EQ(table_.find(kBlue, ip(2)), pinned);
    table_.reclaim();
    EXPECT_EQ(used.state, State::kFree);
    table_.unpin(*pinned);
    table_.age(kNow + Table::kIdleTime);
    EXPECT_EQ(table_.find(kBlue, ip(2)), pinned);  // the second route leads to it
    table_.unpin(*pinned);
    table_.age(kNow + Table::kIdleTime);
    EXPECT_EQ(table_.find(kBlue, ip(2)), nullptr);
}

TEST_F(NeighborTable, ALateAnswerToARemovedEntryIsNobodys) {
    Entry& entry = *table_.add(kBlue, ip(1), kNow);
    ASSERT_EQ(table_.remove_if([](const Entry&) { return true; }), 1u);
    // A worker that found it before.
    Held waiting;
    EXPECT_FALSE(table_.learn(entry, kMac, true, kNow, waiting));
    rte_mbuf* m = packet();
    EXPECT_FALSE(table_.hold(entry, {m, PortId{0}, kBlue}));
    rte_pktmbuf_free(m);
    table_.reclaim();
    // The count of those without an answer is right still: as many as may be fit.
    for (uint32_t i = 0; i < 16; ++i) EXPECT_NE(table_.add(kBlue, ip(i), kNow), nullptr) << i;
    EXPECT_EQ(table_.add(kBlue, ip(16), kNow), nullptr);
}

TEST_F(NeighborTable, WhoIsScannedForFillsAPartOnly) {
    uint32_t i = 0;
    while (table_.add(kBlue, ip(i), kNow) != nullptr) ++i;
    EXPECT_EQ(i, 16u);
    // Who has answered makes room for others.
    Held waiting;
    ASSERT_TRUE(table_.learn(*table_.find(kBlue, ip(0)), kMac, true, kNow, waiting));
    EXPECT_NE(table_.add(kBlue, ip(100), kNow), nullptr);
}

TEST_F(NeighborTable, OneNetworkLeavesRoomForOthers) {
    for (uint32_t i = 0; i < 32; ++i) resolved(i);
    EXPECT_EQ(table_.add(kBlue, ip(32), kNow), nullptr);
    EXPECT_NE(table_.add(kRed, ip(32), kNow), nullptr);
    // What the configuration or a route wants has room, and so has who comes after others have gone.
    EXPECT_TRUE(table_.set_static(kBlue, ip(33), kMac, kNow));
    EXPECT_NE(table_.pin(kBlue, ip(34), kNow), nullptr);
    EXPECT_EQ(table_.remove_if([&](const Entry& entry) { return entry.address == ip(0); }), 1u);
    EXPECT_NE(table_.add(kBlue, ip(32), kNow), nullptr);
}

TEST_F(NeighborTable, WhatWaitsForAnAddressThatIsFixedIsReleased) {
    Entry& entry = *table_.add(kBlue, ip(1), kNow);
    EXPECT_TRUE(table_.ask(entry, kNow));
    EXPECT_TRUE(table_.hold(entry, {packet(), PortId{0}, kBlue}));
    EXPECT_TRUE(table_.set_static(kBlue, ip(1), kMac, kNow));
    const Table::Due due = table_.age(kNow);
    ASSERT_TRUE(has(due.release, entry));
    Held waiting;
    table_.release(entry, waiting);
    ASSERT_EQ(waiting.count, 1u);
    rte_pktmbuf_free(waiting.packets[0].packet);
}

TEST_F(NeighborTable, WhatRoutesLeadToIsNoScan) {
    for (uint32_t i = 0; i < 40; ++i) ASSERT_NE(table_.pin(kBlue, ip(i), kNow), nullptr);
    for (uint32_t i = 100; i < 116; ++i) EXPECT_NE(table_.add(kBlue, ip(i), kNow), nullptr);
    EXPECT_EQ(table_.add(kBlue, ip(116), kNow), nullptr);
    // Without its route it counts like others, and so does one that had an answer.
    table_.unpin(*table_.find(kBlue, ip(0)));
    Held waiting;
    ASSERT_TRUE(table_.learn(*table_.find(kBlue, ip(1)), kMac, true, kNow, waiting));
    table_.unpin(*table_.find(kBlue, ip(1)));
    ASSERT_TRUE(table_.learn(*table_.find(kBlue, ip(100)), kMac, true, kNow, waiting));
    EXPECT_EQ(table_.add(kBlue, ip(116), kNow), nullptr);
    ASSERT_TRUE(table_.learn(*table_.find(kBlue, ip(0)), kMac, true, kNow, waiting));
    EXPECT_NE(table_.add(kBlue, ip(116), kNow), nullptr);
}

TEST_F(NeighborTable, AFullTableIsSaid) {
    for (uint32_t i = 0; i < 128; ++i) ASSERT_NE(table_.pin(kBlue, ip(i), kNow), nullptr);
    EXPECT_EQ(table_.pin(kBlue, ip(128), kNow), nullptr);
    EXPECT_FALSE(table_.set_static(kBlue, ip(128), kMac, kNow));
    EXPECT_NE(table_.pin(kBlue, ip(127), kNow), nullptr);
    EXPECT_EQ(table_.size(), 128u);
}

// Neighbors of one link differ in their last bytes; each family has them elsewhere in a word.
TEST_F(NeighborTable, NeighborsOfALinkAreSpreadOverTheTable) {
    for (const char* first : {"10.0.0.0", "fd00::", "fd00:0:0:0:1:2::"}) {
        IpAddress address = *IpAddress::parse(first);
        std::set<uint64_t> places;
        for (uint32_t i = 0; i < 4096; ++i) {
            address.bytes[14] = static_cast<uint8_t>(i >> 8);
            address.bytes[15] = static_cast<uint8_t>(i);
            places.insert(Table::hash(kBlue, address) % 8192);
        }
        // At random it would be 3223.
        EXPECT_GT(places.size(), 3000u) << first;
    }
}

// Entries come and go in one place of the table: those that stay are always found.
TEST_F(NeighborTable, RemovalLeavesTheOthersWhereTheyAreFound) {
    for (int round = 0; round < 200; ++round) {
        for (uint32_t i = 0; i < 60; ++i) ASSERT_NE(table_.pin(kBlue, ip(i), kNow), nullptr);
        for (uint32_t i = 0; i < 60; ++i) table_.unpin(*table_.find(kBlue, ip(i)));
        const auto keep = [&](const IpAddress& address) {
            return (address.v4() * 2654435761U + static_cast<uint32_t>(round)) % 3 == 0;
        };
        table_.remove_if([&](const Entry& entry) { return !keep(entry.address); });
        table_.reclaim();
        uint32_t count = 0;
        table_.each([&](const Entry& entry) {
            EXPECT_TRUE(keep(entry.address));
            ++count;
        });
        EXPECT_EQ(count, table_.size());
        for (uint32_t i = 0; i < 60; ++i) {
            EXPECT_EQ(table_.find(kBlue, ip(i)) != nullptr, keep(ip(i))) << round << " " << i;
        }
    }
}

TEST_F(NeighborTable, WhoseStationHasGoneIsAskedForAnew) {
    Entry& gone = resolved(1);
    Entry& other = resolved(2);
    Held waiting;
    ASSERT_TRUE(table_.learn(other, kOther, true, kNow, waiting));
    ASSERT_TRUE(table_.set_static(kBlue, ip(3), kMac, kNow));
    table_.forget_if([](NetworkId, uint64_t mac) { return mac == kMac; });
    EXPECT_FALSE(gone.resolved());
    EXPECT_TRUE(other.resolved());
    EXPECT_TRUE(table_.find(kBlue, ip(3))->resolved()) << "it is configured";
    EXPECT_TRUE(table_.ask(gone, kNow));
    EXPECT_TRUE(table_.learn(gone, kOther, false, kNow, waiting));
}

// A worker learns its new MAC address while the control thread judges the old one.
TEST_F(NeighborTable, WhoHasAnotherMacAddressByNowIsNotForgotten) {
    Entry& entry = resolved(1);
    table_.forget_if([&](NetworkId, uint64_t mac) {
        Held waiting;
        EXPECT_TRUE(table_.learn(entry, kOther, true, kNow, waiting));
        return mac == kMac;
    });
    EXPECT_EQ(entry.mac.load(), kOther);
}

}  // namespace
}  // namespace sluice::neighbor
