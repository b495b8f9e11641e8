#include "engine/intent.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "engine/state.h"
#include "support/directory.h"
#include "support/pools.h"
#include "support/rings.h"

namespace sluice::engine {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

constexpr Clock::time_point kNow{1000s};

class IntentTest : public testing::Test {
 protected:
    void SetUp() override { write(kPortA); }

    void write(const std::string& ports) {
        test::write_file(
            file_, fmt::format("state: {}\nnetworks: [{{name: blue}}]\nports:\n{}", state_, ports));
    }
    Intent load() {
        auto intent = Intent::load(file_);
        if (!intent) throw std::runtime_error(intent.error()[0].text());
        return *intent;
    }
    Intent started() {
        Intent intent = load();
        EXPECT_TRUE(intent.start(switch_, kNow));
        return intent;
    }
    static std::string error_of(const Changes& changes) {
        return changes ? "no error" : changes.error()[0].text();
    }
    Texts saved() const {
        Texts names;
        for (const auto& port : load_state(state_).ports) names.push_back(port.name());
        return names;
    }
    void save(const std::string& text) {
        std::filesystem::create_directories(directory_ / "state");
        test::write_file(state_, text);
    }
    // "NAME: REASON"
    static Texts waiting(const Intent& intent) {
        Texts texts;
        for (const auto& port : intent.waiting()) texts.push_back(port.port.name() + ": " + port.reason());
        return texts;
    }
    // Each text that was put aside.
    Texts aside() const {
        Texts texts;
        for (const auto& entry : std::filesystem::directory_iterator(directory_ / "state")) {
            if (entry.path().string().starts_with(state_ + ".bad-")) texts.push_back(test::file_text(entry.path()));
        }
        return texts;
    }
    static base::Document request(const char* text) { return base::from_json(nlohmann::json::parse(text)); }
    Texts running() const {
        Texts names;
        for (const auto& [name, held] : switch_.ports()) names.push_back(name);
        return names;
    }

    uint32_t blue_flows() const {
        return switch_.snapshot().flow_generations.of_network[path::index(switch_.network_ids().at("blue"))];
    }

    static constexpr const char* kPortA = "  - {name: a, device: net_ring_a, network: blue}\n";
    static constexpr const char* kPortB = "  - {name: b, device: net_ring_b, network: blue}\n";
    const base::Document b_ = request(R"({"name": "b", "device": "net_ring_b", "network": "blue"})");

    test::Directory directory_;
    const std::string file_ = directory_ / "sluice.yaml";
    const std::string state_ = directory_ / "state/state.json";
    test::RingDevice ring_a_{"a"};
    test::RingDevice ring_b_{"b"};
    Switch switch_{1, test::switch_pools(), "test"};
};

TEST_F(IntentTest, LoadsTheFileAndAppliesNothingYet) {
    const Intent intent = load();
    EXPECT_EQ(intent.file(), file_);
    EXPECT_EQ(intent.config().ports.size(), 1u);
    EXPECT_TRUE(running().empty());
}

TEST_F(IntentTest, AFileWithErrorsIsNotLoaded) {
    write("  - {name: a, device: net_ring_a, network: red}\n");
    auto intent = Intent::load(file_);
    ASSERT_FALSE(intent);
    EXPECT_EQ(intent.error()[0].path, "ports[0].network");
    EXPECT_EQ(intent.error()[0].place.file, file_);
    EXPECT_FALSE(Intent::load(directory_ / "none.yaml"));
}

TEST_F(IntentTest, AnAddedPortIsInTheStateFileAndInTheSwitch) {
    Intent intent = started();
    auto changes = intent.add_port(switch_, b_, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    ASSERT_EQ(changes->size(), 1u);
    EXPECT_EQ((*changes)[0].object, "port b");
    EXPECT_EQ((*changes)[0].origin, "added");
    EXPECT_EQ(saved(), Texts{"b"});
    EXPECT_EQ(running(), (Texts{"a", "b"}));
    EXPECT_EQ(switch_.config(), intent.config());
}

TEST_F(IntentTest, WhatWasAddedComesBackAfterARestart) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    const Intent next = load();
    ASSERT_EQ(next.config().ports.size(), 2u);
    EXPECT_EQ(next.config().ports[1], switch_.config().ports[1]);
    EXPECT_TRUE(is_added(next.config().ports[1].place));
}

TEST_F(IntentTest, AFileMayNameAPortThatWasAdded) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    write(std::string(kPortA) + "  - {name: watch, host: true}\n"
          "mirrors: [{name: m, from: [b], to: watch}]\n"
          "acls: [{name: web, apply: {port: b, direction: ingress}, rules: []}]\n");
    EXPECT_EQ(load().config().ports.size(), 3u);
    EXPECT_TRUE(load().remarks().empty());
    std::filesystem::remove(state_);
    const auto without = Intent::load(file_);
    ASSERT_FALSE(without);
    EXPECT_EQ(without.error().size(), 2u);
}

