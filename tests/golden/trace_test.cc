// What trace says of a packet is what becomes of it. The very frame that a question stands for is put into
// the port's ring afterwards: verdict, ports and bytes are compared; and between the two nothing may have
// changed, whatever a switch counts, learns or remembers.
#include "explain/trace.h"

#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <set>

#include "golden/dry_run.h"
#include "golden/harness.h"
#include "golden/random_world.h"
#include "golden/row.h"
#include "wire/summary.h"

namespace sluice {
namespace {

using explain::Probe;
using explain::Question;
using explain::Trace;
using explain::Verdict;
using golden::kWorldDevices;
using golden::digest;
using golden::Random;
using golden::router_of;
using golden::World;
using path::Drop;
using test::Bytes;
using test::Harness;
using test::Packet;
using wire::Protocol;

std::string mac_text(uint64_t mac) {
    MacAddress address;
    std::memcpy(address.bytes.data(), &mac, address.bytes.size());
    return address.text();
}

// A port whose frames nobody sees.
constexpr std::string_view kNullPort = "sink";
constexpr std::string_view kNullMac = "02:00:00:00:00:99";

class Asking {
 public:
    Asking(const World& world, const std::string& configuration)
        : world_(world), harness_(1, kWorldDevices, {.size = 1024}) {
        harness_.apply(configuration);
    }

    Harness& harness() { return harness_; }

    // Asks, sees that nothing came of it, and then lets the frame speak.
    void check(const Question& question) {
        SCOPED_TRACE(fmt::format("from {} to {}, protocol {}, port {}", question.from, question.to,
                                 static_cast<int>(question.protocol), question.destination_port));
        engine::Switch& running = harness_.running();
        const std::string before = digest(harness_);
        const auto trace = explain::trace(running, question);
        EXPECT_EQ(digest(harness_), before);
        harness_.run();
        for (const std::string& device : kWorldDevices) EXPECT_TRUE(harness_.sent(device).empty()) << device;
        ASSERT_TRUE(trace) << trace.error().message;
        const auto probe = explain::find_probe(running, question);
        ASSERT_TRUE(probe);
        // Nobody would know where to send it.
        if (probe->destination_mac == 0) {
            EXPECT_EQ(trace->verdict, probe->is_on_link ? Verdict::kAsk : Verdict::kDrop);
            EXPECT_TRUE(trace->sent.empty());
            return;
        }
        ++asked[trace->verdict == Verdict::kAsk ? "ask" : trace->reason];
        EXPECT_NE(probe->from.address, probe->to.address);
        introduce(*probe);
        happen(*probe, question, *trace);
    }

    std::map<std::string, int> asked;  // by reason

 private:
    // What trace takes for known: the station's MAC address, and of a router's neighbor whose it is.
    void introduce(const Probe& probe) {
        const explain::End& to = probe.to;
        if (to.port == nullptr || to.mac == 0 || to.port->port->config().name == kNullPort) return;
        engine::Switch& running = harness_.running();
        const std::string mac = mac_text(to.mac);
        std::string address = to.address.text();
        for (const auto& station : world_.stations) {
            if (station.mac != mac || station.far) continue;
            // Who is behind another is known by that one.
            if (address == "10.9.0.5") address = station.v4;
            if (address == "fd00:9::5") address = station.v6;
        }
        const bool is_known =
            running.macs().at(to.network)->find(to.mac, bridge::MacTable::hash(to.mac)).found();
        const auto* neighbor =
            running.neighbors().find(running.network_ids().at(to.network), *IpAddress::parse(address));
        if (is_known && (!world_.is_routed || (neighbor != nullptr && neighbor->resolved()))) return;
        const bool blue = to.network == "blue";
        Packet frame;
        frame.eth(mac, "ff:ff:ff:ff:ff:ff");
        if (const auto& trunk = to.port->port->config().trunk; trunk && trunk->native != to.network) {
            frame.vlan(blue ? 10 : 20);
        }
        if (to.address.is_v4()) {
            frame.arp_request(mac, address, blue ? "10.0.0.254" : "10.0.1.254");
        } else {
            const std::string gateway = blue ? "fd00:a::fe" : "fd00:b::fe";
            Bytes target = test::address_bytes(gateway);
            target.insert(target.end(), {1, 1});
            const Bytes bytes = test::mac_bytes(mac);
            target.insert(target.end(), bytes.begin(), bytes.end());
            frame.ipv6(address, gateway).ttl(255).icmp(135, 0, 0).payload(target);
        }
        put(to.port->port->config().name, test::to_mbuf(test::switch_pools().buffers, frame));
        for (const std::string& device : kWorldDevices) harness_.sent(device);
    }

    void put(const std::string& device, rte_mbuf* frame) {
        ASSERT_NE(frame, nullptr);
        harness_.device(device).put(frame);
        harness_.run();
    }

    uint64_t sent_to_null() {
        const auto found = harness_.running().ports().find(std::string(kNullPort));
        if (found == harness_.running().ports().end()) return 0;
        return harness_.running().traffic(found->second.port->id(), {}).tx_packets;
    }

    // Whether a frame is for the one that was asked about, or one of the switch's own answers.
    static bool is_for(const Probe& probe, const Bytes& frame) {
        const bool v4 = probe.to.address.is_v4();
        const Bytes address = test::address_bytes(probe.to.address.text());
        size_t tags = 0;
        while (frame.size() > 13 + 4 * tags && frame[12 + 4 * tags] == 0x81 && frame[13 + 4 * tags] == 0) ++tags;
        const size_t at = 14 + 4 * tags + (v4 ? 16 : 24);
        return frame.size() >= at + address.size() && std::equal(address.begin(), address.end(), &frame[at]);
    }

