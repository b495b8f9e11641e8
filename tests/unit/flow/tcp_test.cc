#include "flow/tcp.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <cstring>
#include <string>
#include <vector>

#include "flow/flow_table.h"
#include "support/eal.h"
#include "support/packet.h"

namespace sluice::flow {
namespace {

using Tcp = wire::TcpHeader;
using test::Bytes;
using test::Packet;

constexpr uint8_t kSyn = Tcp::kSyn, kAck = Tcp::kAck, kFin = Tcp::kFin, kRst = Tcp::kRst;
constexpr uint32_t kClient = 0xffff'ff00;  // first numbers: one that soon wraps
constexpr uint32_t kServer = 5000;

// A segment, with numbers relative to those that its connection begins with.
struct Said {
    bool by_client;
    uint8_t flags;
    uint32_t sequence;
    uint32_t ack;
    uint32_t size = 0;
    uint16_t window = 1000;
    int scale = -1;  // of a SYN
};
constexpr bool kC = true, kS = false;

// The two ends of one connection, whose segments go through a flow table.
class Wire {
 public:
    Wire() { open(); }

    void open() { table_.add(tuple(kC), decision(), Tracking::kConnection, now, path::WorkerId{0}); }

    // False if the segment begins another connection.
    bool say(const Said& said) {
        const Bytes frame = bytes(said);
        rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), frame, chain);
        path::Connection connection{};
        path::read_connection(m, {}, connection);
        EXPECT_EQ(connection.kind, path::PacketKind::kConnection);
        const uint32_t index = table_.find(tuple(said.by_client));
        EXPECT_TRUE(table_.is(table_.record(index), connection));
        const bool tracked =
            table_.track_judged(table_.record(index), connection, m, static_cast<uint32_t>(frame.size()), now);
        rte_pktmbuf_free(m);
        return tracked;
    }
    void say_all(const std::vector<Said>& segments) {
        for (const Said& said : segments) EXPECT_TRUE(say(said));
    }
    State state() {
        State state{};
        table_.for_each(now, [&](const Listed& flow) { state = flow.state; });
        return state;
    }
    Seconds idle() {
        Seconds idle = 0;
        table_.for_each(now, [&](const Listed& flow) { idle = flow.idle; });
        return idle;
    }
    uint64_t packets() {
        uint64_t packets = 0;
        table_.for_each(now, [&](const Listed& flow) {
            packets = flow.directions[0].packets + flow.directions[1].packets;
        });
        return packets;
    }
    Table& table() { return table_; }
    path::Tuple tuple(bool by_client) const {
        const Bytes frame = bytes({by_client, kSyn, 0, 0});
        rte_mbuf* m = test::to_mbuf(test::test_pool(), frame);
        path::Connection connection{};
        path::read_connection(m, {}, connection);
        const path::Tuple tuple = connection.tuple();
        rte_pktmbuf_free(m);
        return tuple;
    }
    static Decision decision() {
        return {.generation = 1,
                .ingress = path::PortId{1},
                .egress = path::PortId{2},
                .verdict = Verdict::kAllow};
    }

    Seconds now = 100;
    bool ipv6 = false;
    std::vector<size_t> chain;

 private:
    Bytes bytes(const Said& said) const {
        const bool c = said.by_client;
        Packet packet = Packet().eth();
        if (ipv6) {
            packet.ipv6(c ? "fd00::1" : "fd00::2", c ? "fd00::2" : "fd00::1");
        } else {
            packet.ipv4(c ? "10.0.0.1" : "10.0.0.2", c ? "10.0.0.2" : "10.0.0.1");
        }
        packet.tcp(c ? 40000 : 80, c ? 80 : 40000, said.flags, (c ? kClient : kServer) + said.sequence);
        if (said.scale >= 0) packet.options(4);
        Bytes frame = packet.payload(said.size).bytes();
        const size_t l4 = ipv6 ? 54 : 34;
        const wire::be32 ack((c ? kServer : kClient) + said.ack);
        const wire::be16 window(said.window);
        std::memcpy(&frame[l4 + 8], &ack, 4);
        std::memcpy(&frame[l4 + 14], &window, 2);
        if (said.scale >= 0) {
            frame[l4 + 21] = 3;
            frame[l4 + 22] = 3;
            frame[l4 + 23] = static_cast<uint8_t>(said.scale);
        }
        // What Ethernet adds is no data.
        if (frame.size() < 60) frame.resize(60);
        return frame;
    }

