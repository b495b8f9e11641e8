// The commands, against a switch and a delegated plugin in memory.
#include "sluice-cni/commands.h"

#include <gtest/gtest.h>

#include "unit/cni/fake_switch.h"

namespace sluice::cni {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

class CniCommands : public testing::Test {
 protected:
    // What a runtime asks for the container c1, with these keys in the configuration.
    Request request(Command command, const json& keys = json::object()) {
        json all{{"cniVersion", "1.1.0"}, {"name", "blue"}, {"type", "sluice-cni"}};
        all.update(keys);
        Request made{.environment = {.command = command,
                                     .container = "c1",
                                     .netns = "/run/netns/a",
                                     .interface = "eth0",
                                     .path = "/bin"},
                     .text = all.dump()};
        auto configuration = read_configuration(made.text, command);
        EXPECT_TRUE(configuration) << configuration.error().message;
        if (configuration) made.configuration = *configuration;
        return made;
    }
    tl::expected<json, Failure> carry(const Request& what) { return carry_out(what, world_.outside()); }
    tl::expected<json, Failure> carry(Command command, const json& keys = json::object()) {
        return carry(request(command, keys));
    }
    json done(Command command, const json& keys = json::object()) {
        const auto result = carry(command, keys);
        EXPECT_TRUE(result) << result.error().message;
        return result.value_or(json());
    }
    Failure failed(Command command, const json& keys = json::object()) {
        const auto result = carry(command, keys);
        EXPECT_FALSE(result) << result->dump();
        return result ? Failure{} : result.error();
    }
    void break_switch(CallError::Kind kind, const std::string& method = "", int code = 1) {
        world_.sluice.error = CallError{kind, "the switch's words", code};
        world_.sluice.failing_method = method;
    }

    World world_;
    const json delegated_{{"ipam", {{"type", "host-local"}, {"subnet", "10.0.0.0/24"}}}};
};

TEST_F(CniCommands, AddsAContainer) {
    EXPECT_EQ(done(Command::kAdd), R"({"cniVersion": "1.1.0",
        "interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:01", "mtu": 1500, "sandbox": "/run/netns/a"}],
        "ips": [{"address": "10.0.0.1/24", "gateway": "10.0.0.254", "interface": 0}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.254"}]})"_json);
    EXPECT_EQ(world_.sluice.last_add,
              R"({"container": "c1", "interface": "eth0", "by": "cni:blue", "network": "blue",
        "netns": "/run/netns/a"})"_json);
    EXPECT_EQ(world_.socket, "/run/sluice/control.sock");
    EXPECT_TRUE(world_.ipam.commands.empty());
}

TEST_F(CniCommands, PassesOnWhatWasAskedFor) {
    Request asked =
        request(Command::kAdd, R"({"network": "pods", "subnets": ["10.0.0.0/24"], "gateway": ["10.0.0.1"],
        "mtu": 1400, "socket": "/s",
        "runtimeConfig": {"ips": ["10.0.0.5", "fd00::5/64"], "mac": "02:00:00:00:00:0c",
            "bandwidth": {"ingressRate": 8000, "ingressBurst": 4294967295, "egressRate": 16000, "egressBurst": 0},
            "portMappings": [{"hostPort": 8080, "containerPort": 80, "hostIP": "192.0.2.1"},
                             {"hostPort": 53, "containerPort": 53, "protocol": "udp"}]}})"_json);
    asked.environment.pod_namespace = "shop";
    asked.environment.pod_name = "web-0";
    asked.environment.ip = InterfaceAddress::parse("10.0.0.9").value();
    asked.environment.mac = MacAddress::parse("02:00:00:00:00:0d").value();
    ASSERT_TRUE(carry(asked));
    EXPECT_EQ(world_.sluice.last_add,
              R"({"container": "c1", "interface": "eth0", "by": "cni:blue", "network": "pods",
        "netns": "/run/netns/a", "address": ["10.0.0.5", "fd00::5/64"], "mac": "02:00:00:00:00:0c", "mtu": 1400,
        "pod": "shop/web-0", "subnets": ["10.0.0.0/24"], "gateway": ["10.0.0.1"],
        "publish": [{"port": 8080, "to": 80, "proto": "tcp", "address": "192.0.2.1"},
                    {"port": 53, "to": 53, "proto": "udp"}],
        "rate-limit": {"ingress": {"rate": 8000, "burst": 536870912}, "egress": {"rate": 16000}}})"_json);
    EXPECT_EQ(world_.socket, "/s");
}

