// A whole switch on ring devices: frames come in by its ports, time passes, the configuration changes. Whatever
// comes, the books balance, no buffer is lost, and if everything that came in had right lengths and checksums,
// everything that leaves has.
//
// An input names a configuration and then does one thing after the other (Step). The configurations are those of
// the golden tests, and two with all features in one.
//
// A switch takes longer to make than all else, so one of each number of workers serves many inputs. Between two of
// them it is configured to nothing, which takes all ports, networks, tunnels and policies from it, and time has
// passed. A new one is made where a buffer is not home then, and after some inputs, so that its drop log is not full
// when the books are checked.
#include <rte_log.h>

#include <map>

#include "engine/machine.h"
#include "fuzz/frames.h"
#include "fuzz/repair.h"
#include "fuzz/rows.h"
#include "golden/harness.h"
#include "wire/offload.h"

namespace sluice::fuzz {
namespace {

using engine::Config;

const std::vector<std::string> kDevices{"a", "b", "c", "d", "e", "tiny"};
constexpr size_t kMostSteps = 48;
constexpr uint32_t kMostFrames = 300;  // between two turns: what a ring holds, and the pools

enum Step : uint8_t { kFrame, kFrameAgain, kTurns, kPass, kConfigure, kShortage, kGiveUp, kSteps };

// How a frame comes in.
enum How : uint8_t {
    kAsItIs = 1,      // lengths and checksums, too
    kUnfinished = 2,  // its L4 checksum is left to others
    kSegment = 4,     // it is to be cut
    kChained = 8,
    kGuarded = 16,
    kMany = 32,
};

// Everything at once: routing, policies, guarded ports, a trunk, tunnels, a mirror, limits.
constexpr const char* kRouted = R"(networks:
  - {name: blue, subnets: [10.0.0.0/24, "fd00::/64"], gateway: [10.0.0.254, "fd00::fe"], mac-table-size: 16}
  - {name: red, subnets: [10.0.1.0/24, "fd00:1::/64"], gateway: [10.0.1.254, "fd00:1::fe"], vlan: 5}
  - {name: far, subnets: 10.2.0.0/24, gateway: 10.2.0.254, vxlan: {vni: 7, remotes: [192.0.2.2, 192.0.2.3]}}
underlay: {port: e, address: 192.0.2.1/24, gateway: 192.0.2.254}
ports:
  - {name: a, device: net_ring_a, network: blue, address: [10.0.0.1, "fd00::1"], mac: '02:00:00:00:00:0a'}
  - {name: b, device: net_ring_b, network: blue, flood-limit: {broadcast: 3, multicast: 3, unknown: 3}, mac-limit: 3}
  - {name: c, device: net_ring_c, trunk: {networks: [red], native: blue}, mtu: 1280}
  - {name: d, device: net_ring_d, network: far, serves: []}
  - {name: e, device: net_ring_e, mtu: 9000}
  - {name: tiny, device: net_ring_tiny}
routes:
  - {to: 10.9.0.0/16, via: 10.0.0.2}
  - {to: 10.8.0.0/16, next-hops: [{via: 10.0.0.2}, {via: 10.0.1.2}]}
  - {to: 10.7.0.0/16, type: unreachable}
  - {to: "fd09::/16", via: "fd00::2"}
address-sets: [{name: peers, addresses: [10.0.0.0/24, "fd00::/64"]}]
acls:
  - {name: in, apply: {port: b, direction: ingress}, rules: [{permit: {proto: tcp, port: 80}}, {reject: {proto: udp}}]}
  - {name: out, apply: {network: red, direction: egress}, rules: [{permit: {from: peers}, log: true}, {deny: {}}]}
flows: {size: 1024}
mirrors: [{name: m, from: [a], to: tiny, filter: tcp}]
)";

// What remains between inputs: a domain, whose built-in routes take long to set up.
constexpr const char* kNothing = R"(networks:
  - {name: idle, subnets: 203.0.113.0/24, gateway: 203.0.113.1}
)";

struct World {
    std::vector<Config> configurations;
    Config nothing;
    std::map<std::string, uint16_t> numbers;  // by text
};

bool is_safe(const Config& config) {
    return std::all_of(config.ports.begin(), config.ports.end(), [](const port::PortConfig& port) {
        return std::any_of(kDevices.begin(), kDevices.end(),
                           [&](const std::string& device) { return port.device == "net_ring_" + device; });
    });
}

