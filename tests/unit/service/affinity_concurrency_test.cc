// Workers that open connections of the same clients at once, while the back ends change: all workers get the same
// answer for a client, and each answer is one of the worker's own back ends.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include "service/affinity.h"

namespace sluice::service {
namespace {

constexpr size_t kWorkers = 4;
constexpr uint32_t kRounds = 3000;
constexpr uint32_t kClients = 4;  // of a round

Frontend frontend(uint32_t count) {
    Frontend made;
    made.id = 1;
    made.affinity = 100;
    std::vector<Backend> list;
    for (uint32_t i = 0; i < count; ++i) list.push_back({.address = IpAddress::from_v4(i), .port = 80});
    made.backends = std::make_shared<const Backends>(std::move(list));
    return made;
}

TEST(AffinityConcurrency, WorkersGetTheSameBackendForOneClient) {
    Affinity table(4 * kRounds * kClients);
    const Frontend at = frontend(kWorkers);
    std::vector<std::array<const Backend*, kWorkers>> answers(size_t{kRounds} * kClients);
    std::barrier round_begins(kWorkers);
    std::vector<std::thread> workers;
    for (size_t worker = 0; worker < kWorkers; ++worker) {
        workers.emplace_back([&, worker] {
            for (uint32_t round = 0; round < kRounds; ++round) {
                if (round % 50 == 0) round_begins.arrive_and_wait();
                for (uint32_t i = 0; i < kClients; ++i) {
                    const uint32_t client = round * kClients + i;
                    answers[client][worker] =
                        &table.keep(at, IpAddress::from_v4(client), at.backends->list()[worker], round / 100);
                }
            }
        });
    }
    for (std::thread& worker : workers) worker.join();
    size_t different = 0;
    for (const auto& each : answers) {
        for (const Backend* backend : each) different += backend != each[0];
    }
    // A client whose set was full may have been forgotten in between: few.
    EXPECT_LT(different, answers.size() / 20);
}

TEST(AffinityConcurrency, AnswersAreTheAskersOwnWhileTheTableOverflows) {
    Affinity table(64);
    const std::array<Frontend, 2> snapshots{frontend(8), frontend(4)};
    std::atomic<size_t> wrong{0};
    std::vector<std::thread> workers;
    for (size_t worker = 0; worker < kWorkers; ++worker) {
        workers.emplace_back([&, worker] {
            for (uint32_t i = 0; i < 20'000; ++i) {
                const Frontend& at = snapshots[(i / 100 + worker) % 2];
                const std::vector<Backend>& list = at.backends->list();
                const IpAddress client = IpAddress::from_v4(i % 97);
                const Backend& answer = table.keep(at, client, list[i % list.size()], i / 1000);
                const Backend* dry = table.find(at, client, i / 1000);
                const auto is_own = [&](const Backend* backend) {
                    return backend >= list.data() && backend < list.data() + list.size();
                };
                wrong += !is_own(&answer) || (dry != nullptr && !is_own(dry));
            }
        });
    }
    for (std::thread& worker : workers) worker.join();
    EXPECT_EQ(wrong.load(), 0U);
}

}  // namespace
}  // namespace sluice::service