TEST_F(CniCommands, TakesTheVariablesArguments) {
    Request asked = request(Command::kAdd);
    asked.environment.ip = InterfaceAddress::parse("10.0.0.9").value();
    asked.environment.mac = MacAddress::parse("02:00:00:00:00:0d").value();
    asked.environment.pod_name = "web-0";  // podman gives the name alone
    ASSERT_TRUE(carry(asked));
    EXPECT_EQ(world_.sluice.last_add["address"], json{"10.0.0.9"});
    EXPECT_EQ(world_.sluice.last_add["mac"], "02:00:00:00:00:0d");
    EXPECT_FALSE(world_.sluice.last_add.contains("pod"));
}

TEST_F(CniCommands, GivesTheContainerItsNames) {
    Request asked = request(Command::kAdd, R"({"labels": {"app": "web"}, "runtimeConfig": {
        "aliases": {"blue": ["web", "4f5e6a7b8c9d"], "other": ["no"]}}})"_json);
    asked.environment.pod_name = "web-0";
    ASSERT_TRUE(carry(asked));
    EXPECT_EQ(world_.sluice.last_add["aliases"], (json{"web", "4f5e6a7b8c9d", "web-0"}));
}

TEST_F(CniCommands, TellsWhatTheNetworksContainersResolveWith) {
    world_.sluice.dns = R"({"nameservers": ["10.0.0.254"], "search": ["a.b"], "options": ["ndots:5"]})"_json;
    EXPECT_EQ(done(Command::kAdd)["dns"], world_.sluice.dns);
    EXPECT_EQ(done(Command::kAdd, R"({"dns": {"search": ["c"]}})"_json)["dns"],
              R"({"nameservers": ["10.0.0.254"], "search": ["c"], "options": ["ndots:5"]})"_json);
    EXPECT_EQ(done(Command::kAdd, R"({"dns": {"nameservers": ["9.9.9.9"]}})"_json)["dns"],
              R"({"nameservers": ["9.9.9.9"]})"_json)
        << "other servers don't know the network's domains";
    EXPECT_EQ(done(Command::kAdd, R"({"runtimeConfig": {"dns": {"servers": ["9.9.9.9"]}}})"_json)["dns"],
              R"({"nameservers": ["9.9.9.9"]})"_json);
    world_.sluice.dns = json::array();
    EXPECT_EQ(failed(Command::kAdd).code, kRefused);
}

// A port is of a Pod object or has labels of its own, never both.
TEST_F(CniCommands, PrefersLabelsToThePodObject) {
    Request asked = request(Command::kAdd, {{"labels", {{"app", "web"}}}});
    asked.environment.pod_namespace = "shop";
    asked.environment.pod_name = "web-0";
    ASSERT_TRUE(carry(asked));
    EXPECT_EQ(world_.sluice.last_add["labels"], (json{{"app", "web"}}));
    EXPECT_EQ(world_.sluice.last_add["namespace"], "shop");
    EXPECT_FALSE(world_.sluice.last_add.contains("pod"));
}

TEST_F(CniCommands, AddsTwiceWithOneResult) {
    const json first = done(Command::kAdd);
    EXPECT_EQ(done(Command::kAdd), first);
    EXPECT_EQ(world_.sluice.rows.size(), 1);
}

TEST_F(CniCommands, AppendsToThePreviousResult) {
    const json result = done(Command::kAdd, R"({"dns": {"nameservers": ["10.0.0.53"]}, "prevResult": {
        "interfaces": [{"name": "lo", "sandbox": "/run/netns/a"}], "ips": [{"address": "127.0.0.1/8", "interface": 0}],
        "routes": [{"dst": "10.8.0.0/16"}], "dns": {"nameservers": ["9.9.9.9"]}}})"_json);
    EXPECT_EQ(result["interfaces"].size(), 2);
    EXPECT_EQ(result["interfaces"][1]["name"], "eth0");
    EXPECT_EQ(result["ips"][0]["interface"], 0);
    EXPECT_EQ(result["ips"][1]["interface"], 1);
    EXPECT_EQ(result["routes"][0]["dst"], "10.8.0.0/16");
    EXPECT_EQ(result["routes"][1]["dst"], "0.0.0.0/0");
    EXPECT_EQ(result["dns"]["nameservers"], (json{"9.9.9.9", "10.0.0.53"}));
}

