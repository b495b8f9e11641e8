#include "engine/pod_policies.h"

#include <gtest/gtest.h>

#include <random>

#include "kube/manifest.h"
#include "support/plain_policy.h"

namespace sluice::engine {
namespace {

using Json = nlohmann::json;
using kube::Key;
using kube::Kind;
using test::PlainPolicy;

std::vector<kube::Object> objects(const std::string& text) {
    auto manifest = kube::parse_manifest(text, "f", kube::UnknownKinds::kRefuse);
    if (!manifest) {
        for (const base::Error& error : manifest.error()) ADD_FAILURE() << error.text() << "\n" << text;
        return {};
    }
    return std::move(manifest->objects);
}

uint8_t number_of(const std::string& protocol) {
    return protocol == "TCP" ? 6 : protocol == "UDP" ? 17 : protocol == "SCTP" ? 132 : 1;
}

// The switch's answer for a connection between two addresses, and both objects that decided.
struct Judged {
    bool permits = true;
    pod::Answer egress, ingress;
};
Judged judge(const pod::Pods& pods, const std::string& source, const std::string& destination,
             const std::string& protocol, int port) {
    const IpAddress from = *IpAddress::parse(source);
    const IpAddress to = *IpAddress::parse(destination);
    const pod::Service service{number_of(protocol), number_of(protocol) != 1, static_cast<uint16_t>(port)};
    const pod::Pod* sender = pods.at(from);
    const pod::Pod* receiver = pods.at(to);
    Judged judged;
    if (sender != nullptr) {
        judged.egress = pod::judge(*sender, pod::Direction::kEgress, {receiver, to}, receiver, service);
    }
    if (receiver != nullptr && judged.egress.permits) {
        judged.ingress = pod::judge(*receiver, pod::Direction::kIngress, {sender, from}, receiver, service);
    }
    judged.permits = judged.egress.permits && judged.ingress.permits;
    return judged;
}

class World {
 public:
    void apply(const std::string& text) {
        auto change = store_.apply(objects(text), 0);
        ASSERT_TRUE(change);
        policies_.apply(*change);
    }
    void remove(const std::vector<Key>& keys) {
        auto change = store_.remove(keys);
        ASSERT_TRUE(change);
        policies_.apply(*change);
    }
    bool permits(const std::string& from, const std::string& to, int port, const std::string& protocol = "TCP") {
        return judge(*policies_.pods(), from, to, protocol, port).permits;
    }
    // Who decided, a line each: "networkpolicy shop/api ingress rule 0 (f:3:5)".
    std::string deciders(uint32_t object) {
        std::string text;
        for (const PodPolicies::Decider& it : policies_.describe(object)) {
            text += it.key.text() + (it.direction == pod::Direction::kIngress ? " ingress" : " egress");
            if (it.rule) text += " rule " + std::to_string(*it.rule);
            text += " (" + base::origin(it.place) + ")\n";
        }
        return text;
    }
    kube::Store& store() { return store_; }
    PodPolicies& policies() { return policies_; }

