// The network configuration: what is taken, and how mistakes are told.
#include "sluice-cni/configuration.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "sluice/protocol.h"

namespace sluice::cni {
namespace {

using nlohmann::json;

// A configuration with these keys beside those that each has.
std::string with(json keys, const char* version = "1.1.0") {
    json all{{"cniVersion", version}, {"name", "blue"}, {"type", "sluice-cni"}};
    all.update(keys);
    return all.dump();
}

Configuration taken(json keys, Command command = Command::kAdd) {
    auto configuration = read_configuration(with(std::move(keys)), command);
    EXPECT_TRUE(configuration) << configuration.error().message;
    return configuration.value_or(Configuration{});
}

void expect_refused(const std::string& text, int code, const std::string& words, Command command = Command::kAdd) {
    const auto configuration = read_configuration(text, command);
    ASSERT_FALSE(configuration) << text;
    EXPECT_EQ(configuration.error().code, code) << text;
    EXPECT_NE(configuration.error().message.find(words), std::string::npos) << configuration.error().message;
}

TEST(CniConfiguration, HasDefaults) {
    const Configuration configuration = taken(json::object());
    EXPECT_EQ(configuration.version, "1.1.0");
    EXPECT_EQ(configuration.name, "blue");
    EXPECT_EQ(configuration.by(), "cni:blue");
    EXPECT_EQ(configuration.network, "blue");
    EXPECT_EQ(configuration.socket, protocol::kDefaultSocket);
    EXPECT_FALSE(configuration.is_delegated());
    EXPECT_FALSE(configuration.prev_result);
    EXPECT_TRUE(configuration.dns.empty());
}

TEST(CniConfiguration, TakesEveryKey) {
    const Configuration configuration = taken(
        {{"network", "pods"},
         {"subnets", {"10.0.0.0/24", "fd00::/64"}},
         {"gateway", {"10.0.0.1", "fd00::1"}},
         {"socket", "/tmp/sock"},
         {"mtu", 1400},
         {"ipam", {{"type", "sluice"}}},
         {"labels", {{"app", "web"}}},
         {"namespace", "shop"},
         {"dns", {{"nameservers", {"10.0.0.53"}}, {"domain", "a.example"}, {"search", {"b"}}, {"options", {"c"}}}},
         // The specification's own, and the runtime's.
         {"cniVersions", {"0.4.0"}},
         {"disableCheck", true},
         {"disableGC", true},
         {"loadOnlyInlinedPlugins", false},
         {"capabilities", {{"portMappings", true}, {"bandwidth", true}}},
         {"ipMasq", false},
         {"args", {{"other", 1}, {"cni", {{"unknown", 1}}}}},
         {"cni.dev/whatever", {1}},
         {"prevResult", nullptr}});
    EXPECT_EQ(configuration.network, "pods");
    EXPECT_EQ(configuration.by(), "cni:blue");
    ASSERT_EQ(configuration.subnets.size(), 2);
    EXPECT_EQ(configuration.subnets[1].text(), "fd00::/64");
    ASSERT_EQ(configuration.gateway.size(), 2);
    EXPECT_EQ(configuration.socket, "/tmp/sock");
    EXPECT_EQ(configuration.mtu, 1400);
    EXPECT_FALSE(configuration.is_delegated());
    EXPECT_EQ(configuration.labels, (base::Words{{"app", "web"}}));
    EXPECT_EQ(configuration.name_space, "shop");
    EXPECT_EQ(configuration.dns, R"({"nameservers": ["10.0.0.53"], "domain": "a.example", "search": ["b"],
                                     "options": ["c"]})"_json);
}

TEST(CniConfiguration, TakesTheContainersNamesInThisNetwork) {
    using Names = std::vector<std::string>;
    EXPECT_EQ(taken(R"({"runtimeConfig": {"aliases": ["web", "www"]}})"_json).aliases, (Names{"web", "www"}));
    EXPECT_EQ(taken(R"({"runtimeConfig": {"aliases": {"Other": ["no"], "blue": ["web"]}}})"_json).aliases,
              (Names{"web"}));
    EXPECT_TRUE(taken(R"({"runtimeConfig": {"aliases": {"other": ["no"], "blue": null}}})"_json).aliases.empty());
    EXPECT_TRUE(taken(R"({"runtimeConfig": {"aliases": null}})"_json).aliases.empty());
}

TEST(CniConfiguration, TakesWhatTheRuntimeGives) {
    const Configuration configuration = taken(R"({
        "dns": {"nameservers": ["10.0.0.53"]},
        "runtimeConfig": {
            "portMappings": [{"hostPort": 8080, "containerPort": 80},
                             {"hostPort": 53, "containerPort": 5353, "protocol": "UDP", "hostIP": "192.0.2.1"},
                             {"HostPort": 81, "ContainerPort": 82, "Protocol": "", "HostIP": ""},
                             {"hostPort": 83, "containerPort": 84, "protocol": "sctp", "hostIP": "0.0.0.0"}],
            "ips": ["10.0.0.5", "fd00::5/64"],
            "mac": "02:00:00:00:00:0A",
            "dns": {"Servers": ["9.9.9.9"], "Searches": ["s"], "Options": ["o"]}},
        "args": {"cni": {"ips": ["10.0.0.6"], "mac": "02:00:00:00:00:0b", "labels": [{"key": "app", "value": "web"}]}},
        "labels": {"app": "x", "tier": "front"}})"_json);
    ASSERT_EQ(configuration.publish.size(), 4);
    EXPECT_EQ(configuration.publish[0].port, 8080);
    EXPECT_EQ(configuration.publish[0].to, 80);
    EXPECT_EQ(configuration.publish[0].proto, "tcp");
    EXPECT_FALSE(configuration.publish[0].address);
    EXPECT_EQ(configuration.publish[1].proto, "udp");
    EXPECT_EQ(configuration.publish[1].address->text(), "192.0.2.1");
    EXPECT_EQ(configuration.publish[2].port, 81);
    EXPECT_EQ(configuration.publish[2].proto, "tcp");
    EXPECT_FALSE(configuration.publish[2].address);
    EXPECT_FALSE(configuration.publish[3].address);
    // What is for this plugin comes before what is for all.
    ASSERT_EQ(configuration.ips.size(), 2);
    EXPECT_EQ(configuration.ips[0].text(), "10.0.0.5");
    EXPECT_EQ(configuration.mac->text(), "02:00:00:00:00:0a");
    EXPECT_EQ(configuration.labels, (base::Words{{"app", "web"}, {"tier", "front"}}));
    EXPECT_EQ(configuration.dns,
              R"({"nameservers": ["9.9.9.9", "10.0.0.53"], "search": ["s"], "options": ["o"]})"_json);

