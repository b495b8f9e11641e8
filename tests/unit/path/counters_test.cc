#include "path/counters.h"

#include <gtest/gtest.h>

#include <memory>

namespace sluice::path {
namespace {

constexpr PortId kFirst{0};
constexpr PortId kLast{kMaxPorts - 1};

uint64_t dropped(const PortCounters& port, Drop reason) {
    return port.dropped[static_cast<size_t>(reason)].get();
}

TEST(Counters, StartAtZeroForEveryPort) {
    const Counters counters;
    for (PortId id : {kFirst, kLast}) {
        const PortCounters& port = counters.port(id);
        for (const Traffic& queue : port.received) EXPECT_EQ(queue.packets.get(), 0u);
        EXPECT_EQ(port.transmitted.bytes.get(), 0u);
        for (const Counter& reason : port.dropped) EXPECT_EQ(reason.get(), 0u);
    }
    EXPECT_EQ(counters.totals.received.get(), 0u);
}

TEST(Counters, ReceiveCountsItsQueueAndTheTotal) {
    Counters counters;
    counters.receive(kLast, 3, 2, 128);
    counters.receive(kLast, kMaxQueues - 1, 1, 64);
    counters.receive(kFirst, 3, 5, 500);
    EXPECT_EQ(counters.port(kLast).received[3].packets.get(), 2u);
    EXPECT_EQ(counters.port(kLast).received[3].bytes.get(), 128u);
    EXPECT_EQ(counters.port(kLast).received[kMaxQueues - 1].packets.get(), 1u);
    EXPECT_EQ(counters.port(kLast).received[0].packets.get(), 0u);
    EXPECT_EQ(counters.port(kFirst).received[3].packets.get(), 5u);
    EXPECT_EQ(counters.totals.received.get(), 8u);
}

TEST(Counters, TransmitCountsThePortAndTheTotal) {
    Counters counters;
    counters.transmit(kFirst, 2, 200);
    counters.transmit(kLast, 3, 300);
    EXPECT_EQ(counters.port(kFirst).transmitted.packets.get(), 2u);
    EXPECT_EQ(counters.port(kLast).transmitted.bytes.get(), 300u);
    EXPECT_EQ(counters.totals.transmitted.get(), 5u);
}

TEST(Counters, DropCountsItsReasonAndNoOther) {
    Counters counters;
    counters.drop(kFirst, Drop::kTooBig, nullptr, {.count = 4});
    counters.drop(kFirst, Drop::kRunt, nullptr);
    for (size_t i = 0; i < kDropCount; ++i) {
        const auto reason = static_cast<Drop>(i);
        const uint64_t expected = reason == Drop::kTooBig ? 4 : reason == Drop::kRunt ? 1 : 0;
        EXPECT_EQ(dropped(counters.port(kFirst), reason), expected) << text(reason).name;
        EXPECT_EQ(counters.totals.dropped[i].get(), expected) << text(reason).name;
        EXPECT_EQ(dropped(counters.port(kLast), reason), 0u);
    }
}

TEST(Counters, ResetClearsThePortAndKeepsTheTotals) {
    Counters counters;
    counters.receive(kFirst, 1, 2, 128);
    counters.transmit(kFirst, 2, 200);
    counters.drop(kFirst, Drop::kRunt, nullptr);
    counters.port(kFirst).reset();
    EXPECT_EQ(counters.port(kFirst).received[1].packets.get(), 0u);
    EXPECT_EQ(counters.port(kFirst).transmitted.packets.get(), 0u);
    EXPECT_EQ(dropped(counters.port(kFirst), Drop::kRunt), 0u);
    EXPECT_EQ(counters.totals.received.get(), 2u);
    EXPECT_EQ(counters.totals.transmitted.get(), 2u);
}

TEST(Counters, PortsShareNoCacheLine) {
    Counters counters;
    EXPECT_EQ(sizeof(PortCounters) % 64, 0u);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(&counters.port(kLast)) % 64, 0u);
}

}  // namespace
}  // namespace sluice::path
