#include "engine/kube_services.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "kube/manifest.h"

namespace sluice::engine {
namespace {

using kube::Key;
using kube::Kind;
using Texts = std::vector<std::string>;

std::vector<kube::Object> objects(const std::string& text) {
    auto manifest = kube::parse_manifest(text, "f", kube::UnknownKinds::kRefuse);
    if (!manifest) {
        for (const base::Error& error : manifest.error()) ADD_FAILURE() << error.text() << "\n" << text;
        return {};
    }
    return std::move(manifest->objects);
}

std::string_view word_of(const service::Backend& backend) {
    return backend.state == service::State::kServing ? "" : " terminating";
}

std::string end_text(const IpAddress& address, uint16_t port) {
    return address.is_v4() ? fmt::format("{}:{}", address.text(), port)
                           : fmt::format("[{}]:{}", address.text(), port);
}

// "10.96.0.1:80/6 cluster-ip: 10.0.0.1:8080, 10.0.0.2:8080 terminating"
std::string text_of(const ServiceFront& front) {
    const service::Frontend& frontend = *front.frontend;
    std::string text = fmt::format("{}/{} {}:", end_text(frontend.key.address, frontend.key.port),
                                   frontend.key.protocol, front.kind);
    for (size_t i = 0; frontend.backends != nullptr && i < frontend.backends->list().size(); ++i) {
        const service::Backend& backend = frontend.backends->list()[i];
        text +=
            fmt::format("{}{}{}", i == 0 ? " " : ", ", end_text(backend.address, backend.port), word_of(backend));
    }
    if (frontend.backends == nullptr)
        text += frontend.without_backends == service::WithoutBackends::kDrop ? " drop" : " reject";
    return text;
}

// The switch's half: a store of objects, the pods of its ports, and front ends as workers would have them.
class World {
 public:
    World() { services.set_host("here", {*IpAddress::parse("192.0.2.1")}); }

    void apply(const std::string& text) { change(store.apply(objects(text), 0)); }
    // As a command does: it completes Services first. The errors' texts.
    Texts apply_completed(const std::string& text) {
        auto list = objects(text);
        ServiceAddresses addresses = services.addresses();
        Texts errors;
        for (const base::Error& error :
             addresses.complete(list, ranges, [&](const Key& key) { return store.find(key); }))
            errors.push_back(error.path + ": " + error.message);
        if (errors.empty()) change(store.apply(std::move(list), 0));
        return errors;
    }
    void remove(Kind kind, const std::string& name) { change(store.remove({{kind, "shop", name}})); }
    void change(const kube::Change& change) {
        for (const kube::Changed& it : change) {
            if (it.key.kind != Kind::kPod) continue;
            if (it.after == nullptr) {
                services.remove_pod(it.key);
                continue;
            }
            const kube::Pod& pod = it.after->object.pod();
            services.set_pod(it.key, {.labels = it.after->object.labels,
                                      .addresses = pod.addresses,
                                      .ports = pod.ports,
                                      .is_ready = pod.is_ready,
                                      .is_terminating = pod.is_terminating,
                                      .is_over = pod.is_over,
                                      .is_here = here.contains(it.key.name),
                                      .node_name = pod.node_name});
        }
        services.apply(change);
    }
    const std::map<service::FrontendKey, ServiceFront>& fronts() {
        ServiceFrontChanges changes = services.take_changes();
        for (const auto& key : changes.removed) fronts_.erase(key);
        for (const ServiceFront& front : changes.added) fronts_.insert_or_assign(front.frontend->key, front);
        last = changes.removed.size() + changes.added.size();
        return fronts_;
    }
    Texts texts() {
        Texts texts;
        for (const auto& [key, front] : fronts()) texts.push_back(text_of(front));
        return texts;
    }
    std::string reason(const std::string& name) {
        const auto service = services.describe({Kind::kService, "shop", name});
        return service ? service->ports.at(0).reason : "no such Service";
    }
    base::Errors warnings() { return services.warnings({Kind::kService, "shop", "web"}); }
    const kube::Service& service(const std::string& name) {
        return store.find({Kind::kService, "shop", name})->object.service();
    }

    uint32_t next_object = 1;
    ObjectNumbers numbers{next_object};
    KubeServices services{numbers};
    kube::Store store;
    service::RangesConfig ranges;
    std::set<std::string> here;  // pods
    size_t last = 0;             // how many front ends the last change concerned