const World& world() {
    static const World world = [] {
        World made;
        std::vector<std::string> texts{kRouted};
        for (const golden::Row& row : golden_rows()) texts.push_back(row.configuration);
        const auto load = [](const std::string& text) {
            auto config = engine::load_config(text, "fuzz", {}, engine::Machine{});
            must(config.has_value(), "{}\n{}", text, config ? "" : config.error()[0].text());
            config->log.level = base::log::Level::kError;
            // The tables are made for each input.
            config->flows.size = flow::kMinFlows;
            for (auto& network : config->networks) network.mac_table_size = std::min(network.mac_table_size, 64U);
            return *config;
        };
        made.nothing = load(kNothing);
        for (const std::string& text : texts) {
            if (made.numbers.contains(text)) continue;
            const Config config = load(text);
            if (!is_safe(config)) continue;
            made.numbers[text] = static_cast<uint16_t>(made.configurations.size());
            made.configurations.push_back(config);
        }
        return made;
    }();
    return world;
}

// A switch and, one after the other, what inputs do to it.
class Session {
 public:
    explicit Session(uint16_t workers)
        : workers_(workers), harness_(workers, kDevices, {.size = flow::kMinFlows, .timeouts = {}}) {}

    // As long as it serves inputs, time goes on.
    void begin() {
        pass(passed_);
        harness_.begin_books();
        configured_ = 0;
        is_right_ = true;
        waiting_ = waiting_tiny_ = 0;
    }

    // Leaves a switch without ports, and everything that was in it at home. False: another one is to be made.
    bool end() {
        apply(world().nothing);
        harness_.running().flows().flush(engine::clock_seconds(), [](const auto&) { return true; });
        harness_.running().flows().recover_until(0);
        // What waits for a neighbor is given up after a few questions, one a tick.
        for (int i = 0; i < kMostTicks && (i == 0 || !test::are_full(test::switch_pools())); ++i) pass_time(kPause);
        must(harness_.running().ports().empty() && harness_.running().flows().count() == 0,
             "a switch of nothing holds something");
        // Its end shows whether a buffer is lost, or waits.
        if (!test::are_full(test::switch_pools())) return false;
        // Of a drop log that is full nothing can be checked.
        constexpr size_t kMostDrops = path::DropLog::kSize / 2;
        const auto& all = harness_.running().workers();
        return std::all_of(all.begin(), all.end(), [](const auto& worker) {
            const path::Counters& counters = worker->counters();
            return counters.log.count() < kMostDrops && counters.background.count() < kMostDrops;
        });
    }

    void configure(uint16_t number) {
        const Config& config = world().configurations[number % world().configurations.size()];
        apply(config);
        // Of a tunnel by another UDP port nobody has made the inner frame's checksums right.
        if (config.underlay && config.underlay->udp_port != wire::VxlanHeader::kPort) is_right_ = false;
    }

    // What the port itself would refuse doesn't come in.
    void receive(const std::string& device, test::Bytes frame, uint8_t how, uint16_t size, uint8_t queue) {
        if (frame.empty()) return;
        std::optional<Repair::Unfinished> unfinished;
        if ((how & kAsItIs) == 0) unfinished = Repair(frame).unfinished();
        is_right_ &= test::checksums_valid(frame);
        wire::VirtioNetHeader header{};
        if (unfinished && (how & (kUnfinished | kSegment)) != 0) {
            std::memcpy(frame.data() + unfinished->field, &unfinished->pseudo_sum, sizeof(wire::be16));
            header = header_of(frame, *unfinished, (how & kSegment) != 0 ? size : uint16_t{0});
        }
        std::vector<size_t> chain;
        if ((how & kChained) != 0) chain = {14U + size % 64U, 1U + size / 64U};
        const uint32_t count = (how & kMany) != 0 ? 20 : 1;
        for (uint32_t i = 0; i < count && waiting_ < kMostFrames; ++i) {
            rte_mempool* pool = test::switch_pools().buffers;
            rte_mbuf* m = (how & kGuarded) != 0 ? test::to_guarded_mbuf(pool, frame, chain)
                                                : test::to_mbuf(pool, frame, chain);
            if (m == nullptr) return;  // a shortage
            if (wire::from_virtio(m, header) != wire::OffloadResult::kOk) {
                rte_pktmbuf_free(m);
                return;
            }
            if (device == "tiny" && ++waiting_tiny_ > 4) {
                rte_pktmbuf_free(m);
                return;
            }
            harness_.device(device).put(m, queue % workers_);
            ++waiting_;
        }
    }

    void turn(std::optional<unsigned> left = {}) {
        std::optional<test::Shortage> shortage;
        if (left) shortage.emplace(test::switch_pools().buffers, *left);
        harness_.run();
        waiting_ = waiting_tiny_ = 0;
        check_sent();
    }

    void pass_time(uint32_t seconds) {
        pass(seconds);
        passed_ += seconds;
        harness_.running().tick(now());
        turn();
    }

    void give_up_fragments() {
        harness_.give_up_fragments();
        check_sent();
    }

