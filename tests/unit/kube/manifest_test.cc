#include "kube/manifest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

namespace sluice::kube {
namespace {

Manifest manifest_of(std::string_view text, UnknownKinds unknown_kinds = UnknownKinds::kRefuse) {
    auto manifest = parse_manifest(text, "f", unknown_kinds);
    if (!manifest) {
        for (const base::Error& error : manifest.error()) ADD_FAILURE() << error.text();
        return {};
    }
    return std::move(*manifest);
}

// Every mistake of the text, a line each.
std::string mistakes_of(std::string_view text) {
    const auto manifest = parse_manifest(text, "f", UnknownKinds::kRefuse);
    std::string out;
    if (manifest) return out;
    for (const base::Error& error : manifest.error()) out += error.text() + "\n";
    return out;
}

NetworkPolicy policy_of(const std::string& spec) {
    const Manifest manifest = manifest_of(
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, spec: " + spec + "}");
    return manifest.objects.size() == 1 ? manifest.objects[0].policy() : NetworkPolicy{};
}

std::string mistakes_of_policy(const std::string& spec) {
    return mistakes_of("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, spec: " + spec +
                       "}");
}

Pod pod_of(const std::string& rest) {
    const Manifest manifest = manifest_of("{apiVersion: v1, kind: Pod, metadata: {name: p}, " + rest + "}");
    return manifest.objects.size() == 1 ? manifest.objects[0].pod() : Pod{};
}

constexpr std::string_view kTutorial = R"(# a comment
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {team: "a"}
---
apiVersion: v1
kind: Pod
metadata:
  name: api-0
  namespace: shop
  labels:
    app: api
spec:
  containers:
  - name: api
    image: example/api:1
    env: [{name: X, value: "y"}]
    ports:
    - {name: http, containerPort: 8080}
    - {name: dns, containerPort: 53, protocol: UDP}
status:
  phase: Running
  podIP: 10.1.0.5
  podIPs: [{ip: 10.1.0.5}, {ip: "fd00::5"}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: api
  namespace: shop
spec:
  podSelector:
    matchLabels: {app: api}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: frontend}}
    ports: [{port: 8080}]
  egress:
  - to:
    - podSelector: {matchLabels: {app: db}}
    ports: [{protocol: TCP, port: 5432}]
)";

TEST(Manifest, UnknownFieldsOfAPodAreRefused) {
    const auto mistakes = [](const std::string& spec) {
        return mistakes_of("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: " + spec + "}");
    };
    EXPECT_EQ(mistakes("{hostnetwork: true, containers: [{name: c}]}"),
              "spec (f:1:57): unknown field 'hostnetwork'; did you mean 'hostNetwork'?\n");
    EXPECT_EQ(mistakes("{containers: [{name: c, prots: []}]}"),
              "spec.containers[0] (f:1:80): unknown field 'prots'; did you mean 'ports'?\n");
    EXPECT_EQ(mistakes("{containers: []}"), "spec.containers (f:1:69): a pod has at least one container\n");
    EXPECT_EQ(mistakes("{restartPolicy: Never, containers: [{name: c, tty: true, restartPolicyRules: []}]}"), "");
    EXPECT_EQ(mistakes("{x: 1, containers: [{name: c, foo: 1}]}"),
              "spec.containers[0] (f:1:86): unknown field 'foo'\n"
              "spec (f:1:57): unknown field 'x'\n");
    EXPECT_EQ(mistakes(""), "spec (f:1:56): is empty\n");
}

TEST(Manifest, UnknownFieldsOfANamespaceAreRefused) {
    const auto mistakes = [](const std::string& spec) {
        return mistakes_of("{apiVersion: v1, kind: Namespace, metadata: {name: n}, spec: " + spec + "}");
    };
    EXPECT_EQ(mistakes("{finalizers: [kubernetes]}"), "");
    EXPECT_EQ(mistakes("{x: 1}"), "spec (f:1:63): unknown field 'x'\n");
}

TEST(Manifest, OfALabelKeyAndValueAreBothReported) {
    const std::string mistakes = mistakes_of(
        "{apiVersion: v1, kind: Namespace, metadata: {name: n, labels: {'a b': 'x y', c: yes, d: 'true'}}}");
    EXPECT_EQ(std::ranges::count(mistakes, '\n'), 2) << mistakes;
    EXPECT_NE(mistakes.find("metadata.labels (f:1:64): 'a b' "), std::string::npos) << mistakes;
    EXPECT_NE(mistakes.find("metadata.labels.a b (f:1:71): 'x y' "), std::string::npos) << mistakes;
}

