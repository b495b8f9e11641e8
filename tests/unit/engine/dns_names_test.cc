#include "engine/dns_names.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "dns/resolve.h"
#include "kube/manifest.h"

namespace sluice::engine {
namespace {

using dns::Type;
using kube::Kind;

constexpr path::NetworkId kBlue{0};
constexpr path::NetworkId kRed{1};
constexpr path::NetworkId kAlone{2};  // in a routing domain of its own
constexpr path::NetworkId kPlain{3};  // a bridge without a gateway
constexpr path::PortId kWeb{7};

IpAddress ip(std::string_view text) {
    return *IpAddress::parse(text);
}

Config configuration() {
    Config config;
    const auto add = [&](const char* name, const char* subnet, const char* gateway) -> NetworkConfig& {
        NetworkConfig& network = config.networks.emplace_back();
        network.name = name;
        network.subnets = {*IpPrefix::parse(subnet)};
        if (*gateway != '\0') network.gateway = {ip(gateway)};
        return network;
    };
    add("blue", "10.10.0.0/24", "10.10.0.1");
    add("red", "10.20.0.0/24", "10.20.0.1");
    add("alone", "10.30.0.0/24", "10.30.0.1").domain = "other";
    add("plain", "10.40.0.0/24", "");
    config.service_ranges.cluster_ips = {*IpPrefix::parse("10.96.0.0/16")};
    return config;
}

port::PortConfig port_of(const char* name, const char* network, const char* address) {
    port::PortConfig port;
    port.name = name;
    port.netns = name;
    port.network = network;
    port.address = {*InterfaceAddress::parse(address)};
    return port;
}

// The switch's half: a store of objects, and the table.
class DnsNamesTest : public ::testing::Test {
 protected:
    DnsNamesTest() { arrange(); }

    void arrange() {
        if (names_.arrange(config_, {{"blue", kBlue}, {"red", kRed}, {"alone", kAlone}, {"plain", kPlain}}))
            services_.rebuild_all();
    }
    void apply(const std::string& text) {
        auto manifest = kube::parse_manifest(text, "f", kube::UnknownKinds::kRefuse);
        ASSERT_TRUE(manifest) << manifest.error().front().text() << "\n" << text;
        change(store_.apply(std::move(manifest->objects), 0));
    }
    void remove(Kind kind, const std::string& name) { change(store_.remove({{kind, "shop", name}})); }
    void change(const kube::Change& change) {
        services_.apply(change);
        for (const kube::Changed& it : change) {
            if (it.key.kind != Kind::kPod) continue;
            if (it.after == nullptr) {
                services_.remove_pod(it.key);
                names_.set_pod(it.key, nullptr, "");
                continue;
            }
            const kube::Pod& facts = it.after->object.pod();
            const ServicePod pod{.labels = it.after->object.labels,
                                 .addresses = facts.addresses,
                                 .ports = facts.ports,
                                 .is_ready = facts.is_ready,
                                 .is_over = facts.is_over,
                                 .host_name = facts.host_name,
                                 .subdomain = facts.subdomain};
            services_.set_pod(it.key, pod);
            names_.set_pod(it.key, &pod, "");
        }
    }

    const dns::Names& names() {
        (void)services_.take_changes();
        for (const kube::Key& key : services_.take_rebuilt()) {
            const auto known = services_.find(key);
            names_.set_service(key, known ? &*known : nullptr);
        }
        if (auto next = names_.take()) table_ = std::move(next);
        return *table_;
    }
    // "10.0.0.1, 10.0.0.2"; "none" for a name without the type, "no name", "upstream" and "refused".
    std::string ask(std::string_view name, Type type, path::NetworkId network = kBlue) {
        const dns::Resolved resolved = dns::resolve(names(), network, dns::wire_name(name), type);
        if (resolved.kind == dns::Resolved::Kind::kRefuse) return "refused";
        std::vector<std::string> texts;
        for (const dns::Answered& it : resolved.answers) texts.push_back(data_text(*it.record));
        std::ranges::sort(texts);
        if (resolved.kind == dns::Resolved::Kind::kForward) texts.push_back("upstream");
        if (resolved.rcode == dns::Rcode::kNoSuchName) return "no name";
        return texts.empty() ? "none" : fmt::format("{}", fmt::join(texts, ", "));
    }

