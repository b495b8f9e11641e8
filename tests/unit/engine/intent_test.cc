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
constexpr auto kPort = ObjectKind::kPort;

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
        for (const auto& object : load_state(state_).objects) names.push_back(object->name());
        return names;
    }
    void save(const std::string& text) {
        std::filesystem::create_directories(directory_ / "state");
        test::write_file(state_, text);
    }
    // "NAME: REASON"
    static Texts waiting(const Intent& intent) {
        Texts texts;
        for (const auto& each : intent.waiting()) texts.push_back(each.object->name() + ": " + each.reason());
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

// The disk is full when a port is added, and the operator tightens something by a reload.
TEST_F(IntentTest, ARefusedChangeLeavesTheStateAsSaved) {
    Intent intent = started();
    std::filesystem::create_directories(state_ + ".new");  // nothing can be written there
    EXPECT_NE(error_of(intent.add(switch_, kPort, b_, kNow)), "no error");
    write("  - {name: a, device: net_ring_a, network: blue, mac-limit: 5}\n");
    EXPECT_EQ(error_of(intent.reload(switch_, kNow)), "no error");
}

class ManifestsTest : public IntentTest {
 protected:
    void SetUp() override {
        std::filesystem::create_directories(directory_ / "m/folder.yaml");
        declare("[m]");
    }
    void declare(const std::string& manifests) {
        write(std::string(kPortA) + "manifests: " + manifests + "\n");
    }
    void write_object(const std::string& file, const std::string& name) {
        test::write_file(directory_ / ("m/" + file),
                         "{apiVersion: v1, kind: Namespace, metadata: {name: " + name + "}}\n");
    }
    static Texts objects(const Config& config) {
        Texts names;
        if (config.objects == nullptr) return names;
        for (const kube::Object& object : *config.objects) names.push_back(object.key.name);
        return names;
    }
};

TEST_F(ManifestsTest, AreTheFilesOfAFolderInTheOrderOfTheirNames) {
    write_object("b.yaml", "one");
    write_object("a.json", "two");
    write_object("c.yml", "three");
    write_object("d.txt", "four");
    EXPECT_EQ(objects(load().config()), (Texts{"two", "one", "three"}));
    declare("[m/b.yaml]");
    EXPECT_EQ(objects(load().config()), Texts{"one"});
}

TEST_F(ManifestsTest, AreReadAgainByAReload) {
    write_object("a.yaml", "one");
    Intent intent = started();
    EXPECT_EQ(switch_.objects().all().size(), 1U);
    EXPECT_TRUE(intent.reload(switch_, kNow)->empty());
    write_object("b.yaml", "two");
    const Changes changes = intent.reload(switch_, kNow);
    ASSERT_TRUE(changes);
    ASSERT_EQ(changes->size(), 1U);
    EXPECT_EQ((*changes)[0].object, "namespace two");
    EXPECT_EQ(switch_.objects().all().size(), 2U);
}

TEST_F(ManifestsTest, AMistakeOfThemIsOneOfTheFile) {
    write_object("a.yaml", "one");
    write_object("b.yaml", "one");
    auto intent = Intent::load(file_);
    ASSERT_FALSE(intent);
    EXPECT_EQ(intent.error()[0].text(), (directory_ / "m/b.yaml") + ":1:1: namespace one stands at " +
                                            (directory_ / "m/a.yaml") + ":1:1 already");
    declare("[m/a.yaml, m/a.yaml]");
    EXPECT_EQ(Intent::load(file_).error()[0].text(),
              (directory_ / "m/a.yaml") + ":1:1: namespace one is read twice: name the file, or its folder, once");
    declare("[m/nosuch.yaml]");
    EXPECT_NE(Intent::load(file_).error()[0].text().find("nosuch.yaml"), std::string::npos);
}

// A client may name files that it may not read itself.
TEST_F(ManifestsTest, AreNotReadForAClientsText) {
    write_object("a.yaml", "one");
    const Intent intent = started();
    const auto considered = intent.consider("networks: [{name: blue}]\nmanifests: [/nosuch]\nstate: " + state_,
                                            "stdin", WithManifests::kNo);
    ASSERT_TRUE(considered);
    EXPECT_EQ(objects(considered->config), Texts{"one"});
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
    auto changes = intent.add(switch_, kPort, b_, kNow);
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
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    const Intent next = load();
    ASSERT_EQ(next.config().ports.size(), 2u);
    EXPECT_EQ(next.config().ports[1], switch_.config().ports[1]);
    EXPECT_TRUE(is_added(next.config().ports[1].place));
}

TEST_F(IntentTest, AFileMayNameAPortThatWasAdded) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
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
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
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
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    auto changes = intent.remove(switch_, {kPort, "b"}, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    EXPECT_EQ(saved(), Texts{});
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_EQ(error_of(intent.remove(switch_, {kPort, "b"}, kNow)), "there is no port b");
}

TEST_F(IntentTest, APortOfTheFileIsNotDeleted) {
    Intent intent = started();
    EXPECT_EQ(error_of(intent.remove(switch_, {kPort, "a"}, kNow)),
              "port a is declared in " + file_ + ":4:5: remove it there and `config reload`");
    EXPECT_EQ(running(), Texts{"a"});
}

TEST_F(IntentTest, ANameThatIsTakenIsRefused) {
    Intent intent = started();
    EXPECT_EQ(error_of(intent.add(switch_, kPort, request(R"({"name": "a", "device": "net_ring_b"})"), kNow)),
              "name: port a exists already (" + file_ + ":4:5)");
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    EXPECT_EQ(error_of(intent.add(switch_, kPort, b_, kNow)), "name: port b exists already (added)");
    EXPECT_EQ(saved(), Texts{"b"});
}

// Each mistake, at the key of the request.
TEST_F(IntentTest, AnInvalidPortIsRefusedAndNotSaved) {
    Intent intent = started();
    auto refused = [&](const char* text) {
        Texts texts;
        const auto changes = intent.add(switch_, kPort, request(text), kNow);
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
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    test::write_file(file_, fmt::format(kWithRed, state_));
    const auto changes = intent.reload(switch_, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    const auto removed = std::find_if(changes->begin(), changes->end(), [](const auto& c) { return c.object == "port b"; });
    ASSERT_NE(removed, changes->end());
    EXPECT_EQ(removed->detail, "it waits: network: there is no network \"blue\"");
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_EQ(waiting(intent), Texts{"b: network: there is no network \"blue\""});
    EXPECT_EQ(saved(), Texts{"b"});
    EXPECT_EQ(error_of(intent.add(switch_, kPort, b_, kNow)),
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
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    test::write_file(file_, fmt::format(kWithRed, state_));
    ASSERT_TRUE(intent.reload(switch_, kNow));
    const auto changes = intent.remove(switch_, {kPort, "b"}, kNow);
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
        ASSERT_TRUE(intent.add(switch_, kPort, request(port.c_str()), kNow));
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
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    test::write_file(file_, fmt::format(kWithRed, state_));
    ASSERT_TRUE(intent.reload(switch_, kNow));
    ASSERT_TRUE(intent.add(switch_, kPort, request(R"({"name": "c", "device": "net_ring_b", "network": "red"})"), kNow));
    test::write_file(file_, fmt::format("state: {}\nnetworks: [{{name: red}}, {{name: blue}}]\n", state_));
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(running(), Texts{"c"});
    EXPECT_EQ(waiting(intent), Texts{"b: device: net_ring_b is port c's already"});
    EXPECT_EQ(waiting(load()), waiting(intent));
}

TEST_F(IntentTest, TheFileTakesAnAddedPortOverWithoutAnOutage) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    const HeldPort& held = switch_.ports().at("b");
    const auto id = held.port->id();
    ASSERT_TRUE(held.up) << held.reason;
    ring_b_.put(test::to_mbuf(test::switch_pools().buffers,
                              test::Packet().eth("02:00:00:00:00:0b", "ff:ff:ff:ff:ff:ff").payload(46)));
    for (const auto& worker : switch_.workers()) worker->turn();
    rte_pktmbuf_free(ring_a_.take());
    write(std::string(kPortA) + kPortB);
    const auto considered = intent.consider(test::file_text(file_), file_, WithManifests::kYes);
    ASSERT_TRUE(considered);
    ASSERT_EQ(considered->declared.size(), 1u);
    EXPECT_EQ(considered->declared[0].text(), "port b");
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
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
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
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    write(std::string(kPortA) + "  - {name: b, device: net_null0, network: blue}\n");
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(switch_.ports().at("b").port->config().device, "net_null0");
    const Texts reason{"b: name: " + file_ + ":5:5 declares a port b with other settings, which is in force: `sluicectl "
                       "port delete b` forgets this one"};
    EXPECT_EQ(waiting(intent), reason);
    EXPECT_EQ(waiting(load()), reason);
    // Forgotten, or in force again.
    Intent deleting = intent;
    ASSERT_TRUE(deleting.remove(switch_, {kPort, "b"}, kNow));
    EXPECT_EQ(switch_.ports().at("b").port->config().device, "net_null0");
    EXPECT_EQ(saved(), Texts{});
    write(kPortA);
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(switch_.ports().at("b").port->config().device, "net_ring_b");
}

TEST_F(IntentTest, AFileThatNamesAPortThatWaitsIsInForceWithoutThat) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
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
    ASSERT_TRUE(intent.add(switch_, kPort, request(R"({"name": "c", "netns": "x"})"), kNow));
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
        intent.add(switch_, kPort, request(R"({"name": "d", "netns": "no-such", "network": "blue"})"), kNow));
    EXPECT_EQ(aside(), Texts{});
    EXPECT_NE(test::file_text(state_).find("colour"), std::string::npos);
    // A new port c replaces the old one, whose keys are kept in a copy of the file.
    const std::string before = test::file_text(state_);
    ASSERT_TRUE(intent.add(switch_, kPort, request(R"({"name": "c", "netns": "x"})"), kNow));
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
        EXPECT_EQ(error_of(intent.add(running, kPort, b_, kNow)), fault);
        EXPECT_EQ(std::filesystem::symlink_status(state_).type(), before) << what;
        // Once it is gone a port can be added.
        std::filesystem::remove(state_);
        ASSERT_TRUE(intent.add(running, kPort, b_, kNow)) << what;
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
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
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
    EXPECT_FALSE(intent.add(switch_, kPort, b_, kNow));
    EXPECT_EQ(running(), Texts{"a"});
}

TEST_F(IntentTest, ARefusedReloadChangesNothing) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
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
    ASSERT_TRUE(intent.remove(switch_, {kPort, "b"}, kNow));
    EXPECT_EQ(running(), Texts{"a"});
}