 private:
    uint32_t next_object_ = 1;
    kube::Store store_;
    PodPolicies policies_{next_object_};
};

std::string pod(const std::string& name, const std::string& address, const std::string& labels,
                const std::string& space = "shop") {
    return "---\n{apiVersion: v1, kind: Pod, metadata: {name: " + name + ", namespace: " + space + ", labels: {" +
           labels + "}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}, status: "
           "{podIP: " + address + "}}\n";
}
std::string policy(const std::string& name, const std::string& spec, const std::string& space = "shop") {
    return "---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: " + name +
           ", namespace: " + space + "}, spec: " + spec + "}\n";
}

const std::string kFront = "10.0.0.1", kApi = "10.0.0.2", kDb = "10.0.0.3", kOutside = "192.0.2.1";
const std::string kPods = pod("front", kFront, "app: front") + pod("api", kApi, "app: api") + pod("db", kDb, "app: db");
const std::string kTutorial = policy(
    "api",
    "{podSelector: {matchLabels: {app: api}}, policyTypes: [Ingress, Egress],\n"
    "  ingress: [{from: [{podSelector: {matchLabels: {app: front}}}], ports: [{port: 8080}]}],\n"
    "  egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]}");

TEST(PodPolicies, TheTutorialsPolicyHolds) {
    World world;
    world.apply(kPods + kTutorial);
    EXPECT_TRUE(world.permits(kFront, kApi, 8080));
    EXPECT_FALSE(world.permits(kFront, kApi, 8081));
    EXPECT_FALSE(world.permits(kFront, kApi, 8080, "UDP"));
    EXPECT_FALSE(world.permits(kDb, kApi, 8080));
    EXPECT_FALSE(world.permits(kOutside, kApi, 8080));
    EXPECT_TRUE(world.permits(kApi, kDb, 5432));
    EXPECT_FALSE(world.permits(kApi, kOutside, 5432));
    EXPECT_TRUE(world.permits(kApi, kApi, 1));
    EXPECT_TRUE(world.permits(kFront, kDb, 1));
}

TEST(PodPolicies, EachAnswerNamesWhatDecided) {
    World world;
    world.apply(kPods + kTutorial + policy("all", "{podSelector: {}, policyTypes: [Ingress], ingress: []}"));
    const auto pods = world.policies().pods();
    EXPECT_EQ(world.deciders(judge(*pods, kFront, kApi, "TCP", 8080).ingress.object),
              "networkpolicy shop/api ingress rule 0 (f:9:13)\n");
    EXPECT_EQ(world.deciders(judge(*pods, kApi, kDb, "TCP", 5432).egress.object),
              "networkpolicy shop/api egress rule 0 (f:10:12)\n");
    EXPECT_EQ(world.deciders(judge(*pods, kDb, kApi, "TCP", 8080).ingress.object),
              "networkpolicy shop/all ingress (f:12:1)\nnetworkpolicy shop/api ingress (f:8:1)\n");
    EXPECT_EQ(world.deciders(judge(*pods, kApi, kFront, "TCP", 80).egress.object),
              "networkpolicy shop/api egress (f:8:1)\n");
    EXPECT_EQ(judge(*pods, kFront, kOutside, "TCP", 80).egress.object, 0U);
}

// What has a protocol and no port, as a later fragment whose first one nobody knows.
TEST(PodPolicies, ARuleWithPortsTakesNothingWithoutAPort) {
    World world;
    world.apply(kPods + policy("api", "{podSelector: {}, ingress: [{ports: [{}]}]}"));
    const auto pods = world.policies().pods();
    const pod::Pod& api = *pods->at(*IpAddress::parse(kApi));
    const pod::Peer outside{nullptr, *IpAddress::parse(kOutside)};
    EXPECT_TRUE(pod::judge(api, pod::Direction::kIngress, outside, &api, {6, true, 0}).permits);
    EXPECT_FALSE(pod::judge(api, pod::Direction::kIngress, outside, &api, {6, false, 0}).permits);
}

TEST(PodPolicies, ChangesTakeEffect) {
    World world;
    world.apply(kPods + kTutorial);
    world.apply(pod("front", kFront, "app: back"));
    EXPECT_FALSE(world.permits(kFront, kApi, 8080));
    world.apply(pod("front", kFront, "app: front"));
    EXPECT_TRUE(world.permits(kFront, kApi, 8080));
    world.apply(policy("api", "{podSelector: {matchLabels: {app: api}}, ingress: [{ports: [{port: http}]}]}"));
    EXPECT_TRUE(world.permits(kOutside, kApi, 8080));
    EXPECT_FALSE(world.permits(kOutside, kApi, 80));
    EXPECT_TRUE(world.permits(kApi, kOutside, 80));
    world.remove({{Kind::kNetworkPolicy, "shop", "api"}});
    EXPECT_TRUE(world.permits(kOutside, kApi, 80));
}

// An address that passes from one pod to another takes nothing of the first with it.
TEST(PodPolicies, AnAddressBelongsToThePodThatHasItNow) {
    World world;
    world.apply(kPods + kTutorial);
    world.apply(pod("late", kFront, "app: other"));
    EXPECT_FALSE(world.permits(kFront, kApi, 8080));
    world.remove({{Kind::kPod, "shop", "late"}});
    EXPECT_TRUE(world.permits(kFront, kApi, 8080));
    world.remove({{Kind::kPod, "shop", "front"}});
    EXPECT_FALSE(world.permits(kFront, kApi, 8080));
    world.apply(
        "{apiVersion: v1, kind: Pod, metadata: {name: front, namespace: shop, labels: {app: front}}, spec: "
        "{containers: [{name: c}]}, status: {phase: Succeeded, podIP: 10.0.0.1}}");
    EXPECT_FALSE(world.permits(kFront, kApi, 8080)) << "a pod that is over owns no address";
}

TEST(PodPolicies, APodWithoutAStatusHasItsPortsAddresses) {
    World world;
    world.apply(kTutorial + pod("db", kDb, "app: db"));
    world.apply("{apiVersion: v1, kind: Pod, metadata: {name: api, namespace: shop, labels: {app: api}}, spec: "
                "{containers: [{name: c}]}}");
    EXPECT_TRUE(world.permits(kApi, kOutside, 80));
    const path::PortId port{7};
    world.policies().attach("veth7", {port, "shop", "api", {}, {*IpAddress::parse(kApi)}});
    EXPECT_FALSE(world.permits(kApi, kOutside, 80));
    const auto pods = world.policies().pods();
    EXPECT_EQ(pods->at(port), pods->at(*IpAddress::parse(kApi)));
    // A port with labels of its own needs no Pod.
    kube::Labels front;
    front.set("app", "front");
    world.policies().attach("veth8", {path::PortId{8}, "shop", "", front, {*IpAddress::parse(kFront)}});
    EXPECT_TRUE(world.permits(kFront, kApi, 8080));
    world.policies().detach("veth8");
    EXPECT_FALSE(world.permits(kFront, kApi, 8080));
    world.policies().detach("veth7");
    EXPECT_TRUE(world.permits(kApi, kOutside, 80));
}

// A drop of the past is told with the policies that refused it then.
TEST(PodPolicies, ARefusalKeepsItsNames) {
    World world;
    world.apply(kPods + kTutorial);
    const auto refusal = judge(*world.policies().pods(), kDb, kApi, "TCP", 8080).ingress.object;
    world.apply(policy("all", "{podSelector: {}}"));
    const auto next = judge(*world.policies().pods(), kDb, kApi, "TCP", 8080).ingress.object;
    EXPECT_EQ(world.deciders(refusal), "networkpolicy shop/api ingress (f:8:1)\n");
    EXPECT_EQ(world.deciders(next), "networkpolicy shop/all ingress (f:2:1)\nnetworkpolicy shop/api ingress (f:8:1)\n");
    world.remove({{Kind::kNamespace, "", "shop"}});
    EXPECT_EQ(world.deciders(refusal), "networkpolicy shop/api ingress (f:8:1)\n");
}

TEST(PodPolicies, APolicyThatSelectsNobodyIsIdle) {
    World world;
    world.apply(kPods + kTutorial + policy("nobody", "{podSelector: {matchLabels: {app: none}}}"));
    ASSERT_EQ(world.policies().idle().size(), 1U);
    EXPECT_EQ(world.policies().idle()[0].key.name, "nobody");
}

// A policy may select it before its object is there, and after.
TEST(PodPolicies, APortsPodIsOfItsNamespaceWithoutAnObject) {
    World world;
    world.apply(policy("all", "{podSelector: {}}"));
    world.policies().attach("veth7", {path::PortId{7}, "shop", "api", {}, {*IpAddress::parse(kApi)}});
    EXPECT_FALSE(world.permits(kOutside, kApi, 80));
    world.apply(policy("web", "{podSelector: {matchLabels: {app: api}}, ingress: [{}]}") + pod("api", kApi, "app: api"));
    EXPECT_TRUE(world.permits(kOutside, kApi, 80));
    world.remove({{Kind::kPod, "shop", "api"}});
    EXPECT_FALSE(world.permits(kOutside, kApi, 80));
    world.policies().detach("veth7");
    EXPECT_TRUE(world.permits(kOutside, kApi, 80));
}

TEST(PodPolicies, WhatAChangeDoesNotConcernStaysTheSameObject) {
    World world;
    world.apply(kPods + kTutorial);
    const auto pods = world.policies().pods();
    EXPECT_EQ(world.policies().pods(), pods);
    const auto* db = pods->at(*IpAddress::parse(kDb));
    const auto* api = pods->at(*IpAddress::parse(kApi));
    world.apply(policy("other", "{podSelector: {matchLabels: {app: front}}}"));
    const auto after = world.policies().pods();
    EXPECT_EQ(after->at(*IpAddress::parse(kDb)), db);
    EXPECT_EQ(after->at(*IpAddress::parse(kApi)), api);
    EXPECT_NE(after->at(*IpAddress::parse(kFront)), pods->at(*IpAddress::parse(kFront)));
}

// --- random worlds ---

class Dice {
 public:
    explicit Dice(unsigned seed) : random_(seed) {}
    bool one_in(unsigned n) { return random_() % n == 0; }
    unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
    std::string of(const std::vector<std::string>& list) { return list[random_() % list.size()]; }

