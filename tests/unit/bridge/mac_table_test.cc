#include "bridge/mac_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace sluice::bridge {
namespace {

using path::PortId;

constexpr PortId kPort1{1};
constexpr PortId kPort2{2};
constexpr PortId kHighPort{path::kMaxPorts - 1};
constexpr uint64_t kMac = 0x0a00'0000'0002;

Entry find(const MacTable& table, uint64_t mac) {
    return table.find(mac, MacTable::hash(mac));
}

void learn(MacTable& table, uint64_t mac, PortId port, Seconds now) {
    table.learn(mac, MacTable::hash(mac), port, now);
}

// A station's address: no group bit, never zero.
uint64_t random_mac(std::mt19937_64& random) {
    return ((random() & path::kMacMask) | 2) & ~1ULL;
}

TEST(MacTable, AnUnknownAddressIsNotFound) {
    const MacTable table(16);
    EXPECT_FALSE(find(table, kMac).found());
    EXPECT_EQ(table.count(), 0u);
}

TEST(MacTable, LearnsAndFinds) {
    MacTable table(16);
    learn(table, kMac, kHighPort, 0xffff'fff0);
    const Entry entry = find(table, kMac);
    EXPECT_TRUE(entry.found());
    EXPECT_FALSE(entry.is_static());
    EXPECT_EQ(entry.port(), kHighPort);
    EXPECT_EQ(entry.seen(), 0xffff'fff0);
    EXPECT_EQ(table.count(), 1u);
    EXPECT_EQ(table.moves(), 0u);
}

TEST(MacTable, SeenAgainRefreshes) {
    MacTable table(16);
    learn(table, kMac, kPort1, 100);
    learn(table, kMac, kPort1, 105);
    EXPECT_EQ(find(table, kMac).seen(), 105u);
    EXPECT_EQ(table.count(), 1u);
    EXPECT_EQ(table.moves(), 0u);
}

TEST(MacTable, MovesAreCounted) {
    MacTable table(16);
    learn(table, kMac, kPort1, 100);
    learn(table, kMac, kPort2, 100);
    EXPECT_EQ(find(table, kMac).port(), kPort2);
    EXPECT_EQ(table.moves(), 1u);
    EXPECT_EQ(table.flaps(), 0u);
}

TEST(MacTable, AnAddressMovesFiveTimesASecondAndNoMore) {
    MacTable table(16);
    learn(table, kMac, kPort1, 100);
    for (int i = 0; i < 8; ++i) learn(table, kMac, i % 2 == 0 ? kPort2 : kPort1, 100);
    EXPECT_EQ(table.moves(), MacTable::kMaxMovesPerSecond);
    // The fifth move was to port 2; from then on only port 1's claims were refused.
    EXPECT_EQ(find(table, kMac).port(), kPort2);
    EXPECT_EQ(table.flaps(), 2u);
    learn(table, kMac, kPort1, 101);
    EXPECT_EQ(find(table, kMac).port(), kPort1);
    EXPECT_EQ(table.moves(), MacTable::kMaxMovesPerSecond + 1u);
}

TEST(MacTable, OneAddressFlappingLetsOthersMove) {
    MacTable table(16);
    const uint64_t other = kMac + (1ULL << 40);
    learn(table, kMac, kPort1, 100);
    learn(table, other, kPort1, 100);
    for (int i = 0; i < 20; ++i) learn(table, kMac, i % 2 == 0 ? kPort2 : kPort1, 100);
    learn(table, other, kPort2, 100);
    EXPECT_EQ(find(table, other).port(), kPort2);
}

TEST(MacTable, AStaticEntryNeverMovesNorAges) {
    MacTable table(16);
    EXPECT_TRUE(table.set_static(kMac, kPort1));
    learn(table, kMac, kPort2, 100);
    EXPECT_EQ(table.expire(1'000'000, 1), 0u);
    EXPECT_EQ(table.flush(kPort1).size(), 0u);
    const Entry entry = find(table, kMac);
    EXPECT_TRUE(entry.is_static());
    EXPECT_EQ(entry.port(), kPort1);
    EXPECT_EQ(table.moves(), 0u);
    EXPECT_EQ(table.count(), 1u);
}

TEST(MacTable, AStaticEntrysAddressIsRefusedAtOtherPorts) {
    MacTable table(64);
    ASSERT_TRUE(table.set_static(kMac, kPort1));
    EXPECT_FALSE(table.learn(kMac, MacTable::hash(kMac), kPort2, 100));
    EXPECT_FALSE(table.learn(kMac, MacTable::hash(kMac), kPort2, 100, 5));
    EXPECT_TRUE(table.learn(kMac, MacTable::hash(kMac), kPort1, 100));
    table.remove(kMac);
    EXPECT_TRUE(table.learn(kMac, MacTable::hash(kMac), kPort2, 100));
}

TEST(MacTable, AStaticEntrySetAgainChangesNothing) {
    MacTable table(64);
    ASSERT_TRUE(table.set_static(kMac, kPort1));
    const uint32_t version = table.version();
    ASSERT_TRUE(table.set_static(kMac, kPort1));
    EXPECT_EQ(table.version(), version);
}

TEST(MacTable, AStaticEntryTakesTheLearnedOnesPlace) {
    MacTable table(16);
    learn(table, kMac, kPort1, 100);
    EXPECT_TRUE(table.set_static(kMac, kPort2));
    EXPECT_EQ(find(table, kMac).port(), kPort2);
    EXPECT_EQ(table.count(), 1u);
    table.remove(kMac);
    EXPECT_FALSE(find(table, kMac).found());
    EXPECT_EQ(table.count(), 0u);
    table.remove(kMac);
    EXPECT_EQ(table.count(), 0u);
}

TEST(MacTable, ExpiresWhatIsOldEnough) {
    MacTable table(16);
    learn(table, kMac, kPort1, 100);
    learn(table, kMac + 256, kPort1, 101);
    EXPECT_EQ(table.expire(399, 300), 0u);
    EXPECT_EQ(table.expire(400, 300), 1u);
    EXPECT_FALSE(find(table, kMac).found());
    EXPECT_TRUE(find(table, kMac + 256).found());
    EXPECT_EQ(table.count(), 1u);
}

TEST(MacTable, WhatIsRefreshedGetsNoOlderAndStaysWhereItIs) {
    MacTable table(16);
    table.refresh(kMac, kPort1, 100, 0);
    EXPECT_FALSE(find(table, kMac).found()) << "nothing is learned by it";
    learn(table, kMac, kPort1, 100);
    const uint32_t version = table.version();
    table.refresh(kMac, kPort2, 200, 0);
    EXPECT_EQ(find(table, kMac).word(), Entry::learned(kPort1, 100).word());
    table.refresh(kMac, kPort1, 300, 0);
    EXPECT_EQ(find(table, kMac).word(), Entry::learned(kPort1, 300).word());
    EXPECT_EQ(table.expire(400, 200), 0u);
    EXPECT_EQ(table.version(), version);
    ASSERT_TRUE(table.set_static(kMac, kPort2));
    table.refresh(kMac, kPort2, 500, 0);
    EXPECT_TRUE(find(table, kMac).is_static());
}

TEST(MacTable, AClockThatRunsAheadMakesNothingOld) {
    MacTable table(16);
    learn(table, kMac, kPort1, 101);
    EXPECT_EQ(table.expire(100, 1), 0u);
    EXPECT_TRUE(find(table, kMac).found());
}

TEST(MacTable, ExpiresAcrossTheClocksWrap) {
    MacTable table(16);
    learn(table, kMac, kPort1, 0xffff'fffe);
    EXPECT_EQ(table.expire(3, 6), 0u);
    EXPECT_EQ(table.expire(4, 6), 1u);
}

TEST(MacTable, FlushForgetsOnePort) {
    MacTable table(64);
    for (uint64_t i = 0; i < 40; ++i) {
        learn(table, kMac + (i << 16), i % 4 == 0 ? kPort1 : kPort2, 7);
    }
    EXPECT_EQ(table.flush(kPort1).size(), 10u);
    EXPECT_EQ(table.count(), 30u);
    for (uint64_t i = 0; i < 40; ++i) {
        EXPECT_EQ(find(table, kMac + (i << 16)).found(), i % 4 != 0) << i;
    }
}

// Displacement must not lose anybody: all addresses that a table has promised room for stay
// findable while it fills.
TEST(MacTable, HoldsAsManyAsItSays) {
    std::mt19937_64 random(1);
    for (uint32_t capacity : {16U, 17U, 31U, 100U, 1000U, 8192U, 50'000U}) {
        MacTable table(capacity);
        std::map<uint64_t, PortId> model;
        while (model.size() < capacity) {
            const uint64_t mac = random_mac(random);
            const PortId port{static_cast<uint16_t>(random() % path::kMaxPorts)};
            if (!model.emplace(mac, port).second) continue;
            learn(table, mac, port, 1);
        }
        EXPECT_EQ(table.count(), capacity);
        EXPECT_EQ(table.refused(), 0u);
        size_t wrong = 0;
        for (const auto& [mac, port] : model) {
            const Entry entry = find(table, mac);
            wrong += !entry.found() || entry.port() != port;
        }
        EXPECT_EQ(wrong, 0u) << "of " << capacity;
        EXPECT_EQ(table.list().size(), capacity);
    }
}

// Addresses as vendors give them out: one prefix, then a counter.
TEST(MacTable, HoldsConsecutiveAddresses) {
    constexpr uint32_t kCapacity = 8192;
    MacTable table(kCapacity);
    const auto mac = [](uint64_t i) { return 2 | (i & 0xff) << 40 | (i >> 8) << 32; };
    for (uint64_t i = 0; i < kCapacity; ++i) learn(table, mac(i), kPort1, 1);
    size_t lost = 0;
    for (uint64_t i = 0; i < kCapacity; ++i) lost += !find(table, mac(i)).found();
    EXPECT_EQ(lost, 0u);
    EXPECT_EQ(table.refused(), 0u);
}

TEST(MacTable, AFullTableRefusesTheNextAndKeepsTheRest) {
    MacTable table(16);
    for (uint64_t i = 0; i < 16; ++i) learn(table, kMac + (i << 16), kPort1, 1);
    learn(table, kMac + (16ULL << 16), kPort1, 1);
    EXPECT_FALSE(find(table, kMac + (16ULL << 16)).found());
    EXPECT_EQ(table.refused(), 1u);
    EXPECT_EQ(table.count(), 16u);
    // Known addresses still move, and room that comes free is given out.
    learn(table, kMac, kPort2, 1);
    EXPECT_EQ(find(table, kMac).port(), kPort2);
    table.remove(kMac);
    learn(table, kMac + (16ULL << 16), kPort1, 1);
    EXPECT_TRUE(find(table, kMac + (16ULL << 16)).found());
}

// --- against a table that is obviously right ---

class Model {
 public:
    explicit Model(uint32_t capacity) : capacity_(capacity) {}

    void learn(uint64_t mac, PortId port, Seconds now) {
        auto found = known_.find(mac);
        if (found == known_.end()) {
            if (known_.size() < capacity_) known_[mac] = {port, now};
            return;
        }
        Known& known = found->second;
        if (known.is_static) return;
        if (known.port != port) {
            if (known.second != now) known.moves = 0;
            known.second = now;
            if (known.moves == MacTable::kMaxMovesPerSecond) {
                ++flaps;
                return;
            }
            ++known.moves;
            ++moves;
        }
        known.port = port;
        known.seen = now;
    }
    void set_static(uint64_t mac, PortId port) {
        Known& known = known_[mac];
        known.port = port;
        known.is_static = true;
    }
    void remove(uint64_t mac) { known_.erase(mac); }
    size_t expire(Seconds now, Seconds age) {
        return std::erase_if(known_, [&](const auto& entry) {
            return !entry.second.is_static && entry.second.seen + age <= now;
        });
    }
    size_t flush(PortId port) {
        return std::erase_if(known_, [&](const auto& entry) {
            return !entry.second.is_static && entry.second.port == port;
        });
    }
    // The port, and whether it is static; kNoPort for an unknown address.
    std::pair<PortId, bool> find(uint64_t mac) const {
        auto found = known_.find(mac);
        if (found == known_.end()) return {path::kNoPort, false};
        return {found->second.port, found->second.is_static};
    }
    size_t size() const { return known_.size(); }

    uint64_t moves = 0;
    uint64_t flaps = 0;

 private:
    struct Known {
        PortId port{};
        Seconds seen = 0;
        bool is_static = false;
        Seconds second = 0;  // of the moves counted
        uint16_t moves = 0;
    };
    uint32_t capacity_;
    std::map<uint64_t, Known> known_;
};

void expect_same(const MacTable& table, const Model& model, const std::vector<uint64_t>& macs) {
    ASSERT_EQ(table.count(), model.size());
    ASSERT_EQ(table.moves(), model.moves);
    ASSERT_EQ(table.flaps(), model.flaps);
    for (uint64_t mac : macs) {
        const Entry entry = find(table, mac);
        const auto [port, is_static] = model.find(mac);
        ASSERT_EQ(entry.found() ? entry.port() : path::kNoPort, port) << std::hex << mac;
        if (entry.found()) {
            ASSERT_EQ(entry.is_static(), is_static) << std::hex << mac;
        }
    }
}

TEST(MacTable, DoesAsAMapDoes) {
    constexpr uint32_t kCapacity = 200;
    std::mt19937_64 random(42);
    std::vector<uint64_t> macs(300);  // more than fit
    for (auto& mac : macs) mac = random_mac(random);
    MacTable table(kCapacity);
    Model model(kCapacity);
    Seconds now = 1000;
    for (int step = 0; step < 200'000; ++step) {
        // Half of it is about a few addresses, which flap therefore.
        const uint64_t mac = macs[random() % (step % 2 == 0 ? 5 : macs.size())];
        const PortId port{static_cast<uint16_t>(random() % 5)};
        const uint64_t dice = random() % 1000;
        if (dice < 960) {
            learn(table, mac, port, now);
            model.learn(mac, port, now);
        } else if (dice < 964) {
            // A static entry is never refused for the capacity's sake.
            ASSERT_TRUE(table.set_static(mac, port));
            model.set_static(mac, port);
        } else if (dice < 980) {
            table.remove(mac);
            model.remove(mac);
        } else if (dice < 982) {
            ASSERT_EQ(table.expire(now, 3), model.expire(now, 3));
        } else if (dice < 984) {
            ASSERT_EQ(table.flush(port).size(), model.flush(port));
        } else {
            ++now;
        }
        if (step % 97 == 0) {
            ASSERT_NO_FATAL_FAILURE(expect_same(table, model, macs)) << step;
        }
    }
    EXPECT_GT(model.moves, 1000u);
    EXPECT_GT(model.flaps, 100u);
    EXPECT_GT(table.refused(), 100u);
}

TEST(MacTable, ALimitOfAddressesBehindAPort) {
    MacTable table(100);
    auto offer = [&](uint64_t mac, PortId port, uint32_t limit) {
        return table.learn(mac, MacTable::hash(mac), port, 100, limit);
    };
    EXPECT_TRUE(offer(0x10, kPort1, 2));
    EXPECT_TRUE(offer(0x20, kPort1, 2));
    EXPECT_FALSE(offer(0x30, kPort1, 2));
    EXPECT_EQ(table.count(kPort1), 2u);
    EXPECT_TRUE(offer(0x10, kPort1, 2)) << "who is known may go on";
    EXPECT_TRUE(offer(0x30, kPort2, 2));
    EXPECT_FALSE(offer(0x30, kPort1, 2)) << "a move counts as well";
    EXPECT_TRUE(offer(0x10, kPort2, 2));
    EXPECT_EQ(table.count(kPort1), 1u);
    EXPECT_EQ(table.count(kPort2), 2u);
    EXPECT_TRUE(offer(0x40, kPort1, 2));
    table.set_static(0x40, kPort1);
    EXPECT_EQ(table.count(kPort1), 1u);
    table.flush(kPort2);
    table.remove(0x40);
    EXPECT_EQ(table.count(kPort2), 0u);
    EXPECT_EQ(table.count(kPort1), 1u);
}

TEST(MacTable, TellsWhatHasMovedBetweenWhichPorts) {
    MacTable table(16);
    learn(table, kMac, kPort1, 100);
    EXPECT_TRUE(table.take_motions().empty());
    for (int i = 0; i < 4; ++i) {
        learn(table, kMac, kPort2, 100);
        learn(table, kMac, kPort1, 100);
    }
    table.note_foreign(kMac + 2, kPort1, kHighPort, 100);
    table.note_foreign(kMac + 4, kPort1, kHighPort, 100);
    const auto motions = table.take_motions();
    ASSERT_EQ(motions.size(), 3u);
    EXPECT_EQ(motions[0].mac, kMac);
    EXPECT_EQ(motions[0].from, kPort1);
    EXPECT_EQ(motions[0].to, kPort2);
    EXPECT_EQ(motions[0].moves, 3u);
    EXPECT_EQ(motions[1].moves, 2u);
    EXPECT_EQ(motions[1].flaps + motions[0].flaps, table.flaps());
    EXPECT_EQ(motions[2].mac, kMac + 2);
    EXPECT_EQ(motions[2].to, kHighPort);
    EXPECT_EQ(motions[2].foreign, 2u);
    EXPECT_EQ(motions[2].moves, 0u);
    EXPECT_TRUE(table.take_motions().empty());
}

TEST(MacTable, MotionsOfManyPortsAreBounded) {
    MacTable table(16);
    for (uint16_t port = 0; port < 1000; ++port) table.note_foreign(kMac, kPort1, PortId{port}, 100);
    EXPECT_LE(table.take_motions().size(), 32u);
}

TEST(MacTable, OnePortsForeignFramesLeaveTheLockToOthers) {
    MacTable table(16);
    const auto noted = [&](Seconds now) {
        for (int i = 0; i < 1000; ++i) table.note_foreign(kMac, kPort1, kPort2, now);
        table.note_foreign(kMac, kPort1, kHighPort, now);
        return table.take_motions();
    };
    for (const Seconds now : {Seconds{100}, Seconds{101}}) {
        const auto motions = noted(now);
        ASSERT_EQ(motions.size(), 2u);
        EXPECT_EQ(motions[0].foreign, 32u);
        EXPECT_EQ(motions[1].foreign, 1u);
    }
}

TEST(MacTable, TellsWhichAddressesAreNew) {
    MacTable table(16);
    learn(table, kMac, kPort1, 100);
    learn(table, kMac, kPort2, 100);
    EXPECT_EQ(table.take_arrivals(), std::vector<uint64_t>{kMac});
    learn(table, kMac, kPort2, 101);
    EXPECT_TRUE(table.take_arrivals().empty());
}

TEST(MacTable, KnowsWhoHasDepartedWithItsPort) {
    MacTable table(16);
    learn(table, kMac, kPort1, 100);
    learn(table, kMac + 2, kPort2, 100);
    EXPECT_FALSE(table.has_departed(kMac, MacTable::hash(kMac)));
    EXPECT_EQ(table.flush(kPort1), std::vector<uint64_t>{kMac});
    EXPECT_TRUE(table.has_departed(kMac, MacTable::hash(kMac)));
    EXPECT_FALSE(table.has_departed(kMac + 2, MacTable::hash(kMac + 2)));
    EXPECT_FALSE(table.take_departed(kMac + 2));
    EXPECT_TRUE(table.take_departed(kMac));
    EXPECT_FALSE(table.has_departed(kMac, MacTable::hash(kMac))) << "it is back";
    table.expire(1000, 300);
    EXPECT_FALSE(table.has_departed(kMac + 2, MacTable::hash(kMac + 2))) << "it was silent, no more";
}

}  // namespace
}  // namespace sluice::bridge