    void happen(const Probe& probe, const Question& question, const Trace& trace) {
        const test::DropCounts before = harness_.drops();
        const uint64_t null_before = sent_to_null();
        put(probe.from.port->port->config().name,
            explain::build_probe(harness_.running().pools(), probe, question));
        std::multimap<std::string, Bytes> real;
        std::multiset<std::string> to;
        for (const std::string& device : kWorldDevices) {
            for (Bytes& frame : harness_.sent(device)) {
                if (is_for(probe, frame)) to.insert(device);
                real.emplace(device, std::move(frame));
            }
        }
        std::set<std::string> reasons;
        for (const auto& [where, count] : harness_.drops()) {
            const auto was = before.find(where);
            if (was == before.end() || was->second != count)
                reasons.insert(std::string(path::text(where.second).name));
        }
        // It waits for somebody who is not known: the switch asks for him.
        if (trace.verdict == Verdict::kAsk) {
            EXPECT_TRUE(to.empty());
            EXPECT_TRUE(trace.sent.empty());
            return;
        }
        for (uint64_t n = sent_to_null() - null_before; n > 0; --n) to.emplace(kNullPort);
        std::multimap<std::string, Bytes> told;
        for (const auto& sent : trace.sent) {
            if (sent.port != kNullPort) told.emplace(sent.port, sent.bytes);
        }
        EXPECT_EQ(lines(told), lines(real));
        EXPECT_EQ(told, real);
        // A packet may arrive in fragments.
        const std::set<std::string> arrived(to.begin(), to.end());
        EXPECT_EQ(std::set<std::string>(trace.to.begin(), trace.to.end()), arrived);
        EXPECT_EQ(trace.verdict == Verdict::kDeliver, !to.empty() || reasons.empty());
        EXPECT_EQ(trace.verdict == Verdict::kReject, to.empty() && reasons.contains("rejected"));
        if (trace.verdict == Verdict::kDeliver) {
            EXPECT_EQ(trace.reason, "");
        } else {
            EXPECT_TRUE(reasons.contains(trace.reason)) << trace.reason;
            EXPECT_FALSE(trace.decided_by.empty());
        }
        delivered += static_cast<int>(to.size());
    }

    static std::string lines(const std::multimap<std::string, Bytes>& frames) {
        std::string text;
        for (const auto& [port, frame] : frames) {
            text += port + ": " + wire::summary(frame, frame.size()) + "\n";
        }
        return text;
    }

    const World& world_;
    Harness harness_;