TEST(Manifest, TheTutorialIsReadWhole) {
    const Manifest manifest = manifest_of(kTutorial);
    ASSERT_EQ(manifest.objects.size(), 3U);
    const Object& shop = manifest.objects[0];
    EXPECT_EQ(shop.key.text(), "namespace shop");
    EXPECT_EQ(shop.labels.text(), "kubernetes.io/metadata.name=shop,team=a");
    const Object& pod = manifest.objects[1];
    EXPECT_EQ(pod.key, (Key{Kind::kPod, "shop", "api-0"}));
    EXPECT_EQ(pod.place.line, 8);
    EXPECT_EQ(pod.pod().addresses.size(), 2U);
    EXPECT_EQ(pod.pod().addresses[1].text(), "fd00::5");
    ASSERT_EQ(pod.pod().ports.size(), 2U);
    EXPECT_EQ(pod.pod().ports[1], (NamedPort{"dns", Protocol::kUdp, 53}));
    const NetworkPolicy& policy = manifest.objects[2].policy();
    EXPECT_TRUE(policy.isolates_ingress && policy.isolates_egress);
    EXPECT_EQ(policy.pods.text(), "app=api");
    ASSERT_EQ(policy.ingress.size(), 1U);
    EXPECT_EQ(policy.ingress[0].peers[0].pods.text(), "app=frontend");
    EXPECT_EQ(policy.ingress[0].ports[0].first, 8080);
    EXPECT_EQ(policy.ingress[0].place.line, 38);
}

TEST(Manifest, JsonGivesTheSameObjects) {
    const Manifest yaml = manifest_of(kTutorial);
    std::string list = R"({"apiVersion": "v1", "kind": "List", "items": [)";
    for (const Object& object : yaml.objects) list += (list.back() == '[' ? "" : ",\n") + object.json;
    const Manifest json = manifest_of(list + "]}");
    ASSERT_EQ(json.objects.size(), yaml.objects.size());
    for (size_t i = 0; i < yaml.objects.size(); ++i) {
        EXPECT_EQ(json.objects[i].key, yaml.objects[i].key);
        EXPECT_EQ(json.objects[i].labels, yaml.objects[i].labels);
        EXPECT_EQ(json.objects[i].spec, yaml.objects[i].spec);
        EXPECT_EQ(json.objects[i].json, yaml.objects[i].json);
        EXPECT_EQ(json.objects[i].place.line, static_cast<int>(i) + 1);
    }
}

TEST(Manifest, ItemsOfATypedListNeedNoType) {
    const Manifest manifest = manifest_of(
        R"({"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "7"},
            "items": [{"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c"}]}}]})");
    ASSERT_EQ(manifest.objects.size(), 1U);
    EXPECT_EQ(manifest.objects[0].key, (Key{Kind::kPod, "default", "a"}));
    const auto json = nlohmann::json::parse(manifest.objects[0].json);
    EXPECT_EQ(json["kind"], "Pod");
    EXPECT_EQ(json["apiVersion"], "v1");
    EXPECT_EQ(json["metadata"]["namespace"], "default");
}

