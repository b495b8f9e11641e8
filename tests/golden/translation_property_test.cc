// Services and NAT, whatever is configured and whatever comes, against a plain model of them: a list of connections,
// each with what its packets arrive and leave as. The model takes the switch's choice of a back end or of a port
// from a connection's first packet, if it was permitted, and predicts all others of both directions byte for byte:
// those that follow their flow, those that are decided anew, fragments, and ICMP errors about what was received.
// The configuration changes in between. Fixed seeds.
#include <gtest/gtest.h>

#include "golden/harness.h"
#include "golden/random_world.h"
#include "golden/row.h"
#include "wire/headers.h"
#include "wire/summary.h"

namespace sluice {
namespace {

using golden::Random;
using golden::router_of;
using test::Bytes;
using test::Harness;
using test::Packet;
using Tcp = wire::TcpHeader;

struct Host {
    std::string device;
    std::string mac;
    std::string v4;
    std::string v6;
    std::string network;

    const std::string& address(bool is_v4) const { return is_v4 ? v4 : v6; }
};
const std::vector<Host> kHosts{
    {"a", "02:00:00:00:00:01", "10.0.0.1", "fd00:a::1", "pods"},
    {"b", "02:00:00:00:00:02", "10.0.0.2", "fd00:a::2", "pods"},
    {"c", "02:00:00:00:00:03", "10.0.0.3", "fd00:a::3", "pods"},
    {"d", "02:00:00:00:00:80", "192.0.2.80", "2001:db8::80", "out"},
    {"e", "02:00:00:00:00:81", "192.0.2.81", "2001:db8::81", "out"},
};
const Host& kStaticHost = kHosts[2];
constexpr const char* kStaticAddress = "192.0.2.33";
constexpr const char* kOut4 = "192.0.2.1";
constexpr const char* kOut6 = "2001:db8::1";

const Host* host_at(const std::string& address) {
    for (const Host& host : kHosts) {
        if (host.v4 == address || host.v6 == address) return &host;
    }
    return nullptr;
}

// --- packets ---

enum class Kind : uint8_t { kTcp, kUdp, kEcho };

struct End {
    std::string address;
    uint16_t port = 0;  // of an echo its identifier

    bool operator==(const End&) const = default;
};
struct Ends {
    End from;
    End to;

    bool operator==(const Ends&) const = default;
    Ends reversed() const { return {to, from}; }
};

// All of a packet but its addresses and ports.
struct Body {
    Kind kind;
    bool is_v4;
    bool is_answer = false;
    uint8_t flags = 0;
    uint32_t sequence = 1;
    size_t size = 0;
    bool has_options = false;
    enum class Piece : uint8_t { kWhole, kFirst, kLater } piece = Piece::kWhole;
    uint16_t id = 1;
};

Bytes build(const std::string& from_mac, const std::string& to_mac, const Ends& ends, const Body& body, uint8_t ttl) {
    constexpr uint8_t kUdp = 17;
    Packet packet;
    packet.eth(from_mac, to_mac);
    const bool is_later = body.piece == Body::Piece::kLater;
    if (body.is_v4) {
        packet.ipv4(ends.from.address, ends.to.address, is_later ? kUdp : uint8_t{253}).id(body.id);
        if (body.has_options) packet.options(8);
        if (body.piece != Body::Piece::kWhole) packet.fragment(is_later ? 0x0004 : 0x2000);
    } else {
        packet.ipv6(ends.from.address, ends.to.address);
        if (body.has_options) packet.extension(60, 16);
        if (body.piece != Body::Piece::kWhole) packet.ipv6_fragment(is_later ? 32 : 0, !is_later, body.id);
    }
    packet.ttl(ttl);
    if (is_later) {
        Bytes bytes = packet.payload(16);
        if (!body.is_v4) bytes[14 + 40 + (body.has_options ? 16 : 0)] = kUdp;
        return bytes;
    }
    switch (body.kind) {
        case Kind::kTcp: packet.tcp(ends.from.port, ends.to.port, body.flags, body.sequence); break;
        case Kind::kUdp: packet.udp(ends.from.port, ends.to.port); break;
        case Kind::kEcho: {
            const int type = body.is_v4 ? (body.is_answer ? 0 : 8) : (body.is_answer ? 129 : 128);
            packet.icmp(static_cast<uint8_t>(type), 0, uint32_t{ends.from.port} << 16 | 1);
            break;
        }
    }
    return packet.payload(body.piece == Body::Piece::kFirst ? 24 : body.size);
}

// --- the configuration ---

struct Service {
    std::string v4;
    std::string v6;
    uint16_t to = 0;  // the back ends' TCP port
    std::vector<const Host*> hosts;
};

struct Rules {
    bool masquerades = false;
    bool has_static = false;
    bool publishes = false;
    std::vector<Service> services;

