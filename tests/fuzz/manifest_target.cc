// Manifests of Kubernetes objects: any text is read or refused with reasons, an object's JSON is read as the same
// object, and policies judge whatever they were made of. The first byte chooses between a manifest and a selector.
#include "engine/pod_policies.h"
#include "fuzz/target.h"
#include "kube/manifest.h"

namespace sluice::fuzz {
namespace {

using kube::UnknownKinds;

void check_selector(std::string_view text) {
    const auto selector = kube::Selector::parse(text);
    if (!selector) return must(!selector.error().empty(), "refused without a word");
    const std::string shown = selector->requirements().empty() ? "" : selector->text();
    const auto again = kube::Selector::parse(shown);
    must(again.has_value() && *again == *selector, "'{}' is shown as '{}', which is another", text, shown);
}

void check_object(const kube::Object& object) {
    const auto again = kube::parse_manifest(object.json, "json", UnknownKinds::kRefuse);
    must(again.has_value(), "an object's JSON is refused:\n{}\n{}", object.json,
         again ? "" : again.error().front().text());
    must(again->objects.size() == 1, "an object's JSON is another number of objects");
    const kube::Object& same = again->objects.front();
    must(same.key == object.key && same.labels == object.labels && same.spec == object.spec,
         "an object's JSON is another object:\n{}", object.json);
}

void judge(const pod::Pods& pods, const std::vector<IpAddress>& addresses) {
    for (const IpAddress& from : addresses) {
        for (const IpAddress& to : addresses) {
            const pod::Pod* sender = pods.at(from);
            const pod::Pod* receiver = pods.at(to);
            if (receiver == nullptr) continue;
            for (const uint16_t port : {0, 80, 65535}) {
                const auto answer =
                    pod::judge(*receiver, pod::Direction::kIngress, {sender, from}, receiver, {6, true, port});
                must(answer.permits || answer.object != 0, "refused by nobody");
                must(sender != receiver || answer.permits, "a pod is kept from itself");
            }
        }
    }
}

void check_manifest(std::string_view text) {
    const auto manifest = kube::parse_manifest(text, "fuzz", UnknownKinds::kSkip);
    if (!manifest) {
        must(!manifest.error().empty(), "refused without a reason");
        for (const base::Error& error : manifest.error()) must(!error.text().empty(), "refused without a word");
        return;
    }
    std::vector<IpAddress> addresses{*IpAddress::parse("192.0.2.1")};
    for (const kube::Object& object : manifest->objects) {
        check_object(object);
        if (object.key.kind != kube::Kind::kPod) continue;
        const auto& own = object.pod().addresses;
        addresses.insert(addresses.end(), own.begin(), own.end());
    }
    if (addresses.size() > 20) addresses.resize(20);
    kube::Store store;
    uint32_t next_object = 1;
    engine::PodPolicies policies(next_object);
    must(store.why_not_applied(manifest->objects).empty(), "nothing was declared");
    policies.apply(store.apply(manifest->objects, 0));
    for (const kube::Object& object : manifest->objects) {
        for (const base::Error& warning : policies.warnings(object.key)) {
            must(!warning.text().empty(), "a warning without a word");
        }
    }
    judge(*policies.pods(), addresses);
    // Without its namespaces, and then without anything.
    std::vector<kube::Key> keys;
    for (const auto& stored : store.all(kube::Kind::kNamespace)) keys.push_back(stored->object.key);
    policies.apply(store.remove(store.to_remove(keys, kube::Store::Missing::kRefuse)->gone));
    judge(*policies.pods(), addresses);
    keys.clear();
    for (const auto& stored : store.all()) keys.push_back(stored->object.key);
    policies.apply(store.remove(store.to_remove(keys, kube::Store::Missing::kRefuse)->gone));
    for (const IpAddress& address : addresses) must(policies.pods()->at(address) == nullptr, "a pod is left");
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    input.below(2) == 0 ? check_manifest(text_of(input.rest())) : check_selector(text_of(input.rest()));
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> seeds;
    const auto add = [&](uint8_t what, std::string_view text) {
        seeds.push_back(Output().byte(what).add(bytes_of(text)));
    };
    add(0, R"(apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec:
  hostNetwork: false
  containers: [{name: c, ports: [{name: http, containerPort: 80, protocol: TCP}]}]
  initContainers: [{name: i, restartPolicy: Always, ports: [{name: x, containerPort: 81}]}]
status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec:
  podSelector: {matchExpressions: [{key: app, operator: In, values: [api]}]}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {}}, {namespaceSelector: {matchLabels: {team: a}}, podSelector: {}}]
    ports: [{port: http}, {port: 80, endPort: 90}, {protocol: UDP}]
  egress:
  - to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]
)");
    add(0, R"(apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: LoadBalancer
  selector: {app: api}
  clusterIP: 10.96.0.1
  clusterIPs: [10.96.0.1, "fd00:96::1"]
  ipFamilies: [IPv4, IPv6]
  ipFamilyPolicy: PreferDualStack
  externalIPs: [192.0.2.1]
  loadBalancerIP: 192.0.2.2
  loadBalancerSourceRanges: [10.0.0.0/8]
  allocateLoadBalancerNodePorts: false
  externalTrafficPolicy: Local
  internalTrafficPolicy: Cluster
  healthCheckNodePort: 30999
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}
  publishNotReadyAddresses: true
  ports: [{name: a, port: 80, targetPort: http, nodePort: 30080}, {name: b, port: 80, protocol: UDP}]
status: {loadBalancer: {ingress: [{ip: 192.0.2.3, ipMode: VIP}, {hostname: h}]}}
---
apiVersion: v1
kind: Service
metadata: {name: out}
spec: {type: ExternalName, externalName: example.com.}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints:
- addresses: [10.0.0.1]
  conditions: {ready: false, serving: true, terminating: true}
  nodeName: n1
  targetRef: {kind: Pod, name: api, namespace: shop}
ports: [{name: a, port: 8080, protocol: TCP}, {name: b}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: web, namespace: shop}
subsets:
- {addresses: [{ip: 10.0.0.1}], notReadyAddresses: [{ip: "fd00::1", nodeName: n1}], ports: [{port: 80}]}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
spec: {podCIDR: 10.0.0.0/24, podCIDRs: [10.0.0.0/24, "fd00::/64"]}
status: {addresses: [{type: InternalIP, address: 192.0.2.9}, {type: Hostname, address: n1}]}
)");
    add(0, R"({"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},)"
           R"("spec":{"containers":[{"name":"c"}]},"status":{"podIP":"10.0.0.2"}}]})");
    add(1, "app=web,tier!=front,zone in (a, b),size notin (xl),gpu,!old");
    return seeds;
}

std::vector<std::string> words() {
    return {"null", "---\n", "matchLabels: ", "matchExpressions: ", "operator: NotIn", "Exists", "DoesNotExist",
            "except: ", "endPort: ", "from: ", "to: ", "podSelector: ", "namespaceSelector: ", "ipBlock: ", "notin (",
            "clusterIP: None", "targetPort: ", "nodePort: ", "type: NodePort", "addressType: IPv6", "addresses: "};
}

}  // namespace sluice::fuzz