TEST(Manifest, UnknownKindsAreNamed) {
    const std::string text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n";
    EXPECT_EQ(mistakes_of(text),
              "kind (f:2:7): the switch takes no 'Deployment' of 'apps/v1': it takes Namespace, Pod, "
              "NetworkPolicy, Service, Endpoints, EndpointSlice, Node\n");
    const Manifest manifest = manifest_of(text, UnknownKinds::kSkip);
    EXPECT_TRUE(manifest.objects.empty());
    ASSERT_EQ(manifest.skipped.size(), 1U);
    EXPECT_EQ(manifest.skipped[0].text(), "f:1:1: skipped Deployment 'web'");
    // A slip in what the switch would act on is no other kind.
    const auto mistake = [](std::string_view manifest_text) {
        const auto read = parse_manifest(manifest_text, "f", UnknownKinds::kSkip);
        return read ? std::string("none") : read.error().front().text();
    };
    EXPECT_EQ(mistake("{apiVersion: networking.k8s.io/v1, kind: NetworkPolcy, metadata: {name: p}}"),
              "kind (f:1:42): 'networking.k8s.io/v1' has no kind 'NetworkPolcy'; did you mean 'NetworkPolicy'?");
    EXPECT_EQ(mistake("{apiVersion: networking.k8s.io/v1beta1, kind: NetworkPolicy, metadata: {name: p}}"),
              "apiVersion (f:1:14): NetworkPolicy has the apiVersion networking.k8s.io/v1 here, not "
              "'networking.k8s.io/v1beta1'");
    EXPECT_EQ(mistake("{apiVersion: crd.projectcalico.org/v1, kind: NetworkPolicy, metadata: {name: p}}"), "none");
    for (const std::string_view kind : {"Secret", "ConfigMap", "ServiceAccount", "PersistentVolume", "Event"}) {
        EXPECT_EQ(mistake("{apiVersion: v1, kind: " + std::string(kind) + ", metadata: {name: p}}"), "none");
    }
    EXPECT_EQ(mistake("{apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: p}}"), "none");
    EXPECT_EQ(mistake("{apiVersion: discovery.k8s.io/v1beta1, kind: EndpointSlice, metadata: {name: p}}"),
              "apiVersion (f:1:14): EndpointSlice has the apiVersion discovery.k8s.io/v1 here, not "
              "'discovery.k8s.io/v1beta1'");
    EXPECT_EQ(mistake("{apiVersion: v1, kind: Endpoint, metadata: {name: p}}"),
              "kind (f:1:24): 'v1' has no kind 'Endpoint'; did you mean 'Endpoints'?");
    EXPECT_EQ(mistakes_of("{apiVersion: extensions/v1beta1, kind: NetworkPolicy, metadata: {name: p}}"),
              "apiVersion (f:1:14): NetworkPolicy has the apiVersion networking.k8s.io/v1 here, not "
              "'extensions/v1beta1'\n");
}

TEST(Manifest, EveryMistakeIsReportedWithItsField) {
    EXPECT_EQ(mistakes_of(R"(apiVersion: v1
kind: Pod
metadata:
  name: Web
  label: {a: b}
  labels: {a: 1, -b: c, d: "x y"}
spec:
  containers:
  - ports: [{containerPort: 0}, {name: "80", containerPort: 80, protocol: ICMP}]
status: {podIP: 10.0.0.300, phase: Fine}
---
apiVersion: v1
kind: Namespace
metadata: {name: a.b, namespace: x}
)"),
              R"(metadata.name (f:4:9): 'Web' is not a DNS name: at most 253 lowercase letters, digits, '-' or '.', a letter or digit at both ends of each part
metadata.labels.a (f:6:15): expected a string, found '1': put it in quotes
metadata.labels (f:6:18): '-b' is not a label's key: 1 to 63 letters, digits, '-', '_' or '.', a letter or digit at both ends, optionally behind a DNS name and '/'
metadata.labels.d (f:6:28): 'x y' is not a label's value: at most 63 letters, digits, '-', '_' or '.', a letter or digit at both ends
metadata (f:5:3): unknown field 'label'; did you mean 'labels'?
spec.containers[0] (f:9:5): the field 'name' is missing
spec.containers[0].ports[0].containerPort (f:9:29): 0 is out of range (1 to 65535)
spec.containers[0].ports[1].protocol (f:9:75): 'ICMP' is not one of TCP, UDP, SCTP
spec.containers[0].ports[1].name (f:9:40): '80' is not a port's name: at most 15 lowercase letters, digits or single '-', at least one letter, no '-' at an end
status.phase (f:10:36): 'Fine' is not one of Pending, Running, Succeeded, Failed, Unknown
status.podIP (f:10:17): '10.0.0.300' is not an IP address
metadata.name (f:14:18): 'a.b' is not a DNS label: 1 to 63 lowercase letters, digits or '-', a letter or digit at both ends
metadata.namespace (f:14:34): a Namespace is in no namespace
)");
    EXPECT_EQ(mistakes_of("[]"), "f:1:1: expected a mapping, found a list\n");
    EXPECT_EQ(mistakes_of("{apiVersion: v1, kind: Pod}"),
              "f:1:1: the field 'metadata' is missing\nf:1:1: the field 'spec' is missing\n");
    EXPECT_EQ(mistakes_of("{apiVersion: v1, kind: Pod, metadata: {generateName: x-}, spec: {containers: [{name: c}]}}"),
              "metadata.generateName (f:1:54): the switch makes no names up: give the object a 'name'\n");
    EXPECT_NE(mistakes_of("{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n---\n"
                          "{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n")
                  .find("f:3:1: namespace a stands in this text twice"),
              std::string::npos);
}

