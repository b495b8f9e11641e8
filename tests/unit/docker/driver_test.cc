#include "docker/driver.h"

#include <gtest/gtest.h>

#include "support/directory.h"
#include "support/docker_switch.h"

namespace sluice::docker {
namespace {

using nlohmann::json;

class DockerDriver : public testing::Test {
 protected:
    void SetUp() override { restart(); }
    // As sluiced starts again: the book is read, and the switch has what it had.
    void restart() {
        driver_.reset();
        book_ = Book::load(file_);
        driver_ = std::make_unique<Driver>(switch_, book_);
    }
    json call(const std::string& name, const json& body = json::object()) {
        return json::parse(driver_->answer(name, body.dump()));
    }
    std::string error_of(const std::string& name, const json& body) { return call(name, body).value("Err", ""); }

    static json network(const std::string& id, const json& options = json::object(),
                        const std::string& pool = "10.5.0.0/24", const std::string& gateway = "10.5.0.1/24") {
        return {{"NetworkID", id},
                {"Options", {{"com.docker.network.enable_ipv6", false}, {"com.docker.network.generic", options}}},
                {"IPv4Data", {{{"AddressSpace", "sluice"}, {"Pool", pool}, {"Gateway", gateway}}}},
                {"IPv6Data", json::array()}};
    }
    static json endpoint(const std::string& id, const std::string& address, const json& options = json::object()) {
        return {{"NetworkID", "n1"},
                {"EndpointID", id},
                {"Interface", {{"Address", address}, {"AddressIPv6", ""}, {"MacAddress", ""}}},
                {"Options", options}};
    }
    static json joining(const std::string& id) {
        return {{"NetworkID", "n1"}, {"EndpointID", id}, {"SandboxKey", "/run/docker/netns/1"}, {"Options", {}}};
    }
    static json published(const std::string& id, uint16_t outside, uint16_t last,
                          const std::string& address = "") {
        return {{"NetworkID", "n1"},
                {"EndpointID", id},
                {"Options",
                 {{"com.docker.network.portmap",
                   {{{"Proto", 6},
                     {"IP", ""},
                     {"Port", 80},
                     {"HostIP", address},
                     {"HostPort", outside},
                     {"HostPortEnd", last}}}}}}};
    }
    json kEmpty = json::object();