    bool translates() const { return masquerades || has_static || publishes || !services.empty(); }
};

// One rule, which refuses what it names.
struct Acl {
    std::string device;
    bool is_egress = false;
    const Host* peer = nullptr;
    Kind kind = Kind::kUdp;
};

std::string text_of(const Rules& rules, const std::optional<Acl>& acl) {
    std::string text = "networks:\n"
                       "  - {name: pods, subnets: [10.0.0.0/24, 'fd00:a::/64'], gateway: [10.0.0.254, 'fd00:a::fe']}\n"
                       "  - {name: out, subnets: [192.0.2.0/24, '2001:db8::/64'], gateway: [192.0.2.1, '2001:db8::1']}\n"
                       "ports:\n";
    for (const Host& host : kHosts) {
        text += fmt::format("  - {{name: {0}, device: net_ring_{0}, network: {1}, mac: '{2}', address: [{3}, '{4}']}}\n",
                            host.device, host.network, host.mac, host.v4, host.v6);
    }
    if (rules.masquerades || rules.has_static) text += "nat:\n";
    if (rules.masquerades) text += "  - {name: way-out, masquerade: [pods], out: out, ipv6: true}\n";
    if (rules.has_static)
        text += fmt::format("  - {{static: {{inside: {}, outside: {}}}, out: out}}\n", kStaticHost.v4, kStaticAddress);
    if (rules.publishes) text += "publish:\n  - {address: 192.0.2.1, port: 8080, to: 'a:80'}\n";
    if (!rules.services.empty()) text += "services:\n";
    for (const Service& service : rules.services) {
        std::string list;
        for (const Host* host : service.hosts)
            list += fmt::format("{{address: {}}}, {{address: '{}'}}, ", host->v4, host->v6);
        text += fmt::format("  - {{name: s{0}, address: [{0}, '{1}'], ports: [{{port: 80, to: {2}}}, {{port: 53, proto: "
                            "udp}}], backends: [{3}]}}\n",
                            service.v4, service.v6, service.to, list);
    }
    if (acl) {
        text += fmt::format("acls:\n  - {{name: l, apply: {{port: {}, direction: {}}}, rules: [{{deny: {{proto: {}, {}: "
                            "['{}', '{}']}}}}, {{permit: {{}}}}]}}\n",
                            acl->device, acl->is_egress ? "egress" : "ingress", acl->kind == Kind::kTcp ? "tcp" : "udp",
                            acl->is_egress ? "to" : "from", acl->peer->v4, acl->peer->v6);
    }
    return text;
}

// What the configuration makes of a destination.
struct Target {
    bool is_translated = false;
    bool is_refused = false;  // by the switch itself, or answered by it
    std::vector<End> ends;    // one of them
};

Target target_of(const Rules& rules, Kind kind, const End& to) {
    for (const Service& service : rules.services) {
        if (to.address != service.v4 && to.address != service.v6) continue;
        const bool is_port = (kind == Kind::kTcp && to.port == 80) || (kind == Kind::kUdp && to.port == 53);
        Target target{.is_translated = true};
        if (is_port) {
            const uint16_t port = kind == Kind::kTcp ? service.to : uint16_t{53};
            for (const Host* host : service.hosts) target.ends.push_back({host->address(to.address == service.v4), port});
        }
        target.is_refused = target.ends.empty();
        return target;
    }
    if (rules.publishes && kind == Kind::kTcp && to == End{kOut4, 8080}) return {true, false, {{kHosts[0].v4, 80}}};
    if (rules.has_static && to.address == kStaticAddress) return {true, false, {{kStaticHost.v4, to.port}}};
    if (host_at(to.address) != nullptr) return {false, false, {to}};
    return {.is_refused = true};
}

// What it makes of a source on the way to that host.
enum class Source : uint8_t { kSame, kAsked, kStatic, kPool };
Source source_of(const Rules& rules, const Host& client, const Host& server, bool is_v4, bool is_translated) {
    if (&client == &server && is_translated) return Source::kAsked;
    if (client.network != "pods" || server.network != "out") return Source::kSame;
    if (rules.has_static && is_v4 && &client == &kStaticHost) return Source::kStatic;
    return rules.masquerades ? Source::kPool : Source::kSame;
}

// --- the model ---

struct Connection {
    Kind kind;
    bool is_v4;
    const Host* client;
    const Host* server;
    Ends arrives;  // of the client's packets
    Ends leaves;
    bool is_answered = false;

