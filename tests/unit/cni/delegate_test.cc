// Running other plugins.
#include "sluice-cni/delegate.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "sluice-cni/configuration.h"

namespace sluice::cni {
namespace {

class CniDelegate : public testing::Test {
 protected:
    CniDelegate() {
        std::string pattern = testing::TempDir() + "sluice-cni-XXXXXX";
        folder_ = mkdtemp(pattern.data());
    }
    ~CniDelegate() override { std::filesystem::remove_all(folder_); }

    // A program that the shell runs.
    std::string program(const std::string& name, const std::string& script, mode_t mode = 0755) {
        const std::string file = folder_ + "/" + name;
        std::ofstream(file) << "#!/bin/sh\n" << script << "\n";
        chmod(file.c_str(), mode);
        return file;
    }

    std::string folder_;
};

TEST_F(CniDelegate, FindsTheFirstProgram) {
    const std::string file = program("ipam", "true");
    program("text", "true", 0644);
    std::filesystem::create_directory(folder_ + "/folder");
    EXPECT_EQ(find_plugin("ipam", "/nowhere::" + folder_).value_or(""), file);
    for (const char* name : {"text", "folder", "none"}) {
        const auto found = find_plugin(name, "/nowhere:" + folder_);
        ASSERT_FALSE(found) << name;
        EXPECT_EQ(found.error().code, kInvalidConfiguration);
        EXPECT_NE(found.error().message.find("ipam.type: no program '" + std::string(name)), std::string::npos);
    }
    const auto found = find_plugin("ipam", "");
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, kInvalidEnvironment);
    EXPECT_NE(found.error().message.find("CNI_PATH"), std::string::npos);
}

TEST_F(CniDelegate, GivesEnvironmentAndInput) {
    setenv("CNI_COMMAND", "ADD", 1);
    setenv("CNI_IFNAME", "eth7", 1);
    const auto executed =
        execute(program("ipam", R"sh(echo "$CNI_COMMAND $CNI_IFNAME $(env | grep -c ^CNI_COMMAND=)"; cat)sh"),
                "DEL", "text");
    unsetenv("CNI_COMMAND");
    unsetenv("CNI_IFNAME");
    ASSERT_TRUE(executed) << executed.error();
    EXPECT_EQ(executed->status, 0);
    EXPECT_EQ(executed->output, "DEL eth7 1\ntext");
}

TEST_F(CniDelegate, TellsTheStatus) {
    EXPECT_EQ(execute(program("fails", "echo why; exit 3"), "ADD", "")->status, 3);
    EXPECT_EQ(execute(program("dies", "kill -KILL $$"), "ADD", "")->status, 128 + 9);
    EXPECT_FALSE(execute(folder_ + "/none", "ADD", ""));
}

// A program that doesn't read, or writes without end, holds nothing up.
TEST_F(CniDelegate, BoundsInputAndOutput) {
    const std::string input(kMaxInput, 'x');
    EXPECT_EQ(execute(program("deaf", "true"), "ADD", input)->status, 0);
    const auto executed =
        execute(program("long", "cat; cat /proc/self/cmdline; head -c 3000000 /dev/zero"), "ADD", input);
    ASSERT_TRUE(executed);
    EXPECT_EQ(executed->output.size(), kMaxInput + 1);
    EXPECT_EQ(executed->status, 0);
}

}  // namespace
}  // namespace sluice::cni