TEST(Manifest, OfManyMistakesTheFirstAreReported) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "---\n{apiVersion: v1, kind: Pod, metadata: {}, spec: {}}\n";
    const auto manifest = parse_manifest(text, "f", UnknownKinds::kRefuse);
    ASSERT_FALSE(manifest);
    EXPECT_EQ(manifest.error().size(), base::kMaxErrors + 1);
}

// --- the readings of NetworkPolicy that implementers get wrong (../shared/NETWORKPOLICY.md has the list) ---

TEST(Policy, TypesAreInferredFromTheEgressRules) {
    const auto types = [](const std::string& spec) {
        const NetworkPolicy policy = policy_of(spec);
        return std::pair(policy.isolates_ingress, policy.isolates_egress);
    };
    EXPECT_EQ(types("{podSelector: {}}"), std::pair(true, false));
    EXPECT_EQ(types("{podSelector: {}, egress: []}"), std::pair(true, false));
    EXPECT_EQ(types("{podSelector: {}, egress: null}"), std::pair(true, false));
    EXPECT_EQ(types("{podSelector: {}, egress: [{}]}"), std::pair(true, true));
    EXPECT_EQ(types("{podSelector: {}, policyTypes: [], egress: [{}]}"), std::pair(true, true));
    EXPECT_EQ(types("{podSelector: {}, policyTypes: [Egress], ingress: [{}]}"), std::pair(false, true));
    EXPECT_EQ(types("{podSelector: {}, policyTypes: [Ingress], egress: [{}]}"), std::pair(true, false));
    EXPECT_EQ(types("null"), std::pair(true, false));
}

TEST(Policy, APortWithoutANumberIsEveryPortOfItsProtocol) {
    const auto ports = [](const std::string& list) {
        return policy_of("{podSelector: {}, ingress: [{ports: " + list + "}]}").ingress.at(0).ports;
    };
    EXPECT_TRUE(ports("[]").empty());
    EXPECT_TRUE(ports("null").empty());
    EXPECT_EQ(ports("[{}]"), (std::vector<PolicyPort>{{Protocol::kTcp, 0, 0, ""}}));
    EXPECT_EQ(ports("[{protocol: SCTP}]"), (std::vector<PolicyPort>{{Protocol::kSctp, 0, 0, ""}}));
    EXPECT_EQ(ports("[{port: 80, endPort: 90}]"), (std::vector<PolicyPort>{{Protocol::kTcp, 80, 90, ""}}));
    EXPECT_EQ(ports("[{port: 80, endPort: 80}]"), (std::vector<PolicyPort>{{Protocol::kTcp, 80, 80, ""}}));
    EXPECT_EQ(ports("[{port: http, protocol: UDP}]"), (std::vector<PolicyPort>{{Protocol::kUdp, 0, 0, "http"}}));
    EXPECT_EQ(ports("[{port: \"http\"}]"), (std::vector<PolicyPort>{{Protocol::kTcp, 0, 0, "http"}}));
}

TEST(Policy, AbsentNullAndEmptyPeersEachHaveTheirMeaning) {
    const auto peers = [](const std::string& list) {
        return policy_of("{podSelector: {}, ingress: [{from: " + list + "}]}").ingress.at(0).peers;
    };
    EXPECT_TRUE(peers("[]").empty());
    EXPECT_TRUE(peers("null").empty());
    const Peer own = peers("[{podSelector: {}}]").at(0);
    EXPECT_TRUE(own.has_pods && !own.has_namespaces && own.pods.requirements().empty());
    const Peer all = peers("[{namespaceSelector: {}}]").at(0);
    EXPECT_TRUE(!all.has_pods && all.has_namespaces);
    const Peer both = peers("[{namespaceSelector: {}, podSelector: {matchLabels: {a: b}}}]").at(0);
    EXPECT_TRUE(both.has_pods && both.has_namespaces);
    EXPECT_EQ(peers("[{namespaceSelector: {}}, {podSelector: {matchLabels: {a: b}}}]").size(), 2U);
    const Peer null_pods = peers("[{namespaceSelector: {}, podSelector: null}]").at(0);
    EXPECT_FALSE(null_pods.has_pods);
}