TEST_F(IntentTest, ALoadWritesNothing) {
    save(R"({"ports": [{"name": "b", "colour": 3)");
    test::write_file(state_ + ".routes", "10.9.0.0/16 via");  // as while a running switch writes it
    EXPECT_EQ(load().remarks().size(), 2u);
    EXPECT_EQ(test::file_text(state_), R"({"ports": [{"name": "b", "colour": 3)");
    EXPECT_EQ(test::file_text(state_ + ".routes"), "10.9.0.0/16 via");
    EXPECT_EQ(aside(), Texts{});
}

// The place of the state is no more reason to tell only some of them than other keys are.
TEST_F(IntentTest, AllMistakesOfAFileAreToldAtOnce) {
    test::write_file(file_, "state: state.json\nprots: []\nports: [{name: a, device: d, network: red}]\n");
    auto intent = Intent::load(file_);
    ASSERT_FALSE(intent);
    EXPECT_EQ(intent.error().size(), 3u);
}

TEST_F(IntentTest, AReloadGovernsTheFileOnly) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    write("  []\n");
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(running(), Texts{"b"});
    EXPECT_EQ(saved(), Texts{"b"});
    write(kPortA);
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(running(), (Texts{"a", "b"}));
    EXPECT_TRUE(intent.reload(switch_, kNow)->empty());
}

TEST_F(IntentTest, ADeletedPortIsGoneEverywhere) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    auto changes = intent.delete_port(switch_, "b", kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    EXPECT_EQ(saved(), Texts{});
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_EQ(error_of(intent.delete_port(switch_, "b", kNow)), "there is no port b");
}

TEST_F(IntentTest, APortOfTheFileIsNotDeleted) {
    Intent intent = started();
    EXPECT_EQ(error_of(intent.delete_port(switch_, "a", kNow)),
              "port a is declared in " + file_ + ":4:5: remove it there and `config reload`");
    EXPECT_EQ(running(), Texts{"a"});
}

TEST_F(IntentTest, ANameThatIsTakenIsRefused) {
    Intent intent = started();
    EXPECT_EQ(error_of(intent.add_port(switch_, request(R"({"name": "a", "device": "net_ring_b"})"), kNow)),
              "name: port a exists already (" + file_ + ":4:5)");
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    EXPECT_EQ(error_of(intent.add_port(switch_, b_, kNow)), "name: port b exists already (added)");
    EXPECT_EQ(saved(), Texts{"b"});
}

// Each mistake, at the key of the request.
TEST_F(IntentTest, AnInvalidPortIsRefusedAndNotSaved) {
    Intent intent = started();
    auto refused = [&](const char* text) {
        Texts texts;
        const auto changes = intent.add_port(switch_, request(text), kNow);
        EXPECT_FALSE(changes) << text;
        for (const auto& error : changes.error()) texts.push_back(error.text());
        return texts;
    };
    EXPECT_EQ(refused(R"({"name": "b", "device": "net_ring_a", "network": "red", "address": ["224.0.0.1"]})"),
              (Texts{"network: there is no network \"red\"", "address[0]: 224.0.0.1 is a group address",
                     "device: net_ring_a is port a's already"}));
    EXPECT_EQ(refused(R"({"name": "b", "nets": "x"})"),
              (Texts{"netns: needs exactly one of `netns`, `host: true`, `vhost-user`, `device` and `bond`",
                     "unknown key 'nets'; did you mean 'netns'?"}));
    EXPECT_FALSE(std::filesystem::exists(state_));
    EXPECT_EQ(running(), Texts{"a"});
}

// --- what was added and can't be in force ---

constexpr const char* kWithRed = "state: {}\nnetworks: [{{name: red}}]\nports: [{{name: a, device: net_ring_a, network: red}}]\n";

