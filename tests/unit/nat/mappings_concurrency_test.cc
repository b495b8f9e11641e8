// Workers that ask for mappings and add flows while the control thread walks through the flows, marks and sweeps.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include "nat/mappings.h"

namespace sluice::nat {
namespace {

constexpr uint32_t kHosts = 16;
constexpr uint16_t kInsidePorts = 64;
constexpr int kWorkers = 3;
constexpr int kSteps = 10'000;
constexpr uint32_t kEndpoints = kHosts * kInsidePorts;
constexpr uint32_t kPart = kEndpoints / 4;
constexpr uint32_t kWalks = 40;

Endpoint inside_at(uint32_t i) {
    return {IpAddress::from_v4(0x0a000000 + i % kHosts), static_cast<uint16_t>(1000 + i / kHosts)};
}

// The flow table in small: of each worker and endpoint, the outside port of its flow; 0: none.
struct Flows {
    std::array<std::array<std::atomic<uint16_t>, kEndpoints>, kWorkers> ports{};
    // A walk must not be over twice while a worker is between map() and its flow: some seconds, in the switch.
    std::array<std::atomic<uint32_t>, kWorkers> walk_seen{};
};

// Ports are scarce: what is freed is given to another endpoint at once. `high` is the last port.
void run(uint16_t high, bool is_shared) {
    Mappings mappings(
        {.pool = {.addresses = {IpAddress::from_v4(0xc0000201)}, .low = 2000, .high = high}, .ports_per_host = 0});
    const IpAddress outside = mappings.pool().address(0);
    const auto flows = std::make_unique<Flows>();
    // By outside port: the endpoint whose live flows have it, and the number of the flows, in one word.
    const auto live = std::make_unique<std::array<std::atomic<uint64_t>, 65536>>();
    std::atomic<uint32_t> walk{1};
    std::atomic<int> working{kWorkers};
    std::atomic<uint64_t> stolen{0}, changed{0}, hairpins{0};

    std::vector<std::thread> threads;
    for (int id = 0; id < kWorkers; ++id) {
        threads.emplace_back([&, id] {
            std::mt19937_64 random(id);
            const auto end_flow = [&](uint32_t i) {
                const uint16_t port = flows->ports[id][i].exchange(0);
                if (port != 0) (*live)[port].fetch_sub(1);
            };
            // All workers use the same part of the endpoints for a while, so that mappings of others are freed.
            uint32_t first = 0;
            for (int step = 0; step < kSteps || walk.load() < kWalks; ++step) {
                if (walk.load() / 4 * kPart % kEndpoints != first) {
                    first = walk.load() / 4 * kPart % kEndpoints;
                    for (uint32_t i = 0; i < kEndpoints; ++i) {
                        if (random() % 8 != 0) end_flow(i);
                    }
                }
                const auto i = static_cast<uint32_t>((first + random() % kPart) % kEndpoints);
                if (random() % 2 == 0) {
                    end_flow(i);
                    continue;
                }
                flows->walk_seen[id] = walk.load();
                const Answer answer = mappings.map(Transport::kTcp, inside_at(i), 0);
                if (!answer.is_mapped()) {
                    flows->walk_seen[id] = UINT32_MAX;
                    continue;
                }
                const uint16_t port = answer.outside.port;
                // Now and then the flow is added in the next walk, perhaps behind its back.
                if (random() % 64 == 0) {
                    while (walk.load() == flows->walk_seen[id].load()) std::this_thread::yield();
                    std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));
                }
                const uint16_t before = flows->ports[id][i].load();
                if (before != 0 && before != port) changed.fetch_add(1);  // while its flow lives
                if (before == 0) {
                    std::atomic<uint64_t>& holder = (*live)[port];
                    uint64_t old = holder.load(), wanted;
                    do {
                        const bool is_free = (old & 0xffff) == 0;
                        if (!is_free && old >> 16 != i && !is_shared) stolen.fetch_add(1);
                        wanted = is_free ? uint64_t{i} << 16 | 1 : old + 1;
                    } while (!holder.compare_exchange_weak(old, wanted));
                    flows->ports[id][i] = port;
                }
                flows->walk_seen[id] = UINT32_MAX;
                const auto found = mappings.inside_of(Transport::kTcp, answer.outside);
                if (found == inside_at(i)) hairpins.fetch_add(1);
                if (found && *found != inside_at(i) && !is_shared) stolen.fetch_add(1);
            }
            flows->walk_seen[id] = UINT32_MAX;
            --working;
        });
    }
    uint64_t freed = 0;
    while (working != 0) {
        for (uint32_t i = 0; i < kEndpoints; ++i) {
            for (const auto& of_worker : flows->ports) {
                const uint16_t port = of_worker[i].load();
                if (port != 0 && !mappings.mark(Transport::kTcp, inside_at(i), {outside, port}))
                    changed.fetch_add(1);
            }
        }
        for (const auto& seen : flows->walk_seen) {
            while (seen.load() < walk.load()) std::this_thread::yield();
        }
        freed += mappings.sweep();
        walk.fetch_add(1);
        EXPECT_LE(mappings.top_hosts(4).size(), 4u);
    }
    for (auto& thread : threads) thread.join();

    EXPECT_EQ(stolen, 0u);
    if (!is_shared) {
        EXPECT_EQ(changed, 0u);
    }
    EXPECT_GT(freed, 0u);
    EXPECT_GT(hairpins, 0u);
    for (int i = 0; i < 3; ++i) mappings.sweep();
    EXPECT_EQ(mappings.count(), 0u);
    EXPECT_EQ(mappings.pool().ports(0, Transport::kTcp).used(), 0u);
    EXPECT_EQ(mappings.pool().ports(0, Transport::kTcp).shared(), 0u);
}

TEST(MappingsConcurrency, AMappingWithAFlowIsNeverFreed) {
    run(2000 + kEndpoints + 16, false);
}

TEST(MappingsConcurrency, SharedPortsAreFreedOnce) {
    run(2000 + kEndpoints / 8, true);
}

// All workers ask for the same endpoints at once: each gets one mapping.
TEST(MappingsConcurrency, WorkersAgreeOnAnEndpointsMapping) {
    Mappings mappings({.pool = {.addresses = {IpAddress::from_v4(0xc0000201), IpAddress::from_v4(0xc0000202)}}});
    std::array<std::array<Endpoint, kEndpoints>, kWorkers> got{};
    std::vector<std::thread> threads;
    for (int id = 0; id < kWorkers; ++id) {
        threads.emplace_back([&, id] {
            for (uint32_t i = 0; i < kEndpoints; ++i) {
                Answer answer = mappings.map(Transport::kUdp, inside_at(i), 0);
                while (answer.outcome == Outcome::kBusy) answer = mappings.map(Transport::kUdp, inside_at(i), 0);
                got[id][i] = answer.outside;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    for (int id = 1; id < kWorkers; ++id) EXPECT_EQ(got[id], got[0]);
    EXPECT_EQ(mappings.count(), kEndpoints);
    EXPECT_EQ(mappings.answers(Outcome::kNew), kEndpoints);
}

}  // namespace
}  // namespace sluice::nat
