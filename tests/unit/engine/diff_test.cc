#include <gtest/gtest.h>

#include "engine/config.h"
#include "engine/machine.h"

namespace sluice::engine {
namespace {

using Texts = std::vector<std::string>;

Config load(std::string_view yaml, const std::vector<port::PortConfig>& added = {}) {
    auto config = load_config(yaml, "f", added, Machine{});
    EXPECT_TRUE(config) << yaml;
    return config ? *config : Config{};
}

// "change port web (f:1:2): mtu"
Texts changes(const Config& from, const Config& to) {
    Texts texts;
    for (const Change& change : diff(from, to)) {
        std::string_view action;
        for (const auto& [value, word] : names(change.action)) {
            if (value == change.action) action = word;
        }
        texts.push_back(
            fmt::format("{} {} ({}): {}", action, change.object, change.origin, change.detail));
    }
    return texts;
}

TEST(Diff, NothingBetweenEquals) {
    const Config config = load("ports: [{name: a, netns: a}]");
    EXPECT_EQ(changes(config, config), Texts{});
    // The same, elsewhere in the file.
    EXPECT_EQ(changes(config, load("\n\nports:\n- netns: a\n  name: a\n")), Texts{});
}

TEST(Diff, NamesSectionsAndTheirKeys) {
    EXPECT_EQ(changes(Config{}, load("workers: {idle: poll, cores: [1]}\nlog: {level: info}\n"
                                     "state: /s\ndpdk: {args: [x]}")),
              (Texts{"change workers (): idle, cores", "change dpdk (): args",
                     "change log (): level", "change state (): "}));
}

TEST(Diff, NamesObjectsAndTheirKeys) {
    const Config from = load(
        "networks: [{name: blue}]\n"
        "ports: [{name: a, netns: a, network: blue}, {name: b, netns: b}]");
    const Config to = load(
        "networks: [{name: blue, ageing: 5}, {name: red}]\n"
        "ports: [{name: a, netns: a, mtu: 1400}, {name: c, netns: c}]");
    EXPECT_EQ(changes(from, to),
              (Texts{"change network blue (f:1:12): ageing", "add network red (f:1:37): ",
                     "remove port b (f:2:45): ", "change port a (f:2:9): network, mtu",
                     "add port c (f:2:41): "}));
}

TEST(Diff, NamesWhatWasAddedWhileRunning) {
    const std::vector<port::PortConfig> added{{.name = "x", .netns = "x"}};
    EXPECT_EQ(changes(Config{}, load("", added)), Texts{"add port x (added): "});
    EXPECT_EQ(changes(load("", added), Config{}), Texts{"remove port x (added): "});
}

}  // namespace
}  // namespace sluice::engine