TEST_F(IntentTest, WithoutAStateFileNothingIsAdded) {
    Intent intent = started();
    test::write_file(directory_ / "state", "a file where the folder should be");
    EXPECT_NE(error_of(intent.add(switch_, kPort, b_, kNow)).find("state file"), std::string::npos);
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
    auto changes = intent.add(switch_, kPort, b_, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    EXPECT_EQ((*changes)[0].effect, Effect::kOpened);
    EXPECT_EQ(running(), (Texts{"a", "b"}));
    EXPECT_TRUE(switch_.ports().at("b").up);
    EXPECT_EQ(blue_flows(), flows) << "no flow is decided anew";
    expect_untouched();
    changes = intent.remove(switch_, {kPort, "b"}, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    ASSERT_EQ(changes->size(), 1u);
    EXPECT_EQ((*changes)[0].object, "port b");
    EXPECT_EQ((*changes)[0].action, Change::Action::kRemove);
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_EQ(saved(), Texts{});
    EXPECT_EQ(blue_flows(), flows) << "no port gets its number while flows may name it";
    expect_untouched();
}

TEST_F(IntentTest, APortThatAnotherDependsOnIsNotTakenAlone) {
    write("  - {name: a, device: net_ring_a, network: blue, address: [10.0.0.1], mac: '02:00:00:00:00:01'}\n");
    Intent intent = started();
    const auto add = [&](const char* text) { return error_of(intent.add(switch_, kPort, request(text), kNow)); };
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
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    EXPECT_EQ(add(R"({"name": "c", "device": "net_ring_b", "network": "blue"})"),
              "device: net_ring_b is port b's already");
    ASSERT_TRUE(intent.remove(switch_, {kPort, "b"}, kNow));
    EXPECT_EQ(add(R"({"name": "c", "device": "net_ring_b", "network": "blue"})"), "no error");
}

TEST_F(IntentTest, AReloadOfTheSameTextTouchesNothing) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
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
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    auto considered = intent.consider("networks: [{name: blue}]\nstate: " + state_, "stdin",
                                        WithManifests::kNo);
    ASSERT_TRUE(considered);
    ASSERT_EQ(considered->config.ports.size(), 1u);
    EXPECT_EQ(considered->config.ports[0].name, "b");
    // The added port would lose its network.
    considered = intent.consider("", "stdin", WithManifests::kNo);
    ASSERT_TRUE(considered);
    EXPECT_TRUE(considered->config.ports.empty());
    ASSERT_EQ(considered->waiting.size(), 1u);
    EXPECT_EQ(considered->waiting[0].reason(), "network: there is no network \"blue\"");
    EXPECT_EQ(intent.changes_to(*considered).back().effect, Effect::kClosed);
    EXPECT_EQ(running(), (Texts{"a", "b"}));
}

// --- objects of other kinds, and several at once ---

class ObjectsTest : public IntentTest {
 protected:
    static constexpr auto kNetwork = ObjectKind::kNetwork;
    static constexpr auto kAcl = ObjectKind::kAcl;
    static constexpr auto kSet = ObjectKind::kAddressSet;
    static constexpr auto kMirror = ObjectKind::kMirror;

    static Batch batch(const std::string& text, Wanted wanted = Wanted::kObjects) {
        const auto document = base::parse_yaml(text, "b.yaml");
        EXPECT_TRUE(document) << document.error()[0].text();
        Batch read = read_batch(*document, wanted);
        EXPECT_EQ(texts(read.errors), Texts{});
        return read;
    }
    // Each mistake of adding these.
    Texts refused(Intent& intent, const std::string& text) {
        const auto document = base::parse_yaml(text, "b.yaml");
        if (!document) return texts(document.error());
        const auto changes = intent.add(switch_, read_batch(*document, Wanted::kObjects), kNow);
        return changes ? Texts{"no error"} : texts(changes.error());
    }
    static Texts texts(const base::Errors& errors) {
        Texts texts;
        for (const auto& error : errors) texts.push_back(error.text());
        return texts;
    }
    static Texts objects(const Changes& changes) {
        if (!changes) return texts(changes.error());
        Texts objects;
        for (const auto& change : *changes) objects.push_back(change.object);
        return objects;
    }
    Texts add(Intent& intent, ObjectKind kind, const char* text) {
        return objects(intent.add(switch_, kind, request(text), kNow));
    }
    void expect_same_config(const Intent& intent) {
        EXPECT_EQ(switch_.config(), intent.config());
        EXPECT_EQ(load().config(), intent.config()) << "a start comes to the same";
    }

    static constexpr const char* kAll = R"(networks:
  - {name: red, subnets: [10.1.0.0/24], gateway: 10.1.0.254}
address-sets: [{name: office, addresses: [10.1.0.0/28]}]
ports:
  - {name: r, device: net_ring_b, network: red, address: 10.1.0.1}
  - {name: eye, device: net_null0}
acls:
  - name: edge
    apply: [{port: r, direction: ingress}, {network: blue, direction: egress}]
    rules: [{permit: {from: [office]}}]
mirrors: [{name: watch, from: [r, a], to: eye}]
routes:
  - {to: 10.9.0.0/16, via: 10.1.0.1}
  - {to: 10.8.0.0/16, type: blackhole}
)";
};

