#include "path/capture.h"

#include <gtest/gtest.h>

#include <memory>

#include "path/counters.h"
#include "support/eal.h"
#include "support/packet.h"

namespace sluice::path {
namespace {

using test::Bytes;
using test::Packet;

constexpr WorkerId kWorker{1};
constexpr PortId kPort{7};

std::string text(const Bytes& bytes) { return std::string(bytes.begin(), bytes.end()); }

rte_mbuf* packet(const Bytes& frame, const std::vector<size_t>& chain = {}) {
    return test::to_guarded_mbuf(test::test_pool(), frame, chain);
}

class CaptureRingTest : public testing::Test {
 protected:
    bool push(const Bytes& frame, const std::vector<size_t>& chain = {}, const DropRecord* drop = nullptr) {
        rte_mbuf* m = packet(frame, chain);
        const bool done = ring_.push(drop == nullptr ? Captured::kToPort : Captured::kDropped, m, drop);
        rte_pktmbuf_free(m);
        return done;
    }

    CaptureRing ring_{1024};
    DropRecord drop_{};
};

TEST_F(CaptureRingTest, GivesBackWhatItTook) {
    EXPECT_FALSE(ring_.front());
    const uint64_t before = rte_get_tsc_cycles();
    ASSERT_TRUE(push(test::pattern(100), {1, 20}));
    const auto header = ring_.front();
    ASSERT_TRUE(header);
    EXPECT_GE(header->time, before);
    EXPECT_LE(header->time, rte_get_tsc_cycles());
    EXPECT_EQ(header->length, 100u);
    EXPECT_EQ(header->size, 100u);
    EXPECT_EQ(header->what, Captured::kToPort);
    EXPECT_EQ(ring_.pop(drop_), text(test::pattern(100)));
    EXPECT_FALSE(ring_.front());
}

TEST_F(CaptureRingTest, CarriesWhatIsKnownOfADrop) {
    DropRecord drop{};
    drop.reason = Drop::kTooBig;
    drop.object = 9;
    ASSERT_TRUE(push(test::pattern(60), {}, &drop));
    EXPECT_EQ(ring_.front()->what, Captured::kDropped);
    EXPECT_EQ(ring_.pop(drop_), text(test::pattern(60)));
    EXPECT_EQ(drop_.reason, Drop::kTooBig);
    EXPECT_EQ(drop_.object, 9u);
}

TEST_F(CaptureRingTest, WhatDoesNotFitIsLostAndCounted) {
    const size_t record = sizeof(CapturedHeader) + 400;
    ASSERT_LT(2 * record, 1024u);
    EXPECT_TRUE(push(test::pattern(400)));
    EXPECT_TRUE(push(test::pattern(400)));
    EXPECT_FALSE(push(test::pattern(400)));
    EXPECT_EQ(ring_.lost(), 1u);
    // A smaller one may fit still, to the last byte.
    EXPECT_TRUE(push(test::pattern(1024 - 2 * record - sizeof(CapturedHeader))));
    EXPECT_FALSE(push({}));
    EXPECT_EQ(ring_.lost(), 2u);
    EXPECT_EQ(ring_.pop(drop_).size(), 400u);
    EXPECT_TRUE(push(test::pattern(400)));
}

TEST_F(CaptureRingTest, RecordsGoOnAtTheBeginning) {
    for (size_t i = 0; i < 5000; ++i) {
        const Bytes frame = test::pattern(i * 37 % 700);
        ASSERT_TRUE(push(frame, {frame.size() / 3}));
        if (i % 3 == 0 && push(test::pattern(11))) {
            ASSERT_EQ(ring_.pop(drop_), text(frame));
            ASSERT_EQ(ring_.pop(drop_), text(test::pattern(11)));
        } else {
            ASSERT_EQ(ring_.pop(drop_), text(frame));
        }
    }
    EXPECT_FALSE(ring_.front());
}

// Of a frame that is longer the first bytes are kept, and its length.
TEST(CaptureRing, KeepsTheFirstBytesOfAVeryLongFrame) {
    CaptureRing ring(1 << 20);
    Bytes bytes(65'000, 3);
    rte_mbuf parts[5]{};
    for (int i = 0; i < 5; ++i) {
        parts[i].buf_addr = bytes.data();
        parts[i].data_len = static_cast<uint16_t>(bytes.size());
        parts[i].next = i < 4 ? &parts[i + 1] : nullptr;
    }
    parts[0].pkt_len = 5 * 65'000;
    parts[0].nb_segs = 5;
    ASSERT_TRUE(ring.push(Captured::kFromPort, &parts[0], nullptr));
    EXPECT_EQ(ring.front()->length, 5u * 65'000);
    DropRecord drop;
    EXPECT_EQ(ring.pop(drop), std::string(kMaxCaptured, 3));
}

TEST(Capture, DropsGoToTheWorkersRingAsFarAsTheFilterLetsThem) {
    Capture all("", *wire::Filter::compile(""), 2, 4096);
    Capture arp("", *wire::Filter::compile("arp"), 2, 4096);
    const std::vector<Capture*> captures{&all, &arp};
    const auto counters = std::make_unique<Counters>();
    const Bytes frame = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(300);
    rte_mbuf* m = packet(frame);
    auto drop = [&] {
        counters->drop(kPort, Drop::kTooBig, m, {.ingress = PortId{3}, .egress = kPort, .object = 5});
    };

    drop();
    EXPECT_FALSE(all.ring(kWorker).front());
    counters->log.capture_to(captures, kWorker);
    drop();
    counters->drop(kPort, Drop::kNoBuffer, nullptr, {.egress = kPort});
    ASSERT_TRUE(all.ring(kWorker).front());
    EXPECT_FALSE(all.ring(WorkerId{0}).front());
    EXPECT_FALSE(arp.ring(kWorker).front());
    DropRecord record{};
    EXPECT_EQ(all.ring(kWorker).pop(record), text(frame));
    EXPECT_EQ(record.reason, Drop::kTooBig);
    EXPECT_EQ(record.port, kPort);
    EXPECT_EQ(record.ingress, PortId{3});
    EXPECT_EQ(record.object, 5u);
    EXPECT_EQ(record.length, frame.size());
    EXPECT_FALSE(all.ring(kWorker).front());

    counters->log.capture_to({}, kWorker);
    drop();
    EXPECT_FALSE(all.ring(kWorker).front());
    EXPECT_EQ(counters->totals.dropped[static_cast<size_t>(Drop::kTooBig)].get(), 3u);
    rte_pktmbuf_free(m);
}

TEST(Capture, CountsWhatAllWorkersLost) {
    Capture capture("web", *wire::Filter::compile(""), 3, 64);
    rte_mbuf* m = packet(test::pattern(100));
    for (uint16_t worker = 0; worker < 3; ++worker) {
        EXPECT_FALSE(capture.ring(WorkerId{worker}).push(Captured::kFromPort, m, nullptr));
    }
    EXPECT_EQ(capture.lost(), 3u);
    rte_pktmbuf_free(m);
}

}  // namespace
}  // namespace sluice::path
