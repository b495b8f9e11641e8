// Random lives of ports: added, declared, changed, failing, coming up, reloaded, restarted and deleted in any
// order, in a switch and in a plain model of what must be true of it after each step.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>

#include "engine/intent.h"
#include "port/device_thread.h"
#include "support/directory.h"
#include "support/opening.h"
#include "support/pools.h"
#include "support/rings.h"

namespace sluice::engine {
namespace {

using namespace std::chrono_literals;
using test::Packet;

constexpr int kNames = 6;
constexpr std::array kNetworks{"blue", "red"};

enum class Kind { kRing, kNull, kFile, kBond, kGuest, kServed, kContainer, kInterface, kBondOfNobody };
constexpr int kKinds = 9;

// What is wanted of a port, and what is known of it.
struct Model {
    Kind kind;
    int network;
    int mtu;     // 0: not given
    int queues;
    bool is_added;
    bool up = false;
    uint64_t received = 0;
};

std::string name_of(int number) { return fmt::format("p{}", number); }

class PortLife : public testing::TestWithParam<unsigned> {
 protected:
    void SetUp() override {
        for (int i = 0; i < kNames; ++i) rings_.push_back(std::make_unique<test::RingDevice>(name_of(i), 2));
        write_file();
        start();
    }
    void TearDown() override {
        switch_.reset();
        rings_.clear();
    }

    int random(int below) { return std::uniform_int_distribution<>(0, below - 1)(random_); }

    std::string path(int number, const char* suffix) const { return directory_ / (name_of(number) + suffix); }
    bool has_file(int number) const { return std::filesystem::exists(path(number, ".pcap")); }

    // --- the configuration ---

    std::string keys(int number, const Model& port) const {
        const std::string name = name_of(number);
        std::string text = fmt::format("{{name: {}, network: {}", name, kNetworks[port.network]);
        switch (port.kind) {
            case Kind::kRing: text += ", device: net_ring_" + name; break;
            case Kind::kNull: text += fmt::format(", device: 'net_null_{},no-rx=1'", name); break;
            case Kind::kFile:
                text += fmt::format(", device: 'net_pcap_{},rx_pcap={}'", name, path(number, ".pcap"));
                break;
            case Kind::kBond:
                text += fmt::format(", bond: {{members: ['net_null_{0}a,no-rx=1', 'net_null_{0}b,no-rx=1']}}", name);
                break;
            case Kind::kGuest: text += fmt::format(", vhost-user: {{path: {}}}", path(number, ".guest")); break;
            case Kind::kServed:
                text += fmt::format(", vhost-user: {{path: {}, mode: server}}", path(number, ".sock"));
                break;
            case Kind::kContainer: text += ", netns: sluice-no-such-" + name; break;
            case Kind::kInterface: text += fmt::format(", device: 'net_af_packet_{0},iface=none-{0}'", name); break;
            case Kind::kBondOfNobody: text += fmt::format(", bond: {{members: [net_nosuch_{}]}}", name); break;
        }
        if (port.mtu != 0) text += fmt::format(", mtu: {}", port.mtu);
        if (port.queues != 0) text += fmt::format(", queues: {}", port.queues);
        return text + "}";
    }
    static bool is_guest(Kind kind) { return kind == Kind::kGuest || kind == Kind::kServed; }
    static bool is_device(Kind kind) { return !is_guest(kind) && kind != Kind::kContainer; }

    bool opens(int number, Kind kind) const {
        switch (kind) {
            case Kind::kRing:
            case Kind::kNull:
            case Kind::kBond:
            case Kind::kGuest:
            case Kind::kServed: return true;
            case Kind::kFile: return has_file(number);
            case Kind::kContainer:
            case Kind::kInterface:
            case Kind::kBondOfNobody: break;
        }
        return false;
    }

    Model invent(bool is_added) {
        Model port{.kind = static_cast<Kind>(random(kKinds)), .network = random(2), .mtu = 0, .queues = 0,
                   .is_added = is_added};
        vary(port);
        return port;
    }
    void vary(Model& port) {
        port.network = random(2);
        port.mtu = std::array{0, 1400, 9000}[random(3)];
        port.queues = is_guest(port.kind) ? 0 : random(3);
    }