TEST_F(ObjectsTest, ObjectsOfEachKindAreAddedAndDeleted) {
    Intent intent = started();
    EXPECT_EQ(add(intent, kNetwork, R"({"name": "red", "subnets": ["10.1.0.0/24"]})"), Texts{"network red"});
    EXPECT_EQ(add(intent, kPort, R"({"name": "r", "device": "net_ring_b", "network": "red"})"), Texts{"port r"});
    EXPECT_EQ(add(intent, kSet, R"({"name": "office", "addresses": ["10.1.0.0/28"]})"), Texts{"address-set office"});
    EXPECT_EQ(add(intent, kAcl, R"({"name": "edge", "apply": {"port": "r", "direction": "ingress"},
                                    "rules": [{"permit": {"from": ["office"]}}]})"), Texts{"acl edge"});
    EXPECT_EQ(add(intent, kPort, R"({"name": "eye", "device": "net_null0"})"), Texts{"port eye"});
    EXPECT_EQ(add(intent, kMirror, R"({"name": "watch", "from": ["r"], "to": "eye"})"), Texts{"mirror watch"});
    EXPECT_EQ(origin(*find_object(intent.config(), {kAcl, "edge"})), "added");
    EXPECT_EQ(switch_.acls().at("edge")->describe(0).place.line, 0);
    expect_same_config(intent);
    const auto json = nlohmann::json::parse(test::file_text(state_));
    EXPECT_EQ(json["version"], 1);
    for (const char* section : {"networks", "ports", "address-sets", "acls", "mirrors"})
        EXPECT_FALSE(json[section].empty()) << section;
    for (const ObjectName& name : {ObjectName{kMirror, "watch"}, ObjectName{kAcl, "edge"}, ObjectName{kSet, "office"},
                                   ObjectName{kPort, "r"}, ObjectName{kNetwork, "red"}, ObjectName{kPort, "eye"}}) {
        EXPECT_EQ(objects(intent.remove(switch_, name, kNow)), Texts{name.text()});
    }
    expect_same_config(intent);
    EXPECT_EQ(nlohmann::json::parse(test::file_text(state_)).dump(), R"({"ports":[],"version":1})");
}

TEST_F(ObjectsTest, AnAddedObjectIsReadAndCheckedAsTheFilesAre) {
    Intent intent = started();
    EXPECT_EQ(add(intent, kNetwork, R"({"name": "blue"})"), Texts{"name: network blue exists already (" + file_ + ":2:12)"});
    EXPECT_EQ(add(intent, kNetwork, R"({"name": "red", "vlan": 5000, "gatway": "10.0.0.1"})"),
              (Texts{"vlan: '5000' is out of range (0 to 4094)", "unknown key 'gatway'; did you mean 'gateway'?"}));
    EXPECT_EQ(add(intent, kNetwork, R"({"name": "red", "subnets": ["10.1.0.0/24"], "gateway": "10.2.0.1"})"),
              Texts{"gateway[0]: 10.2.0.1 is in none of the network's `subnets`"});
    EXPECT_EQ(add(intent, kNetwork, R"({"name": "red", "static": [{"mac": "02:00:00:00:00:01", "port": "b"}]})"),
              Texts{"static[0].port: there is no port \"b\""});
    EXPECT_EQ(add(intent, kAcl, R"({"name": "edge", "apply": [{"port": "a", "direction": "ingress"},
                                    {"port": "x", "direction": "ingress"}], "rules": []})"),
              Texts{"apply[1].port: there is no port \"x\""});
    EXPECT_EQ(add(intent, kAcl, R"({"name": "edge", "rules": [{"permit": {}}, {"permit": {"to": ["home"]}}]})"),
              Texts{"rules[1].permit.to[0]: there is no address set home"});
    EXPECT_EQ(add(intent, kMirror, R"({"name": "m", "from": ["a", "x"], "to": "a"})"),
              (Texts{"from[0]: a would be mirrored to itself",
                     "to: port a is in a network: copies go to a port that is in none",
                     "from[1]: there is no port \"x\""}));
    EXPECT_EQ(add(intent, kMirror, R"({"name": "m", "from": ["a"], "to": "x"})"), Texts{"to: there is no port \"x\""});
    EXPECT_EQ(add(intent, kSet, R"({"name": "10.0.0.1", "addresses": []})"),
              Texts{"name: looks like an address, which a rule would take it for"});
    EXPECT_FALSE(std::filesystem::exists(state_));
    expect_same_config(intent);
}

