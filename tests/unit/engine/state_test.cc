#include "engine/state.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "support/directory.h"

namespace sluice::engine {
namespace {

using Texts = std::vector<std::string>;

SharedObjects ports(std::initializer_list<const char*> requests) {
    SharedObjects ports;
    for (const char* request : requests) {
        ports.push_back(read_object(ObjectKind::kPort, base::from_json(nlohmann::json::parse(request))));
        EXPECT_TRUE(ports.back()->faults.empty()) << ports.back()->faults[0].text();
    }
    return ports;
}

void expect_equal(const SharedObjects& a, const SharedObjects& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(*a[i], *b[i]) << i;
}

class StateTest : public testing::Test {
 protected:
    static Texts texts(const base::Errors& errors) {
        Texts texts;
        for (const auto& error : errors) texts.push_back(error.text());
        return texts;
    }

    const SharedObjects kPorts = ports({
        R"({"name": "web", "netns": "pid:12", "network": "blue", "interface": "net0", "mac": "02:00:00:00:00:01",
            "address": ["10.0.0.2/24", "fd00::2"], "routes": [{"to": "default", "via": "10.0.0.1"}],
            "mtu": 9000, "queues": 2})",
        R"({"name": "on", "netns": "010"})",  // strings that YAML would take for something else
        R"({"name": "h", "host": true})",
        R"({"name": "d", "device": "net_null0,size=60"})",
    });
    test::Directory directory_;
    const std::string file_ = directory_ / "state.json";
};

TEST_F(StateTest, TheFileIsAsOneWriterWritesJson) {
    for (const auto& list : {kPorts, SharedObjects{}}) {
        ASSERT_TRUE(save_state(file_, list));
        const std::string text = test::file_text(file_);
        EXPECT_EQ(text, nlohmann::json::parse(text).dump(2) + "\n");
    }
}

TEST_F(StateTest, AnAbsentFileIsAnEmptyState) {
    const State loaded = load_state(file_);
    EXPECT_TRUE(loaded.objects.empty());
    EXPECT_TRUE(loaded.faults.empty());
    EXPECT_FALSE(loaded.has_lost);
}

TEST_F(StateTest, WhatIsSavedIsLoaded) {
    ASSERT_TRUE(save_state(file_, kPorts));
    const State loaded = load_state(file_);
    EXPECT_EQ(texts(loaded.faults), Texts{});
    expect_equal(loaded.objects, kPorts);
    ASSERT_EQ(loaded.objects.size(), kPorts.size());
    for (size_t i = 0; i < kPorts.size(); ++i) {
        EXPECT_EQ(loaded.objects[i]->config, kPorts[i]->config);
        EXPECT_EQ(loaded.objects[i]->as_port()->place.line, 0);
    }
    ASSERT_TRUE(save_state(file_, {}));
    EXPECT_TRUE(load_state(file_).objects.empty());
}

TEST_F(StateTest, HoldsAVersionAndWhatWasSaid) {
    ASSERT_TRUE(save_state(file_, ports({R"({"name": "a", "netns": "x", "mtu": 1500})"})));
    EXPECT_EQ(nlohmann::json::parse(test::file_text(file_)),
              nlohmann::json::parse(R"({"version": 1, "ports": [{"name": "a", "netns": "x", "mtu": 1500}]})"));
}

// They wrote every default that is neither empty nor none.
TEST_F(StateTest, AFileOfAnEarlierSwitchIsRead) {
    test::write_file(file_, R"({"ports": [{"address": ["10.0.0.2"], "flood-limit": {"broadcast": 0, "multicast": 0,
        "unknown": 0}, "host": false, "mac-limit": 0, "name": "a", "netns": "x", "network": "blue", "queues": 0,
        "spoofing": "deny"}]})");
    const State loaded = load_state(file_);
    EXPECT_EQ(texts(loaded.faults), Texts{});
    expect_equal(loaded.objects,
                 ports({R"({"address": ["10.0.0.2"], "name": "a", "netns": "x", "network": "blue"})"}));
    ASSERT_EQ(loaded.objects.size(), 1u);
    EXPECT_FALSE(loaded.objects[0]->as_port()->flood_limit.broadcast) << "a default of that time is no wish of today";
}

TEST_F(StateTest, KeepsTheJournalOfRoutes) {
    const std::string journal = "10.9.0.0/16 via 10.1.0.1\ndelete 10.8.0.0/16\n";
    ASSERT_TRUE(save_state(file_, {}, journal));
    EXPECT_EQ(load_state(file_).journal, journal);
    EXPECT_EQ(texts(load_state(file_).faults), Texts{});
    ASSERT_TRUE(save_state(file_, {}));
    EXPECT_EQ(load_state(file_).journal, "");
}

