// A snapshot that was compiled from the one before equals the one that is compiled from nothing, whatever ports
// come, go, fail and change in between. Fixed seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "engine/intent.h"
#include "support/directory.h"
#include "support/pools.h"
#include "support/rings.h"

namespace sluice::engine {
namespace {

using namespace std::chrono_literals;

constexpr int kNames = 8;
constexpr std::array kNetworks{"blue", "red", "green", "routed"};

std::string name_of(int number) {
    return fmt::format("p{}", number);
}

// --- a snapshot in words: a line for each of its tables' entries ---

class Words {
 public:
    explicit Words(const view::Snapshot& snapshot) : snapshot_(snapshot) {
        add("idle {} bridge {} policies {} port {} end points {:x} {}", static_cast<int>(snapshot.idle),
            snapshot.is_bridge, snapshot.has_policies, snapshot.udp_port.host(), snapshot.end_point.host(),
            fmt::join(snapshot.end_point_ipv6, ":"));
        for (size_t i = 0; i < snapshot.slots.size(); ++i) add_slot(i);
        for (size_t i = 0; i < snapshot.networks.size(); ++i) add_network(i);
        for (size_t worker = 0; worker < snapshot.queues.size(); ++worker) {
            for (const view::QueueRef& queue : snapshot.queues[worker]) {
                add("worker {}: {} queue {} wake {} network {} unusual {} guarded {}", worker,
                    fmt::ptr(queue.port), queue.queue, static_cast<int>(queue.wake), path::index(queue.network),
                    queue.unusual, static_cast<int>(queue.guarded));
            }
        }
        for (const auto& capture : snapshot.captures) add("capture {}", fmt::ptr(capture.get()));
        for (const auto* capture : snapshot.drop_captures) add("capture of drops {}", fmt::ptr(capture));
        for (const path::PortId id : snapshot.mirrored) add("mirrored {}", path::index(id));
        for (const auto& filter : snapshot.filters) add("filter {}", filter != nullptr);
        std::sort(lines.begin(), lines.end());
    }

    std::vector<std::string> lines;

 private:
    template <class... Args>
    void add(fmt::format_string<Args...> format, Args&&... args) {
        lines.push_back(fmt::format(format, std::forward<Args>(args)...));
    }

    // Its number may be another one in each snapshot.
    std::string horizon(uint16_t number) const {
        for (const auto& [name, known] : snapshot_.horizons) {
            if (known == number) return name;
        }
        return number == 0 ? "none" : number == view::kTunnels ? "tunnels" : "unknown";
    }
    static std::string mirrors(const std::vector<port::Mirror>* list) {
        std::string text;
        if (list == nullptr) return "none";
        for (const port::Mirror& mirror : *list) {
            text += fmt::format(" {} {} {} {}", fmt::ptr(mirror.to), mirror.filter != nullptr,
                                fmt::ptr(mirror.capture), static_cast<int>(mirror.what));
        }
        return text;
    }
    static std::string lists(const acl::Policies& policies) {
        std::string text;
        for (const auto& list : policies.egress) text += fmt::format(" e{}", fmt::ptr(list.get()));
        for (const auto& list : policies.ingress) text += fmt::format(" i{}", fmt::ptr(list.get()));
        return text;
    }
    void add_guard(const std::string& of, const guard::Guard* guard) {
        if (guard == nullptr) return;
        std::string addresses;
        for (const IpAddress& address : guard->addresses) addresses += " " + address.text();
        add("{} guard {:x} {}{} dhcp {} ra {} usual {:x} {:x}", of, guard->mac, guard->check_addresses, addresses,
            guard->serves_dhcp, guard->serves_ra, guard->usual.mac, guard->usual.ipv4);
    }
    void add_slot(size_t i) {
        const view::PortSlot& slot = snapshot_.slots[i];
        const path::PortId id{static_cast<uint16_t>(i)};
        if (snapshot_.owners.trusts(id)) add("port {} is trusted", i);
        const std::string policies = lists(snapshot_.policies_of(id));
        if (!policies.empty()) add("port {} lists{}", i, policies);
        if (slot.port == nullptr && slot.network == path::kNoNetworkId && slot.tunnel == nullptr) return;
        add("port {} {} network {} horizon {} mac-limit {} plain {} floods {} tunnel {}", i, fmt::ptr(slot.port),
            path::index(slot.network), horizon(slot.horizon), slot.mac_limit, fmt::ptr(slot.plain),
            fmt::ptr(slot.floods), slot.tunnel != nullptr);
        add("port {} mirrors in{} out{}", i, mirrors(slot.mirrors == nullptr ? nullptr : &slot.mirrors->in),
            mirrors(slot.mirrors_out()));
        add_guard(fmt::format("port {}", i), slot.guard);
        if (slot.trunk == nullptr) return;
        add("port {} trunk {}", i, fmt::join(slot.trunk->id_of, " "));
        for (size_t vlan = 0; vlan < slot.trunk->network_of.size(); ++vlan) {
            const path::NetworkId network = slot.trunk->network_of[vlan];
            if (network != path::kNoNetworkId) add("port {} vlan {}: {}", i, vlan, path::index(network));
        }
    }
    void add_network(size_t i) {
        const view::Network& network = snapshot_.networks[i];
        add("network {} {} {:x} {:x} routes {} vni {} tracked {} domain {} flat {} answers {}", i,
            fmt::ptr(network.table), network.to_router, network.mac, fmt::ptr(network.routes), network.vni,
            network.is_tracked, static_cast<int>(network.flow_domain), network.flat, network.answers);
        add("network {} lists{}", i, lists(network.policies));
        add_guard(fmt::format("network {}", i), network.tunnel_guard);
        for (const port::Exit& exit : network.members) {
            add("network {} member {} vlan {} native {} horizon {} mirrors {}", i, fmt::ptr(exit.port), exit.vlan,
                exit.native, horizon(exit.horizon), mirrors(exit.mirrors));
        }
        const path::NetworkId id{static_cast<uint16_t>(i)};
        for (const auto* owners : {&snapshot_.owners, &snapshot_.absent}) {
            for (const auto& entry : owners->entries(id)) {
                const auto* found = owners->find(id, entry.address);
                add("network {} {} {}: {} {:x} found {}", i, owners == &snapshot_.owners ? "owner" : "absent",
                    entry.address.text(), path::index(entry.port), entry.mac,
                    found == nullptr ? -1 : path::index(found->port));
            }
        }
    }

