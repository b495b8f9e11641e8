// Stateful policy, whatever is configured and whatever comes: a packet that is decided by its flow goes where
// it would go if every table were asked anew. Two switches get the same packets. One of them takes them in
// batches, as they come; in the other every flow is outdated before each packet. What leaves, by which port,
// what is dropped and why, and what the flows have counted in the end must be the same. Fixed seeds; what
// fails is told as the fewest steps that fail.
#include <gtest/gtest.h>

#include "golden/dry_run.h"
#include "golden/harness.h"
#include "golden/random_world.h"
#include "golden/row.h"
#include "route/route_text.h"
#include "wire/headers.h"
#include "wire/summary.h"

namespace sluice {
namespace {

using golden::kWorldDevices;
using golden::Random;
using golden::router_of;
using golden::Station;
using golden::World;
using test::Bytes;
using test::Harness;
using test::Packet;
using Tcp = wire::TcpHeader;

// What the switch answers of itself (errors, resets) and whom it gets to know is limited in time, to 20 at
// once from each port: with fewer packets no clock decides.
constexpr int kMostFromAPort = 18;

// Frames that one queue of one port receives at once; or a new configuration.
struct Step {
    size_t device = 0;
    uint16_t queue = 0;
    std::vector<Bytes> frames;
    std::string configuration;
};

struct Case {
    uint16_t workers = 1;
    bool recovers = false;  // flows were lost before
    std::string configuration;
    std::vector<Step> steps;
};

// --- what is sent ---

class Talk {
 public:
    Talk(Random& random, const World& world) : random_(random), world_(world) {
        for (int i = 0; i < 5; ++i) conversations_.push_back(make_conversation());
    }

    // A frame, and the station that sends it.
    Bytes next(const Station*& sender) {
        const uint32_t kind = random_.below(100);
        if (kind < 8) return neighbor_message(sender);
        if (kind < 16 && !sent_.empty()) return icmp_error(sender);
        const Conversation& c = random_.one_of(conversations_);
        const bool answers = random_.chance(45);
        const Station& from = answers ? *c.to : *c.from;
        const Station& to = answers ? *c.from : *c.to;
        sender = &from;
        const Bytes frame = c.is_fragmented ? fragment(c, from, to, answers) : whole(c, from, to, answers);
        sent_.push_back({frame, &from, &to, c.v4});
        return frame;
    }

 private:
    enum class Kind { kTcp, kUdp, kPing, kOther };
    struct Conversation {
        Kind kind;
        const Station* from;
        const Station* to;
        bool v4;
        bool is_fragmented;
        uint16_t from_port;
        uint16_t to_port;
    };
    struct Sent {
        Bytes frame;
        const Station* from;
        const Station* to;
        bool v4;
    };

    Conversation make_conversation() {
        Conversation c{};
        c.kind = random_.one_of(
            {Kind::kTcp, Kind::kTcp, Kind::kTcp, Kind::kUdp, Kind::kUdp, Kind::kPing, Kind::kOther});
        c.from = &random_.one_of(world_.stations);
        do {
            c.to = &random_.one_of(world_.stations);
        } while (c.to->v4 == c.from->v4);
        c.v4 = random_.chance(60);
        c.is_fragmented = c.kind == Kind::kUdp && random_.chance(30);
        c.from_port = static_cast<uint16_t>(1000 + random_.below(2));
        c.to_port = random_.one_of({uint16_t{80}, uint16_t{53}, uint16_t{443}, uint16_t{22}});
        return c;
    }