TEST_F(StateTest, MakesItsFolder) {
    const std::string file = directory_ / "a/b/state.json";
    ASSERT_TRUE(save_state(file, kPorts));
    expect_equal(load_state(file).objects, kPorts);
}

TEST_F(StateTest, IsNotForEverybodysEyes) {
    ASSERT_TRUE(save_state(file_, kPorts));
    struct stat status {};
    ASSERT_EQ(stat(file_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07, 0u);
}

TEST_F(StateTest, WhatACrashLeftBesideItDoesNotCount) {
    ASSERT_TRUE(save_state(file_, kPorts));
    test::write_file(file_ + ".new", R"({"ports": [{"name": "half)");
    expect_equal(load_state(file_).objects, kPorts);
    // Nor is the next save in its way.
    ASSERT_TRUE(save_state(file_, {kPorts[0]}));
    EXPECT_EQ(load_state(file_).objects.size(), 1u);
    EXPECT_FALSE(std::filesystem::exists(file_ + ".new"));
}

TEST_F(StateTest, AFailedSaveKeepsTheOldState) {
    ASSERT_TRUE(save_state(file_, kPorts));
    std::filesystem::create_directory(file_ + ".new");  // so that it can't be written
    const auto saved = save_state(file_, {});
    ASSERT_FALSE(saved);
    EXPECT_NE(saved.error().message.find(file_), std::string::npos);
    expect_equal(load_state(file_).objects, kPorts);
}

TEST_F(StateTest, AReplacedFileIsReplacedAsAWhole) {
    ASSERT_TRUE(save_state(file_, kPorts));
    std::ifstream reader(file_);  // somebody who reads the old one goes on reading that
    ASSERT_TRUE(save_state(file_, {}));
    std::stringstream text;
    text << reader.rdbuf();
    EXPECT_NE(text.str().find("net_null0"), std::string::npos);
}

TEST_F(StateTest, WhatCannotBeReadIsAFaultWithItsPlace) {
    struct Row {
        const char* text;
        Texts faults;  // behind the file's name
    };
    const Row rows[] = {
        {R"({"ports": [{"name": "half)", {":1:26: the file ends inside quotes"}},
        {"", {": the file is empty: what was added before is lost"}},
        {"null\n", {": the file is empty: what was added before is lost"}},
        {"{}", {":1:1: the file is empty: what was added before is lost"}},
        {"[]", {":1:1: expected a mapping with the key 'ports'"}},
        {R"({"ports": {}})", {}},
        {R"({"version": 2, "ports": []})",
         {"version (:1:13): '2' is not the version that this sluiced writes (1): what it understands is in force"}},
        {R"({"version": 1, "services": []})", {":1:16: unknown key 'services'"}},
        {R"({"version": 1, "journal": {}})", {"journal (:1:27): expected a list of lines"}},
        {R"({"ports": [7]})", {"ports[0] (:1:12): expected a mapping, found a scalar"}},
    };
    for (const Row& row : rows) {
        test::write_file(file_, row.text);
        const State loaded = load_state(file_);
        EXPECT_TRUE(loaded.objects.empty());
        EXPECT_EQ(loaded.has_lost, !loaded.faults.empty()) << row.text;
        if (row.faults.empty()) continue;
        ASSERT_EQ(loaded.faults.size(), row.faults.size()) << row.text;
        std::string text = loaded.faults[0].text();
        text.erase(text.find(file_), file_.size());
        EXPECT_EQ(text, row.faults[0]);
    }
    std::filesystem::remove(file_);
    std::filesystem::create_directory(file_);
    EXPECT_TRUE(load_state(file_).has_lost);
}

TEST_F(StateTest, APortWithAnUnknownKeyKeepsItAndTheOthersCount) {
    test::write_file(file_, "{\"version\": 1, \"ports\": [{\"name\": \"a\",\n \"netns\": \"x\", \"nets\": \"x\"},\n"
                            "{\"name\": \"b\", \"netns\": \"y\"}]}");
    const State loaded = load_state(file_);
    ASSERT_EQ(loaded.faults.size(), 1u);
    EXPECT_TRUE(loaded.faults[0].text().starts_with("ports[0] (" + file_ + ":2:16): unknown key 'nets'; known keys are "));
    EXPECT_FALSE(loaded.has_lost);
    ASSERT_EQ(loaded.objects.size(), 2u);
    EXPECT_EQ(loaded.objects[0]->name(), "a");
    EXPECT_EQ(loaded.objects[0]->faults.size(), 1u);
    EXPECT_NE(loaded.objects[0]->keys.find("nets"), nullptr);
    EXPECT_TRUE(loaded.objects[1]->faults.empty());
    // Saved, it can be read by the switch that knows the key.
    ASSERT_TRUE(save_state(file_, loaded.objects));
    expect_equal(load_state(file_).objects, loaded.objects);
}

}  // namespace
}  // namespace sluice::engine