    const Configuration of_args =
        taken(R"({"args": {"cni": {"ips": ["10.0.0.6"], "mac": "02:00:00:00:00:0b"}}})"_json);
    ASSERT_EQ(of_args.ips.size(), 1);
    EXPECT_EQ(of_args.ips[0].text(), "10.0.0.6");
    EXPECT_EQ(of_args.mac->text(), "02:00:00:00:00:0b");
}

TEST(CniConfiguration, RefusesTextThatIsNoConfiguration) {
    expect_refused("", kNotDecoded, "nothing came");
    expect_refused(" \n", kNotDecoded, "nothing came");
    expect_refused("{", kNotDecoded, "not valid JSON");
    expect_refused("{} {}", kNotDecoded, "not valid JSON");
    expect_refused("[]", kNotDecoded, "expected a mapping, found a list");
    expect_refused(R"({"name": "a", "name": "b"})", kNotDecoded, "given twice");
    expect_refused(std::string(kMaxInput + 1, ' '), kIoFailure, "longer than");
}

TEST(CniConfiguration, SpeaksItsVersionsOnly) {
    expect_refused(R"({"name": "blue"})", kIncompatibleVersion, "cniVersion is missing, which means 0.1.0");
    for (const char* version : {"0.3.1", "1.2.0", "", "x"}) {
        expect_refused(with(json::object(), version), kIncompatibleVersion, "0.4.0, 1.0.0, 1.1.0");
    }
    expect_refused(R"({"cniVersion": 1.1, "name": "blue"})", kInvalidConfiguration, "cniVersion");
    for (const char* version : {"0.4.0", "1.0.0", "1.1.0"}) {
        for (const Command command : {Command::kAdd, Command::kDelete, Command::kCheck}) {
            EXPECT_TRUE(read_configuration(with(json::object(), version), command)) << version;
        }
    }
    expect_refused(with(json::object(), "1.0.0"), kIncompatibleVersion, "has no GC", Command::kGc);
    expect_refused(with(json::object(), "1.0.0"), kIncompatibleVersion, "has no STATUS", Command::kStatus);
}

