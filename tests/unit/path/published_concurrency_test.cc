// Readers that follow a value while a writer replaces and frees it: no reader ever sees a freed
// one.
#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

#include "path/published.h"

namespace sluice::path {
namespace {

constexpr uint64_t kReplacements = 2000;
constexpr uint64_t kLookups = 10'000;
constexpr uint16_t kReaders = 3;

struct Value {
    explicit Value(uint64_t n) { words.fill(n); }
    // Spoiled, so that a reader who comes too late is noticed even without a sanitizer; volatile,
    // or the compiler leaves out stores to what is about to be freed.
    ~Value() {
        for (volatile uint64_t& word : words) word = ~uint64_t{0};
    }
    std::array<uint64_t, 16> words;
};

TEST(PublishedConcurrency, NoReaderSeesAFreedValue) {
    Grace grace(kReaders);
    Published<Value> published;
    published.exchange(std::make_unique<const Value>(0));
    std::atomic<bool> done{false};
    std::array<uint64_t, kReaders> wrong{};

    std::vector<std::thread> readers;
    for (uint16_t id = 0; id < kReaders; ++id) {
        readers.emplace_back([&, id] {
            const WorkerId self{id};
            uint64_t before = 0;
            grace.online(self);
            for (uint64_t i = 0; i < kLookups || !done.load(std::memory_order_relaxed); ++i) {
                const Value* value = published.get();
                for (uint64_t word : value->words) wrong[id] += word != value->words[0];
                wrong[id] += value->words[0] < before || value->words[0] > kReplacements;
                before = value->words[0];
                grace.quiescent(self);
                // As a worker does that sleeps.
                if (i % 64 != id) continue;
                grace.offline(self);
                std::this_thread::yield();
                grace.online(self);
            }
            grace.offline(self);
        });
    }
    for (uint64_t i = 1; i <= kReplacements; ++i) {
        auto old = published.exchange(std::make_unique<const Value>(i));
        grace.wait();
    }
    done.store(true, std::memory_order_relaxed);
    for (auto& reader : readers) reader.join();
    for (uint64_t count : wrong) EXPECT_EQ(count, 0u);
    EXPECT_EQ(published.get()->words[0], kReplacements);
}

}  // namespace
}  // namespace sluice::path
