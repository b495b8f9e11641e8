// Containers that a runtime adds, against a switch with real interfaces and sockets.
#include "control/containers.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "support/directory.h"
#include "support/netns.h"
#include "support/pools.h"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

class Containers : public testing::Test {
 protected:
    void SetUp() override {
        if (!space_.is_there() || access("/dev/net/tun", R_OK | W_OK) != 0) {
            GTEST_SKIP() << "needs root and /dev/net/tun";
        }
        test::write_file(file_, fmt::format("state: {}\nnetworks:\n  - {{name: blue, subnets: [10.0.0.0/29, "
                                            "'fd00::/64'], gateway: [10.0.0.6]}}\n",
                                            directory_ / "state.json"));
        start();
    }
    void start() {
        switch_ = std::make_unique<engine::Switch>(uint16_t{1}, test::switch_pools(), "test");
        auto intent = engine::Intent::load(file_);
        ASSERT_TRUE(intent) << intent.error()[0].text();
        intent_ = std::make_unique<engine::Intent>(std::move(*intent));
        const auto started = intent_->start(*switch_, engine::Clock::now());
        ASSERT_TRUE(started) << started.error()[0].text();
        daemon_.reset(new Running{*switch_, *intent_, eal_, engine::Clock::now(), {}});
    }
    // As after a crash: all that the daemon remembers is its state file.
    void restart() {
        daemon_.reset();
        intent_.reset();
        switch_.reset();
        start();
    }
    json request(const std::string& id, const json& more = json::object()) const {
        json params{{"container", id}, {"by", "cni:test"}, {"network", "blue"}};
        if (!more.contains("vhost-user")) {
            params["netns"] = space_.path();
            params["interface"] = "if-" + id;
        }
        params.update(more);
        return params;
    }
    json added(const json& params) {
        const Answer answer = container_add(*daemon_, params);
        EXPECT_TRUE(answer) << answer.error().message;
        return answer.value_or(json());
    }
    std::string refusal(const json& params) {
        const Answer answer = container_add(*daemon_, params);
        EXPECT_FALSE(answer) << answer->dump();
        return answer ? "" : answer.error().message;
    }
    bool deleted(const json& params) { return container_delete(*daemon_, params).value().at("deleted"); }
    json rows() { return container_list(*daemon_, json::object()).value().at("containers"); }
    static json first_address(const json& answer) { return answer.at("address").at(0).at("address"); }
    size_t ports() const { return switch_->ports().size(); }

    test::Directory directory_;
    const std::string file_ = directory_ / "sluice.yaml";
    test::Netns space_;
    const engine::Eal eal_{false, {0}, {0}};
    std::unique_ptr<engine::Switch> switch_;
    std::unique_ptr<engine::Intent> intent_;
    std::unique_ptr<Running> daemon_;
};

TEST_F(Containers, GetAnInterfaceWithAFreeAddressOfEachFamily) {
    const json answer = added(request("c1"));
    EXPECT_EQ(answer.at("interface"), "if-c1");
    EXPECT_EQ(answer.at("port").at("state"), "up");
    EXPECT_EQ(answer.at("mtu"), 1500);
    EXPECT_EQ(answer.at("address"), R"([{"address": "10.0.0.1/29", "gateway": "10.0.0.6"},
        {"address": "fd00::1/64", "gateway": null}])"_json);
    EXPECT_EQ(answer.at("routes"), R"([{"to": "0.0.0.0/0", "via": "10.0.0.6"}])"_json);
    EXPECT_TRUE(space_.shell("ip -4 -o address show if-c1 | grep -q 10.0.0.1/29"));
    EXPECT_NE(first_address(added(request("c2"))), first_address(answer));
}

TEST_F(Containers, AreAddedAndDeletedTwiceWithOneResult) {
    const json first = added(request("c1"));
    json again = added(request("c1"));
    for (const char* key : {"address", "mac", "routes", "interface"})
        EXPECT_EQ(again.at(key), first.at(key)) << key;
    EXPECT_EQ(ports(), 1u);
    EXPECT_TRUE(deleted(request("c1")));
    EXPECT_FALSE(deleted(request("c1")));
    EXPECT_EQ(ports(), 0u);
    EXPECT_FALSE(space_.shell("ip link show if-c1 2>/dev/null"));
}

TEST_F(Containers, AreToldApartByIdInterfaceAndRuntime) {
    added(request("c1"));
    added(request("c1", {{"interface", "second"}}));
    added(request("c1", {{"by", "cni:other"}, {"interface", "third"}}));
    EXPECT_EQ(rows().size(), 3u);
    EXPECT_FALSE(deleted(request("c1", {{"by", "cni:other"}})));
    EXPECT_TRUE(deleted(request("c1", {{"by", "cni:other"}, {"interface", "third"}})));
    EXPECT_EQ(container_list(*daemon_, {{"by", "cni:test"}}).value().at("containers").size(), 2u);
}