TEST(CniConfiguration, TellsTheKeyAndTheFix) {
    const auto refused = [](const json& keys, const std::string& words) {
        expect_refused(with(keys), kInvalidConfiguration, words);
    };
    refused({{"netwrk", "a"}}, "unknown key 'netwrk'; did you mean 'network'?");
    refused({{"bridge", "cni0"}}, "unknown key 'bridge'; known keys are name, type, network, subnets");
    refused({{"name", "a/b"}}, "name: 'a/b' is not a name");
    refused({{"name", nullptr}}, "name: expected a string, found nothing");
    refused({{"network", "-"}}, "network: '-' is not a name");
    refused({{"name", std::string(100, 'n')}}, "network: is needed here");
    refused({{"subnets", {"10.0.0.1/24"}}}, "subnets[0]: '10.0.0.1/24' has bits set beyond its length");
    refused({{"gateway", {"10.0.0.1/24"}}}, "gateway[0]: '10.0.0.1/24' is not an IP address: no prefix length");
    refused({{"socket", "sock"}}, "socket: 'sock' is not an absolute path");
    refused({{"socket", "/" + std::string(107, 's')}}, "socket: ");
    refused({{"mtu", 67}}, "mtu: '67' is out of range (68 to 65521)");
    refused({{"mtu", "1500"}}, "mtu: expected an integer, found the string '1500'");
    refused({{"attach", "tap"}}, "attach: 'tap' is not one of netns, vhost-user");
    refused({{"vhost-user", {{"group", "nfv"}}}}, "vhost-user: is for `attach: vhost-user`");
    refused({{"attach", "vhost-user"}, {"vhost-user", {{"folder", "run"}}}},
            "vhost-user.folder: 'run' is not an absolute");
    refused({{"attach", "vhost-user"}, {"vhost-user", {{"path", "/s"}}}}, "vhost-user: unknown key 'path'");
    refused({{"labels", {"a"}}}, "labels: expected a mapping, found a list");
    refused({{"ipam", {{"subnet", "10.0.0.0/24"}}}}, "ipam: the key 'type' is missing");
    refused({{"ipam", {{"type", "sluice"}, {"range", 1}}}}, "ipam: unknown key 'range'");
    refused({{"ipam", {{"type", "../x"}}}}, "ipam.type: '../x' is not a name of a plugin");
    refused({{"ipam", {{"type", "sluice-cni"}}}}, "ipam: has this plugin as its `type`");
    refused(R"({"runtimeConfig": {"aliases": {"blue": [["a"]]}}})"_json,
            "runtimeConfig.aliases[0]: expected a string, found a list");
    refused({{"dns", {{"nameserver", "a"}}}}, "dns: unknown key 'nameserver'; did you mean 'nameservers'?");
    refused(R"({"runtimeConfig": {"portMappings": [{"hostPort": 0, "containerPort": 80}]}})"_json,
            "runtimeConfig.portMappings[0].hostPort: '0' is out of range (1 to 65535)");
    refused(
        R"({"runtimeConfig": {"portMappings": [{"hostPort": 1, "containerPort": 80, "protocol": "icmp"}]}})"_json,
        "portMappings[0].protocol: 'icmp' is not one of tcp, udp, sctp");
    refused(R"({"runtimeConfig": {"ips": ["10.0.0.256"]}})"_json, "runtimeConfig.ips[0]: '10.0.0.256'");
    refused(R"({"args": {"cni": {"mac": "x"}}})"_json, "args.cni.mac: 'x' is not a MAC address");
    refused(R"({"prevResult": {"ips": [{"address": "10.0.0.5"}]}})"_json,
            "prevResult.ips[0].address: '10.0.0.5' has no prefix length");
    refused(R"({"prevResult": []})"_json, "prevResult: expected a mapping, found a list");
}

