#include "engine/config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/diff.h"
#include "engine/machine.h"
#include "support/directory.h"

namespace sluice::engine {
namespace {

using Texts = std::vector<std::string>;

Config load(std::string_view yaml, const std::vector<port::PortConfig>& added = {}) {
    auto config = load_config(yaml, "f", added, Machine{});
    if (config) return *config;
    for (const auto& error : config.error()) ADD_FAILURE() << error.text();
    return {};
}

// All errors, as the user reads them.
Texts errors(std::string_view yaml, const std::vector<port::PortConfig>& added = {}) {
    Texts texts;
    auto config = load_config(yaml, "f", added, Machine{});
    if (config) return texts;
    for (const auto& error : config.error()) texts.push_back(error.text());
    return texts;
}

Texts one(std::string text) {
    return {std::move(text)};
}

constexpr const char* kEverything = R"(
workers: {cores: [1, 3], idle: poll}
memory: {size: 1 GiB, buffers: 4096, large-buffers: 64}
control: {socket: /tmp/s, group: wheel, read-only-group: staff, max-request: 5000}
dpdk: {args: [-d, librte_net_x.so]}
log: {level: debug}
state: /tmp/state.json
networks:
  - name: blue
    subnets: [10.0.0.0/24, "fd00::/64"]
    ageing: 10
    mac-table-size: 16
    static: [{mac: "02:00:00:00:00:01", port: web}]
  - {name: "on"}
ports:
  - name: web
    netns: w
    network: blue
    interface: net0
    mac: 02:00:00:00:00:01
    address: [10.0.0.2, "fd00::2/128"]
    routes: [{to: 0.0.0.0/0, via: 10.0.0.1}, {to: "::/0"}]
    mtu: 9000
    queues: 2
  - {name: h, host: true}
  - {name: d, device: "net_null0,size=60", network: "on"}
)";

TEST(LoadConfig, AnEmptyFileIsTheDefaults) {
    EXPECT_EQ(load(""), Config{});
    EXPECT_EQ(load("{}"), Config{});
}

TEST(LoadConfig, ReadsEverySection) {
    const Config config = load(kEverything);
    EXPECT_EQ(config.workers.cores, (std::vector<uint16_t>{1, 3}));
    EXPECT_EQ(config.workers.idle, view::Idle::kPoll);
    EXPECT_EQ(config.memory.size.value, 1ULL << 30);
    EXPECT_EQ(config.memory.buffers, 4096u);
    EXPECT_EQ(config.memory.large_buffers, 64u);
    EXPECT_EQ(config.control.socket, "/tmp/s");
    EXPECT_EQ(config.control.group, "wheel");
    EXPECT_EQ(config.control.read_only_group, "staff");
    EXPECT_EQ(config.control.max_request.value, 5000u);
    EXPECT_EQ(config.dpdk.args, (Texts{"-d", "librte_net_x.so"}));
    EXPECT_EQ(config.log.level, base::log::Level::kDebug);
    EXPECT_EQ(config.state, "/tmp/state.json");
    ASSERT_EQ(config.networks.size(), 2u);
    EXPECT_EQ(config.networks[0].ageing, 10u);
    EXPECT_EQ(config.networks[0].mac_table_size, 16u);
    EXPECT_EQ(config.networks[0].subnets.size(), 2u);
    EXPECT_EQ(config.networks[0].static_macs.at(0).port, "web");
    ASSERT_EQ(config.ports.size(), 3u);
    EXPECT_EQ(config.ports[0].mtu, 9000);
}

TEST(LoadConfig, AnAddressTakesItsSubnetsLength) {
    const Config config = load(kEverything);
    EXPECT_EQ(config.ports[0].address[0].text(), "10.0.0.2/24");
    EXPECT_EQ(config.ports[0].address[1].text(), "fd00::2/128");
}

TEST(LoadConfig, ObjectsKnowTheirOrigin) {
    port::PortConfig added{.name = "x", .netns = "x"};
    const Config config = load(kEverything, {added});
    EXPECT_EQ(origin(config.networks[1].place), "f:14:5");
    EXPECT_EQ(origin(config.ports[0].place), "f:16:5");
    EXPECT_EQ(origin(config.ports[3].place), "added");
}

TEST(LoadConfig, UnknownKeysAreToldWithTheNearest) {
    EXPECT_EQ(errors("netwroks: []"),
              one("f:1:1: unknown key 'netwroks'; did you mean 'networks'?"));
    EXPECT_EQ(errors("networks:\n  - {name: a, agein: 3}"),
              one("networks[0] (f:2:15): unknown key 'agein'; did you mean 'ageing'?"));
    EXPECT_EQ(errors("log: {color: 1}"),
              one("log (f:1:7): unknown key 'color'; known keys are level"));
}

TEST(LoadConfig, WrongTypesAreToldAtTheValue) {
    EXPECT_EQ(errors("networks: {name: a}"),
              one("networks (f:1:11): expected a list of mappings, found a mapping"));
    EXPECT_EQ(errors("memory: {buffers: many}"),
              one("memory.buffers (f:1:19): expected an integer, found 'many'"));
    EXPECT_EQ(errors("workers: 3"), one("workers (f:1:10): expected a mapping, found a scalar"));
    EXPECT_EQ(errors("workers: {idle: adaptve}"),
              one("workers.idle (f:1:17): 'adaptve' is not one of adaptive, poll"));
    EXPECT_EQ(errors("memory: {size: 1 GB}"),
              one("memory.size (f:1:16): '1 GB' is not a size (such as 64 MiB, 512 KiB or 4096)"));
    EXPECT_EQ(errors("- a"), one("f:1:1: expected a mapping, found a list"));
    EXPECT_EQ(errors("memory: {size: 1}"), one("memory.size (f:1:16): is too small: at least 16 MiB"));
}

TEST(LoadConfig, ValuesOutOfRangeAreToldWithTheRange) {
    EXPECT_EQ(errors("networks: [{name: a, ageing: 0}]"),
              one("networks[0].ageing (f:1:30): '0' is out of range (1 to 1000000)"));
    EXPECT_EQ(errors("workers: {cores: [70000]}"),
              one("workers.cores[0] (f:1:19): '70000' is out of range (0 to 65535)"));
    EXPECT_EQ(
        errors("control: {socket: here}"),
        one("control.socket (f:1:19): 'here' is not an absolute path of less than 100 characters"));
    EXPECT_EQ(errors("control: {max-request: 4 B}").size(), 1u);
    EXPECT_EQ(errors("control: {max-request: 4095}"),
              one("control.max-request (f:1:24): is too small: at least 4 KiB"));
    EXPECT_EQ(errors("state: state.json"),
              one("state (f:1:8): 'state.json' is not an absolute path"));
    EXPECT_EQ(errors("service-ranges: {cluster-ips: [10.96.0.0/16, 10.97.0.0/16]}"),
              one("service-ranges.cluster-ips (f:1:31): has two ranges of one family: give at most one of IPv4 and "
                  "one of IPv6"));
    EXPECT_EQ(errors("service-ranges: {node-ports: 0-9}").size(), 1u);
}

TEST(LoadConfig, WhatIsNoYamlIsToldWithItsPlace) {
    EXPECT_TRUE(errors("ports: [").at(0).starts_with("f:1:"));
    EXPECT_TRUE(errors("a: 1\na: 2").at(0).starts_with("f:2:1: "));
    EXPECT_TRUE(errors(std::string_view("state: /a\0b", 11)).at(0).starts_with("f:1:10: "));
    std::string bomb = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n";
    for (char c = 'b'; c < 'k'; ++c) {
        bomb += fmt::format("{0}: &{0} [*{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}, *{1}]\n", c,
                            static_cast<char>(c - 1));
    }
    EXPECT_TRUE(errors(bomb).at(0).starts_with("f:"));
}

TEST(LoadConfig, AWrongNameIsShown) {
    EXPECT_EQ(errors("networks: [{name: a/b}]"),
              one("networks[0].name (f:1:19): 'a/b' is not a name: 1 to 63 letters, digits, '-', "
                  "'_', '.' or ':', the "
                  "first a letter or digit"));
}

TEST(LoadConfig, AllErrorsAreToldAtOnceInTheOrderOfTheFile) {
    EXPECT_EQ(
        errors("ports:\n"
               "  - {name: a, netns: a, network: nowhere}\n"
               "  - {name: b, netns: b, mtu: 1}\n"
               "  - {name: a, netns: c, bogus: 1}\n"
               "networks: [{ageing: x}]\n"
               "stat: /x\n"),
        (Texts{
            "ports[0].network (f:2:34): there is no network \"nowhere\"",
            "ports[1].mtu (f:3:30): '1' is out of range (68 to 65521)",
            "ports[2].name (f:4:12): port a is declared already: give one another name",
            "ports[2] (f:4:25): unknown key 'bogus'; known keys are name, netns, handover, host, vhost-user, "
            "device, bond, network, interface, mac, address, routes, mtu, queues, accept-ra, trunk, spoofing, "
            "serves, flood-limit, rate-limit, mac-limit, split-horizon, pod, namespace, labels, publish, aliases, "
            "container",
            "networks[0] (f:5:12): the key 'name' is missing",
            "networks[0].ageing (f:5:21): expected an integer, found 'x'",
            "f:6:1: unknown key 'stat'; did you mean 'state'?",
        }));
}

TEST(Show, LoadsToAnEqualConfiguration) {
    const port::PortConfig added{.name = "later", .netns = "pid:7", .network = "blue"};
    for (const Config& config :
         {Config{}, load(kEverything), load("control: {group: ''}"), load(kEverything, {added})}) {
        // With what is in force where the file says nothing.
        const std::string shown = show(config);
        EXPECT_TRUE(diff(config, load(shown)).empty()) << shown;
    }
}

TEST(Show, TellsWhatIsInForceOfAPort) {
    const std::string shown = show(load("ports: [{name: a, netns: a}]"));
    for (const char* line : {"mtu: 1500", "broadcast: 1000", "unknown: 10000", "interface: eth0",
                             "serves: []"}) {
        EXPECT_NE(shown.find(line), shown.npos) << line << "\n" << shown;
    }
    EXPECT_EQ(shown.find("accept-ra"), shown.npos) << "it is as the namespace has it";
    const std::string guarded = show(load("networks: [{name: n, subnets: [10.0.0.0/24]}]\n"
                                          "ports: [{name: a, netns: a, network: n, address: 10.0.0.1}]"));
    EXPECT_NE(guarded.find("accept-ra: false"), guarded.npos) << guarded;
}

TEST(Show, NamesEachObjectsOrigin) {
    const std::string shown = show(load("networks: [{name: a}]", {{.name = "x", .netns = "x"}}));
    EXPECT_NE(shown.find("# f:1:12"), shown.npos) << shown;
    EXPECT_NE(shown.find("# added"), shown.npos) << shown;
}

}  // namespace
}  // namespace sluice::engine
