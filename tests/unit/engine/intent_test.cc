#include "engine/intent.h"

#include <gtest/gtest.h>

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
        const auto ports = load_state(state_);
        for (const auto& port : *ports) names.push_back(port.name);
        return names;
    }
    Texts running() const {
        Texts names;
        for (const auto& [name, held] : switch_.ports()) names.push_back(name);
        return names;
    }

    static constexpr const char* kPortA = "  - {name: a, device: net_ring_a, network: blue}\n";
    const port::PortConfig b_{.name = "b", .device = "net_ring_b", .network = "blue"};

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
    EXPECT_EQ(next.config().ports[1], b_);
    EXPECT_TRUE(is_added(next.config().ports[1].place));
}

TEST_F(IntentTest, AFileMayNameAPortThatWasAdded) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    write(std::string(kPortA) + "  - {name: watch, host: true}\n"
          "mirrors: [{name: m, from: [b], to: watch}]\n"
          "acls: [{name: web, apply: {port: b, direction: ingress}, rules: []}]\n");
    EXPECT_EQ(load().config().ports.size(), 3u);
    EXPECT_TRUE(Intent::mistakes(file_).empty());
    std::filesystem::remove(state_);
    EXPECT_FALSE(Intent::load(file_));
    EXPECT_EQ(Intent::mistakes(file_).size(), 2u);
}

TEST_F(IntentTest, ALookForMistakesWritesNothing) {
    std::filesystem::create_directory(directory_ / "state");
    test::write_file(state_ + ".routes", "10.9.0.0/16 via");  // as while a running switch writes it
    EXPECT_TRUE(Intent::mistakes(file_).empty());
    EXPECT_EQ(test::file_text(state_ + ".routes"), "10.9.0.0/16 via");
}

// The place of the state is no more reason to tell only some of them than other keys are.
TEST_F(IntentTest, AllMistakesOfAFileAreToldAtOnce) {
    test::write_file(file_, "state: state.json\nprots: []\nports: [{name: a, device: d, network: red}]\n");
    auto intent = Intent::load(file_);
    ASSERT_FALSE(intent);
    EXPECT_EQ(intent.error().size(), 3u);
    EXPECT_EQ(Intent::mistakes(file_).size(), 3u);
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
    port::PortConfig a = b_;
    a.name = "a";
    EXPECT_EQ(error_of(intent.add_port(switch_, a, kNow)),
              "name: port a exists already (" + file_ + ":4:5)");
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    EXPECT_EQ(error_of(intent.add_port(switch_, b_, kNow)), "name: port b exists already (added)");
    EXPECT_EQ(saved(), Texts{"b"});
}

TEST_F(IntentTest, AnInvalidPortIsRefusedAndNotSaved) {
    Intent intent = started();
    port::PortConfig port = b_;
    port.network = "red";
    EXPECT_NE(error_of(intent.add_port(switch_, port, kNow)).find("there is no network \"red\""),
              std::string::npos);
    port = b_;
    port.device = "net_ring_a";
    EXPECT_NE(error_of(intent.add_port(switch_, port, kNow)).find("net_ring_a is port a's already"),
              std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(state_));
    EXPECT_EQ(running(), Texts{"a"});
}

TEST_F(IntentTest, AFileThatDeclaresAnAddedPortIsRefused) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    const Config before = intent.config();
    const uint64_t generation = switch_.generation();
    write(std::string(kPortA) + "  - {name: b, device: net_null0, network: blue}\n");
    EXPECT_NE(error_of(intent.reload(switch_, kNow)).find("sluicectl port delete b"),
              std::string::npos);
    EXPECT_EQ(intent.config(), before);
    EXPECT_EQ(switch_.generation(), generation);
    // Once it is deleted, the file has its way.
    ASSERT_TRUE(intent.delete_port(switch_, "b", kNow));
    ASSERT_TRUE(intent.reload(switch_, kNow));
    EXPECT_FALSE(is_added(intent.config().ports[1].place));
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

TEST_F(IntentTest, ADamagedStateFileIsToldAtTheStart) {
    std::filesystem::create_directory(directory_ / "state");
    test::write_file(state_, "{\"ports\": [{}]}");
    auto intent = Intent::load(file_);
    ASSERT_FALSE(intent);
    EXPECT_EQ(intent.error()[0].place.file, state_);
}

TEST_F(IntentTest, ConsiderShowsWhatATextWouldGive) {
    Intent intent = started();
    ASSERT_TRUE(intent.add_port(switch_, b_, kNow));
    auto considered = intent.consider("networks: [{name: blue}]\nstate: " + state_, "stdin");
    ASSERT_TRUE(considered);
    ASSERT_EQ(considered->ports.size(), 1u);
    EXPECT_EQ(considered->ports[0].name, "b");
    // The added port would lose its network.
    EXPECT_FALSE(intent.consider("", "stdin"));
    EXPECT_EQ(running(), (Texts{"a", "b"}));
}

}  // namespace
}  // namespace sluice::engine
