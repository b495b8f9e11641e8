// Workers that find, add, decide, track and evict the two directions of the same flows at once, while the
// control thread ages, lists and flushes: whoever finds a record finds its own, and every packet is counted.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include "flow/flow_table.h"
#include "flow/fragments.h"
#include "tuples.h"

namespace sluice::flow {
namespace {

constexpr uint16_t kWorkers = 4;
#if defined(__SANITIZE_THREAD__)
constexpr uint32_t kManyFlows = 100'000;  // each packet costs twenty times as much
#else
constexpr uint32_t kManyFlows = 1'000'000;
#endif
constexpr Seconds kStart = 1000;

// What each worker does with a packet, and what it saw.
struct Worker {
    Table& table;
    path::Grace& grace;
    std::atomic<uint32_t>& generation;
    std::atomic<Seconds>& clock;
    path::WorkerId id;
    uint64_t sent = 0;
    uint64_t added = 0;
    uint64_t refused = 0;
    uint64_t wrong = 0;
    uint32_t batch = 0;

    Decision decision(uint32_t now_generation) const {
        Decision decision = allowed(now_generation);
        // One tells the other.
        decision.hop = now_generation;
        decision.ingress = path::PortId(now_generation & 0xfff);
        return decision;
    }

    // False if there was no room.
    bool send(const path::Tuple& tuple) {
        const Bare bare(tuple);
        const uint32_t now_generation = generation.load(std::memory_order_acquire);
        const Seconds now = clock.load(std::memory_order_relaxed);
        const Record* candidate = table.candidate(table.hash(tuple.key));
        uint32_t index = candidate != nullptr && table.is(*candidate, bare.connection) ? table.index(*candidate)
                                                                                        : table.find(tuple);
        if (index == kNoRecord) {
            const Added result =
                table.add(tuple, decision(now_generation), Tracking::kConnection, now, id);
            index = result.index;
            added += result.outcome == Added::kNew;
        }
        if (index == kNoRecord) {
            ++refused;
        } else {
            Action action;
            Record& record = table.record(index);
            if (!Table::action(record, now_generation, action)) {
                table.decide(index, decision(now_generation));
            } else {
                wrong += action.hop != now_generation ||
                         action.ingress != path::PortId(now_generation & 0xfff);
            }
            // Until the end of this turn it is nobody else's.
            wrong += !(record.key == tuple.key);
            ++sent;
            table.track(record, bare.connection, &bare.m, 100, now);
            wrong += !(record.key == tuple.key);
        }
        if (++batch % 32 == 0) grace.quiescent(id);
        return index != kNoRecord;
    }
    // As often as it takes: the records of flows that ended wait for a worker that has been preempted.
    void send_surely(const path::Tuple& tuple) {
        while (!send(tuple)) rest();
    }
    // As a worker does that sleeps.
    void rest() {
        grace.offline(id);
        std::this_thread::yield();
        grace.online(id);
    }
};

// Flows that each worker has ended wait until there are enough of them.
void settle(Table& table) {
    table.flush(kStart, [](const Listed&) { return true; });
    for (uint16_t id = 0; id < kWorkers; ++id) {
        for (uint32_t n = 0; n < 2 * Stock::kChain; ++n) {
            const Added added =
                table.add(tuple_of(90'000'000 + n), allowed(), Tracking::kConnection, kStart,
                          path::WorkerId{id});
            ASSERT_EQ(added.outcome, Added::kNew);
            ASSERT_TRUE(table.remove(added.index, path::WorkerId{id}));
        }
    }
    table.age(kStart);
}

struct Scene {
    explicit Scene(uint32_t size) : table(FlowConfig{.size = size}, grace) {}