 private:
    std::map<service::FrontendKey, ServiceFront> fronts_;
};

std::string service(const std::string& spec, const std::string& name = "web") {
    return fmt::format(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {}, namespace: shop}}\nspec: {{{}}}\n", name, spec);
}
std::string pod(const std::string& name, const std::string& ip, const std::string& more = "",
                const std::string& spec = "", const std::string& metadata = "") {
    return fmt::format(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {}, namespace: shop, labels: {{app: web}}{}}}\n"
        "spec: {{containers: [{{name: c, image: i, ports: [{{name: http, containerPort: 8080}}]}}]{}}}\n"
        "status: {{podIP: \"{}\"{}}}\n",
        name, metadata, spec, ip, more);
}
std::string slice(const std::string& endpoints, const std::string& ports = "{port: 9000}",
                  const std::string& name = "web-1", const std::string& type = "IPv4") {
    return fmt::format(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
        "metadata: {{name: {}, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}\n"
        "addressType: {}\nports: [{}]\nendpoints: [{}]\n",
        name, type, ports, endpoints);
}

constexpr const char* kNotReady = ", conditions: [{type: Ready, status: \"False\"}]";
constexpr const char* kDeleted = ", deletionTimestamp: \"2026-01-01T00:00:00Z\"";
const std::string kWeb = "clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]";

struct Case {
    const char* name;
    std::string objects;
    Texts fronts;
    std::string reason = "";
};

class KubeServicesCases : public testing::TestWithParam<Case> {};

TEST_P(KubeServicesCases, GiveTheseFrontEnds) {
    World world;
    world.here = {"near"};
    world.apply(GetParam().objects);
    EXPECT_EQ(world.texts(), GetParam().fronts);
    EXPECT_EQ(world.reason("web"), GetParam().reason);
}