TEST_F(IntentTest, APortWhoseNetworkIsGoneWaitsAndComesBack) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    test::write_file(file_, fmt::format(kWithRed, state_));
    const auto changes = intent.reload(switch_, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    const auto removed = std::find_if(changes->begin(), changes->end(), [](const auto& c) { return c.object == "port b"; });
    ASSERT_NE(removed, changes->end());
    EXPECT_EQ(removed->detail, "it waits: network: there is no network \"blue\"");
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_EQ(waiting(intent), Texts{"b: network: there is no network \"blue\""});
    EXPECT_EQ(saved(), Texts{"b"});
    EXPECT_EQ(error_of(intent.add_port(switch_, b_, kNow)),
              "name: port b exists already (added, and it waits: network: there is no network \"blue\")");
    // A start does the same.
    Intent next = load();
    EXPECT_EQ(next.remarks(),
              Texts{"port b, which was added while running, would wait: network: there is no network \"blue\""});
    EXPECT_EQ(next.config().ports.size(), 1u);
    write(kPortA);
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(running(), (Texts{"a", "b"}));
    EXPECT_EQ(waiting(intent), Texts{});
}

TEST_F(IntentTest, APortThatWaitsIsDeleted) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    test::write_file(file_, fmt::format(kWithRed, state_));
    ASSERT_TRUE(intent.reload(switch_, kNow));
    const auto changes = intent.delete_port(switch_, "b", kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    EXPECT_EQ(changes->size(), 1u);
    EXPECT_EQ(waiting(intent), Texts{});
    EXPECT_EQ(saved(), Texts{});
    write(kPortA);
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(running(), Texts{"a"});
}

TEST_F(IntentTest, OfManyPortsOnlyThoseThatConflictWait) {
    Intent intent = started();
    for (int i = 0; i < 20; ++i) {
        const std::string port = fmt::format(R"({{"name": "p{0}", "netns": "no-such-{0}", "network": "blue", "address": ["10.0.0.{0}"]}})", i + 1);
        ASSERT_TRUE(intent.add_port(switch_, request(port.c_str()), kNow));
    }
    // Two addresses and an interface are the file's by now.
    write("  - {name: x, netns: x, network: blue, address: [10.0.0.3, 10.0.0.19]}\n"
          "  - {name: y, netns: no-such-7}\n");
    const auto changes = intent.reload(switch_, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    EXPECT_EQ(waiting(intent), (Texts{"p3: address[0]: 10.0.0.3 is port x's already",
                                      "p7: netns: interface eth0 in no-such-7 is port y's already",
                                      "p19: address[0]: 10.0.0.19 is port x's already"}));
    EXPECT_EQ(running().size(), 19u);
    EXPECT_EQ(load().waiting().size(), 3u);
}

// A port that waits takes nothing from those behind it.
TEST_F(IntentTest, APortThatWaitsHasNothing) {
    Intent intent = started();
    save(R"({"version": 1, "ports": [
        {"name": "b", "netns": "no-such-1", "network": "gone",
         "mac": "02:00:00:00:00:01", "address": ["10.0.0.1"]},
        {"name": "c", "netns": "no-such-1", "network": "blue",
         "mac": "02:00:00:00:00:01", "address": ["10.0.0.1"]},
        {"name": "d", "netns": "no-such-2", "network": "blue", "address": ["10.0.0.1"]},
        {"name": "e", "netns": "no-such-2", "network": "blue", "address": ["10.0.0.2"]}]})");
    Intent next = load();
    EXPECT_EQ(waiting(next),
              (Texts{"b: network: there is no network \"gone\"", "d: address[0]: 10.0.0.1 is port c's already"}));
    EXPECT_EQ(next.config().ports.size(), 3u);
}

// What many added ports have wrong costs no more than one look at all of them.
TEST_F(IntentTest, OfManyPortsWhoseNetworkIsGoneEachWaitsWithItsReason) {
    std::string ports;
    for (int i = 0; i < 3000; ++i) {
        ports += fmt::format(R"({}{{"name": "p{}", "netns": "no-such-{}", "network": "{}"}})", i == 0 ? "" : ",",
                             i, i, i % 3 == 0 ? "blue" : "gone");
    }
    save(R"({"version": 1, "ports": [)" + ports + "]}");
    const Intent intent = load();
    EXPECT_EQ(intent.config().ports.size(), 1001u);
    ASSERT_EQ(intent.waiting().size(), 2000u);
    for (const auto& port : intent.waiting()) EXPECT_EQ(port.reason(), "network: there is no network \"gone\"");
}

