// Questions of trace that name pods: which packet they stand for, and who decides about it. The ports are null
// devices: policies are judged without a container.
#include <gtest/gtest.h>

#include "explain/pod_end.h"
#include "explain/trace.h"
#include "golden/dry_run.h"
#include "golden/harness.h"
#include "kube/manifest.h"

namespace sluice {
namespace {

using explain::Question;
using explain::Trace;
using wire::Protocol;

constexpr const char* kSwitch = R"(networks:
  - {name: blue, subnets: [10.0.0.0/24, 'fd00:a::/64'], gateway: [10.0.0.254, 'fd00:a::fe']}
  - {name: red, subnets: [10.0.1.0/24, 'fd00:b::/64'], gateway: [10.0.1.254, 'fd00:b::fe']}
ports:
  - {name: front, device: 'net_null5,no-rx=1', network: blue, pod: shop/front}
  - {name: api, device: 'net_null6,no-rx=1', network: blue, address: [10.0.0.2], namespace: shop, labels: {app: api}}
  - {name: db, device: 'net_null7,no-rx=1', network: red, pod: shop/db}
  - {name: uplink, device: 'net_null8,no-rx=1', network: blue}
routes:
  - {to: default, via: 10.0.0.253}
  - {to: default, via: 'fd00:a::fd'}
)";
constexpr const char* kObjects = R"({apiVersion: v1, kind: Pod, metadata: {name: front, namespace: shop, labels: {app: front}},
  spec: {containers: [{name: c}]}, status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00:a::1'}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}},
  spec: {containers: [{name: c, ports: [{name: sql, containerPort: 5432}, {name: dns, containerPort: 53, protocol: UDP}]}]},
  status: {podIP: 10.0.1.1, podIPs: [{ip: 10.0.1.1}, {ip: 'fd00:b::1'}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: far, namespace: shop, labels: {app: front}},
  spec: {containers: [{name: c}]}, status: {podIP: 10.9.0.9}}
---
{apiVersion: v1, kind: Pod, metadata: {name: over, namespace: shop},
  spec: {containers: [{name: c}]}, status: {phase: Succeeded, podIP: 10.9.0.8}}
---
{apiVersion: v1, kind: Pod, metadata: {name: on-host, namespace: shop},
  spec: {hostNetwork: true, containers: [{name: c}]}, status: {podIP: 10.9.0.7}}
---
{apiVersion: v1, kind: Pod, metadata: {name: homeless, namespace: shop}, spec: {containers: [{name: c}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: twice, namespace: shop},
  spec: {containers: [{name: c}]}, status: {podIP: 10.0.1.1}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: front, namespace: shop}
spec:
  podSelector: {matchLabels: {app: front}}
  policyTypes: [Egress]
  egress:
  - to: [{podSelector: {matchLabels: {app: db}}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - ports: [{port: dns, protocol: UDP}]
  - from: [{podSelector: {matchLabels: {app: front}}}]
    ports: [{port: sql}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}}
)";

class PodTrace : public testing::Test {
 protected:
    PodTrace() {
        auto config = engine::load_config(kSwitch, "golden", {});
        EXPECT_TRUE(config) << config.error()[0].text();
        auto manifest = kube::parse_manifest(kObjects, "objects", kube::UnknownKinds::kRefuse);
        EXPECT_TRUE(manifest) << manifest.error()[0].text();
        if (!config || !manifest) return;
        config->objects = std::make_shared<const std::vector<kube::Object>>(std::move(manifest->objects));
        EXPECT_TRUE(harness_.running().apply(*config, {}));
    }

    base::Result<Trace> ask(Question question, const std::string& port_name = "") {
        const std::string before = golden::digest(harness_);
        const auto resolved = explain::resolve_pods(harness_.running(), std::move(question), port_name);
        if (!resolved) return tl::unexpected(resolved.error());
        auto trace = explain::trace(harness_.running(), *resolved);
        EXPECT_EQ(golden::digest(harness_), before);
        return trace;
    }
    // "deliver to db", and a line for each of the deciders.
    std::string answer(Question question, const std::string& port_name = "") {
        const auto trace = ask(std::move(question), port_name);
        if (!trace) return trace.error().text();
        std::string text(base::word_of(trace->verdict));
        if (!trace->reason.empty()) text += " " + trace->reason;
        for (const std::string& to : trace->to) text += " to " + to;
        for (const auto& by : trace->decided_by) {
            text += fmt::format("\n{} {} {}:{}", by.kind, by.name, by.place.file, by.place.line);
        }
        return text;
    }
    std::string packet(Question question) {
        const auto trace = ask(std::move(question));
        return trace ? trace->packet : trace.error().text();
    }
    // Of the line of an object that begins so, after the first `after`.
    static int line_of(const std::string& text, const std::string& after = "") {
        const std::string objects = kObjects;
        const size_t from = after.empty() ? 0 : objects.find(after);
        const size_t at = objects.find(text, from);
        EXPECT_NE(at, objects.npos) << text;
        return 1 + static_cast<int>(std::count(objects.begin(), objects.begin() + static_cast<ptrdiff_t>(at), '\n'));
    }

    test::Harness harness_{1, {}};
};

TEST_F(PodTrace, AnAllowNamesTheRulesOfBothDirections) {
    const int egress = line_of("- to:");
    const int ingress = line_of("- from:");
    EXPECT_EQ(answer({.from = "shop/front", .to = "shop/db"}, "sql"),
              fmt::format("deliver to db\nnetwork-policy shop/front egress rule 0 objects:{}\n"
                          "network-policy shop/db ingress rule 1 objects:{}", egress, ingress));
    EXPECT_NE(packet({.from = "shop/front", .to = "shop/db"}).find("10.0.0.1.40000 > 10.0.1.1.80"), std::string::npos)
        << packet({.from = "shop/front", .to = "shop/db"});
}

TEST_F(PodTrace, ADenialNamesEachPolicyOfItsDirectionWithItsOwnPlace) {
    // A document's place is that of its first key.
    const int db = line_of("metadata: {name: db, namespace: shop}\nspec:") - 2;
    const int nobody = line_of("metadata: {name: nobody") - 2;
    const int front = line_of("metadata: {name: front, namespace: shop}\nspec:") - 2;
    EXPECT_EQ(answer({.from = "shop/front", .to = "shop/db", .destination_port = 80}),
              fmt::format("drop denied\nnetwork-policy shop/db ingress objects:{}\n"
                          "network-policy shop/nobody ingress objects:{}", db, nobody));
    EXPECT_EQ(answer({.from = "shop/front", .to = "api"}),
              fmt::format("drop denied\nnetwork-policy shop/front egress objects:{}", front));
    const auto trace = ask({.from = "shop/front", .to = "shop/db", .destination_port = 80});
    ASSERT_TRUE(trace);
    const explain::Stage& drop = trace->stages.back();
    EXPECT_NE(drop.text.find(fmt::format("; by network-policy shop/db ingress (objects:{}:1), network-policy "
                                         "shop/nobody ingress (objects:{}:1)", db, nobody)), std::string::npos)
        << drop.text;
    EXPECT_FALSE(drop.by);
}

TEST_F(PodTrace, APodHasTheFamilyOfTheOtherEnd) {
    EXPECT_NE(packet({.from = "shop/front", .to = "fd00:b::1"}).find("fd00:a::1.40000 > fd00:b::1.80"),
              std::string::npos)
        << packet({.from = "shop/front", .to = "fd00:b::1"});
    EXPECT_NE(packet({.from = "fd00:a::1", .to = "shop/db"}).find("fd00:a::1.40000 > fd00:b::1.80"),
              std::string::npos);
    EXPECT_EQ(answer({.from = "shop/far", .to = "fd00:b::1"}),
              "shop/far has no IPv6 address, and fd00:b::1 no IPv4 one");
}

TEST_F(PodTrace, WhatIsElsewhereEntersWhereItsRoutePoints) {
    for (const char* from : {"shop/far", "192.0.2.1"}) {
        const auto trace = ask({.from = from, .to = "shop/db", .protocol = Protocol::kUdp}, "dns");
        ASSERT_TRUE(trace) << trace.error().text();
        EXPECT_EQ(trace->to, std::vector<std::string>{"db"}) << from;
        ASSERT_TRUE(trace->stages.at(0).by);
        EXPECT_EQ(trace->stages.at(0).by->name, "uplink") << from;
    }
    const auto far = ask({.from = "shop/far", .to = "shop/db"}, "sql");
    ASSERT_TRUE(far);
    EXPECT_EQ(far->to, std::vector<std::string>{"db"}) << "its labels count";
    const auto outside = ask({.from = "192.0.2.1", .to = "shop/db"}, "sql");
    ASSERT_TRUE(outside);
    EXPECT_EQ(outside->reason, "denied");
}

TEST_F(PodTrace, APortsPodIsNamedByItsPort) {
    EXPECT_EQ(answer({.from = "shop/front", .to = "shop/port:api"}), answer({.from = "front", .to = "api"}));
}

TEST_F(PodTrace, WhatCanNotBeAskedSaysWhy) {
    EXPECT_EQ(answer({.from = "shop/nosuch", .to = "api"}), "there is no pod 'shop/nosuch'");
    EXPECT_EQ(answer({.from = "shop/", .to = "api"}), "'shop/' is not a pod: write NAMESPACE/NAME");
    EXPECT_EQ(answer({.from = "shop/over", .to = "api"}), "pod shop/over has run to its end, and has no address any more");
    EXPECT_EQ(answer({.from = "shop/on-host", .to = "api"}),
              "pod shop/on-host is in its host's network, and policies don't tell it from its host: name an address or "
              "a port");
    EXPECT_EQ(answer({.from = "shop/homeless", .to = "api"}),
              "pod shop/homeless has no address: neither its status nor a port here gives one");
    EXPECT_EQ(answer({.from = "shop/twice", .to = "api"}),
              "pod shop/twice isn't found by its address 10.0.1.1: pod shop/db has it");
    EXPECT_EQ(answer({.from = "front", .to = "shop/api"}),
              "there is no pod 'shop/api': the pod at port api is shop/port:api");
    EXPECT_EQ(answer({.from = "front", .to = "shop/db"}, "dns"),
              "pod shop/db has no TCP port named dns; it has sql (TCP 5432), dns (UDP 53)");
    EXPECT_EQ(answer({.from = "shop/db", .to = "shop/front"}, "http"),
              "pod shop/front has no TCP port named http; its ports have no names");
    EXPECT_EQ(answer({.from = "shop/db", .to = "192.0.2.1"}, "http"),
              "only a pod's ports have names like http, and 192.0.2.1 is no pod");
}

}  // namespace
}  // namespace sluice