TEST_F(CniCommands, TellsWhyTheSwitchFails) {
    break_switch(CallError::Kind::kNotReached, "", 0);
    for (const Command command : {Command::kAdd, Command::kDelete}) {
        EXPECT_EQ(failed(command).code, kTryAgainLater);
        EXPECT_EQ(failed(command).message, "the switch's words");
    }
    EXPECT_EQ(failed(Command::kStatus).code, kNotAvailable);
    break_switch(CallError::Kind::kDaemon, "", protocol::kBusy);
    EXPECT_EQ(failed(Command::kAdd).code, kTryAgainLater);
    break_switch(CallError::Kind::kDaemon);
    EXPECT_EQ(failed(Command::kAdd).code, kRefused);
    EXPECT_EQ(failed(Command::kDelete).code, kRefused);
    EXPECT_EQ(failed(Command::kStatus).code, kNotAvailable);
}

TEST_F(CniCommands, DeletesTwice) {
    done(Command::kAdd);
    EXPECT_TRUE(done(Command::kDelete).is_null());
    EXPECT_TRUE(world_.sluice.rows.empty());
    EXPECT_TRUE(done(Command::kDelete).is_null());
}

// --- a socket instead of an interface ---

TEST_F(CniCommands, GivesAWorkloadASocket) {
    const json keys =
        R"({"attach": "vhost-user", "vhost-user": {"folder": "/run/pods", "group": "nfv", "queues": 2}})"_json;
    const json result = done(Command::kAdd, keys);
    EXPECT_EQ(result["interfaces"], R"([{"name": "eth0", "mtu": 1500, "sandbox": "/run/netns/a",
        "socketPath": "/run/pods/c1/eth0.sock"}])"_json);
    EXPECT_EQ(result["routes"], R"([{"dst": "0.0.0.0/0", "gw": "10.0.0.254"}])"_json);
    EXPECT_FALSE(world_.sluice.last_add.contains("netns"));
    EXPECT_EQ(world_.sluice.last_add["vhost-user"],
              R"({"path": "/run/pods/c1/eth0.sock", "mode": "server", "group": "nfv", "queues": 2})"_json);
    EXPECT_EQ(done(Command::kAdd, keys), result);
    json checked = keys;
    checked["prevResult"] = result;
    world_.inside = tl::unexpected(std::string("nobody looks there"));
    EXPECT_TRUE(done(Command::kCheck, checked).is_null());
    checked["vhost-user"].erase("folder");
    EXPECT_EQ(failed(Command::kCheck, checked).message,
              "port port1 leads to /run/pods/c1/eth0.sock instead of /run/sluice/cni/c1/eth0.sock");
    done(Command::kDelete, keys);
    EXPECT_TRUE(world_.sluice.rows.empty());
}

TEST_F(CniCommands, TellsAWorkloadTheRoutesOfThePlugin) {
    json keys = delegated_;
    keys["attach"] = "vhost-user";
    const json result = done(Command::kAdd, keys);
    EXPECT_FALSE(world_.sluice.last_add.contains("routes"));
    EXPECT_EQ(result["routes"],
              R"([{"dst": "0.0.0.0/0", "gw": "10.0.0.254"}, {"dst": "10.9.0.0/16", "gw": "10.0.0.3"}])"_json);
    // Before 1.1.0 there was no key for the socket.
    keys["cniVersion"] = "1.0.0";
    EXPECT_EQ(done(Command::kAdd, keys)["interfaces"], R"([{"name": "eth0", "sandbox": "/run/netns/a"}])"_json);
}

// --- a delegated plugin ---

TEST_F(CniCommands, LetsAPluginChooseTheAddresses) {
    const Request asked = request(Command::kAdd, delegated_);
    const auto result = carry(asked);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(world_.ipam.program(), "/bin/host-local");
    EXPECT_EQ(world_.ipam.input(), asked.text);
    EXPECT_EQ(world_.sluice.last_add["address"], json{"10.0.0.77/24"});
    EXPECT_EQ(world_.sluice.last_add["routes"],
              R"([{"to": "0.0.0.0/0", "via": "10.0.0.254"}, {"to": "10.9.0.0/16", "via": "10.0.0.3"}])"_json);
    EXPECT_EQ((*result)["ips"][0]["address"], "10.0.0.77/24");
    EXPECT_EQ((*result)["dns"]["nameservers"], json{"10.0.0.53"});
    EXPECT_EQ(world_.ipam.commands, (Words{"ADD"}));
}

