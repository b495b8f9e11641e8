#include "kube/service.h"

#include <gtest/gtest.h>

#include "kube/manifest.h"

namespace sluice::kube {
namespace {

Manifest manifest_of(std::string_view text) {
    auto manifest = parse_manifest(text, "f", UnknownKinds::kRefuse);
    if (!manifest) {
        for (const base::Error& error : manifest.error()) ADD_FAILURE() << error.text();
        return {};
    }
    return std::move(*manifest);
}

// Every mistake of the text, a line each; without a line for none.
std::string mistakes_of(std::string_view text) {
    const auto manifest = parse_manifest(text, "f", UnknownKinds::kRefuse);
    std::string out;
    if (manifest) return out;
    for (const base::Error& error : manifest.error()) out += error.text() + "\n";
    return out;
}

// Lines before the spec, so that its columns are easy to count.
std::string service_text(const std::string& spec, const std::string& rest = "") {
    return "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n" + rest + "spec:\n " + spec + "\n";
}
Service service_of(const std::string& spec, const std::string& rest = "") {
    const Manifest manifest = manifest_of(service_text(spec, rest));
    return manifest.objects.size() == 1 ? manifest.objects[0].service() : Service{};
}
std::string mistakes_of_service(const std::string& spec, const std::string& rest = "") {
    return mistakes_of(service_text(spec, rest));
}

std::vector<std::string> texts_of(const auto& values) {
    std::vector<std::string> texts;
    for (const auto& value : values) texts.push_back(value.text());
    return texts;
}
using Texts = std::vector<std::string>;
using Families = std::vector<IpFamily>;

TEST(Services, HaveTheApiServersDefaults) {
    const Service service = service_of("{selector: {app: web}, ports: [{port: 80}]}");
    Service expected;
    expected.selector.set("app", "web");
    expected.ports = {{.name = "", .protocol = Protocol::kTcp, .port = 80, .target_number = 80}};
    EXPECT_EQ(service, expected);
    EXPECT_EQ(service.type, ServiceType::kClusterIp);
    EXPECT_EQ(service.ip_family_policy, IpFamilyPolicy::kSingleStack);
    EXPECT_EQ(service.internal_traffic_policy, TrafficPolicy::kCluster);
    EXPECT_EQ(service.external_traffic_policy, TrafficPolicy::kCluster);
    EXPECT_EQ(service.affinity_seconds, 0U);
    EXPECT_FALSE(service.is_headless || service.allocates_node_ports || service.publishes_not_ready_addresses);
    // An empty word is what Helm charts leave of a value that nobody has set.
    EXPECT_EQ(service_of("{type: '', clusterIP: '', sessionAffinity: '', externalTrafficPolicy: '', "
                         "loadBalancerIP: '', externalName: '', selector: {app: web}, "
                         "ports: [{port: 80, targetPort: 0, protocol: '', nodePort: 0, name: ''}]}"),
              expected);
}

TEST(Services, HavePortsThatLeadToNumbersOrNames) {
    const Service service = service_of(
        "{ports: [{name: web, port: 80, targetPort: http}, {name: alt, port: 81, targetPort: 8081}, "
        "{name: dns, port: 53, protocol: UDP, appProtocol: kubernetes.io/h2c}, {name: dns-tcp, port: 53}, "
        "{name: sig, port: 9, protocol: SCTP, targetPort: \"sig\"}, {name: '80', port: 82, targetPort: ''}]}");
    ASSERT_EQ(service.ports.size(), 6U);
    EXPECT_EQ(service.ports[0], (ServicePort{"web", Protocol::kTcp, 80, 0, "http", 0}));
    EXPECT_EQ(service.ports[1], (ServicePort{"alt", Protocol::kTcp, 81, 8081, "", 0}));
    EXPECT_EQ(service.ports[2], (ServicePort{"dns", Protocol::kUdp, 53, 53, "", 0}));
    EXPECT_EQ(service.ports[3], (ServicePort{"dns-tcp", Protocol::kTcp, 53, 53, "", 0}));
    EXPECT_EQ(service.ports[4], (ServicePort{"sig", Protocol::kSctp, 9, 0, "sig", 0}));
    EXPECT_EQ(service.ports[5], (ServicePort{"80", Protocol::kTcp, 82, 82, "", 0}));
}

TEST(Services, HaveAtMostOneAddressOfEachFamily) {
    const auto of = [](const std::string& fields) { return service_of("{ports: [{port: 1}], " + fields + "}"); };
    EXPECT_EQ(texts_of(of("clusterIP: 10.96.0.1").cluster_ips), (Texts{"10.96.0.1"}));
    EXPECT_EQ(of("clusterIP: 10.96.0.1").ip_families, (Families{IpFamily::kIpv4}));
    EXPECT_EQ(texts_of(of("clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1]").cluster_ips), (Texts{"10.96.0.1"}));
    const Service both = of("clusterIP: 'fd00::1', clusterIPs: ['fd00::1', 10.96.0.1], ipFamilyPolicy: RequireDualStack");
    EXPECT_EQ(texts_of(both.cluster_ips), (Texts{"fd00::1", "10.96.0.1"}));
    EXPECT_EQ(both.ip_families, (Families{IpFamily::kIpv6, IpFamily::kIpv4}));
    const Service open = of("ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6]");
    EXPECT_EQ(open.ip_family_policy, IpFamilyPolicy::kPreferDualStack);
    EXPECT_EQ(open.ip_families, (Families{IpFamily::kIpv6}));
    // A second family whose address is to be allocated.
    const Service half = of("clusterIP: 10.96.0.1, ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv4, IPv6]");
    EXPECT_EQ(half.ip_families.size(), 2U);
    EXPECT_EQ(half.cluster_ips.size(), 1U);
}

TEST(Services, MayBeHeadless) {
    const Service headless = service_of("{clusterIP: None, selector: {app: db}}");
    EXPECT_TRUE(headless.is_headless && headless.cluster_ips.empty() && headless.ports.empty());
    EXPECT_EQ(headless.ip_family_policy, IpFamilyPolicy::kSingleStack);
    const Service without_selector = service_of("{clusterIP: None, clusterIPs: [None]}");
    EXPECT_TRUE(without_selector.is_headless);
    EXPECT_EQ(without_selector.ip_family_policy, IpFamilyPolicy::kRequireDualStack);
}

TEST(Services, MayBeAName) {
    const Service name = service_of("{type: ExternalName, externalName: db.example.com.}");
    EXPECT_EQ(name.type, ServiceType::kExternalName);
    EXPECT_EQ(name.external_name, "db.example.com");
}

TEST(Services, OfLoadBalancersHaveTheAddressesOfTheirStatus) {
    const std::string spec = "{type: LoadBalancer, loadBalancerIP: 192.0.2.9, ports: [{port: 80, nodePort: 30080}]}";
    const Service asked = service_of(spec);
    EXPECT_EQ(texts_of(asked.load_balancer_ips), (Texts{"192.0.2.9"}));
    EXPECT_EQ(asked.ports[0].node_port, 30080);
    EXPECT_TRUE(asked.allocates_node_ports);
    const Service given = service_of(spec,
                                     "status: {conditions: [], loadBalancer: {ingress: [{ip: 192.0.2.1, ipMode: VIP}, "
                                     "{ip: 192.0.2.2, ipMode: Proxy}, {hostname: lb.example.com}, {ip: 'fd00::9', "
                                     "ports: [{port: 80, protocol: TCP}]}, {ip: 192.0.2.1}]}}\n");
    EXPECT_EQ(texts_of(given.load_balancer_ips), (Texts{"192.0.2.1", "fd00::9"}));
    // Clients must go by the proxy.
    EXPECT_TRUE(service_of(spec, "status: {loadBalancer: {ingress: [{ip: 192.0.2.9, ipMode: Proxy}]}}\n")
                    .load_balancer_ips.empty());
    // Another type keeps its status, which means nothing.
    EXPECT_TRUE(service_of("{ports: [{port: 1}]}", "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n")
                    .load_balancer_ips.empty());
    const Service closed = service_of(
        "{type: LoadBalancer, allocateLoadBalancerNodePorts: false, loadBalancerClass: example.com/sluice, "
        "loadBalancerSourceRanges: [10.0.0.0/8, 'fd00::/8'], externalTrafficPolicy: Local, "
        "healthCheckNodePort: 30999, externalIPs: [192.0.2.7, 192.0.2.7], ports: [{port: 80}]}");
    EXPECT_FALSE(closed.allocates_node_ports);
    EXPECT_EQ(texts_of(closed.load_balancer_source_ranges), (Texts{"10.0.0.0/8", "fd00::/8"}));
    EXPECT_EQ(closed.external_traffic_policy, TrafficPolicy::kLocal);
    EXPECT_EQ(closed.health_check_node_port, 30999);
    EXPECT_EQ(texts_of(closed.external_ips), (Texts{"192.0.2.7"}));
}

TEST(Services, KeepClientsForAWhile) {
    const auto seconds = [](const std::string& fields) {
        return service_of("{ports: [{port: 1}], " + fields + "}").affinity_seconds;
    };
    EXPECT_EQ(seconds("sessionAffinity: ClientIP"), 10800U);
    EXPECT_EQ(seconds("sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {}}"), 10800U);
    EXPECT_EQ(seconds("sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}"), 60U);
    EXPECT_EQ(seconds("sessionAffinity: None, sessionAffinityConfig: {clientIP: {timeoutSeconds: 60}}"), 0U);
}

TEST(Services, PoliciesOfTrafficAreRead) {
    const Service service = service_of(
        "{type: NodePort, externalTrafficPolicy: Local, internalTrafficPolicy: Local, "
        "publishNotReadyAddresses: true, trafficDistribution: PreferClose, ports: [{port: 1}]}");
    EXPECT_EQ(service.internal_traffic_policy, TrafficPolicy::kLocal);
    EXPECT_EQ(service.external_traffic_policy, TrafficPolicy::kLocal);
    EXPECT_TRUE(service.publishes_not_ready_addresses && service.allocates_node_ports);
    EXPECT_EQ(service_of("{externalIPs: [192.0.2.1], externalTrafficPolicy: Local, ports: [{port: 1}]}")
                  .external_traffic_policy,
              TrafficPolicy::kLocal);
}

struct Mistake {
    std::string spec;
    std::string text;  // what is reported, a line each
};

TEST(Services, TheApiServersRulesHold) {
    const std::string family = "a service of type ExternalName has no address of its own\n";
    const std::vector<Mistake> rows = {
        {"{}", "spec (f:5:2): a service has at least one port in 'ports', unless it has no address\n"},
        {"{type: Clusterip, ports: [{port: 1}]}",
         "spec.type (f:5:9): 'Clusterip' is not one of ClusterIP, NodePort, LoadBalancer, ExternalName\n"},
        {"{prots: [], ports: [{port: 1}]}", "spec (f:5:3): unknown field 'prots'; did you mean 'ports'?\n"},
        // Ports.
        {"{ports: [{port: 1}, {port: 2}]}",
         "spec.ports[0] (f:5:11): of several ports each has a 'name'\n"
         "spec.ports[1] (f:5:22): of several ports each has a 'name'\n"},
        {"{ports: [{name: a, port: 1}, {name: a, port: 2}]}",
         "spec.ports[1].name (f:5:38): the service has another port 'a'\n"},
        {"{ports: [{name: a, port: 1}, {name: b, port: 1, protocol: UDP}, {name: c, port: 1}]}",
         "spec.ports[2].port (f:5:82): the service has another port 1 of TCP\n"},
        {"{ports: [{name: A, port: 1}]}",
         "spec.ports[0].name (f:5:18): 'A' is not a DNS label: 1 to 63 lowercase letters, digits or '-', a letter "
         "or digit at both ends\n"},
        {"{ports: [{targetPort: 1}]}", "spec.ports[0] (f:5:11): the field 'port' is missing\n"},
        {"{ports: [{port: 0}]}", "spec.ports[0].port (f:5:18): 0 is out of range (1 to 65535)\n"},
        {"{ports: [{port: 1, targetPort: 65536}]}",
         "spec.ports[0].targetPort (f:5:33): 65536 is out of range (0 to 65535)\n"},
        {"{ports: [{port: 1, targetPort: \"80\"}]}",
         "spec.ports[0].targetPort (f:5:33): '80' is not a port's name: at most 15 lowercase letters, digits or "
         "single '-', at least one letter, no '-' at an end\n"},
        {"{ports: [{port: 1, protocol: ICMP}]}",
         "spec.ports[0].protocol (f:5:31): 'ICMP' is not one of TCP, UDP, SCTP\n"},
        {"{ports: [{port: 1, nodePort: 30000}]}",
         "spec.ports[0].nodePort (f:5:31): a service of type ClusterIP has none: use type NodePort or LoadBalancer\n"},
        {"{type: NodePort, ports: [{name: a, port: 1, nodePort: 3}, {name: b, port: 2, nodePort: 3}, "
         "{name: c, port: 3, nodePort: 3, protocol: UDP}]}",
         "spec.ports[1].nodePort (f:5:89): the service has another node port 3 of TCP\n"},
        {"{type: LoadBalancer, ports: [{port: 10250}]}",
         "spec.ports[0].port (f:5:38): 10250 is the kubelet's: a LoadBalancer may not have it\n"},
        // Its own addresses.
        {"{clusterIP: 10.96.0.300, ports: [{port: 1}]}",
         "spec.clusterIP (f:5:14): '10.96.0.300' is not an IP address\n"},
        {"{clusterIP: 10.96.0.1, clusterIPs: [10.96.0.2], ports: [{port: 1}]}",
         "spec.clusterIPs[0] (f:5:38): the first address is clusterIP, '10.96.0.1', not '10.96.0.2'\n"},
        {"{clusterIPs: [10.96.0.2], ports: [{port: 1}]}",
         "spec.clusterIPs[0] (f:5:16): the first address is clusterIP, '', not '10.96.0.2'\n"},
        {"{clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 10.96.0.2], ports: [{port: 1}]}",
         "spec.clusterIPs[1] (f:5:49): a service has at most one IPv4 address\n"},
        {"{clusterIP: None, clusterIPs: [None, 10.96.0.2]}",
         "spec.clusterIPs[1] (f:5:39): a service has no address (None) or some, not both\n"},
        {"{type: NodePort, clusterIP: None, ports: [{port: 1}]}",
         "spec.clusterIP (f:5:30): a service of type NodePort needs an address: None goes with ClusterIP\n"},
        {"{clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, 'fd00::1'], ports: [{port: 1}]}",
         "spec (f:5:2): two families need an ipFamilyPolicy PreferDualStack or RequireDualStack\n"},
        {"{ipFamilyPolicy: SingleStack, ipFamilies: [IPv4, IPv6], ports: [{port: 1}]}",
         "spec.ipFamilyPolicy (f:5:19): two families need an ipFamilyPolicy PreferDualStack or RequireDualStack\n"},
        {"{ipFamilies: [IPv4, IPv4], ports: [{port: 1}]}", "spec.ipFamilies[1] (f:5:22): IPv4 stands here twice\n"},
        {"{ipFamilies: [ipv4], ports: [{port: 1}]}",
         "spec.ipFamilies[0] (f:5:16): 'ipv4' is not one of IPv4, IPv6\n"},
        {"{clusterIP: 10.96.0.1, ipFamilies: [IPv6], ports: [{port: 1}]}",
         "spec.ipFamilies (f:5:37): 10.96.0.1 is no IPv6 address: give families in the addresses' order\n"},
        // Addresses for clients outside.
        {"{externalIPs: [127.0.0.1, 169.254.0.1, 224.0.0.1, 0.0.0.0, '::1', 'fe80::1', 'ff02::1', '::'], "
         "ports: [{port: 1}]}",
         "spec.externalIPs[0] (f:5:17): 127.0.0.1 is a loopback address: nothing can be sent to it\n"
         "spec.externalIPs[1] (f:5:28): 169.254.0.1 is a link-local address: nothing can be sent to it\n"
         "spec.externalIPs[2] (f:5:41): 224.0.0.1 is a multicast address: nothing can be sent to it\n"
         "spec.externalIPs[3] (f:5:52): 0.0.0.0 is the unspecified address: nothing can be sent to it\n"
         "spec.externalIPs[4] (f:5:61): ::1 is the loopback address: nothing can be sent to it\n"
         "spec.externalIPs[5] (f:5:68): fe80::1 is a link-local address: nothing can be sent to it\n"
         "spec.externalIPs[6] (f:5:79): ff02::1 is a multicast address: nothing can be sent to it\n"
         "spec.externalIPs[7] (f:5:90): :: is the unspecified address: nothing can be sent to it\n"},
        {"{loadBalancerSourceRanges: [10.0.0.0/8], allocateLoadBalancerNodePorts: true, loadBalancerClass: a/b, "
         "ports: [{port: 1}]}",
         "spec.loadBalancerSourceRanges (f:5:29): only a service of type LoadBalancer has them\n"
         "spec.allocateLoadBalancerNodePorts (f:5:74): only a service of type LoadBalancer has it\n"
         "spec.loadBalancerClass (f:5:99): only a service of type LoadBalancer has it\n"},
        {"{type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.1, x], ports: [{port: 1}]}",
         "spec.loadBalancerSourceRanges[0] (f:5:50): '10.0.0.1' has no length: write 10.0.0.1/32\n"
         "spec.loadBalancerSourceRanges[1] (f:5:60): 'x' is not an IP address\n"},
        // What goes with what.
        {"{externalTrafficPolicy: Local, ports: [{port: 1}]}",
         "spec.externalTrafficPolicy (f:5:26): nothing reaches the service from outside: it goes with type NodePort "
         "or LoadBalancer, or with externalIPs\n"},
        {"{type: LoadBalancer, healthCheckNodePort: 30999, ports: [{port: 1}]}",
         "spec.healthCheckNodePort (f:5:44): it goes with type LoadBalancer and externalTrafficPolicy Local\n"},
        {"{internalTrafficPolicy: local, ports: [{port: 1}]}",
         "spec.internalTrafficPolicy (f:5:26): 'local' is not one of Cluster, Local\n"},
        {"{sessionAffinity: Client, ports: [{port: 1}]}",
         "spec.sessionAffinity (f:5:20): 'Client' is not one of None, ClientIP\n"},
        {"{sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 86401}}, "
         "ports: [{port: 1}]}",
         "spec.sessionAffinityConfig.clientIP.timeoutSeconds (f:5:81): 86401 is out of range (1 to 86400)\n"},
        {"{selector: {-a: b}, ports: [{port: 1}]}",
         "spec.selector (f:5:14): '-a' is not a label's key: 1 to 63 letters, digits, '-', '_' or '.', a letter or "
         "digit at both ends, optionally behind a DNS name and '/'\n"},
        {"{type: ExternalName}",
         "spec (f:5:2): a service of type ExternalName needs an 'externalName'\n"},
        {"{type: ExternalName, externalName: a_b}",
         "spec.externalName (f:5:37): 'a_b' is not a DNS name: at most 253 lowercase letters, digits, '-' or '.', a "
         "letter or digit at both ends of each part\n"},
        {"{type: ExternalName, externalName: a, clusterIP: None, ipFamilies: [IPv4], ipFamilyPolicy: SingleStack}",
         "spec.clusterIP (f:5:51): " + family + "spec.ipFamilies (f:5:69): " + family +
             "spec.ipFamilyPolicy (f:5:93): " + family},
    };
    for (const Mistake& row : rows) EXPECT_EQ(mistakes_of_service(row.spec), row.text) << row.spec;
    EXPECT_EQ(mistakes_of_service("{type: LoadBalancer, ports: [{port: 1}]}",
                                  "status: {loadBalancer: {ingress: [{ip: x}, {ipmode: VIP}]}}\n"),
              "status.loadBalancer.ingress[0].ip (f:4:40): 'x' is not an IP address\n"
              "status.loadBalancer.ingress[1] (f:4:45): unknown field 'ipmode'; did you mean 'ipMode'?\n");
    EXPECT_EQ(mistakes_of("{apiVersion: v1, kind: Service, metadata: {name: 1a}}"),
              "metadata.name (f:1:50): '1a' is not a service's name: 1 to 63 lowercase letters, digits or '-', a "
              "letter first, a letter or digit last\nf:1:1: the field 'spec' is missing\n");
}

TEST(Services, SourceRangesLoseTheirHostBitsWithAWarning) {
    const Manifest manifest = manifest_of(
        service_text("{type: LoadBalancer, loadBalancerSourceRanges: [10.0.0.1/24], ports: [{port: 1}]}"));
    ASSERT_EQ(manifest.warnings.size(), 1U);
    EXPECT_EQ(manifest.warnings[0].text(), "f:5:50: '10.0.0.1/24' has bits beyond its length: 10.0.0.0/24 is meant");
    EXPECT_EQ(texts_of(manifest.objects[0].service().load_balancer_source_ranges), (Texts{"10.0.0.0/24"}));
}

// --- Endpoints and EndpointSlice ---

TEST(Endpoints, HaveSubsetsWithAddressesAndPorts) {
    const Manifest manifest = manifest_of(R"(apiVersion: v1
kind: Endpoints
metadata: {name: web, namespace: shop, annotations: {endpoints.kubernetes.io/last-change-trigger-time: x}}
subsets:
- addresses:
  - {ip: 10.1.0.5, nodeName: n1, hostname: web-0, targetRef: {kind: Pod, name: web-0, namespace: shop, uid: u}}
  - {ip: "fd00::5", targetRef: {kind: Node, name: n1}}
  notReadyAddresses:
  - {ip: 10.1.0.6, targetRef: {apiVersion: v1, kind: Pod, name: web-1, resourceVersion: "7", fieldPath: x}}
  ports:
  - {name: http, port: 8080, appProtocol: http}
  - {name: dns, port: 53, protocol: UDP}
- addresses: [{ip: 192.0.2.1}]
  ports: [{port: 80}]
)");
    ASSERT_EQ(manifest.objects.size(), 1U);
    EXPECT_EQ(manifest.objects[0].key, (Key{Kind::kEndpoints, "shop", "web"}));
    const Endpoints& endpoints = manifest.objects[0].endpoints();
    ASSERT_EQ(endpoints.subsets.size(), 2U);
    const EndpointSubset& first = endpoints.subsets[0];
    ASSERT_EQ(first.endpoints.size(), 3U);
    const IpAddress address = *IpAddress::parse("10.1.0.5");
    EXPECT_EQ(first.endpoints[0], (Endpoint{address, true, true, false, "n1", Key{Kind::kPod, "shop", "web-0"}, "web-0"}));
    EXPECT_EQ(first.endpoints[1].pod, std::nullopt);
    EXPECT_FALSE(first.endpoints[2].is_ready || first.endpoints[2].is_serving);
    EXPECT_EQ(first.endpoints[2].pod, (Key{Kind::kPod, "shop", "web-1"})) << "of its own namespace";
    EXPECT_EQ(first.ports, (std::vector<EndpointPort>{{"http", Protocol::kTcp, 8080}, {"dns", Protocol::kUdp, 53}}));
    EXPECT_EQ(endpoints.subsets[1].ports, (std::vector<EndpointPort>{{"", Protocol::kTcp, 80}}));
    // Of a Service without endpoints.
    EXPECT_TRUE(manifest_of("{apiVersion: v1, kind: Endpoints, metadata: {name: web}}")
                    .objects.at(0).endpoints().subsets.empty());
}

TEST(Endpoints, TheApiServersRulesHold) {
    const auto mistakes = [](const std::string& subset) {
        return mistakes_of("apiVersion: v1\nkind: Endpoints\nmetadata: {name: e}\nsubsets:\n- " + subset + "\n");
    };
    EXPECT_EQ(mistakes("{ports: [{port: 1}]}"),
              "subsets[0] (f:5:3): a subset has at least one address in 'addresses' or 'notReadyAddresses'\n");
    EXPECT_EQ(mistakes("{addresses: [{ip: 127.0.0.1}, {}], notReadyAddresses: [{ip: 10.0.0.1, nodename: n}]}"),
              "subsets[0].addresses[0].ip (f:5:21): 127.0.0.1 is a loopback address: nothing can be sent to it\n"
              "subsets[0].addresses[1] (f:5:33): the field 'ip' is missing\n"
              "subsets[0].notReadyAddresses[0] (f:5:73): unknown field 'nodename'; did you mean 'nodeName'?\n");
    EXPECT_EQ(mistakes("{addresses: [{ip: 10.0.0.1}], ports: [{name: a, port: 1}, {port: 2}, {name: b}]}"),
              "subsets[0].ports[1] (f:5:61): of several ports each has a 'name'\n"
              "subsets[0].ports[2] (f:5:72): the field 'port' is missing\n");
    EXPECT_EQ(mistakes("{addresses: [{ip: 10.0.0.1}], port: [{name: a, port: 1}]}"),
              "subsets[0] (f:5:33): unknown field 'port'; did you mean 'ports'?\n");
}

std::string slice_text(const std::string& rest, const std::string& labels = "kubernetes.io/service-name: web") {
    return "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, labels: {" + labels +
           "}}\n" + rest;
}
EndpointSlice slice_of(const std::string& rest) {
    const Manifest manifest = manifest_of(slice_text(rest));
    return manifest.objects.size() == 1 ? manifest.objects[0].endpoint_slice() : EndpointSlice{};
}

TEST(EndpointSlices, HaveEndpointsWithConditions) {
    const EndpointSlice slice = slice_of(R"(addressType: IPv4
endpoints:
- addresses: [10.1.0.5, 10.1.0.6]
  nodeName: n1
  zone: z
  hints: {forZones: [{name: z}]}
  targetRef: {kind: Pod, namespace: default, name: web-0}
- {addresses: [10.1.0.7], conditions: {ready: false}}
- {addresses: [10.1.0.8], conditions: {ready: false, serving: true, terminating: true}}
- {addresses: [10.1.0.9], conditions: {ready: null, serving: null, terminating: null}, deprecatedTopology: {a: b}}
ports:
- {name: http, port: 8080, protocol: TCP}
- {name: "", port: 9, protocol: SCTP, appProtocol: x}
)");
    EXPECT_EQ(slice.service, "web");
    EXPECT_EQ(slice.address_type, AddressType::kIpv4);
    const auto& endpoints = slice.subset.endpoints;
    ASSERT_EQ(endpoints.size(), 4U);
    EXPECT_EQ(endpoints[0], (Endpoint{*IpAddress::parse("10.1.0.5"), true, true, false, "n1",
                                      Key{Kind::kPod, "default", "web-0"}}));
    EXPECT_FALSE(endpoints[1].is_ready || endpoints[1].is_serving || endpoints[1].is_terminating);
    EXPECT_TRUE(!endpoints[2].is_ready && endpoints[2].is_serving && endpoints[2].is_terminating);
    EXPECT_TRUE(endpoints[3].is_ready && endpoints[3].is_serving && !endpoints[3].is_terminating);
    EXPECT_EQ(slice.subset.ports,
              (std::vector<EndpointPort>{{"http", Protocol::kTcp, 8080}, {"", Protocol::kSctp, 9}}));
}

TEST(EndpointSlices, OfNamesHaveNoEndpointsForTheSwitch) {
    const EndpointSlice slice = slice_of(
        "addressType: FQDN\nendpoints: [{addresses: [db.example.com]}]\nports: [{port: 5432}]\n");
    EXPECT_EQ(slice.address_type, AddressType::kFqdn);
    EXPECT_TRUE(slice.subset.endpoints.empty());
}

TEST(EndpointSlices, WhatNoServiceCanUseIsWarnedOf) {
    const Manifest manifest = manifest_of(
        slice_text("addressType: IPv6\nendpoints: null\nports: [{name: all}, {name: a, port: 1}]\n", "a: b"));
    ASSERT_EQ(manifest.warnings.size(), 2U);
    EXPECT_EQ(manifest.warnings[0].text(),
              "f:6:9: endpointslice default/web-1: a port without a number is of no use to a Service");
    EXPECT_EQ(manifest.warnings[1].text(),
              "f:1:1: endpointslice default/web-1 belongs to no Service: it has no label kubernetes.io/service-name");
    EXPECT_EQ(manifest.objects[0].endpoint_slice().subset.ports,
              (std::vector<EndpointPort>{{"a", Protocol::kTcp, 1}}));
}

TEST(EndpointSlices, TheApiServersRulesHold) {
    const auto mistakes = [](const std::string& rest) { return mistakes_of(slice_text(rest)); };
    EXPECT_EQ(mistakes("endpoints: [{addresses: [x]}]\n"), "f:1:1: the field 'addressType' is missing\n");
    EXPECT_EQ(mistakes("addressType: IP\n"), "addressType (f:4:14): 'IP' is not one of IPv4, IPv6, FQDN\n");
    EXPECT_EQ(mistakes("addressType: IPv4\nendpoints: [{}, {addresses: []}, {addresses: [\"fd00::1\"]}, "
                       "{addresses: [10.0.0.1, 0.0.0.0]}]\n"),
              "endpoints[0] (f:5:13): the field 'addresses' is missing\n"
              "endpoints[1].addresses (f:5:29): an endpoint has at least one address\n"
              "endpoints[2].addresses[0] (f:5:47): fd00::1 is no IPv4 address\n"
              "endpoints[3].addresses[1] (f:5:83): 0.0.0.0 is the unspecified address: nothing can be sent to it\n");
    EXPECT_EQ(mistakes("addressType: FQDN\nendpoints: [{addresses: [a_b]}]\n"),
              "endpoints[0].addresses[0] (f:5:26): 'a_b' is not a DNS name: at most 253 lowercase letters, digits, "
              "'-' or '.', a letter or digit at both ends of each part\n");
    EXPECT_EQ(mistakes("addressType: IPv4\nendpoints: [{addresses: [10.0.0.1], conditions: {redy: true}}]\n"),
              "endpoints[0].conditions (f:5:50): unknown field 'redy'; did you mean 'ready'?\n");
    EXPECT_EQ(mistakes("addressType: IPv4\nports: [{name: a, port: 1}, {name: a, port: 70000}]\n"),
              "ports[1].name (f:5:36): there is another port 'a'\n"
              "ports[1].port (f:5:45): 70000 is out of range (1 to 65535)\n");
    EXPECT_EQ(mistakes("addressType: IPv4\nendpoint: []\n"),
              "f:5:1: unknown field 'endpoint'; did you mean 'endpoints'?\n");
    std::string many = "addressType: IPv4\nports: [";
    for (int i = 0; i < 101; ++i) many += "{name: p" + std::to_string(i) + ", port: 1},";
    EXPECT_EQ(mistakes(many + "]\n"), "ports (f:5:8): 101 are too many: at most 100\n");
    many = "addressType: IPv4\nendpoints:\n";
    for (int i = 0; i < 1001; ++i) many += "- {addresses: [10.0.0.1]}\n";
    EXPECT_EQ(mistakes(many), "endpoints (f:6:1): 1001 are too many: at most 1000\n");
}

// --- Node ---

TEST(Nodes, HaveAddressesAndPrefixes) {
    const Manifest manifest = manifest_of(R"(apiVersion: v1
kind: Node
metadata: {name: n1, labels: {kubernetes.io/hostname: n1}}
spec:
  podCIDR: 10.1.0.0/24
  podCIDRs: [10.1.0.0/24, "fd00:1::/64"]
  providerID: x
  taints: []
status:
  capacity: {cpu: "4"}
  somethingEntirelyNew: 1
  addresses:
  - {type: InternalIP, address: 192.0.2.1}
  - {type: InternalIP, address: "fd00::1"}
  - {type: InternalIP, address: "fd00::1"}
  - {type: ExternalIP, address: 198.51.100.1}
  - {type: Hostname, address: n1}
)");
    ASSERT_EQ(manifest.objects.size(), 1U);
    EXPECT_EQ(manifest.objects[0].key, (Key{Kind::kNode, "", "n1"}));
    EXPECT_EQ(manifest.objects[0].json.find("\"namespace\""), std::string::npos);
    const Node& node = manifest.objects[0].node();
    ASSERT_EQ(node.addresses.size(), 3U);
    EXPECT_EQ(node.addresses[2],
              (NodeAddress{NodeAddressType::kExternalIp, *IpAddress::parse("198.51.100.1")}));
    EXPECT_EQ(texts_of(node.pod_cidrs), (Texts{"10.1.0.0/24", "fd00:1::/64"}));
    EXPECT_TRUE(manifest_of("{apiVersion: v1, kind: Node, metadata: {name: n.example}}").objects.at(0).node() == Node{});
}

TEST(Nodes, TheApiServersRulesHold) {
    EXPECT_EQ(mistakes_of(R"(apiVersion: v1
kind: Node
metadata: {name: n1, namespace: shop}
spec: {podCIDR: 10.1.0.0/24, podCIDRs: [10.1.1.0/24, 10.1.0.0/24, 10.2.0.0/24], podCIDS: x}
status: {addresses: [{type: InternalIP, address: n1}, {type: internalIP, address: 10.0.0.1}, {type: Hostname}]}
)"),
              "metadata.namespace (f:3:33): a Node is in no namespace\n"
              "spec.podCIDRs[0] (f:4:41): the first prefix is podCIDR, '10.1.0.0/24', not '10.1.1.0/24'\n"
              "spec.podCIDRs[2] (f:4:67): a node has at most one IPv4 prefix\n"
              "spec (f:4:81): unknown field 'podCIDS'; did you mean 'podCIDR'?\n"
              "status.addresses[0].address (f:5:50): 'n1' is not an IP address\n"
              "status.addresses[1].type (f:5:62): 'internalIP' is not one of InternalIP, ExternalIP, Hostname, "
              "InternalDNS, ExternalDNS\n"
              "status.addresses[2] (f:5:94): the field 'address' is missing\n");
}

// A whole application as people write it, and what a cluster's API server makes of parts of it.
constexpr std::string_view kBlog = R"(# The store of the blog: one that is written to, some that are read from.
apiVersion: v1
kind: Service
metadata:
  name: store-primary
  labels: {app: store, role: primary, tier: backend}
spec:
  ports:
  - port: 6379
    targetPort: 6379
  selector: {app: store, role: primary, tier: backend}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: store-primary}
spec:
  selector: {matchLabels: {app: store}}
  replicas: 1
  template: {metadata: {labels: {app: store}}, spec: {containers: [{name: c, image: example/store}]}}
---
apiVersion: v1
kind: Service
metadata:
  name: store-replica
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {"apiVersion":"v1","kind":"Service"}
  creationTimestamp: "2026-01-31T12:00:00Z"
  resourceVersion: "4711"
  uid: 7f1d2c7e-0000-0000-0000-000000000000
spec:
  clusterIP: 10.96.81.4
  clusterIPs:
  - 10.96.81.4
  internalTrafficPolicy: Cluster
  ipFamilies:
  - IPv4
  ipFamilyPolicy: SingleStack
  ports:
  - name: store
    port: 6379
    protocol: TCP
    targetPort: store
  - name: metrics
    port: 9121
    protocol: TCP
    targetPort: 9121
  selector:
    app: store
    role: replica
  sessionAffinity: None
  type: ClusterIP
status:
  loadBalancer: {}
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec:
  type: LoadBalancer
  allocateLoadBalancerNodePorts: true
  externalTrafficPolicy: Local
  healthCheckNodePort: 31234
  ports: [{name: http, port: 80, targetPort: http, nodePort: 30080}]
  selector: {app: front}
  sessionAffinity: ClientIP
  sessionAffinityConfig: {clientIP: {timeoutSeconds: 3600}}
status: {loadBalancer: {ingress: [{ip: 192.0.2.80, ipMode: VIP}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: store-replica-x7z9q
  generateName: store-replica-
  generation: 3
  labels:
    endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io
    kubernetes.io/service-name: store-replica
  ownerReferences:
  - {apiVersion: v1, blockOwnerDeletion: true, controller: true, kind: Service, name: store-replica, uid: x}
addressType: IPv4
endpoints:
- addresses: [10.244.1.7]
  conditions: {ready: true, serving: true, terminating: false}
  nodeName: node-1
  targetRef: {kind: Pod, name: store-replica-0, namespace: default, uid: 9c}
ports:
- {name: store, port: 6379, protocol: TCP}
- {name: metrics, port: 9121, protocol: TCP}
---
apiVersion: v1
kind: Service
metadata: {name: mail}
spec: {type: ExternalName, externalName: mail.example.com}
---
apiVersion: v1
kind: Secret
metadata: {name: password}
data: {x: eA==}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: front}
)";

TEST(Services, AnApplicationIsReadAsItIs) {
    auto manifest = parse_manifest(kBlog, "f", UnknownKinds::kSkip);
    ASSERT_TRUE(manifest) << manifest.error().front().text();
    ASSERT_EQ(manifest->objects.size(), 5U);
    EXPECT_TRUE(manifest->warnings.empty());
    ASSERT_EQ(manifest->skipped.size(), 3U);
    EXPECT_EQ(manifest->skipped[0].text(), "f:13:1: skipped Deployment 'store-primary'");
    EXPECT_EQ(manifest->skipped[2].text(), "f:101:1: skipped ServiceAccount 'front'");
    EXPECT_EQ(texts_of(manifest->objects[1].service().cluster_ips), (Texts{"10.96.81.4"}));
    EXPECT_EQ(texts_of(manifest->objects[2].service().load_balancer_ips), (Texts{"192.0.2.80"}));
    EXPECT_EQ(manifest->objects[3].endpoint_slice().service, "store-replica");
    for (const Object& object : manifest->objects) {
        const Manifest again = manifest_of(object.json);
        ASSERT_EQ(again.objects.size(), 1U);
        EXPECT_EQ(again.objects[0].key, object.key);
        EXPECT_EQ(again.objects[0].spec, object.spec) << object.json;
    }
}

}  // namespace
}  // namespace sluice::kube