TEST(CniConfiguration, TellsAllMistakes) {
    const auto configuration = read_configuration(with({{"mtu", 1}, {"netwrk", "a"}}), Command::kAdd);
    ASSERT_FALSE(configuration);
    EXPECT_EQ(configuration.error().message, "network configuration: mtu: '1' is out of range (68 to 65521)");
    EXPECT_EQ(configuration.error().details, "unknown key 'netwrk'; did you mean 'network'?");
}

TEST(CniConfiguration, TakesLimitsInBits) {
    const auto limits = [](const std::string& bandwidth) {
        return taken({{"runtimeConfig", {{"bandwidth", json::parse(bandwidth)}}}}).rate_limits;
    };
    EXPECT_EQ(limits(R"({"ingressRate": 1000, "ingressBurst": 81, "egressRate": 1000000})"),
              (RateLimits{.ingress = {1000, 11}, .egress = {1'000'000, 0}}));
    // As containerd writes it.
    EXPECT_EQ(
        limits(R"({"IngressRate": 0, "IngressBurst": 0, "EgressRate": 8000, "EgressBurst": 9223372036854775807})"),
        (RateLimits{.egress = {8000, uint64_t{4} << 30}}));
    EXPECT_EQ(limits(R"({"ingressBurst": 8000})"), RateLimits{});
    for (const auto& [bandwidth, words] :
         {std::pair(R"({"ingressRate": 999})",
                    "runtimeConfig.bandwidth.ingressRate: '999' is not a rate from 1000"),
          std::pair(R"({"egressRate": -1})", "runtimeConfig.bandwidth.egressRate: '-1' is out of range"),
          std::pair(R"({"rate": 1})", "runtimeConfig.bandwidth: unknown key 'rate'")}) {
        expect_refused(with({{"runtimeConfig", {{"bandwidth", json::parse(bandwidth)}}}}), kInvalidConfiguration,
                       words);
    }
}

TEST(CniConfiguration, RefusesFieldsThatNobodyActsOn) {
    const auto refused = [](const json& keys, const std::string& words) {
        expect_refused(with(keys), kUnsupportedField, words);
    };
    refused({{"ipMasq", true}}, "ipMasq is not supported: true");
    refused(R"({"runtimeConfig": {"infinibandGUID": "c2:11:22:33:44:55:66:77"}})"_json,
            R"(runtimeConfig.infinibandGUID is not supported: "c2:)");
    // A delegated plugin reads ranges, and nothing else that is foreign here.
    const json ranges{{"ipRanges", {{{{"subnet", "10.1.0.0/24"}}}}}};
    refused({{"runtimeConfig", ranges}}, "runtimeConfig.ipRanges is not supported");
    EXPECT_EQ(taken({{"runtimeConfig", ranges}, {"ipam", {{"type", "host-local"}, {"ranges", 1}}}}).ipam,
              "host-local");
    refused({{"runtimeConfig", {{"deviceID", "x"}}}, {"ipam", {{"type", "host-local"}}}},
            "runtimeConfig.deviceID");
    EXPECT_TRUE(taken({{"runtimeConfig", {{"bandwidth", nullptr}, {"ips", nullptr}}}}).ips.empty());
}