    Config config_ = configuration();
    uint32_t next_object_ = 1;
    ObjectNumbers numbers_{next_object_};
    KubeServices services_{numbers_};
    kube::Store store_;
    DnsNames names_;
    std::shared_ptr<const dns::Names> table_;
};

// --- containers ---

TEST_F(DnsNamesTest, AContainerHasThePortsNameInItsNetworkAndWithTheNetworkInTheDomain) {
    names_.set_port(config_, port_of("Web", "blue", "10.10.0.2"), kWeb);
    EXPECT_EQ(ask("web", Type::kA), "10.10.0.2");
    EXPECT_EQ(ask("web", Type::kAaaa), "none");
    EXPECT_EQ(ask("web", Type::kA, kRed), "no name");
    EXPECT_EQ(ask("web.blue", Type::kA, kRed), "10.10.0.2");
    EXPECT_EQ(ask("web.blue", Type::kA, kAlone), "upstream");
    EXPECT_EQ(ask("2.0.10.10.in-addr.arpa", Type::kPtr, kRed), "web.blue.");
    EXPECT_EQ(ask("2.0.10.10.in-addr.arpa", Type::kPtr, kAlone), "upstream");
    EXPECT_EQ(ask("9.0.10.10.in-addr.arpa", Type::kPtr), "no name");
    names_.remove_port("Web");
    EXPECT_EQ(ask("web", Type::kA), "no name");
    EXPECT_EQ(ask("web.blue", Type::kA), "upstream");
}

TEST_F(DnsNamesTest, ARuntimesContainerHasItsAliasesItsPodsNameAndItsId) {
    port::PortConfig port = port_of("4f5e6a7b8c9d-eth0", "blue", "10.10.0.2");
    port.container = {.id = "4f5e6a7b8c9d00112233", .by = "cni:blue"};
    port.aliases = {"WWW", "www", "front.shop"};
    port.pod = "web/web-1";
    names_.set_port(config_, port, kWeb);
    for (const char* name : {"www", "front.shop", "web-1", "4f5e6a7b8c9d-eth0", "4f5e6a7b8c9d"})
        EXPECT_EQ(ask(name, Type::kA), "10.10.0.2") << name;
    EXPECT_EQ(ask("2.0.10.10.in-addr.arpa", Type::kPtr), "www.blue.") << "what people call it";
}

TEST_F(DnsNamesTest, AGuestsNameIsItsPortsAlsoAtALeasedAddress) {
    port::PortConfig port = port_of("vm", "blue", "10.10.0.2");
    port.address.clear();
    names_.set_port(config_, port, kWeb);
    EXPECT_EQ(ask("vm", Type::kA), "no name");
    names_.set_port(config_, port, kWeb, {*IpAddress::parse("10.10.0.9")});
    EXPECT_EQ(ask("vm", Type::kA), "10.10.0.9");
    EXPECT_EQ(ask("vm.blue", Type::kA), "10.10.0.9");
    EXPECT_EQ(ask("9.0.10.10.in-addr.arpa", Type::kPtr), "vm.blue.");
}

TEST_F(DnsNamesTest, ContainersThatShareAnAliasAreAllAnswered) {
    port::PortConfig first = port_of("a", "blue", "10.10.0.2");
    port::PortConfig second = port_of("b", "blue", "10.10.0.3");
    first.aliases = second.aliases = {"web"};
    names_.set_port(config_, first, kWeb);
    names_.set_port(config_, second, path::PortId{8});
    EXPECT_EQ(ask("web", Type::kA), "10.10.0.2, 10.10.0.3");
}

TEST_F(DnsNamesTest, AContainerTakesNoNameOfTheClusters) {
    port::PortConfig port = port_of("a", "blue", "10.10.0.2");
    port.aliases = {"web.shop.svc.cluster.local", "cluster.local"};
    names_.set_port(config_, port, kWeb);
    EXPECT_EQ(ask("web.shop.svc.cluster.local", Type::kA), "no name");
    EXPECT_EQ(ask("a", Type::kA), "10.10.0.2");
}

TEST_F(DnsNamesTest, ContainersGuestsAndTheHostAreInsiders) {
    port::PortConfig device = port_of("nic", "blue", "10.10.0.2");
    device.netns.clear();
    device.device = "0000:03:00.1";
    names_.set_port(config_, device, path::PortId{1});
    EXPECT_TRUE(names().is_insider(path::PortId{1})) << "a virtual function with an address of its own";
    device.address.clear();
    names_.set_port(config_, device, path::PortId{1});
    EXPECT_FALSE(names().is_insider(path::PortId{1})) << "a network may be behind it";
    names_.set_port(config_, port_of("a", "blue", "10.10.0.2"), kWeb);
    EXPECT_TRUE(names().is_insider(kWeb));
    names_.remove_port("a");
    EXPECT_FALSE(names().is_insider(kWeb));
}

TEST_F(DnsNamesTest, ANetworkAnswersAtItsGatewaysOnly) {
    EXPECT_EQ(ask("dns-version.cluster.local", Type::kTxt, kPlain), "refused") << "it has no gateway";
    EXPECT_EQ(ask("ns.dns.cluster.local", Type::kA, kRed), "10.20.0.1");
    config_.networks[1].dns.enabled = false;
    arrange();
    EXPECT_EQ(ask("ns.dns.cluster.local", Type::kA, kRed), "refused");
    EXPECT_EQ(ask("ns.dns.cluster.local", Type::kA, kBlue), "10.10.0.1");
}

// --- Kubernetes' DNS schema 1.1.0, in its order ---

constexpr const char* kService = R"(
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIPs: [10.96.0.10, "fd00:96::10"]
  clusterIP: 10.96.0.10
  ipFamilyPolicy: RequireDualStack
  selector: {app: web}
  ports: [{name: https, port: 443, targetPort: 8443}, {name: dns, port: 53, protocol: UDP}]
)";

constexpr const char* kHeadless = R"(
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: None, selector: {app: db}, ports: [{name: sql, port: 5432, targetPort: 15432}]}
)";