 private:
    std::mt19937 random_;
};

const std::vector<std::string> kSpaces{"a", "b", "default"};
const std::vector<std::string> kNames{"p0", "p1", "p2", "p3"};

Json random_labels(Dice& dice) {
    Json labels = Json::object();
    for (const char* key : {"x", "y"}) {
        if (!dice.one_in(3)) labels[key] = dice.of({"", "1", "2"});
    }
    return labels;
}

Json random_selector(Dice& dice) {
    Json selector = Json::object();
    if (dice.one_in(4)) return selector;
    if (dice.one_in(2)) selector["matchLabels"] = random_labels(dice);
    if (dice.one_in(2)) {
        const std::string op = dice.of({"In", "NotIn", "Exists", "DoesNotExist"});
        Json expression{{"key", dice.of({"x", "y", "z"})}, {"operator", op}};
        if (op == "In" || op == "NotIn") {
            expression["values"] = dice.one_in(2) ? Json{"1"} : Json{"", "2"};
        }
        selector["matchExpressions"] = Json::array({expression});
    }
    return selector;
}

Json random_peer(Dice& dice) {
    if (dice.one_in(4)) {
        Json block{{"cidr", dice.of({"10.0.0.0/8", "10.0.0.0/24", "0.0.0.0/0", "::/0", "192.0.2.0/24"})}};
        if (block["cidr"] == "0.0.0.0/0") block["except"] = Json{dice.of({"10.0.1.0/24", "192.0.2.1/32"})};
        return {{"ipBlock", block}};
    }
    Json peer = Json::object();
    if (dice.one_in(2)) {
        peer["namespaceSelector"] = dice.one_in(2)
            ? Json{{"matchLabels", {{"kubernetes.io/metadata.name", dice.of(kSpaces)}}}}
            : random_selector(dice);
    }
    if (peer.empty() || dice.one_in(2)) peer["podSelector"] = random_selector(dice);
    return peer;
}

Json random_port(Dice& dice) {
    Json port = Json::object();
    if (!dice.one_in(2)) port["protocol"] = dice.of({"TCP", "UDP", "SCTP"});
    switch (dice.below(4)) {
        case 0: break;
        case 1: port["port"] = 80; break;
        case 2: port["port"] = 79; port["endPort"] = 81; break;
        default: port["port"] = dice.of({"http", "dns"}); break;
    }
    return port;
}

Json random_rule(Dice& dice, const char* peers) {
    Json rule = Json::object();
    if (!dice.one_in(4)) {
        rule[peers] = Json::array();
        for (unsigned i = dice.below(3); i != 0; --i) rule[peers].push_back(random_peer(dice));
    }
    if (!dice.one_in(2)) {
        rule["ports"] = Json::array();
        for (unsigned i = dice.below(3); i != 0; --i) rule["ports"].push_back(random_port(dice));
    }
    if (dice.one_in(10)) rule[peers] = nullptr;
    return rule;
}

Json random_policy(Dice& dice) {
    Json spec{{"podSelector", random_selector(dice)}};
    if (!dice.one_in(3)) {
        spec["ingress"] = Json::array();
        for (unsigned i = dice.below(3); i != 0; --i) spec["ingress"].push_back(random_rule(dice, "from"));
    }
    if (!dice.one_in(2)) {
        spec["egress"] = Json::array();
        for (unsigned i = dice.below(3); i != 0; --i) spec["egress"].push_back(random_rule(dice, "to"));
    }
    switch (dice.below(5)) {
        case 0: spec["policyTypes"] = {"Ingress"}; break;
        case 1: spec["policyTypes"] = {"Egress"}; break;
        case 2: spec["policyTypes"] = {"Ingress", "Egress"}; break;
        case 3: spec["policyTypes"] = Json::array(); break;
        default: break;
    }
    Json policy{{"apiVersion", "networking.k8s.io/v1"}, {"kind", "NetworkPolicy"},
                {"metadata", {{"name", dice.of(kNames)}, {"namespace", dice.of(kSpaces)}}}, {"spec", spec}};
    if (dice.one_in(20)) policy.erase("spec");
    if (policy["metadata"]["namespace"] == "default" && dice.one_in(2)) policy["metadata"].erase("namespace");
    return policy;
}

Json random_container(Dice& dice, const std::string& name) {
    Json container{{"name", name}};
    if (dice.one_in(2)) return container;
    container["ports"] = Json::array();
    for (const char* port : {"http", "dns"}) {
        if (dice.one_in(2)) continue;
        container["ports"].push_back({{"name", port}, {"containerPort", 79 + static_cast<int>(dice.below(3))}});
        if (dice.one_in(2)) container["ports"].back()["protocol"] = dice.of({"UDP", "SCTP"});
    }
    return container;
}

// Each name has an address of its own.
Json random_pod(Dice& dice) {
    const unsigned space = dice.below(static_cast<unsigned>(kSpaces.size()));
    const unsigned name = dice.below(static_cast<unsigned>(kNames.size()));
    Json spec{{"containers", {random_container(dice, "c")}}};
    if (dice.one_in(5)) {
        Json init = random_container(dice, "i");
        if (dice.one_in(2)) init["restartPolicy"] = "Always";
        spec["initContainers"] = Json::array({init});
    }
    if (dice.one_in(15)) spec["hostNetwork"] = true;
    Json status{{"podIP", name == 3 ? "fd00::" + std::to_string(space + 1)
                                    : "10.0." + std::to_string(space) + "." + std::to_string(name + 1)}};
    if (dice.one_in(3)) status["phase"] = dice.of({"Running", "Pending", "Failed", "Succeeded"});
    return {{"apiVersion", "v1"}, {"kind", "Pod"},
            {"metadata", {{"name", kNames[name]}, {"namespace", kSpaces[space]}, {"labels", random_labels(dice)}}},
            {"spec", spec}, {"status", status}};
}

Json random_namespace(Dice& dice) {
    return {{"apiVersion", "v1"}, {"kind", "Namespace"},
            {"metadata", {{"name", dice.of(kSpaces)}, {"labels", random_labels(dice)}}}};
}

Json random_object(Dice& dice) {
    switch (dice.below(4)) {
        case 0: return random_namespace(dice);
        case 1: return random_policy(dice);
        default: return random_pod(dice);
    }
}

const std::vector<std::string> kAddresses{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.1.1", "10.0.1.2", "10.0.1.3",
                                          "10.0.2.1", "10.0.2.2", "fd00::1", "fd00::2", "192.0.2.1", "2001:db8::1"};

std::vector<Json> json_of(const kube::Store& store) {
    std::vector<Json> objects;
    for (const auto& stored : store.all()) objects.push_back(Json::parse(stored->object.json));
    return objects;
}

// Asks both about all pairs of addresses. False after the first difference, which is told.
bool agree(World& world, const std::string& where) {
    const PlainPolicy plain(json_of(world.store()));
    const auto pods = world.policies().pods();
    for (const std::string& from : kAddresses) {
        for (const std::string& to : kAddresses) {
            for (const std::string protocol : {"TCP", "UDP", "SCTP", "ICMP"}) {
                for (const int port : {79, 80, 443}) {
                    const bool wanted = plain.allows(from, to, protocol, port);
                    if (judge(*pods, from, to, protocol, port).permits == wanted) continue;
                    ADD_FAILURE() << where << ": " << from << " to " << to << " " << protocol << " " << port
                                  << " should be " << (wanted ? "permitted" : "refused") << "\n"
                                  << Json(json_of(world.store())).dump();
                    return false;
                }
            }
        }
    }
    return true;
}

TEST(PodPolicies, RandomWorldsAreJudgedAsTheStandardSays) {
    for (unsigned seed = 0; seed < 40; ++seed) {
        Dice dice(seed);
        World world;
        std::map<std::string, Json> chosen;  // the last of each name
        for (unsigned i = 0; i < 25; ++i) {
            const Json object = random_object(dice);
            const Json& metadata = object["metadata"];
            chosen[object["kind"].get<std::string>() + metadata.value("namespace", "default") +
                   metadata["name"].get<std::string>()] = object;
        }
        Json list{{"apiVersion", "v1"}, {"kind", "List"}, {"items", Json::array()}};
        for (const auto& [name, object] : chosen) list["items"].push_back(object);
        world.apply(list.dump());
        if (!agree(world, "seed " + std::to_string(seed))) return;
    }
}

// The same world built in one step and in many judges alike: each step of a long history is held to the standard.
TEST(PodPolicies, EveryStepOfAHistoryIsJudgedAsTheStandardSays) {
    for (unsigned seed = 0; seed < 2; ++seed) {
        Dice dice(1000 + seed);
        World world;
        for (unsigned step = 0; step < 120; ++step) {
            const auto all = world.store().all();
            if (all.size() > 10 && dice.one_in(3)) {
                const Key key = all[dice.below(static_cast<unsigned>(all.size()))]->object.key;
                if (key.kind == Kind::kNamespace && !dice.one_in(5)) continue;  // all of its objects go with it
                world.remove({key});
            } else {
                world.apply(random_object(dice).dump());
            }
            if (step % 8 == 0 && !agree(world, "seed " + std::to_string(seed) + " step " + std::to_string(step))) {
                return;
            }
        }
    }
}

}  // namespace
}  // namespace sluice::engine
