// The control thread, a worker that sends and workers that receive share the table of probes without a lock.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "service/probes.h"
#include "wire/headers.h"

namespace sluice::service {
namespace {

TEST(ProbesConcurrency, EachProbeHasOneOutcomeAndOneReset) {
    constexpr int kProbes = 2000;
    constexpr uint32_t kNumber = 3;
    const IpAddress backend = IpAddress::from_v4(0x0a00'0002);
    const IpAddress own = IpAddress::from_v4(0x0a00'00fe);
    ProbeTargets targets{.list = std::vector<ProbeTarget>(kNumber + 1)};
    targets.list[kNumber] = {.address = backend, .port = 80};
    Probes probes;
    std::atomic<uint64_t> sent{0};  // the last SYN: its port, and its sequence number
    std::atomic<bool> is_over{false};
    std::atomic<int> resets{0};

    std::vector<std::thread> workers;
    workers.emplace_back([&] {
        while (!is_over.load(std::memory_order_relaxed)) {
            std::this_thread::yield();
            const auto pending = probes.pending(kNumber);
            if (!pending || !probes.mark_sent(kNumber, *pending, own)) continue;
            sent.store(uint64_t{pending->port} << 32 | pending->sequence, std::memory_order_relaxed);
        }
    });
    for (int i = 0; i < 2; ++i) {
        workers.emplace_back([&] {
            while (!is_over.load(std::memory_order_relaxed)) {
                const uint64_t syn = sent.load(std::memory_order_relaxed);
                const ProbeTuple tuple{backend, own, 80, static_cast<uint16_t>(syn >> 32)};
                const ProbeSegment segment{.flags = wire::TcpHeader::kSyn | wire::TcpHeader::kAck,
                                           .acknowledgement = static_cast<uint32_t>(syn) + 1};
                const auto answered = probes.answer(targets, tuple, segment);
                if (answered && answered->reply.kind == ProbeReply::Kind::kReset) ++resets;
                std::this_thread::yield();
            }
        });
    }
    int connected = 0;
    for (int i = 0; i < kProbes; ++i) {
        ASSERT_TRUE(probes.begin(kNumber));
        std::optional<Outcome> outcome;
        for (int patience = i % 16; patience > 0 && !outcome; --patience) {
            outcome = probes.take(kNumber);
            std::this_thread::yield();
        }
        if (!outcome) outcome = probes.give_up(kNumber).outcome;
        if (!outcome) continue;
        const bool is_connected = outcome->result == ProbeResult::kConnected;
        EXPECT_TRUE(is_connected || outcome->result == ProbeResult::kTimeout);
        connected += is_connected ? 1 : 0;
    }
    is_over = true;
    for (std::thread& worker : workers) worker.join();
    EXPECT_EQ(resets, connected);
    EXPECT_GT(connected, 0);
}

}  // namespace
}  // namespace sluice::service