TEST_F(ObjectsTest, ABatchIsAddedAsAWhole) {
    Intent intent = started();
    const uint64_t generation = switch_.generation();
    const auto changes = intent.add(switch_, batch(kAll), kNow);
    EXPECT_EQ(objects(changes), (Texts{"network red", "port r", "port eye", "address-set office", "acl edge",
                                       "mirror watch", "route 10.9.0.0/16", "route 10.8.0.0/16"}));
    EXPECT_EQ(switch_.generation(), generation + 1) << "one change";
    EXPECT_TRUE(switch_.router().has_added("main", *IpPrefix::parse("10.9.0.0/16")));
    expect_same_config(intent);
    EXPECT_EQ(refused(intent, kAll).size(), 8u) << "they exist already";
    // Deleted alike: their names are enough.
    const auto names = batch("networks: [{name: red}]\nports: [{name: r}, {name: eye}]\nacls: [{name: edge}]\n"
                             "mirrors: [{name: watch}]\naddress-sets: [{name: office}]\n"
                             "routes: [{to: 10.9.0.0/16}, {to: 10.8.0.0/16, type: blackhole}]",
                             Wanted::kNames);
    const auto misspelt = base::parse_yaml("routes: [{to: 10.9.0.0/16, domian: red}]", "b.yaml");
    EXPECT_FALSE(read_batch(*misspelt, Wanted::kNames).errors.empty()) << "it would be another domain's route";
    EXPECT_EQ(objects(intent.remove(switch_, names, kNow)).size(), 8u);
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_TRUE(intent.routes().waiting().empty());
    EXPECT_TRUE(intent.waiting().empty());
    expect_same_config(intent);
}

TEST_F(ObjectsTest, OfABatchWithAMistakeNothingIsInForce) {
    Intent intent = started();
    EXPECT_EQ(refused(intent, "ports:\n  - {name: b, device: net_ring_b, network: blue}\n"
                              "  - {name: c, device: net_null0, network: red}\n"
                              "acls:\n  - name: edge\n    apply: {port: nobody, direction: ingress}\n    rules:\n"
                              "      - permit: {to: [home]}\n"),
              (Texts{"ports[1].network (b.yaml:3:43): there is no network \"red\"",
                     "acls[0].apply[0].port (b.yaml:6:19): there is no port \"nobody\"",
                     "acls[0].rules[0].permit.to[0] (b.yaml:8:23): there is no address set home"}));
    EXPECT_EQ(refused(intent, "acls:\n  - name: edge\n    apply: {port: nobody, direction: ingress}\n    rules: []\n"),
              Texts{"acls[0].apply[0].port (b.yaml:3:19): there is no port \"nobody\""});
    EXPECT_EQ(refused(intent, "networks: [{name: red}, {name: red}]\nports: [{name: a, device: net_null0}]\n"),
              (Texts{"networks[1].name (b.yaml:1:32): network red stands here already",
                     "ports[0].name (b.yaml:2:16): port a exists already (" + file_ + ":4:5)"}));
    EXPECT_EQ(refused(intent, "networks: [{name: red, vln: 3}]\nworkers: {cores: [1]}\nprts: []\nmirrors: {}\n"),
              (Texts{"networks[0] (b.yaml:1:24): unknown key 'vln'; did you mean 'vlan'?",
                     "workers (b.yaml:2:1): is said once, of the switch as a whole: change it in the configuration "
                     "file and `config reload`, or restart sluiced",
                     "b.yaml:3:1: unknown key 'prts'; did you mean 'ports'?",
                     "mirrors (b.yaml:4:10): expected a list of mirrors: begin each of them with '- '"}));
    EXPECT_EQ(refused(intent, "{}"), Texts{"b.yaml:1:1: names no object: expected one of routes, networks, address-sets, "
                                           "ports, acls, mirrors"});
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_FALSE(std::filesystem::exists(state_));
    expect_same_config(intent);
}

// Keys that can't be read, names that are there already, what contradicts the configuration, routes: not one kind of
// mistakes after the other, and none that only follows from another one.
TEST_F(ObjectsTest, AllMistakesOfABatchAreToldAtOnce) {
    Intent intent = started();
    EXPECT_EQ(
        refused(intent, R"(networks:
  - {name: red, subnets: [10.1.0.0/24], gateway: 10.1.0.254, mtuu: 3}
  - {nme: green, vlan: 7}
  - {name: blue}
ports:
  - {name: c, device: net_null0, network: red, mtu: 1}
  - {name: d, device: net_null1, network: reed}
  - {name: e, device: net_null2, network: green}
port:
  - {name: f, device: net_null3, netwrk: red}
address-sets: [{name: home, adresses: [10.0.0.1]}]
acls:
  - name: edge
    apply: [{port: c, direction: ingress}, {port: nobody, direction: ingress}]
    rules: [{permit: {proto: icmq, from: home}}, {deny: {from: [hom]}}]
mirrors: [{name: m, from: [c, f], to: x}]
routes:
  - {to: 10.9.0.0/16, via: 10.7.0.1}
  - {to: 10.8.0.0/16, va: 10.1.0.1}
  - {to: 10.1.0.0/24, via: 10.1.0.1}
  - {to: 10.6.0.0/16, via: 10.1.0.1}
  - {to: 10.6.0.0/16, via: 10.1.0.2}
)"),
        (Texts{
            "networks[0] (b.yaml:2:62): unknown key 'mtuu'; known keys are name, subnets, vlan, ageing, "
            "mac-table-size, static, gateway, gateway-mac, flat, domain, vxlan, ipam, dns, dhcp",
            "networks[1] (b.yaml:3:5): the key 'name' is missing",
            "networks[1] (b.yaml:3:6): unknown key 'nme'; did you mean 'name'?",
            "networks[2].name (b.yaml:4:12): network blue exists already (" + file_ + ":2:12)",
            "ports[0].mtu (b.yaml:6:53): '1' is out of range (68 to 65521)",
            "ports[1].network (b.yaml:7:43): there is no network \"reed\"; did you mean \"red\"?",
            "b.yaml:9:1: unknown key 'port'; 'ports' is here already: put its entries there",
            "port[0] (b.yaml:10:34): unknown key 'netwrk'; did you mean 'network'?",
            "address-sets[0] (b.yaml:11:16): the key 'addresses' is missing",
            "address-sets[0] (b.yaml:11:29): unknown key 'adresses'; did you mean 'addresses'?",
            "acls[0].apply[1].port (b.yaml:14:51): there is no port \"nobody\"",
            "acls[0].rules[0].permit.proto (b.yaml:15:30): 'icmq' is not a protocol: tcp, udp, sctp, icmp, "
            "icmpv6, or its number (0 to 255)",
            "acls[0].rules[1].deny.from[0] (b.yaml:15:65): there is no address set hom; did you mean 'home'?",
            "mirrors[0].to (b.yaml:16:39): there is no port \"x\"",
            "routes[0].to (b.yaml:18:10): 10.7.0.1 is in no subnet of a routed network of domain main: name the "
            "`network`",
            "routes[1].to (b.yaml:19:10): leads nowhere: give `via`, a `network`, `next-hops`, or `type: "
            "blackhole`",
            "routes[1] (b.yaml:19:23): unknown key 'va'; did you mean 'via'?",
            "routes[2].to (b.yaml:20:10): 10.1.0.0/24 has a route already, at added: it is the network's own: "
            "choose another destination",
            "routes[4].to (b.yaml:22:10): 10.6.0.0/16 stands here already: give several next hops to one",
        }));
    // What a network can't be read of isn't held against those that need it.
    EXPECT_EQ(refused(intent, "networks: [{name: red, subnets: [10.1.0.0/33], gateway: 10.1.0.254}]\n"
                              "ports: [{name: c, device: net_null0, network: red, address: 10.1.0.1}]\n"
                              "routes: [{to: 10.9.0.0/16, via: 10.1.0.1}]\n").size(), 1u);
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_FALSE(std::filesystem::exists(state_));
    expect_same_config(intent);
    // Of a deletion and of other keys too.
    const auto document = base::parse_yaml("networks: [{nam: red}, {name: grey}]\nportz: [{name: x}]\n", "b.yaml");
    EXPECT_EQ(objects(intent.remove(switch_, read_batch(*document, Wanted::kNames), kNow)),
              (Texts{"networks[0] (b.yaml:1:12): the key 'name' is missing",
                     "networks[0].name (b.yaml:1:12): there is no network red",
                     "networks[0] (b.yaml:1:13): unknown key 'nam'; did you mean 'name'?",
                     "networks[1].name (b.yaml:1:31): there is no network grey",
                     "b.yaml:2:1: unknown key 'portz'; did you mean 'ports'?",
                     "portz[0].name (b.yaml:2:16): there is no port x"}));
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    EXPECT_EQ(objects(intent.set(switch_, {kPort, "b"}, request(R"({"mtu": 1, "network": "red"})").root, kNow)),
              (Texts{"mtu: '1' is out of range (68 to 65521)", "network: there is no network \"red\""}));
}