    void write_file(const std::string& more = "") const {
        std::string text = fmt::format("state: {}\nnetworks: [{{name: blue}}, {{name: red}}]\nports:\n", state_);
        for (const auto& [number, port] : ports_) {
            if (!port.is_added) text += "  - " + keys(number, port) + "\n";
        }
        const bool is_empty = std::ranges::all_of(ports_, [](const auto& each) { return each.second.is_added; });
        test::write_file(file_, text + (is_empty ? "  []\n" : "") + more);
    }

    // --- steps ---

    void start() {
        switch_ = std::make_unique<Switch>(2, test::switch_pools(), "test", flow::FlowConfig{}, [] {
            return Clock::time_point{};
        });
        auto intent = Intent::load(file_);
        ASSERT_TRUE(intent) << intent.error()[0].text();
        intent_ = std::move(*intent);
        ASSERT_TRUE(intent_->start(*switch_, now_));
        for (auto& [number, port] : ports_) {
            port.up = opens(number, port.kind);
            port.received = 0;
        }
    }

    void add(int number) {
        Model port = invent(true);
        port.up = opens(number, port.kind);
        auto document = base::parse_yaml(keys(number, port), "request");
        ASSERT_TRUE(document);
        auto changes = intent_->add(*switch_, ObjectKind::kPort, *document, now_);
        ASSERT_TRUE(changes) << changes.error()[0].text();
        ports_[number] = port;
    }

    void remove(int number) {
        ASSERT_TRUE(intent_->remove(*switch_, {ObjectKind::kPort, name_of(number)}, now_));
        ports_.erase(number);
    }

    // Some of the file's ports come, go and change.
    void reload() {
        const std::map<int, Model> before = ports_;
        for (int change = random(3); change >= 0; --change) {
            const int number = random(kNames);
            const auto found = ports_.find(number);
            if (found == ports_.end()) {
                ports_[number] = invent(false);
            } else if (found->second.is_added) {
                continue;
            } else if (random(4) == 0) {
                ports_.erase(found);
            } else if (random(4) == 0) {
                found->second = invent(false);
            } else {
                vary(found->second);
            }
        }
        for (auto& [number, port] : ports_) {
            if (port.is_added) continue;
            const auto old = before.find(number);
            if (old != before.end() && old->second.kind == port.kind) {
                changed(number, old->second);
            } else {
                port.up = opens(number, port.kind);
                port.received = 0;
            }
        }
        write_file();
        auto changes = intent_->reload(*switch_, now_);
        ASSERT_TRUE(changes) << changes.error()[0].text();
    }
    // The same device under other keys.
    void changed(int number, const Model& before) {
        Model& port = ports_.at(number);
        port.received = before.received;
        port.up = before.up;
        auto mtu = [](const Model& of) { return of.mtu == 0 ? 1500 : of.mtu; };
        const bool is_same = port.network == before.network && port.mtu == before.mtu && port.queues == before.queues;
        const bool reopens = port.queues != before.queues || (is_device(port.kind) && mtu(port) != mtu(before));
        if (reopens || (!port.up && !is_same)) port.up = opens(number, port.kind);
    }

    void refused_reload() {
        write_file("prots: []\n");
        EXPECT_FALSE(intent_->reload(*switch_, now_));
        write_file();
    }

    void tick() {
        now_ += 3s;
        ASSERT_TRUE(port::devices_are_idle(std::chrono::minutes(10)));
        switch_->tick(now_);
        test::finish_opening(*switch_, now_);
        for (auto& [number, port] : ports_) {
            const bool lost = port.up && port.kind == Kind::kServed && !std::filesystem::exists(path(number, ".sock"));
            port.up = !lost && (port.up || opens(number, port.kind));
        }
    }

