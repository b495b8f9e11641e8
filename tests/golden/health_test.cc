// Health checks of Services: what the switch sends to back ends, what their answers, and those of others, make of
// the Service; and back ends that drain.
#include <gtest/gtest.h>

#include "golden/harness.h"
#include "golden/translation_world.h"
#include "port/derived_mac.h"
#include "service/probes.h"

namespace sluice {
namespace {

using namespace golden;
using namespace golden::translation;
using golden::port;  // not the namespace
using namespace std::chrono_literals;
using test::Harness;

constexpr std::string_view kGateway4 = "10.0.0.254";
constexpr std::string_view kGateway6 = "fd00:a::fe";
constexpr std::chrono::milliseconds kInterval{250};

constexpr uint8_t kSynAck = Tcp::kSyn | Tcp::kAck;
constexpr uint8_t kRstAck = Tcp::kRst | Tcp::kAck;
constexpr uint32_t kTheirs = 5000;  // the back ends' first sequence number

uint32_t number_at(const Bytes& frame, size_t at, size_t size) {
    uint32_t number = 0;
    for (size_t i = 0; i < size; ++i) number = number << 8 | frame.at(at + i);
    return number;
}

// A TCP segment that the switch has sent.
struct Segment {
    uint16_t source_port = 0;
    uint16_t port = 0;
    uint32_t sequence = 0;
    uint32_t acknowledgement = 0;
    uint8_t flags = 0;
    std::string payload = {};
};

// Behind IPv4 or IPv6 without options.
Segment segment_of(const Bytes& frame, size_t tcp = 34) {
    const size_t end = tcp == 34 ? 14 + number_at(frame, 16, 2) : 54 + number_at(frame, 18, 2);
    return {.source_port = static_cast<uint16_t>(number_at(frame, tcp, 2)),
            .port = static_cast<uint16_t>(number_at(frame, tcp + 2, 2)),
            .sequence = number_at(frame, tcp + 4, 4),
            .acknowledgement = number_at(frame, tcp + 8, 4),
            .flags = frame.at(tcp + 13),
            .payload = std::string(frame.begin() + static_cast<ptrdiff_t>(tcp) + 20,
                                   frame.begin() + static_cast<ptrdiff_t>(end))};
}

class HealthTest : public testing::TestWithParam<uint16_t> {
 protected:
    HealthTest() : harness_(GetParam(), {"a", "b", "c", "d"}) {}
    ~HealthTest() override { harness_.check_books(); }

