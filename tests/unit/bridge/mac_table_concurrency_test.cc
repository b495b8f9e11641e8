// Workers that learn and look up while the control thread ages, flushes and sets static entries.
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <thread>
#include <vector>

#include "bridge/mac_table.h"

namespace sluice::bridge {
namespace {

using path::PortId;

constexpr uint32_t kCapacity = 256;
constexpr uint16_t kLearners = 3;
constexpr int kSteps = 20'000;
constexpr Seconds kNow = 100;

// Each address has one port, which its bytes tell: whoever finds it must find that port.
constexpr uint64_t mac_of(uint64_t i) {
    return (i * 0x0101'0305'0709ULL & path::kMacMask & ~1ULL) | 2;
}
constexpr PortId port_of(uint64_t i) {
    return PortId(i % 8);
}
constexpr uint64_t kAddresses = kCapacity + 64;  // more than fit, so that entries come and go
constexpr uint64_t kStatic = 1'000'000;          // addresses of the control thread's own

TEST(MacTableConcurrency, WhatIsFoundIsRight) {
    MacTable table(kCapacity);
    std::array<uint64_t, kLearners> found{};
    std::atomic<uint64_t> wrong{0};
    std::atomic<int> learning{kLearners};

    auto look_up = [&](uint64_t i) {
        const Entry entry = table.find(mac_of(i), MacTable::hash(mac_of(i)));
        if (entry.found() && entry.port() != port_of(i)) wrong.fetch_add(1);
        return entry.found() ? 1 : 0;
    };
    std::vector<std::thread> threads;
    for (uint16_t id = 0; id < kLearners; ++id) {
        threads.emplace_back([&, id] {
            std::mt19937_64 random(id);
            for (int step = 0; step < kSteps; ++step) {
                const uint64_t i = random() % kAddresses;
                table.learn(mac_of(i), MacTable::hash(mac_of(i)), port_of(i),
                            kNow + static_cast<Seconds>(step) / 100);
                found[id] += look_up(random() % kAddresses);
            }
            --learning;
        });
    }
    threads.emplace_back([&] {
        std::mt19937_64 random(kLearners);
        while (learning != 0) look_up(random() % kAddresses);
    });
    for (uint64_t round = 0; learning != 0; ++round) {
        table.expire(kNow + kSteps / 100, kSteps / 200);
        table.flush(port_of(round));
        const uint64_t i = kStatic + round % 16;
        if (table.set_static(mac_of(i), port_of(i))) {
            // No learner touches this address: it is there until it is removed.
            EXPECT_TRUE(table.find(mac_of(i), MacTable::hash(mac_of(i))).is_static());
            table.remove(mac_of(i));
        }
        EXPECT_LE(table.list().size(), 4 * kCapacity);
    }
    for (auto& thread : threads) thread.join();

    EXPECT_EQ(wrong, 0u);
    for (uint64_t count : found) EXPECT_GT(count, 0u);
    // At rest the count is that of the entries, and each is listed once.
    EXPECT_EQ(table.list().size(), table.count());
    for (uint64_t i = 0; i < kAddresses; ++i) look_up(i);
    EXPECT_EQ(wrong, 0u);
}

TEST(MacTableConcurrency, AnAddressThatEverybodyClaimsIsAtOneOfItsPorts) {
    MacTable table(16);
    const uint64_t mac = mac_of(1);
    std::vector<std::thread> threads;
    for (uint16_t id = 0; id < kLearners; ++id) {
        threads.emplace_back([&, id] {
            for (int step = 0; step < kSteps; ++step) {
                table.learn(mac, MacTable::hash(mac), PortId{id},
                            kNow + static_cast<Seconds>(step) / 100);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    const Entry entry = table.find(mac, MacTable::hash(mac));
    EXPECT_TRUE(entry.found());
    EXPECT_LT(path::index(entry.port()), kLearners);
    EXPECT_EQ(table.count(), 1u);
    EXPECT_GT(table.moves(), 0u);
}

}  // namespace
}  // namespace sluice::bridge