    Packet ethernet(const Station& from, const std::string& to_mac) {
        Packet packet;
        packet.eth(from.mac, to_mac);
        if (from.vlan != 0) packet.vlan(from.vlan);
        return packet;
    }
    std::string mac_towards(const Station& from, const Station& to) {
        if (random_.chance(3)) return "02:ff:ff:ff:ff:ff";
        if (random_.chance(2)) return "ff:ff:ff:ff:ff:ff";
        const bool is_direct = from.network == to.network && !from.far && !to.far;
        return world_.is_routed && (!is_direct || random_.chance(5)) ? router_of(from.network) : to.mac;
    }
    Packet ip(const Station& from, const Station& to, bool v4, uint8_t protocol = 253) {
        Packet packet = ethernet(from, mac_towards(from, to));
        v4 ? packet.ipv4(from.v4, to.v4, protocol) : packet.ipv6(from.v6, to.v6, protocol);
        if (random_.chance(4)) packet.ttl(1);
        if (random_.chance(5)) packet.traffic_class(46 << 2);
        return packet;
    }

    Bytes whole(const Conversation& c, const Station& from, const Station& to, bool answers) {
        Packet packet = ip(from, to, c.v4);
        const uint16_t source = answers ? c.to_port : c.from_port;
        const uint16_t destination = answers ? c.from_port : c.to_port;
        switch (c.kind) {
            case Kind::kTcp: {
                const uint8_t flags = random_.chance(25)
                                          ? (answers ? Tcp::kSyn | Tcp::kAck : Tcp::kSyn)
                                          : random_.one_of<int>({Tcp::kAck, Tcp::kAck, Tcp::kAck, Tcp::kAck,
                                                                 Tcp::kFin | Tcp::kAck, Tcp::kRst,
                                                                 Tcp::kRst | Tcp::kAck, Tcp::kSyn, 0});
                packet.tcp(source, destination, flags, 100 + random_.below(3));
                break;
            }
            case Kind::kUdp: packet.udp(source, destination); break;
            case Kind::kPing: {
                const bool asks = random_.chance(10) ? answers : !answers;
                packet.icmp(c.v4 ? (asks ? 8 : 0) : (asks ? 128 : 129), 0, uint32_t{c.from_port} << 16 | 1);
                break;
            }
            case Kind::kOther: break;
        }
        return packet.payload(random_.chance(5) ? 900 : random_.below(60));
    }

    // One half of a datagram, the first or the other.
    Bytes fragment(const Conversation& c, const Station& from, const Station& to, bool answers) {
        const bool first = random_.chance(50);
        const uint16_t id = static_cast<uint16_t>(5 + random_.below(2));
        constexpr uint8_t kUdp = 17;
        Packet packet = ip(from, to, c.v4, kUdp);
        if (c.v4) {
            packet.fragment(first ? 0x2000 : 0x0004).id(id);
        } else {
            packet.ipv6_fragment(first ? 0 : 32, first, id);
        }
        if (first) packet.udp(answers ? c.to_port : c.from_port, answers ? c.from_port : c.to_port);
        Bytes bytes = packet.payload(24);
        // What the header of a later one is of no layer tells.
        if (!c.v4) bytes[14 + (from.vlan != 0 ? 4 : 0) + 40] = kUdp;
        return bytes;
    }

    // About a packet that was sent, to who sent it; by whom it was for, or by anybody.
    Bytes icmp_error(const Station*& sender) {
        const Sent about = random_.one_of(sent_);
        sender = random_.chance(60) ? about.to : &random_.one_of(world_.stations);
        const size_t begin = 14 + (about.from->vlan != 0 ? 4 : 0);
        const size_t size = std::min<size_t>(about.frame.size() - begin, about.v4 ? 28 : 48);
        Bytes quoted(about.frame.begin() + static_cast<ptrdiff_t>(begin),
                     about.frame.begin() + static_cast<ptrdiff_t>(begin + size));
        Packet packet = ip(*sender, *about.from, about.v4);
        if (about.v4) {
            packet.icmp(random_.one_of<uint8_t>({3, 3, 11}), 0, 0);
        } else {
            packet.icmp(random_.one_of<uint8_t>({1, 2, 3}), 0, 0);
        }
        return packet.payload(quoted);
    }