// What can only be found once the networks are there puts everything back.
TEST_F(ObjectsTest, ABatchWhoseRoutesFailLeavesNothing) {
    Intent intent = started();
    const std::string red = "networks: [{name: red, subnets: [10.1.0.0/24], gateway: 10.1.0.254}]\n"
                            "ports: [{name: r, device: net_ring_b, network: red}]\n";
    EXPECT_EQ(refused(intent, red + "routes: [{to: 10.9.0.0/16, via: 10.2.0.1}]\n"),
              Texts{"routes[0].to (b.yaml:3:15): 10.2.0.1 is in no subnet of a routed network of domain main: name the "
                    "`network`"});
    EXPECT_EQ(refused(intent, red + "routes: [{to: 10.9.0.0/16, via: 10.1.0.1}, {to: 10.1.0.0/24, via: 10.1.0.1}]\n"),
              Texts{"routes[1].to (b.yaml:3:49): 10.1.0.0/24 has a route already, at added: it is the network's own: "
                    "choose another destination"});
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_TRUE(intent.routes().waiting().empty());
    EXPECT_TRUE(switch_.router().domains().empty());
    EXPECT_EQ(saved(), Texts{});
    expect_same_config(intent);
    EXPECT_EQ(refused(intent, red + "routes: [{to: 10.9.0.0/16, via: 10.1.0.1}]\n"), Texts{"no error"});
}

// Objects and routes have a file each. A crash between the two writes leaves the whole batch.
TEST_F(ObjectsTest, ABatchIsWholeAfterACrash) {
    const std::string lines = "10.9.0.0/16 via 10.1.0.1\nblackhole 10.8.0.0/16\n";
    const std::string routes_file = state_ + ".routes";
    {
        Intent intent = started();
        ASSERT_TRUE(intent.add(switch_, batch(kAll), kNow));
        EXPECT_EQ(test::file_text(routes_file), lines);
        EXPECT_EQ(load_state(state_).journal, "") << "the routes' file has them";
    }
    const SharedObjects objects_of_all = load_state(state_).objects;
    const auto has_route = [&](const char* to) { return switch_.router().has_added("main", *IpPrefix::parse(to)); };
    const char* left_by_crash[] = {"", "10.9", "10.9.0.0/16 via 10.1.0.1\n", "10.9.0.0/16 via 10.1.0.1\nblackh",
                                   lines.c_str()};
    for (const char* left : left_by_crash) {
        test::write_file(routes_file, left);
        if (*left == '\0') std::filesystem::remove(routes_file);
        ASSERT_TRUE(save_state(state_, objects_of_all, lines));
        Intent intent = started();
        EXPECT_TRUE(has_route("10.9.0.0/16") && has_route("10.8.0.0/16")) << left;
        EXPECT_EQ(load_state(state_).journal, "") << left;
        EXPECT_EQ(load().remarks(), Texts{}) << left;
        // What changes from now on isn't undone by the next start.
        EXPECT_EQ(objects(intent.remove(switch_, batch("routes: [{to: 10.8.0.0/16}]", Wanted::kNames), kNow)),
                  Texts{"route 10.8.0.0/16"});
        Intent again = started();
        EXPECT_TRUE(has_route("10.9.0.0/16") && !has_route("10.8.0.0/16")) << left;
    }
    // A deletion alike.
    test::write_file(routes_file, lines);
    ASSERT_TRUE(save_state(state_, {}, "delete 10.9.0.0/16\ndelete 10.8.0.0/16\n"));
    Intent intent = started();
    EXPECT_TRUE(intent.routes().waiting().empty());
    EXPECT_EQ(load_state(state_).journal, "");
    EXPECT_EQ(load().remarks(), Texts{});
}

TEST_F(ObjectsTest, ABatchWhoseRoutesCannotBeKeptLeavesNothing) {
    Intent intent = started();
    std::filesystem::create_directories(state_ + ".routes");
    EXPECT_EQ(refused(intent, kAll).size(), 1u);
    EXPECT_EQ(running(), Texts{"a"});
    EXPECT_EQ(saved(), Texts{});
    EXPECT_EQ(load_state(state_).journal, "");
    // After a crash the journal stays until the file can be written, and no change of routes comes between.
    ASSERT_TRUE(save_state(state_, {}, "blackhole 10.8.0.0/16\n"));
    test::write_file(file_, fmt::format("state: {}\nnetworks: [{{name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.1}}]"
                                        "\nports:\n{}", state_, kPortA));
    intent = started();
    EXPECT_TRUE(switch_.router().has_added("main", *IpPrefix::parse("10.8.0.0/16")));
    EXPECT_TRUE(intent.add(switch_, kPort, b_, kNow));
    EXPECT_EQ(load_state(state_).journal, "blackhole 10.8.0.0/16\n");
    EXPECT_EQ(refused(intent, "routes: [{to: 10.7.0.0/16, type: blackhole}]"),
              Texts{state_ + ".routes lacks routes of an earlier change: restart sluiced "
                    "once it can be written"});
    std::filesystem::remove(state_ + ".routes");
    intent = started();
    EXPECT_EQ(load_state(state_).journal, "");
    EXPECT_EQ(test::file_text(state_ + ".routes"), "blackhole 10.8.0.0/16\n");
}