// The file is refused for nothing that was added, but nor is it looked at without end.
TEST_F(IntentTest, APortOfWhichTheFileSaysWhatCannotBeWaits) {
    save(R"({"version": 1, "ports": [{"name": "b", "netns": "no-such-1", "network": "blue"},
        {"name": "c", "netns": "no-such-2", "network": "blue"},
        {"name": "d", "netns": "no-such-3", "network": "blue"}]})");
    write(std::string(kPortA) + "mirrors: [{name: m, from: [a], to: c}]\n");
    Intent intent = load();
    EXPECT_EQ(waiting(intent), Texts{"c: mirrors[0].to (" + file_ +
                                     ":5:36): port c is in a network: copies go to a port that is in none"});
    EXPECT_EQ(intent.config().ports.size(), 3u);
    std::string ports;
    std::string mirrors = "mirrors:\n";
    for (int i = 0; i < 64; ++i) {  // the most
        ports += fmt::format(R"({}{{"name": "p{}", "netns": "no-such-{}", "network": "blue"}})", i == 0 ? "" : ",",
                             i, i);
        mirrors += fmt::format("  - {{name: m{0}, from: [a], to: p{0}}}\n", i);
    }
    save(R"({"version": 1, "ports": [)" + ports + "]}");
    write(kPortA + mirrors);
    EXPECT_EQ(load().waiting().size(), 64u);
}

// The port that runs keeps what it has.
TEST_F(IntentTest, APortThatCameWhileAnotherWaitedStays) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    test::write_file(file_, fmt::format(kWithRed, state_));
    ASSERT_TRUE(intent.reload(switch_, kNow));
    ASSERT_TRUE(intent.add_port(switch_, request(R"({"name": "c", "device": "net_ring_b", "network": "red"})"), kNow));
    test::write_file(file_, fmt::format("state: {}\nnetworks: [{{name: red}}, {{name: blue}}]\n", state_));
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(running(), Texts{"c"});
    EXPECT_EQ(waiting(intent), Texts{"b: device: net_ring_b is port c's already"});
    EXPECT_EQ(waiting(load()), waiting(intent));
}

TEST_F(IntentTest, TheFileTakesAnAddedPortOverWithoutAnOutage) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    const HeldPort& held = switch_.ports().at("b");
    const auto id = held.port->id();
    ASSERT_TRUE(held.up) << held.reason;
    ring_b_.put(test::to_mbuf(test::switch_pools().buffers,
                              test::Packet().eth("02:00:00:00:00:0b", "ff:ff:ff:ff:ff:ff").payload(46)));
    for (const auto& worker : switch_.workers()) worker->turn();
    rte_pktmbuf_free(ring_a_.take());
    write(std::string(kPortA) + kPortB);
    const auto considered = intent.consider(test::file_text(file_), file_);
    ASSERT_TRUE(considered);
    EXPECT_EQ(considered->declared, Texts{"b"});
    const auto changes = intent.reload(switch_, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    ASSERT_EQ(changes->size(), 1u);
    EXPECT_EQ((*changes)[0].detail, "origin: added -> " + file_ + ":5:5");
    EXPECT_EQ((*changes)[0].effect, Effect::kNothing);
    EXPECT_EQ(switch_.ports().at("b").port->id(), id);
    EXPECT_EQ(switch_.traffic(id, kNow).rx_packets, 1u);
    EXPECT_EQ(switch_.ports().at("b").downs, 0u);
    EXPECT_FALSE(is_added(switch_.ports().at("b").port->config().place));
    EXPECT_EQ(saved(), Texts{});
    // It is the file's now: without it there is none.
    write(kPortA);
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(running(), Texts{"a"});
}

TEST_F(IntentTest, AtAStartTheFileTakesAnAddedPortOverToo) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    write(std::string(kPortA) + kPortB);
    EXPECT_EQ(load().remarks(), Texts{"port b, which was added while running, would be the file's"});
    Switch other{1, test::switch_pools(), "other"};
    Intent next = load();
    ASSERT_TRUE(next.start(other, kNow));
    EXPECT_EQ(saved(), Texts{});
    EXPECT_EQ(next.config().ports.size(), 2u);
}