TEST_F(CniCommands, KeepsTheChosenAddressesInASecondAdd) {
    const json first = done(Command::kAdd, delegated_);
    json second = done(Command::kAdd, delegated_);
    EXPECT_EQ(second["ips"], first["ips"]);
    EXPECT_EQ(second["interfaces"], first["interfaces"]);
    EXPECT_EQ(world_.ipam.commands, (Words{"ADD"}));
    EXPECT_TRUE(world_.ipam.is_taken);
}

TEST_F(CniCommands, GivesAddressesBackWhenAddFails) {
    break_switch(CallError::Kind::kDaemon, kContainerAdd);
    EXPECT_EQ(failed(Command::kAdd, delegated_).message, "the switch's words");
    EXPECT_EQ(world_.ipam.commands, (Words{"ADD", "DEL"}));
    EXPECT_FALSE(world_.ipam.is_taken);
}

// If the switch can't be asked, its port may be there and use the address.
TEST_F(CniCommands, KeepsAddressesThatMayBeInUse) {
    Outside outside = world_.outside();
    outside.call = [&, usual = outside.call](const std::string& socket, std::string_view method,
                                             const json& params) {
        if (method == kContainerAdd) break_switch(CallError::Kind::kNotReached, "", 0);
        return usual(socket, method, params);
    };
    const auto result = carry_out(request(Command::kAdd, delegated_), outside);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, kTryAgainLater);
    EXPECT_TRUE(world_.ipam.is_taken);
    EXPECT_EQ(failed(Command::kDelete, delegated_).code, kTryAgainLater);
    EXPECT_TRUE(world_.ipam.is_taken);
    world_.sluice.error.reset();
    done(Command::kDelete, delegated_);
    EXPECT_FALSE(world_.ipam.is_taken);
}

TEST_F(CniCommands, PassesThePluginsErrorOn) {
    world_.ipam.answers["ADD"] = {
        1, R"({"cniVersion": "1.1.0", "code": 11, "msg": "no address", "details": "free"})"};
    Failure failure = failed(Command::kAdd, delegated_);
    EXPECT_EQ(failure.code, 11);
    EXPECT_EQ(failure.message, "host-local: no address");
    EXPECT_EQ(failure.details, "free");
    EXPECT_EQ(world_.ipam.commands, (Words{"ADD", "DEL"}));
    EXPECT_TRUE(world_.sluice.rows.empty());
    for (const char* output : {"", "{", "[]", R"({"msg": 7})"}) {
        world_.ipam.answers["ADD"] = {3, output};
        failure = failed(Command::kAdd, delegated_);
        EXPECT_EQ(failure.code, kDelegateFailed);
        EXPECT_EQ(failure.message, "the plugin host-local failed with the exit status 3 and gave no reason");
    }
    for (const char* code : {"0", "-1", "1e9", "\"x\"", "99999999999"}) {
        world_.ipam.answers["ADD"] = {1, fmt::format(R"({{"code": {}, "msg": "m"}})", code)};
        EXPECT_EQ(failed(Command::kAdd, delegated_).code, kDelegateFailed) << code;
    }
}

TEST_F(CniCommands, RefusesResultsOfThePluginThatItCantUse) {
    const std::map<std::string, std::string> wrong{
        {"", "not valid JSON"},
        {"{}", "it has no address"},
        {R"({"ips": [{"address": "10.0.0.7"}]})", "ips[0].address: '10.0.0.7' has no prefix length"},
        {R"({"ips": [{"address": "10.0.0.7/24"}], "routes": [{"dst": "10.9.0.0/16", "table": 100}]})",
         "routes[0].table is not supported"}};
    for (const auto& [output, words] : wrong) {
        world_.ipam.answers["ADD"] = {0, output};
        const Failure failure = failed(Command::kAdd, delegated_);
        EXPECT_EQ(failure.code, kDelegateFailed);
        EXPECT_NE(failure.message.find(words), std::string::npos) << failure.message;
    }
    EXPECT_TRUE(world_.sluice.rows.empty());
}

TEST_F(CniCommands, DelegatesTheOtherCommands) {
    done(Command::kAdd, delegated_);
    done(Command::kDelete, delegated_);
    done(Command::kStatus, delegated_);
    json keys = delegated_;
    keys["cni.dev/valid-attachments"] = json::array();
    done(Command::kGc, keys);
    EXPECT_EQ(world_.ipam.commands, (Words{"ADD", "DEL", "STATUS", "GC"}));
    world_.ipam.answers["STATUS"] = {1, R"({"code": 50, "msg": "full"})"};
    EXPECT_EQ(failed(Command::kStatus, delegated_).message, "host-local: full");
}

// --- CHECK ---

