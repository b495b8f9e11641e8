#include "port/egress.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "port/ethdev.h"
#include "support/opening.h"
#include "support/pools.h"
#include "support/rings.h"

namespace sluice::port {
namespace {

using path::Drop;
using path::PortId;
using test::Bytes;
using test::Packet;
using test::Unfinished;

constexpr PortId kA{0};
constexpr PortId kB{1};
constexpr PortId kC{2};
constexpr PortId kOwn{9};

// A way out with the capabilities that a test asks for, which no device that DPDK makes in memory
// offers: it keeps the frames as they reach it.
class KeepingPort final : public Port {
 public:
    explicit KeepingPort(Capabilities capabilities, uint16_t mtu = 1500)
        : Port(kOwn, {.name = "keeping", .mtu = mtu}) {
        capabilities_ = capabilities;
    }
    ~KeepingPort() override {
        for (rte_mbuf* packet : kept) rte_pktmbuf_free(packet);
    }
    base::Result<void> open() override { return {}; }
    void close() noexcept override {}
    base::Result<void> configure(const PortConfig&) override { return {}; }
    base::Result<void> check() override { return {}; }
    uint16_t receive_queues() const noexcept override { return 0; }
    Wake wake(uint16_t) const noexcept override { return Wake::kNever; }
    int descriptor(uint16_t) const noexcept override { return -1; }
    Received receive(uint16_t, rte_mbuf**, uint16_t, path::Counters&) noexcept override {
        return {0, false};
    }
    void transmit(path::WorkerId, rte_mbuf** packets, uint16_t count, uint32_t bytes,
                  path::Counters& counters) noexcept override {
        bursts.push_back(count);
        kept.insert(kept.end(), packets, packets + count);
        counters.transmit(id(), count, bytes);
    }
    nlohmann::json describe() const override { return {}; }
    std::string interface() const override { return "keeping"; }

    std::vector<rte_mbuf*> kept;
    std::vector<uint16_t> bursts;
};

class EgressTest : public testing::Test {
 protected:
    void SetUp() override {
        for (Ethdev* port : {&a_, &b_, &c_}) ASSERT_TRUE(test::open_at_last(*port)) << port->config().name;
    }
    void TearDown() override {
        for (test::RingDevice* ring : {&ring_a_, &ring_b_, &ring_c_}) ring->drain();
        EXPECT_TRUE(test::are_full(pools_));
    }

    rte_mbuf* packet(const Bytes& bytes, const std::vector<size_t>& chain = {}) {
        return test::to_mbuf(pools_.buffers, bytes, chain);
    }
    // A segment as a TAP reads it: the first part in a buffer, the rest in a large one.
    rte_mbuf* segment(const Bytes& bytes, const Unfinished& what) {
        rte_mbuf* head = test::to_mbuf(pools_.buffers, Bytes(bytes.begin(), bytes.begin() + 1000));
        rte_mbuf* rest = test::to_mbuf(pools_.large, Bytes(bytes.begin() + 1000, bytes.end()));
        rte_pktmbuf_chain(head, rest);
        test::mark(head, what);
        return head;
    }
    static std::vector<Bytes> sent(test::RingDevice& ring) {
        std::vector<Bytes> frames;
        while (rte_mbuf* frame = ring.take()) {
            EXPECT_EQ(frame->pkt_len, test::bytes_of(frame).size());
            frames.push_back(test::bytes_of(frame));
            rte_pktmbuf_free(frame);
        }
        return frames;
    }
    uint64_t dropped(PortId id, Drop reason) const {
        return counters_.port(id).dropped[static_cast<size_t>(reason)].get();
    }
    uint64_t made() const { return counters_.totals.made.get(); }