TEST_F(IntentTest, APortThatTheFileDeclaresOtherwiseWaits) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    write(std::string(kPortA) + "  - {name: b, device: net_null0, network: blue}\n");
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(switch_.ports().at("b").port->config().device, "net_null0");
    const Texts reason{"b: name: " + file_ + ":5:5 declares a port b with other settings, which is in force: `sluicectl "
                       "port delete b` forgets this one"};
    EXPECT_EQ(waiting(intent), reason);
    EXPECT_EQ(waiting(load()), reason);
    // Forgotten, or in force again.
    Intent deleting = intent;
    ASSERT_TRUE(deleting.delete_port(switch_, "b", kNow));
    EXPECT_EQ(switch_.ports().at("b").port->config().device, "net_null0");
    EXPECT_EQ(saved(), Texts{});
    write(kPortA);
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(switch_.ports().at("b").port->config().device, "net_ring_b");
}

TEST_F(IntentTest, AFileThatNamesAPortThatWaitsIsInForceWithoutThat) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    test::write_file(file_, fmt::format(kWithRed, state_) +
                                "acls: [{name: web, apply: {port: b, direction: ingress}, rules: []}]\n");
    const auto changes = intent.reload(switch_, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    EXPECT_TRUE(intent.config().acls.at(0).apply.empty());
    Intent next = load();
    EXPECT_EQ(next.remarks(),
              (Texts{"port b, which was added while running, would wait: network: there is no network \"blue\"",
                     "acl web is not applied (" + file_ + ":4:27), as port b is not there"}));
    // With the port comes what the file says of it.
    write(std::string(kPortA) + "acls: [{name: web, apply: {port: b, direction: ingress}, rules: []}]\n");
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(intent.config().acls.at(0).apply.size(), 1u);
}

// --- a state file that can't be read ---

TEST_F(IntentTest, ADamagedStateIsPutAsideAndTheFileIsInForce) {
    for (const char* text : {R"({"ports": [{"name": "b", "device": "net_ri)", "{\"ports\": [{}]}", "[", "\x01",
                             R"({"version": 9, "ports": []})"}) {
        save(text);
        Switch running{1, test::switch_pools(), "test"};
        Intent intent = load();
        EXPECT_EQ(intent.remarks().empty(), false) << text;
        ASSERT_TRUE(intent.start(running, kNow)) << text;
        EXPECT_TRUE(intent.has_lost_state());
        EXPECT_EQ(running.ports().size(), 1u);
        const Texts kept = aside();
        EXPECT_NE(std::find(kept.begin(), kept.end(), text), kept.end()) << text;
        EXPECT_TRUE(load_state(state_).faults.empty());
        EXPECT_FALSE(load().has_lost_state());
    }
}

TEST_F(IntentTest, OfADamagedStateTheRestComesUp) {
    save(R"({"version": 1, "services": 7, "ports": [{"name": "c", "netns": "x", "colour": 3},
             {"name": "b", "device": "net_ring_b", "network": "blue"}, {"netns": "nameless"}]})");
    Intent intent = started();
    EXPECT_EQ(running(), (Texts{"a", "b"}));
    ASSERT_EQ(waiting(intent).size(), 1u);
    EXPECT_TRUE(waiting(intent)[0].starts_with("c: ")) << waiting(intent)[0];
    EXPECT_NE(waiting(intent)[0].find("unknown key 'colour'"), std::string::npos) << waiting(intent)[0];
    EXPECT_EQ(aside().size(), 1u);
    EXPECT_EQ(saved(), (Texts{"b", "c"}));
    EXPECT_NE(test::file_text(state_).find("colour"), std::string::npos);
    // What nobody can read gives way to what is said anew.
    ASSERT_TRUE(intent.add_port(switch_, request(R"({"name": "c", "netns": "x"})"), kNow));
    EXPECT_EQ(waiting(intent), Texts{});
    EXPECT_EQ(saved(), (Texts{"b", "c"}));
    EXPECT_TRUE(load_state(state_).faults.empty());
}

