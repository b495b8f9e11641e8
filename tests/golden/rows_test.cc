// The golden path: a configuration, packets in, frames out and drops counted, one row a case. Every
// row runs with one worker and with two. Each packet runs dry first, which may change nothing. Drop reasons that only a kernel device can give
// (malformed-offload, cut-short, stale, transmit-failed, interface-down) have no row here, nor has
// host-unreachable, which takes seconds, nor flow-table-full and flow-share, which take a thousand connections (policy_test),
// nor have those that only a Kubernetes Service can give (no-local-endpoint, service-source).
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "golden/dry_run.h"
#include "golden/row.h"

namespace sluice {
namespace {

using namespace golden;
using golden::port;  // not the namespace

Packet tcp(uint32_t sequence = 1, uint16_t id = 1) {
    return Packet()
        .eth(kA, kB)
        .ipv4("10.0.0.1", "10.0.0.2")
        .id(id)
        .tcp(1234, 80, test::kAck, sequence);
}

Packet tcp6(uint32_t sequence = 1) {
    return Packet()
        .eth(kA, kB)
        .vlan(5)
        .ipv6("fd00::1", "fd00::2")
        .tcp(1234, 80, test::kAck, sequence);
}

Bytes part(size_t begin, size_t size) {
    const Bytes whole = test::pattern(begin + size);
    return Bytes(whole.begin() + static_cast<ptrdiff_t>(begin), whole.end());
}

std::vector<Row> rows() {
    std::vector<Row> rows;
    auto add = [&](Row row) { rows.push_back(std::move(row)); };

    // --- learning and flooding ---
    add({.name = "UnknownIsFloodedToMembersOnly",
         .configuration = "networks: [{name: blue}, {name: red}]\nports:\n" + port("a") +
                          port("b") + port("c") + port("d", "red") + port("e", ""),
         .in = {{"a", plain(kA, kB)}},
         .out = {{"b", plain(kA, kB)}, {"c", plain(kA, kB)}}});
    add({.name = "ALearnedAddressIsSentToItsPort",
         .configuration = kThree,
         .in = {{"b", plain(kB, kBroadcast)}, {"a", plain(kA, kB)}, {"b", plain(kB, kA)}},
         .out = {{"a", plain(kB, kBroadcast)},
                 {"c", plain(kB, kBroadcast)},
                 {"b", plain(kA, kB)},
                 {"a", plain(kB, kA)}}});
    add({.name = "BroadcastIsFlooded",
         .configuration = kThree,
         .in = {{"a", plain(kA, kBroadcast), {}, {}, 3}},
         .out = {{"b", plain(kA, kBroadcast), 3}, {"c", plain(kA, kBroadcast), 3}}});
    add({.name = "MulticastIsFlooded",
         .configuration = kThree,
         .in = {{"a", plain(kA, "01:00:5e:00:00:fb")}, {"b", plain(kB, "33:33:00:00:00:01")}},
         .out = {{"b", plain(kA, "01:00:5e:00:00:fb")},
                 {"c", plain(kA, "01:00:5e:00:00:fb")},
                 {"a", plain(kB, "33:33:00:00:00:01")},
                 {"c", plain(kB, "33:33:00:00:00:01")}}});
    add({.name = "AnAddressThatMovesIsFollowed",
         .configuration = kThree,
         .in = {{"b", plain(kB, kBroadcast)},
                {"a", plain(kA, kB)},
                {"c", plain(kB, kA)},
                {"a", plain(kA, kB)}},
         .out = {{"a", plain(kB, kBroadcast)},
                 {"c", plain(kB, kBroadcast)},
                 {"b", plain(kA, kB)},
                 {"a", plain(kB, kA)},
                 {"c", plain(kA, kB)}}});
    add({.name = "OneAddressInTwoNetworksIsTwoStations",
         .configuration = "networks: [{name: blue}, {name: red}]\nports:\n" + port("a") +
                          port("b") + port("c", "red") + port("d", "red"),
         .in = {{"b", plain(kB, kA)},
                {"d", plain(kB, kA)},
                {"a", plain(kA, kB)},
                {"c", plain(kA, kB)}},
         .out = {{"a", plain(kB, kA)},
                 {"c", plain(kB, kA)},
                 {"b", plain(kA, kB)},
                 {"d", plain(kA, kB)}}});
    add({.name = "AnAddressKnownInAnotherNetworkIsUnknownHere",
         .configuration = "networks: [{name: blue}, {name: red}]\nports:\n" + port("a") +
                          port("b") + port("c", "red") + port("d", "red"),
         .in = {{"d", plain(kB, kBroadcast)}, {"a", plain(kA, kB)}},
         .out = {{"c", plain(kB, kBroadcast)}, {"b", plain(kA, kB)}}});

    // --- static entries ---
    const std::string kStatic =
        "networks: [{name: blue, static: [{mac: '02:00:00:00:00:0b', port: b}]}]\nports:\n";
    add({.name = "AStaticAddressNeedsNoLearning",
         .configuration = kStatic + port("a") + port("b") + port("c"),
         .in = {{"a", plain(kA, kB)}},
         .out = {{"b", plain(kA, kB)}}});
    add({.name = "AStaticAddressDoesNotMove",
         .configuration = kStatic + port("a") + port("b") + port("c"),
         .in = {{"c", plain(kB, kBroadcast)}, {"a", plain(kA, kB)}},
         .out = {{"b", plain(kA, kB)}},
         .drops = {{"c", Drop::kForeignMac, 1}}});
    add({.name = "AStaticAddressOfAPortThatIsDown",
         .configuration = kStatic + port("a") +
                          "  - {name: b, device: net_nosuch0, network: blue}\n" + port("c"),
         .in = {{"a", plain(kA, kB)}},
         .drops = {{"b", Drop::kPortDown, 1}}});
    const std::string kDeclared = "  - {name: b, device: net_nosuch0, network: blue, mac: '" + std::string(kB) +
                                  "', address: 10.0.0.2}\n";
    add({.name = "AFrameToTheDeclaredAddressOfAPortThatIsDownReachesNobodyElse",
         .configuration = kBlue + port("a") + kDeclared + port("c"),
         .in = {{"a", plain(kA, kB), {}, {}, 3}},
         .drops = {{"b", Drop::kPortDown, 3}}});

    // --- a port without link ---
    const std::string kAbsent = kBlue + port("a") + port("b") +
                                "  - {name: g, vhost-user: {path: /nowhere/g}, network: blue, mac: '" +
                                std::string(kC) + "'}\n";
    add({.name = "NoFrameCanFollowAGuestThatIsGone",
         .configuration = kAbsent,
         .in = {{"a", plain(kA, kC), {}, {}, 3}},
         .drops = {{"g", Drop::kLinkDown, 3}}});
    add({.name = "NothingIsFloodedToAPortWithoutLink",
         .configuration = kAbsent,
         .in = {{"a", plain(kA, kBroadcast)}},
         .out = {{"b", plain(kA, kBroadcast)}}});

    // --- runs of the same addresses, which are decided once a batch ---
    add({.name = "ARunFollowsItsFirstFrame",
         .configuration = kThree,
         .in = {{"b", plain(kB, kA)}, {"a", plain(kA, kB), {}, {}, 40}},
         .out = {{"a", plain(kB, kA)}, {"b", plain(kA, kB), 40}, {"c", plain(kB, kA)}}});
    add({.name = "ARunToAnUnknownAddressIsFloodedFrameByFrame",
         .configuration = kThree,
         .in = {{"a", plain(kA, kB), {}, {}, 5}},
         .out = {{"b", plain(kA, kB), 5}, {"c", plain(kA, kB), 5}}});
    add({.name = "ARunThatIsDroppedIsCountedWhole",
         .configuration = kThree,
         .in = {{"a", plain(kBroadcast, kB), {}, {}, 5}},
         .drops = {{"a", Drop::kInvalidSource, 5}}});

    // --- drops of the bridge ---
    add({.name = "Runt",
         .configuration = kThree,
         .in = {{"a", Bytes(13, 2)}, {"a", Bytes(1, 2)}},
         .drops = {{"a", Drop::kRunt, 2}}});
    add({.name = "AnEthernetHeaderAlonePasses",
         .configuration = kBlue + port("a") + port("b"),
         .in = {{"a", Packet().eth(kA, kB)}},
         .out = {{"b", Packet().eth(kA, kB)}}});
    add({.name = "ASourceThatNoStationHas",
         .configuration = kThree,
         .in = {{"a", plain(kBroadcast, kB)},
                {"a", plain("01:00:00:00:00:01", kB)},
                {"a", plain("00:00:00:00:00:00", kB)}},
         .drops = {{"a", Drop::kInvalidSource, 3}}});
    add({.name = "APortInNoNetwork",
         .configuration = kThree + port("e", ""),
         .in = {{"e", plain(kA, kB), {}, {}, 2}},
         .drops = {{"e", Drop::kNoNetwork, 2}}});
    add({.name = "ReservedAddressesAreNotForwarded",
         .configuration = kThree,
         .in = {{"a", plain(kA, "01:80:c2:00:00:00")},
                {"a", plain(kA, "01:80:c2:00:00:0e")},
                {"a", plain(kA, "01:80:c2:00:00:0f")}},
         .drops = {{"a", Drop::kReservedMac, 3}}});
    add({.name = "TheAddressAfterTheReservedOnesIsFlooded",
         .configuration = kBlue + port("a") + port("b"),
         .in = {{"a", plain(kA, "01:80:c2:00:00:10")}},
         .out = {{"b", plain(kA, "01:80:c2:00:00:10")}}});
    add({.name = "BackToWhereItCameFrom",
         .configuration = kThree,
         .in = {{"a", plain(kB, kBroadcast)}, {"a", plain(kA, kB)}},
         .out = {{"b", plain(kB, kBroadcast)}, {"c", plain(kB, kBroadcast)}},
         .drops = {{"a", Drop::kSamePort, 1}}});
    add({.name = "NobodyElseInTheNetwork",
         .configuration =
             "networks: [{name: blue}, {name: red}]\nports:\n" + port("a") + port("b", "red"),
         .in = {{"a", plain(kA, kBroadcast)}},
         .drops = {{"a", Drop::kNoMember, 1}}});

    const Bytes report = Packet()
                             .eth(kA, "33:33:00:00:00:16")
                             .ipv6("fe80::ff:fe00:a", "ff02::16")
                             .extension(0, 8)
                             .icmp(143, 0, 1)
                             .payload(20);
    add({.name = "WhatEveryHostSaysUnaskedIsBackgroundWhereNobodyHearsIt",
         .configuration =
             "networks: [{name: blue}, {name: red}]\nports:\n" + port("a") + port("b", "red") + port("c", "red"),
         .in = {{"a", report}, {"b", report}},
         .out = {{"c", report}},
         .drops = {{"a", Drop::kBackground, 1}}});

    add({.name = "WhatEveryHostSaysUnaskedIsBackgroundInNoNetworkAndInNoVlanToo",
         .configuration = "networks: [{name: blue, vlan: 5}]\nports:\n" + port("a", "") +
                          port("b", "", ", trunk: {networks: [blue]}") + port("c"),
         .in = {{"a", report}, {"b", report}, {"a", plain(kA, kB)}, {"b", plain(kA, kB)}},
         .drops = {{"a", Drop::kBackground, 1},
                   {"b", Drop::kBackground, 1},
                   {"a", Drop::kNoNetwork, 1},
                   {"b", Drop::kVlanNotAllowed, 1}}});

    // --- sizes ---
    add({.name = "ALongerFrameThanTheMtuIsTooBig",
         .configuration = kThree,
         .in = {{"b", plain(kB, kBroadcast, 1472)}, {"a", plain(kA, kB, 1473)}},
         .out = {{"a", plain(kB, kBroadcast, 1472)}, {"c", plain(kB, kBroadcast, 1472)}},
         .drops = {{"b", Drop::kTooBig, 1}}});
    add({.name = "AFloodedFrameIsTooBigWhereItIs",
         .configuration = kBlue + port("a", "blue", ", mtu: 9000") + port("b") +
                          port("c", "blue", ", mtu: 9000"),
         .in = {{"a", plain(kA, kBroadcast, 4000)}},
         .out = {{"c", plain(kA, kBroadcast, 4000)}},
         .drops = {{"b", Drop::kTooBig, 1}}});
    add({.name = "JumboFramesPass",
         .configuration =
             kBlue + port("a", "blue", ", mtu: 9000") + port("b", "blue", ", mtu: 9000"),
         .in = {{"a", plain(kA, kB, 8972)}, {"a", plain(kA, kB, 8973)}},
         .out = {{"b", plain(kA, kB, 8972)}},
         .drops = {{"b", Drop::kTooBig, 1}}});
    add({.name = "AChainPasses",
         .configuration = kBlue + port("a") + port("b"),
         .in = {{"a", plain(kA, kB, 1000), {}, {14, 1, 500}}},
         .out = {{"b", plain(kA, kB, 1000)}}});

    // --- tagged frames ---
    const auto tagged = [](size_t size, uint16_t type) {
        return Bytes(Packet()
                         .eth(kA, kB)
                         .vlan(5, type)
                         .ipv4("10.0.0.1", "10.0.0.2")
                         .udp(7, 7)
                         .payload(size));
    };
    add({.name = "ATagPassesAndDoesNotCount",
         .configuration = kBlue + port("a") + port("b"),
         .in = {{"a", tagged(1472, 0x8100)},
                {"a", tagged(1472, 0x88a8)},
                {"a", tagged(1473, 0x8100)}},
         .out = {{"b", tagged(1472, 0x8100)}, {"b", tagged(1472, 0x88a8)}},
         .drops = {{"b", Drop::kTooBig, 1}}});

    // --- offloads ---
    add({.name = "AnUnfinishedChecksumIsFinished",
         .configuration = kBlue + port("a") + port("b"),
         .in = {{"a", tcp().payload(333).unfinished(), Unfinished{}},
                {"a",
                 tcp6().payload(334).unfinished(),
                 Unfinished{.l2_len = 18, .l3_len = 40, .ipv6 = true},
                 {30, 50}}},
         .out = {{"b", tcp().payload(333)}, {"b", tcp6().payload(334)}}});
    add({.name = "AFloodedUnfinishedChecksumIsFinishedForAll",
         .configuration = kThree,
         .in = {{"a", tcp().payload(333).unfinished(), Unfinished{}}},
         .out = {{"b", tcp().payload(333)}, {"c", tcp().payload(333)}}});
    add({.name = "ASegmentIsCut",
         .configuration = kBlue + port("a") + port("b"),
         .in = {{"a", tcp().payload(3000).unfinished(), Unfinished{.segment_size = 1448}, {54}}},
         .out = {{"b", tcp().payload(part(0, 1448))},
                 {"b", tcp(1449, 2).payload(part(1448, 1448))},
                 {"b", tcp(2897, 3).payload(part(2896, 104))}}});
    add({.name = "AnIpv6SegmentWithATagIsCut",
         .configuration = kBlue + port("a") + port("b"),
         .in = {{"a", tcp6().payload(2000).unfinished(),
                 Unfinished{.l2_len = 18, .l3_len = 40, .ipv6 = true, .segment_size = 1428}}},
         .out = {{"b", tcp6().payload(part(0, 1428))},
                 {"b", tcp6(1429).payload(part(1428, 572))}}});
    add({.name = "AFloodedSegmentIsCutForAll",
         .configuration = kThree,
         .in = {{"a", tcp().payload(2000).unfinished(), Unfinished{.segment_size = 1000}}},
         .out = {{"b", tcp().payload(part(0, 1000))},
                 {"b", tcp(1001, 2).payload(part(1000, 1000))},
                 {"c", tcp().payload(part(0, 1000))},
                 {"c", tcp(1001, 2).payload(part(1000, 1000))}}});
    add({.name = "AJumboSegmentIsCutIntoJumboFrames",
         .configuration =
             kBlue + port("a", "blue", ", mtu: 9000") + port("b", "blue", ", mtu: 9000"),
         .in = {{"a", tcp().payload(12'000).unfinished(), Unfinished{.segment_size = 8960}}},
         .out = {{"b", tcp().payload(part(0, 8960))},
                 {"b", tcp(8961, 2).payload(part(8960, 3040))}}});
    add({.name = "ASegmentOfPiecesBeyondTheMtuIsTooBig",
         .configuration = kBlue + port("a", "blue", ", mtu: 9000") + port("b"),
         .in = {{"a", tcp().payload(12'000).unfinished(), Unfinished{.segment_size = 8960}}},
         .drops = {{"b", Drop::kTooBig, 1}}});

    // --- want of room ---
    add({.name = "NoBufferForACopy",
         .configuration = kThree,
         .in = {{"a", plain(kA, kBroadcast)}},
         .out = {{"c", plain(kA, kBroadcast)}},
         .drops = {{"b", Drop::kNoBuffer, 1}},
         .buffers_left = 0});
    add({.name = "NoBufferForPieces",
         .configuration = kBlue + port("a") + port("b"),
         .in = {{"a", tcp().payload(3000).unfinished(), Unfinished{.segment_size = 1000}}},
         .out = {{"b", tcp().payload(part(0, 1000))}},
         .drops = {{"b", Drop::kNoBuffer, 2}},
         .buffers_left = 1});
    add({.name = "AReceiverThatIsOverrun",
         .configuration = kBlue + port("a") + port("tiny"),
         .in = {{"a", plain(kA, kB), {}, {}, 10}},
         .out = {{"tiny", plain(kA, kB), 4}},
         .drops = {{"tiny", Drop::kTransmitFull, 6}}});
    for (auto* more :
         {layer2_rows, station_rows, route_rows, vxlan_rows, one_nic_rows, policy_rows, translation_rows}) {
        for (Row& row : more()) rows.push_back(std::move(row));
    }
    return rows;
}

rte_mbuf* mbuf_of(const In& in) {
    rte_mbuf* m = test::to_mbuf(test::switch_pools().buffers, in.frame, in.chain);
    if (m != nullptr && in.unfinished) test::mark(m, *in.unfinished);
    return m;
}

void put(test::Harness& harness, const In& in) {
    for (int i = 0; i < in.times; ++i) {
        rte_mbuf* m = mbuf_of(in);
        ASSERT_NE(m, nullptr);
        harness.device(in.port).put(m);
    }
}

// Of the first frames that aren't the same: their lengths and where they begin to differ.
std::string difference(const std::vector<Bytes>& sent, const std::vector<Bytes>& expected) {
    for (size_t i = 0; i < std::min(sent.size(), expected.size()); ++i) {
        if (sent[i] == expected[i]) continue;
        const auto [at, other] = std::mismatch(sent[i].begin(), sent[i].end(), expected[i].begin(), expected[i].end());
        return fmt::format(", frame {} of {} bytes in place of {} differs from byte {}: {:02x}", i, sent[i].size(),
                           expected[i].size(), at - sent[i].begin(),
                           fmt::join(at, std::min(sent[i].end(), at + 8), " "));
    }
    return "";
}

void check(const Row& row, uint16_t workers) {
    SCOPED_TRACE(workers);
    const std::vector<std::string> devices{"a", "b", "c", "d", "e", "tiny"};
    test::Harness harness(workers, devices);
    ASSERT_NO_FATAL_FAILURE(harness.apply(row.configuration));
    for (const In& in : row.in) {
        ASSERT_NO_FATAL_FAILURE(run_dry(harness, in.port, mbuf_of(in)));
        ASSERT_NO_FATAL_FAILURE(put(harness, in));
        std::optional<test::Shortage> shortage;
        if (row.buffers_left) shortage.emplace(test::switch_pools().buffers, *row.buffers_left);
        harness.run();
    }
    harness.give_up_fragments();

    std::map<std::string, std::vector<Bytes>> expected;
    for (const Out& out : row.out) {
        for (int i = 0; i < out.times; ++i) expected[out.port].push_back(out.frame);
    }
    for (const std::string& device : devices) {
        const auto sent = harness.sent(device);
        EXPECT_EQ(sent, expected[device])
            << "out of " << device << ": " << sent.size() << " frames" << difference(sent, expected[device]);
    }
    test::DropCounts drops;
    for (const auto& [port, reason, count] : row.drops) drops[{port, reason}] = count;
    EXPECT_EQ(harness.drops(), drops);
    harness.check_books();
}

class Golden : public testing::TestWithParam<Row> {};

TEST_P(Golden, Row) {
    check(GetParam(), 1);
    check(GetParam(), 2);
}

INSTANTIATE_TEST_SUITE_P(Path, Golden, testing::ValuesIn(rows()),
                         [](const auto& row) { return row.param.name; });

// A new reason comes with its row, or with a word about why it can't have one.
TEST(GoldenRows, EveryReachableReasonHasARow) {
    std::set<Drop> covered{Drop::kMalformedOffload, Drop::kCutShort,       Drop::kStale,
                           Drop::kTransmitFailed,   Drop::kTooLongForPeer, Drop::kInterfaceDown,
                           Drop::kHostUnreachable,  Drop::kFlowTableFull,  Drop::kFlowShare,
                           Drop::kNoLocalEndpoint,  Drop::kServiceSource,  Drop::kResponderBusy,
                           Drop::kNatHostLimit,     Drop::kNatBusy,        Drop::kTupleTaken};
    for (const Row& row : rows()) {
        for (const auto& [port, reason, count] : row.drops) covered.insert(reason);
    }
    for (size_t i = 0; i < path::kDropCount; ++i) {
        EXPECT_TRUE(covered.contains(static_cast<Drop>(i)))
            << path::text(static_cast<Drop>(i)).name;
    }
}

// A packet that waits for a neighbor may outlive the port by which it came, and its drop is counted after the port's
// counters were set back.
TEST(Counters, APortBeginsWithoutWhatWasCountedLateForAnEarlierOne) {
    test::Harness harness(1, {"a", "b"});
    harness.apply(kBlue + port("a") + port("b"));
    const path::PortId id = harness.running().ports().at("b").port->id();
    harness.apply(kBlue + port("a"));
    harness.running().workers()[0]->counters().drop(id, Drop::kHostUnreachable, nullptr);
    harness.apply(kBlue + port("a") + port("b"));
    ASSERT_EQ(harness.running().ports().at("b").port->id(), id);
    EXPECT_EQ(harness.drops(), test::DropCounts{});
}

}  // namespace
}  // namespace sluice