    void come_or_go(int number) {
        std::filesystem::remove(path(number, ".sock"));
        if (has_file(number)) {
            std::filesystem::remove(path(number, ".pcap"));
            return;
        }
        // The header alone.
        const uint32_t header[] = {0xa1b2c3d4, 0x0004'0002, 0, 0, 65535, 1};
        test::write_file(path(number, ".pcap"), std::string(reinterpret_cast<const char*>(header), sizeof header));
    }

    void restart() {
        switch_.reset();
        start();
    }

    void step() {
        const int number = random(kNames);
        const auto found = ports_.find(number);
        switch (random(10)) {
            case 0:
            case 1:
                if (found == ports_.end()) return add(number);
                [[fallthrough]];
            case 2:
                if (found != ports_.end() && found->second.is_added) return remove(number);
                [[fallthrough]];
            case 3:
            case 4:
            case 5: return reload();
            case 6: return refused_reload();
            case 7: return come_or_go(number);
            case 8:
                if (random(3) == 0) return restart();
                [[fallthrough]];
            default: return tick();
        }
    }

    // --- what must be true ---

    void check() {
        ASSERT_EQ(switch_->ports().size(), ports_.size());
        std::set<path::PortId> ids;
        for (const auto& [number, port] : ports_) {
            SCOPED_TRACE(keys(number, port));
            ASSERT_TRUE(switch_->ports().contains(name_of(number)));
            const HeldPort& held = switch_->ports().at(name_of(number));
            const port::PortConfig& config = held.port->config();
            EXPECT_EQ(config.network, kNetworks[port.network]);
            EXPECT_EQ(config.mtu.value_or(0), port.mtu);
            EXPECT_EQ(config.queues, port.queues);
            EXPECT_EQ(is_added(config.place), port.is_added);
            EXPECT_EQ(held.up, port.up) << held.reason;
            EXPECT_EQ(held.reason.empty(), port.up);
            EXPECT_TRUE(ids.insert(held.port->id()).second);
            if (!port.up) {
                EXPECT_EQ(held.port->receive_queues(), 0);
            }
            (void)held.port->describe();
        }
        for (auto& [number, port] : ports_) {
            if (port.up && port.kind == Kind::kRing) check_broadcast(number);
        }
    }

    // Reaches the rings that are in the network, and nobody else.
    void check_broadcast(int from) {
        Model& port = ports_.at(from);
        rings_[from]->put(test::to_mbuf(test::switch_pools().buffers,
                                        Packet().eth(fmt::format("02:00:00:00:00:{:02x}", from), "ff:ff:ff:ff:ff:ff")
                                            .payload(46)));
        for (const auto& worker : switch_->workers()) worker->turn();
        ++port.received;
        const path::PortId id = switch_->ports().at(name_of(from)).port->id();
        EXPECT_EQ(switch_->traffic(id, now_).rx_packets, port.received) << name_of(from);
        for (int to = 0; to < kNames; ++to) {
            rte_mbuf* frame = rings_[to]->take();
            const auto found = ports_.find(to);
            const bool expected = to != from && found != ports_.end() && found->second.kind == Kind::kRing &&
                                  found->second.up && found->second.network == port.network;
            EXPECT_EQ(frame != nullptr, expected) << name_of(from) << " to " << name_of(to);
            rte_pktmbuf_free(frame);
        }
    }

    std::mt19937 random_{GetParam()};
    test::Directory directory_;
    const std::string file_ = directory_ / "sluice.yaml";
    const std::string state_ = directory_ / "state.json";
    std::vector<std::unique_ptr<test::RingDevice>> rings_;
    std::map<int, Model> ports_;
    Clock::time_point now_{1000s};
    std::unique_ptr<Switch> switch_;
    std::optional<Intent> intent_;
};

TEST_P(PortLife, EveryStepLeavesWhatTheModelSays) {
    for (int count = 0; count < 150; ++count) {
        SCOPED_TRACE(fmt::format("step {}", count));
        step();
        if (HasFatalFailure()) return;
        check();
        if (HasFailure()) return;
    }
    EXPECT_TRUE(test::are_full(test::switch_pools()));
}

INSTANTIATE_TEST_SUITE_P(Seeds, PortLife, testing::Range(1u, 7u));

}  // namespace
}  // namespace sluice::engine