std::string pod(const char* name, const char* address, const char* spec = "", const char* ready = "True") {
    return fmt::format(R"(
---
apiVersion: v1
kind: Pod
metadata: {{name: {}, namespace: shop, labels: {{app: db}}}}
spec: {{containers: [{{name: c}}]{}}}
status: {{podIP: {}, conditions: [{{type: Ready, status: "{}"}}]}}
)",
                       name, spec, address, ready);
}

TEST_F(DnsNamesTest, Schema2_2_TheSchemasVersion) {
    EXPECT_EQ(ask("dns-version.cluster.local", Type::kTxt), "\"1.1.0\"");
}

TEST_F(DnsNamesTest, Schema2_3_1_AServiceHasItsAddressesOfBothFamilies) {
    apply(kService);
    EXPECT_EQ(ask("web.shop.svc.cluster.local", Type::kA), "10.96.0.10");
    EXPECT_EQ(ask("web.shop.svc.cluster.local", Type::kAaaa), "fd00:96::10");
    EXPECT_EQ(ask("web.shop.svc.cluster.local", Type::kA, kRed), "10.96.0.10");
    EXPECT_EQ(ask("web.shop.svc.cluster.local", Type::kA, kAlone), "none") << "Services are in another domain";
    EXPECT_EQ(ask("10.0.96.10.in-addr.arpa", Type::kPtr, kAlone), "upstream");
    EXPECT_EQ(ask("shop.svc.cluster.local", Type::kA), "none") << "a namespace";
    EXPECT_EQ(ask("store.svc.cluster.local", Type::kA), "no name");
    remove(Kind::kService, "web");
    EXPECT_EQ(ask("web.shop.svc.cluster.local", Type::kA), "no name");
    EXPECT_EQ(ask("shop.svc.cluster.local", Type::kA), "no name");
}

TEST_F(DnsNamesTest, Schema2_3_2_NamedPortsHaveServerRecords) {
    apply(kService);
    EXPECT_EQ(ask("_https._tcp.web.shop.svc.cluster.local", Type::kSrv), "0 100 443 web.shop.svc.cluster.local.");
    EXPECT_EQ(ask("_dns._udp.web.shop.svc.cluster.local", Type::kSrv), "0 100 53 web.shop.svc.cluster.local.");
    EXPECT_EQ(ask("_https._udp.web.shop.svc.cluster.local", Type::kSrv), "no name");
    EXPECT_EQ(ask("_tcp.web.shop.svc.cluster.local", Type::kSrv), "none");
}

TEST_F(DnsNamesTest, Schema2_3_3_AServicesAddressHasItsName) {
    apply(kService);
    EXPECT_EQ(ask("10.0.96.10.in-addr.arpa", Type::kPtr), "web.shop.svc.cluster.local.");
    EXPECT_EQ(ask("11.0.96.10.in-addr.arpa", Type::kPtr), "no name") << "of the Services' range";
}