    const view::Snapshot& snapshot_;
};

class Compile : public testing::TestWithParam<unsigned> {
 protected:
    void SetUp() override {
        for (int i = 0; i < kNames; ++i) rings_.push_back(std::make_unique<test::RingDevice>(name_of(i), 2));
        write_file();
        auto intent = Intent::load(file_);
        ASSERT_TRUE(intent) << intent.error()[0].text();
        intent_ = std::move(*intent);
        ASSERT_TRUE(intent_->start(*switch_, now_));
    }
    void TearDown() override {
        switch_.reset();
        rings_.clear();
    }

    int random(int below) { return std::uniform_int_distribution<>(0, below - 1)(random_); }
    bool chance(int percent) { return random(100) < percent; }

    // --- what is configured ---

    std::string device(int number) {
        const std::string name = name_of(number);
        switch (random(5)) {
            case 0:
                return "netns: sluice-no-such-" + name;
            case 1:
                return fmt::format("vhost-user: {{path: {}, mode: server}}", directory_ / (name + ".sock"));
            case 2:
                return fmt::format("device: 'net_pcap_{},rx_pcap={}'", name, capture_of(number));
            default:
                return "device: net_ring_" + name;
        }
    }
    std::string capture_of(int number) const { return directory_ / (name_of(number) + ".pcap"); }

    std::string port(int number) {
        std::string text = fmt::format("{{name: {}, {}", name_of(number), device(number));
        if (chance(25)) {
            text += ", trunk: {networks: [blue, red]" + std::string(chance(50) ? ", native: routed}" : "}");
        } else {
            const int network = random(static_cast<int>(kNetworks.size()));
            text += fmt::format(", network: {}", kNetworks[static_cast<size_t>(network)]);
            if (chance(60)) text += fmt::format(", address: [10.{}.0.{}]", network, 10 + number);
            if (chance(20)) text += ", spoofing: allow";
        }
        if (chance(40)) text += fmt::format(", mac: 02:00:00:00:00:{:02x}", number + 1);
        if (chance(20)) text += fmt::format(", split-horizon: {}", chance(50) ? "one" : "two");
        if (chance(20)) text += fmt::format(", mac-limit: {}", 1 + random(3));
        if (chance(20)) text += ", serves: [dhcp]";
        return text + "}";
    }