class CniCheck : public CniCommands {
 protected:
    CniCheck() {
        keys_ = {{"prevResult", done(Command::kAdd)}};
        world_.inside = Inside{.exists = true,
                               .is_up = true,
                               .mac = "02:00:00:00:00:01",
                               .mtu = 1500,
                               .addresses = {*InterfaceAddress::parse("10.0.0.1/24")},
                               .routes = {{*IpPrefix::parse("0.0.0.0/0"), *IpAddress::parse("10.0.0.254")}}};
    }
    json& row() { return world_.sluice.rows.begin()->second; }
    void expect_difference(const std::string& words) {
        const Failure failure = failed(Command::kCheck, keys_);
        EXPECT_EQ(failure.code, kNotAsExpected);
        EXPECT_EQ(failure.message, words);
    }

    json keys_;
};

TEST_F(CniCheck, PassesWhatIsAsItWasMade) {
    EXPECT_TRUE(done(Command::kCheck, keys_).is_null());
}

TEST_F(CniCheck, TellsWhatTheContainerMisses) {
    const Inside before = *world_.inside;
    world_.inside->exists = false;
    expect_difference("there is no interface eth0 in /run/netns/a");
    world_.inside = before;
    world_.inside->addresses.clear();
    expect_difference("interface eth0 has no address 10.0.0.1/24");
    world_.inside = before;
    world_.inside->addresses = {*InterfaceAddress::parse("10.0.0.1/16")};
    expect_difference("interface eth0 has no address 10.0.0.1/24");
    world_.inside = before;
    world_.inside->routes.clear();
    expect_difference("interface eth0 has no route to 0.0.0.0/0 via 10.0.0.254");
    world_.inside = before;
    world_.inside->mac = "02:00:00:00:00:02";
    world_.inside->mtu = 1400;
    expect_difference(
        "interface eth0 has the MAC address 02:00:00:00:00:02 instead of 02:00:00:00:00:01; "
        "interface eth0 has an MTU of 1400 instead of 1500");
    world_.inside = before;
    world_.inside->is_up = false;
    world_.inside->routes.clear();
    expect_difference("interface eth0 is down");
    world_.inside = tl::unexpected(std::string("the namespace is gone"));
    expect_difference("the namespace is gone");
}

TEST_F(CniCheck, TellsWhatTheSwitchMisses) {
    row()["state"] = "down";
    expect_difference("port port1 is down");
    row()["state"] = "up";
    row()["address"] = {"10.0.0.2/24"};
    expect_difference("port port1 has no address 10.0.0.1/24");
    row()["address"] = {"10.0.0.1/24"};
    row()["network"] = "red";
    row()["netns"] = "/run/netns/b";
    expect_difference(
        "port port1 is in network red instead of blue; port port1 leads to /run/netns/b instead of "
        "/run/netns/a");
    world_.sluice.rows.clear();
    expect_difference("the switch has no port for interface eth0 of container c1");
}

TEST_F(CniCheck, ComparesTheLimits) {
    keys_["runtimeConfig"] = {{"bandwidth", {{"egressRate", 8000}, {"egressBurst", 80000}}}};
    expect_difference(
        "port port1 has for its egress no limit instead of a limit of 8000 bits a second with a burst of "
        "10000 bytes");
    row()["rate-limit"]["egress"] = {{"rate", 8000U}, {"burst", 10000U}};
    EXPECT_TRUE(done(Command::kCheck, keys_).is_null());
    keys_["runtimeConfig"]["bandwidth"].erase("egressBurst");
    EXPECT_TRUE(done(Command::kCheck, keys_).is_null());
    keys_.erase("runtimeConfig");
    expect_difference("port port1 has for its egress a limit of 8000 bits a second instead of no limit");
}

// A later plugin may have taken addresses and routes away, and says so in its result.
TEST_F(CniCheck, ComparesWithThePreviousResult) {
    world_.inside->addresses.clear();
    world_.inside->routes.clear();
    keys_["prevResult"]["ips"] = json::array();
    done(Command::kCheck, keys_);
    keys_["prevResult"]["interfaces"][0]["sandbox"] = "/run/netns/b";
    expect_difference("prevResult has no interface eth0 with the sandbox /run/netns/a");
    keys_.erase("prevResult");
    EXPECT_EQ(failed(Command::kCheck, keys_).code, kInvalidConfiguration);
}