const Case kCases[] = {
    {"PodsBySelector",
     service(kWeb) + pod("a", "10.0.0.1") + pod("b", "10.0.0.2"),
     {"10.96.0.1:80/6 cluster-ip: 10.0.0.1:8080, 10.0.0.2:8080"}},
    {"NoPod", service(kWeb), {"10.96.0.1:80/6 cluster-ip: reject"}, "no pod matches the selector app=web"},
    {"NotReady",
     service(kWeb) + pod("a", "10.0.0.1") + pod("b", "10.0.0.2", kNotReady),
     {"10.96.0.1:80/6 cluster-ip: 10.0.0.1:8080, 10.0.0.2:8080 terminating"}},
    {"NoneReady",
     service(kWeb) + pod("b", "10.0.0.2", kNotReady),
     {"10.96.0.1:80/6 cluster-ip: 10.0.0.2:8080 terminating"},
     "no endpoint is ready"},
    {"PublishesNotReady",
     service(kWeb + ", publishNotReadyAddresses: true") + pod("b", "10.0.0.2", kNotReady),
     {"10.96.0.1:80/6 cluster-ip: 10.0.0.2:8080"}},
    {"TerminatingBesideReady",
     service(kWeb) + pod("a", "10.0.0.1") + pod("b", "10.0.0.2", "", "", kDeleted),
     {"10.96.0.1:80/6 cluster-ip: 10.0.0.1:8080, 10.0.0.2:8080 terminating"}},
    {"TerminatingAlone",
     service(kWeb) + pod("b", "10.0.0.2", "", "", kDeleted),
     {"10.96.0.1:80/6 cluster-ip: 10.0.0.2:8080"}},
    {"TerminatingAndNotServing",
     service(kWeb) + pod("b", "10.0.0.2", kNotReady, "", kDeleted),
     {"10.96.0.1:80/6 cluster-ip: 10.0.0.2:8080 terminating"},
     "all endpoints are terminating"},
    {"FinishedPod",
     service(kWeb) + pod("a", "10.0.0.1", ", phase: Succeeded"),
     {"10.96.0.1:80/6 cluster-ip: reject"},
     "no pod that matches app=web runs and has an address"},
    {"NamedPort",
     service("clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80, targetPort: http}]") +
         pod("a", "10.0.0.1"),
     {"10.96.0.1:80/6 cluster-ip: 10.0.0.1:8080"}},
    {"NamedPortOfAnotherProtocol",
     service("clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80, protocol: UDP, targetPort: http}]") +
         pod("a", "10.0.0.1"),
     {"10.96.0.1:80/17 cluster-ip: reject"},
     "no pod that matches app=web has a UDP port 'http'"},
    {"HostNetworkPod",
     service(kWeb) + pod("a", "192.0.2.9", "", ", hostNetwork: true"),
     {"10.96.0.1:80/6 cluster-ip: 192.0.2.9:8080"}},
    {"SlicesBeforePods",
     service(kWeb) + pod("a", "10.0.0.1") + slice("{addresses: [10.1.0.1]}"),
     {"10.96.0.1:80/6 cluster-ip: 10.1.0.1:9000"}},
    {"SliceOfAnotherPort",
     service(kWeb) + slice("{addresses: [10.1.0.1]}", "{name: other, port: 1}"),
     {"10.96.0.1:80/6 cluster-ip: reject"},
     "its EndpointSlices have no endpoint for the TCP port ''"},
    {"SliceConditions",
     service(kWeb) +
         slice("{addresses: [10.1.0.1], conditions: {ready: false, serving: true, terminating: true}}, "
               "{addresses: [10.1.0.2], conditions: {ready: false}}, {addresses: [10.1.0.3]}"),
     {"10.96.0.1:80/6 cluster-ip: 10.1.0.1:9000 terminating, 10.1.0.2:9000 terminating, 10.1.0.3:9000"}},
    {"DuplicatesCountOnce",
     service(kWeb) + slice("{addresses: [10.1.0.1], conditions: {ready: false}}", "{port: 9000}", "web-1") +
         slice("{addresses: [10.1.0.1]}", "{port: 9000}", "web-2"),
     {"10.96.0.1:80/6 cluster-ip: 10.1.0.1:9000"}},
    {"EndpointsObject",
     service("clusterIP: 10.96.0.1, ports: [{port: 80}]") +
         "---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: web, namespace: shop}\n"
         "subsets: [{addresses: [{ip: 10.1.0.1}], notReadyAddresses: [{ip: 10.1.0.2}], ports: [{port: 81}]}]\n",
     {"10.96.0.1:80/6 cluster-ip: 10.1.0.1:81, 10.1.0.2:81 terminating"}},
    {"NoSelectorAndNoEndpoints",
     service("clusterIP: 10.96.0.1, ports: [{port: 80}]"),
     {"10.96.0.1:80/6 cluster-ip: reject"},
     "it has no selector, and no EndpointSlice or Endpoints object gives endpoints"},
    {"Headless", service("clusterIP: None, selector: {app: web}, ports: [{port: 80}]") + pod("a", "10.0.0.1"), {}},
    {"DualStack",
     service("clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, \"fd00::1\"], ipFamilyPolicy: PreferDualStack, "
             "selector: {app: web}, ports: [{port: 80}]") +
         pod("a", "10.0.0.1", ", podIPs: [{ip: 10.0.0.1}, {ip: \"fd00:a::1\"}]"),
     {"10.96.0.1:80/6 cluster-ip: 10.0.0.1:80", "[fd00::1]:80/6 cluster-ip: [fd00:a::1]:80"}},
    {"NodePortAndExternalIp",
     service(kWeb + ", externalIPs: [198.51.100.1]", "other") +
         service(
             "clusterIP: 10.96.0.2, type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]") +
         pod("a", "10.0.0.1"),
     {"10.96.0.1:80/6 cluster-ip: 10.0.0.1:8080", "10.96.0.2:80/6 cluster-ip: 10.0.0.1:80",
      "192.0.2.1:30080/6 node-port: 10.0.0.1:80", "198.51.100.1:80/6 external-ip: 10.0.0.1:8080"}},
    {"NodeAddresses",
     service("clusterIP: 10.96.0.2, type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]") +
         "---\napiVersion: v1\nkind: Node\nmetadata: {name: here}\n"
         "status: {addresses: [{type: InternalIP, address: 192.0.2.7}]}\n"
         "---\napiVersion: v1\nkind: Node\nmetadata: {name: there}\n"
         "status: {addresses: [{type: InternalIP, address: 192.0.2.8}]}\n",
     {"10.96.0.2:80/6 cluster-ip: reject", "192.0.2.1:30080/6 node-port: reject",
      "192.0.2.7:30080/6 node-port: reject"},
     "no pod matches the selector app=web"},
    {"LoadBalancer",
     service("clusterIP: 10.96.0.2, type: LoadBalancer, allocateLoadBalancerNodePorts: false, "
             "selector: {app: web}, ports: [{port: 80}], loadBalancerIP: 203.0.113.1") +
         pod("a", "10.0.0.1"),
     {"10.96.0.2:80/6 cluster-ip: 10.0.0.1:80", "203.0.113.1:80/6 load-balancer-ip: 10.0.0.1:80"}},
    {"InternalLocal",
     service(kWeb + ", internalTrafficPolicy: Local") + pod("near", "10.0.0.1") + pod("far", "10.0.0.2"),
     {"10.96.0.1:80/6 cluster-ip: 10.0.0.1:8080"}},
    {"InternalLocalByNodeName",
     service(kWeb + ", internalTrafficPolicy: Local") + pod("a", "10.0.0.1", "", ", nodeName: here") +
         pod("b", "10.0.0.2", "", ", nodeName: there"),
     {"10.96.0.1:80/6 cluster-ip: 10.0.0.1:8080"}},
    {"InternalLocalElsewhere",
     service(kWeb + ", internalTrafficPolicy: Local") + pod("far", "10.0.0.2"),
     {"10.96.0.1:80/6 cluster-ip: drop"}},
    {"ExternalLocalElsewhere",
     service("clusterIP: 10.96.0.2, type: NodePort, externalTrafficPolicy: Local, selector: {app: web}, "
             "ports: [{port: 80, nodePort: 30080}]") +
         slice("{addresses: [10.1.0.1], nodeName: there}"),
     {"10.96.0.2:80/6 cluster-ip: 10.1.0.1:9000", "192.0.2.1:30080/6 node-port: drop"}},
};

