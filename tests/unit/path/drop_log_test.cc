#include "path/drop_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "path/batch.h"
#include "path/came_by.h"
#include "support/eal.h"
#include "support/packet.h"

namespace sluice::path {
namespace {

using test::Bytes;
using test::Packet;

constexpr PortId kPort{7};

Bytes kept(const DropRecord& record) {
    return Bytes(record.bytes.begin(), record.bytes.begin() + record.size);
}

class DropLogTest : public testing::Test {
 protected:
    void record(const Bytes& frame, const std::vector<size_t>& chain = {}, const DropSite& site = {},
                Drop reason = Drop::kRunt) {
        rte_mbuf* packet = test::to_guarded_mbuf(test::test_pool(), frame, chain);
        log_->record(kPort, reason, packet, site);
        rte_pktmbuf_free(packet);
    }
    DropRecord last() const { return log_->recent().back(); }

    std::unique_ptr<DropLog> log_ = std::make_unique<DropLog>();
};

TEST_F(DropLogTest, IsEmptyAtFirst) { EXPECT_TRUE(log_->recent().empty()); }

TEST_F(DropLogTest, TellsWhatItWasTold) {
    const Bytes frame = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(100);
    log_->set_time(12345);
    record(frame, {}, {PortId{1}, PortId{2}, NetworkId{3}, 4, 5}, Drop::kTooBig);
    ASSERT_EQ(log_->recent().size(), 1u);
    const DropRecord found = last();
    EXPECT_EQ(found.time, 12345u);
    EXPECT_EQ(found.port, kPort);
    EXPECT_EQ(found.ingress, PortId{1});
    EXPECT_EQ(found.egress, PortId{2});
    EXPECT_EQ(found.network, NetworkId{3});
    EXPECT_EQ(found.object, 4u);
    EXPECT_EQ(found.count, 5u);
    EXPECT_EQ(found.reason, Drop::kTooBig);
    EXPECT_EQ(found.length, frame.size());
    EXPECT_EQ(kept(found), Bytes(frame.begin(), frame.begin() + DropRecord::kBytes));
}

TEST_F(DropLogTest, KeepsNoMoreThanThereIs) {
    for (size_t size : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{79}, size_t{80}, size_t{81}}) {
        record(test::pattern(200));
        record(test::pattern(size));
        const DropRecord found = last();
        EXPECT_EQ(found.length, size);
        EXPECT_EQ(kept(found), test::pattern(std::min(size, DropRecord::kBytes)));
        EXPECT_TRUE(std::all_of(found.bytes.begin() + found.size, found.bytes.end(),
                                [](uint8_t byte) { return byte == 0; }));
    }
}

// The slot's bytes are another record's still where the new one is shorter.
TEST_F(DropLogTest, ARecordShowsNothingOfTheOneBefore) {
    for (size_t i = 0; i < DropLog::kSize; ++i) record(test::pattern(200));
    record(test::pattern(13));
    const DropRecord found = last();
    EXPECT_EQ(kept(found), test::pattern(13));
    EXPECT_TRUE(std::all_of(found.bytes.begin() + 13, found.bytes.end(),
                            [](uint8_t byte) { return byte == 0; }));
}

TEST_F(DropLogTest, ReadsChains) {
    for (const std::vector<size_t>& chain : {std::vector<size_t>{1, 1, 1}, {14}, {79}, {0, 40, 40}}) {
        record(test::pattern(150), chain);
        EXPECT_EQ(last().length, 150u);
        EXPECT_EQ(kept(last()), test::pattern(DropRecord::kBytes));
    }
}

TEST_F(DropLogTest, WithoutAPacketThereAreNoBytes) {
    log_->record(kPort, Drop::kNoBuffer, nullptr, {.count = 3});
    EXPECT_EQ(last().length, 0u);
    EXPECT_EQ(last().size, 0u);
    EXPECT_EQ(last().count, 3u);
}

TEST_F(DropLogTest, ThePortIsTheOneOfTheReasonWhereNoneIsGiven) {
    log_->record(kPort, Drop::kMalformedOffload, nullptr, {});
    EXPECT_EQ(last().ingress, kPort);
    EXPECT_EQ(last().egress, kNoPort);
    log_->record(kPort, Drop::kTransmitFull, nullptr, {});
    EXPECT_EQ(last().ingress, kNoPort);
    EXPECT_EQ(last().egress, kPort);
    log_->record(kPort, Drop::kNoBuffer, nullptr, {.ingress = kPort});
    EXPECT_EQ(last().ingress, kPort);
    EXPECT_EQ(last().egress, kNoPort);
}

// A port of ours writes its number into the mbuf, a driver that of its device.
TEST_F(DropLogTest, ThePortThatAPacketCameByIsKnownOnTheWayOut) {
    const auto ingress_of = [&](auto set) {
        rte_mbuf* packet = test::to_mbuf(test::test_pool(), test::pattern(60));
        set(packet);
        log_->record(kPort, Drop::kTransmitFull, packet, {});
        rte_pktmbuf_free(packet);
        EXPECT_EQ(last().egress, kPort);
        return last().ingress;
    };
    EXPECT_EQ(ingress_of([](rte_mbuf*) {}), kNoPort);
    EXPECT_EQ(ingress_of([](rte_mbuf* packet) { set_came_by(packet, PortId{kMaxPorts - 1}); }), PortId{kMaxPorts - 1});
    EXPECT_EQ(ingress_of([](rte_mbuf* packet) { packet->port = 3; }), kNoPort);
    set_port_of_device(3, PortId{0});
    EXPECT_EQ(ingress_of([](rte_mbuf* packet) { packet->port = 3; }), PortId{0});
    set_port_of_device(3, kNoPort);
    EXPECT_EQ(ingress_of([](rte_mbuf* packet) { packet->port = 3; }), kNoPort);
}

TEST_F(DropLogTest, TheOldestGivesWay) {
    for (uint32_t i = 0; i < DropLog::kSize + 10; ++i) {
        log_->record(kPort, Drop::kRunt, nullptr, {.object = i});
    }
    const auto found = log_->recent();
    ASSERT_EQ(found.size(), DropLog::kSize);
    for (uint32_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].object, i + 10);
}

// What a batch's metadata held before is not to be told.
TEST(DropSite, TellsTheEgressPortOnlyWhereItWasFound) {
    Meta meta{};
    meta.ingress = PortId{1};
    meta.egress = PortId{2};
    meta.network = NetworkId{3};
    EXPECT_EQ(drop_site(meta, Drop::kSamePort).egress, PortId{2});
    EXPECT_EQ(drop_site(meta, Drop::kRunt).egress, kNoPort);
    EXPECT_EQ(drop_site(meta, Drop::kRunt).ingress, PortId{1});
    EXPECT_EQ(drop_site(meta, Drop::kRunt).network, NetworkId{3});
    EXPECT_EQ(drop_site(meta, Drop::kRunt, 9).object, 9u);
}

}  // namespace
}  // namespace sluice::path