TEST(CniConfiguration, DeletesWhateverElseIsWrong) {
    const json wrong{{"netwrk", "a"},
                     {"mtu", 1},
                     {"ipMasq", true},
                     {"prevResult", 7},
                     {"socket", "/tmp/s"},
                     {"runtimeConfig", {{"bandwidth", 1}, {"ips", 7}}},
                     {"ipam", {{"type", "host-local"}}}};
    const Configuration configuration = taken(wrong, Command::kDelete);
    EXPECT_EQ(configuration.socket, "/tmp/s");
    EXPECT_EQ(configuration.ipam, "host-local");
    EXPECT_EQ(configuration.ignored.size(), 4) << json(configuration.ignored).dump();
    expect_refused(with({{"name", 7}}), kInvalidConfiguration, "name: ", Command::kDelete);
    expect_refused(R"({"cniVersion": "1.0.0"})", kInvalidConfiguration, "the key 'name' is missing",
                   Command::kDelete);
    expect_refused(with({{"socket", "s"}}), kInvalidConfiguration, "socket: ", Command::kDelete);
}

TEST(CniConfiguration, KeepsWhatGcLists) {
    const auto valid = [](const json& list) {
        return taken({{"cni.dev/valid-attachments", list}}, Command::kGc).valid_attachments;
    };
    EXPECT_EQ(valid(R"([{"containerID": "c1", "ifname": "eth0"}])"_json),
              (std::vector<ValidAttachment>{{"c1", "eth0"}}));
    EXPECT_EQ(taken(R"({"cni.dev/attachments": [{"containerID": "c1", "ifname": "eth0"}]})"_json, Command::kGc)
                  .valid_attachments.size(),
              1);
    EXPECT_TRUE(valid(json::array()).empty());
    EXPECT_TRUE(valid(nullptr).empty());
    expect_refused(with(json::object()), kInvalidConfiguration, "cni.dev/valid-attachments: is missing",
                   Command::kGc);
    expect_refused(with({{"cni.dev/valid-attachments", {"c1"}}}), kInvalidConfiguration,
                   "cni.dev/valid-attachments: expected {", Command::kGc);
    expect_refused(with({{"cni.dev/valid-attachments", "c1"}}), kInvalidConfiguration, "expected a list",
                   Command::kGc);
}

TEST(CniConfiguration, AnswersInTheVersionThatWasAskedFor) {
    EXPECT_EQ(version_of_answer(with({{"mtu", 1}}, "0.4.0")), "0.4.0");
    EXPECT_EQ(version_of_answer(with(json::object(), "0.1.0")), "1.1.0");
    EXPECT_EQ(version_of_answer("{"), "1.1.0");
    EXPECT_EQ(version_of_request(R"({"cniVersion": "0.1.0"})"), "0.1.0");
    EXPECT_EQ(version_of_request(""), "1.1.0");
}

// The file that users copy: a runtime derives each plugin's configuration from it.
TEST(CniConfiguration, TakesTheExample) {
    std::ifstream file(std::string(SLUICE_SOURCE) + "/config/10-sluice.conflist");
    const json list = json::parse(file);
    for (json plugin : list.at("plugins")) {
        plugin["name"] = list.at("name");
        plugin["cniVersion"] = list.at("cniVersion");
        const auto configuration = read_configuration(plugin.dump(), Command::kAdd);
        EXPECT_TRUE(configuration) << configuration.error().message;
        EXPECT_EQ(plugin.at("type"), "sluice-cni");
    }
    EXPECT_EQ(list.at("plugins").size(), 1);
}

}  // namespace
}  // namespace sluice::cni