TEST_F(Containers, ThatCannotBeAddedLeaveNothing) {
    EXPECT_NE(refusal(request("c1", {{"netns", "/run/netns/no-such"}})).find("does not exist"), std::string::npos);
    EXPECT_NE(refusal(request("c1", {{"network", "no-such"}})).find("no-such"), std::string::npos);
    EXPECT_NE(refusal(request("c1", {{"address", {"10.9.0.1"}}})).find("10.9.0.1"), std::string::npos);
    EXPECT_NE(refusal(request("c1", {{"rate-limit", {{"ingress", {{"rate", 1}}}}}})).find("rate"),
              std::string::npos);
    const json made{{"network", "new"}, {"subnets", {"10.3.0.0/24"}}, {"netns", "/run/netns/no-such"}};
    EXPECT_NE(refusal(request("c1", made)).find("does not exist"), std::string::npos);
    EXPECT_EQ(engine::find_network(intent_->config(), "new"), nullptr);
    EXPECT_EQ(ports(), 0u);
    EXPECT_EQ(rows(), json::array());
    EXPECT_TRUE(intent_->waiting().empty());
}

TEST_F(Containers, BringANetworkThatThereIsNot) {
    const json made{{"network", "new"}, {"subnets", {"10.3.0.0/24"}}, {"gateway", {"10.3.0.1"}}};
    EXPECT_EQ(first_address(added(request("c1", made))), "10.3.0.2/24");
    EXPECT_EQ(first_address(added(request("c2", made))), "10.3.0.3/24");
    EXPECT_NE(engine::find_network(intent_->config(), "new"), nullptr);
}

TEST_F(Containers, AreMoreThanThereAreAddresses) {
    for (const char* id : {"c1", "c2", "c3", "c4", "c5"}) added(request(id));
    EXPECT_NE(refusal(request("c6")).find("c1-if-c1"), std::string::npos) << "it says who has them";
    EXPECT_EQ(ports(), 5u);
    deleted(request("c2"));
    EXPECT_EQ(first_address(added(request("c6"))), "10.0.0.2/29");
}

TEST_F(Containers, ComeBackAfterARestart) {
    const json first = added(request("c1"));
    restart();
    EXPECT_EQ(rows().size(), 1u);
    const json again = added(request("c1"));
    EXPECT_EQ(again.at("address"), first.at("address"));
    EXPECT_EQ(again.at("mac"), first.at("mac"));
    EXPECT_NE(first_address(added(request("c2"))), first_address(first));
    EXPECT_TRUE(deleted(request("c1")));
    restart();
    EXPECT_EQ(rows().size(), 1u);
}

TEST_F(Containers, HaveTheLimitsThatAreAskedForLast) {
    const auto asking = [&](uint64_t rate) {
        return request("c1", {{"rate-limit", {{"egress", {{"rate", rate}, {"burst", 100'000}}}}}});
    };
    added(asking(8'000'000));
    EXPECT_EQ(rows()[0].at("rate-limit"),
              R"({"ingress": null, "egress": {"rate": 8000000, "burst": 100000}})"_json);
    added(asking(16'000'000));
    EXPECT_EQ(rows()[0].at("rate-limit").at("egress").at("rate"), 16'000'000);
    EXPECT_EQ(ports(), 1u);
}

TEST_F(Containers, MayHaveASocketInsteadOfAnInterface) {
    const std::string folder = directory_ / "sockets/c1";
    const json asked = request(
        "c1", {{"interface", "net1"}, {"vhost-user", {{"path", folder + "/net1.sock"}, {"mode", "server"}}}});
    const json answer = added(asked);
    EXPECT_EQ(answer.at("interface"), "net1");
    EXPECT_EQ(answer.at("socket-path"), folder + "/net1.sock");
    EXPECT_EQ(first_address(answer), "10.0.0.1/29");
    struct stat status {};
    ASSERT_EQ(stat((folder + "/net1.sock").c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 0777, 0600);
    EXPECT_EQ(added(asked).at("address"), answer.at("address"));
    EXPECT_EQ(rows()[0].at("interface"), "net1");
    EXPECT_EQ(rows()[0].at("netns"), nullptr);
    restart();
    EXPECT_EQ(added(asked).at("address"), answer.at("address"));
    EXPECT_TRUE(deleted(asked));
    EXPECT_FALSE(std::filesystem::exists(folder));
    EXPECT_TRUE(std::filesystem::exists(directory_ / "sockets")) << "it may be the operator's";
    EXPECT_FALSE(deleted(asked));
}

TEST_F(Containers, KeepASocketsFolderThatIsNotTheirs) {
    const std::string folder = directory_ / "shared";
    std::filesystem::create_directory(folder);
    const json asked = request("c1", {{"vhost-user", {{"path", folder + "/c1.sock"}, {"mode", "server"}}}});
    added(asked);
    EXPECT_TRUE(deleted(asked));
    EXPECT_TRUE(std::filesystem::exists(folder));
    EXPECT_TRUE(std::filesystem::is_empty(folder));
    // What isn't of the form of a port's keys is refused, whatever it is.
    for (const json& wrong : {json(7), json::array(), json{{"path", 7}}, json{{"path", "relative"}}}) {
        refusal(request("c2", {{"vhost-user", wrong}}));
    }
    EXPECT_EQ(ports(), 0u);
}

}  // namespace
}  // namespace sluice::control