// The file alone makes objects wait.
TEST_F(ObjectsTest, ACommandTakesNothingElseOutOfForce) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, batch(kAll), kNow));
    const auto deleting = [&](ObjectKind kind, const char* name) {
        return objects(intent.remove(switch_, {kind, name}, kNow));
    };
    const std::string edge = "acl edge (added) names it: apply[0].port: there is no port \"r\"";
    const std::string watch = "mirror watch (added) names it: from[0]: there is no port \"r\"";
    EXPECT_EQ(deleting(kNetwork, "red"),
              (Texts{"port r (added) would wait: network: there is no network \"red\"", edge, watch}));
    EXPECT_EQ(deleting(kSet, "office"),
              Texts{"acl edge (added) would wait: rules[0].permit.from[0]: there is no address set office"});
    EXPECT_EQ(deleting(kPort, "r"), (Texts{edge, watch}));
    EXPECT_EQ(deleting(kPort, "eye"), Texts{"mirror watch (added) would wait: to: there is no port \"eye\""});
    EXPECT_EQ(objects(intent.set(switch_, {kNetwork, "red"}, request(R"({"subnets": ["10.3.0.0/24"], "gateway": null})").root, kNow)),
              (Texts{"port r (added) would wait: address[0]: 10.1.0.1 is outside network red, which has 10.3.0.0/24",
                     edge, watch}));
    EXPECT_EQ(deleting(kAcl, "nobody"), Texts{"there is no acl nobody"});
    EXPECT_EQ(deleting(kNetwork, "blue"),
              Texts{"network blue is declared in " + file_ + ":2:12: remove it there and `config reload`"});
    EXPECT_TRUE(intent.waiting().empty());
    expect_same_config(intent);
}

TEST_F(ObjectsTest, ACommandTellsHowManyAddedRoutesWaitFromThenOn) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, batch("networks: [{name: red, subnets: [10.1.0.0/24], gateway: 10.1.0.254},"
                                          " {name: green, subnets: [10.2.0.0/24], gateway: 10.2.0.254}]\n"
                                          "routes: [{to: 10.9.0.0/16, via: 10.1.0.1}, {to: 10.8.0.0/16, via: 10.1.0.2},"
                                          " {to: 10.7.0.0/16, via: 10.2.0.1}]\n"),
                           kNow));
    EXPECT_EQ(objects(intent.remove(switch_, {kNetwork, "red"}, kNow)), (Texts{"network red", "2 added routes"}));
    EXPECT_EQ(intent.routes().waiting().size(), 2u);
    EXPECT_EQ(objects(intent.remove(switch_, {kNetwork, "green"}, kNow)), (Texts{"network green", "1 added route"}));
    EXPECT_EQ(add(intent, kNetwork, R"({"name": "red", "subnets": ["10.1.0.0/24"], "gateway": "10.1.0.254"})"),
              Texts{"network red"});
    EXPECT_EQ(intent.routes().waiting().size(), 1u);
}

TEST_F(ObjectsTest, WhatTheFileTakesAwayWaitsAndComesBack) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, batch(kAll), kNow));
    // The file has a network of that name: the port is in it from now on, the other kinds stay as they are.
    const std::string file = "state: " + state_ + "\nnetworks: [{name: blue}, {name: red, subnets: [10.1.0.0/25]}]\nports:\n" + kPortA;
    test::write_file(file_, file);
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(waiting(intent), Texts{"red: name: " + file_ + ":2:26 declares a network red with other settings, which "
                                     "is in force: `sluicectl network delete red` forgets this one"});
    EXPECT_EQ(intent.routes().waiting().size(), 2u) << "no network is routed";
    expect_same_config(intent);
    // A list that is in force at one place more than there is stays in force at the other.
    test::write_file(file_, "state: " + state_ + "\nnetworks: [{name: red}]\n");
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(intent.config().acls.at(0).apply.size(), 1u);
    EXPECT_EQ(intent.config().mirrors.at(0).from, Texts{"r"});
    // One that is in force nowhere else waits.
    test::write_file(file_, "state: " + state_ + "\nnetworks: [{name: red, subnets: [10.5.0.0/24]}]\n");
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(waiting(intent),
              (Texts{"r: address[0]: 10.1.0.1 is outside network red, which has 10.5.0.0/24",
                     "edge: apply[0].port: there is no port \"r\"; apply[1].network: there is no network \"blue\"",
                     "watch: from[0]: there is no port \"r\"; from[1]: there is no port \"a\"",
                     "red: name: " + file_ + ":2:12 declares a network red with other settings, which is in force: "
                     "`sluicectl network delete red` forgets this one"}));
    expect_same_config(intent);
    write(kPortA);
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_EQ(waiting(intent), Texts{});
    EXPECT_TRUE(intent.routes().waiting().empty());
    EXPECT_EQ(intent.config().acls.at(0).apply.size(), 2u);
    expect_same_config(intent);
}

TEST_F(ObjectsTest, TheFileTakesOverWhatItDeclaresInTheSameWords) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, batch("networks: [{name: red}]\nacls: [{name: edge, apply: {network: red, direction: "
                                          "ingress}, rules: [{deny: {}}]}]"), kNow));
    test::write_file(file_, "state: " + state_ + "\nnetworks: [{name: blue}, {name: red}]\nports:\n" + kPortA +
                                "acls: [{name: edge, apply: {network: red, direction: ingress}, rules: [{deny: {}}]}]\n");
    const auto changes = intent.reload(switch_, kNow);
    EXPECT_EQ(objects(changes), (Texts{"network red", "acl edge"}));
    EXPECT_EQ((*changes)[0].detail, "origin: added -> " + file_ + ":2:26");
    EXPECT_EQ(saved(), Texts{});
    EXPECT_EQ(intent.config().networks.size(), 2u);
}

// Or a start without the state file would refuse it.
TEST_F(ObjectsTest, TheFileNamesNothingButPortsThatWereAdded) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, batch(kAll), kNow));
    test::write_file(file_, "state: " + state_ + "\nnetworks: [{name: blue}]\nports:\n" + kPortA +
                                "  - {name: c, device: net_null1, network: red}\n"
                                "acls: [{name: l, apply: {network: red, direction: ingress}, rules: [{deny: {to: office}}]}]\n"
                                "routes: [{to: 10.7.0.0/16, network: red}]\n");
    const auto changes = intent.reload(switch_, kNow);
    ASSERT_FALSE(changes);
    const std::string not_declared = ": it was added while running, and the file doesn't declare it";
    EXPECT_EQ(texts(changes.error()),
              (Texts{"ports[1].network (" + file_ + ":5:43): there is no network \"red\"" + not_declared,
                     "acls[0].apply[0].network (" + file_ + ":6:35): there is no network \"red\"" + not_declared,
                     "acls[0].rules[0].deny.to (" + file_ + ":6:81): there is no address set office" + not_declared,
                     "routes[0].domain (" + file_ + ":7:10): no network with a `gateway` is of routing domain \"main\""}));
    write(kPortA);
    expect_same_config(intent);
}