// Rewriting it loses nothing.
TEST_F(IntentTest, AStateOfWhichNothingIsLostIsNotPutAside) {
    save(R"({"version": 1, "ports": [{"name": "c", "netns": "x", "colour": 3},
             {"name": "b", "device": "net_ring_b", "network": "blue"}]})");
    Intent intent = started();
    EXPECT_FALSE(intent.has_lost_state());
    EXPECT_EQ(waiting(intent).size(), 1u);
    EXPECT_EQ(aside(), Texts{});
    ASSERT_TRUE(
        intent.add_port(switch_, request(R"({"name": "d", "netns": "no-such", "network": "blue"})"), kNow));
    EXPECT_EQ(aside(), Texts{});
    EXPECT_NE(test::file_text(state_).find("colour"), std::string::npos);
    // A new port c replaces the old one, whose keys are kept in a copy of the file.
    const std::string before = test::file_text(state_);
    ASSERT_TRUE(intent.add_port(switch_, request(R"({"name": "c", "netns": "x"})"), kNow));
    EXPECT_EQ(aside(), Texts{before});
    EXPECT_EQ(test::file_text(state_).find("colour"), std::string::npos);
}

TEST_F(IntentTest, AStateThatIsNoFileKeepsNothingDownAndStays) {
    std::filesystem::create_directories(directory_ / "state");
    struct Row {
        const char* what;
        std::function<void()> make;
    };
    const std::vector<Row> rows{
        {"a folder", [&] { std::filesystem::create_directory(state_); }},
        {"a device, a socket or a pipe", [&] { ASSERT_EQ(mkfifo(state_.c_str(), 0600), 0); }},
        {"a symbolic link that leads back to itself", [&] { std::filesystem::create_symlink(state_, state_); }},
    };
    for (const auto& [what, make] : rows) {
        make();
        const auto before = std::filesystem::symlink_status(state_).type();
        Switch running{1, test::switch_pools(), "test"};
        Intent intent = load();
        EXPECT_EQ(intent.remarks().size(), 1u) << what;
        ASSERT_TRUE(intent.start(running, kNow)) << what;
        EXPECT_TRUE(intent.has_lost_state()) << what;
        EXPECT_EQ(running.ports().size(), 1u) << what;
        const std::string fault = fmt::format("{} is {}, and no file", state_, what);
        EXPECT_EQ(error_of(intent.add_port(running, b_, kNow)), fault);
        EXPECT_EQ(std::filesystem::symlink_status(state_).type(), before) << what;
        // Once it is gone a port can be added.
        std::filesystem::remove(state_);
        ASSERT_TRUE(intent.add_port(running, b_, kNow)) << what;
        EXPECT_EQ(saved(), Texts{"b"}) << what;
        std::filesystem::remove(state_);
    }
}

TEST_F(IntentTest, PortsOfALostStateThatTheFileNamesWait) {
    save("{");
    write(std::string(kPortA) + "acls: [{name: web, apply: {port: b, direction: ingress}, rules: []}]\n");
    Intent intent = started();
    ASSERT_EQ(waiting(intent).size(), 1u);
    EXPECT_TRUE(waiting(intent)[0].starts_with("b: the file names it")) << waiting(intent)[0];
    // The next start has a state again, and comes up as well.
    EXPECT_EQ(waiting(load()).size(), 1u);
    ASSERT_TRUE(intent.reload(switch_, kNow));
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    EXPECT_EQ(intent.config().acls.at(0).apply.size(), 1u);
    EXPECT_EQ(waiting(intent), Texts{});
}

TEST_F(IntentTest, WithALostStateWhatTheFileSaysOfPortsThatAreThereIsStillChecked) {
    save("{");
    const std::string text = std::string(kPortA) + "  - {name: u, device: net_null0}\n";
    for (const char* wrong : {"mirrors: [{name: m, from: [u], to: a}]\n",
                              "underlay: {port: u, address: 192.0.2.1/24}\n"
                              "acls: [{name: l, apply: {port: u, direction: ingress}, rules: []}]\n"}) {
        write(text + wrong);
        EXPECT_FALSE(Intent::load(file_)) << wrong;
    }
    test::write_file(
        file_, fmt::format("state: {}\nnetworks: [{{name: blue, static: [{{mac: '02:00:00:00:00:01', port: u}},"
                           "{{mac: '02:00:00:00:00:02', port: lost}}]}}]\nports: [{{name: u, device: d}}]\n",
                           state_));
    auto intent = Intent::load(file_);
    ASSERT_FALSE(intent);
    ASSERT_EQ(intent.error().size(), 1u);
    EXPECT_EQ(intent.error()[0].message, "port u is not in network blue");
}