    // To the router, to a station, or to all.
    Bytes neighbor_message(const Station*& sender) {
        do {
            sender = &random_.one_of(world_.stations);
        } while (sender->far);
        const bool blue = sender->network == "blue";
        const std::string gateway = blue ? "10.0.0.254" : "10.0.1.254";
        const std::string router = router_of(sender->network);
        if (random_.chance(60)) {
            if (random_.chance(50)) {
                return ethernet(*sender, random_.chance(50) ? router : "ff:ff:ff:ff:ff:ff")
                    .arp_request(sender->mac, sender->v4, gateway);
            }
            return ethernet(*sender, router).arp_reply(sender->mac, sender->v4, router, gateway);
        }
        const std::string gateway6 = blue ? "fd00:a::fe" : "fd00:b::fe";
        const bool asks = random_.chance(50);
        Bytes body = test::address_bytes(asks ? gateway6 : sender->v6);
        body.insert(body.end(), {static_cast<uint8_t>(asks ? 1 : 2), 1});
        const Bytes mac = test::mac_bytes(sender->mac);
        body.insert(body.end(), mac.begin(), mac.end());
        return ethernet(*sender, router)
            .ipv6(sender->v6, gateway6)
            .ttl(255)
            .icmp(asks ? 135 : 136, 0, asks ? 0 : 0x6000'0000)
            .payload(body);
    }

    Random& random_;
    const World& world_;
    std::vector<Conversation> conversations_;
    std::vector<Sent> sent_;
};

bool is_first_fragment(const Bytes& frame) {
    const size_t ip = frame[12] == 0x81 ? 18 : 14;
    if (frame[ip - 2] == 0x08 && frame[ip - 1] == 0) {
        return (frame[ip + 6] & 0x20) != 0 && (frame[ip + 6] & 0x1f) == 0 && frame[ip + 7] == 0;
    }
    constexpr uint8_t kFragment = 44;
    return frame[ip - 2] == 0x86 && frame[ip + 6] == kFragment && frame[ip + 40 + 2] == 0 &&
           (frame[ip + 40 + 3] & 0xf9) == 1;
}

Case make_case(uint64_t seed) {
    Random random(seed);
    const World world = golden::make_world(random);
    Case one{.workers = static_cast<uint16_t>(1 + random.below(2)), .recovers = seed % 3 == 0};
    const std::string flows = fmt::format("flows: {{size: 1024, pick-up: {}}}\n", random.chance(70));
    one.configuration = world.networks_and_ports + flows + golden::make_acls(random, world);
    Talk talk(random, world);
    std::vector<int> left(kWorldDevices.size(), kMostFromAPort);
    for (int i = 0; i < 60; ++i) {
        if (random.chance(4)) {
            one.steps.push_back(
                {.configuration = world.networks_and_ports + flows + golden::make_acls(random, world)});
        }
        const Station* sender = nullptr;
        Bytes frame = talk.next(sender);
        // Somebody else's port, now and then: a station has moved, or is spoofed.
        const bool moved = random.chance(3) && sender->vlan == 0;
        const size_t device = moved ? random.below(4) : sender->device;
        if (left[device]-- <= 0) continue;
        const auto queue = static_cast<uint16_t>(random.below(one.workers));
        Step* last = one.steps.empty() ? nullptr : &one.steps.back();
        // What waits for a first fragment goes on when the batch is done: no other packet of it comes between.
        const bool goes_on = last != nullptr && last->configuration.empty() && last->device == device &&
                             last->queue == queue && !is_first_fragment(last->frames.back());
        if (goes_on) {
            last->frames.push_back(std::move(frame));
        } else {
            one.steps.push_back({.device = device, .queue = queue, .frames = {std::move(frame)}});
        }
    }
    return one;
}

// --- what comes of it ---

struct Observed {
    std::map<std::string, std::vector<Bytes>> sent;
    test::DropCounts drops;
    uint64_t made;