    bool is_translated() const { return !(arrives == leaves); }
    bool is_bridged() const { return client->network == server->network && !is_translated(); }
};

std::string text_of(const Ends& ends) {
    return fmt::format("{} {} -> {} {}", ends.from.address, ends.from.port, ends.to.address, ends.to.port);
}

class Model : public testing::Test {
 protected:
    void play(uint64_t seed);

    struct Left {
        std::string device;
        Bytes frame;
    };
    static std::string text_of_all(const std::vector<Left>& all) {
        std::string text;
        for (const Left& left : all)
            text += fmt::format("  {}: {}\n", left.device, wire::summary(left.frame, left.frame.size()));
        return text.empty() ? "  nothing\n" : text;
    }

    std::vector<Left> send(const std::string& device, const Bytes& frame) {
        log_ += fmt::format("{}: {}\n", device, wire::summary(frame, frame.size()));
        harness_->device(device).put(test::to_mbuf(test::switch_pools().buffers, frame));
        harness_->run();
        std::vector<Left> all;
        for (const Host& host : kHosts) {
            for (Bytes& sent : harness_->sent(host.device)) {
                EXPECT_TRUE(test::checksums_valid(sent)) << log_;
                all.push_back({host.device, std::move(sent)});
            }
        }
        return all;
    }
    void expect(const std::vector<Left>& all, const std::string& device, const Bytes& frame) {
        ++predicted_;
        const bool is_right = all.size() == 1 && all[0].device == device && all[0].frame == frame;
        EXPECT_TRUE(is_right) << rules_text_ << log_ << "expected:\n"
                              << text_of_all({{device, frame}}) << "and got:\n" << text_of_all(all);
    }

    // What that host sends to that address: by the bridge, if it takes it for a neighbor.
    static std::string mac_for(const Host& from, const std::string& to) {
        const Host* neighbor = host_at(to);
        return neighbor != nullptr && neighbor != &from && neighbor->network == from.network ? neighbor->mac
                                                                                             : router_of(from.network);
    }
    static Bytes out(const Host& to, const Ends& ends, const Body& body) {
        return build(router_of(to.network), to.mac, ends, body, 63);
    }
    // What becomes of a packet of that connection.
    static Bytes expected(const Connection& c, bool answers, const Body& body) {
        const Host& from = answers ? *c.server : *c.client;
        const Host& to = answers ? *c.client : *c.server;
        const Ends ends = answers ? c.arrives.reversed() : c.leaves;
        return c.is_bridged() ? build(from.mac, to.mac, ends, body, 64) : out(to, ends, body);
    }
    static Bytes sent(const Connection& c, bool answers, const Body& body) {
        const Host& from = answers ? *c.server : *c.client;
        const Ends ends = answers ? c.leaves.reversed() : c.arrives;
        return build(from.mac, mac_for(from, ends.to.address), ends, body, 64);
    }