    const Pools& pools_ = test::switch_pools();
    const Context context_{pools_, 1, "test"};
    test::RingDevice ring_a_{"a"};
    test::RingDevice ring_b_{"b"};
    test::RingDevice ring_c_{"c"};
    Ethdev a_{kA, {.name = "a", .device = "net_ring_a"}, context_};
    Ethdev b_{kB, {.name = "b", .device = "net_ring_b"}, context_};
    Ethdev c_{kC, {.name = "c", .device = "net_ring_c"}, context_};
    path::Counters counters_;
    Egress egress_{path::WorkerId{0}, pools_, counters_};
};

Packet tcp(uint32_t sequence = 1, uint16_t id = 1) {
    return Packet().eth().ipv4("10.0.0.1", "10.0.0.2").id(id).tcp(1234, 80, test::kAck, sequence);
}

Bytes slice(const Bytes& bytes, size_t begin, size_t size) {
    const auto from = bytes.begin() + static_cast<ptrdiff_t>(begin);
    return Bytes(from, from + static_cast<ptrdiff_t>(std::min(size, bytes.size() - begin)));
}

// What a TCP segment of that payload must become.
std::vector<Bytes> pieces(const Bytes& payload, uint32_t size) {
    std::vector<Bytes> frames;
    for (uint32_t begin = 0; begin < payload.size(); begin += size) {
        frames.push_back(tcp(1 + begin, static_cast<uint16_t>(1 + begin / size))
                             .payload(slice(payload, begin, size)));
    }
    return frames;
}

TEST_F(EgressTest, NothingLeavesBeforeFlush) {
    const Bytes frame = tcp().payload(100);
    egress_.send(a_, packet(frame));
    EXPECT_TRUE(sent(ring_a_).empty());
    egress_.flush();
    EXPECT_EQ(sent(ring_a_), std::vector<Bytes>{frame});
    EXPECT_EQ(counters_.port(kA).transmitted.packets.get(), 1u);
    EXPECT_EQ(counters_.port(kA).transmitted.bytes.get(), frame.size());
}

TEST_F(EgressTest, AFullBufferLeavesAtOnceAndInOrder) {
    std::vector<Bytes> frames;
    for (uint32_t i = 0; i < path::kBatchSize + 1u; ++i) {
        frames.push_back(tcp(i).payload(10));
        egress_.send(a_, packet(frames.back()));
    }
    auto first = sent(ring_a_);
    EXPECT_EQ(first.size(), path::kBatchSize);
    egress_.flush();
    for (auto& frame : sent(ring_a_)) first.push_back(frame);
    EXPECT_EQ(first, frames);
}

TEST_F(EgressTest, EachPortGetsItsOwn) {
    egress_.send(a_, packet(tcp(1).payload(10)));
    egress_.send(b_, packet(tcp(2).payload(10)));
    egress_.send(a_, packet(tcp(3).payload(10)));
    egress_.flush();
    EXPECT_EQ(sent(ring_a_), (std::vector<Bytes>{tcp(1).payload(10), tcp(3).payload(10)}));
    EXPECT_EQ(sent(ring_b_), (std::vector<Bytes>{tcp(2).payload(10)}));
    egress_.flush();
    EXPECT_TRUE(sent(ring_a_).empty());
}

TEST_F(EgressTest, CutsASegmentForAPortThatCannot) {
    const Bytes payload = test::pattern(10'000);
    egress_.send(a_, segment(tcp().payload(payload), {.segment_size = 1448}));
    egress_.flush();
    EXPECT_EQ(sent(ring_a_), pieces(payload, 1448));
    EXPECT_EQ(made(), 6u);
    EXPECT_EQ(counters_.totals.transmitted.get(), 7u);
}

TEST_F(EgressTest, CutsIntoJumboFramesForAPortThatTakesThem) {
    test::RingDevice ring("jumbo");
    Ethdev port(kOwn, {.name = "jumbo", .device = "net_ring_jumbo", .mtu = 9000}, context_);
    ASSERT_TRUE(test::open_at_last(port));
    const Bytes payload = test::pattern(30'000);
    egress_.send(port, segment(tcp().payload(payload), {.segment_size = 8960}));
    egress_.flush();
    EXPECT_EQ(sent(ring), pieces(payload, 8960));
    EXPECT_EQ(made(), 3u);
    EXPECT_EQ(dropped(kOwn, Drop::kNoBuffer), 0u);
}

TEST_F(EgressTest, MissingPiecesAreCountedAsDropped) {
    const Bytes payload = test::pattern(10'000);
    {
        rte_mbuf* whole = segment(tcp().payload(payload), {.segment_size = 1448});
        const test::Shortage shortage(pools_.buffers, 3);
        egress_.send(a_, whole);
        egress_.flush();
        EXPECT_EQ(sent(ring_a_).size(), 3u);
    }
    EXPECT_EQ(dropped(kA, Drop::kNoBuffer), 4u);
    EXPECT_EQ(made(), 6u);
    EXPECT_EQ(1 + made(), counters_.totals.transmitted.get() + 4);
}

TEST_F(EgressTest, PassesASegmentWholeToAPortThatTakesThem) {
    KeepingPort port({.checksums = true, .tcp_segments = true, .chained = true});
    const Bytes frame = tcp().payload(10'000).unfinished();
    rte_mbuf* whole = segment(frame, {.segment_size = 1448});
    egress_.send(port, whole);
    egress_.flush();
    ASSERT_EQ(port.kept, std::vector{whole});
    EXPECT_EQ(test::bytes_of(whole), frame);
    EXPECT_NE(whole->ol_flags & RTE_MBUF_F_TX_TCP_SEG, 0u);
    EXPECT_EQ(made(), 0u);
}

TEST_F(EgressTest, ASegmentOfPiecesTooLongForThePortIsTooBig) {
    egress_.send(a_, segment(tcp().payload(10'000), {.segment_size = 1461}));
    KeepingPort port({.checksums = true, .tcp_segments = true, .chained = true});
    egress_.send(port, segment(tcp().payload(10'000), {.segment_size = 1461}));
    egress_.flush();
    EXPECT_TRUE(sent(ring_a_).empty());
    EXPECT_TRUE(port.kept.empty());
    EXPECT_EQ(dropped(kA, Drop::kTooBig), 1u);
    EXPECT_EQ(dropped(kOwn, Drop::kTooBig), 1u);
}

TEST_F(EgressTest, FinishesChecksumsForAPortThatCannot) {
    struct Case {
        Packet packet;
        Unfinished what;
    };
    const Case cases[] = {
        {tcp().payload(333), {}},
        {Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(5, 6).payload(77),
         {.l4_len = 8, .udp = true}},
        {Packet().eth().vlan(7).ipv6("fd00::1", "fd00::2").tcp(5, 6).payload(501),
         {.l2_len = 18, .l3_len = 40, .ipv6 = true}},
        {Packet().eth().ipv6("fd00::1", "fd00::2").udp(5, 6).payload(0),
         {.l3_len = 40, .l4_len = 8, .ipv6 = true, .udp = true}},
    };
    for (const Case& c : cases) {
        rte_mbuf* m = packet(Packet(c.packet).unfinished());
        test::mark(m, c.what);
        egress_.send(a_, m);
        egress_.flush();
        EXPECT_EQ(sent(ring_a_), std::vector<Bytes>{c.packet});
    }
}

TEST_F(EgressTest, LeavesChecksumsToAPortThatFinishesThem) {
    KeepingPort port({.checksums = true});
    const Bytes frame = tcp().payload(333).unfinished();
    rte_mbuf* m = packet(frame);
    test::mark(m, {});
    egress_.send(port, m);
    egress_.flush();
    ASSERT_EQ(port.kept, std::vector{m});
    EXPECT_EQ(test::bytes_of(m), frame);
    EXPECT_EQ(m->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_TCP_CKSUM);
}

TEST_F(EgressTest, MakesAChainLinearForAPortThatTakesNone) {
    KeepingPort port({}, 9000);
    const Bytes frame = tcp().payload(1400);
    const Bytes large = tcp().payload(8900);
    egress_.send(port, packet(frame, {14, 20, 700}));
    egress_.send(port, packet(large));
    egress_.flush();
    ASSERT_EQ(port.kept.size(), 2u);
    EXPECT_EQ(test::bytes_of(port.kept[0]), frame);
    EXPECT_EQ(test::bytes_of(port.kept[1]), large);
    for (rte_mbuf* m : port.kept) EXPECT_EQ(m->nb_segs, 1);
    EXPECT_EQ(made(), 0u);
}

TEST_F(EgressTest, AChainWithoutRoomToBeLinearIsDropped) {
    KeepingPort port({});
    {
        rte_mbuf* chain = packet(tcp().payload(1400), {700});
        const test::Shortage shortage(pools_.buffers, 0);
        egress_.send(port, chain);
    }
    egress_.flush();
    EXPECT_TRUE(port.kept.empty());
    EXPECT_EQ(dropped(kOwn, Drop::kNoBuffer), 1u);
}

TEST_F(EgressTest, AChainReachesAPortThatTakesItAsItIs) {
    KeepingPort port({.chained = true});
    rte_mbuf* chain = packet(tcp().payload(1400), {14, 20, 700});
    egress_.send(port, chain);
    egress_.flush();
    EXPECT_EQ(port.kept, std::vector{chain});
    EXPECT_EQ(chain->nb_segs, 4);
}

TEST_F(EgressTest, TheLongestFrameIsTheMtuAndAnEthernetHeader) {
    const Bytes longest = Packet().eth().payload(1500);
    egress_.send(a_, packet(longest));
    egress_.send(a_, packet(Packet().eth().payload(1501)));
    egress_.flush();
    EXPECT_EQ(sent(ring_a_), std::vector<Bytes>{longest});
    EXPECT_EQ(dropped(kA, Drop::kTooBig), 1u);
}

TEST_F(EgressTest, AVlanTagDoesNotCountTowardsTheMtu) {
    const Bytes tagged = Packet().eth().vlan(5).payload(1500);
    const Bytes service = Packet().eth().vlan(5, 0x88a8).payload(1500);
    egress_.send(a_, packet(tagged));
    egress_.send(a_, packet(service));
    egress_.send(a_, packet(Packet().eth().vlan(5).payload(1501)));
    egress_.flush();
    EXPECT_EQ(sent(ring_a_), (std::vector<Bytes>{tagged, service}));
    EXPECT_EQ(dropped(kA, Drop::kTooBig), 1u);
}

TEST_F(EgressTest, FloodReachesAllButOne) {
    const Bytes frame = tcp().payload(100);
    egress_.flood({{&a_}, {&b_}, {&c_}}, &b_, 0, packet(frame), {.ingress = kA});
    egress_.flush();
    EXPECT_EQ(sent(ring_a_), std::vector<Bytes>{frame});
    EXPECT_TRUE(sent(ring_b_).empty());
    EXPECT_EQ(sent(ring_c_), std::vector<Bytes>{frame});
    EXPECT_EQ(made(), 1u);
}

TEST_F(EgressTest, FloodToNobodyIsDroppedAtTheIngress) {
    egress_.flood({{&a_}}, &a_, 0, packet(tcp().payload(100)), {.ingress = kA});
    EXPECT_EQ(dropped(kA, Drop::kNoMember), 1u);
    EXPECT_EQ(made(), 0u);
}

TEST_F(EgressTest, FloodedCopiesAreFinishedOnceForAll) {
    KeepingPort port({.checksums = true});
    rte_mbuf* m = packet(tcp().payload(333).unfinished());
    test::mark(m, {});
    egress_.flood({{&a_}, {&port}, {&b_}}, &c_, 0, m, {.ingress = kA});
    egress_.flush();
    const Bytes finished = tcp().payload(333);
    EXPECT_EQ(sent(ring_a_), std::vector<Bytes>{finished});
    EXPECT_EQ(sent(ring_b_), std::vector<Bytes>{finished});
    ASSERT_EQ(port.kept.size(), 1u);
    EXPECT_EQ(test::bytes_of(port.kept[0]), finished);
    EXPECT_EQ(port.kept[0]->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0u);
}

TEST_F(EgressTest, AFloodedSegmentIsCutWhereNeedBe) {
    KeepingPort whole({.checksums = true, .tcp_segments = true, .chained = true});
    const Bytes payload = test::pattern(4000);
    const Bytes frame = tcp().payload(payload).unfinished();
    egress_.flood({{&a_}, {&whole}, {&b_}}, &c_, 0, segment(frame, {.segment_size = 1448}), {.ingress = kA});
    egress_.flush();
    EXPECT_EQ(sent(ring_a_), pieces(payload, 1448));
    EXPECT_EQ(sent(ring_b_), pieces(payload, 1448));
    ASSERT_EQ(whole.kept.size(), 1u);
    EXPECT_EQ(test::bytes_of(whole.kept[0]), frame);
    EXPECT_EQ(made(), 2u + 2u + 2u);  // two copies; two pieces more, twice
    EXPECT_EQ(1 + made(), counters_.totals.transmitted.get());
}

TEST_F(EgressTest, ACopyWithoutABufferIsMadeAndDropped) {
    {
        rte_mbuf* m = packet(tcp().payload(100));
        const test::Shortage shortage(pools_.buffers, 0);
        egress_.flood({{&a_}, {&b_}, {&c_}}, nullptr, 0, m, {.ingress = kA});
    }
    egress_.flush();
    EXPECT_EQ(sent(ring_c_).size(), 1u);
    EXPECT_EQ(dropped(kA, Drop::kNoBuffer), 1u);
    EXPECT_EQ(dropped(kB, Drop::kNoBuffer), 1u);
    EXPECT_EQ(made(), 2u);
}

// A batch of broadcasts in a large network must not hold the pool's every buffer.
TEST_F(EgressTest, FloodingManyFlushesInBetween) {
    const std::vector<Exit> members{{&a_}, {&b_}, {&c_}};
    const test::Shortage shortage(pools_.buffers, 1200);
    for (int i = 0; i < 1000; ++i) {
        rte_mbuf* m = packet(tcp(static_cast<uint32_t>(i)).payload(10));
        ASSERT_NE(m, nullptr);
        egress_.flood(members, nullptr, 0, m, {.ingress = kA});
        // The receivers keep up.
        for (test::RingDevice* ring : {&ring_a_, &ring_b_, &ring_c_}) ring->drain();
    }
    egress_.flush();
    for (PortId id : {kA, kB, kC}) {
        EXPECT_EQ(dropped(id, Drop::kNoBuffer), 0u);
        EXPECT_EQ(counters_.port(id).transmitted.packets.get(), 1000u);
    }
    EXPECT_EQ(made(), 2000u);
}

TEST_F(EgressTest, WhatAPortTakesNoneOfIsNotSentTwice) {
    KeepingPort port({.chained = true});
    for (int i = 0; i < 3; ++i) {
        egress_.send(port, packet(tcp().payload(10)));
        egress_.flush();
    }
    egress_.flush();
    EXPECT_EQ(port.bursts, (std::vector<uint16_t>{1, 1, 1}));
}

}  // namespace
}  // namespace sluice::port