    bool operator==(const Observed&) const = default;
};

std::string text_of(const Observed& observed) {
    std::string text;
    for (const auto& [device, frames] : observed.sent) {
        for (const Bytes& frame : frames)
            text += fmt::format("    {}: {}\n", device, wire::summary(frame, frame.size()));
    }
    for (const auto& [where, count] : observed.drops) {
        text += fmt::format("    dropped at {} so far: {} {}\n", where.first, path::text(where.second).name,
                            count);
    }
    return text + fmt::format("    made so far: {}\n", observed.made);
}

// Between whom a frame is, as far as its order among others matters: EtherType and IP addresses, of other frames all.
Bytes conversation_of(const Bytes& frame) {
    constexpr size_t kMacs = 12;
    size_t type = kMacs;
    while (type + 4 <= frame.size() && frame[type] == 0x81 && frame[type + 1] == 0) type += 4;
    const size_t ip = type + 2;
    const auto part = [&](size_t from, size_t size) {
        const auto begin = frame.begin() + static_cast<ptrdiff_t>(std::min(ip + from, frame.size()));
        return Bytes(begin, begin + static_cast<ptrdiff_t>(std::min<size_t>(size, frame.end() - begin)));
    };
    if (ip <= frame.size() && frame[type] == 0x08 && frame[type + 1] == 0x00) return part(12, 8);
    if (ip <= frame.size() && frame[type] == 0x86 && frame[type + 1] == 0xdd) return part(8, 32);
    return frame;
}

// What the switch says itself, and what has waited for a neighbor, leaves at the end of a batch: only the frames of one
// conversation keep their order.
std::vector<Bytes> by_conversation(std::vector<Bytes> frames) {
    std::stable_sort(frames.begin(), frames.end(),
                     [](const Bytes& a, const Bytes& b) { return conversation_of(a) < conversation_of(b); });
    return frames;
}

enum class How { kByFlows, kDecidedAnew, kAfterADryRun };

struct Played {
    std::vector<Observed> steps;
    std::vector<std::string> flows;
    bool replaced = false;  // some flow ended and another took its place
};

Played play(const Case& one, How how) {
    Harness harness(one.workers, kWorldDevices, {.size = 1024});
    harness.apply(one.configuration);
    if (one.recovers) harness.running().flows().recover_until(engine::clock_seconds() + 1'000'000);
    Played played;
    for (const Step& step : one.steps) {
        if (!step.configuration.empty()) harness.apply(step.configuration);
        for (const Bytes& frame : step.frames) {
            const auto mbuf = [&] { return test::to_mbuf(test::switch_pools().buffers, frame); };
            if (how == How::kAfterADryRun) golden::run_dry(harness, kWorldDevices[step.device], mbuf());
            harness.device(kWorldDevices[step.device]).put(mbuf(), step.queue);
            if (how == How::kByFlows) continue;
            if (how == How::kDecidedAnew) harness.running().outdate_all_flows();
            harness.run();
        }
        harness.run();
        harness.give_up_fragments();
        Observed& observed = played.steps.emplace_back();
        for (const std::string& device : kWorldDevices) {
            observed.sent[device] = by_conversation(harness.sent(device));
        }
        observed.drops = harness.drops();
        observed.made = harness.made();
    }
    harness.check_books();
    harness.running().flows().for_each(0, [&](const flow::Listed& flow) {
        const path::TupleKey& key = flow.original.key;
        std::string text =
            fmt::format("{:016x} {:016x} {}", key.addresses, key.rest, static_cast<int>(flow.state));
        for (const auto& way : flow.directions)
            text += fmt::format(", {} packets {} bytes", way.packets, way.bytes);
        played.flows.push_back(std::move(text));
    });
    std::sort(played.flows.begin(), played.flows.end());
    played.replaced = harness.running().flows().created() != played.flows.size();
    return played;
}

struct Failure {
    size_t step;  // that fails first; the number of steps: what flows have counted
    std::string text;
};

std::optional<Failure> compare(const Case& one) {
    // Within a second, by which neighbors are asked for again.
    for (;;) {
        const auto second = engine::clock_seconds();
        const Played flows = play(one, How::kByFlows);
        const Played anew = play(one, How::kDecidedAnew);
        if (second != engine::clock_seconds()) continue;
        for (size_t i = 0; i < one.steps.size(); ++i) {
            if (flows.steps[i] == anew.steps[i]) continue;
            return Failure{
                i, "by flows:\n" + text_of(flows.steps[i]) + "decided anew:\n" + text_of(anew.steps[i])};
        }
        // Where one flow took another's place, the batch's packets may still have been the other's.
        if (flows.flows == anew.flows || flows.replaced || anew.replaced) return std::nullopt;
        Failure failure{one.steps.size(), "by flows:\n"};
        for (const auto& flow : flows.flows) failure.text += "    " + flow + "\n";
        failure.text += "decided anew:\n";
        for (const auto& flow : anew.flows) failure.text += "    " + flow + "\n";
        return failure;
    }
}

// The failing prefix, and then as few of its packets as still fail.
Case shrink(Case one, Failure& failure) {
    one.steps.resize(std::min(one.steps.size(), failure.step + 1));
    auto fails = [&](const Case& candidate) {
        auto found = compare(candidate);
        if (!found) return false;
        failure = *found;
        one = candidate;
        return true;
    };
    for (size_t i = one.steps.size(); i-- > 0;) {
        Case without = one;
        without.steps.erase(without.steps.begin() + static_cast<ptrdiff_t>(i));
        if (fails(without)) continue;
        for (size_t n = one.steps[i].frames.size(); n-- > 0 && one.steps[i].frames.size() > 1;) {
            without = one;
            without.steps[i].frames.erase(without.steps[i].frames.begin() + static_cast<ptrdiff_t>(n));
            fails(without);
        }
    }
    return one;
}

std::string text_of(const Case& one, const Failure& failure) {
    std::string text = fmt::format("{} workers\n{}", one.workers, one.configuration);
    for (const Step& step : one.steps) {
        if (!step.configuration.empty()) text += "--- from now on\n" + step.configuration;
        for (const Bytes& frame : step.frames) {
            text += fmt::format("  {} (queue {}): {}\n", kWorldDevices[step.device], step.queue,
                                wire::summary(frame, frame.size()));
        }
    }
    return text + "and then " + failure.text;
}

TEST(PolicyProperty, AFlowDecidesAsTheTablesWould) {
    uint64_t sent = 0;
    test::DropCounts drops;
    for (uint64_t seed = 1; seed <= 150; ++seed) {
        const Case one = make_case(seed);
        auto failure = compare(one);
        if (failure) {
            const Case least = shrink(one, *failure);
            FAIL() << "seed " << seed << ", " << text_of(least, *failure);
        }
        const Played played = play(one, How::kByFlows);
        for (const Observed& step : played.steps) {
            for (const auto& [device, frames] : step.sent) sent += frames.size();
        }
        for (const auto& [where, count] : played.steps.back().drops) drops[{"", where.second}] += count;
    }
    // It is worth something only if both happened: packets came through, and were refused.
    EXPECT_GT(sent, 4000u);
    using path::Drop;
    for (const Drop reason : {Drop::kDenied, Drop::kRejected, Drop::kNoConnection, Drop::kFragmentUnknown,
                              Drop::kTtlExceeded, Drop::kSpoofedMac}) {
        EXPECT_GT((drops[{"", reason}]), 10u) << path::text(reason).name;
    }
}

// Whatever the packet is, and whatever has come before it.
TEST(PolicyProperty, ADryRunChangesNothing) {
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        const Case one = make_case(seed);
        play(one, How::kAfterADryRun);
        if (testing::Test::HasFailure()) FAIL() << one.configuration;
    }
}

}  // namespace
}  // namespace sluice