    void open(Random& random);
    void go_on(Random& random, size_t at);
    void send_fragments(Random& random, const Connection& c, bool answers);
    void send_error(Random& random, const Connection& c, bool answers, const Body& body);
    void change(Random& random);

    bool refuses(const Connection& c) const {
        if (!acl_ || acl_->kind != c.kind) return false;
        return acl_->is_egress ? acl_->device == c.client->device && acl_->peer == c.server
                               : acl_->device == c.server->device && acl_->peer == c.client;
    }
    bool may_stay(const Connection& c) const {
        const Target target = target_of(rules_, c.kind, c.arrives.to);
        if (target.is_refused || std::find(target.ends.begin(), target.ends.end(), c.leaves.to) == target.ends.end())
            return false;
        if (c.leaves.from.address == c.arrives.to.address) return true;
        switch (source_of(rules_, *c.client, *c.server, c.is_v4, target.is_translated)) {
            case Source::kSame:
                // Another port of its own it has while anything is translated.
                return rules_.translates() ? c.leaves.from.address == c.arrives.from.address
                                           : c.leaves.from == c.arrives.from;
            case Source::kAsked: return false;
            case Source::kStatic: return c.leaves.from == End{kStaticAddress, c.arrives.from.port};
            case Source::kPool: return c.leaves.from.address == (c.is_v4 ? kOut4 : kOut6);
        }
        return false;
    }
    // Whether a connection's answers arrive as that one's do, since the configuration has changed last.
    bool is_taken(Kind kind, const Ends& leaves) const {
        return std::any_of(recent_.begin(), recent_.end(),
                           [&](const Connection& other) { return other.kind == kind && other.leaves == leaves; });
    }

    static Rules make_rules(Random& random);

