#include "engine/state.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/directory.h"

namespace sluice::engine {
namespace {

const std::vector<port::PortConfig> kPorts{
    {.name = "web",
     .netns = "pid:12",
     .network = "blue",
     .interface = "net0",
     .mac = MacAddress::from_uint64(0x020000000001),
     .address = {*InterfaceAddress::parse("10.0.0.2/24"), *InterfaceAddress::parse("fd00::2")},
     .routes = {{.to = *IpPrefix::parse("0.0.0.0/0"), .via = *IpAddress::parse("10.0.0.1")}},
     .mtu = 9000,
     .queues = 2},
    {.name = "on", .netns = "010"},  // strings that YAML would take for something else
    {.name = "h", .host = true},
    {.name = "d", .device = "net_null0,size=60"},
};

class StateTest : public testing::Test {
 protected:
    test::Directory directory_;
    const std::string file_ = directory_ / "state.json";
};

TEST_F(StateTest, AnAbsentFileIsAnEmptyState) {
    auto loaded = load_state(file_);
    ASSERT_TRUE(loaded);
    EXPECT_TRUE(loaded->empty());
}

TEST_F(StateTest, WhatIsSavedIsLoaded) {
    ASSERT_TRUE(save_state(file_, kPorts));
    auto loaded = load_state(file_);
    ASSERT_TRUE(loaded) << loaded.error()[0].text();
    EXPECT_EQ(*loaded, kPorts);
    for (const auto& port : *loaded) EXPECT_EQ(port.place.line, 0);
    ASSERT_TRUE(save_state(file_, {}));
    EXPECT_TRUE(load_state(file_)->empty());
}

TEST_F(StateTest, MakesItsFolder) {
    const std::string file = directory_ / "a/b/state.json";
    ASSERT_TRUE(save_state(file, kPorts));
    EXPECT_EQ(*load_state(file), kPorts);
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
    EXPECT_EQ(*load_state(file_), kPorts);
    // Nor is the next save in its way.
    ASSERT_TRUE(save_state(file_, {kPorts[0]}));
    EXPECT_EQ(load_state(file_)->size(), 1u);
    EXPECT_FALSE(std::filesystem::exists(file_ + ".new"));
}

TEST_F(StateTest, AFailedSaveKeepsTheOldState) {
    ASSERT_TRUE(save_state(file_, kPorts));
    std::filesystem::create_directory(file_ + ".new");  // so that it can't be written
    const auto saved = save_state(file_, {});
    ASSERT_FALSE(saved);
    EXPECT_NE(saved.error().message.find(file_), std::string::npos);
    EXPECT_EQ(*load_state(file_), kPorts);
}

TEST_F(StateTest, AReplacedFileIsReplacedAsAWhole) {
    ASSERT_TRUE(save_state(file_, kPorts));
    std::ifstream reader(file_);  // somebody who reads the old one goes on reading that
    ASSERT_TRUE(save_state(file_, {}));
    std::stringstream text;
    text << reader.rdbuf();
    EXPECT_NE(text.str().find("net_null0"), std::string::npos);
}

TEST_F(StateTest, ADamagedFileIsToldNotIgnored) {
    test::write_file(file_, R"({"ports": [{"name": "half)");
    auto cut = load_state(file_);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error()[0].place.file, file_);
    test::write_file(file_, "{\"ports\": [{\"name\": \"a\",\n \"nets\": \"x\"}]}");
    auto unknown = load_state(file_);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().back().text(),
              "ports[0] (" + file_ + ":2:2): unknown key 'nets'; did you mean 'netns'?");
}

}  // namespace
}  // namespace sluice::engine