    // A Service at kShop4 with these back ends; without affinity a client may get any.
    static std::string shop(const std::string& health,
                            const std::string& backends = "{address: 10.0.0.1}, {address: 10.0.0.2}",
                            const std::string& more = "") {
        return networks_and_ports() +
               "services:\n  - {name: shop, address: [10.96.0.10, 'fd00:96::a'], ports: [{port: 80}],\n" +
               "     health: " + health + ", backends: [" + backends + "]" + more + "}\n";
    }
    void run_checks(std::chrono::milliseconds later = {}) {
        now_ += later;
        harness_.running().check_services(now_);
        harness_.run();
    }
    void put(const std::string& device, const Bytes& frame, const std::vector<size_t>& chain = {}) {
        harness_.device(device).put(test::to_mbuf(test::switch_pools().buffers, frame, chain));
        harness_.run();
    }
    // What the device was sent since it was last asked for: all of it whole.
    std::vector<Bytes> sent(const std::string& device) {
        std::vector<Bytes> frames = harness_.sent(device);
        for (const Bytes& frame : frames) EXPECT_TRUE(test::checksums_valid(frame));
        return frames;
    }
    // The one segment that it was sent.
    Segment one(const std::string& device, size_t tcp = 34) {
        const auto frames = sent(device);
        EXPECT_EQ(frames.size(), 1u) << "out of " << device;
        return frames.size() == 1 ? segment_of(frames[0], tcp) : Segment{};
    }
    Packet reply_of_a(const Segment& to, uint8_t flags, uint32_t sequence, uint32_t acknowledges) {
        return from_a(kGateway4).tcp(to.port, to.source_port, flags, sequence).acknowledges(acknowledges);
    }
    Packet reply_of_b(const Segment& to, uint8_t flags, uint32_t sequence, uint32_t acknowledges) {
        return from_b(kGateway4).tcp(to.port, to.source_port, flags, sequence).acknowledges(acknowledges);
    }
    // Both back ends get their SYNs; b answers with a SYN-ACK, and a does so or refuses.
    void check_both(bool a_is_good) {
        run_checks(kInterval);
        const Segment to_a = one("a");
        const Segment to_b = one("b");
        put("a", reply_of_a(to_a, a_is_good ? kSynAck : kRstAck, a_is_good ? kTheirs : 0, to_a.sequence + 1));
        put("b", reply_of_b(to_b, kSynAck, kTheirs, to_b.sequence + 1));
        (void)sent("a");
        (void)sent("b");
        run_checks(1ms);
    }
    // The devices that new connections of c lead to; "none" if they are refused.
    std::string served_by() {
        const uint64_t refused = drops("c", Drop::kNoEndpoint);
        std::string text;
        std::set<std::string> devices;
        for (int i = 0; i < 24; ++i) {
            put("c", from_c(kShop4).tcp(next_port_++, 80, Tcp::kSyn));
            for (const char* device : {"a", "b", "d"}) {
                if (!sent(device).empty()) devices.insert(device);
            }
        }
        for (const std::string& device : devices) text += device;
        (void)sent("c");
        if (drops("c", Drop::kNoEndpoint) == refused + 24) text += "none";
        return text;
    }
    uint64_t drops(const std::string& device, Drop reason) {
        const auto all = harness_.drops();
        const auto found = all.find({device, reason});
        return found == all.end() ? 0 : found->second;
    }
    uint32_t flows() { return harness_.running().flows().count(); }

