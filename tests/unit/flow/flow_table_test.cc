#include "flow/flow_table.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

#include "tuples.h"

namespace sluice::flow {
namespace {

using path::PortId;
using wire::Protocol;

constexpr path::WorkerId kWorker{0};
constexpr Seconds kNow = 1000;
constexpr Tracking kConnection = Tracking::kConnection;
constexpr Tracking kStateless = Tracking::kStateless;

class FlowTable : public testing::Test {
 protected:
    FlowTable() { grace.online(kWorker); }

    Added add(const path::Tuple& tuple, Tracking tracking = kConnection, uint32_t generation = 1,
              Seconds now = kNow) {
        const Added added = table.add(tuple, allowed(generation), tracking, now, kWorker);
        grace.quiescent(kWorker);
        return added;
    }
    // What a worker does with a packet. False if nothing is there for it, or it begins another connection.
    bool packet(const path::Tuple& tuple, uint32_t length = 60, Seconds now = kNow) {
        const Bare bare(tuple);
        const uint32_t index = table.find(tuple);
        return index != kNoRecord && table.track(table.record(index), bare.connection, &bare.m, length, now);
    }
    std::vector<Listed> list(Seconds now = kNow) {
        std::vector<Listed> all;
        table.for_each(now, [&](const Listed& flow) { all.push_back(flow); });
        return all;
    }
    uint32_t count(State state) { return table.count_states()[static_cast<size_t>(state)]; }
    void refuse(const path::Tuple& tuple) {
        Decision refused = allowed();
        refused.verdict = Verdict::kDeny;
        table.add(tuple, refused, kConnection, kNow, kWorker);
        grace.quiescent(kWorker);
    }
    // An open TCP connection, without its packets.
    uint32_t open(const path::Tuple& tuple) {
        const uint32_t index = add(tuple).index;
        for (const uint32_t i : {index, index ^ 1}) {
            table.record(i).progress = kSeen | kOpened | kAcked | kSettled;
        }
        return index;
    }

    // All of one source address: of no address that has more than others.
    static path::Tuple of_one_address(uint32_t n) {
        return tuple4(0x0a00'0001, 0xc000'0000 + n / 1000, static_cast<uint16_t>(1024 + n % 1000), 53, Protocol::kTcp);
    }
    Added add_from(uint16_t port, uint32_t n, Seconds now = kNow) {
        const Added added = table.add(of_one_address(n), allowed(1, port, 9), kConnection, now, kWorker);
        grace.quiescent(kWorker);
        return added;
    }
    void open_from(uint16_t port, uint32_t n) {
        ASSERT_EQ(add_from(port, n).outcome, Added::kNew);
        open(of_one_address(n));
    }