    std::unique_ptr<Harness> harness_;
    Rules rules_;
    std::optional<Acl> acl_;
    std::vector<Connection> live_;
    std::vector<Connection> recent_;  // all that were opened since the last change
    uint16_t first_port_ = 0;
    uint16_t id_ = 0;
    std::string rules_text_;
    std::string log_;
    uint64_t predicted_ = 0;
    uint64_t translated_ = 0;
    uint64_t shared_ = 0;  // first packets that left by another port than their own
    uint64_t moved_ = 0;   // first packets of untranslated connections that left by another port
    uint64_t errors_ = 0;
    uint64_t fragments_ = 0;
    uint64_t refused_ = 0;
    uint64_t kept_ = 0;  // connections, over a change
};

Rules Model::make_rules(Random& random) {
    Rules rules{.masquerades = random.chance(70), .has_static = random.chance(50), .publishes = random.chance(50)};
    for (uint32_t i = 0; i < 2; ++i) {
        if (random.chance(20)) continue;
        Service service{.v4 = fmt::format("10.96.0.{}", i + 1),
                        .v6 = fmt::format("fd00:96::{}", i + 1),
                        .to = i == 0 ? uint16_t{80} : uint16_t{8080}};
        for (const Host& host : kHosts) {
            if (random.chance(40)) service.hosts.push_back(&host);
        }
        rules.services.push_back(std::move(service));
    }
    return rules;
}

void Model::open(Random& random) {
    Connection c{};
    c.kind = random.one_of({Kind::kTcp, Kind::kUdp, Kind::kUdp, Kind::kEcho});
    c.is_v4 = random.chance(65);
    c.client = &random.one_of(kHosts);
    const auto client_port = static_cast<uint16_t>(first_port_ + random.below(4));
    const uint16_t port = c.kind == Kind::kEcho ? client_port : random.one_of<uint16_t>({80, 53, 8080});
    const std::vector<std::string> addresses =
        c.is_v4 ? std::vector<std::string>{"10.96.0.1", "10.96.0.2", "10.96.0.1", kOut4, kStaticAddress,
                                           random.one_of(kHosts).v4, random.one_of(kHosts).v4}
                : std::vector<std::string>{"fd00:96::1", "fd00:96::2", random.one_of(kHosts).v6};
    c.arrives = {{c.client->address(c.is_v4), client_port}, {random.one_of(addresses), port}};
    // By the same port to the back end of an earlier connection, past what translates that.
    if (!recent_.empty() && random.chance(10)) {
        const Connection& earlier = random.one_of(recent_);
        const bool keeps_source = earlier.leaves.from.address == earlier.arrives.from.address;
        if (earlier.kind != Kind::kEcho && keeps_source) {
            c.kind = earlier.kind;
            c.is_v4 = earlier.is_v4;
            c.client = earlier.client;
            c.arrives = {earlier.arrives.from, earlier.leaves.to};
        }
    }
    const bool is_known = std::any_of(recent_.begin(), recent_.end(), [&](const Connection& other) {
        return other.kind == c.kind && other.arrives == c.arrives;
    });
    if (is_known || c.arrives.to.address == c.arrives.from.address) return;
    // Nobody has it then.
    if (c.arrives.to.address == kStaticAddress && !rules_.has_static) return;
    const Target target = target_of(rules_, c.kind, c.arrives.to);
    // What the switch answers itself an ACL may forbid.
    if (target.is_refused && acl_) return;
    const Body body{.kind = c.kind, .is_v4 = c.is_v4, .flags = Tcp::kSyn, .size = random.below(40)};
    const std::vector<Left> all =
        send(c.client->device, build(c.client->mac, mac_for(*c.client, c.arrives.to.address), c.arrives, body, 64));
    if (target.is_refused) {
        ++refused_;
        for (const Left& left : all) EXPECT_EQ(left.device, c.client->device) << rules_text_ << log_;
        return;
    }
    // By which of its targets, and as whom.
    const Ends arrives = c.arrives;
    std::vector<Connection> permitted;
    bool may_be_taken = false;
    for (const End& end : target.ends) {
        c.server = host_at(end.address);
        c.leaves = {arrives.from, end};
        bool is_pool = false;
        const bool is_bridged = c.is_bridged();
        const Source source = source_of(rules_, *c.client, *c.server, c.is_v4, target.is_translated);
        switch (source) {
            case Source::kSame: break;
            case Source::kAsked: c.leaves.from.address = arrives.to.address; break;
            case Source::kStatic: c.leaves.from.address = kStaticAddress; break;
            case Source::kPool:
                c.leaves.from.address = c.is_v4 ? kOut4 : kOut6;
                is_pool = true;
        }
        if (refuses(c)) {
            may_be_taken = true;
            continue;
        }
        // It has gone to another one.
        if (all.size() == 1 && all[0].device != c.server->device) continue;
        const auto read_port = [&] {
            const size_t l4 = 14 + (c.is_v4 ? 20 : 40);
            const size_t at = l4 + (c.kind == Kind::kEcho ? 4 : 0);
            if (all.size() != 1 || all[0].frame.size() < at + 2) return false;
            c.leaves.from.port = static_cast<uint16_t>(all[0].frame[at] << 8 | all[0].frame[at + 1]);
            if (c.kind == Kind::kEcho) c.leaves.to.port = c.leaves.from.port;
            return true;
        };
        if (is_pool && all.size() == 1) {
            // The port is the switch's choice: what an earlier connection of the endpoint has, if there is one.
            if (!read_port()) continue;
            bool is_new = true;
            for (const Connection& other : recent_) {
                if (other.kind != c.kind || other.arrives.from != arrives.from) continue;
                if (other.leaves.from.address != c.leaves.from.address) continue;
                is_new = false;
                EXPECT_EQ(other.leaves.from.port, c.leaves.from.port)
                    << rules_text_ << log_ << "an endpoint has two ports outside";
            }
            if (is_new && c.leaves.from.port != arrives.from.port) ++shared_;
            EXPECT_GE(c.leaves.from.port, 1000) << log_;
            EXPECT_FALSE(is_taken(c.kind, c.leaves)) << rules_text_ << log_ << "two connections leave as one";
        } else if (is_taken(c.kind, c.leaves)) {
            if (target.is_translated) {
                // The back end sees another client.
                may_be_taken = true;
                c.leaves.from.address = arrives.to.address;
            } else if (is_bridged || source != Source::kSame) {
                // There is none that it could see.
                may_be_taken = true;
                continue;
            } else {
                // It sees another port of the client.
                if (!read_port()) continue;
                EXPECT_FALSE(is_taken(c.kind, c.leaves)) << rules_text_ << log_ << "two connections leave as one";
                ++moved_;
            }
        }
        permitted.push_back(c);
    }
    if (all.empty()) {
        EXPECT_TRUE(may_be_taken) << rules_text_ << log_ << "it is gone";
        return;
    }
    for (const Connection& each : permitted) {
        if (all.size() != 1 || all[0].device != each.server->device || all[0].frame != expected(each, false, body)) continue;
        if (each.is_translated()) ++translated_;
        live_.push_back(each);
        recent_.push_back(each);
        log_ += fmt::format("    {} leaves as {}\n", text_of(each.arrives), text_of(each.leaves));
        return;
    }
    std::string text;
    for (const Connection& each : permitted)
        text += text_of_all({{each.server->device, expected(each, false, body)}});
    ADD_FAILURE() << rules_text_ << log_ << "permitted was:\n" << text << "and got:\n" << text_of_all(all);
}

void Model::go_on(Random& random, size_t at) {
    Connection& c = live_[at];
    if (random.chance(30)) harness_->running().outdate_all_flows();
    const bool answers = random.chance(50);
    Body body{.kind = c.kind, .is_v4 = c.is_v4, .is_answer = answers, .flags = test::kAck, .sequence = 2,
              .size = random.below(80)};
    body.has_options = random.chance(10);
    body.id = ++id_;
    const bool begins = c.kind == Kind::kTcp && !c.is_answered;
    if (begins) body.flags = answers ? Tcp::kSyn | Tcp::kAck : Tcp::kSyn;
    if (begins) body.sequence = 1;
    const bool ends = c.kind == Kind::kTcp && c.is_answered && random.chance(10);
    if (ends) body.flags = Tcp::kRst | Tcp::kAck;
    if (c.kind == Kind::kUdp && random.chance(25)) return send_fragments(random, c, answers);
    const Host& from = answers ? *c.server : *c.client;
    const Host& to = answers ? *c.client : *c.server;
    expect(send(from.device, sent(c, answers, body)), to.device, expected(c, answers, body));
    if (answers) c.is_answered = true;
    if (c.is_translated()) ++translated_;
    if (random.chance(20) && !body.has_options) send_error(random, c, answers, body);
    if (ends) live_.erase(live_.begin() + static_cast<ptrdiff_t>(at));
}

void Model::send_fragments(Random& random, const Connection& c, bool answers) {
    Body first{.kind = c.kind, .is_v4 = c.is_v4, .is_answer = answers, .piece = Body::Piece::kFirst, .id = ++id_};
    Body later = first;
    later.piece = Body::Piece::kLater;
    const Host& from = answers ? *c.server : *c.client;
    const Host& to = answers ? *c.client : *c.server;
    fragments_ += 2;
    if (random.chance(50)) {
        expect(send(from.device, sent(c, answers, first)), to.device, expected(c, answers, first));
        expect(send(from.device, sent(c, answers, later)), to.device, expected(c, answers, later));
        return;
    }
    // One that comes first waits, where anything could depend on what it doesn't show.
    std::vector<Left> all = send(from.device, sent(c, answers, later));
    std::vector<Left> more = send(from.device, sent(c, answers, first));
    all.insert(all.end(), more.begin(), more.end());
    std::vector<Bytes> wanted{expected(c, answers, first), expected(c, answers, later)};
    std::vector<Bytes> got;
    for (const Left& left : all) {
        EXPECT_EQ(left.device, to.device) << rules_text_ << log_;
        got.push_back(left.frame);
    }
    std::sort(wanted.begin(), wanted.end());
    std::sort(got.begin(), got.end());
    predicted_ += 2;
    EXPECT_EQ(got, wanted) << rules_text_ << log_ << text_of_all(all);
}

// Of the host that has received that packet: about it, as it has seen it. Its sender gets one about what he has sent.
void Model::send_error(Random& random, const Connection& c, bool answers, const Body& body) {
    const Host& by = answers ? *c.client : *c.server;
    const Host& to = answers ? *c.server : *c.client;
    const Ends seen = answers ? c.arrives.reversed() : c.leaves;
    const Ends was = answers ? c.leaves.reversed() : c.arrives;
    const uint8_t ttl = c.is_bridged() ? 64 : 63;
    const size_t least = c.is_v4 ? 28 : 48;
    size_t most = random.chance(50) ? least : least + random.below(30);
    // Half a checksum of TCP is left as it is.
    constexpr size_t kHalf = 9;
    if (c.kind == Kind::kTcp && most == least + kHalf) ++most;
    const auto error = [&](Packet packet, const Ends& about) {
        Bytes quoted = build(by.mac, by.mac, about, body, ttl);
        quoted.erase(quoted.begin(), quoted.begin() + 14);
        quoted.resize(std::min(quoted.size(), most));
        return Bytes(packet.icmp(c.is_v4 ? 3 : 1, c.is_v4 ? 3 : 4, 0).payload(quoted));
    };
    const auto ip = [&](Packet packet, const std::string& source, const std::string& destination) {
        return c.is_v4 ? packet.ipv4(source, destination) : packet.ipv6(source, destination);
    };
    const Bytes in = error(ip(Packet().eth(by.mac, mac_for(by, seen.from.address)), seen.to.address, seen.from.address), seen);
    Packet packet = Packet().eth(c.is_bridged() ? by.mac : router_of(to.network), to.mac);
    packet = ip(packet, was.to.address, was.from.address);
    packet.ttl(ttl);
    ++errors_;
    expect(send(by.device, in), to.device, error(packet, was));
}

void Model::change(Random& random) {
    const bool was_tracked = rules_.translates() || acl_;
    rules_ = make_rules(random);
    if (random.chance(10)) rules_ = {};
    rules_text_ = text_of(rules_, acl_);
    harness_->apply(rules_text_);
    log_ += "--- another configuration\n";
    std::erase_if(live_, [&](const Connection& c) { return !was_tracked || !may_stay(c); });
    kept_ += live_.size();
    // Those that are gone may have left something behind: nobody has their ports again.
    first_port_ = static_cast<uint16_t>(first_port_ + 10);
    recent_ = live_;
}

void Model::play(uint64_t seed) {
    Random random(seed);
    harness_ = std::make_unique<Harness>(uint16_t{1}, std::vector<std::string>{"a", "b", "c", "d", "e"},
                                         flow::FlowConfig{.size = 1024});
    live_.clear();
    recent_.clear();
    log_.clear();
    first_port_ = 1000;
    acl_.reset();
    if (random.chance(40)) {
        acl_ = Acl{random.one_of(kHosts).device, random.chance(50), &random.one_of(kHosts),
                   random.one_of({Kind::kTcp, Kind::kUdp})};
    }
    rules_ = make_rules(random);
    rules_text_ = text_of(rules_, acl_);
    harness_->apply(rules_text_);
    for (int i = 0; i < 250 && !HasFailure(); ++i) {
        if (random.chance(2)) {
            change(random);
        } else if (live_.empty() || random.chance(25)) {
            open(random);
        } else {
            go_on(random, random.below(static_cast<uint32_t>(live_.size())));
        }
    }
    harness_->check_books();
    harness_.reset();
}

TEST_F(Model, TranslationIsAsAPlainModelSays) {
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        play(seed);
        if (HasFailure()) FAIL() << "seed " << seed;
    }
    // It is worth something only if all of that happened.
    EXPECT_GT(predicted_, 3000u);
    EXPECT_GT(translated_, 2000u);
    EXPECT_GT(shared_, 20u);
    EXPECT_GT(moved_, 0u);
    EXPECT_GT(errors_, 200u);
    EXPECT_GT(fragments_, 200u);
    EXPECT_GT(refused_, 50u);
    EXPECT_GT(kept_, 50u);
}

}  // namespace
}  // namespace sluice