// A network that has lost its place takes none from another one.
TEST_F(ObjectsTest, ANetworkThatWaitsHasNothing) {
    save(R"({"version": 1, "networks": [
        {"name": "one", "subnets": ["10.1.0.0/24"], "gateway": "10.2.0.1"},
        {"name": "two", "subnets": ["10.1.0.0/24"], "gateway": "10.1.0.1"},
        {"name": "three", "subnets": ["10.1.0.0/25"], "gateway": "10.1.0.1"}],
        "ports": [{"name": "b", "device": "net_ring_b", "network": "two"}]})");
    const Intent intent = load();
    EXPECT_EQ(waiting(intent), (Texts{"one: gateway[0]: 10.2.0.1 is in none of the network's `subnets`",
                                      "three: subnets[0]: 10.1.0.0/25 overlaps 10.1.0.0/24 of network one, and both are "
                                      "routed in domain main: give one another `domain`"}));
    EXPECT_EQ(intent.config().ports.size(), 2u);
}

TEST_F(ObjectsTest, AKindThatIsUnknownIsKeptAsideAndTheRestIsInForce) {
    const std::string text = R"({"version": 1, "services": [{"name": "s"}], "networks": [{"name": "red"},
        {"name": "green", "colour": 3}], "ports": [{"name": "b", "device": "net_ring_b", "network": "red"}]})";
    save(text);
    Intent intent = started();
    EXPECT_EQ(running(), (Texts{"a", "b"}));
    EXPECT_EQ(aside(), Texts{text});
    ASSERT_EQ(waiting(intent).size(), 1u);
    EXPECT_NE(waiting(intent)[0].find("unknown key 'colour'"), std::string::npos);
    EXPECT_EQ(saved(), (Texts{"red", "green", "b"}));
}

TEST_F(ObjectsTest, OneNameTwiceInTheStateStandsInTheWayOfNothingElse) {
    save(R"({"version": 1, "ports": [], "networks": [{"name": "red"}, {"name": "red", "vlan": 5}, {"name": "green"}]})");
    Intent intent = started();
    ASSERT_EQ(waiting(intent).size(), 1u);
    EXPECT_NE(waiting(intent)[0].find("red is declared already"), std::string::npos) << waiting(intent)[0];
    EXPECT_EQ(objects(intent.remove(switch_, {kNetwork, "green"}, kNow)), Texts{"network green"});
    EXPECT_EQ(add(intent, kNetwork, R"({"name": "grey"})"), Texts{"network grey"});
    EXPECT_EQ(objects(intent.remove(switch_, {kNetwork, "red"}, kNow)), (Texts{"network red", "network red"}));
    EXPECT_EQ(waiting(intent), Texts{});
    EXPECT_EQ(saved(), Texts{"grey"});
}

TEST_F(ObjectsTest, AnAddedPortIsChangedInPlace) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    const auto set = [&](const char* keys) { return intent.set(switch_, {kPort, "b"}, request(keys).root, kNow); };
    const HeldPort& held = switch_.ports().at("b");
    const auto id = held.port->id();
    ASSERT_TRUE(held.up);
    auto changes = set(R"({"split-horizon": "g", "flood-limit": {"broadcast": 7}, "mac-limit": 9})");
    ASSERT_TRUE(changes) << error_of(changes);
    ASSERT_EQ(changes->size(), 1u);
    EXPECT_EQ((*changes)[0].effect, Effect::kFlows);
    EXPECT_EQ(held.port->id(), id);
    EXPECT_EQ(held.downs, 0u);
    EXPECT_EQ(held.port->config().flood_limit.broadcast, 7u);
    expect_same_config(intent);
    // What isn't named stays, and null takes a key away.
    changes = set(R"({"flood-limit": {"multicast": 8}, "mac-limit": null})");
    EXPECT_EQ(held.port->config().flood_limit.broadcast, 7u);
    EXPECT_EQ(held.port->config().flood_limit.multicast, 8u);
    EXPECT_EQ(held.port->config().mac_limit, 0u);
    EXPECT_TRUE(set("{}")->empty());
    EXPECT_EQ(set(R"({"device": "net_null0"})")->at(0).effect, Effect::kReopened);
    expect_same_config(intent);
    EXPECT_EQ(error_of(set(R"({"network": "red"})")), "network: there is no network \"red\"");
    EXPECT_EQ(error_of(set(R"({"name": "c"})")), "name: is what it is known by, and can't be changed");
    EXPECT_EQ(error_of(set(R"({"mtv": 7})")), "unknown key 'mtv'; did you mean 'mtu'?");
    EXPECT_EQ(error_of(set(R"({"device": null})")),
              "netns: needs exactly one of `netns`, `host: true`, `vhost-user`, `device` and `bond`");
    EXPECT_EQ(error_of(intent.set(switch_, {kPort, "a"}, request(R"({"mtu": 1400})").root, kNow)),
              "port a is declared in " + file_ + ":4:5: change it there and `config reload`");
    EXPECT_EQ(error_of(intent.set(switch_, {kPort, "x"}, request("{}").root, kNow)), "there is no port x");
    expect_same_config(intent);
}

