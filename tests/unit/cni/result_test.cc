// Results, in each version.
#include "sluice-cni/result.h"

#include <gtest/gtest.h>

namespace sluice::cni {
namespace {

using nlohmann::json;

const Added kAdded{
    .interface = {.name = "eth0", .mac = "02:00:00:00:00:05", .mtu = 1450, .sandbox = "/run/netns/a"},
    .ips = {{*InterfaceAddress::parse("10.0.0.5/24"), *IpAddress::parse("10.0.0.1")},
            {*InterfaceAddress::parse("fd00::5/64"), std::nullopt}},
    .routes = {{*IpPrefix::parse("0.0.0.0/0"), *IpAddress::parse("10.0.0.1")},
               {*IpPrefix::parse("10.9.0.0/16"), std::nullopt}}};

json written(const char* version, Result result = {}) {
    append(result, kAdded, version);
    return to_json(result, version);
}

TEST(CniResult, IsWrittenInEachVersion) {
    EXPECT_EQ(written("1.1.0"), R"({"cniVersion": "1.1.0",
        "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:05", "mtu": 1450, "sandbox": "/run/netns/a"}],
        "ips": [{"address": "10.0.0.5/24", "gateway": "10.0.0.1", "interface": 0},
                {"address": "fd00::5/64", "interface": 0}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}, {"dst": "10.9.0.0/16"}]})"_json);
    json older = written("1.1.0");
    older["cniVersion"] = "1.0.0";
    older["interfaces"][0].erase("mtu");
    EXPECT_EQ(written("1.0.0"), older);
    older["cniVersion"] = "0.4.0";
    older["ips"][0]["version"] = "4";
    older["ips"][1]["version"] = "6";
    EXPECT_EQ(written("0.4.0"), older);
}

TEST(CniResult, KeepsWhatOthersHaveMade) {
    const json before = R"({"cniVersion": "1.1.0",
        "interfaces": [{"name": "br0", "mac": "02:00:00:00:00:01", "socketPath": "/s"}, {"name": "lo", "sandbox": "/n"}],
        "ips": [{"address": "127.0.0.1/8", "interface": 1, "unknown": 7}, {"address": "::1/128"}],
        "routes": [{"dst": "10.8.0.0/16", "gw": "10.0.0.9", "mtu": 1400, "table": 100}],
        "dns": {"nameservers": ["9.9.9.9"], "domain": "d"}})"_json;
    const auto result = read_result(base::from_json(before).root);
    ASSERT_TRUE(result) << result.error();
    EXPECT_EQ(to_json(*result, "1.1.0"), before);
    const json ours = written("1.1.0");
    json after = before;
    after["interfaces"].push_back(ours["interfaces"][0]);
    for (json ip : ours["ips"]) {
        ip["interface"] = 2;
        after["ips"].push_back(ip);
    }
    for (const json& route : ours["routes"]) after["routes"].push_back(route);
    EXPECT_EQ(written("1.1.0", *result), after);
}

TEST(CniResult, AppendsDnsOnce) {
    json dns = R"({"nameservers": ["9.9.9.9"], "domain": "d", "search": null})"_json;
    append_dns(dns, R"({"nameservers": ["10.0.0.53", "9.9.9.9"], "domain": "e", "search": ["s"]})"_json);
    EXPECT_EQ(dns, R"({"nameservers": ["9.9.9.9", "10.0.0.53"], "domain": "d", "search": ["s"]})"_json);
    dns = {{"domain", ""}};
    append_dns(dns, {{"domain", "e"}});
    EXPECT_EQ(dns, (json{{"domain", "e"}}));
}

TEST(CniResult, IsReadStrictly) {
    const auto why = [](const json& value) {
        const auto result = read_result(base::from_json(value).root);
        return result ? "" : result.error();
    };
    EXPECT_EQ(why(R"({"interfaces": null, "ips": null, "routes": null, "dns": null})"_json), "");
    EXPECT_EQ(why(R"({"ips": [{"address": "10.0.0.5/24", "gateway": "", "interface": null}]})"_json), "");
    EXPECT_EQ(why("x"), "expected a mapping, found a scalar");
    EXPECT_EQ(why(R"({"interfaces": {}})"_json), "interfaces: expected a list, found a mapping");
    EXPECT_EQ(why(R"({"interfaces": ["a"]})"_json), "interfaces[0]: expected a mapping, found a scalar");
    EXPECT_EQ(why(R"({"interfaces": [{"name": 7}]})"_json),
              "interfaces[0].name: expected a string, found a scalar");
    EXPECT_EQ(why(R"({"ips": [{}]})"_json), "ips[0].address: is missing");
    EXPECT_EQ(why(R"({"ips": [{"address": 7}]})"_json), "ips[0].address: expected a string, found a scalar");
    EXPECT_EQ(why(R"({"ips": [{"address": "10.0.0.5"}]})"_json),
              "ips[0].address: '10.0.0.5' has no prefix length");
    EXPECT_EQ(why(R"({"ips": [{"address": "10.0.0.5/24", "gateway": "x"}]})"_json),
              "ips[0].gateway: 'x' is not an IP address");
    EXPECT_EQ(why(R"({"ips": [{"address": "10.0.0.5/24", "interface": 0}]})"_json),
              "ips[0].interface: '0' is no index of the 0 interfaces");
    EXPECT_EQ(why(R"({"interfaces": [{}], "ips": [{"address": "10.0.0.5/24", "interface": "0"}]})"_json),
              "ips[0].interface: '0' is no index of the 1 interfaces");
    EXPECT_EQ(why(R"({"routes": [{"gw": "10.0.0.1"}]})"_json), "routes[0].dst: is missing");
    EXPECT_EQ(why(R"({"dns": {"search": "a"}})"_json), "dns.search: expected a list, found a scalar");
}

TEST(CniResult, TellsFailures) {
    EXPECT_EQ(to_json(Failure{7, "a", "b"}, "1.0.0"),
              R"({"cniVersion": "1.0.0", "code": 7, "msg": "a", "details": "b"})"_json);
    EXPECT_EQ(to_json(Failure{7, "a"}, "1.0.0"), R"({"cniVersion": "1.0.0", "code": 7, "msg": "a"})"_json);
}

TEST(CniResult, TellsTheVersions) {
    EXPECT_EQ(supported_versions("0.1.0"),
              R"({"cniVersion": "0.1.0", "supportedVersions": ["0.4.0", "1.0.0", "1.1.0"]})"_json);
}

}  // namespace
}  // namespace sluice::cni
