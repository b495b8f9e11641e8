// What a client of the control socket may send: each line of an input is a request, as a session takes it, to the
// commands of a running switch. Every answer is one line of JSON, and no command fails unexpectedly. A line that
// begins with a digit 0 to 7 lets packets come instead, so that there is something to tell of.
//
// The switch has ring devices, and stays off the machine: no interface is made, no driver bound (see harmless()).
#include <rte_log.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "control/answer.h"
#include "control/commands.h"
#include "fuzz/folder.h"
#include "fuzz/target.h"
#include "golden/harness.h"
#include "sluice/protocol.h"

namespace sluice::fuzz {
namespace {

using control::Access;
using control::Command;
using nlohmann::json;
using test::Packet;

const std::vector<std::string> kDevices{"a", "b", "c", "d"};

constexpr const char* kFile = R"(state: {}
networks:
  - {{name: blue, subnets: [10.0.0.0/24, "fd00::/64"], gateway: [10.0.0.254, "fd00::fe"], mac-table-size: 64}}
  - {{name: far, subnets: 10.2.0.0/24, gateway: 10.2.0.254, mac-table-size: 64, vxlan: {{vni: 7, remotes: [192.0.2.2]}}}}
underlay: {{port: d, address: 192.0.2.1/24}}
ports:
  - {{name: a, device: net_ring_a, network: blue, address: [10.0.0.1, "fd00::1"], mac: '02:00:00:00:00:0a'}}
  - {{name: b, device: net_ring_b, network: blue}}
  - {{name: d, device: net_ring_d}}
routes: [{{to: 10.9.0.0/16, via: 10.0.0.2}}]
acls: [{{name: in, apply: {{port: b, direction: ingress}}, rules: [{{permit: {{proto: tcp}}}}, {{deny: {{}}}}]}}]
flows: {{size: 1024}}
log: {{level: error}}
)";

// A port over a ring that is there, or that isn't.
bool is_harmless(const base::Tree& port) {
    if (port.kind != base::Tree::Kind::kMap) return true;  // refused
    for (const char* kind : {"netns", "host", "vhost-user", "bond"}) {
        if (port.find(kind) != nullptr) return false;
    }
    const base::Tree* device = port.find("device");
    return device == nullptr || device->text == "net_ring_c" || device->text == "net_nosuch0";
}

// Every port of a request, whatever its method: one, its new keys, or those of a text.
bool is_harmless(const protocol::Method& method, const json& params) {
    if (method.name == protocol::kPortAdd) return is_harmless(base::from_json(params["port"]).root);
    if (method.name == protocol::kPortSet) return is_harmless(base::from_json(params["keys"]).root);
    if (method.name == protocol::kContainerAdd) return !params.contains("vhost-user");
    if (method.name != protocol::kAdd) return true;
    const auto document = base::parse_yaml(params["text"].get_ref<const std::string&>(), "");
    const base::Tree* ports = document ? document->root.find("ports") : nullptr;
    if (ports == nullptr) return true;
    return std::all_of(ports->items.begin(), ports->items.end(),
                       [](const base::Tree& port) { return is_harmless(port); });
}

// `changed` becomes true once a command has done more than ask.
std::vector<Command> harmless(std::vector<Command> commands, bool& changed) {
    for (Command& command : commands) {
        if (command.method.effect != protocol::Effect::kReads && command.run) {
            command.run = [run = command.run, &changed](const json& params) {
                changed = true;
                return run(params);
            };
        }
        if (command.run_for) {
            command.run_for = [run = command.run_for, &changed](const json& params, const control::Caller& caller) {
                changed = true;
                return run(params, caller);
            };
        }
        if (!command.run) continue;
        command.run = [run = command.run, method = command.method](const json& params) -> control::Answer {
            if (is_harmless(method, params)) return run(params);
            if (method.name != protocol::kPortAdd) return control::invalid("not here");
            const auto port = engine::read_object(engine::ObjectKind::kPort, base::from_json(params["port"]));
            return port->faults.empty() ? control::invalid("not here") : control::refused(port->faults);
        };
    }
    return commands;
}

// A switch takes longer to make than all else: it serves one daemon after the other. While it does, time goes on.
struct Machine {
    test::Harness harness{1, kDevices, {.size = flow::kMinFlows, .timeouts = {}}};
    uint32_t seconds = 0;   // that have passed
    uint32_t daemons = 0;   // that it has served