TEST_F(DnsNamesTest, Schema2_4_1_AHeadlessServiceHasTheAddressesOfItsReadyEndpoints) {
    apply(kHeadless);
    EXPECT_EQ(ask("db.shop.svc.cluster.local", Type::kA), "no name") << "without ready endpoints";
    apply(pod("a", "10.10.0.2") + pod("b", "10.10.0.3", "", "False") + pod("c", "10.10.0.4"));
    EXPECT_EQ(ask("db.shop.svc.cluster.local", Type::kA), "10.10.0.2, 10.10.0.4");
    apply(pod("b", "10.10.0.3"));
    remove(Kind::kPod, "a");
    EXPECT_EQ(ask("db.shop.svc.cluster.local", Type::kA), "10.10.0.3, 10.10.0.4");
}

TEST_F(DnsNamesTest, Schema2_4_1_EndpointsHaveTheirHostNameOrOneMadeOfTheirAddress) {
    apply(kHeadless);
    apply(pod("a", "10.10.0.2", ", hostname: pet, subdomain: db") + pod("b", "10.10.0.3") +
          pod("c", "10.10.0.4", ", hostname: other, subdomain: elsewhere"));
    EXPECT_EQ(ask("pet.db.shop.svc.cluster.local", Type::kA), "10.10.0.2");
    EXPECT_EQ(ask("10-10-0-3.db.shop.svc.cluster.local", Type::kA), "10.10.0.3");
    EXPECT_EQ(ask("10-10-0-2.db.shop.svc.cluster.local", Type::kA), "no name");
    EXPECT_EQ(ask("other.db.shop.svc.cluster.local", Type::kA), "no name") << "its subdomain is no Service of it";
}

TEST_F(DnsNamesTest, Schema2_4_1_PublishNotReadyAddresses) {
    std::string service = kHeadless;
    service.replace(service.find("clusterIP: None"), 0, "publishNotReadyAddresses: true, ");
    apply(service);
    apply(pod("a", "10.10.0.2", ", hostname: pet, subdomain: db", "False"));
    EXPECT_EQ(ask("db.shop.svc.cluster.local", Type::kA), "10.10.0.2");
    EXPECT_EQ(ask("pet.db.shop.svc.cluster.local", Type::kA), "10.10.0.2");
}

TEST_F(DnsNamesTest, Schema2_4_2_EachEndpointOfANamedPortHasAServerRecord) {
    apply(kHeadless);
    apply(pod("a", "10.10.0.2", ", hostname: pet, subdomain: db") + pod("b", "10.10.0.3"));
    EXPECT_EQ(ask("_sql._tcp.db.shop.svc.cluster.local", Type::kSrv),
              "0 100 15432 10-10-0-3.db.shop.svc.cluster.local., 0 100 15432 pet.db.shop.svc.cluster.local.")
        << "with the endpoints' port, since nothing translates it";
}

TEST_F(DnsNamesTest, Schema2_4_3_AnEndpointsAddressHasItsHostName) {
    apply(kHeadless);
    apply(pod("a", "10.10.0.2", ", hostname: pet, subdomain: db"));
    EXPECT_EQ(ask("2.0.10.10.in-addr.arpa", Type::kPtr), "pet.db.shop.svc.cluster.local.");
}

TEST_F(DnsNamesTest, AHeadlessServiceMayHaveNoPorts) {
    apply(R"(
apiVersion: v1
kind: Service
metadata: {name: peers, namespace: shop}
spec: {clusterIP: None, selector: {app: db}}
)");
    apply(pod("a", "10.10.0.2"));
    EXPECT_EQ(ask("peers.shop.svc.cluster.local", Type::kA), "10.10.0.2");
}

TEST_F(DnsNamesTest, EndpointSlicesGiveHostNames) {
    apply(kHeadless);
    apply(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
endpoints:
  - {addresses: [10.50.0.1], hostname: first}
  - {addresses: [10.50.0.2], conditions: {ready: false}}
ports: [{name: sql, port: 5432}]
)");
    EXPECT_EQ(ask("db.shop.svc.cluster.local", Type::kA), "10.50.0.1");
    EXPECT_EQ(ask("first.db.shop.svc.cluster.local", Type::kA), "10.50.0.1");
    EXPECT_EQ(ask("_sql._tcp.db.shop.svc.cluster.local", Type::kSrv),
              "0 100 5432 first.db.shop.svc.cluster.local.");
}