TEST_F(ObjectsTest, APortThatWaitsIsPutRight) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, kPort, b_, kNow));
    test::write_file(file_, fmt::format(kWithRed, state_));
    ASSERT_TRUE(intent.reload(switch_, kNow));
    ASSERT_EQ(waiting(intent).size(), 1u);
    // Step by step: what isn't named may be wrong still.
    auto changes = intent.set(switch_, {kPort, "b"}, request(R"({"mac-limit": 3})").root, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    ASSERT_EQ(changes->size(), 1u);
    EXPECT_EQ((*changes)[0].action, Change::Action::kChange);
    EXPECT_EQ((*changes)[0].detail, "it waits: network: there is no network \"blue\"");
    EXPECT_NE(test::file_text(state_).find("\"mac-limit\": 3"), std::string::npos);
    EXPECT_EQ(error_of(intent.set(switch_, {kPort, "b"}, request(R"({"network": "rot"})").root, kNow)).substr(0, 8),
              "network:");
    changes = intent.set(switch_, {kPort, "b"}, request(R"({"network": "red"})").root, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    ASSERT_EQ(changes->size(), 1u);
    EXPECT_EQ((*changes)[0].action, Change::Action::kChange);
    EXPECT_EQ((*changes)[0].detail, "it waited, and is in force");
    EXPECT_EQ(running(), (Texts{"a", "b"}));
    EXPECT_EQ(waiting(intent), Texts{});
}

TEST_F(ObjectsTest, AMistakeOfSetNamesNoPlaceOfWhatCameBefore) {
    save(R"({"version": 1, "ports": [{"name": "b", "device": "net_ring_b", "network": "gone", "colour": 3}]})");
    Intent intent = started();
    const auto error_of_set = [&](const char* keys) {
        return error_of(intent.set(switch_, {kPort, "b"}, request(keys).root, kNow));
    };
    EXPECT_TRUE(error_of_set(R"({"mtu": 1400})").starts_with("unknown key 'colour'"));
    EXPECT_EQ(error_of_set(R"({"colour": null, "network": "nope"})"), "network: there is no network \"nope\"");
}

// An ACL that can't be in force must not leave open what it guards.
TEST_F(ObjectsTest, AnAclThatWaitsDeniesEverythingInItsPlaces) {
    struct Row {
        const char* acl;
        const char* denied;  // behind the last "; until it is in force, everything is denied at "
    };
    const Row rows[] = {
        {R"("name": "edge", "apply": {"port": "a", "direction": "ingress"}, "rules": [{"permit": {}, "colour": 3}])",
         "ingress of port a"},
        {R"("name": "edge", "apply": {"port": "a", "direction": "ingress"}, "rules": [{"permit": {"to": "office"}}])",
         "ingress of port a"},
        {R"("name": "edge", "priority": 3, "apply": [{"network": "blue", "direction": "egress"}], "rules": [])",
         "egress of network blue"},
        // What can't be read may be where it is applied.
        {R"("name": "edge", "apply": {"port": "a", "direction": "both"}, "rules": [])",
         "ingress of port a, egress of port a"},
        {R"("name": "edge", "apply": {"ports": ["a", "gone"], "direction": "egress"}, "rules": [])",
         "ingress of port a, egress of port a"},
        {R"("name": "edge", "at": {"networks": ["blue"]}, "rules": [{"permit": {}}])",
         "ingress of network blue, egress of network blue"},
        {R"("nam": "edge", "apply": {"port": "a", "direction": "ingress"}, "rules": [{"permit": {}}])",
         "ingress of port a"},
    };
    for (const Row& row : rows) {
        save(fmt::format(R"({{"version": 1, "ports": [], "acls": [{{{}}}],
            "address-sets": [{{"name": "office", "addresses": [], "colour": 3}}]}})", row.acl));
        Intent intent = started();
        const auto reasons = waiting(intent);
        const auto edge = std::find_if(reasons.begin(), reasons.end(),
                                       [](const std::string& text) { return !text.starts_with("office"); });
        ASSERT_NE(edge, reasons.end()) << row.acl;
        EXPECT_TRUE(edge->ends_with(fmt::format("; until it is in force, everything is denied at {}", row.denied)))
            << *edge;
        ASSERT_EQ(switch_.acls().size(), 1u);
        EXPECT_TRUE(switch_.acls().begin()->second->config().rules.empty());
        const ObjectName name{kAcl, switch_.acls().begin()->first};
        expect_same_config(intent);
        // Whatever else changes, it stays so, and the state file keeps its keys.
        EXPECT_EQ(add(intent, kNetwork, R"({"name": "red"})"), Texts{"network red"});
        ASSERT_EQ(switch_.acls().size(), 1u);
        EXPECT_NE(test::file_text(state_).find("rules"), std::string::npos);
        EXPECT_EQ(objects(intent.remove(switch_, {kNetwork, "red"}, kNow)), Texts{"network red"});
        // Until the user says otherwise.
        ASSERT_TRUE(intent.remove(switch_, name, kNow));
        EXPECT_TRUE(switch_.acls().empty());
        expect_same_config(intent);
    }
}

TEST_F(ObjectsTest, AnAclThatDeniesEverythingIsPutRight) {
    const char* text = R"({"version": 1, "ports": [], "acls": [
        {"name": "edge", "apply": {"port": "a", "direction": "ingress"}, "rules": [{"permit": {}}], "colour": 3},
        {"name": "gone", "apply": {"port": "x", "direction": "ingress"}, "rules": [], "colour": 3}]})";
    save(text);
    Intent intent = started();
    EXPECT_EQ(switch_.acls().size(), 1u) << "what isn't there needs no guard";
    ASSERT_TRUE(intent.set(switch_, {kAcl, "edge"}, request(R"({"colour": null})").root, kNow));
    EXPECT_EQ(switch_.acls().at("edge")->config().rules.size(), 1u);
    expect_same_config(intent);
    save(text);
    intent = started();
    EXPECT_TRUE(switch_.acls().at("edge")->config().rules.empty());
    EXPECT_EQ(add(intent, kAcl, R"({"name": "edge", "rules": [{"deny": {}}]})"), Texts{"acl edge"});
    EXPECT_EQ(switch_.acls().at("edge")->config().rules.size(), 1u);
    // The file's own takes its place too.
    save(text);
    test::write_file(file_, "state: " + state_ + "\nnetworks: [{name: blue}]\nports:\n" + kPortA +
                                "acls: [{name: edge, apply: {port: a, direction: egress}, rules: [{permit: {}}]}]\n");
    intent = started();
    EXPECT_EQ(switch_.acls().at("edge")->config().rules.size(), 1u);
    EXPECT_EQ(waiting(intent).size(), 2u);
    expect_same_config(intent);
}

// A file that takes away what an ACL names doesn't open what it guards.
TEST_F(ObjectsTest, AReloadThatMakesAnAclWaitDeniesEverythingThere) {
    Intent intent = started();
    const std::string sets = fmt::format("state: {}\nnetworks: [{{name: blue}}]\nports:\n{}", state_, kPortA);
    test::write_file(file_, sets + "address-sets: [{name: home, addresses: [10.0.0.1]}]\n");
    ASSERT_TRUE(intent.reload(switch_, kNow));
    ASSERT_EQ(add(intent, kAcl, R"({"name": "edge", "apply": {"port": "a", "direction": "ingress"},
                                    "rules": [{"permit": {"from": "home"}}]})"), Texts{"acl edge"});
    test::write_file(file_, sets);
    auto changes = intent.reload(switch_, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    ASSERT_EQ(changes->size(), 2u);
    EXPECT_EQ((*changes)[1].object, "acl edge");
    EXPECT_EQ((*changes)[1].action, Change::Action::kChange);
    EXPECT_EQ((*changes)[1].detail, "it waits: rules[0].permit.from[0]: there is no address set home; until it is in "
                                    "force, everything is denied at ingress of port a");
    EXPECT_TRUE(switch_.acls().at("edge")->config().rules.empty());
    test::write_file(file_, sets + "address-sets: [{name: home, addresses: [10.0.0.1]}]\n");
    changes = intent.reload(switch_, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    EXPECT_EQ(switch_.acls().at("edge")->config().rules.size(), 1u);
    expect_same_config(intent);
}

TEST_F(ObjectsTest, AListIsChangedWithoutAGap) {
    Intent intent = started();
    ASSERT_TRUE(intent.add(switch_, batch(kAll), kNow));
    const auto changes = intent.set(switch_, {kAcl, "edge"}, request(R"({"rules": [{"deny": {}}]})").root, kNow);
    ASSERT_TRUE(changes) << error_of(changes);
    EXPECT_EQ((*changes)[0].object, "acl edge");
    EXPECT_EQ(intent.config().acls.at(0).rules.size(), 1u);
    EXPECT_EQ(intent.config().acls.at(0).rules[0].action, acl::Action::kDeny);
    EXPECT_EQ(intent.config().acls.at(0).apply.size(), 2u);
    ASSERT_TRUE(intent.set(switch_, {kSet, "office"}, request(R"({"addresses": []})").root, kNow));
    expect_same_config(intent);
}

}  // namespace
}  // namespace sluice::engine