    engine::Clock::time_point now() const { return engine::Clock::time_point{std::chrono::seconds(seconds)}; }
    void wait(uint32_t more) {
        pass(more);
        seconds += more;
    }
};

class Daemon {
 public:
    Daemon(const Folder& folder, Machine& machine)
        : file_(folder / "sluice.yaml"), machine_(machine), harness_(machine.harness) {
        const std::string state = folder / "state.json";
        std::filesystem::remove(state);
        std::filesystem::remove(state + ".routes");
        write_file(file_, fmt::format(fmt::runtime(kFile), state));
        auto intent = engine::Intent::load(file_);
        must(intent.has_value(), "{}", intent ? "" : intent.error()[0].text());
        intent_ = std::move(*intent);
        const auto started = intent_->start(harness_.running(), machine_.now());
        must(started.has_value(), "{}", started ? "" : started.error()[0].text());
        running_.reset(new control::Running{harness_.running(), *intent_, eal_, engine::Clock::now(), nowhere()});
        commands_ = harmless(control::commands(*running_), changed_);
        rte_log_set_global_level(RTE_LOG_CRIT);
    }

    // The switch is then as new, but for a routing domain, whose built-in routes take long to set up.
    ~Daemon() {
        commands_.clear();
        running_.reset();
        intent_.reset();
        engine::Switch& running = harness_.running();
        engine::Config nothing;
        nothing.state = running.config().state;
        nothing.flows.size = flow::kMinFlows;
        nothing.log = running.config().log;
        engine::NetworkConfig& idle = nothing.networks.emplace_back();
        idle.name = "idle";
        idle.subnets = {*IpPrefix::parse("203.0.113.0/24")};
        idle.gateway = {*IpAddress::parse("203.0.113.1")};
        const auto changes = running.apply(nothing, machine_.now());
        must(changes.has_value(), "{}", changes ? "" : changes.error()[0].text());
        running.flows().flush(engine::clock_seconds(), [](const auto&) { return true; });
        running.flows().recover_until(0);
        harness_.give_up_fragments();
        machine_.wait(3600);
        running.tick(machine_.now());
        ++machine_.daemons;
    }
    Daemon(const Daemon&) = delete;

    const std::vector<Command>& commands() const { return commands_; }
    // It is no longer as it was started.
    bool changed() const { return changed_; }

    void ask(Access access, std::string_view line) {
        if (line.find_first_not_of(" \t\r") == line.npos) return;
        const control::Requester requester{{.access = access, .program = "fuzz"}, caller_, &log_};
        const std::string text = control::answer(commands_, requester, line);
        if (text.empty()) return;  // a notification's
        must(text.find('\n') == text.npos, "an answer of several lines");
        const json answer = json::parse(text, nullptr, false);
        must(!answer.is_discarded(), "an answer that is no JSON: {}", text);
        for (const json& one : answer.is_array() ? answer : json::array({answer})) {
            must(one.is_object() && one.contains("result") != one.contains("error"), "no answer: {}", text);
            if (one.contains("error")) must(one["error"]["code"] != protocol::kInternalError, "{}", text);
        }
    }

    void receive(unsigned kind) {
        changed_ = true;
        Packet packet;
        std::string device = "b";
        packet.eth(test::kMacB, test::kMacA);
        switch (kind) {
            case 0: packet.ipv4("10.0.0.2", "10.0.0.1").tcp(1234, 80, 2).payload(10); break;
            case 1: packet.ipv6("fd00::2", "fd00::1").udp(1234, 53).payload(10); break;
            case 2: packet.arp_request(test::kMacB, "10.0.0.2", "10.0.0.254"); break;
            case 3: packet.vlan(5).ipv4("10.0.0.2", "10.0.0.1").udp(1, 2).payload(10); break;
            case 4: packet.ipv4("10.0.0.2", "10.0.0.1").icmp_echo(1, 1).payload(10); break;
            case 5:
                device = "d";
                packet.ipv4("192.0.2.2", "192.0.2.1").udp(50000, 4789).vxlan(7).eth().ipv4("10.2.0.5", "10.2.0.6");
                packet.udp(1, 2).payload(9);
                break;
            case 6: packet.ipv4("10.0.0.2", "10.0.0.1").fragment(0x2000).udp(1, 2).payload(16); break;
            default:
                device = "a";
                packet = Packet().eth(test::kMacA, test::kMacB).ipv4("10.0.0.1", "10.9.0.1").tcp(80, 1234, 0x12);
        }
        rte_mbuf* m = test::to_mbuf(test::switch_pools().buffers, packet);
        if (m == nullptr) return;
        harness_.device(device).put(m);
        harness_.run();
        for (const std::string& name : kDevices) (void)harness_.sent(name);
        machine_.wait(1);
        harness_.running().tick(machine_.now());
    }