 public:
    int delivered = 0;
};

Question make_question(Random& random, const World& world, int number) {
    Question question;
    question.from = random.one_of(kWorldDevices);
    // Not who asks; behind a trunk somebody of the other network may be meant.
    auto is_sender = [&](const golden::Station& station) {
        return kWorldDevices[station.device] == question.from && station.vlan == 0;
    };
    do {
        const auto& station = random.one_of(world.stations);
        const bool by_name = random.chance(55);
        question.to = by_name ? kWorldDevices[station.device] : random.chance(60) ? station.v4 : station.v6;
        if (!by_name && is_sender(station)) question.to = question.from;
    } while (question.to == question.from);
    if (random.chance(10)) {
        question.to = random.one_of({"239.1.2.3", "255.255.255.255", "10.0.0.255", "10.0.1.255", "ff02::1"});
    } else if (world.is_routed && random.chance(15)) {
        question.to =
            random.one_of({"10.0.0.254", "10.0.1.254", "fd00:a::fe", "10.8.0.1", "10.7.0.1", "10.6.0.1"});
    } else if (random.chance(10)) {
        question.to = kNullPort;
    }
    question.protocol =
        random.one_of({Protocol::kTcp, Protocol::kTcp, Protocol::kUdp, Protocol::kIcmp, Protocol::kSctp});
    question.source_port = static_cast<uint16_t>(40'000 + number);
    question.destination_port = random.one_of<uint16_t>({80, 53, 443, 22});
    if (random.chance(20)) question.length = random.one_of<uint32_t>({72, 576, 1300, 1500});
    if (random.chance(20)) question.df = random.chance(50);
    if (random.chance(5)) question.vlan = random.one_of<uint16_t>({5, 7, 4094});
    if (random.chance(5)) question.source_mac = MacAddress::parse("02:00:00:00:00:77").value();
    if (random.chance(5)) question.destination_mac = MacAddress::parse("02:00:00:00:00:78").value();
    return question;
}

TEST(Trace, IsWhatHappens) {
    std::map<std::string, int> asked;
    int delivered = 0;
    for (uint64_t seed = 1; seed <= 120; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        const World world = golden::make_world(random);
        // Its place in the file: the last of the ports.
        std::string configuration = world.networks_and_ports;
        const std::string null_port =
            fmt::format("  - {{name: {}, device: 'net_null0,no-rx=1', network: red, mac: '{}', "
                        "address: [10.0.1.99, 'fd00:b::99']}}\n", kNullPort, kNullMac);
        const size_t routes = configuration.find("routes:");
        configuration.insert(std::min(routes, configuration.size()), null_port);
        const size_t red = configuration.find("static: [", configuration.find("name: red")) + 9;
        configuration.insert(red, fmt::format("{{mac: '{}', port: {}}}, ", kNullMac, kNullPort));
        configuration += "flows: {size: 1024}\n" + golden::make_acls(random, world);
        Asking asking(world, configuration);
        for (int i = 0; i < 6; ++i) asking.check(make_question(random, world, i));
        if (testing::Test::HasFailure()) FAIL() << configuration;
        for (const auto& [reason, count] : asking.asked) asked[reason] += count;
        delivered += asking.delivered;
    }
    EXPECT_GT(delivered, 100);
    for (const char* reason : {"", "denied", "rejected", "blackhole", "no-route", "ask"}) {
        EXPECT_GT(asked[reason], 3) << reason;
    }
}

// --- many questions at once ---

// All of a trace.
std::string text_of(const base::Result<Trace>& trace) {
    if (!trace) return trace.error().message;
    std::string text = fmt::format("{} {} to {}; {}\n", base::word_of(trace->verdict), trace->reason,
                                   fmt::join(trace->to, ", "), trace->packet);
    for (const auto& by : trace->decided_by) text += fmt::format("by {}\n", explain::text(by));
    for (const auto& stage : trace->stages) {
        text += fmt::format("{}: {}{}\n", stage.name, stage.text, stage.by ? explain::text(*stage.by) : "");
    }
    for (const auto& sent : trace->sent) text += fmt::format("{}: {:02x}\n", sent.port, fmt::join(sent.bytes, ""));
    return text;
}

// Asks all questions of one Tracer, and then each of a Tracer of its own.
void check_as_if_alone(Harness& harness, const std::vector<Question>& questions) {
    engine::Switch& running = harness.running();
    const std::string before = digest(harness);
    std::vector<std::string> together;
    explain::Tracer tracer(running);
    for (const Question& question : questions) together.push_back(text_of(tracer.trace(question)));
    EXPECT_EQ(digest(harness), before);
    for (size_t i = 0; i < questions.size(); ++i) {
        EXPECT_EQ(together[i], text_of(explain::trace(running, questions[i]))) << "question " << i;
    }
}

TEST(Tracer, AnswersEachQuestionAsIfItWasTheOnlyOne) {
    for (uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE(seed);
        Random random(seed);
        const World world = golden::make_world(random);
        Harness harness(1, kWorldDevices, {.size = 1024});
        harness.apply(world.networks_and_ports + "flows: {size: 1024}\n" + golden::make_acls(random, world));
        std::vector<Question> questions;
        for (int i = 0; i < 60; ++i) {
            // Most questions come again, so that what one has written would be found by another.
            const bool is_again = i > 5 && random.chance(60);
            questions.push_back(is_again ? questions[random.below(static_cast<uint32_t>(i))]
                                         : make_question(random, world, i));
        }
        check_as_if_alone(harness, questions);
        if (testing::Test::HasFailure()) FAIL() << world.networks_and_ports;
    }
}

// --- what is told of cases that the random ones seldom meet ---

const std::string kHost = R"(networks:
  - {name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254}
  - {name: red, subnets: [10.0.1.0/24], gateway: 10.0.1.254}
  - {name: lone, subnets: [10.0.2.0/24]}
ports:
  - {name: a, device: net_ring_a, network: blue, mac: '02:00:00:00:00:0a', address: 10.0.0.1}
  - {name: b, device: net_ring_b, network: red, mac: '02:00:00:00:00:0b', address: 10.0.1.1}
  - {name: c, device: net_ring_c}
  - {name: d, device: net_ring_d, network: lone, mac: '02:00:00:00:00:0d', address: 10.0.2.1}
  - {name: gone, device: net_nosuch0, network: red, mac: '02:00:00:00:00:0e', address: 10.0.1.5}
  - {name: n1, device: 'net_null1,no-rx=1', network: blue, mac: '02:00:00:00:00:11', address: 10.0.0.2}
  - {name: n2, device: 'net_null2,no-rx=1', network: red, mac: '02:00:00:00:00:12', address: 10.0.1.2}
  - {name: n3, device: 'net_null3,no-rx=1', network: red, address: 10.0.1.3}
  - {name: narrow, device: 'net_null4,no-rx=1', network: red, mtu: 1000, address: 10.0.1.4}
routes:
  - {to: 10.8.0.0/16, type: blackhole}
  - {to: 10.7.0.0/16, type: unreachable}
acls:
  - name: edge
    apply: {port: b, direction: ingress}
    rules:
      - permit: {proto: tcp, port: 80}
      - deny: {proto: tcp, port: 81}
      - reject: {proto: tcp, port: 82}
  - name: quiet
    apply: {port: n3, direction: ingress}
    rules:
      - permit: {proto: tcp, port: [80-89]}
)";

class TraceTest : public testing::Test {
 protected:
    TraceTest() { harness_.apply(kHost); }

    Trace ask(const std::string& from, const std::string& to, uint16_t port = 80) {
        const std::string before = digest(harness_);
        const auto trace =
            explain::trace(harness_.running(), {.from = from, .to = to, .destination_port = port});
        EXPECT_EQ(digest(harness_), before);
        EXPECT_TRUE(trace) << trace.error().message;
        return trace.value_or(Trace{});
    }
    // The line of what is written so in the configuration.
    static int line_of(const std::string& text) {
        return 1 + static_cast<int>(std::count(
                       kHost.begin(), kHost.begin() + static_cast<ptrdiff_t>(kHost.find(text)), '\n'));
    }
    static std::string told(const Trace& trace) {
        std::string text;
        for (const auto& [value, word] : names(trace.verdict)) {
            if (value == trace.verdict) text = word;
        }
        if (!trace.reason.empty()) text += " " + trace.reason;
        for (const std::string& to : trace.to) text += " to " + to;
        for (const auto& by : trace.decided_by) {
            text += fmt::format(", {} {} ({}:{})", by.kind, by.name, by.place.file, by.place.line);
        }
        return text;
    }

