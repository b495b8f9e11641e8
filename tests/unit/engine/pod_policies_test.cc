#include "engine/pod_policies.h"

#include <gtest/gtest.h>

#include "kube/manifest.h"
#include "support/plain_policy.h"
#include "support/random_objects.h"

namespace sluice::engine {
namespace {

using Json = nlohmann::json;
using kube::Key;
using kube::Kind;
using test::Dice;
using test::PlainPolicy;
using test::random_object;

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
        policies_.apply(store_.apply(objects(text), 0));
    }
    void remove(const std::vector<Key>& keys) {
        const auto gone = store_.to_remove(keys, kube::Store::Missing::kRefuse);
        ASSERT_TRUE(gone);
        policies_.apply(store_.remove(gone->gone));
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
    std::string warnings(const Key& key) {
        std::string text;
        for (const base::Error& it : policies_.warnings(key)) text += it.text() + "\n";
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

// It owns no address, and no selector finds it at its port either.
TEST(PodPolicies, APodThatHasRunToItsEndIsNobodysPeer) {
    World world;
    world.apply(kPods + kTutorial);
    world.policies().attach("veth7", {path::PortId{7}, "shop", "front", {}, {*IpAddress::parse(kFront)}});
    const auto permits = [&] {
        const auto pods = world.policies().pods();
        const pod::Peer peer{pods->at(path::PortId{7}), *IpAddress::parse(kFront)};
        const pod::Pod& api = *pods->at(*IpAddress::parse(kApi));
        return pod::judge(api, pod::Direction::kIngress, peer, &api, {6, true, 8080}).permits;
    };
    EXPECT_TRUE(permits());
    std::string over = pod("front", kFront, "app: front");
    over.insert(over.find("podIP"), "phase: Succeeded, ");
    world.apply(over);
    EXPECT_FALSE(permits());
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

TEST(PodPolicies, WhatIsHardlyMeantIsAWarning) {
    World world;
    const auto warnings = [&](const std::string& name) {
        return world.warnings({Kind::kNetworkPolicy, "shop", name});
    };
    world.apply(kPods + kTutorial + policy("nobody", "{podSelector: {matchLabels: {app: none}}}") +
                policy("peers",
                       "{podSelector: {}, policyTypes: [Ingress, Egress],\n"
                       " ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}, {podSelector: {matchLabels: {app: x}}}],\n"
                       "            ports: [{port: http}, {port: dns}, {port: http, protocol: UDP}]}],\n"
                       " egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: http}]},\n"
                       "          {to: [{namespaceSelector: {matchLabels: {a: b}}}], ports: [{port: http}]},\n"
                       "          {ports: [{port: http}, {port: none}]}]}"));
    EXPECT_EQ(warnings("api"), "");
    EXPECT_EQ(warnings("nobody"), "spec.podSelector (f:12:1): networkpolicy shop/nobody selects no pod\n");
    EXPECT_EQ(warnings("peers"),
              "spec.ingress[0].from[1] (f:15:12): networkpolicy shop/peers: the peer selects no pod\n"
              "spec.ingress[0].ports[1].port (f:15:12): networkpolicy shop/peers: no pod that the rule leads to has a TCP "
              "port 'dns'\n"
              "spec.ingress[0].ports[2].port (f:15:12): networkpolicy shop/peers: no pod that the rule leads to has a UDP "
              "port 'http'\n"
              "spec.egress[1].to[0] (f:18:11): networkpolicy shop/peers: the peer selects no pod\n"
              "spec.egress[1].ports[0].port (f:18:11): networkpolicy shop/peers: no pod that the rule leads to has a TCP "
              "port 'http'\n"
              "spec.egress[2].ports[1].port (f:19:11): networkpolicy shop/peers: no pod that the rule leads to has a TCP "
              "port 'none'\n");
}

TEST(PodPolicies, OneAddressOfTwoPodsIsAWarning) {
    World world;
    const Key front{Kind::kPod, "shop", "front"}, db{Kind::kPod, "shop", "db"}, twice{Kind::kPod, "shop", "twice"};
    const auto owner = [&](const std::string& address) {
        return *world.policies().find_key(*IpAddress::parse(address));
    };
    world.policies().attach("veth7", {path::PortId{7}, "shop", "db", {}, {*IpAddress::parse(kDb)}});
    world.apply(pod("db", "null", "app: db") + pod("front", kFront, "app: front"));
    EXPECT_EQ(world.warnings(db), "");
    // The pod at a port has it, whichever came later.
    world.apply(pod("twice", kDb, "app: x"));
    EXPECT_EQ(owner(kDb), db);
    EXPECT_EQ(world.warnings(twice),
              "status.podIP (f:2:1): pod shop/twice and pod shop/db both have the address 10.0.0.3: it is taken for "
              "that of pod shop/db, which is at port veth7\n");
    EXPECT_EQ(world.warnings(db),
              "status.podIP (f:2:1): pod shop/db and pod shop/twice both have the address 10.0.0.3: it is taken for "
              "that of pod shop/db, which is at port veth7\n");
    // Of remote pods the later one has it.
    world.apply(pod("twice", kFront, "app: x"));
    EXPECT_EQ(owner(kFront), twice);
    EXPECT_EQ(world.warnings(db), "");
    EXPECT_EQ(world.warnings(front),
              "status.podIP (f:4:1): pod shop/front and pod shop/twice both have the address 10.0.0.1: it is taken "
              "for that of pod shop/twice, which came later\n");
    // Pods at ports are told apart by those.
    world.policies().attach("veth8", {path::PortId{8}, "shop", "front", {}, {*IpAddress::parse(kDb)}});
    EXPECT_EQ(world.warnings(db), "");
}

TEST(PodPolicies, AStatusThatContradictsThePortIsAWarning) {
    World world;
    const Key db{Kind::kPod, "shop", "db"};
    world.policies().attach("veth7", {path::PortId{7}, "shop", "db", {}, {*IpAddress::parse(kDb)}});
    world.apply(pod("db", "10.0.0.9", "app: db"));
    EXPECT_EQ(world.policies().find_state(db)->addresses, std::vector{*IpAddress::parse(kDb)});
    EXPECT_EQ(world.policies().find_key(*IpAddress::parse("10.0.0.9")), nullptr);
    EXPECT_EQ(world.warnings(db),
              "status.podIP (f:2:1): pod shop/db: its port veth7 declares 10.0.0.3 and not 10.0.0.9: the port's "
              "addresses count\n");
    world.policies().attach("veth7", {path::PortId{7}, "shop", "db", {}, {}});
    EXPECT_EQ(world.policies().find_state(db)->addresses, std::vector{*IpAddress::parse("10.0.0.9")});
    EXPECT_EQ(world.warnings(db), "");
}

TEST(PodPolicies, WhatIsNobodysPeerIsNotSelected) {
    World world;
    const auto with = [](const std::string& spec, const std::string& status) {
        return "---\n{apiVersion: v1, kind: Pod, metadata: {name: api, namespace: shop, labels: {app: api}}, "
               "spec: {containers: [{name: c}]" + spec + "}, status: {" + status + "}}\n";
    };
    const Key key{Kind::kNetworkPolicy, "shop", "p"};
    const std::string none = "spec.podSelector (f:2:1): networkpolicy shop/p selects no pod\n";
    world.apply(policy("p", "{podSelector: {matchLabels: {app: api}}}"));
    const auto peers = [&] { return world.policies().peers_of(world.policies().find_policy(key)->pods).size(); };
    world.apply(with("", "podIP: 10.0.0.2"));
    EXPECT_EQ(world.warnings(key), "");
    EXPECT_EQ(peers(), 1U);
    world.apply(with("", "podIP: 10.0.0.2, phase: Succeeded"));
    EXPECT_EQ(world.warnings(key), none);
    EXPECT_EQ(peers(), 0U);
    world.apply(with(", hostNetwork: true", "podIP: 10.0.0.2"));
    EXPECT_EQ(world.warnings(key), none);
    // At a port whose policies it takes away.
    world.policies().attach("veth7", {path::PortId{7}, "shop", "api", {}, {*IpAddress::parse(kApi)}});
    EXPECT_EQ(world.warnings({Kind::kPod, "shop", "api"}),
              "spec.hostNetwork (f:2:1): pod shop/api is in its host's network: policies aren't in force at port "
              "veth7, which it is at, and select it nowhere\n");
}

TEST(PodPolicies, APolicyThatSelectsNothingIsCheckedAsAWhole) {
    World world;
    world.apply(kPods + policy("p",
                               "{podSelector: {matchLabels: {app: none}}, policyTypes: [Ingress, Egress],\n"
                               " ingress: [{from: [{podSelector: {matchLabels: {app: x}}}], ports: [{port: dns}]}],\n"
                               " egress: [{ports: [{port: dns}]}]}"));
    EXPECT_EQ(world.warnings({Kind::kNetworkPolicy, "shop", "p"}),
              "spec.podSelector (f:8:1): networkpolicy shop/p selects no pod\n"
              "spec.ingress[0].from[0] (f:9:12): networkpolicy shop/p: the peer selects no pod\n"
              "spec.egress[0].ports[0].port (f:10:11): networkpolicy shop/p: no pod that the rule leads to has a TCP "
              "port 'dns'\n");
}

// Whose flows are decided anew: those of the pods that a change concerns.
TEST(PodPolicies, AChangeConcernsThePodsThatItJudgesOtherwise) {
    World world;
    const auto concerned = [&] {
        (void)world.policies().pods();
        std::set<std::string> ends;
        const PodPolicies::Concerned all = world.policies().take_concerned();
        for (const IpAddress& address : all.addresses) ends.insert(address.text());
        for (const path::PortId port : all.ports) ends.insert("port " + std::to_string(path::index(port)));
        return ends;
    };
    using Ends = std::set<std::string>;
    world.apply(kPods + kTutorial);
    EXPECT_EQ(concerned(), (Ends{kFront, kApi, kDb}));
    world.apply(kPods + kTutorial);
    EXPECT_EQ(concerned(), Ends{}) << "nothing is another";
    std::string not_ready = pod("front", kFront, "app: front");
    not_ready.insert(not_ready.find("podIP"), "conditions: [{type: Ready, status: \"False\"}], ");
    world.apply(not_ready);
    EXPECT_EQ(concerned(), Ends{}) << "readiness concerns no policy";
    world.policies().attach("veth7", {path::PortId{7}, "shop", "db", {}, {}});
    EXPECT_EQ(concerned(), (Ends{kDb, "port 7"}));
    world.apply(pod("front", kFront, "app: front, more: labels"));
    EXPECT_EQ(concerned(), (Ends{kFront}));
    world.apply(pod("db", kOutside, "app: db"));
    EXPECT_EQ(concerned(), (Ends{kDb, kOutside, "port 7"})) << "it has moved";
    world.apply(policy("api", "{podSelector: {matchLabels: {app: api}}}"));
    EXPECT_EQ(concerned(), (Ends{kApi})) << "whom it selects, and none of its peers";
    world.remove({{Kind::kNetworkPolicy, "shop", "api"}});
    EXPECT_EQ(concerned(), (Ends{kApi}));
    world.policies().detach("veth7");
    EXPECT_EQ(concerned(), (Ends{kOutside, "port 7"}));
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

TEST(PodPolicies, TheDefaultIsThatOfPodsAtPortsWhichNoPolicySelects) {
    World world;
    world.apply(kPods);
    EXPECT_FALSE(world.policies().is_needed());
    world.policies().attach("veth7", {path::PortId{7}, "shop", "api", {}, {}});
    EXPECT_TRUE(world.policies().is_needed()) << "connections are followed before any policy";
    EXPECT_TRUE(world.permits(kOutside, kApi, 80));
    (void)world.policies().take_concerned();
    world.policies().set_default({policy::Default::kDeny, {"sluice.yaml", 7, 3}});
    (void)world.policies().pods();
    EXPECT_EQ(world.policies().take_concerned().ports, std::set{path::PortId{7}}) << "and none elsewhere";
    EXPECT_FALSE(world.permits(kApi, kOutside, 80));
    EXPECT_FALSE(world.permits(kOutside, kApi, 80));
    EXPECT_TRUE(world.permits(kApi, kApi, 80)) << "a pod reaches itself";
    EXPECT_TRUE(world.permits(kFront, kDb, 80)) << "pods elsewhere are other hosts' affair";
    world.apply(policy("api", "{podSelector: {matchLabels: {app: api}}, ingress: [{}]}"));
    EXPECT_TRUE(world.permits(kOutside, kApi, 80));
    EXPECT_FALSE(world.permits(kApi, kOutside, 80));
    const auto denial = judge(*world.policies().pods(), kApi, kOutside, "TCP", 80).egress.object;
    ASSERT_EQ(world.policies().describe(denial).size(), 1U);
    EXPECT_TRUE(world.policies().describe(denial)[0].is_default());
    EXPECT_EQ(base::origin(world.policies().describe(denial)[0].place), "sluice.yaml:7:3");
    world.policies().set_default({});
    EXPECT_TRUE(world.permits(kApi, kOutside, 80));
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