    Harness harness_;
    engine::Clock::time_point now_{2000s};
    uint16_t next_port_ = 20000;
};

TEST_P(HealthTest, AProbeIsASynFromTheGatewaysAddress) {
    harness_.apply(shop("{}", "{address: 10.0.0.1}"));
    run_checks();
    const auto frames = sent("a");
    ASSERT_EQ(frames.size(), 1u);
    const Segment syn = segment_of(frames[0]);
    Bytes expected = Packet()
                         .eth(kPods, kMacOfA)
                         .ipv4(kGateway4, kA4)
                         .ttl(64)
                         .id(0)
                         .fragment(0x4000)
                         .tcp(syn.source_port, 80, Tcp::kSyn, syn.sequence)
                         .acknowledges(0);
    expected[48] = 4, expected[49] = 0;  // the window
    Bytes seen = frames[0];
    expected[50] = seen[50], expected[51] = seen[51];  // the checksum, which is right
    EXPECT_EQ(seen, expected);
    // A connection suffices: it is reset at once, and leaves no flow behind.
    put("a", reply_of_a(syn, kSynAck, kTheirs, syn.sequence + 1));
    const Segment reset = one("a");
    EXPECT_EQ(reset.flags, Tcp::kRst);
    EXPECT_EQ(reset.sequence, syn.sequence + 1);
    EXPECT_EQ(flows(), 0u);
    // The next one has another port and another number.
    run_checks(kInterval);
    const Segment next = one("a");
    EXPECT_NE(std::pair(next.source_port, next.sequence), std::pair(syn.source_port, syn.sequence));
    put("a", reply_of_a(next, kSynAck, kTheirs, next.sequence + 1));
    (void)sent("a");
    EXPECT_EQ(harness_.drops(), test::DropCounts{});
}

// A guest chooses how its frames lie in memory.
TEST_P(HealthTest, AnAnswerInSeveralBuffers) {
    harness_.apply(shop("{type: http, fall: 1, rise: 1}", "{address: 10.0.0.1}"));
    const std::string response = "HTTP/1.1 503 \r\n";
    for (const std::vector<size_t>& chain :
         {std::vector<size_t>{14, 20, 20}, {14, 40}, {54}, {54, 3, 4}, {20, 40}}) {
        run_checks(kInterval);
        const Segment syn = one("a");
        put("a", reply_of_a(syn, kSynAck, kTheirs, syn.sequence + 1), chain);
        const Segment request = one("a");
        const auto end = static_cast<uint32_t>(request.sequence + request.payload.size());
        put("a", reply_of_a(syn, Tcp::kAck, kTheirs + 1, end), chain);
        put("a", reply_of_a(syn, Tcp::kAck, kTheirs + 1, end).payload(Bytes(response.begin(), response.end())),
            chain);
        EXPECT_EQ(one("a").flags, Tcp::kRst);
        run_checks(1ms);
        const auto* check = harness_.running().translation().failing_check("shop", *IpAddress::parse(kA4), 80);
        ASSERT_NE(check, nullptr);
        EXPECT_EQ(text(check->last), "HTTP 503");
    }
}

TEST_P(HealthTest, ABackEndThatRefusesLeavesAndComesBack) {
    harness_.apply(shop("{rise: 2, fall: 2}"));
    for (int i = 0; i < 16; ++i) run_checks(20ms);  // new checks are spread over the interval
    (void)sent("a"), (void)sent("b");
    run_checks(kInterval);  // those time out: the first failure is enough
    (void)sent("a"), (void)sent("b");
    EXPECT_EQ(served_by(), "none");
    run_checks(kInterval);
    (void)sent("a"), (void)sent("b");
    check_both(true);
    EXPECT_EQ(served_by(), "none") << "once is not twice";
    check_both(true);
    EXPECT_EQ(served_by(), "ab");
    check_both(false);
    EXPECT_EQ(served_by(), "ab") << "once is not twice";
    check_both(false);
    EXPECT_EQ(served_by(), "b");
    check_both(true);
    check_both(true);
    EXPECT_EQ(served_by(), "ab");
}

TEST_P(HealthTest, NobodyElseCanAnswer) {
    harness_.apply(shop("{fall: 1}", "{address: 10.0.0.1}"));
    run_checks();
    Segment syn = one("a");
    put("a", reply_of_a(syn, kSynAck, kTheirs, syn.sequence + 1));
    (void)sent("a");
    run_checks(kInterval);
    syn = one("a");
    // b in the name of a, which its guard does not let pass.
    put("b", Packet()
                 .eth(kMacOfB, kPods)
                 .ipv4(kA4, kGateway4)
                 .tcp(80, syn.source_port, kRstAck, 0)
                 .acknowledges(syn.sequence + 1));
    EXPECT_EQ(drops("b", Drop::kSpoofedAddress), 1u);
    // b in its own name; a with another number, from another port, to another address of the switch.
    put("b", reply_of_b(syn, kRstAck, 0, syn.sequence + 1));
    put("a", reply_of_a(syn, kRstAck, 0, syn.sequence));
    put("a", reply_of_a(syn, kRstAck, 0, syn.sequence + 2));
    Segment other = syn;
    other.port = 81;
    put("a", reply_of_a(other, kRstAck, 0, syn.sequence + 1));
    put("a", from_a(kOut4).tcp(80, syn.source_port, kRstAck, 0).acknowledges(syn.sequence + 1));
    // The switch's answers are what strangers get (ICMP errors), and no part of the probe's connection.
    for (const Bytes& frame : sent("a")) EXPECT_EQ(frame[23], 1) << "an ICMP error";
    for (const Bytes& frame : sent("b")) EXPECT_EQ(frame[23], 1) << "an ICMP error";
    run_checks(1ms);
    EXPECT_EQ(served_by(), "a") << "none of them has counted";
    put("a", reply_of_a(syn, kRstAck, 0, syn.sequence + 1));
    EXPECT_TRUE(sent("a").empty());
    run_checks(1ms);
    EXPECT_EQ(served_by(), "none");
}

TEST_P(HealthTest, AnHttpCheckAsksAndReadsTheStatus) {
    harness_.apply(shop("{type: http, path: /healthz, fall: 1, rise: 1}", "{address: 10.0.0.1}"));
    const auto check_once = [&](const std::string& response) {
        run_checks(kInterval);
        const Segment syn = one("a");
        EXPECT_EQ(syn.flags, Tcp::kSyn);
        put("a", reply_of_a(syn, kSynAck, kTheirs, syn.sequence + 1));
        const Segment request = one("a");
        EXPECT_EQ(request.flags, Tcp::kAck | Tcp::kPsh);
        EXPECT_EQ(request.sequence, syn.sequence + 1);
        EXPECT_EQ(request.acknowledgement, kTheirs + 1);
        EXPECT_EQ(request.payload,
                  "GET /healthz HTTP/1.1\r\nHost: 10.0.0.1:80\r\nUser-Agent: sluice\r\n"
                  "Connection: close\r\n\r\n");
        const auto end = static_cast<uint32_t>(request.sequence + request.payload.size());
        put("a", reply_of_a(syn, Tcp::kAck, kTheirs + 1, end));
        EXPECT_TRUE(sent("a").empty()) << "an acknowledgement alone is answered by nothing";
        put("a", reply_of_a(syn, Tcp::kAck, kTheirs + 1, end).payload(Bytes(response.begin(), response.end())));
        const Segment reset = one("a");
        EXPECT_EQ(reset.flags, Tcp::kRst);
        EXPECT_EQ(reset.sequence, end);
        // What was on its way is taken, and answered by nothing.
        put("a", reply_of_a(syn, Tcp::kFin | Tcp::kAck, kTheirs + 1, end));
        EXPECT_TRUE(sent("a").empty());
        run_checks(1ms);
    };
    check_once("HTTP/1.1 200 OK\r\n\r\n");
    EXPECT_EQ(served_by(), "a");
    check_once("HTTP/1.0 503 Service Unavailable\r\n\r\n");
    EXPECT_EQ(served_by(), "none");
    check_once("HTTP/1.1 302 Found\r\n\r\n");
    EXPECT_EQ(served_by(), "a");
    check_once("220 mail.example ESMTP\r\n");
    EXPECT_EQ(served_by(), "none");
    EXPECT_EQ(drops("a", Drop::kNoListener), 0u);
}

TEST_P(HealthTest, AConnectionThatIsNotAnsweredInTimeIsReset) {
    harness_.apply(shop("{type: http}", "{address: 10.0.0.1}"));
    run_checks();
    const Segment syn = one("a");
    put("a", reply_of_a(syn, kSynAck, kTheirs, syn.sequence + 1));
    const Segment request = one("a");
    run_checks(kInterval);
    const Segment reset = one("a");
    EXPECT_EQ(reset.flags, Tcp::kRst);
    EXPECT_EQ(reset.source_port, syn.source_port);
    EXPECT_EQ(reset.sequence, request.sequence + request.payload.size());
    run_checks(1ms);
    EXPECT_EQ(one("a").flags, Tcp::kSyn) << "the next one";
}

TEST_P(HealthTest, ConnectionsOfAFailedBackEndAreDecidedAnew) {
    harness_.apply(shop("{fall: 1}"));
    for (int i = 0; i < 16; ++i) run_checks(20ms);
    (void)sent("a"), (void)sent("b");
    check_both(true), check_both(true), check_both(true);
    // A connection to a.
    uint16_t client = 0;
    for (uint16_t port = 30000; client == 0; ++port) {
        put("c", from_c(kShop4).tcp(port, 80, Tcp::kSyn));
        if (!sent("a").empty()) client = port;
        (void)sent("b");
    }
    put("a", Packet().eth(kMacOfA, kMacOfC).ipv4(kA4, kC4).tcp(80, client, kSynAck));
    EXPECT_EQ(sent("c").size(), 1u);
    check_both(false);
    // What a still says reaches nobody; b knows nothing of the connection and will reset it.
    put("a", Packet().eth(kMacOfA, kMacOfC).ipv4(kA4, kC4).tcp(80, client, Tcp::kAck, 2).payload(3));
    EXPECT_TRUE(sent("c").empty());
    put("c", from_c(kShop4).tcp(client, 80, Tcp::kAck, 2).payload(9));
    EXPECT_TRUE(sent("a").empty());
    EXPECT_EQ(sent("b").size(), 1u);
}

TEST_P(HealthTest, ADrainingBackEndKeepsItsConnections) {
    harness_.apply(shop("{}", "{address: 10.0.0.1}, {address: 10.0.0.2, drain: true}"));
    EXPECT_EQ(served_by(), "a");
    harness_.apply(
        networks_and_ports() +
        "services:\n  - {name: shop, address: [10.96.0.10], ports: [{port: 80}, {port: 53, proto: udp}], "
        "affinity: 100, backends: [{address: 10.0.0.1}, {address: 10.0.0.2}]}\n");
    put("c", from_c(kShop4).tcp(40000, 80, Tcp::kSyn));
    const bool is_a = !sent("a").empty();
    const std::string first = is_a ? "a" : "b";
    (void)sent("b");
    // Each port of the Service has its own choice.
    put("c", from_c(kShop4).udp(40000, 53));
    const std::string first_of_udp = !sent("a").empty() ? "a" : "b";
    (void)sent("b");
    const IpAddress drained = *IpAddress::parse(is_a ? "10.0.0.1" : "10.0.0.2");
    ASSERT_TRUE(harness_.running().drain_backend("shop", drained, true));
    put("c", from_c(kShop4).tcp(40000, 80, Tcp::kAck, 2));
    EXPECT_EQ(sent(first).size(), 1u) << "what it has it keeps";
    put("c", from_c(kShop4).udp(40000, 53));
    EXPECT_EQ(sent(first_of_udp).size(), 1u) << "what it has it keeps";
    EXPECT_EQ(served_by(), is_a ? "b" : "a") << "for new ones affinity does not hold";
    // It survives a change of other things, and ends with the back end.
    harness_.apply(networks_and_ports() +
                   "services:\n  - {name: shop, address: [10.96.0.10], ports: [{port: 80}], "
                   "backends: [{address: 10.0.0.1}, {address: 10.0.0.2}]}\n");
    EXPECT_EQ(served_by(), is_a ? "b" : "a");
    ASSERT_TRUE(harness_.running().drain_backend("shop", drained, false));
    EXPECT_EQ(served_by(), "ab");
    // Mistakes.
    EXPECT_FALSE(harness_.running().drain_backend("shop", *IpAddress::parse("10.0.0.3"), true));
    EXPECT_FALSE(harness_.running().drain_backend("shoe", drained, true));
}

TEST_P(HealthTest, AConnectionFromTheSamePortHasAChoiceOfItsOwn) {
    harness_.apply(networks_and_ports() +
                   "services:\n  - {name: shop, address: [10.96.0.10], ports: [{port: 80}], "
                   "backends: [{address: 10.0.0.1}, {address: 10.0.0.2}]}\n");
    put("c", from_c(kShop4).tcp(40000, 80, Tcp::kSyn));
    const bool is_a = !sent("a").empty();
    (void)sent("b");
    put("c", from_c(kShop4).tcp(40000, 80, Tcp::kRst, 2));
    (void)sent("a"), (void)sent("b");
    ASSERT_TRUE(harness_.running().drain_backend("shop", *IpAddress::parse(is_a ? "10.0.0.1" : "10.0.0.2"), true));
    put("c", from_c(kShop4).tcp(40000, 80, Tcp::kSyn));
    EXPECT_EQ(sent("a").size(), is_a ? 0u : 1u);
    EXPECT_EQ(sent("b").size(), is_a ? 1u : 0u);
}

TEST_P(HealthTest, Ipv6AndAnotherNetwork) {
    harness_.apply(shop("{port: 9000}", "{address: 'fd00:a::1'}, {address: 192.0.2.80}"));
    run_checks();
    run_checks(20ms);
    const auto frames = sent("a");
    ASSERT_EQ(frames.size(), 1u);
    const Segment syn = segment_of(frames[0], 54);
    EXPECT_EQ(syn.port, 9000);
    put("a", from_a6(kGateway6).tcp(9000, syn.source_port, kSynAck, kTheirs).acknowledges(syn.sequence + 1));
    EXPECT_EQ(one("a", 54).flags, Tcp::kRst);
    // From the gateway's address there.
    const auto others = sent("d");
    ASSERT_EQ(others.size(), 1u);
    EXPECT_EQ(number_at(others[0], 26, 4), 0xc0000201u);
    const Segment other = segment_of(others[0]);
    put("d", from_w(kOut4).tcp(9000, other.source_port, kSynAck, kTheirs).acknowledges(other.sequence + 1));
    EXPECT_EQ(one("d").flags, Tcp::kRst);
}

// A container could have all ports of the outside address for itself, and with them the answers to probes.
TEST_P(HealthTest, AConnectionBehindNatIsNotTakenForAFailure) {
    harness_.apply(shop("{port: 9000}", "{address: 192.0.2.80}") +
                   "nat:\n  - {masquerade: [pods], out: out, ports: 32768-60999, ports-per-host: 28232}\n");
    for (uint32_t port = service::Probes::kFirstPort; port <= service::Probes::kLastPort; ++port)
        put("c", from_c(kW4).tcp(static_cast<uint16_t>(port), 9000, Tcp::kSyn));
    EXPECT_EQ(sent("d").size(), size_t{service::Probes::kLastPort} - service::Probes::kFirstPort + 1);
    for (int i = 0; i < 4; ++i) {
        run_checks(kInterval);
        EXPECT_TRUE(sent("d").empty()) << "there is no port to ask from";
    }
    EXPECT_EQ(harness_.running().translation().failing_check("shop", *IpAddress::parse(kW4), 80), nullptr);
}

// Neither an ACL nor a NetworkPolicy: the pod's host reaches it always.
TEST_P(HealthTest, PoliciesDoNotApply) {
    harness_.apply(
        shop("{fall: 1, rise: 1}", "{address: 10.0.0.1}") +
        "acls:\n  - {name: closed, apply: [{port: a, direction: ingress}, {port: a, direction: egress}], "
        "rules: []}\n");
    run_checks();
    const Segment syn = one("a");
    put("a", reply_of_a(syn, kSynAck, kTheirs, syn.sequence + 1));
    EXPECT_EQ(one("a").flags, Tcp::kRst);
    EXPECT_EQ(harness_.drops(), test::DropCounts{});
}

TEST_P(HealthTest, AStationIsAskedForItsMacAddressFirst) {
    harness_.apply("networks:\n  - {name: pods, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}\nports:\n" +
                   port("a", "pods") + port("b", "pods") + port("c", "pods") + port("d", "pods") +
                   "services:\n  - {name: shop, address: [10.96.0.10], ports: [{port: 80}], health: {fall: 1}, "
                   "backends: [{address: 10.0.0.1}]}\n");
    run_checks();
    const auto asked = sent("a");
    ASSERT_EQ(asked.size(), 1u);
    EXPECT_EQ(asked[0][13], 6) << "ARP";
    put("a", Packet().eth(kMacOfA, kPods).arp_reply(kMacOfA, kA4, kPods, kGateway4));
    run_checks(20ms);
    const Segment syn = one("a");
    EXPECT_EQ(syn.flags, Tcp::kSyn);
    put("a", reply_of_a(syn, kSynAck, kTheirs, syn.sequence + 1));
    EXPECT_EQ(one("a").flags, Tcp::kRst);
    for (const char* device : {"b", "c", "d"}) (void)sent(device);
}

TEST_P(HealthTest, ABackEndWithoutAWayFails) {
    harness_.apply(shop("{}", "{address: 203.0.113.1}"));
    run_checks();
    run_checks(1ms);
    const auto* check =
        harness_.running().translation().failing_check("shop", *IpAddress::parse("203.0.113.1"), 80);
    ASSERT_NE(check, nullptr);
    EXPECT_EQ(text(check->last), "there is no route to it");
}

// The router of an overlay is the same on all hosts.
const std::string kOverlayRouter = sluice::port::derived_mac("router:vni:100:10.0.0.254").text();
const std::string kUnderlay = router_of("(underlay)");
constexpr size_t kOuter = 50;

std::string overlay(const std::string& services) {
    return "networks:\n"
           "  - {name: pods, subnets: [10.0.0.0/24], gateway: [10.0.0.254], vxlan: {vni: 100, remotes: "
           "[192.0.2.80], "
           "static: [{mac: '" +
           std::string(kMacOfB) +
           "', address: [10.0.0.2], remote: 192.0.2.80}]}}\n"
           "underlay: {port: d, address: [192.0.2.1/24]}\nports:\n" +
           port("a", "pods", ", mac: '" + std::string(kMacOfA) + "', address: [10.0.0.1]") + port("b", "pods") +
           port("c", "pods") + port("d", "") + services;
}
Bytes inner_of(const Bytes& frame) {
    return Bytes(frame.begin() + kOuter, frame.end());
}

TEST_P(HealthTest, ABackEndBehindATunnel) {
    harness_.apply(
        overlay("services:\n  - {name: shop, address: [10.96.0.10], ports: [{port: 80}], "
                "health: {fall: 1}, backends: [{address: 10.0.0.2}]}\n"));
    put("d", Packet().eth(kMacOfW, kUnderlay).arp_reply(kMacOfW, kW4, kUnderlay, kOut4));
    run_checks();
    auto frames = sent("d");
    ASSERT_EQ(frames.size(), 1u);
    const Segment syn = segment_of(inner_of(frames[0]));
    EXPECT_EQ(syn.flags, Tcp::kSyn);
    const Bytes answer = Packet()
                             .eth(kMacOfB, kOverlayRouter)
                             .ipv4(kB4, kGateway4)
                             .tcp(80, syn.source_port, kSynAck, kTheirs)
                             .acknowledges(syn.sequence + 1);
    put("d", Packet().eth(kMacOfW, kUnderlay).ipv4(kW4, kOut4).udp(50000, 4789).vxlan(100).payload(answer));
    frames = sent("d");
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(segment_of(inner_of(frames[0])).flags, Tcp::kRst);
    for (const char* device : {"a", "b", "c"}) EXPECT_TRUE(sent(device).empty());
}

TEST_P(HealthTest, AnAnswerToAnotherHostsProbeIsPassedOn) {
    harness_.apply(overlay("services:\n  - {name: idle, address: [10.96.0.10], ports: [{port: 80}]}\n"));
    put("d", Packet().eth(kMacOfW, kUnderlay).arp_reply(kMacOfW, kW4, kUnderlay, kOut4));
    const Packet to_gateway = Packet().eth(kMacOfA, kOverlayRouter).ipv4(kA4, kGateway4);
    const Bytes answer = Packet(to_gateway).tcp(80, 40000, kSynAck, kTheirs).acknowledges(78);
    put("a", answer);
    const auto frames = sent("d");
    ASSERT_EQ(frames.size(), 1u);
    EXPECT_EQ(inner_of(frames[0]), answer);
    // But for a SYN, a port that no probe has, and what comes from the other host itself.
    put("a", Packet(to_gateway).tcp(80, 40000, Tcp::kSyn, kTheirs));
    put("a", Packet(to_gateway).tcp(80, 30000, kSynAck, kTheirs));
    put("d",
        Packet()
            .eth(kMacOfW, kUnderlay)
            .ipv4(kW4, kOut4)
            .udp(50000, 4789)
            .vxlan(100)
            .payload(Bytes(
                Packet().eth(kMacOfB, kOverlayRouter).ipv4(kB4, kGateway4).tcp(80, 40000, kSynAck, kTheirs))));
    for (const Bytes& frame : sent("d")) EXPECT_EQ(inner_of(frame).at(23), 1) << "an ICMP error";
    EXPECT_EQ(drops("a", Drop::kNoListener), 2u);
}

INSTANTIATE_TEST_SUITE_P(Workers, HealthTest, testing::Values(1, 2));

}  // namespace
}  // namespace sluice