TEST_F(IntentTest, AStateThatCannotBePutAsideIsNotOverwritten) {
    test::write_file(directory_ / "state", "a file where the folder should be");
    Intent intent = started();
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_FALSE(intent.add_port(switch_, b_, kNow));
    EXPECT_EQ(running(), Texts{"a"});
}

TEST_F(IntentTest, ARefusedReloadChangesNothing) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    const Config before = intent.config();
    const uint64_t generation = switch_.generation();
    const std::string state = test::file_text(state_);

    write("  - {name: c, device: net_null0, netwrk: blue}\n");  // can't be read
    EXPECT_FALSE(intent.reload(switch_, kNow));
    write("  - {name: c, device: net_null0, network: red}\n");  // isn't valid
    EXPECT_FALSE(intent.reload(switch_, kNow));
    test::write_file(file_, "state: " + state_ + "\nmemory: {buffers: 2048}\n");  // needs a restart
    EXPECT_FALSE(intent.reload(switch_, kNow));
    test::write_file(file_, "networks: [{name: blue}]\n");  // would have another state file
    EXPECT_FALSE(intent.reload(switch_, kNow));
    std::filesystem::remove(file_);
    EXPECT_FALSE(intent.reload(switch_, kNow));

    EXPECT_EQ(intent.config(), before);
    EXPECT_EQ(switch_.config(), before);
    EXPECT_EQ(switch_.generation(), generation);
    EXPECT_EQ(test::file_text(state_), state);
    EXPECT_EQ(running(), (Texts{"a", "b"}));
    // Nor does a refused text linger: the next change is made to what was accepted last.
    ASSERT_TRUE(intent.delete_port(switch_, "b", kNow));
    EXPECT_EQ(running(), Texts{"a"});
}

TEST_F(IntentTest, WithoutAStateFileNothingIsAdded) {
    Intent intent = started();
    test::write_file(directory_ / "state", "a file where the folder should be");
    EXPECT_NE(error_of(intent.add_port(switch_, b_, kNow)).find("state file"), std::string::npos);
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_EQ(intent.config().ports.size(), 1u);
}