TEST_F(DnsNamesTest, Schema2_5_AnExternalNameIsAnAlias) {
    apply(R"(
apiVersion: v1
kind: Service
metadata: {name: ext, namespace: shop}
spec: {type: ExternalName, externalName: www.example.com}
)");
    EXPECT_EQ(ask("ext.shop.svc.cluster.local", Type::kCname), "www.example.com.");
    EXPECT_EQ(ask("ext.shop.svc.cluster.local", Type::kA), "www.example.com., upstream");
}

TEST_F(DnsNamesTest, Schema2_6_PodsAreNamedByTheirAddresses) {
    apply(pod("a", "10.10.0.2") + pod("six", "fd00::2"));
    EXPECT_EQ(ask("10-10-0-2.shop.pod.cluster.local", Type::kA), "10.10.0.2");
    EXPECT_EQ(ask("fd00--2.shop.pod.cluster.local", Type::kAaaa), "fd00::2");
    EXPECT_EQ(ask("10-10-0-9.shop.pod.cluster.local", Type::kA), "no name") << "no pod has the address";
    EXPECT_EQ(ask("10-10-0-2.store.pod.cluster.local", Type::kA), "no name");
    remove(Kind::kPod, "a");
    EXPECT_EQ(ask("10-10-0-2.shop.pod.cluster.local", Type::kA), "no name");
}

TEST_F(DnsNamesTest, AnotherDomainNamesAllAnew) {
    apply(kService);
    apply(pod("a", "10.10.0.2"));
    EXPECT_EQ(ask("web.shop.svc.cluster.local", Type::kA), "10.96.0.10");
    config_.dns.domain = "k8s.test";
    arrange();
    EXPECT_EQ(ask("web.shop.svc.k8s.test", Type::kA), "10.96.0.10");
    EXPECT_EQ(ask("10-10-0-2.shop.pod.k8s.test", Type::kA), "10.10.0.2");
    EXPECT_EQ(ask("dns-version.k8s.test", Type::kTxt), "\"1.1.0\"");
    EXPECT_EQ(ask("web.shop.svc.cluster.local", Type::kA), "upstream");
}

TEST_F(DnsNamesTest, TheTableStaysTheSameUntilANameChanges) {
    apply(kService);
    const dns::Names* before = &names();
    EXPECT_EQ(&names(), before);
    arrange();
    names_.set_port(config_, port_of("a", "blue", "10.10.0.2"), kWeb);
    EXPECT_NE(&names(), before);
}

// --- what containers resolve with ---

TEST(ResolverSettings, TheGatewaysThatTheContainerHasAnAddressFor) {
    Config config = configuration();
    NetworkConfig& blue = config.networks[0];
    blue.gateway = {ip("10.10.0.1"), ip("fd00:10::1")};
    const std::vector<InterfaceAddress> v4{*InterfaceAddress::parse("10.10.0.2/24")};
    auto settings = resolver_settings(config, blue, v4, "");
    EXPECT_EQ(settings.nameservers, (std::vector{ip("10.10.0.1")}));
    EXPECT_TRUE(settings.search.empty() && settings.options.empty());
    blue.dns.enabled = false;
    EXPECT_TRUE(resolver_settings(config, blue, v4, "").nameservers.empty());
    blue.dns.nameserver = {ip("192.0.2.53")};
    EXPECT_EQ(resolver_settings(config, blue, v4, "").nameservers, (std::vector{ip("192.0.2.53")}));
}

TEST(ResolverSettings, PodsSearchTheirNamespaceFirst) {
    Config config = configuration();
    config.networks[0].dns.search = {"example.com"};
    const auto settings = resolver_settings(config, config.networks[0], {}, "shop");
    EXPECT_EQ(settings.search, (std::vector<std::string>{"shop.svc.cluster.local", "svc.cluster.local",
                                                         "cluster.local", "example.com"}));
    EXPECT_EQ(settings.options, (std::vector<std::string>{"ndots:5"}));
    config.networks[0].dns.options = {"ndots:2", "edns0"};
    EXPECT_EQ(resolver_settings(config, config.networks[0], {}, "shop").options,
              (std::vector<std::string>{"ndots:2", "edns0"}));
}

TEST(ResolverSettings, AFlatNetworkIsAskedAtTheGatewayOfItsContainers) {
    Config config;
    NetworkConfig& flat = config.networks.emplace_back();
    flat.name = "flat";
    flat.flat = true;
    const std::vector<InterfaceAddress> v4{*InterfaceAddress::parse("10.10.0.2")};
    EXPECT_EQ(resolver_settings(config, flat, v4, "").nameservers, (std::vector{flat_gateway(true)}));
}

}  // namespace
}  // namespace sluice::engine