    void check_books() { harness_.check_books(configured_ > 1); }

 private:
    static constexpr uint32_t kPause = 3600;  // seconds: whatever had an end has ended
    static constexpr int kMostTicks = 10;

    void apply(const Config& config) {
        const auto changes = harness_.running().apply(config, now());
        must(changes.has_value(), "a valid configuration is refused: {}", changes ? "" : changes.error()[0].text());
        ++configured_;
    }

    engine::Clock::time_point now() const {
        return engine::Clock::time_point{std::chrono::seconds(1000 + passed_)};
    }

    // As a guest would ask for what it has left undone.
    static wire::VirtioNetHeader header_of(const test::Bytes& frame, const Repair::Unfinished& unfinished, uint16_t size) {
        using Header = wire::VirtioNetHeader;
        Header header{};
        header.flags = Header::kNeedsChecksum;
        header.checksum_start = static_cast<uint16_t>(unfinished.begin);
        header.checksum_offset = static_cast<uint16_t>(unfinished.field - unfinished.begin);
        if (size == 0) return header;
        size_t type = 12;
        while (frame[type] == 0x81 || frame[type] == 0x88 || frame[type] == 0x91) type += 4;
        header.gso_type = frame[type] == 0x08 ? Header::kGsoTcpv4 : Header::kGsoTcpv6;
        header.gso_size = size;
        return header;
    }

    void check_sent() {
        for (const std::string& device : kDevices) {
            for (const test::Bytes& frame : harness_.sent(device)) {
                must(frame.size() >= sizeof(wire::EthernetHeader), "a runt leaves by {}", device);
                if (is_right_) must(test::checksums_valid(frame), "a wrong checksum or length leaves by {}", device);
            }
        }
    }

    const uint16_t workers_;
    test::Harness harness_;
    bool is_right_ = true;  // everything that came in
    uint32_t configured_ = 0;  // by the input
    uint32_t waiting_ = 0;
    uint32_t waiting_tiny_ = 0;
    uint32_t passed_ = 0;  // seconds since it was made
};

void play(Session& session, uint16_t number, Input& input) {
    session.begin();
    session.configure(number);
    test::Bytes frame;
    for (size_t i = 0; i < kMostSteps && !input.at_end(); ++i) {
        switch (input.below(kSteps)) {
            case kFrame:
            case kFrameAgain: {
                // Its port; how it comes in; the size of its segments, or how it is spread; its own.
                const std::string& device = kDevices[input.below(static_cast<uint32_t>(kDevices.size()))];
                const uint8_t how = input.byte();
                const uint16_t size = input.word();
                const size_t length = input.word() % 16384;
                if (length != 0) frame = copy_of(input.take(length));
                session.receive(device, frame, how, size, static_cast<uint8_t>(size));
                break;
            }
            case kTurns: session.turn(); break;
            case kPass: session.pass_time(input.byte()); break;
            case kConfigure: session.configure(input.word()); break;
            case kShortage: session.turn(input.byte()); break;
            case kGiveUp: session.give_up_fragments(); break;
        }
    }
    session.turn();
    session.give_up_fragments();
    session.check_books();
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    static const bool ready = [] {
        testing::GTEST_FLAG(throw_on_failure) = true;  // what the harness finds is a fault, too
        test::start_eal();
        rte_log_set_global_level(RTE_LOG_CRIT);
        return true;
    }();
    (void)ready;
    // Devices have one name each, so there is one switch at a time.
    static std::optional<Session> session;
    static uint16_t workers = 0;
    Input input(bytes);
    const uint16_t number = input.word();
    const uint16_t wanted = input.flag() ? 2 : 1;
    if (session && workers != wanted) session.reset();
    if (!session) session.emplace(workers = wanted);
    play(*session, number, input);
    if (!session->end()) session.reset();
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> seeds;
    for (const golden::Row& row : golden_rows()) {
        const auto number = world().numbers.find(row.configuration);
        if (number == world().numbers.end()) continue;
        Output seed;
        seed.word(number->second).byte(0);
        for (const golden::In& in : row.in) {
            const auto device = std::find(kDevices.begin(), kDevices.end(), in.port);
            if (device == kDevices.end()) continue;
            const uint16_t size = in.unfinished ? in.unfinished->segment_size : 0;
            seed.byte(kFrame).byte(static_cast<uint32_t>(device - kDevices.begin()));
            seed.byte((in.unfinished ? kUnfinished : 0) | (size != 0 ? kSegment : 0));
            seed.word(size).word(static_cast<uint32_t>(in.frame.size())).add(in.frame).byte(kTurns);
        }
        seeds.push_back(seed.byte(kPass).byte(2));
    }
    return seeds;
}

std::vector<std::string> words() { return {}; }

}  // namespace sluice::fuzz