    void write_file() {
        std::string text = fmt::format(
            "state: {}\n"
            "networks:\n"
            "  - {{name: blue, vlan: 10, subnets: [10.0.0.0/16]}}\n"
            "  - {{name: red, vlan: 20, subnets: [10.1.0.0/16]}}\n"
            "  - {{name: green, subnets: [10.2.0.0/16]}}\n"
            "  - {{name: routed, subnets: [10.3.0.0/16], gateway: 10.3.0.1}}\n"
            "ports:\n"
            "  - {{name: monitor, device: net_null_monitor}}\n",
            directory_ / "state.json");
        for (const auto& [number, keys] : declared_) text += "  - " + keys + "\n";
        if (chance(50) && !declared_.empty()) {
            text += fmt::format("mirrors: [{{name: m, from: [{}], to: monitor}}]\n",
                                name_of(declared_.begin()->first));
        }
        text += "acls:\n  - {name: one, apply: [";
        if (chance(50)) text += "{network: red, direction: ingress}";
        if (!declared_.empty()) {
            text += fmt::format("{}{{port: {}, direction: egress}}", text.ends_with('[') ? "" : ", ",
                                name_of(declared_.rbegin()->first));
        }
        text += fmt::format("], rules: [permit: {{proto: tcp, port: {}}}]}}\n", 1 + random(9));
        test::write_file(file_, text);
    }

    // --- steps ---

    void add(int number) {
        const std::string keys = port(number);
        auto document = base::parse_yaml(keys, "request");
        ASSERT_TRUE(document) << keys;
        if (intent_->add(*switch_, ObjectKind::kPort, *document, now_)) added_.insert(number);
    }
    void reload() {
        for (int change = random(3); change >= 0; --change) {
            const int number = random(kNames);
            if (added_.contains(number)) continue;
            if (chance(30)) {
                declared_.erase(number);
            } else {
                declared_[number] = port(number);
            }
        }
        write_file();
        auto changes = intent_->reload(*switch_, now_);
        ASSERT_TRUE(changes) << changes.error()[0].text();
    }
    // The devices of some ports come or go; the switch notices it in its next tick.
    void come_or_go(int number) {
        std::filesystem::remove(directory_ / (name_of(number) + ".sock"));
        if (std::filesystem::remove(capture_of(number))) return;
        const uint32_t header[] = {0xa1b2c3d4, 0x0004'0002, 0, 0, 65535, 1};
        test::write_file(capture_of(number), std::string(reinterpret_cast<const char*>(header), sizeof header));
    }
    void capture(int number) {
        ActiveCaptures captures;
        if (chance(70)) {
            captures.push_back(
                std::make_shared<path::Capture>(chance(80) ? name_of(number) : "", wire::Filter{}, 2, 4096));
        }
        switch_->set_captures(std::move(captures));
    }

    void step() {
        const int number = random(kNames);
        const bool is_free = !added_.contains(number) && !declared_.contains(number);
        switch (random(8)) {
            case 0:
            case 1:
            case 2:
                if (is_free) return add(number);
                if (added_.erase(number) == 0) break;
                ASSERT_TRUE(intent_->remove(*switch_, {ObjectKind::kPort, name_of(number)}, now_));
                return;
            case 3:
                return reload();
            case 4:
                return capture(number);
            case 5:
                return come_or_go(number);
            default:
                break;
        }
        switch_->tick(now_ += 3s);
    }

    std::mt19937 random_{GetParam()};
    test::Directory directory_;
    const std::string file_ = directory_ / "sluice.yaml";
    std::vector<std::unique_ptr<test::RingDevice>> rings_;
    std::map<int, std::string> declared_;
    std::set<int> added_;
    Clock::time_point now_{1000s};
    std::unique_ptr<Switch> switch_ = std::make_unique<Switch>(2, test::switch_pools(), "test");
    std::optional<Intent> intent_;
};

TEST_P(Compile, FromTheSnapshotBeforeIsAsFromNothing) {
    for (int count = 0; count < 120; ++count) {
        SCOPED_TRACE(fmt::format("step {}", count));
        step();
        if (HasFatalFailure()) return;
        const auto afresh = compile(switch_->config(), switch_->parts());
        ASSERT_EQ(Words(switch_->snapshot()).lines, Words(*afresh).lines);
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Compile, testing::Range(1u, 7u));

}  // namespace
}  // namespace sluice::engine
