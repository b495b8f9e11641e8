// The environment variables of a runtime.
#include "sluice-cni/environment.h"

#include <gtest/gtest.h>

#include <map>

namespace sluice::cni {
namespace {

using Values = std::map<std::string, std::string>;

tl::expected<Environment, Failure> read(const Values& values) {
    return read_environment([&](const char* name) {
        const auto value = values.find(name);
        return value == values.end() ? nullptr : value->second.c_str();
    });
}

Values add(const Values& changes = {}) {
    Values values{{"CNI_COMMAND", "ADD"},
                  {"CNI_CONTAINERID", "c1"},
                  {"CNI_NETNS", "/run/netns/a"},
                  {"CNI_IFNAME", "eth0"},
                  {"CNI_PATH", "/opt/cni/bin"}};
    for (const auto& [name, value] : changes) values[name] = value;
    return values;
}

// Refused with code 4, and with this in the message.
void expect_refused(const Values& values, const std::string& words) {
    const auto environment = read(values);
    ASSERT_FALSE(environment) << words;
    EXPECT_EQ(environment.error().code, kInvalidEnvironment);
    EXPECT_NE(environment.error().message.find(words), std::string::npos) << environment.error().message;
}

TEST(CniEnvironment, TakesWhatARuntimeSets) {
    const auto environment =
        read(add({{"CNI_ARGS",
                   "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0;"
                   "K8S_POD_INFRA_CONTAINER_ID=x;FOO=b=r;IP=10.0.0.5/24;MAC=02:00:00:00:00:0A"}}));
    ASSERT_TRUE(environment) << environment.error().message;
    EXPECT_EQ(environment->command, Command::kAdd);
    EXPECT_EQ(environment->container, "c1");
    EXPECT_EQ(environment->netns, "/run/netns/a");
    EXPECT_EQ(environment->interface, "eth0");
    EXPECT_EQ(environment->path, "/opt/cni/bin");
    EXPECT_EQ(environment->pod_namespace, "shop");
    EXPECT_EQ(environment->pod_name, "web-0");
    EXPECT_EQ(environment->ip->text(), "10.0.0.5/24");
    EXPECT_EQ(environment->mac->text(), "02:00:00:00:00:0a");
}

TEST(CniEnvironment, NamesTheVariableThatIsWrong) {
    expect_refused({}, "CNI_COMMAND is missing");
    expect_refused({{"CNI_COMMAND", "add"}}, "CNI_COMMAND: 'add'");
    expect_refused({{"CNI_COMMAND", "ADD"}}, "CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME are missing");
    expect_refused({{"CNI_COMMAND", "DEL"}}, "CNI_CONTAINERID, CNI_IFNAME are missing");
    expect_refused(add({{"CNI_NETNS", ""}}), "CNI_NETNS is missing");
    for (const char* id : {"-c1", "c/1", "c 1", "ü"})
        expect_refused(add({{"CNI_CONTAINERID", id}}), "CNI_CONTAINERID: ");
    expect_refused(add({{"CNI_CONTAINERID", std::string(256, 'c')}}), "CNI_CONTAINERID: ");
    for (const char* name : {".", "..", "a/b", "a:b", "a b", "a\tb", "a234567890123456"}) {
        expect_refused(add({{"CNI_IFNAME", name}}), "CNI_IFNAME: ");
    }
    for (const char* path : {"netns/a", "/run/netns/\n"})
        expect_refused(add({{"CNI_NETNS", path}}), "CNI_NETNS: ");
    expect_refused(add({{"CNI_ARGS", "FOO"}}), "CNI_ARGS: 'FOO' is not KEY=VALUE");
    expect_refused(add({{"CNI_ARGS", "FOO=1;IgnoreUnknown=0"}}), "CNI_ARGS: unknown 'FOO'");
    expect_refused(add({{"CNI_ARGS", "IP=10.0.0"}}), "CNI_ARGS: IP: '10.0.0'");
    expect_refused(add({{"CNI_ARGS", "MAC=02"}}), "CNI_ARGS: MAC: '02'");
}

TEST(CniEnvironment, TakesOnlyWhatACommandNeeds) {
    for (const char* command : {"STATUS", "GC", "VERSION"})
        EXPECT_TRUE(read({{"CNI_COMMAND", command}})) << command;
    EXPECT_TRUE(read(add({{"CNI_ARGS", "FOO=1;IgnoreUnknown=true;"}})));
    EXPECT_TRUE(read(add({{"CNI_IFNAME", "a23456789012345"}})));
}

TEST(CniEnvironment, DeletesWhateverElseIsWrong) {
    const auto environment = read(add({{"CNI_COMMAND", "DEL"}, {"CNI_NETNS", "gone"}, {"CNI_ARGS", "FOO;IP=x"}}));
    ASSERT_TRUE(environment);
    EXPECT_EQ(environment->netns, "");
}

}  // namespace
}  // namespace sluice::cni