    path::Grace grace{1};
    Table table{FlowConfig{.size = 4096}, grace};
};

TEST(FlowDecided, OneWordTellsGenerationNetworkAndPorts) {
    const path::PortId ingress{path::kMaxPorts - 1};
    const path::NetworkId network{path::kMaxNetworks - 1};
    const Decided decided(Decided::kGenerations, Verdict::kAllow, network, ingress, path::kNoPort);
    EXPECT_EQ(decided.generation(), Decided::kGenerations);
    EXPECT_EQ(decided.network(), network);
    EXPECT_EQ(decided.ingress(), ingress);
    EXPECT_EQ(decided.egress(), path::kNoPort);
    EXPECT_EQ(decided.verdict(), Verdict::kAllow);
    const uint64_t admission = Decided::admission(Decided::kGenerations, network, ingress);
    EXPECT_TRUE(decided.admits(admission));
    EXPECT_EQ(decided, Decided::of(admission, path::kNoPort));
    EXPECT_NE(decided, Decided::of(admission, path::PortId{7}));
    EXPECT_FALSE(decided.admits(Decided::admission(Decided::kGenerations - 1, network, ingress)));
    EXPECT_FALSE(decided.admits(Decided::admission(Decided::kGenerations, path::NetworkId{1}, ingress)));
    EXPECT_FALSE(decided.admits(Decided::admission(Decided::kGenerations, network, path::PortId{1})));
    for (const Verdict verdict : {Verdict::kDeny, Verdict::kReject}) {
        const Decided refused(1, verdict, network, ingress, path::PortId{7});
        EXPECT_FALSE(refused.admits(Decided::admission(1, network, ingress)));
        EXPECT_EQ(refused.verdict(), verdict);
        EXPECT_EQ(refused.egress(), path::PortId{7});
    }
    // What nobody has decided lets nothing in, also where all numbers are zero (a dry run's generation is).
    EXPECT_FALSE(Decided().admits(Decided::admission(0, path::NetworkId{0}, path::PortId{0})));
    EXPECT_EQ(Decided().verdict(), Verdict::kAllow);

    EXPECT_EQ(next_generation(Decided::kGenerations), 1u);
    EXPECT_TRUE(is_as_new(1, Decided::kGenerations));
    EXPECT_FALSE(is_as_new(Decided::kGenerations, 1));
}

// Also where a packet may tell something new, and is not tracked in line: by SCTP, behind a FIN.
TEST_F(FlowTable, TheFirstPacketOfASecondIsToldOf) {
    const uint32_t index = add(tuple_of(1)).index;
    const Bare bare(tuple_of(1));
    int told = 0;
    const auto track = [&](Seconds now) {
        return table.track(table.record(index), bare.connection, &bare.m, 60, now, [&]() noexcept { ++told; });
    };
    for (const bool is_settled : {false, true}) {
        const Seconds now = kNow + (is_settled ? 2 : 1);
        table.record(index).progress = is_settled ? kSeen | kSettled : kSeen;
        EXPECT_TRUE(track(now));
        EXPECT_EQ(told, is_settled ? 2 : 1);
        EXPECT_TRUE(track(now));
        EXPECT_EQ(told, is_settled ? 2 : 1);
    }
}

TEST_F(FlowTable, StationsAreOtherOnesWhereOneOfThemDiffers) {
    const auto decided = [](uint16_t ingress, uint16_t egress) {
        return Decided(1, Verdict::kAllow, path::NetworkId{2}, path::PortId{ingress}, path::PortId{egress});
    };
    const uint32_t stations = table.stations(0x0102, 0x0304, decided(3, 5), 6);
    EXPECT_EQ(table.stations(0x0102, 0x0304, decided(3, 5), 6), stations);
    EXPECT_NE(table.stations(0x0103, 0x0304, decided(3, 5), 6), stations);
    EXPECT_NE(table.stations(0x0102, 0x0305, decided(3, 5), 6), stations);
    EXPECT_NE(table.stations(0x0304, 0x0102, decided(3, 5), 6), stations);
    EXPECT_NE(table.stations(0x0102, 0x0304, decided(5, 3), 6), stations);
    EXPECT_NE(table.stations(0x0102, 0x0304, decided(2, 5), 6), stations);
    EXPECT_NE(table.stations(0x0102, 0x0304, decided(3, 0xffff), 6), stations);
    EXPECT_NE(table.stations(0x0102, 0x0304, Decided(2, Verdict::kAllow, path::NetworkId{2}, path::PortId{3},
                                                     path::PortId{5}), 6),
              stations);
    EXPECT_NE(table.stations(0x0102, 0x0304, decided(3, 5), 7), stations);
    path::Grace other_grace{1};
    const Table other{FlowConfig{.size = 4096}, other_grace};
    EXPECT_NE(other.stations(0x0102, 0x0304, decided(3, 5), 6), stations);
    // 0 is noted of no station.
    for (uint64_t mac = 0; mac < 1000; ++mac) EXPECT_NE(table.stations(mac, ~mac, decided(3, 5), mac), 0u);
}

// As where an address is translated: what the responder sends is not the initiator's tuple reversed.
TEST_F(FlowTable, ADirectionIsFoundByWhatItsOwnPacketsLookLike) {
    const path::Tuple request = tuple_of(1);
    const path::Tuple answer = tuple_of(2).reversed();
    const Added added = table.add(Keys(request, answer), allowed(), kConnection, kNow, kWorker);
    ASSERT_EQ(added.outcome, Added::kNew);
    EXPECT_EQ(table.find(request), added.index);
    EXPECT_EQ(table.find(answer), added.index ^ 1);
    EXPECT_EQ(table.find(request.reversed()), kNoRecord);
    EXPECT_EQ(table.find(answer.reversed()), kNoRecord);
    EXPECT_EQ(table.tuple(added.index), request);
    EXPECT_EQ(table.tuple(added.index ^ 1), answer);

    // Another connection's answers may not look the same: they would be this one's.
    const Added rival = table.add(Keys(tuple_of(3), answer), allowed(), kConnection, kNow, kWorker);
    EXPECT_EQ(rival.outcome, Added::kTaken);
    EXPECT_EQ(table.find(tuple_of(3)), kNoRecord);
    EXPECT_EQ(table.find(answer), added.index ^ 1);
    EXPECT_EQ(table.count(), 1u);

    EXPECT_TRUE(table.remove(added.index ^ 1, kWorker));
    EXPECT_EQ(table.find(request), kNoRecord);
    EXPECT_EQ(table.find(answer), kNoRecord);
    EXPECT_EQ(table.count(), 0u);
}

TEST_F(FlowTable, AWalkInPartsMeetsEveryFlowOnce) {
    for (uint32_t n = 0; n < 500; ++n) add(tuple_of(n, Protocol::kUdp));
    std::multiset<uint32_t> met;
    for (Table::Walk walk; !walk.is_over;) {
        table.for_some(walk, kNow,
                       [&](const Listed& flow) { met.insert(flow.original.key.source_port().host()); });
    }
    EXPECT_EQ(met.size(), list().size());
    EXPECT_EQ(std::set<uint32_t>(met.begin(), met.end()).size(), met.size());
}

TEST_F(FlowTable, BothDirectionsAreFoundAndAreNeighbors) {
    const path::Tuple tuple = tuple_of(1);
    const Added added = add(tuple);
    EXPECT_EQ(added.outcome, Added::kNew);
    EXPECT_EQ(added.index % 2, 0u);
    EXPECT_EQ(table.find(tuple), added.index);
    EXPECT_EQ(table.find(tuple.reversed()), added.index ^ 1);
    EXPECT_EQ(table.find(tuple_of(2)), kNoRecord);
    EXPECT_EQ(table.count(), 1u);

    const Added again = add(tuple.reversed());
    EXPECT_EQ(again.outcome, Added::kExisting);
    EXPECT_EQ(again.index, added.index ^ 1);
    EXPECT_EQ(table.count(), 1u);
}

TEST_F(FlowTable, CandidateIsWhatFindFinds) {
    for (uint32_t n = 0; n < 4000; ++n) add(tuple_of(n));
    uint32_t same = 0;
    for (uint32_t n = 0; n < 4000; ++n) {
        const path::Tuple tuple = tuple_of(n);
        const Bare bare(tuple);
        const uint32_t found = table.find(tuple);
        ASSERT_NE(found, kNoRecord);
        EXPECT_TRUE(table.is(table.record(found), bare.connection));
        EXPECT_FALSE(table.is(table.record(found ^ 1), bare.connection));
        same += table.candidate(table.hash(tuple.key)) == &table.record(found);
    }
    // But for those whose tag another has too.
    EXPECT_GT(same, 3950u);
}

TEST_F(FlowTable, DomainsKeepTheSameTupleApart) {
    const path::Tuple one = tuple4(1, 2, 3, 4, Protocol::kUdp, 1);
    const path::Tuple two = tuple4(1, 2, 3, 4, Protocol::kUdp, 2);
    const Added added = add(one);
    EXPECT_EQ(table.find(two), kNoRecord);
    EXPECT_NE(add(two).index, added.index);
}

TEST_F(FlowTable, Ipv6IsToldApartByItsAddresses) {
    const path::Tuple one = tuple6(1, 2, 3, 4);
    // As if somebody had found another address with the same digest.
    path::Tuple two = tuple6(5, 2, 3, 4);
    two.key = one.key;
    const uint32_t first = add(one).index;
    EXPECT_EQ(table.find(two), kNoRecord);
    const uint32_t second = add(two).index;
    EXPECT_NE(first, second);
    EXPECT_EQ(table.find(one), first);
    EXPECT_EQ(table.find(two), second);
    EXPECT_EQ(table.find(one.reversed()), first ^ 1);
    EXPECT_EQ(table.find(two.reversed()), second ^ 1);
    ASSERT_EQ(list().size(), 2u);
    EXPECT_TRUE(list()[0].original == one);
}

TEST_F(FlowTable, SomebodyWhoTalksToHimselfHasOneRecord) {
    const path::Tuple self = tuple4(7, 7, 9, 9);
    const Added added = add(self);
    EXPECT_EQ(added.outcome, Added::kNew);
    EXPECT_EQ(table.find(self), added.index);
    EXPECT_EQ(add(self).outcome, Added::kExisting);
    EXPECT_TRUE(table.remove(added.index, kWorker));
    EXPECT_EQ(table.find(self), kNoRecord);
}

TEST_F(FlowTable, ActionIsWhatWasDecidedByThatGeneration) {
    const uint32_t index = add(tuple_of(1)).index;
    Action action;
    ASSERT_TRUE(Table::action(table.record(index), 1, action));
    EXPECT_EQ(action.ingress, PortId{1});
    EXPECT_EQ(action.egress, PortId{2});
    EXPECT_EQ(action.verdict, Verdict::kAllow);
    EXPECT_FALSE(Table::action(table.record(index ^ 1), 1, action)) << "the answers' ports are not known yet";
    EXPECT_FALSE(Table::action(table.record(index), 2, action));

    table.decide(index ^ 1, allowed(1, 2, 1));
    ASSERT_TRUE(Table::action(table.record(index ^ 1), 1, action));
    EXPECT_EQ(action.egress, PortId{1});

    Decision refused = allowed(3, 4, 5);
    refused.verdict = Verdict::kReject;
    refused.hop = 77;
    refused.objects[0] = 21;
    table.decide(index, refused);
    ASSERT_TRUE(Table::action(table.record(index), 3, action));
    EXPECT_EQ(action.verdict, Verdict::kReject);
    EXPECT_EQ(action.hop, 77u);
    EXPECT_EQ(list()[0].objects[0], 21u);
    EXPECT_EQ(list()[0].state, State::kDenied);

    table.decide(index, allowed(2));
    EXPECT_FALSE(Table::action(table.record(index), 2, action)) << "an older decision came too late";
    EXPECT_TRUE(Table::action(table.record(index), 3, action));
}

TEST_F(FlowTable, ListsWhatItCounts) {
    add(tuple_of(1));
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(packet(tuple_of(1), 100));
    EXPECT_TRUE(packet(tuple_of(1).reversed(), 1500, kNow + 5));
    const auto flows = list(kNow + 7);
    ASSERT_EQ(flows.size(), 1u);
    const Listed& flow = flows[0];
    EXPECT_TRUE(flow.original == tuple_of(1));
    EXPECT_EQ(flow.directions[0].packets, 3u);
    EXPECT_EQ(flow.directions[0].bytes, 300u);
    EXPECT_EQ(flow.directions[1].packets, 1u);
    EXPECT_EQ(flow.directions[1].bytes, 1500u);
    EXPECT_TRUE(flow.directions[0].decided);
    EXPECT_FALSE(flow.directions[1].decided);
    EXPECT_EQ(flow.age, 7u);
    EXPECT_EQ(flow.idle, 2u);
    EXPECT_EQ(flow.state, State::kAnswered);
    EXPECT_EQ(flow.timeout, TimeoutsConfig{}.udp_answered);
    EXPECT_EQ(flow.objects[0], 11u);
    EXPECT_EQ(flow.objects[1], 12u);
}

TEST_F(FlowTable, AgesByState) {
    add(tuple_of(1));
    add(tuple_of(2));
    packet(tuple_of(2));
    packet(tuple_of(2).reversed());
    const TimeoutsConfig timeouts;
    EXPECT_EQ(table.age(kNow + timeouts.udp - 1), 0u);
    EXPECT_EQ(table.age(kNow + timeouts.udp), 1u);
    EXPECT_EQ(table.find(tuple_of(1)), kNoRecord);
    EXPECT_EQ(table.find(tuple_of(1).reversed()), kNoRecord);
    packet(tuple_of(2), 60, kNow + 100);
    EXPECT_EQ(table.age(kNow + timeouts.udp_answered), 0u) << "seen since";
    EXPECT_EQ(table.age(kNow + 99), 0u) << "the worker's clock is ahead";
    table.set_timeouts({.udp_answered = 50});
    EXPECT_EQ(table.age(kNow + 149), 0u);
    EXPECT_EQ(table.age(kNow + 150), 1u);
    EXPECT_EQ(table.count(), 0u);
}

TEST_F(FlowTable, FlushRemovesWhatTheFilterNames) {
    for (uint32_t n = 0; n < 1000; ++n) add(tuple_of(n));
    const auto odd = [](const Listed& flow) {
        return flow.original.key.source_port().host() % 2 != 0;
    };
    EXPECT_EQ(table.flush(kNow, odd), 500u);
    EXPECT_EQ(table.count(), 500u);
    for (const Listed& flow : list()) EXPECT_FALSE(odd(flow));
}

TEST_F(FlowTable, StatelessFlowsLetNoAnswersIn) {
    const path::Tuple tuple = tuple_of(1);
    const uint32_t index = add(tuple, kStateless).index;
    EXPECT_TRUE(table.is_stateless(index));
    EXPECT_EQ(table.find(tuple.reversed()), kNoRecord);
    // The other direction may have one of its own.
    const uint32_t answers = add(tuple.reversed(), kStateless).index;
    EXPECT_NE(answers / 2, index / 2);
    EXPECT_EQ(count(State::kStateless), 2u);

    // Another generation follows the connection: both make room for it.
    const Added added = add(tuple, kConnection, 2);
    EXPECT_EQ(added.outcome, Added::kNew);
    EXPECT_EQ(table.find(tuple.reversed()), added.index ^ 1);
    EXPECT_EQ(table.count(), 1u);
    // And the way back.
    const Added back = add(tuple.reversed(), kStateless, 3);
    EXPECT_EQ(back.outcome, Added::kNew);
    EXPECT_EQ(table.find(tuple), kNoRecord);
    EXPECT_EQ(table.count(), 1u);
}

TEST_F(FlowTable, WhoCameFirstInAGenerationIsRight) {
    const path::Tuple tuple = tuple_of(1);
    const uint32_t index = add(tuple).index;
    EXPECT_EQ(add(tuple, kStateless).outcome, Added::kExisting);
    EXPECT_EQ(add(tuple.reversed(), kStateless).index, index ^ 1);
}

TEST_F(FlowTable, AConnectionBeginsWithASynAndIsPickedUpByAnAck) {
    using Tcp = wire::TcpHeader;
    Bare bare(tuple_of(1, Protocol::kTcp));
    const auto tcp = [&](uint8_t flags) {
        bare.connection.tcp_flags = flags;
        return Table::beginning_of(bare.connection, &bare.m);
    };
    EXPECT_EQ(tcp(Tcp::kSyn), Beginning::kOpens);
    EXPECT_EQ(tcp(Tcp::kSyn | Tcp::kEce | Tcp::kCwr), Beginning::kOpens);
    EXPECT_EQ(tcp(Tcp::kAck), Beginning::kContinues);
    EXPECT_EQ(tcp(Tcp::kAck | Tcp::kPsh | Tcp::kFin), Beginning::kContinues);
    for (const int flags : {0, +Tcp::kFin, +Tcp::kRst, Tcp::kRst | Tcp::kAck, Tcp::kSyn | Tcp::kAck,
                            Tcp::kSyn | Tcp::kFin, Tcp::kSyn | Tcp::kRst}) {
        EXPECT_EQ(tcp(static_cast<uint8_t>(flags)), Beginning::kNever) << flags;
    }
    Bare echo(tuple_of(1, Protocol::kIcmp));
    echo.connection.icmp_type = wire::IcmpHeader::kEcho;
    EXPECT_EQ(Table::beginning_of(echo.connection, &echo.m), Beginning::kOpens);
    echo.connection.icmp_type = wire::IcmpHeader::kEchoReply;
    EXPECT_EQ(Table::beginning_of(echo.connection, &echo.m), Beginning::kNever);
    const Bare udp(tuple_of(1));
    EXPECT_EQ(Table::beginning_of(udp.connection, &udp.m), Beginning::kOpens);
}

TEST_F(FlowTable, ASynThatAFlowDidNotBeginWithIsToBeJudged) {
    using Tcp = wire::TcpHeader;
    const path::Tuple tuple = tuple_of(1, Protocol::kTcp);
    const uint32_t index = open(tuple);
    const auto opens_anew = [&](uint32_t of, uint8_t flags) {
        Bare bare(of == index ? tuple : tuple.reversed());
        bare.connection.tcp_flags = flags;
        const uint64_t before = table.record(of).packets.get();
        const bool opens = table.opens_anew(table.record(of), bare.connection, &bare.m);
        if (opens) EXPECT_FALSE(table.track(table.record(of), bare.connection, &bare.m, 60, kNow));
        if (opens) EXPECT_EQ(table.record(of).packets.get(), before) << "it is counted once it is judged";
        return opens;
    };
    EXPECT_FALSE(opens_anew(index, Tcp::kSyn)) << "the initiator's own, again";
    EXPECT_TRUE(opens_anew(index ^ 1, Tcp::kSyn));
    EXPECT_TRUE(opens_anew(index ^ 1, Tcp::kSyn | Tcp::kFin));
    EXPECT_FALSE(opens_anew(index ^ 1, Tcp::kSyn | Tcp::kAck));
    EXPECT_FALSE(opens_anew(index ^ 1, Tcp::kAck));
    // One that was picked up began with no SYN.
    table.record(index).progress = kSeen | kAcked | kSettled;
    EXPECT_TRUE(opens_anew(index, Tcp::kSyn));
    table.record(index).progress = kSeen | kOneWay | kSettled;
    EXPECT_TRUE(opens_anew(index, Tcp::kSyn));
}

TEST_F(FlowTable, AFlowMayBeAddedForItsResponder) {
    const path::Tuple tuple = tuple_of(1);
    const Added added = table.add(tuple, allowed(), kConnection, kNow, kWorker, Sender::kResponder);
    EXPECT_EQ(added.index % 2, 1u);
    EXPECT_EQ(table.find(tuple), added.index ^ 1);
    Action action;
    EXPECT_TRUE(Table::action(table.record(added.index), 1, action));
    EXPECT_FALSE(Table::action(table.record(added.index ^ 1), 1, action));
    EXPECT_EQ(table.add(tuple, allowed(), kConnection, kNow, kWorker, Sender::kResponder).index, added.index);
}

TEST_F(FlowTable, RecoversForAWhileAfterFlowsWereLost) {
    EXPECT_FALSE(table.is_recovering(kNow));
    add(tuple_of(1));
    EXPECT_EQ(table.flush(kNow, [](const Listed&) { return false; }), 0u);
    EXPECT_FALSE(table.is_recovering(kNow));
    EXPECT_EQ(table.flush(kNow, [](const Listed&) { return true; }), 1u);
    EXPECT_TRUE(table.is_recovering(kNow + Table::kRecovery - 1));
    EXPECT_FALSE(table.is_recovering(kNow + Table::kRecovery));
}

TEST_F(FlowTable, ARemovedFlowsRecordsWaitForTheGracePeriod) {
    // Every record is in use but for the reserve.
    std::set<uint32_t> removed;
    for (uint32_t n = 0; n < Stock::kChain; ++n) removed.insert(add(tuple_of(n)).index);
    for (uint32_t n = Stock::kChain; n < table.capacity(); ++n) open(tuple_of(n, Protocol::kTcp));
    for (const uint32_t index : removed) {
        ASSERT_TRUE(table.remove(index, kWorker));
        EXPECT_FALSE(table.remove(index, kWorker));
    }
    // The worker doesn't say that it is quiescent.
    std::set<uint32_t> reused;
    auto add_some = [&](uint32_t first) {
        for (uint32_t n = 0; n < 500; ++n) {
            table.age(kNow);
            const path::Tuple tuple = tuple_of(first + n, Protocol::kTcp);
            const uint32_t index = table.add(tuple, allowed(), kConnection, kNow, kWorker).index;
            if (removed.contains(index)) reused.insert(index);
        }
    };
    add_some(100'000);
    EXPECT_TRUE(reused.empty());
    for (uint32_t round = 0; round < 10; ++round) {
        grace.quiescent(kWorker);
        add_some(200'000 + round * 500);
    }
    EXPECT_EQ(reused, removed);
}

// --- a full table ---

TEST_F(FlowTable, HoldsWhatItDeclares) {
    for (uint32_t n = 0; n < table.capacity(); ++n) {
        ASSERT_EQ(add(tuple_of(n)).outcome, Added::kNew) << n;
    }
    const Pressure pressure = table.pressure();
    EXPECT_EQ(pressure.evicted_embryonic, 0u);
    EXPECT_EQ(table.count(), table.capacity());
    for (uint32_t n = 0; n < table.capacity(); ++n) {
        ASSERT_NE(table.find(tuple_of(n)), kNoRecord) << n;
        ASSERT_NE(table.find(tuple_of(n).reversed()), kNoRecord) << n;
    }
}

TEST_F(FlowTable, AFloodTakesNoOpenConnection) {
    constexpr uint32_t kOpen = 3000;
    for (uint32_t n = 0; n < kOpen; ++n) open(tuple_of(n, Protocol::kTcp));
    for (uint32_t n = 0; n < 100'000; ++n) {
        ASSERT_LE(table.count(), table.capacity());
        ASSERT_EQ(add(tuple_of(1'000'000 + n, Protocol::kTcp), kConnection, 1, kNow + n / 10'000).outcome,
                  Added::kNew) << n;
        if (n % 64 == 0) grace.quiescent(kWorker);
    }
    EXPECT_EQ(count(State::kEstablished), kOpen);
    EXPECT_EQ(table.count(), table.capacity());
    EXPECT_GT(table.pressure().evicted_embryonic, 90'000u);
    EXPECT_EQ(table.pressure().evicted_idle, 0u);
    EXPECT_EQ(table.pressure().refused_full, 0u);
    for (uint32_t n = 0; n < kOpen; ++n) {
        ASSERT_NE(table.find(tuple_of(n, Protocol::kTcp)), kNoRecord);
    }
}

TEST_F(FlowTable, ATableOfOpenConnectionsRefuses) {
    uint32_t refused = 0;
    for (uint32_t n = 0; n < 2 * table.capacity(); ++n) {
        const path::Tuple tuple = of_one_address(n);
        if (add(tuple).outcome == Added::kFull) {
            ++refused;
            EXPECT_EQ(table.find(tuple), kNoRecord);
        } else {
            open(tuple);
        }
    }
    for (uint32_t n = 0; n < table.capacity(); ++n) ASSERT_NE(table.find(of_one_address(n)), kNoRecord) << n;
    EXPECT_EQ(refused, table.capacity());
    EXPECT_EQ(table.pressure().refused_full, refused);
}

TEST_F(FlowTable, APortThatHasLessTakesFromTheOnesThatHaveMore) {
    const uint32_t capacity = table.capacity();
    for (uint32_t n = 0; n < capacity; ++n) open_from(n % 2 == 0 ? 1 : 2, n);
    EXPECT_EQ(table.count_of(PortId{1}), capacity / 2);
    EXPECT_EQ(add_from(1, capacity).outcome, Added::kShareUsed);
    EXPECT_EQ(table.pressure().refused_share, 1u);
    for (uint32_t n = 0; n < capacity / 3; ++n) {
        ASSERT_EQ(add_from(3, 100'000 + n).outcome, Added::kNew) << n;
        open(of_one_address(100'000 + n));
        ASSERT_EQ(table.count(), capacity);
    }
    EXPECT_EQ(table.count_of(PortId{3}), capacity / 3);
    EXPECT_GE(table.count_of(PortId{1}), capacity / 3);
    EXPECT_GE(table.count_of(PortId{2}), capacity / 3);
    EXPECT_EQ(table.pressure().evicted_share, capacity / 3);
    // Now each has its share, and nobody takes from anybody.
    for (const uint16_t port : {1, 2, 3}) EXPECT_NE(add_from(port, 200'000 + port).outcome, Added::kNew) << port;
    EXPECT_EQ(count(State::kEstablished), capacity);
}

TEST_F(FlowTable, WhoFloodsTakesNothingOfThoseWhoHaveLess) {
    for (uint32_t n = 0; n < 100; ++n) ASSERT_EQ(add_from(2, n).outcome, Added::kNew);
    for (uint32_t n = 0; n < 20 * table.capacity(); ++n) add_from(1, 100'000 + n, kNow + 1 + n / 10'000);
    EXPECT_EQ(table.count_of(PortId{2}), 100u);
    for (uint32_t n = 0; n < 100; ++n) ASSERT_NE(table.find(of_one_address(n)), kNoRecord) << n;
}

TEST_F(FlowTable, AnAddressThatHasAnEighthGivesPlacesToOthersOfItsPort) {
    const uint32_t capacity = table.capacity();
    const auto from = [](uint32_t address, uint32_t n) {
        return tuple4(address, 0xc000'0200 + n / 1000, static_cast<uint16_t>(1024 + n % 1000), 53, Protocol::kTcp);
    };
    for (uint32_t n = 0; n < capacity; ++n) open(from(0x0a00'0001, n));
    uint32_t added = 0;
    for (uint32_t n = 0; n < 2 * capacity; ++n) {
        const path::Tuple tuple = from(0x0a00'0002, n);
        const auto outcome = add(tuple).outcome;
        if (outcome != Added::kNew) continue;
        ++added;
        open(tuple);
    }
    EXPECT_EQ(added, capacity / 8) << "up to its own share";
    EXPECT_EQ(count(State::kEstablished), capacity);
    EXPECT_GT(table.pressure().refused_share, 0u);
}

TEST_F(FlowTable, TimeoutsBecomeShorterAsItFills) {
    const TimeoutsConfig timeouts;
    const uint32_t capacity = table.capacity();
    for (uint32_t n = 0; n < capacity * 3 / 5; ++n) open(of_one_address(n));
    EXPECT_EQ(list()[0].timeout, timeouts.tcp_established);
    EXPECT_EQ(table.age(kNow + timeouts.tcp_established - 1), 0u);
    for (uint32_t n = capacity * 3 / 5; n < capacity; ++n) open(of_one_address(n));
    EXPECT_EQ(list()[0].timeout, timeouts.tcp_established / 256);
    EXPECT_EQ(table.age(kNow + timeouts.tcp_established / 256 - 1), 0u);
    // They go until the rest may stay for longer again.
    const uint32_t removed = table.age(kNow + timeouts.tcp_established / 256);
    EXPECT_GT(removed, 0u);
    EXPECT_LT(removed, capacity / 4);
}

TEST_F(FlowTable, WhatIsOverGoesBeforeWhatIsSilent) {
    // Old flows of every kind, one after the other; the hand may take any of those it passes.
    const uint32_t third = table.capacity() / 4;
    for (uint32_t n = 0; n < table.capacity(); ++n) {
        const path::Tuple tuple = tuple_of(n, n % 4 == 0 ? Protocol::kUdp : Protocol::kTcp);
        if (n % 4 == 1) {
            refuse(tuple);
        } else if (n % 4 == 0) {
            add(tuple);
            packet(tuple);
            packet(tuple.reversed());
        } else {
            open(tuple);
        }
    }
    EXPECT_EQ(count(State::kAnswered), third);
    // In the same second: nothing but what is over may go.
    for (uint32_t n = 0; n < third / 2; ++n) add(tuple_of(1'000'000 + n));
    EXPECT_EQ(count(State::kAnswered), third);
    EXPECT_GT(table.pressure().evicted_over, third / 4);
    EXPECT_EQ(table.pressure().evicted_idle, 0u);
    // Later those who are silent may, too.
    for (uint32_t n = 0; n < 4 * table.capacity(); ++n) {
        add(tuple_of(2'000'000 + n), kConnection, 1, kNow + 20);
    }
    EXPECT_GT(table.pressure().evicted_idle, third / 2);
    EXPECT_EQ(count(State::kEstablished), 2 * third);
}

// --- against a model ---

TEST_F(FlowTable, RandomOperationsAgreeWithAMap) {
    struct Known {
        uint64_t packets[2] = {0, 0};
        bool stateless = false;
        Seconds seen = 0;
    };
    std::map<uint32_t, Known> model;  // by number
    std::mt19937 random(7);
    constexpr uint32_t kNumbers = 2400;  // at which no timeout is shorter yet
    Seconds now = kNow;
    uint64_t sent = 0;
    uint64_t live = 0;
    for (int step = 0; step < 200'000; ++step) {
        const uint32_t n = random() % kNumbers;
        const path::Tuple tuple = tuple_of(n);
        const bool reverse = random() % 2 != 0;
        auto known = model.find(n);
        switch (random() % 16) {
            case 0: now += random() % 2; break;
            case 1: {
                const uint32_t index = table.find(tuple);
                ASSERT_EQ(index != kNoRecord, known != model.end());
                if (index == kNoRecord) break;
                ASSERT_TRUE(table.remove(index ^ (random() & 1), kWorker));
                model.erase(known);
                break;
            }
            case 2: {
                if (random() % 50 != 0) break;
                size_t removed = 0;
                for (auto it = model.begin(); it != model.end();) {
                    const bool both = it->second.packets[1] != 0;
                    const bool gone = now - it->second.seen >= (both ? 120 : 30);
                    removed += gone;
                    it = gone ? model.erase(it) : std::next(it);
                }
                ASSERT_EQ(table.age(now), removed);
                break;
            }
            default: {
                if (known == model.end()) {
                    const Tracking tracking = random() % 8 == 0 ? kStateless : kConnection;
                    ASSERT_EQ(table.add(tuple, allowed(), tracking, now, kWorker).outcome, Added::kNew);
                    known = model.emplace(n, Known{.stateless = tracking == kStateless, .seen = now}).first;
                }
                const bool answers = reverse && !known->second.stateless;
                ASSERT_TRUE(packet(answers ? tuple.reversed() : tuple, 1, now));
                ++known->second.packets[answers];
                known->second.seen = now;
                ++sent;
            }
        }
        grace.quiescent(kWorker);
        ASSERT_EQ(table.count(), model.size());
    }
    for (const Listed& flow : list(now)) {
        const uint32_t n = (flow.original.key.source().host() - 0x0a00'0000) * 1000 +
                           flow.original.key.source_port().host() - 1024;
        ASSERT_TRUE(model.count(n));
        EXPECT_EQ(flow.directions[0].packets, model[n].packets[0]);
        EXPECT_EQ(flow.directions[1].packets, model[n].packets[1]);
        live += flow.directions[0].packets + flow.directions[1].packets;
    }
    EXPECT_EQ(list(now).size(), model.size());
    // Removed flows of this worker's wait until there are enough of them; then all has been counted.
    table.flush(now, [](const Listed&) { return true; });
    for (uint32_t n = 0; n < 64; ++n) table.remove(add(tuple_of(n)).index, kWorker);
    grace.quiescent(kWorker);
    table.age(now);
    EXPECT_GT(live, 0u);
    EXPECT_EQ(table.ended().packets, sent);
    EXPECT_EQ(table.ended().bytes, sent);
    EXPECT_EQ(table.count(), 0u);
}

TEST(FlowTableMemory, OnlyWhatIsUsedIsMemory) {
    path::Grace grace(1);
    Table table(FlowConfig{.size = kMaxFlows}, grace);
    EXPECT_GT(table.memory(), size_t{kMaxFlows} * 2 * sizeof(Record));
    EXPECT_LT(table.memory_used(), size_t{16} << 20);
    EXPECT_EQ(table.add(tuple_of(1), allowed(), kConnection, kNow, kWorker).outcome, Added::kNew);
    EXPECT_GT(table.memory_used(), 0u);
    EXPECT_LT(table.memory_used(), size_t{64} << 20);
}

TEST(FlowTableLoad, BucketsTakeSixTenths) {
    path::Grace grace(1);
    // Of this size the buckets are as full as they get.
    Table table(FlowConfig{.size = 9200}, grace);
    for (uint32_t n = 0; n < table.capacity(); ++n) {
        ASSERT_EQ(table.add(tuple_of(n), allowed(), kConnection, kNow, kWorker).outcome, Added::kNew);
    }
    EXPECT_EQ(table.pressure().refused_crowded, 0u);
    for (uint32_t n = 0; n < table.capacity(); ++n) {
        ASSERT_NE(table.find(tuple_of(n)), kNoRecord);
        ASSERT_NE(table.find(tuple_of(n).reversed()), kNoRecord);
    }
}

TEST(FlowTableBucket, TagsAreMatchedWithoutVectorsToo) {
    std::mt19937_64 random(3);
    for (int i = 0; i < 10'000; ++i) {
        const auto tag = static_cast<uint16_t>(random());
        uint64_t word = random();
        uint32_t expected = 0;
        for (uint32_t lane = 0; lane < 4; ++lane) {
            // Often the same, or a bit beside it.
            if (random() % 2 != 0) {
                const uint64_t value = random() % 2 != 0 ? tag : tag ^ (1u << random() % 16);
                word = (word & ~(uint64_t{0xffff} << lane * 16)) | value << lane * 16;
            }
            expected |= uint32_t{static_cast<uint16_t>(word >> lane * 16) == tag} << lane;
        }
        ASSERT_EQ(Bucket::match_lanes(word, tag), expected);
        Bucket bucket{};
        bucket.tags[1].store(word);
        bucket.tags[0].store(~word);
        EXPECT_EQ(bucket.match(tag) >> 4, expected);
    }
}

}  // namespace
}  // namespace sluice::flow