TEST_F(IntentTest, APortThatStandsAloneLeavesTheRestAlone) {
    const std::string lists =
        "acls: [{name: edge, apply: {network: blue, direction: ingress}, rules: [{permit: {}}]}]\n";
    write(kPortA + lists);
    Intent intent = started();
    const auto list = switch_.acls().at("edge");
    const auto table = switch_.macs().at("blue");
    switch_.set_captures({});  // publishes a snapshot: it has the generation that the start has ended with
    const uint32_t flows = blue_flows();
    const auto expect_untouched = [&] {
        EXPECT_EQ(switch_.acls().at("edge"), list) << "no list is compiled";
        EXPECT_EQ(switch_.macs().at("blue"), table);
        EXPECT_EQ(switch_.config(), intent.config());
    };
    // Neither is the file looked at.
    std::filesystem::remove(file_);
    auto changes = intent.add_port(switch_, b_, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    EXPECT_EQ((*changes)[0].effect, Effect::kOpened);
    EXPECT_EQ(running(), (Texts{"a", "b"}));
    EXPECT_TRUE(switch_.ports().at("b").up);
    EXPECT_EQ(blue_flows(), flows) << "no flow is decided anew";
    expect_untouched();
    changes = intent.delete_port(switch_, "b", kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    ASSERT_EQ(changes->size(), 1u);
    EXPECT_EQ((*changes)[0].object, "port b");
    EXPECT_EQ((*changes)[0].action, Change::Action::kRemove);
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_EQ(saved(), Texts{});
    EXPECT_NE(blue_flows(), flows) << "flows may name the port";
    expect_untouched();
}

TEST_F(IntentTest, APortThatAnotherDependsOnIsNotTakenAlone) {
    write("  - {name: a, device: net_ring_a, network: blue, address: [10.0.0.1], mac: '02:00:00:00:00:01'}\n");
    Intent intent = started();
    const auto add = [&](const char* text) { return error_of(intent.add_port(switch_, request(text), kNow)); };
    EXPECT_EQ(add(R"({"name": "b", "device": "net_ring_b", "network": "blue", "address": ["10.0.0.1"]})"),
              "address[0]: 10.0.0.1 is port a's already");
    EXPECT_EQ(add(R"({"name": "b", "device": "net_ring_b", "network": "blue", "mac": "02:00:00:00:00:01"})"),
              "mac: 02:00:00:00:00:01 is port a's already");
    EXPECT_EQ(add(R"({"name": "b", "device": "net_ring_a", "network": "blue"})"),
              "device: net_ring_a is port a's already");
    EXPECT_EQ(add(R"({"name": "b", "device": "net_ring_b", "network": "blu"})"),
              "network: there is no network \"blu\"; did you mean \"blue\"?");
    EXPECT_EQ(running(), Texts{"a"});
    // What one port gives back another may have.
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    EXPECT_EQ(add(R"({"name": "c", "device": "net_ring_b", "network": "blue"})"),
              "device: net_ring_b is port b's already");
    ASSERT_TRUE(intent.delete_port(switch_, "b", kNow));
    EXPECT_EQ(add(R"({"name": "c", "device": "net_ring_b", "network": "blue"})"), "no error");
}

TEST_F(IntentTest, AReloadOfTheSameTextTouchesNothing) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    const uint64_t generation = switch_.generation();
    const auto changes = intent.reload(switch_, kNow);
    ASSERT_TRUE(changes);
    EXPECT_TRUE(changes->empty());
    EXPECT_EQ(switch_.generation(), generation);
}

TEST_F(IntentTest, AReloadCompilesTheListsThatHaveChanged) {
    const std::string one =
        "acls:\n- {name: one, apply: {network: blue, direction: ingress}, rules: [{permit: {}}]}\n";
    const auto two = [](const char* rule) {
        return fmt::format("- {{name: two, apply: {{network: blue, direction: egress}}, rules: [{}]}}\n", rule);
    };
    write(kPortA + one + two("{permit: {}}"));
    Intent intent = started();
    const auto lists = switch_.acls();
    write(kPortA + one + two("{deny: {}}"));
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(switch_.acls().at("one"), lists.at("one"));
    EXPECT_NE(switch_.acls().at("two"), lists.at("two"));
    // Its rules are told by their places, which are others now.
    write(std::string("\n") + kPortA + one + two("{deny: {}}"));
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(switch_.acls().at("one")->describe(0).place.line, lists.at("one")->describe(0).place.line + 1);
}

TEST_F(IntentTest, AReloadDecidesFlowsAnewIfItDoesSomethingToThem) {
    const auto list = [](const char* name) {
        return fmt::format("- {{name: {}, apply: {{network: blue, direction: egress}}, rules: [{{deny: {{}}}}]}}\n",
                           name);
    };
    const std::string lists = "acls:\n" + list("one") + list("two");
    write(kPortA + lists);
    Intent intent = started();
    const auto generation = [&] {
        switch_.set_captures({});  // publishes a snapshot, which has the one of now
        return blue_flows();
    };
    uint32_t before = generation();
    const auto expect_same = [&](const std::string& text, bool same) {
        write(text);
        ASSERT_TRUE(intent.reload(switch_, kNow));
        EXPECT_EQ(generation() == before, same) << text;
        before = generation();
    };
    expect_same(std::string(kPortA) + kPortB + lists, true);
    expect_same(std::string(kPortA) + kPortB + lists + "log: {level: info}\n", true);
    expect_same(std::string(kPortA) + kPortB + "acls:\n" + list("two") + list("one"), false);
    expect_same(std::string(kPortA) + kPortB + "acls:\n" + list("two"), false);
    expect_same(std::string(kPortA) + "acls:\n" + list("two"), false);
}

TEST_F(IntentTest, ConsiderShowsWhatATextWouldGive) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    auto considered = intent.consider("networks: [{name: blue}]\nstate: " + state_, "stdin");
    ASSERT_TRUE(considered);
    ASSERT_EQ(considered->config.ports.size(), 1u);
    EXPECT_EQ(considered->config.ports[0].name, "b");
    // The added port would lose its network.
    considered = intent.consider("", "stdin");
    ASSERT_TRUE(considered);
    EXPECT_TRUE(considered->config.ports.empty());
    ASSERT_EQ(considered->waiting.size(), 1u);
    EXPECT_EQ(considered->waiting[0].reason(), "network: there is no network \"blue\"");
    EXPECT_EQ(intent.changes_to(*considered).back().effect, Effect::kClosed);
    EXPECT_EQ(running(), (Texts{"a", "b"}));
}

}  // namespace
}  // namespace sluice::engine
