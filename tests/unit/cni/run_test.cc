// The plugin from the environment to standard output.
#include "sluice-cni/run.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <sstream>

#include "unit/cni/fake_switch.h"

namespace sluice::cni {
namespace {

using nlohmann::json;

class CniRun : public testing::Test {
 protected:
    // The exit status; what it wrote is `out_`.
    int run(const std::string& command, const std::string& text) {
        std::map<std::string, std::string> values{{"CNI_COMMAND", command},
                                                  {"CNI_CONTAINERID", "c1"},
                                                  {"CNI_NETNS", "/run/netns/a"},
                                                  {"CNI_IFNAME", "eth0"}};
        std::ostringstream out;
        const int status =
            cni::run([&](const char* name) { return values.contains(name) ? values[name].c_str() : nullptr; },
                     [&] { return text; }, world_.outside(), out);
        out_ = out.str();
        return status;
    }
    json written() const { return json::parse(out_); }

    World world_;
    std::string out_;
    const std::string text_ = R"({"cniVersion": "1.0.0", "name": "blue", "type": "sluice-cni"})";
};

TEST_F(CniRun, WritesTheResult) {
    EXPECT_EQ(run("ADD", text_), 0);
    EXPECT_EQ(written()["cniVersion"], "1.0.0");
    EXPECT_EQ(written()["interfaces"][0]["name"], "eth0");
}

TEST_F(CniRun, WritesNothingWithoutAResult) {
    EXPECT_EQ(run("DEL", text_), 0);
    EXPECT_EQ(out_, "");
}

TEST_F(CniRun, WritesErrors) {
    EXPECT_EQ(run("add", text_), 1);
    EXPECT_EQ(written()["code"], kInvalidEnvironment);
    EXPECT_EQ(written()["cniVersion"], "1.1.0");
    EXPECT_EQ(run("ADD", R"({"cniVersion": "1.0.0", "name": "blue", "mtu": 1})"), 1);
    EXPECT_EQ(written()["code"], kInvalidConfiguration);
    EXPECT_EQ(written()["cniVersion"], "1.0.0");
    EXPECT_EQ(run("ADD", "\xff"), 1);
    EXPECT_EQ(written()["code"], kNotDecoded);
    world_.sluice.error = CallError{CallError::Kind::kNotReached, "not UTF-8: \xff"};
    EXPECT_EQ(run("ADD", text_), 1);
    EXPECT_EQ(written()["code"], kTryAgainLater);
}

TEST_F(CniRun, TellsTheVersionsWhateverComes) {
    for (const char* text : {"", "{", R"({"cniVersion": 7})"}) {
        EXPECT_EQ(run("VERSION", text), 0);
        EXPECT_EQ(written()["cniVersion"], "1.1.0");
        EXPECT_EQ(written()["supportedVersions"], (json{"0.4.0", "1.0.0", "1.1.0"}));
    }
    EXPECT_EQ(run("VERSION", R"({"cniVersion": "0.2.0"})"), 0);
    EXPECT_EQ(written()["cniVersion"], "0.2.0");
}

TEST_F(CniRun, ReadsInputUpToALimit) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    ASSERT_EQ(write(ends[1], "text", 4), 4);
    close(ends[1]);
    EXPECT_EQ(read_input(ends[0]).value_or(""), "text");
    close(ends[0]);
    const auto nothing = read_input(-1);
    ASSERT_FALSE(nothing);
    EXPECT_EQ(nothing.error().code, kIoFailure);
}

}  // namespace
}  // namespace sluice::cni