    path::Grace grace_{1};
    Table table_{FlowConfig{.size = kMinFlows}, grace_};
};

const std::vector<Said> kHandshake = {
    {kC, kSyn, 0, 0, 0, 1000, 7}, {kS, kSyn | kAck, 0, 1, 0, 1000, 2}, {kC, kAck, 1, 1}};

struct Row {
    const char* what;
    std::vector<Said> segments;
    State state;
};

// Without its handshake: {client, flags, sequence, acknowledgement, size, window}.
const Row kRows[] = {
    {"a SYN", {{kC, kSyn, 0, 0}}, State::kSynSent},
    {"sent again", {{kC, kSyn, 0, 0}, {kC, kSyn, 0, 0}}, State::kSynSent},
    {"answered", {{kC, kSyn, 0, 0}, {kS, kSyn | kAck, 0, 1}}, State::kSynReceived},
    {"answered for another SYN", {{kC, kSyn, 0, 0}, {kS, kSyn | kAck, 0, 900'000}}, State::kSynSent},
    {"confirmed", {{kC, kSyn, 0, 0}, {kS, kSyn | kAck, 0, 1}, {kC, kAck, 1, 1}}, State::kEstablished},
    {"confirmed with data",
     {{kC, kSyn, 0, 0}, {kS, kSyn | kAck, 0, 1}, {kC, kAck, 1, 1, 100}},
     State::kEstablished},
    {"confirmed without having seen the answer",
     {{kC, kSyn, 0, 0}, {kS, kSyn | kAck, 0, 1}, {kC, kAck, 1, 77'777}},
     State::kSynReceived},
    {"data with the SYN, of which the number alone is acknowledged",
     {{kC, kSyn, 0, 0, 500}, {kS, kSyn | kAck, 0, 1}, {kC, kAck, 1, 1, 500}},
     State::kEstablished},
    {"data with the SYN, acknowledged",
     {{kC, kSyn, 0, 0, 500}, {kS, kSyn | kAck, 0, 501}, {kC, kAck, 501, 1}},
     State::kEstablished},
    {"both open at once",
     {{kC, kSyn, 0, 0}, {kS, kSyn, 0, 0}, {kC, kSyn | kAck, 0, 1}, {kS, kSyn | kAck, 0, 1}},
     State::kEstablished},
    {"both open at once, half way", {{kC, kSyn, 0, 0}, {kS, kSyn, 0, 0}}, State::kSynReceived},
    {"refused", {{kC, kSyn, 0, 0}, {kS, kRst | kAck, 0, 1}}, State::kClosed},
    {"refused, for another SYN", {{kC, kSyn, 0, 0}, {kS, kRst | kAck, 0, 2}}, State::kSynSent},
    {"refused by who doesn't say what", {{kC, kSyn, 0, 0}, {kS, kRst, 0, 0}}, State::kSynSent},
    {"given up", {{kC, kSyn, 0, 0}, {kC, kRst, 1, 0}}, State::kClosed},
    {"picked up", {{kC, kAck, 10, 10, 100}}, State::kNew},
    {"picked up and answered", {{kC, kAck, 10, 10, 100}, {kS, kAck, 10, 110}}, State::kEstablished},
    {"picked up and refused", {{kC, kAck, 10, 10, 100}, {kS, kRst, 10, 0}}, State::kClosed},
    {"picked up at its end", {{kC, kRst, 10, 0}}, State::kClosed},
    {"no flags at all", {{kC, 0, 10, 10, 100}}, State::kNew},
};

const Row kOpenRows[] = {
    {"data", {{kC, kAck, 1, 1, 500}, {kS, kAck, 1, 501, 900}}, State::kEstablished},
    {"a SYN into it", {{kC, kSyn, 90'000, 0}, {kS, kSyn, 70'000, 0}}, State::kEstablished},
    {"a SYN and ACK into it", {{kS, kSyn | kAck, 70'000, 1}}, State::kEstablished},
    {"closed by one", {{kC, kFin | kAck, 1, 1}}, State::kFinWait},
    {"closed by the other", {{kS, kFin | kAck, 1, 1}}, State::kFinWait},
    {"closed by one, data goes on", {{kC, kFin | kAck, 1, 1}, {kS, kAck, 1, 2, 900}}, State::kFinWait},
    {"FIN without ACK", {{kC, kFin, 1, 0}}, State::kEstablished},
    {"FIN beyond the window", {{kC, kFin | kAck, 100'000, 1}}, State::kEstablished},
    {"closed by both", {{kC, kFin | kAck, 1, 1}, {kS, kFin | kAck, 1, 2}}, State::kClosing},
    {"closed by both at once", {{kC, kFin | kAck, 1, 1}, {kS, kFin | kAck, 1, 1}}, State::kClosing},
    {"closed by both at once, acknowledged",
     {{kC, kFin | kAck, 1, 1}, {kS, kFin | kAck, 1, 1}, {kC, kAck, 2, 2}, {kS, kAck, 2, 2}},
     State::kTimeWait},
    {"closed and acknowledged",
     {{kC, kFin | kAck, 1, 1, 10}, {kS, kFin | kAck, 1, 12}, {kC, kAck, 12, 2}},
     State::kTimeWait},
    {"a FIN with data, acknowledged without the FIN",
     {{kC, kFin | kAck, 1, 1, 10}, {kS, kFin | kAck, 1, 11}, {kC, kAck, 12, 2}},
     State::kClosing},
    {"sent again", {{kC, kFin | kAck, 1, 1}, {kC, kFin | kAck, 1, 1}}, State::kFinWait},
    {"reset where the receiver expects it", {{kC, kRst, 1, 0}}, State::kClosed},
    {"reset by the server", {{kS, kRst | kAck, 1, 1}}, State::kClosed},
    {"reset after data under way", {{kC, kAck, 1, 1, 700}, {kC, kRst, 701, 0}}, State::kClosed},
    {"reset before the data under way", {{kC, kAck, 1, 1, 700}, {kC, kRst, 1, 0}}, State::kClosed},
    {"reset in the window, but not where it is expected", {{kC, kRst, 500, 0}}, State::kEstablished},
    {"reset below the window", {{kC, kRst, 0u - 1, 0}}, State::kEstablished},
    {"reset above the window", {{kC, kRst, 10'000, 0}}, State::kEstablished},
    {"reset far away", {{kS, kRst, 0x8000'0000, 0}}, State::kEstablished},
    {"reset at the end of data that lies beyond the window",
     {{kC, kAck, 900'000, 1, 100}, {kC, kRst, 900'100, 0}},
     State::kEstablished},
    {"reset at a window of nothing",
     {{kS, kAck, 1, 1, 0, 0}, {kC, kRst, 1, 0}},
     State::kClosed},
};

TEST(Tcp, StatesRowByRow) {
    for (const bool ipv6 : {false, true}) {
        for (const Row& row : kRows) {
            Wire wire;
            wire.ipv6 = ipv6;
            if (ipv6) wire.open();
            wire.say_all(row.segments);
            // The IPv6 flow is the second that is listed, and the last.
            EXPECT_EQ(wire.state(), row.state) << row.what;
        }
    }
}

TEST(Tcp, OpenConnectionsRowByRow) {
    for (const Row& row : kOpenRows) {
        Wire wire;
        wire.say_all(kHandshake);
        EXPECT_EQ(wire.state(), State::kEstablished);
        wire.say_all(row.segments);
        EXPECT_EQ(wire.state(), row.state) << row.what;
    }
}

TEST(Tcp, HeadersInPiecesAreReadAsWell) {
    for (const Row& row : kOpenRows) {
        Wire wire;
        wire.say_all(kHandshake);
        wire.chain = {14 + 20 + 10};
        wire.say_all(row.segments);
        EXPECT_EQ(wire.state(), row.state) << row.what;
    }
}

TEST(Tcp, TheWindowOfAResetIsScaled) {
    // The server's scale is 2: four times 1000 from 1 on. Data under way ends at 3901 or 4101.
    for (const auto& [size, state] : {std::pair{3900u, State::kClosed}, {4100u, State::kEstablished}}) {
        Wire wire;
        wire.say_all(kHandshake);
        wire.say({kS, kAck, 1, 1});
        for (uint32_t at = 0; at < size; at += 100) wire.say({kC, kAck, 1 + at, 1, 100});
        wire.say({kC, kRst, 1 + size, 0});
        EXPECT_EQ(wire.state(), state) << size;
    }
    // Where only one offers a scale there is none (RFC 7323, 1.3): 1000 it is.
    for (const auto& [size, state] : {std::pair{900u, State::kClosed}, {1100u, State::kEstablished}}) {
        Wire wire;
        wire.say_all({{kC, kSyn, 0, 0}, {kS, kSyn | kAck, 0, 1, 0, 1000, 2}, {kC, kAck, 1, 1}});
        wire.say({kS, kAck, 1, 1});
        for (uint32_t at = 0; at < size; at += 100) wire.say({kC, kAck, 1 + at, 1, 100});
        wire.say({kC, kRst, 1 + size, 0});
        EXPECT_EQ(wire.state(), state) << size;
    }
}

TEST(Tcp, AFloodOfHandshakesWithoutSeeingTheAnswersOpensNothing) {
    uint32_t opened = 0;
    for (uint32_t guess = 100'000; guess < 100'000 + 50; ++guess) {
        Wire wire;
        wire.say_all({{kC, kSyn, 0, 0}, {kS, kSyn | kAck, 0, 1}, {kC, kAck, 1, guess * 40'009}});
        opened += wire.state() == State::kEstablished;
    }
    EXPECT_EQ(opened, 0u);
}

TEST(Tcp, ASynAfterTheEndBeginsAnother) {
    for (const std::vector<Said>& end :
         {std::vector<Said>{{kC, kRst, 1, 0}},
          {{kC, kFin | kAck, 1, 1}, {kS, kFin | kAck, 1, 2}, {kC, kAck, 2, 2}}}) {
        for (const bool by : {kC, kS}) {
            Wire wire;
            wire.say_all(kHandshake);
            wire.say_all(end);
            const uint64_t packets = wire.packets();
            EXPECT_TRUE(wire.say({kS, kSyn | kAck, 0, 1})) << "an old answer";
            const Said syn = {by, kSyn, 1'000'000, 0};
            EXPECT_FALSE(wire.say(syn));
            EXPECT_EQ(wire.packets(), packets + 1) << "it counts for the flow that it begins";
            // The caller decides it as if nothing had been found.
            const Added added = wire.table().add(wire.tuple(by), Wire::decision(), Tracking::kConnection,
                                                 wire.now, path::WorkerId{0});
            EXPECT_EQ(added.outcome, Added::kNew);
            EXPECT_EQ(added.index % 2, 0u) << "who opens it is the initiator";
            EXPECT_TRUE(wire.say(syn));
            EXPECT_EQ(wire.state(), State::kSynSent);
            EXPECT_EQ(wire.packets(), 1u);
            EXPECT_EQ(wire.table().count(), 1u);
        }
    }
}

TEST(Tcp, WhatIsSentAfterTheEndProlongsNothing) {
    Wire wire;
    wire.say_all(kHandshake);
    wire.now += 10;
    wire.say({kC, kAck, 1, 1, 10});
    EXPECT_EQ(wire.idle(), 0u);
    wire.say({kC, kRst, 11, 0});
    wire.now += 7;
    wire.say_all({{kS, kAck, 1, 11, 100}, {kC, kAck, 11, 1}, {kC, kRst, 11, 0}});
    EXPECT_EQ(wire.idle(), 7u);
    EXPECT_EQ(wire.table().age(wire.now + 3), 1u);
}

TEST(Tcp, WhatIsRefusedOpensNothing) {
    Wire wire;
    Decision refused = Wire::decision();
    refused.verdict = Verdict::kDeny;
    wire.table().decide(wire.table().find(wire.tuple(kC)), refused);
    wire.say({kC, kSyn, 0, 0});
    EXPECT_EQ(wire.state(), State::kDenied);
    // Let in by a later configuration, it begins with the next SYN.
    Decision allowed = Wire::decision();
    allowed.generation = 2;
    wire.table().decide(wire.table().find(wire.tuple(kC)), allowed);
    EXPECT_EQ(wire.state(), State::kNew);
    wire.say_all(kHandshake);
    EXPECT_EQ(wire.state(), State::kEstablished);
}

}  // namespace
}  // namespace sluice::flow