    template <class Turn>
    void run(Turn turn) {
        std::vector<std::thread> threads;
        for (uint16_t id = 0; id < kWorkers; ++id) {
            workers.push_back({table, grace, generation, clock, path::WorkerId{id}});
        }
        working = kWorkers;
        for (Worker& worker : workers) {
            threads.emplace_back([&, this] {
                grace.online(worker.id);
                turn(worker);
                grace.offline(worker.id);
                --working;
            });
        }
        std::mt19937 random(5);
        while (working != 0) {
            control(random);
            // Not always there: the workers are what it is about.
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        for (auto& thread : threads) thread.join();
    }
    void control(std::mt19937& random) {
        generation.fetch_add(random() % 2, std::memory_order_release);
        clock += random() % 8;
        table.age(clock);
        switch (random() % 4) {
            case 0:
                table.for_each(clock, [&](const Listed& flow) {
                    wrong += flow.state != State::kAnswered && flow.state != State::kUnanswered;
                    wrong += flow.original.key.protocol() != wire::Protocol::kUdp;
                });
                break;
            case 1: {
                const uint32_t part = random() % 16;
                table.flush(clock, [&](const Listed& flow) {
                    return flow.original.key.source_port().host() % 16 == part;
                });
                break;
            }
            case 2: {
                // As a trace does.
                const auto reading = table.read();
                const path::Tuple tuple = tuple_of(random() % 3000);
                const uint32_t index = table.find(tuple);
                wrong += index != kNoRecord && !(table.record(index).key == tuple.key);
                break;
            }
            default: table.count_states(); break;
        }
    }
    uint64_t sum(uint64_t Worker::*what) const {
        uint64_t sum = 0;
        for (const Worker& worker : workers) sum += worker.*what;
        return sum;
    }

    path::Grace grace{kWorkers};
    Table table;
    std::atomic<uint32_t> generation{1};
    std::atomic<Seconds> clock{kStart};
    std::atomic<int> working{0};
    std::vector<Worker> workers;
    uint64_t wrong = 0;
};

TEST(FlowTableConcurrency, BothDirectionsOfTheSameFlowsAtOnce) {
    constexpr uint32_t kFlows = 3000;  // more than fit
    constexpr int kPackets = 60'000;   // of each worker
    Scene scene(kMinFlows);
    scene.run([&](Worker& worker) {
        std::mt19937 random(path::index(worker.id));
        for (int i = 0; i < kPackets; ++i) {
            // A direction has one worker, and the two directions of a flow have two.
            const uint32_t side = path::index(worker.id) % 2;
            const uint32_t n = random() % (kFlows / 2) * 2 + path::index(worker.id) / 2;
            worker.send(side == 0 ? tuple_of(n) : tuple_of(n).reversed());
        }
    });
    EXPECT_EQ(scene.sum(&Worker::wrong) + scene.wrong, 0u);
    EXPECT_GT(scene.sum(&Worker::sent), 0u);
    EXPECT_EQ(scene.table.created(), scene.sum(&Worker::added));
    settle(scene.table);
    EXPECT_EQ(scene.table.count(), 0u);
    EXPECT_EQ(scene.table.ended().packets, scene.sum(&Worker::sent));
    EXPECT_EQ(scene.table.ended().bytes, scene.sum(&Worker::sent) * 100);
    EXPECT_EQ(scene.sum(&Worker::sent) + scene.sum(&Worker::refused), uint64_t{kWorkers} * kPackets);
}

TEST(FlowTableConcurrency, FlowsComeAndGoAndEveryPacketCounts) {
    constexpr uint32_t kFlows = kManyFlows;
    Scene scene(kFlows / 16);
    // Two workers send, two answer, a little behind.
    std::atomic<uint32_t> begun[2] = {0, 0};
    scene.run([&](Worker& worker) {
        const uint32_t half = path::index(worker.id) / 2;
        const bool answers = path::index(worker.id) % 2 != 0;
        for (uint32_t i = 0; i < kFlows / 2; ++i) {
            const path::Tuple tuple = tuple_of(i * 2 + half);
            if (!answers) {
                worker.send_surely(tuple);
                begun[half].store(i + 1, std::memory_order_relaxed);
                continue;
            }
            while (begun[half].load(std::memory_order_relaxed) < i) worker.rest();
            worker.send_surely(tuple.reversed());
        }
    });
    EXPECT_EQ(scene.sum(&Worker::wrong) + scene.wrong, 0u);
    EXPECT_GE(scene.table.created(), kFlows);
    settle(scene.table);
    EXPECT_EQ(scene.table.count(), 0u);
    EXPECT_EQ(scene.table.ended().packets, scene.sum(&Worker::sent));
    EXPECT_EQ(scene.sum(&Worker::sent), 2u * kFlows);
}

TEST(FragmentsConcurrency, WhatIsFoundIsRight) {
    Fragments fragments;
    constexpr uint32_t kDatagrams = 5000;
    std::atomic<uint64_t> wrong{0};
    std::atomic<uint64_t> found{0};
    std::vector<std::thread> threads;
    for (uint16_t id = 0; id < kWorkers; ++id) {
        threads.emplace_back([&, id] {
            std::mt19937 random(id);
            for (int i = 0; i < 30'000; ++i) {
                const uint32_t n = random() % kDatagrams;
                const path::Tuple first =
                    n % 2 == 0 ? tuple_of(n) : tuple6(static_cast<uint16_t>(n), 1, 2, 3);
                if (random() % 2 == 0) {
                    fragments.add(first, {.id = n, .begin = 0, .end = 8}, Verdict::kAllow, kStart);
                    continue;
                }
                path::Tuple later = first;
                later.key.rest &= ~uint64_t{UINT32_MAX};
                if (fragments.complete(later, {.id = n, .begin = 8, .end = 16}, kStart) !=
                    Fragments::First::kPermitted) {
                    continue;
                }
                ++found;
                wrong += !(later == first);
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0u);
    EXPECT_GT(found, 0u);
}

}  // namespace
}  // namespace sluice::flow