    test::Directory directory_;
    const std::string file_ = directory_ / "state.json.docker";
    test::DockerSwitch switch_;
    Book book_;
    std::unique_ptr<Driver> driver_;
};

TEST_F(DockerDriver, IsANetworkDriverAndGivesAddresses) {
    EXPECT_EQ(call("Plugin.Activate").at("Implements"), json({"NetworkDriver", "IpamDriver"}));
    EXPECT_EQ(call("NetworkDriver.GetCapabilities").at("Scope"), "local");
    EXPECT_EQ(call("IpamDriver.GetCapabilities").at("RequiresRequestReplay"), false);
    EXPECT_EQ(call("IpamDriver.GetDefaultAddressSpaces").at("LocalDefaultAddressSpace"), "sluice");
    EXPECT_EQ(call("NetworkDriver.AllocateNetwork"), json({{"Options", json::object()}}));
    for (const char* name : {"FreeNetwork", "DiscoverNew", "DiscoverDelete"})
        EXPECT_EQ(call(std::string("NetworkDriver.") + name), kEmpty) << name;
}

TEST_F(DockerDriver, RefusesWhatIsNoCallAndNoJson) {
    EXPECT_EQ(error_of("NetworkDriver.Dance", {}), "there is no call 'NetworkDriver.Dance'");
    EXPECT_EQ(json::parse(driver_->answer("NetworkDriver.Join", "{")).at("Err"), "the body is no JSON");
    EXPECT_EQ(json::parse(driver_->answer("Plugin.Activate", "")).value("Err", ""), "");
    EXPECT_EQ(error_of("NetworkDriver.Join", json::array()), "expected a JSON object, found array");
    EXPECT_EQ(error_of("NetworkDriver.Join", {{"EndpointID", 7}}), "EndpointID: expected a string, found number");
    EXPECT_EQ(error_of("NetworkDriver.Join", {{"EndpointID", "e"}}), "SandboxKey: is missing");
    EXPECT_EQ(error_of("NetworkDriver.CreateNetwork", {{"NetworkID", "n"}, {"Options", {1}}}),
              "Options: expected an object, found array");
    EXPECT_EQ(error_of("NetworkDriver.CreateNetwork", {{"NetworkID", "n"}, {"IPv4Data", {{{"Pool", "ten"}}}}}),
              "IPv4Data.Pool: 'ten' is not an IP prefix (such as 10.0.0.0/24)");
    EXPECT_TRUE(switch_.networks.empty());
}

TEST_F(DockerDriver, MakesANetworkAndRemovesIt) {
    json body = network("4f5e6a7b8c9d0123", {{"sluice.vni", "77"},
                                             {"sluice.remotes", "192.0.2.1,192.0.2.2"},
                                             {"sluice.domain", "shop"},
                                             {"com.docker.compose.project", "any"}});
    body["IPv6Data"] = {{{"Pool", "fd05::/64"}, {"Gateway", "fd05::1/64"}}};
    EXPECT_EQ(call("NetworkDriver.CreateNetwork", body), kEmpty);
    EXPECT_EQ(switch_.last_keys, json({{"name", "docker-4f5e6a7b8c9d"},
                                       {"subnets", {"10.5.0.0/24", "fd05::/64"}},
                                       {"gateway", {"10.5.0.1", "fd05::1"}},
                                       {"domain", "shop"},
                                       {"vxlan", {{"vni", 77}, {"remotes", {"192.0.2.1", "192.0.2.2"}}}}}));
    EXPECT_EQ(call("NetworkDriver.CreateNetwork", body), kEmpty) << "it is there";
    EXPECT_EQ(call("NetworkDriver.DeleteNetwork", {{"NetworkID", "4f5e6a7b8c9d0123"}}), kEmpty);
    EXPECT_TRUE(switch_.networks.empty());
    EXPECT_EQ(book_.entries(), Entries{});
    EXPECT_EQ(call("NetworkDriver.DeleteNetwork", {{"NetworkID", "4f5e6a7b8c9d0123"}}), kEmpty) << "it is gone";
}

TEST_F(DockerDriver, TellsWhatIsWrongWithOptions) {
    const auto error = [&](const json& options) {
        return error_of("NetworkDriver.CreateNetwork", network("n1", options));
    };
    EXPECT_EQ(error({{"sluice.vnii", "7"}}),
              "there is no option 'sluice.vnii'; known are sluice.network, sluice.vni, sluice.remotes, "
              "sluice.vlan, sluice.domain, sluice.label.NAME, sluice.namespace, com.docker.network.driver.mtu, "
              "com.docker.network.container_iface_prefix");
    EXPECT_EQ(error({{"sluice.vni", "0"}}), "option sluice.vni: '0' is no number from 1 to 16777215");
    EXPECT_EQ(error({{"sluice.vlan", "7x"}}), "option sluice.vlan: '7x' is no number from 1 to 4094");
    EXPECT_EQ(error({{"sluice.vni", 7}}), "option sluice.vni: expected a string, found number");
    EXPECT_EQ(error({{"sluice.remotes", "192.0.2.1"}}), "option sluice.remotes needs sluice.vni");
    EXPECT_EQ(error({{"com.docker.network.driver.mtu", "1"}}),
              "option com.docker.network.driver.mtu: '1' is no number from 68 to 65521");
    EXPECT_NE(error({{"sluice.network", "a b"}}).find("is not a name"), std::string::npos);
    EXPECT_EQ(book_.entries(), Entries{});
}

TEST_F(DockerDriver, JoinsANetworkOfTheSwitch) {
    switch_.networks["blue"] = {{*IpPrefix::parse("10.5.0.0/24")}, {*IpAddress::parse("10.5.0.254")}};
    const auto error = [&](const json& body) { return error_of("NetworkDriver.CreateNetwork", body); };
    const json options{{"sluice.network", "blue"}};
    EXPECT_EQ(error(network("n1", options)),
              "the gateway of the switch's network blue is 10.5.0.254, and not 10.5.0.1: give docker --gateway "
              "10.5.0.254");
    EXPECT_EQ(
        error(network("n1", options, "10.6.0.0/24", "10.6.0.1/24")),
        "10.6.0.0/24 is no subnet of the switch's network blue (10.5.0.0/24): give docker the same --subnet, "
        "or let the switch give the addresses (--ipam-driver sluice --ipam-opt sluice.network=blue)");
    EXPECT_EQ(error(network("n1", {{"sluice.network", "blue"}, {"sluice.vni", "7"}})),
              "the switch has a network blue already: leave option sluice.vni out");
    const json right = network("n1", options, "10.5.0.0/24", "10.5.0.254/24");
    EXPECT_EQ(error(right), "");
    EXPECT_EQ(call("NetworkDriver.DeleteNetwork", {{"NetworkID", "n1"}}), kEmpty);
    EXPECT_TRUE(switch_.networks.contains("blue")) << "it was there before docker's";
}

TEST_F(DockerDriver, KeepsANetworkThatTwoOfDockersShare) {
    const json options{{"sluice.network", "shared"}};
    EXPECT_EQ(call("NetworkDriver.CreateNetwork", network("n1", options)), kEmpty);
    EXPECT_EQ(call("NetworkDriver.CreateNetwork", network("n2", options)), kEmpty);
    EXPECT_EQ(call("NetworkDriver.DeleteNetwork", {{"NetworkID", "n1"}}), kEmpty);
    EXPECT_TRUE(switch_.networks.contains("shared"));
    EXPECT_EQ(call("NetworkDriver.DeleteNetwork", {{"NetworkID", "n2"}}), kEmpty);
    EXPECT_FALSE(switch_.networks.contains("shared"));
}

TEST_F(DockerDriver, AnInternalNetworkHasNoGateway) {
    json body = network("n1");
    body["Options"]["com.docker.network.internal"] = true;
    EXPECT_EQ(call("NetworkDriver.CreateNetwork", body), kEmpty);
    EXPECT_FALSE(switch_.last_keys.contains("gateway"));
    call("NetworkDriver.CreateEndpoint", endpoint("e1", "10.5.0.2/24"));
    EXPECT_FALSE(call("NetworkDriver.Join", joining("e1")).contains("Gateway"));
}

TEST_F(DockerDriver, LeavesNoNetworkThatTheSwitchRefuses) {
    switch_.refusal = "subnets: overlaps";
    EXPECT_EQ(error_of("NetworkDriver.CreateNetwork", network("n1")), "subnets: overlaps");
    EXPECT_EQ(book_.entries(), Entries{});
}

TEST_F(DockerDriver, RemovesAtTheStartWhatDockerWasNotToldOf) {
    call("NetworkDriver.CreateNetwork", network("n1"));
    Network half = *book_.find_network("n1");
    half.is_confirmed = false;
    ASSERT_TRUE(book_.put(half));
    restart();
    EXPECT_TRUE(switch_.networks.empty());
    EXPECT_EQ(book_.entries(), Entries{});
}

TEST_F(DockerDriver, ContainersJoinAndLeave) {
    call("NetworkDriver.CreateNetwork", network("n1", {{"com.docker.network.driver.mtu", "1400"},
                                                       {"sluice.namespace", "shop"},
                                                       {"sluice.label.app", "web"},
                                                       {"sluice.label.tier", "back"}}));
    const json answer =
        call("NetworkDriver.CreateEndpoint", endpoint("e1", "10.5.0.2/24", {{"sluice.label.tier", "front"}}));
    const auto mac = MacAddress::parse(answer.at("Interface").at("MacAddress").get<std::string>());
    ASSERT_TRUE(mac) << answer;
    EXPECT_FALSE(mac->is_multicast());
    EXPECT_FALSE(answer.at("Interface").contains("Address")) << "docker has given it";

    restart();
    const json joined = call("NetworkDriver.Join", joining("e1"));
    EXPECT_EQ(joined, json({{"InterfaceName", {{"SrcName", "sle1"}, {"DstPrefix", "eth"}}},
                            {"Gateway", "10.5.0.1"},
                            {"DisableGatewayService", true}}));
    const Attachment& port = switch_.ports.at("e1").attachment;
    EXPECT_EQ(port.network, "docker-n1");
    EXPECT_EQ(port.netns, "/run/docker/netns/1");
    EXPECT_EQ(port.addresses, std::vector{*IpAddress::parse("10.5.0.2")});
    EXPECT_EQ(port.mac, *mac);
    EXPECT_EQ(port.mtu, 1400);
    EXPECT_EQ(port.name_space, "shop");
    EXPECT_EQ(port.labels, (base::Words{{"app", "web"}, {"tier", "front"}}));
    EXPECT_EQ(call("NetworkDriver.EndpointOperInfo", joining("e1")), json({{"Value", json::object()}}));

    EXPECT_EQ(call("NetworkDriver.Leave", joining("e1")), kEmpty);
    EXPECT_EQ(call("NetworkDriver.Leave", joining("e1")), kEmpty) << "again";
    EXPECT_TRUE(switch_.ports.empty());
    EXPECT_EQ(call("NetworkDriver.DeleteEndpoint", joining("e1")), kEmpty);
    EXPECT_EQ(call("NetworkDriver.DeleteEndpoint", joining("e1")), kEmpty) << "again";
    EXPECT_TRUE(book_.entries().endpoints.empty());
}

TEST_F(DockerDriver, ConfirmsWhatDockerHasChosen) {
    call("NetworkDriver.CreateNetwork", network("n1"));
    json body = endpoint("e1", "10.5.0.2/24");
    body["Interface"]["MacAddress"] = "02:00:00:00:00:09";
    EXPECT_EQ(call("NetworkDriver.CreateEndpoint", body), json({{"Interface", json::object()}}));
    EXPECT_EQ(book_.find_endpoint("e1")->mac.text(), "02:00:00:00:00:09");
}

TEST_F(DockerDriver, KnowsNoEndpointOfAnUnknownNetwork) {
    EXPECT_EQ(error_of("NetworkDriver.CreateEndpoint", endpoint("e1", "10.5.0.2/24")),
              "the switch doesn't know network n1: remove it, and create it again");
    EXPECT_EQ(error_of("NetworkDriver.Join", joining("e1")), "the switch doesn't know endpoint e1");
}

TEST_F(DockerDriver, AnEndpointThatIsLeftOverGivesUpItsAddress) {
    call("NetworkDriver.CreateNetwork", network("n1"));
    call("NetworkDriver.CreateEndpoint", endpoint("e1", "10.5.0.2/24"));
    call("NetworkDriver.Join", joining("e1"));
    EXPECT_EQ(error_of("NetworkDriver.CreateEndpoint", endpoint("e2", "10.5.0.2/24")),
              "10.5.0.2 is the address of endpoint e1");
    switch_.ports.at("e1").has_container = false;
    EXPECT_EQ(error_of("NetworkDriver.CreateEndpoint", endpoint("e2", "10.5.0.2/24")), "");
    EXPECT_TRUE(switch_.ports.empty());
    EXPECT_EQ(book_.find_endpoint("e1"), nullptr);
}

TEST_F(DockerDriver, ANetworkGoesWithWhatContainersHaveLeft) {
    call("NetworkDriver.CreateNetwork", network("n1"));
    call("NetworkDriver.CreateEndpoint", endpoint("e1", "10.5.0.2/24"));
    call("NetworkDriver.Join", joining("e1"));
    EXPECT_EQ(call("NetworkDriver.DeleteNetwork", {{"NetworkID", "n1"}}), kEmpty);
    EXPECT_TRUE(switch_.ports.empty());
    EXPECT_EQ(book_.entries(), Entries{});
}

TEST_F(DockerDriver, PublishesPorts) {
    const auto publish = [&](const json& body) {
        return error_of("NetworkDriver.ProgramExternalConnectivity", body);
    };
    EXPECT_EQ(publish(published("e1", 8080, 8080)), "endpoint e1 has not joined");
    call("NetworkDriver.CreateNetwork", network("n1"));
    call("NetworkDriver.CreateEndpoint", endpoint("e1", "10.5.0.2/24"));
    call("NetworkDriver.Join", joining("e1"));
    EXPECT_EQ(publish(published("e1", 8080, 8089)), "");
    const auto& now = switch_.ports.at("e1").published;
    EXPECT_EQ(now, (std::vector<Published>{{"tcp", {}, {8080, 8089}, 80}}));
    EXPECT_EQ(publish(published("e1", 0, 0, "0.0.0.0")), "");
    EXPECT_EQ(now, (std::vector<Published>{{"tcp", {}, {32768, 60999}, 80}})) << "any port will do";
    EXPECT_EQ(publish(published("e1", 8080, 8080, "192.0.2.1")), "");
    EXPECT_EQ(now, (std::vector<Published>{{"tcp", *IpAddress::parse("192.0.2.1"), {8080, 8080}, 80}}));
    json both = published("e1", 8080, 8080, "0.0.0.0");
    json& list = both["Options"]["com.docker.network.portmap"];
    list.push_back(list[0]);
    list[1]["HostIP"] = "::";
    EXPECT_EQ(publish(both), "");
    EXPECT_EQ(now.size(), 1u);
    list[0]["Proto"] = 1;
    EXPECT_EQ(publish(both), "Options.com.docker.network.portmap: no protocol, or no port");
    EXPECT_EQ(call("NetworkDriver.RevokeExternalConnectivity", joining("e1")), kEmpty);
    EXPECT_TRUE(now.empty());
    call("NetworkDriver.Leave", joining("e1"));
    EXPECT_EQ(call("NetworkDriver.RevokeExternalConnectivity", joining("e1")), kEmpty);
}

TEST_F(DockerDriver, PublishesNothingInANetworkWithoutGateway) {
    call("NetworkDriver.CreateNetwork", network("n1", {}, "10.5.0.0/24", ""));
    json body = endpoint("e1", "10.5.0.2/24", published("e1", 80, 80).at("Options"));
    EXPECT_EQ(error_of("NetworkDriver.CreateEndpoint", body),
              "network docker-n1 has no gateway, so no port can be published");
}

// --- addresses ---

class DockerPools : public DockerDriver {
 protected:
    json pool(const json& body) { return call("IpamDriver.RequestPool", body); }
    std::string address(const std::string& pool_id, const std::string& wanted = "",
                        const json& options = json::object()) {
        const json answer =
            call("IpamDriver.RequestAddress", {{"PoolID", pool_id}, {"Address", wanted}, {"Options", options}});
        return answer.contains("Err") ? answer.at("Err").get<std::string>()
                                      : answer.at("Address").get<std::string>();
    }
    void release(const std::string& pool_id, const std::string& given) {
        EXPECT_EQ(call("IpamDriver.ReleaseAddress", {{"PoolID", pool_id}, {"Address", given}}), kEmpty);
    }
    const json kGateway{{"RequestAddressType", "com.docker.network.gateway"}};
};

TEST_F(DockerPools, GivesTheAddressesOfASubnetInTurn) {
    const json given = pool({{"AddressSpace", "sluice"}, {"Pool", "10.5.0.0/29"}, {"Options", nullptr}});
    EXPECT_EQ(given.at("Pool"), "10.5.0.0/29");
    const std::string id = given.at("PoolID");
    EXPECT_EQ(address(id, "", kGateway), "10.5.0.1/29");
    EXPECT_EQ(address(id), "10.5.0.2/29");
    EXPECT_EQ(address(id, "10.5.0.5"), "10.5.0.5/29");
    EXPECT_EQ(address(id, "10.5.0.5"), "10.5.0.5 is in use already");
    EXPECT_EQ(address(id, "10.6.0.5"), "10.6.0.5 is not in 10.5.0.0/29");
    EXPECT_EQ(address(id, "10.5.0.7"), "10.5.0.7 is the broadcast address of 10.5.0.0/29");
    release(id, "10.5.0.2");
    EXPECT_EQ(address(id), "10.5.0.3/29") << "the one that was given back rests";
    EXPECT_EQ(address(id), "10.5.0.4/29");
    restart();
    EXPECT_EQ(address(id), "10.5.0.2/29");
    EXPECT_EQ(address(id), "10.5.0.6/29");
    EXPECT_EQ(address(id), "no address is left in 10.5.0.0/29");
    release(id, "10.5.0.3");
    EXPECT_EQ(address(id), "10.5.0.3/29");
    EXPECT_EQ(call("IpamDriver.ReleasePool", {{"PoolID", id}}), kEmpty);
    EXPECT_EQ(call("IpamDriver.ReleasePool", {{"PoolID", id}}), kEmpty) << "again";
    EXPECT_EQ(book_.entries(), Entries{});
    EXPECT_EQ(address(id), "there is no pool '" + id + "'");
}

TEST_F(DockerPools, ChoosesInsideOfARange) {
    const std::string id = pool({{"Pool", "10.5.0.0/24"}, {"SubPool", "10.5.0.128/30"}}).at("PoolID");
    for (const char* wanted : {"10.5.0.128/24", "10.5.0.129/24", "10.5.0.130/24", "10.5.0.131/24"})
        EXPECT_EQ(address(id), wanted);
    EXPECT_EQ(address(id), "no address is left in 10.5.0.128/30");
    EXPECT_EQ(address(id, "10.5.0.9"), "10.5.0.9/24") << "asked for";
    EXPECT_EQ(error_of("IpamDriver.RequestPool", {{"Pool", "10.7.0.0/24"}, {"SubPool", "10.8.0.0/30"}}),
              "the range 10.8.0.0/30 is not inside of 10.7.0.0/24");
}

TEST_F(DockerPools, ChoosesSubnetsThatNobodyHas) {
    switch_.networks["blue"] = {{*IpPrefix::parse("10.213.0.0/23")}, {}};
    EXPECT_EQ(pool({{"Pool", ""}}).at("Pool"), "10.213.2.0/24");
    EXPECT_EQ(pool({{"Pool", ""}}).at("Pool"), "10.213.3.0/24");
    EXPECT_EQ(pool({{"Pool", ""}, {"V6", true}}).at("Pool"), "fd73:6c75:6963::/64");
    const std::string id = pool({{"Pool", "10.5.0.0/16"}}).at("PoolID");
    address(id);
    EXPECT_EQ(error_of("IpamDriver.RequestPool", {{"Pool", "10.5.1.0/24"}}),
              "10.5.1.0/24 overlaps 10.5.0.0/16, which another network has");
}

TEST_F(DockerPools, ARepeatedRequestGetsTheSamePool) {
    const json first = pool({{"Pool", "10.5.0.0/24"}});
    EXPECT_EQ(pool({{"Pool", "10.5.0.0/24"}}), first);
    EXPECT_EQ(book_.entries().pools.size(), 1u);
}

TEST_F(DockerPools, GivesAddressesOfANetworkBesideThoseInUse) {
    switch_.networks["blue"] = {{*IpPrefix::parse("10.5.0.0/24"), *IpPrefix::parse("fd05::/64")},
                                {*IpAddress::parse("10.5.0.2")}};
    switch_.ports["other"] = {{.network = "blue", .addresses = {*IpAddress::parse("10.5.0.3")}}};
    const json options{{"sluice.network", "blue"}};
    const json given = pool({{"Pool", ""}, {"Options", options}});
    EXPECT_EQ(given.at("Pool"), "10.5.0.0/24");
    EXPECT_EQ(given.at("Data"), json({{"com.docker.network.gateway", "10.5.0.2/24"}}));
    const std::string id = given.at("PoolID");
    EXPECT_EQ(address(id, "", kGateway), "10.5.0.2/24") << "the switch's own";
    EXPECT_EQ(address(id), "10.5.0.1/24");
    EXPECT_EQ(address(id), "10.5.0.4/24");
    const std::string second = pool({{"Pool", ""}, {"Options", options}}).at("PoolID");
    EXPECT_NE(second, id);
    EXPECT_EQ(address(second), "10.5.0.5/24") << "the first pool has the others";
    EXPECT_EQ(pool({{"V6", true}, {"Options", options}}).at("Pool"), "fd05::/64");
    EXPECT_EQ(book_.addresses_in("blue").size(), 3u);
    EXPECT_EQ(error_of("IpamDriver.RequestPool", {{"Options", {{"sluice.network", "red"}}}}),
              "option sluice.network: the switch has no network 'red'");
    EXPECT_EQ(error_of("IpamDriver.RequestPool", {{"Pool", "10.6.0.0/24"}, {"Options", options}}),
              "10.6.0.0/24 is no subnet of the switch's network blue");
}

// Each of its addresses would be looked at for one that a host can have.
TEST_F(DockerPools, ASubnetWithoutHostsIsRefused) {
    for (const char* subnet : {"ff05::/64", "224.0.0.0/4", "127.0.0.0/8"}) {
        EXPECT_EQ(error_of("IpamDriver.RequestPool", {{"Pool", subnet}}),
                  fmt::format("{} has no addresses of hosts", subnet));
    }
    EXPECT_TRUE(book_.entries().pools.empty());
}

// --- the book ---

TEST_F(DockerDriver, ABookThatCannotBeReadIsPutAside) {
    call("NetworkDriver.CreateNetwork", network("n1"));
    test::write_file(file_, "{\"version\": 2}");
    restart();
    EXPECT_EQ(book_.entries(), Entries{});
    size_t kept = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / "")) {
        if (entry.path().string().find(".bad-") != std::string::npos) ++kept;
    }
    EXPECT_EQ(kept, 1u);
}

TEST_F(DockerDriver, AnErrorOfTheFileChangesNothing) {
    std::filesystem::create_directory(file_);
    EXPECT_NE(error_of("NetworkDriver.CreateNetwork", network("n1")), "");
    EXPECT_EQ(book_.entries(), Entries{});
    EXPECT_TRUE(switch_.networks.empty());
}

}  // namespace
}  // namespace sluice::docker
