// Workers that look up, add, resolve and forget packets for neighbors while the control thread ages, removes
// and reclaims after grace periods.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include "neighbor/neighbor_table.h"
#include "path/published.h"

namespace sluice::neighbor {
namespace {

constexpr path::NetworkId kNetwork{7};
constexpr uint32_t kAddresses = 96;
constexpr uint16_t kWorkers = 2;
constexpr int kRounds = 300;  // of the control thread

IpAddress ip(uint32_t i) { return IpAddress::from_v4(0x0a00'0000 + i); }
// Whoever finds an address's entry must find that address's MAC in it, or none.
uint64_t mac_of(const IpAddress& address) { return 0x0200'0000'0000ULL | address.v4(); }

TEST(NeighborTableConcurrency, WhatIsFoundIsRight) {
    Table table(512, 128);  // of which one network has 128 at most
    path::Grace grace(kWorkers);
    std::atomic<uint64_t> wrong{0};
    std::atomic<Seconds> now{1000};
    std::atomic<bool> done{false};
    std::array<std::atomic<uint64_t>, kWorkers> found{};

    std::vector<std::thread> threads;
    for (uint16_t id = 0; id < kWorkers; ++id) {
        threads.emplace_back([&, id] {
            const path::WorkerId worker{id};
            std::mt19937 random(id);
            grace.online(worker);
            while (!done) {
                const IpAddress address = ip(random() % kAddresses);
                Entry* entry = table.find(kNetwork, address);
                if (entry == nullptr) entry = table.add(kNetwork, address, now);
                if (entry != nullptr) {
                    // Until the next quiescent point the entry is nobody else's.
                    if (entry->address != address) wrong.fetch_add(1);
                    const uint64_t mac = entry->mac.load(std::memory_order_acquire);
                    if (mac != 0 && mac != mac_of(address)) wrong.fetch_add(1);
                    if (mac != 0) ++found[id];
                    Held waiting;
                    if (random() % 4 == 0) table.learn(*entry, mac_of(address), true, now, waiting);
                    if (random() % 16 == 0) table.ask(*entry, now);
                    if (random() % 4 == 0) entry->used.store(now, std::memory_order_relaxed);
                }
                grace.quiescent(worker);
            }
            grace.offline(worker);
        });
    }
    Seconds clock = now;
    std::mt19937 random(99);
    uint64_t removed = 0;
    auto all_have_found = [&] {
        return std::all_of(found.begin(), found.end(), [](const auto& count) { return count != 0; });
    };
    for (int round = 0; round < kRounds || removed == 0 || !all_have_found(); ++round) {
        now = clock += random() % 20;
        table.age(clock);
        removed += table.remove_if(
            [&](const Entry& entry) { return entry.address.v4() % 5 == random() % 5; });
        table.each([&](const Entry& entry) {
            const uint64_t mac = entry.mac.load(std::memory_order_acquire);
            if (mac != 0 && mac != mac_of(entry.address)) wrong.fetch_add(1);
        });
        grace.wait();
        table.reclaim();
    }
    done = true;
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0u);

    // At rest all books agree: what is listed is found, and all can go.
    uint32_t listed = 0;
    table.each([&](const Entry& entry) {
        EXPECT_EQ(table.find(kNetwork, entry.address), &entry);
        ++listed;
    });
    EXPECT_EQ(listed, table.size());
    table.remove_if([](const Entry&) { return true; });
    table.reclaim();
    EXPECT_EQ(table.size(), 0u);
    // As many as the limit of those without an answer: it counts right after all.
    for (uint32_t i = 0; i < 128; ++i) EXPECT_NE(table.add(kNetwork, ip(i), clock), nullptr) << i;
}

}  // namespace
}  // namespace sluice::neighbor