    Harness harness_{1, {"a", "b", "c", "d"}};
};

TEST_F(TraceTest, ARuleThatPermitsDeniesOrRejectsIsNamedWithItsPlace) {
    EXPECT_EQ(told(ask("a", "b", 80)),
              fmt::format("deliver to b, acl-rule edge rule 1 (golden:{})", line_of("- permit")));
    EXPECT_EQ(told(ask("a", "b", 81)),
              fmt::format("drop denied, acl-rule edge rule 2 (golden:{})", line_of("- deny")));
    EXPECT_EQ(told(ask("a", "b", 82)),
              fmt::format("reject rejected, acl-rule edge rule 3 (golden:{})", line_of("- reject")));
    EXPECT_EQ(told(ask("a", "10.0.1.1", 83)),
              fmt::format("drop denied, acl-rule edge end (golden:{})", line_of("- name: edge")));
}

TEST_F(TraceTest, AStationThatIsSilentYetIsFoundBehindItsPortWithItsPolicies) {
    EXPECT_EQ(told(ask("a", "n3", 80)), fmt::format("deliver to n3, acl-rule quiet rule 1 (golden:{})",
                                                    line_of("- permit: {proto: tcp, port: [80-")));
    EXPECT_EQ(told(ask("a", "n3", 90)),
              fmt::format("drop denied, acl-rule quiet end (golden:{})", line_of("- name: quiet")));
}

TEST_F(TraceTest, APacketOfALengthMeetsTheMtuOfItsWayOut) {
    const auto ask_long = [&](const std::string& from, uint32_t length) {
        return explain::trace(harness_.running(), {.from = from, .to = "narrow", .length = length}).value_or(Trace{});
    };
    EXPECT_EQ(told(ask_long("b", 1000)), fmt::format("deliver to narrow, port b (golden:{})", line_of("name: b,")));
    EXPECT_EQ(told(ask_long("b", 1001)),
              fmt::format("drop too-big, port narrow (golden:{})", line_of("name: narrow")));
    // Routed, the sender is told.
    EXPECT_EQ(told(ask_long("a", 1001)),
              fmt::format("drop fragmentation-needed, port narrow (golden:{})", line_of("name: narrow")));
    EXPECT_NE(ask_long("b", 1001).packet.find("length 1015: 10.0.1.1.40000 > 10.0.1.4.80: TCP [S]"),
              std::string::npos) << ask_long("b", 1001).packet;
    const auto endless = explain::trace(harness_.running(), {.from = "b", .to = "narrow", .length = 65'535});
    EXPECT_FALSE(endless);
    const auto tiny = explain::trace(harness_.running(), {.from = "b", .to = "narrow", .length = 39});
    ASSERT_FALSE(tiny);
    EXPECT_EQ(tiny.error().message, "a packet of 39 bytes can't be made: 40 at least");
    EXPECT_TRUE(explain::trace(harness_.running(), {.from = "b", .to = "narrow", .length = 40}));
}

TEST_F(TraceTest, APacketWithATagOrWithAddressesThatItsSenderWouldNotChoose) {
    const auto tagged = explain::trace(harness_.running(), {.from = "a", .to = "n1", .vlan = 7});
    ASSERT_TRUE(tagged);
    EXPECT_NE(tagged->packet.find("vlan 7"), std::string::npos) << tagged->packet;
    const auto stolen = explain::trace(
        harness_.running(), {.from = "b", .to = "n2", .source_mac = MacAddress::parse("02:00:00:00:00:12").value()});
    ASSERT_TRUE(stolen);
    EXPECT_EQ(stolen->reason, "spoofed-mac");
    const auto reserved = explain::trace(
        harness_.running(),
        {.from = "b", .to = "n2", .destination_mac = MacAddress::parse("01:80:c2:00:00:00").value()});
    ASSERT_TRUE(reserved);
    EXPECT_EQ(reserved->reason, "reserved-mac");
}

TEST_F(TraceTest, APortThatIsDown) {
    const std::string gone = fmt::format("drop port-down, port gone (golden:{})", line_of("name: gone"));
    EXPECT_EQ(told(ask("a", "gone")), gone);
    EXPECT_EQ(told(ask("gone", "a")), gone);
}

// The flow picks another next hop than the one that is down.
TEST_F(TraceTest, ARouteToSeveralLeadsToThoseThatAreUp) {
    harness_.apply(kHost.substr(0, kHost.find("routes:")) +
                   "routes: [{to: 10.60.0.0/16, next-hops: [{via: 10.0.1.5}, {via: 10.0.1.2}]}]\n");
    engine::Switch& running = harness_.running();
    const auto is_gone = [&](const char* address, bool gone) {
        auto* entry = running.neighbors().find(running.network_ids().at("red"), *IpAddress::parse(address));
        ASSERT_NE(entry, nullptr);
        entry->is_gone = gone;
    };
    const auto ways = [&] {
        std::set<std::string> all;
        for (uint16_t port = 1000; port < 1064; ++port) {
            const Question question{
                .from = "a", .to = "10.60.0.1", .protocol = Protocol::kUdp, .source_port = port};
            all.insert(told(explain::trace(running, question).value_or(Trace{})));
        }
        return all;
    };
    const std::string to_n2 = fmt::format("deliver to n2, route 10.60.0.0/16 (golden:{})", line_of("routes:"));
    is_gone("10.0.1.5", false);
    running.tick(engine::Clock::now());
    const std::string down = fmt::format("drop port-down, port gone (golden:{})", line_of("name: gone"));
    EXPECT_EQ(ways(), (std::set<std::string>{to_n2, down}));
    is_gone("10.0.1.5", true);
    running.tick(engine::Clock::now());
    EXPECT_EQ(ways(), std::set<std::string>{to_n2});
}

TEST_F(TraceTest, WhatIsForAGroupOrForEverybodyIsFlooded) {
    const auto check = [&](const std::string& from, const std::string& to, std::string_view mac,
                           const std::string& ports) {
        const Trace trace = ask(from, to);
        EXPECT_EQ(trace.verdict, Verdict::kDeliver) << to;
        EXPECT_NE(trace.packet.find(fmt::format("> {},", mac)), std::string::npos) << trace.packet;
        EXPECT_EQ(trace.stages.back().name, "flood");
        EXPECT_EQ(trace.stages.back().text, ports);
    };
    check("n1", "239.1.2.3", "01:00:5e:01:02:03", "to port a");
    check("n1", "239.255.2.3", "01:00:5e:7f:02:03", "to port a");
    check("n1", "255.255.255.255", "ff:ff:ff:ff:ff:ff", "to port a");
    check("n1", "10.0.0.255", "ff:ff:ff:ff:ff:ff", "to port a");
    check("n1", "ff02::1", "33:33:00:00:00:01", "to port a");
    check("n2", "10.0.1.255", "ff:ff:ff:ff:ff:ff", "to ports b, n3, narrow");
}

TEST_F(TraceTest, WhatGoesIntoATunnelWaitsForItsNextHop) {
    harness_.apply(
        "networks: [{name: blue, subnets: [10.0.0.0/24], vxlan: {vni: 100, remotes: [192.0.2.2]}}]\n"
        "underlay: {port: d, address: 192.0.2.1/24}\n"
        "ports:\n"
        "  - {name: a, device: net_ring_a, network: blue}\n"
        "  - {name: b, device: net_ring_b, network: blue}\n"
        "  - {name: d, device: net_ring_d}\n");
    EXPECT_NE(ask("a", "10.0.0.2").stages.back().text.find("flooded to port b, tunnel 192.0.2.2."),
              std::string::npos);
    EXPECT_EQ(ask("a", "b").verdict, Verdict::kDeliver);
    harness_.apply(
        "networks: [{name: blue, subnets: [10.0.0.0/24], vxlan: {vni: 100, remotes: [192.0.2.2]}}]\n"
        "underlay: {port: d, address: 192.0.2.1/24}\n"
        "ports:\n"
        "  - {name: a, device: net_ring_a, network: blue}\n"
        "  - {name: d, device: net_ring_d}\n");
    const Trace trace = ask("a", "10.0.0.255");
    EXPECT_EQ(told(trace), "ask");
    EXPECT_EQ(trace.stages.back().text,
              "for the MAC address of 192.0.2.2 in the underlay; host-unreachable if it does not answer");
}

// A station behind a remote host, which the switch has heard of.
class TraceOfTunnelTest : public TraceTest {
 protected:
    void start(const std::string& vxlan) {
        harness_.apply(
            "networks:\n"
            "  - {name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254,\n"
            "     vxlan: {vni: 100, remotes: [192.0.2.2]" + vxlan + "}}\n"
            "  - {name: red, subnets: [10.0.1.0/24], gateway: 10.0.1.254}\n"
            "underlay: {port: d, address: 192.0.2.1/24}\n"
            "ports:\n"
            "  - {name: a, device: net_ring_a, network: blue, mac: '02:00:00:00:00:0a', address: 10.0.0.1}\n"
            "  - {name: b, device: net_ring_b, network: red, mac: '02:00:00:00:00:0b', address: 10.0.1.1,\n"
            "     mtu: 1000}\n"
            "  - {name: d, device: net_ring_d}\n"
            "acls:\n"
            "  - {name: at-b, apply: {port: b, direction: ingress},"
            " rules: [{reject: {proto: tcp, port: 81}}, {permit: {}}]}\n");
        const std::string here = router_of("(underlay)");
        put(Packet().eth(kRemote, here).arp_reply(kRemote, "192.0.2.2", here, "192.0.2.1"));
        put(from_remote(Packet().eth(kThere, "ff:ff:ff:ff:ff:ff").arp_request(kThere, "10.0.0.5", "10.0.0.254")));
        (void)harness_.sent("d");
    }
    static Bytes from_remote(const Bytes& inner) {
        return Packet()
            .eth(kRemote, router_of("(underlay)"))
            .ipv4("192.0.2.2", "192.0.2.1")
            .udp(50000, 4789)
            .without_checksum()
            .vxlan(100)
            .payload(inner);
    }
    void put(const Bytes& frame) {
        harness_.device("d").put(test::to_mbuf(test::switch_pools().buffers, frame));
        harness_.run();
    }
    std::string answer(Question question) {
        const auto trace = explain::trace(harness_.running(), question);
        if (!trace) return trace.error().message;
        std::string text = told(*trace);
        return text.substr(0, text.find(','));
    }

    static constexpr std::string_view kThere = "02:00:00:00:00:05";
    static constexpr std::string_view kRemote = "02:00:00:00:00:1a";
};

// The answer leaves by the underlay's port, and is none of the packet's own ways.
TEST_F(TraceOfTunnelTest, WhatTheSwitchAnswersIsNoDelivery) {
    start("");
    EXPECT_EQ(answer({.from = "10.0.0.5", .to = "10.0.1.1"}), "deliver to b");
    EXPECT_EQ(answer({.from = "10.0.0.5", .to = "10.0.1.1", .destination_port = 81}), "reject rejected");
    EXPECT_EQ(answer({.from = "10.0.0.5", .to = "8.8.8.8"}), "drop no-route");
    EXPECT_EQ(answer({.from = "10.0.0.5", .to = "10.0.1.1", .length = 1400, .df = true}),
              "drop fragmentation-needed");
    EXPECT_EQ(answer({.from = "10.0.0.5", .to = "10.0.0.254", .protocol = Protocol::kUdp}), "drop no-listener");
    EXPECT_EQ(answer({.from = "b", .to = "10.0.0.5"}), "deliver to d");
}

TEST_F(TraceOfTunnelTest, WhatTheTunnelsDropIsDropped) {
    start("");
    for (const uint16_t vlan : {5, 10, 4094}) {
        const Question tagged{.from = "10.0.0.5", .to = "10.0.0.1", .vlan = vlan};
        EXPECT_EQ(answer(tagged), "drop vxlan-inner-vlan");
        const auto probe = explain::find_probe(harness_.running(), tagged);
        ASSERT_TRUE(probe);
        rte_mbuf* frame = explain::build_probe(test::switch_pools(), *probe, tagged);
        const uint64_t before = harness_.drops()[{"d", Drop::kVxlanInnerVlan}];
        put(from_remote(test::bytes_of(frame)));
        rte_pktmbuf_free(frame);
        EXPECT_EQ((harness_.drops()[{"d", Drop::kVxlanInnerVlan}]), before + 1);
        EXPECT_TRUE(harness_.sent("a").empty());
    }
    EXPECT_EQ(answer({.from = "10.0.0.5", .to = "10.0.0.1", .vlan = 0}), "deliver to a");
    // What stations behind remotes may not answer.
    const Question offer{.from = "10.0.0.5", .to = "10.0.0.1", .protocol = Protocol::kUdp, .source_port = 67,
                         .destination_port = 68};
    EXPECT_EQ(answer(offer), "deliver to a");
    start(", serves: []");
    EXPECT_EQ(answer(offer), "drop rogue-dhcp");
    start(", inner-vlan: carry");
    EXPECT_EQ(answer({.from = "10.0.0.5", .to = "10.0.0.1", .vlan = 5}), "deliver to a");
}

// Of a plain network the switch knows MAC addresses alone.
TEST_F(TraceTest, AStationOfANetworkWithoutARouter) {
    harness_.apply(
        "networks: [{name: lan, subnets: [10.20.0.0/24]}]\nports:\n"
        "  - {name: a, device: net_ring_a, network: lan}\n"
        "  - {name: b, device: net_ring_b, network: lan}\n"
        "  - {name: c, device: net_ring_c, network: lan, mac: '02:00:00:00:00:0c', address: 10.20.0.3}\n");
    const Bytes frame = Packet().eth(test::kMacB, "ff:ff:ff:ff:ff:ff").payload(46);
    harness_.device("b").put(test::to_mbuf(test::switch_pools().buffers, frame));
    harness_.run();
    EXPECT_EQ(told(ask("a", "10.20.0.2")), "ask");
    EXPECT_NE(ask("a", "10.20.0.2").stages.back().text.find("flooded to ports b, c."), std::string::npos);
    EXPECT_EQ(ask("a", std::string(test::kMacB)).to, std::vector<std::string>{"b"});
    EXPECT_EQ(ask("a", "b").verdict, Verdict::kDeliver);
    EXPECT_EQ(ask("a", "10.20.0.3").to, std::vector<std::string>{"c"});
}

TEST_F(TraceTest, APacketThatMayBeFragmentedIs) {
    const auto ask_so = [&](Protocol protocol, std::optional<bool> df) {
        const Question question{.from = "a", .to = "narrow", .protocol = protocol, .length = 1400, .df = df};
        return explain::trace(harness_.running(), question).value_or(Trace{});
    };
    const Trace udp = ask_so(Protocol::kUdp, {});
    EXPECT_EQ(udp.to, std::vector<std::string>{"narrow"});
    EXPECT_EQ(udp.sent.size(), 2u);
    EXPECT_EQ(udp.stages.back().text, "by port narrow, in 2 fragments");
    EXPECT_TRUE(udp.packet.ends_with(", no DF")) << udp.packet;
    EXPECT_EQ(ask_so(Protocol::kIcmp, {}).verdict, Verdict::kDeliver);
    const Trace tcp = ask_so(Protocol::kTcp, {});
    EXPECT_EQ(tcp.reason, "fragmentation-needed");
    EXPECT_TRUE(tcp.packet.ends_with(", DF")) << tcp.packet;
    EXPECT_EQ(ask_so(Protocol::kUdp, true).reason, "fragmentation-needed");
    EXPECT_EQ(ask_so(Protocol::kTcp, false).verdict, Verdict::kDeliver);
}

TEST_F(TraceTest, TheLeastLengthIsToldAndNotTaken) {
    const auto least = [&](Protocol protocol) {
        const auto trace =
            explain::trace(harness_.running(), {.from = "a", .to = "b", .protocol = protocol, .length = 5});
        return trace ? "" : trace.error().message;
    };
    EXPECT_EQ(least(Protocol::kTcp), "a packet of 5 bytes can't be made: 40 at least");
    EXPECT_EQ(least(Protocol::kUdp), "a packet of 5 bytes can't be made: 28 at least");
}

TEST_F(TraceTest, ATagSaysWhichNetworkOfATrunkAFrameIsIn) {
    harness_.apply(
        "networks:\n"
        "  - {name: blue, vlan: 10, subnets: [10.0.0.0/24]}\n"
        "  - {name: green, vlan: 20, subnets: [10.0.2.0/24]}\n"
        "ports:\n"
        "  - {name: a, device: net_ring_a, trunk: {networks: [blue, green]}}\n"
        "  - {name: b, device: net_ring_b, network: blue, mac: '02:00:00:00:00:0b', address: 10.0.0.2}\n"
        "  - {name: c, device: net_ring_c, network: green, mac: '02:00:00:00:00:0c', address: 10.0.2.2}\n");
    const auto ask_by = [&](const std::string& to, std::optional<uint16_t> vlan) {
        return explain::trace(harness_.running(), {.from = "a", .to = to, .vlan = vlan}).value_or(Trace{});
    };
    EXPECT_EQ(ask_by("b", {}).to, std::vector<std::string>{"b"});
    const Trace green = ask_by("10.0.2.2", 20);
    EXPECT_EQ(green.to, std::vector<std::string>{"c"});
    EXPECT_NE(green.stages.front().text.find("in network green"), std::string::npos) << green.stages.front().text;
    for (const uint16_t vlan : {99, 0}) {
        const Trace trace = ask_by("b", vlan);
        EXPECT_EQ(trace.reason, "vlan-not-allowed");
        EXPECT_EQ(trace.stages.front().text.find("in network"), std::string::npos) << trace.stages.front().text;
        EXPECT_EQ(trace.packet.find("vlan") == std::string::npos, vlan == 0) << trace.packet;
    }
}

TEST_F(TraceTest, APortThatDeclaresAnAddressOfTheOtherFamilyOnly) {
    const Question question{.from = "a", .to = "fd00::1", .protocol = Protocol::kIcmp};
    const auto trace = explain::trace(harness_.running(), question);
    ASSERT_TRUE(trace);
    EXPECT_NE(trace->stages.front().text.find("(the port declares no IPv6 address: this is a spare one)"),
              std::string::npos) << trace->stages.front().text;
}

// What permits is no reason for a drop.
TEST_F(TraceTest, ADropIsDecidedByWhatDropsAlone) {
    harness_.apply(kHost + "  - {name: wide, apply: {port: narrow, direction: ingress}, rules: [{permit: {}}]}\n");
    const auto trace = explain::trace(harness_.running(), {.from = "a", .to = "narrow", .length = 1001});
    ASSERT_TRUE(trace);
    EXPECT_EQ(told(*trace),
              fmt::format("drop fragmentation-needed, port narrow (golden:{})", line_of("name: narrow")));
}

TEST_F(TraceTest, APortInNoNetwork) {
    EXPECT_EQ(told(ask("c", "10.0.0.1")),
              fmt::format("drop no-network, port c (golden:{})", line_of("name: c,")));
}

TEST_F(TraceTest, TheGatewayAnswers) {
    const auto question = [](Protocol protocol, const std::string& to) {
        return Question{.from = "a", .to = to, .protocol = protocol};
    };
    auto ping = explain::trace(harness_.running(), question(Protocol::kIcmp, "10.0.0.254"));
    ASSERT_TRUE(ping);
    EXPECT_EQ(ping->verdict, Verdict::kDeliver);
    EXPECT_TRUE(ping->to.empty());
    ASSERT_EQ(ping->sent.size(), 1u);
    EXPECT_EQ(ping->sent[0].port, "a");
    auto tcp = explain::trace(harness_.running(), question(Protocol::kTcp, "10.0.1.254"));
    ASSERT_TRUE(tcp);
    EXPECT_EQ(tcp->verdict, Verdict::kDrop);
    EXPECT_EQ(tcp->reason, "no-listener");
}

TEST_F(TraceTest, RoutesThatLeadNowhere) {
    EXPECT_EQ(told(ask("a", "10.8.1.1")),
              fmt::format("drop blackhole, route 10.8.0.0/16 (golden:{})", line_of("10.8.0.0")));
    EXPECT_EQ(told(ask("a", "10.7.1.1")),
              fmt::format("drop unreachable-route, route 10.7.0.0/16 (golden:{})", line_of("10.7.0.0")));
    EXPECT_EQ(ask("a", "10.6.1.1").reason, "no-route");
}

TEST_F(TraceTest, AnAddressThatNobodyIsKnownToHave) {
    EXPECT_EQ(told(ask("a", "10.0.0.77")), "ask");
    EXPECT_EQ(ask("a", "10.0.0.77").stages.back().text,
              "the MAC address of 10.0.0.77 is not known here: the sender would request it (ARP), flooded to port n1"
              ". The trace ends here: name the MAC address or the port");
    EXPECT_EQ(told(ask("a", "10.0.1.77")), "ask");
    EXPECT_EQ(ask("a", "10.0.1.77").stages.back().text,
              "for the MAC address of 10.0.1.77 in network red; host-unreachable if it does not answer");
    EXPECT_EQ(ask("d", "10.0.1.1").reason, "no-route");  // it has no gateway
    const auto nobody = explain::trace(harness_.running(), {.from = "10.0.1.77", .to = "a"});
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().message,
              "10.0.1.77 would be in network red, where 10.0.1.77 has not been seen yet: ping it once, or name "
              "a port");
    const auto unknown = explain::trace(harness_.running(), {.from = "a", .to = "nosuch"});
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().message, "there is no port \"nosuch\"");
}

std::vector<Question> repeated(const Question& question, size_t count) { return std::vector(count, question); }

TEST_F(TraceTest, WhatAPortMayCauseInASecondIsNotUsedUpByQuestions) {
    // A port gets 20 answers at once.
    check_as_if_alone(harness_, repeated({.from = "a", .to = "b", .destination_port = 82}, 40));
    check_as_if_alone(harness_, repeated({.from = "a", .to = "10.7.1.1"}, 40));
    check_as_if_alone(harness_, repeated({.from = "a", .to = "10.0.0.254", .protocol = Protocol::kUdp}, 40));
    harness_.apply(
        "networks: [{name: lan, subnets: [10.20.0.0/24]}]\nports:\n"
        "  - {name: a, device: net_ring_a, network: lan, mac-limit: 1, flood-limit: {unknown: 10, multicast: 10}}\n"
        "  - {name: b, device: net_ring_b, network: lan}\n"
        "  - {name: c, device: net_ring_c, network: lan}\n");
    const auto mac = [](const std::string& text) { return MacAddress::parse(text).value(); };
    std::vector<Question> questions =
        repeated({.from = "a", .to = "10.20.0.9", .destination_mac = mac("02:00:00:00:00:55")}, 12);
    for (const char* source : {"02:00:00:00:00:56", "02:00:00:00:00:57", "02:00:00:00:00:56"}) {
        questions.push_back({.from = "a", .to = "224.1.2.3", .source_mac = mac(source)});
    }
    check_as_if_alone(harness_, questions);
    EXPECT_EQ(explain::trace(harness_.running(), questions.back())->to, (std::vector<std::string>{"b", "c"}));
}

TEST_F(TraceTest, AStationIsWhereItWasAfterQuestionsThatMoveIt) {
    harness_.apply(
        "networks: [{name: lan, subnets: [10.20.0.0/24]}]\nports:\n"
        "  - {name: a, device: net_ring_a, network: lan}\n"
        "  - {name: b, device: net_ring_b, network: lan}\n"
        "  - {name: c, device: net_ring_c, network: lan}\n");
    const Bytes frame = Packet().eth(test::kMacB, "ff:ff:ff:ff:ff:ff").payload(46);
    harness_.device("b").put(test::to_mbuf(test::switch_pools().buffers, frame));
    harness_.run();
    const MacAddress moving = MacAddress::parse(std::string(test::kMacB)).value();
    std::vector<Question> questions;
    for (int i = 0; i < 8; ++i) {
        questions.push_back({.from = "c", .to = std::string(test::kMacB)});
        questions.push_back({.from = "a", .to = "224.1.2.3", .source_mac = moving});
    }
    check_as_if_alone(harness_, questions);
    EXPECT_EQ(explain::trace(harness_.running(), questions.front())->to, std::vector<std::string>{"b"});
}

TEST_F(TraceTest, AnAddressIsThePortsThatDeclaresItNow) {
    const auto port = [](const char* name, const std::string& address) {
        return fmt::format("  - {{name: {0}, device: net_ring_{0}, network: lan, address: {1}}}\n", name, address);
    };
    const auto apply = [&](const std::string& ports) {
        harness_.apply("networks: [{name: lan, subnets: [10.20.0.0/24]}]\nports:\n" + ports);
    };
    const auto receiver = [&] { return explain::trace(harness_.running(), {.from = "a", .to = "10.20.0.9"})->to; };
    using Ports = std::vector<std::string>;
    apply(port("a", "10.20.0.1") + port("b", "10.20.0.9") + port("c", "10.20.0.3"));
    EXPECT_EQ(receiver(), Ports{"b"});
    apply(port("a", "10.20.0.1") + port("b", "10.20.0.2") + port("c", "[10.20.0.3, 10.20.0.9]"));
    EXPECT_EQ(receiver(), Ports{"c"});
    apply(port("a", "10.20.0.1") + port("b", "10.20.0.9"));
    EXPECT_EQ(receiver(), Ports{"b"});
    apply(port("a", "10.20.0.1") + port("b", "10.20.0.2"));
    EXPECT_EQ(receiver(), Ports{});
    EXPECT_TRUE(harness_.running().ports_with(*IpAddress::parse("10.20.0.9")).empty());
}

// Sixteen packets may wait for a neighbor.
TEST_F(TraceTest, PacketsOfQuestionsDoNotWaitForLonger) {
    std::vector<Question> questions = repeated({.from = "a", .to = "10.0.1.77"}, 20);
    questions.push_back({.from = "a", .to = "10.0.1.78"});
    check_as_if_alone(harness_, questions);
}

TEST_F(TraceTest, MoreConnectionsMayBeAskedAboutThanTheFlowTableHolds) {
    explain::Tracer tracer(harness_.running());
    for (uint16_t i = 0; i < 4000; ++i) {
        const auto trace = tracer.trace({.from = "a", .to = "b", .source_port = i});
        ASSERT_TRUE(trace);
        ASSERT_EQ(trace->verdict, Verdict::kDeliver) << i << ": " << trace->reason;
    }
}

// It would be asked for again and again, for as long as somebody asks about it.
TEST_F(TraceTest, ANeighborThatIsAskedAboutIsNotInUse) {
    engine::Switch& running = harness_.running();
    const path::NetworkId red = running.network_ids().at("red");
    neighbor::Entry* entry = running.neighbors().find(red, *IpAddress::parse("10.0.1.1"));
    ASSERT_NE(entry, nullptr);
    entry->used.store(1);
    EXPECT_EQ(ask("a", "b").verdict, Verdict::kDeliver);
    EXPECT_EQ(entry->used.load(), 1u);
}

// A generator's or a sink's port is as good as any other, and nothing has to come from it.
TEST_F(TraceTest, PortsWithoutAnybodyBehindThem) {
    const Trace bridged = ask("a", "n1");
    EXPECT_EQ(bridged.verdict, Verdict::kDeliver);
    EXPECT_EQ(bridged.to, std::vector<std::string>{"n1"});
    const Trace routed = ask("n1", "n2");
    EXPECT_EQ(routed.verdict, Verdict::kDeliver);
    EXPECT_EQ(routed.to, std::vector<std::string>{"n2"});
    ASSERT_EQ(routed.sent.size(), 1u);
    const Bytes expected = Packet().eth(router_of("red"), "02:00:00:00:00:12");
    EXPECT_TRUE(std::equal(expected.begin(), expected.begin() + 12, routed.sent[0].bytes.begin()));
    EXPECT_EQ(ask("10.0.0.2", "b", 81).reason, "denied");
}

}  // namespace
}  // namespace sluice