 private:
    // Of a machine without PCI functions, on which nothing can be written.
    static port::pci::Host nowhere() {
        return {"/nonexistent", "/nonexistent",
                [](const std::string&, const std::string&) -> base::Result<void> { return base::fail("not here"); },
                [] { return base::Result<std::set<int>>(); }};
    }

    const std::string file_;
    const engine::Eal eal_{false, {0}, {0}};
    Machine& machine_;
    test::Harness& harness_;
    std::optional<engine::Intent> intent_;
    std::unique_ptr<control::Running> running_;
    std::vector<Command> commands_;
    std::shared_ptr<const void> caller_ = std::make_shared<int>();
    control::ChangeLog log_{[] { return control::Throttle::Clock::time_point{}; }};
    bool changed_ = false;
};

const Folder& folder() {
    static const Folder folder;
    return folder;
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    testing::GTEST_FLAG(throw_on_failure) = true;  // what the harness finds is a fault, too
    Input input(bytes);
    const Access access = input.byte() == 'r' ? Access::kRead : Access::kWrite;
    constexpr uint32_t kMostDaemons = 100;  // of one switch: what it counts would grow forever
    static std::optional<Machine> machine;
    static std::optional<Daemon> daemon;
    if (machine && machine->daemons >= kMostDaemons && !daemon) machine.reset();
    if (!machine) machine.emplace();
    pass(machine->seconds);
    if (!daemon) daemon.emplace(folder(), *machine);
    for (std::string_view left = text_of(input.rest()); !left.empty();) {
        const size_t end = std::min(left.find('\n'), left.size());
        const std::string_view line = left.substr(0, end);
        left.remove_prefix(std::min(end + 1, left.size()));
        if (!line.empty() && line[0] >= '0' && line[0] <= '7') daemon->receive(static_cast<unsigned>(line[0] - '0'));
        else daemon->ask(access, line);
    }
    if (daemon->changed()) daemon.reset();
}

namespace {

std::string request(std::string_view method, std::string_view params) {
    return fmt::format(R"({{"jsonrpc":"2.0","id":1,"method":"{}","params":{}}})", method, params);
}

// The example of each parameter: of all that must be given, and of one other at a time.
std::vector<std::string> examples(const protocol::Method& method) {
    json required = json::object();
    for (const protocol::Parameter& parameter : method.parameters) {
        if (parameter.need == protocol::Need::kRequired) required[parameter.name] = json::parse(parameter.example);
    }
    std::vector<std::string> texts{request(method.name, required.dump())};
    for (const protocol::Parameter& parameter : method.parameters) {
        if (parameter.need == protocol::Need::kRequired) continue;
        json params = required;
        params[parameter.name] = json::parse(parameter.example);
        texts.push_back(request(method.name, params.dump()));
    }
    return texts;
}

}  // namespace

std::vector<Bytes> seeds() {
    std::vector<std::string> texts;
    Machine machine;
    const Daemon daemon(folder(), machine);
    for (const Command& command : daemon.commands()) {
        for (const std::string& text : examples(command.method)) texts.push_back("0\n2\n5\n" + text + "\n7\n3");
    }
    // What makes sense one after the other, with the names of this switch.
    texts.push_back(request(protocol::kTraceStart, R"({"filter":"tcp"})") + "\n0\n7\n" +
                    request(protocol::kTraceRead, R"({"trace":1,"most":9})") + "\n" +
                    request(protocol::kTraceStop, R"({"trace":1})"));
    for (const char* pcapng : {"true", "false"}) {
        texts.push_back(request(protocol::kCaptureStart, R"({"port":"b","filter":"ip or arp"})") + "\n0\n2\n" +
                        request(protocol::kCaptureRead, fmt::format(R"({{"capture":1,"pcapng":{}}})", pcapng)) + "\n" +
                        request(protocol::kCaptureStop, R"({"capture":1})"));
    }
    texts.push_back(request(protocol::kPortAdd, R"({"port":{"name":"c","device":"net_ring_c","network":"blue"}})") +
                    "\n" + request(protocol::kPortShow, R"({"name":"c"})") + "\n" +
                    request(protocol::kPortDelete, R"({"name":"c"})"));
    const std::string all =
        "networks: [{name: red, subnets: [10.1.0.0/24], gateway: 10.1.0.254}]\n"
        "ports: [{name: c, device: net_ring_c, network: red}, {name: eye, device: net_nosuch0}]\n"
        "address-sets: [{name: office, addresses: [10.1.0.0/28]}]\n"
        "acls: [{name: edge, apply: {port: c, direction: ingress}, rules: [{permit: {from: office}}]}]\n"
        "mirrors: [{name: watch, from: [c], to: eye}]\nroutes: [{to: 10.8.0.0/16, via: 10.1.0.1}]\n";
    const std::string batch = json{{"text", all}, {"file", "f"}}.dump();
    texts.push_back(request(protocol::kAdd, batch) + "\n" +
                    request(protocol::kPortSet, R"({"name":"c","keys":{"mac-limit":3,"mtu":null}})") + "\n" +
                    request(protocol::kNetworkSet, R"({"name":"red","keys":{"subnets":[]}})") + "\n" +
                    request(protocol::kAclSet, R"({"name":"edge","keys":{"rules":[{"deny":{}}]}})") + "\n2\n" +
                    request(protocol::kMirrorList, "{}") + "\n" + request(protocol::kAddressSetList, "{}") + "\n" +
                    request(protocol::kDelete, batch));
    texts.push_back(request(protocol::kAdd, batch) + "\n" +
                    request(protocol::kNetworkDelete, R"({"name":"red"})") + "\n" +
                    request(protocol::kMirrorDelete, R"({"name":"watch"})") + "\n" +
                    request(protocol::kAclDelete, R"({"name":"edge"})") + "\n" +
                    request(protocol::kAddressSetDelete, R"({"name":"office"})") + "\n" +
                    request(protocol::kPortDelete, R"({"name":"c"})") + "\n" +
                    request(protocol::kConfigReload, "{}") + "\n" + request(protocol::kConfigShow, "{}"));
    texts.push_back(request(protocol::kRouteAdd, R"({"route":{"to":"10.8.0.0/16","via":"10.0.0.3"}})") + "\n" +
                    request(protocol::kRouteList, "{}") + "\n" +
                    request(protocol::kRouteDelete, R"({"to":"10.8.0.0/16"})"));
    texts.push_back(request(protocol::kTrace, R"({"from":"b","to":"10.0.0.1","proto":"tcp","dport":80,"vlan":5})"));
    texts.push_back(request(protocol::kTrace, R"({"questions":[{"from":"a","to":"b"},{"from":"10.2.0.1","to":"a"}]})"));
    texts.push_back("[" + request(protocol::kStatus, "{}") + "," + request("nosuch", "[]") + "]\n{\n1");
    std::vector<Bytes> seeds;
    for (const std::string& text : texts) seeds.push_back(Output().byte('w').add(bytes_of(text)));
    return seeds;
}

std::vector<std::string> words() {
    std::vector<std::string> words = {"{", "}", "[", "]", ":", ",", "null", "true", "-1", "1e99", "\"id\":",
                                      "\"params\":", "\\u0000", "\"a\"", "\"main\"", "10.0.0.1", "\n0\n"};
    Machine machine;
    const Daemon daemon(folder(), machine);
    for (const Command& command : daemon.commands()) {
        words.emplace_back(command.method.name);
        for (const protocol::Parameter& parameter : command.method.parameters) {
            words.push_back(fmt::format("\"{}\":", parameter.name));
            words.emplace_back(parameter.example);
            for (const std::string_view word : parameter.words) words.push_back(fmt::format("\"{}\"", word));
        }
    }
    for (const base::Key& key : base::list_keys<engine::Config>()) {
        words.push_back("\"" + key.path.substr(key.path.rfind('.') + 1) + "\":");
    }
    return words;
}

}  // namespace sluice::fuzz