TEST(Policy, AnExceptionIsTakenFromItsOwnBlock) {
    const IpBlock block =
        policy_of("{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]}")
            .ingress.at(0).peers.at(0).block;
    EXPECT_TRUE(block.contains(*IpAddress::parse("10.2.0.1")));
    EXPECT_FALSE(block.contains(*IpAddress::parse("10.1.0.1")));
    EXPECT_FALSE(block.contains(*IpAddress::parse("11.0.0.1")));
    EXPECT_FALSE(block.contains(*IpAddress::parse("fd00::1")));
}

TEST(Policy, HostBitsAreTakenOffWithAWarning) {
    const Manifest manifest = manifest_of(
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, spec: {podSelector: {}, "
        "ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/24}}]}]}}");
    ASSERT_EQ(manifest.warnings.size(), 1U);
    EXPECT_EQ(manifest.warnings[0].text(), "f:1:137: '10.0.0.1/24' has bits beyond its length: 10.0.0.0/24 is meant");
    EXPECT_EQ(manifest.objects[0].policy().ingress[0].peers[0].block.cidr.text(), "10.0.0.0/24");
}

TEST(Policy, TheApiServersRulesHold) {
    const auto mistake = [](const std::string& rule) {
        std::string text = mistakes_of_policy("{podSelector: {}, ingress: [" + rule + "]}");
        if (const size_t end = text.find('\n'); end != text.npos) text.resize(end);
        return text;
    };
    EXPECT_EQ(mistake("{from: [{}]}"),
              "spec.ingress[0].from[0] (f:1:120): the peer names nobody: give podSelector, namespaceSelector or "
              "ipBlock");
    EXPECT_NE(mistake("{from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]}").find("stands beside a selector"),
              std::string::npos);
    EXPECT_NE(mistake("{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}")
                  .find("10.0.0.0/8 is not a strict subset of 10.0.0.0/8"), std::string::npos);
    EXPECT_NE(mistake("{from: [{ipBlock: {cidr: 10.0.0.0}}]}").find("has no length: write 10.0.0.0/32"),
              std::string::npos);
    EXPECT_NE(mistake("{from: [{ipBlock: {}}]}").find("the field 'cidr' is missing"), std::string::npos);
    EXPECT_NE(mistake("{ports: [{port: 0}]}").find("0 is out of range"), std::string::npos);
    EXPECT_NE(mistake("{ports: [{port: \"80\"}]}").find("'80' is not a port's name"), std::string::npos);
    EXPECT_NE(mistake("{ports: [{port: 80, endPort: 79}]}").find("79 is less than the port, 80"),
              std::string::npos);
    EXPECT_NE(mistake("{ports: [{port: http, endPort: 79}]}").find("needs a 'port' that is a number"),
              std::string::npos);
    EXPECT_NE(mistake("{ports: [{endPort: 79}]}").find("needs a 'port' that is a number"), std::string::npos);
    EXPECT_NE(mistake("{to: []}").find("a rule of this direction has 'from'"), std::string::npos);
    EXPECT_NE(mistake("{from: [{podSelector: {matchExpressions: [{key: a, operator: In}]}}]}")
                  .find("the operator In needs at least one value"), std::string::npos);
    EXPECT_NE(mistake("{from: [{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}]}")
                  .find("the operator Exists takes no values"), std::string::npos);
    EXPECT_NE(mistake("{from: [{podSelector: {matchExpressions: [{key: a, operator: in, values: [b]}]}}]}")
                  .find("'in' is not one of In, NotIn, Exists, DoesNotExist"), std::string::npos);
    EXPECT_NE(mistakes_of_policy("{podSelector: {}, policyTypes: [Both]}").find("'Both' is not one of"),
              std::string::npos);
}

TEST(Pods, SidecarsExposeTheirPortsAndInitContainersDont) {
    const Pod pod = pod_of(
        "spec: {containers: [{name: a, ports: [{name: http, containerPort: 80}]}], initContainers: ["
        "{name: b, restartPolicy: Always, ports: [{name: side, containerPort: 81}]},"
        "{name: c, ports: [{name: init, containerPort: 82}]}]}");
    ASSERT_EQ(pod.ports.size(), 2U);
    EXPECT_EQ(pod.ports[1].name, "side");
}

TEST(Policy, AnEmptySpecIsAWarning) {
    const Manifest manifest =
        manifest_of("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec:\n");
    ASSERT_EQ(manifest.warnings.size(), 1U);
    EXPECT_EQ(manifest.warnings[0].text(),
              "spec (f:1:1): the policy has no spec: it selects all pods of its namespace, and nothing may come in");
}

TEST(Pods, TheFirstOfPodIpsIsPodIp) {
    const auto mistakes = [](const std::string& status) {
        return mistakes_of("{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c}]}, status: " +
                           status + "}");
    };
    EXPECT_EQ(mistakes("{podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}"), "");
    EXPECT_EQ(mistakes("{podIP: 10.0.0.1, podIPs: [{ip: 'fd00::1'}, {ip: 10.0.0.1}]}"),
              "status.podIPs[0].ip (f:1:123): fd00::1 is not podIP, 10.0.0.1: the first of podIPs is the same\n");
}

TEST(Pods, ThoseThatAreOverOwnNothing) {
    const std::string spec = "spec: {containers: [{name: a}], hostNetwork: true, volumes: [{name: x}]}";
    EXPECT_TRUE(pod_of(spec).host_network);
    EXPECT_FALSE(pod_of(spec + ", status: {phase: Pending}").is_over);
    EXPECT_TRUE(pod_of(spec + ", status: {phase: Failed}").is_over);
    EXPECT_TRUE(pod_of(spec + ", status: {phase: Succeeded}").is_over);
}

TEST(Pods, AreReadyByTheirConditionOrWithoutConditions) {
    const std::string spec = "spec: {nodeName: n1, containers: [{name: a}]}";
    EXPECT_EQ(pod_of(spec).node_name, "n1");
    EXPECT_TRUE(pod_of(spec).is_ready);
    EXPECT_TRUE(pod_of(spec + ", status: {podIP: 10.0.0.1}").is_ready);
    EXPECT_TRUE(pod_of(spec + ", status: {conditions: []}").is_ready);
    EXPECT_TRUE(pod_of(spec + ", status: {conditions: [{type: PodScheduled, status: \"True\"}, {type: Ready, "
                              "status: \"True\", lastProbeTime: null}]}").is_ready);
    EXPECT_FALSE(pod_of(spec + ", status: {conditions: [{type: Ready, status: \"False\"}]}").is_ready);
    EXPECT_FALSE(pod_of(spec + ", status: {conditions: [{type: Ready, status: Unknown}]}").is_ready);
    EXPECT_FALSE(pod_of(spec + ", status: {conditions: [{type: PodScheduled, status: \"True\"}]}").is_ready);
}

TEST(Pods, ThoseThatAreBeingDeletedAreTerminating) {
    const auto pod = [](const std::string& metadata) {
        return manifest_of("{apiVersion: v1, kind: Pod, metadata: {name: p" + metadata +
                           "}, spec: {containers: [{name: a}]}}").objects.at(0).pod();
    };
    EXPECT_FALSE(pod("").is_terminating);
    EXPECT_FALSE(pod(", deletionTimestamp: null").is_terminating);
    EXPECT_TRUE(pod(", deletionTimestamp: \"2026-11-30T10:00:00Z\", deletionGracePeriodSeconds: 30").is_terminating);
}

// Whatever is done to a text: it parses, or each mistake has a place.
TEST(Manifest, MutatedTextsParseOrFailWithAPlace) {
    std::mt19937 dice(7);
    const std::string yaml(kTutorial);
    const std::string json = "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[" + manifest_of(yaml).objects[2].json + "]}";
    for (int i = 0; i < 2000; ++i) {
        std::string text = i % 2 == 0 ? yaml : json;
        for (int change = 0; change < 3; ++change) {
            const size_t at = dice() % text.size();
            switch (dice() % 3) {
                case 0: text[at] = static_cast<char>(dice()); break;
                case 1: text.erase(at, dice() % 10); break;
                default: text.insert(at, text.substr(dice() % text.size(), dice() % 20)); break;
            }
            if (text.empty()) text = "x";
        }
        const auto manifest = parse_manifest(text, "f", UnknownKinds::kSkip);
        if (manifest) continue;
        ASSERT_FALSE(manifest.error().empty());
        for (const base::Error& error : manifest.error()) EXPECT_GT(error.place.line, 0) << error.text();
    }
}

}  // namespace
}  // namespace sluice::kube