TEST_F(CniCheck, AsksTheDelegatedPluginToo) {
    json keys = keys_;
    keys.update(delegated_);
    done(Command::kCheck, keys);
    EXPECT_EQ(world_.ipam.commands, (Words{"CHECK"}));
    world_.ipam.answers["CHECK"] = {1, R"({"code": 101, "msg": "not mine"})"};
    EXPECT_EQ(failed(Command::kCheck, keys).message, "host-local: not mine");
    break_switch(CallError::Kind::kNotReached, "", 0);
    EXPECT_EQ(failed(Command::kCheck, keys).code, kTryAgainLater);
}

// --- STATUS, GC, VERSION ---

TEST_F(CniCommands, TellsTheStatus) {
    EXPECT_TRUE(done(Command::kStatus).is_null());
    const Failure failure = failed(Command::kStatus, {{"network", "red"}});
    EXPECT_EQ(failure.code, kNotAvailable);
    EXPECT_NE(failure.message.find("the switch has no network red"), std::string::npos);
    done(Command::kStatus, {{"network", "red"}, {"subnets", {"10.1.0.0/24"}}});
    world_.sluice.networks[0]["state"] = "waiting";
    EXPECT_EQ(failed(Command::kStatus).code, kNotAvailable);
}

TEST_F(CniCommands, CollectsItsOwnGarbage) {
    Request other = request(Command::kAdd);
    for (const char* id : {"c1", "c2", "c3"}) {
        other.environment.container = id;
        ASSERT_TRUE(carry(other));
    }
    other.configuration.name = "other";
    other.environment.container = "c4";
    ASSERT_TRUE(carry(other));
    const json valid{{"cni.dev/valid-attachments",
                      {{{"containerID", "c2"}, {"ifname", "eth0"}}, {{"containerID", "c3"}, {"ifname", "eth1"}}}}};
    EXPECT_TRUE(done(Command::kGc, valid).is_null());
    ASSERT_EQ(world_.sluice.rows.size(), 2);
    EXPECT_EQ(world_.sluice.rows.begin()->first.first, "c2");
    EXPECT_EQ(world_.sluice.rows.rbegin()->first.first, "c4");
}

TEST_F(CniCommands, GoesOnWithGarbageAfterAFailure) {
    Request other = request(Command::kAdd);
    for (const char* id : {"c1", "c2"}) {
        other.environment.container = id;
        ASSERT_TRUE(carry(other));
    }
    break_switch(CallError::Kind::kDaemon, kContainerDelete);
    json keys = delegated_;
    keys["cni.dev/valid-attachments"] = json::array();
    EXPECT_EQ(failed(Command::kGc, keys).details, "the switch's words");
    EXPECT_EQ(std::count(world_.sluice.methods.begin(), world_.sluice.methods.end(), kContainerDelete), 2);
    // The addresses of ports that are still there stay taken.
    EXPECT_TRUE(world_.ipam.commands.empty());
}

TEST_F(CniCommands, RefusesAnswersOfAnotherForm) {
    const json answer = R"({"interface": "eth0", "mac": "02:00:00:00:00:01", "mtu": 1500, "routes": [],
        "socket-path": null,
        "address": [{"address": "10.0.0.5/24", "gateway": null}]})"_json;
    const auto changed = [&](const char* key, const json& value) {
        json other = answer;
        other[key] = value;
        return other;
    };
    Outside outside = world_.outside();
    json given;
    outside.call = [&](const auto&, auto, const auto&) { return given; };
    given = answer;
    EXPECT_TRUE(carry_out(request(Command::kAdd), outside));
    for (const json& wrong : {json(), json::object(), json::array(), changed("mtu", 1e128), changed("mtu", -1),
                              changed("mtu", "1500"), changed("mac", 7), changed("socket-path", 7),
                              changed("address", 7), changed("address", {{{"address", "10.0.0"}}}),
                              changed("routes", {{{"to", "10.0.0.1/24"}}}), changed("interface", json())}) {
        given = wrong;
        const auto result = carry_out(request(Command::kAdd), outside);
        ASSERT_FALSE(result) << wrong;
        EXPECT_EQ(result.error().code, kRefused);
        EXPECT_NE(result.error().message.find("are both of one version?"), std::string::npos);
    }
    for (const json& wrong : {json(), R"({"networks": 7})"_json, R"({"networks": [7]})"_json}) {
        given = wrong;
        const auto result = carry_out(request(Command::kStatus), outside);
        ASSERT_FALSE(result) << wrong;
        EXPECT_NE(result.error().message.find("are both of one version?"), std::string::npos) << wrong;
    }
}

}  // namespace
}  // namespace sluice::cni