INSTANTIATE_TEST_SUITE_P(All, KubeServicesCases, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(KubeServices, ChangesOnlyWhatAPodConcerns) {
    World world;
    world.apply(service(kWeb) + service("clusterIP: 10.96.0.9, selector: {app: api}, ports: [{port: 80}]", "api"));
    EXPECT_EQ(world.fronts().size(), 2U);
    world.apply(pod("a", "10.0.0.1"));
    world.fronts();
    EXPECT_EQ(world.last, 1U);
    world.remove(Kind::kPod, "a");
    EXPECT_EQ(world.texts()[0], "10.96.0.1:80/6 cluster-ip: reject");
    world.remove(Kind::kService, "web");
    EXPECT_EQ(world.fronts().size(), 1U);
    EXPECT_EQ(world.last, 1U);
}

TEST(KubeServices, KeepsBackEndsThatStay) {
    World world;
    world.apply(service(kWeb) + pod("a", "10.0.0.1"));
    const auto before = world.fronts().begin()->second.frontend->backends;
    world.apply(service(kWeb + ", sessionAffinity: ClientIP"));
    const auto& after = *world.fronts().begin()->second.frontend;
    EXPECT_EQ(after.backends, before);
    EXPECT_EQ(after.affinity, 10'800U);
}

TEST(KubeServices, SetsWhatFrontEndsNeedBeside) {
    World world;
    world.apply(
        service("clusterIP: 10.96.0.2, type: LoadBalancer, selector: {app: web}, loadBalancerIP: 203.0.113.1, "
                "ports: [{port: 80, nodePort: 30080}], loadBalancerSourceRanges: [203.0.113.0/24]"));
    std::set<uint64_t> ids;
    for (const auto& [key, front] : world.fronts()) {
        const service::Frontend& frontend = *front.frontend;
        EXPECT_EQ(front.name, "shop/web");
        EXPECT_EQ(world.numbers.describe(frontend.object)->name, "shop/web");
        EXPECT_EQ(frontend.sources.size(), frontend.kind == service::Kind::kLoadBalancerIp ? 1U : 0U);
        ids.insert(frontend.id);
    }
    EXPECT_EQ(ids.size(), 1U);
}

TEST(KubeServices, OfTwoWithOneAddressTheFirstNameHasIt) {
    World world;
    const std::string spec = "selector: {app: web}, ports: [{port: 80}], externalIPs: [198.51.100.1], clusterIP: ";
    const auto owner = [&] { return world.fronts().at({*IpAddress::parse("198.51.100.1"), 80, 6}).name; };
    world.apply(service(spec + "10.96.0.2", "b"));
    EXPECT_EQ(owner(), "shop/b");
    world.apply(service(spec + "10.96.0.1", "a"));
    EXPECT_EQ(owner(), "shop/a");
    world.remove(Kind::kService, "a");
    EXPECT_EQ(owner(), "shop/b");
}

TEST(KubeServices, FollowsThisHost) {
    World world;
    world.apply(
        service("clusterIP: 10.96.0.2, type: NodePort, externalTrafficPolicy: Local, selector: {app: web}, "
                "ports: [{port: 80, nodePort: 30080}]") +
        pod("a", "10.0.0.1", "", ", nodeName: there"));
    EXPECT_EQ(world.texts()[1], "192.0.2.1:30080/6 node-port: drop");
    world.services.set_host("there", {*IpAddress::parse("192.0.2.2")});
    EXPECT_EQ(world.texts(),
              (Texts{"10.96.0.2:80/6 cluster-ip: 10.0.0.1:80", "192.0.2.2:30080/6 node-port: 10.0.0.1:80"}));
}

TEST(KubeServices, WarnsOfASelectorThatMatchesNoPod) {
    World world;
    world.apply(service(kWeb));
    ASSERT_EQ(world.warnings().size(), 1U);
    EXPECT_EQ(world.warnings()[0].message, "service shop/web: no pod matches the selector app=web");
    world.apply(slice("{addresses: [10.1.0.1]}"));
    EXPECT_TRUE(world.warnings().empty());
    world.remove(Kind::kEndpointSlice, "web-1");
    world.apply(pod("a", "10.0.0.1", kNotReady));
    EXPECT_TRUE(world.warnings().empty());
}

TEST(KubeServices, WarnsOfAPortThatNoPodHas) {
    World world;
    world.apply(service("clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80, targetPort: htpp}]") +
                pod("a", "10.0.0.1"));
    ASSERT_EQ(world.warnings().size(), 1U);
    EXPECT_EQ(world.warnings()[0].path, "spec.ports[0].targetPort");
    EXPECT_NE(world.warnings()[0].message.find("'htpp'"), std::string::npos) << world.warnings()[0].message;
}

// --- addresses that Services leave open ---

TEST(KubeServices, WarnsOfBackEndsWhoseAnswersDontComeBack) {
    World world;
    world.services.set_open_links({{"pods", *IpPrefix::parse("10.0.1.0/24")}});
    const std::string ports = "type: NodePort, ports: [{port: 80, nodePort: 30080}], selector: {app: web}";
    world.apply(service("clusterIP: 10.96.0.1, " + ports) + pod("a", "10.0.1.5", "", ", nodeName: there"));
    ASSERT_EQ(world.warnings().size(), 1U);
    EXPECT_EQ(world.warnings()[0].message,
              "service shop/web: clients outside can't reach 10.0.1.5 at another host, whose answers don't come "
              "back: give this host an IPv4 address in network pods, by a port with `host: true`");
    EXPECT_TRUE(world.services.describe({Kind::kService, "shop", "web"})->hides_clients);
    // Of those here, of another network, and of clients that are not hidden nobody is told.
    world.apply(pod("a", "10.0.1.5", "", ", nodeName: here"));
    EXPECT_TRUE(world.warnings().empty());
    world.apply(pod("a", "10.0.2.5", "", ", nodeName: there"));
    EXPECT_TRUE(world.warnings().empty());
    world.apply(pod("a", "10.0.1.5", "", ", nodeName: there"));
    world.apply(service("clusterIP: 10.96.0.1, externalTrafficPolicy: Local, " + ports));
    EXPECT_TRUE(world.warnings().empty());
    EXPECT_FALSE(world.services.describe({Kind::kService, "shop", "web"})->hides_clients);
    world.apply(service("clusterIP: 10.96.0.1, ports: [{port: 80}], selector: {app: web}"));
    EXPECT_TRUE(world.warnings().empty());
}

TEST(KubeServices, HidesClientsOfAnyHostsBackEndsAndNoOthers) {
    World world;
    const auto hiding = [&] {
        Texts texts;
        for (const auto& [key, front] : world.fronts()) {
            if (front.frontend->hides_clients) texts.push_back(std::string(front.kind));
        }
        return texts;
    };
    const std::string spec =
        "clusterIP: 10.96.0.1, type: LoadBalancer, loadBalancerIP: 203.0.113.5, externalIPs: [203.0.113.6], "
        "ports: [{port: 80, nodePort: 30080}]";
    world.apply(service(spec));
    EXPECT_EQ(hiding(), (Texts{"node-port", "load-balancer-ip", "external-ip"}));
    world.apply(service(spec + ", externalTrafficPolicy: Local"));
    EXPECT_EQ(hiding(), Texts{});
}

TEST(KubeServices, CountsReadyAddressesHereForHealthChecks) {
    World world;
    const auto checks = [&] {
        (void)world.fronts();
        Texts texts;
        for (const auto& [key, check] : world.services.health_checks())
            texts.push_back(fmt::format("{} {} {}", key.name, check.port, check.local_endpoints));
        return texts;
    };
    const std::string spec =
        "type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 31000, selector: {app: web}, "
        "ports: [{name: a, port: 80, nodePort: 30080}, {name: b, port: 81, nodePort: 30081}]";
    world.apply(service("clusterIP: 10.96.0.1, " + spec));
    EXPECT_EQ(checks(), Texts{"web 31000 0"});
    world.apply(pod("a", "10.0.0.1", "", ", nodeName: here") + pod("b", "10.0.0.2", "", ", nodeName: there") +
                pod("c", "10.0.0.3", ", conditions: [{type: Ready, status: 'False'}]", ", nodeName: here"));
    EXPECT_EQ(checks(), Texts{"web 31000 1"});
    world.apply(pod("b", "10.0.0.2", "", ", nodeName: here"));
    EXPECT_EQ(checks(), Texts{"web 31000 2"});
    world.remove(Kind::kService, "web");
    EXPECT_EQ(checks(), Texts{});
}

TEST(ServiceAddresses, GivesALoadBalancerOfLocalPodsAPortForHealthChecks) {
    World world;
    const std::string spec = "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]";
    ASSERT_EQ(world.apply_completed(service(spec)), Texts{});
    const uint16_t chosen = world.service("web").health_check_node_port;
    EXPECT_GE(chosen, 30000);
    EXPECT_LE(chosen, 32767);
    EXPECT_NE(chosen, world.service("web").ports[0].node_port);
    const auto json = nlohmann::json::parse(world.store.find({Kind::kService, "shop", "web"})->object.json);
    EXPECT_EQ(json.at("spec").at("healthCheckNodePort"), chosen);
    // Applied again it keeps that, and no other Service gets it.
    ASSERT_EQ(world.apply_completed(service(spec)), Texts{});
    EXPECT_EQ(world.service("web").health_check_node_port, chosen);
    EXPECT_EQ(world.apply_completed(
                  service(fmt::format("type: NodePort, ports: [{{port: 80, nodePort: {}}}]", chosen), "api")),
              Texts{fmt::format("spec.ports[0].nodePort: service shop/api: {} is a node port of service shop/web",
                                chosen)});
    EXPECT_EQ(world.apply_completed(service(fmt::format("{}, healthCheckNodePort: {}", spec, chosen), "api")),
              Texts{fmt::format(
                  "spec.healthCheckNodePort: service shop/api: {} is a node port of service shop/web", chosen)});
    EXPECT_EQ(world.apply_completed(
                  service("type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 31000, "
                          "ports: [{port: 80, nodePort: 31000}]",
                          "api")),
              Texts{"spec.healthCheckNodePort: service shop/api: 31000 is a node port of its own"});
    // Without the policy it has none, and the port is free again.
    ASSERT_EQ(world.apply_completed(service("type: LoadBalancer, ports: [{port: 80}]")), Texts{});
    EXPECT_EQ(world.service("web").health_check_node_port, 0);
    EXPECT_EQ(world.apply_completed(service(fmt::format("{}, healthCheckNodePort: {}", spec, chosen), "api")),
              Texts{});
}

TEST(ServiceAddresses, ChoosesTheSameAgainAndFillsItIn) {
    const std::string text = service("type: NodePort, selector: {app: web}, ports: [{port: 80}]");
    World first, second;
    ASSERT_EQ(first.apply_completed(text), Texts{});
    ASSERT_EQ(second.apply_completed(service("ports: [{port: 80}]", "another") + text), Texts{});
    const kube::Service& chosen = first.service("web");
    ASSERT_EQ(chosen.cluster_ips.size(), 1U);
    EXPECT_TRUE(IpPrefix::parse("10.96.0.0/16")->contains(chosen.cluster_ips[0]));
    EXPECT_GE(chosen.ports[0].node_port, 30000);
    EXPECT_LE(chosen.ports[0].node_port, 32767);
    EXPECT_EQ(chosen, second.service("web"));
    const std::string json = first.store.find({Kind::kService, "shop", "web"})->object.json;
    EXPECT_EQ(objects(json)[0].service(), chosen);
}

TEST(ServiceAddresses, AppliedAgainItKeepsWhatItHas) {
    World world;
    const std::string open = service("ports: [{port: 80}]");
    ASSERT_EQ(world.apply_completed(service("clusterIP: 10.96.7.7, ports: [{port: 80}]")), Texts{});
    ASSERT_EQ(world.apply_completed(open), Texts{});
    EXPECT_EQ(world.service("web").cluster_ips[0].text(), "10.96.7.7");
    const std::string json = world.store.find({Kind::kService, "shop", "web"})->object.json;
    ASSERT_EQ(world.apply_completed(open), Texts{});
    EXPECT_EQ(world.store.find({Kind::kService, "shop", "web"})->object.json, json);
    // A node port too, and without a type that has one no more.
    ASSERT_EQ(world.apply_completed(service("type: NodePort, ports: [{port: 80, nodePort: 31000}]")), Texts{});
    ASSERT_EQ(world.apply_completed(service("type: NodePort, ports: [{port: 80}]")), Texts{});
    EXPECT_EQ(world.service("web").ports[0].node_port, 31000);
    ASSERT_EQ(world.apply_completed(open), Texts{});
    EXPECT_EQ(world.service("web").ports[0].node_port, 0);
}

TEST(ServiceAddresses, RefusesWhatAnotherHas) {
    World world;
    ASSERT_EQ(world.apply_completed(
                  service("clusterIP: 10.96.0.1, type: NodePort, ports: [{port: 80, nodePort: 30080}]")),
              Texts{});
    EXPECT_EQ(world.apply_completed(service("clusterIP: 10.96.0.1, ports: [{port: 81}]", "api")),
              Texts{"spec.clusterIP: service shop/api: 10.96.0.1 is an address of service shop/web"});
    EXPECT_EQ(world.apply_completed(service("type: NodePort, ports: [{port: 80, nodePort: 30080}]", "api")),
              Texts{"spec.ports[0].nodePort: service shop/api: 30080 is a node port of service shop/web"});
    world.remove(Kind::kService, "web");
    EXPECT_EQ(world.apply_completed(service("clusterIP: 10.96.0.1, ports: [{port: 81}]", "api")), Texts{});
}

TEST(ServiceAddresses, GoesOnToTheNextFreeOneUntilARangeIsUsedUp) {
    World world;
    world.ranges.cluster_ips = {*IpPrefix::parse("10.96.0.0/30")};
    world.ranges.node_ports = {30000, 30000};
    const std::string open = "ports: [{port: 80}]";
    ASSERT_EQ(world.apply_completed(service(open, "a") + service(open, "b")), Texts{});
    EXPECT_NE(world.service("a").cluster_ips, world.service("b").cluster_ips);
    EXPECT_EQ(world.apply_completed(service(open, "c")),
              Texts{"spec.clusterIP: service shop/c: service-ranges.cluster-ips 10.96.0.0/30 is used up"});
    EXPECT_EQ(
        world.apply_completed(service("type: NodePort, ports: [{name: a, port: 80}, {name: b, port: 81}]", "a")),
        Texts{"spec.ports[1].nodePort: service shop/a: service-ranges.node-ports 30000 is used up"});
    // One port number under two protocols has one node port.
    ASSERT_EQ(world.apply_completed(service(
                  "type: NodePort, ports: [{name: a, port: 80}, {name: b, port: 80, protocol: UDP}]", "a")),
              Texts{});
    EXPECT_EQ(world.service("a").ports[1].node_port, 30000);
}

TEST(ServiceAddresses, GivesTheFamiliesThatAServiceAsksFor) {
    World world;
    const std::string ports = ", ports: [{port: 80}]";
    ASSERT_EQ(world.apply_completed(service("ipFamilyPolicy: PreferDualStack" + ports)), Texts{});
    EXPECT_EQ(world.service("web").cluster_ips.size(), 1U);
    EXPECT_EQ(world.apply_completed(service("ipFamilyPolicy: RequireDualStack" + ports, "api")).size(), 1U);
    EXPECT_EQ(world.apply_completed(service("ipFamilies: [IPv6]" + ports, "api")).size(), 1U);
    world.ranges.cluster_ips.push_back(*IpPrefix::parse("fd00:96::/112"));
    ASSERT_EQ(world.apply_completed(service("ipFamilyPolicy: PreferDualStack" + ports)), Texts{});
    EXPECT_EQ(world.service("web").ip_families, (std::vector{kube::IpFamily::kIpv4, kube::IpFamily::kIpv6}));
    ASSERT_EQ(world.apply_completed(service("ipFamilies: [IPv6]" + ports, "api")), Texts{});
    ASSERT_EQ(world.service("api").cluster_ips.size(), 1U);
    EXPECT_TRUE(IpPrefix::parse("fd00:96::/112")->contains(world.service("api").cluster_ips[0]));
    EXPECT_FALSE(world.service("api").cluster_ips[0].is_v4());
}

TEST(ServiceAddresses, GivesALoadBalancerAnAddressOfItsRange) {
    World world;
    world.ranges.load_balancer_ips = {*IpPrefix::parse("203.0.113.5/32")};
    const std::string text = service("type: LoadBalancer, ports: [{port: 80}]");
    ASSERT_EQ(world.apply_completed(text), Texts{});
    ASSERT_EQ(world.service("web").load_balancer_ips.size(), 1U);
    EXPECT_EQ(world.service("web").load_balancer_ips[0].text(), "203.0.113.5");
    ASSERT_EQ(world.apply_completed(text), Texts{});
    EXPECT_EQ(world.service("web").load_balancer_ips.size(), 1U);
    EXPECT_EQ(world.apply_completed(service("type: LoadBalancer, ports: [{port: 80}]", "api")).size(), 1U);
}

// --- many small changes give the same as one ---

class RandomWorld {
 public:
    // One object by a kind and a small number, with random contents.
    std::string object(size_t what, size_t i) {
        const std::string name = fmt::format("{}{}", "ab"[i % 2], i / 2);
        switch (what) {
            case 0:
                return service(
                    fmt::format("clusterIP: 10.96.0.{}, type: {}, selector: {{app: web{}}}, "
                                "ports: [{{port: {}, targetPort: {}}}]{}{}",
                                i + 1, one("ClusterIP", "NodePort"), one("", ", tier: front"), dice(2) + 80,
                                one("8080", "http"), one("", ", publishNotReadyAddresses: true"),
                                one("", ", internalTrafficPolicy: Local")),
                    i == 0 ? "web" : name);
            case 1:
                return pod(name, fmt::format("10.0.0.{}", dice(8) + 1), one("", kNotReady),
                           one("", ", nodeName: here"), one("", kDeleted));
            case 2:
                return slice(fmt::format("{{addresses: [10.0.0.{}], conditions: {{ready: {}}}}}", dice(8) + 1,
                                         one("true", "false")),
                             "{port: 8080}", name);
            default:
                return fmt::format(
                    "---\napiVersion: v1\nkind: Node\nmetadata: {{name: here}}\nstatus: {{addresses: "
                    "[{{type: InternalIP, address: 192.0.2.{}}}]}}\n",
                    dice(4) + 1);
        }
    }
    size_t dice(size_t sides) { return std::uniform_int_distribution<size_t>(0, sides - 1)(random_); }

 private:
    std::string one(const std::string& a, const std::string& b) { return dice(2) == 0 ? a : b; }

    std::mt19937 random_{14};
};

TEST(KubeServices, ManySmallChangesGiveTheSameAsOne) {
    RandomWorld random;
    World small;
    const Kind kinds[] = {Kind::kService, Kind::kPod, Kind::kEndpointSlice};
    for (int step = 0; step < 1000; ++step) {
        const size_t what = random.dice(8);
        if (what < 6 || what == 7) {
            small.apply(random.object(what == 7 ? 3 : what % 3, random.dice(6)));
        } else {
            const auto all = small.store.all(kinds[random.dice(3)]);
            if (!all.empty()) small.change(small.store.remove({all[random.dice(all.size())]->object.key}));
        }
        if (random.dice(4) != 0) continue;  // several changes at once
        const Texts seen = small.texts();
        World whole;
        kube::Change change;
        for (const auto& stored : small.store.all()) change.push_back({stored->object.key, nullptr, stored});
        whole.change(change);
        ASSERT_EQ(seen, whole.texts()) << "step " << step;
    }
}

}  // namespace
}  // namespace sluice::engine
