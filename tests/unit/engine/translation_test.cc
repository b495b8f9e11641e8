#include "engine/translation.h"

#include <gtest/gtest.h>

#include "kube/manifest.h"

namespace sluice::engine {
namespace {

Config config_of(const std::string& yaml) {
    auto config = load_config(yaml, "f", {});
    if (!config) {
        ADD_FAILURE() << config.error()[0].text();
        return {};
    }
    return *config;
}

class TranslationTest : public testing::Test {
 protected:
    void apply(const std::string& text) {
        auto manifest = kube::parse_manifest(text, "f", kube::UnknownKinds::kRefuse);
        ASSERT_TRUE(manifest) << manifest.error()[0].text();
        translation_.kubernetes().apply(store_.apply(std::move(manifest->objects), 0));
    }
    std::string owner(const char* address, uint16_t port = 80) const {
        const auto front = translation_.fronts().find({*IpAddress::parse(address), port, 6});
        return front == translation_.fronts().end() ? "none" : front->second.name;
    }
    // As the switch does. True: it answers for other addresses.
    bool arrange(const Config& config) {
        router::NetworkIds networks;
        std::set<std::string> domains;
        for (const NetworkConfig& network : config.networks) {
            networks.emplace(network.name, path::NetworkId{static_cast<uint16_t>(networks.size())});
            domains.insert(flow_domain_of(network));
        }
        domains_.arrange(std::move(domains), [](const auto&) {});
        return translation_.arrange(config, networks, domains_.names());
    }
    std::set<IpAddress> arranged(const Config& config) {
        arrange(config);
        return translation_.take_concerned().addresses;
    }

    uint32_t next_object_ = 1;
    FlowDomains domains_;
    Translation translation_{next_object_};
    kube::Store store_;
};

constexpr const char* kWeb =
    "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, "
    "spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}";

TEST_F(TranslationTest, AFrontEndOfTheConfigurationStandsBeforeAKubernetesService) {
    const Config bare = config_of("networks: [{name: blue}]");
    const Config own = config_of("services: [{name: own, address: [10.96.0.1], ports: [{port: 80}]}]");
    const IpAddress address = *IpAddress::parse("10.96.0.1");
    apply(kWeb);
    EXPECT_EQ(arranged(bare), std::set{address});
    EXPECT_EQ(owner("10.96.0.1"), "shop/web");
    EXPECT_EQ(arranged(own), std::set{address});
    EXPECT_EQ(owner("10.96.0.1"), "own");
    EXPECT_EQ(translation_.services()->count(), 1U);
    EXPECT_EQ(arranged(bare), std::set{address});
    EXPECT_EQ(owner("10.96.0.1"), "shop/web");
    EXPECT_TRUE(arranged(bare).empty());
}

TEST_F(TranslationTest, NamesAKubernetesServiceWithItsPlace) {
    apply(std::string("\n\n") + kWeb);
    arranged({});
    const auto object = translation_.describe(translation_.fronts().begin()->second.frontend->object);
    ASSERT_TRUE(object);
    EXPECT_EQ(object->name, "shop/web");
    EXPECT_EQ(base::origin(object->place), "f:3:1");
    translation_.kubernetes().apply(store_.remove({{kube::Kind::kService, "shop", "web"}}));
    EXPECT_EQ(arranged({}).size(), 1U);
    EXPECT_EQ(translation_.services(), nullptr);
}

TEST_F(TranslationTest, NodePortsAreReachedAtTheHostsAddresses) {
    apply(
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, "
        "spec: {type: NodePort, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]}}");
    apply(
        "{apiVersion: v1, kind: Node, metadata: {name: worker-1}, "
        "status: {addresses: [{type: InternalIP, address: 192.0.2.7}]}}");
    arranged(
        config_of("node: worker-1\n"
                  "networks: [{name: blue, subnets: [10.0.0.0/24], gateway: 10.0.0.254}]\n"
                  "ports: [{name: host0, host: true, network: blue, address: [10.0.0.9]}]\n"));
    for (const char* address : {"10.0.0.254", "10.0.0.9", "192.0.2.7"})
        EXPECT_EQ(owner(address, 30080), "shop/web");
    EXPECT_EQ(translation_.fronts().size(), 4U);
}

// What back ends at other hosts see in place of clients outside.
TEST_F(TranslationTest, EachNetworkHasASourceOfThisHostAlone) {
    const std::string networks =
        "underlay: {port: up, address: [198.51.100.1/24]}\n"
        "networks:\n"
        "  - {name: far, subnets: [10.0.0.0/24, 'fd00::/64'], gateway: [10.0.0.254, 'fd00::fe'],\n"
        "     vxlan: {vni: 1, remotes: [198.51.100.2]}}\n"
        "  - {name: near, subnets: [10.0.1.0/24, 'fd01::/64'], gateway: [10.0.1.254, 'fd01::fe']}\n"
        "  - {name: other, subnets: [10.0.2.0/24], gateway: [10.0.2.254], domain: other}\n"
        "  - {name: lan, subnets: [192.0.2.0/24], gateway: [192.0.2.1]}\n"
        "  - {name: closed, subnets: [10.0.3.0/24], gateway: [10.0.3.254]}\n"
        "routes: [{to: 10.9.0.0/16, via: 10.0.1.1}]\n"
        "ports:\n"
        "  - {name: up, device: net_ring_up}\n"
        "  - {name: lan, device: net_ring_lan, network: lan}\n"
        "  - {name: shut, device: net_ring_shut, network: closed, address: [10.0.3.1]}\n";
    const std::string host = "  - {name: node, host: true, network: far, address: [10.0.0.9]}\n";
    const auto sources = [&](const std::string& ports) {
        arrange(config_of(networks + ports));
        std::vector<std::string> texts;
        for (const Translation::ServiceSource& it : translation_.service_sources()) {
            std::string text = it.network + (it.is_kernels ? " (kernel)" : "");
            for (const IpAddress& address : it.addresses) text += " " + address.text();
            texts.push_back(text);
        }
        return texts;
    };
    using Texts = std::vector<std::string>;
    // Without a Service for clients outside there is none. From the network `closed` nothing leads to other hosts.
    apply(kWeb);
    EXPECT_EQ(sources(host), Texts{});
    EXPECT_EQ(translation_.rules(), nullptr);
    apply(
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, "
        "spec: {type: NodePort, clusterIP: 10.96.0.1, ports: [{port: 80, nodePort: 30080}]}}");
    EXPECT_EQ(sources(""), (Texts{"far", "near 10.0.1.254 fd01::fe", "lan 192.0.2.1"}));
    EXPECT_EQ(translation_.kubernetes().open_links().size(), 2U);
    EXPECT_EQ(sources(host), (Texts{"far (kernel) 10.0.0.9", "near 10.0.1.254 fd01::fe", "lan 192.0.2.1"}));
    EXPECT_EQ(translation_.kubernetes().open_links().size(), 1U);
    const nat::ServicePools& pools = translation_.rules()->service_pools;
    ASSERT_EQ(pools.all.size(), 3U);
    ASSERT_NE(pools.find(path::NetworkId{0}), nullptr);
    EXPECT_EQ(pools.find(path::NetworkId{2}), nullptr);
    EXPECT_EQ(pools.find(path::NetworkId{9}), nullptr);
    // The kernel's own ports, and those of Services, are left alone.
    using nat::Transport;
    nat::Mappings& mappings = *translation_.rules()->service_pools.find(path::NetworkId{0});
    const IpAddress client = *IpAddress::parse("203.0.113.9");
    for (const uint16_t port : {30080, 40000}) {
        const nat::Answer answer = mappings.map(Transport::kTcp, {client, port}, 0);
        ASSERT_TRUE(answer.is_mapped());
        EXPECT_EQ(answer.outside.address.text(), "10.0.0.9");
        EXPECT_NE(answer.outside.port, port);
    }
    // What stays is kept.
    EXPECT_EQ(sources(host + "  - {name: a, device: net_ring_a, network: near, address: [10.0.1.1]}\n").size(),
              3U);
    EXPECT_EQ(translation_.rules()->service_pools.find(path::NetworkId{0}), &mappings);
    // With the last such Service they go.
    translation_.kubernetes().apply(store_.remove({{kube::Kind::kService, "shop", "web"}}));
    EXPECT_EQ(sources(host), Texts{});
    EXPECT_EQ(translation_.rules(), nullptr);
}

constexpr const char* kNetworks =
    "networks:\n"
    "  - {name: pods, subnets: [10.0.0.0/24], gateway: 10.0.0.254}\n"
    "  - {name: out, subnets: [192.0.2.0/24], gateway: 192.0.2.1}\n";
constexpr const char* kRules =
    "nat: [{masquerade: [pods], out: out}]\n"
    "publish: [{address: 192.0.2.1, port: 8080, to: 'a:80'}]\n"
    "services: [{name: edge, address: [192.0.2.10], ports: [{port: 80}]}]\n";

TEST_F(TranslationTest, FollowsOnlyWhatItsRulesName) {
    const std::string a = "ports:\n  - {name: a, device: net_ring_a, network: pods, address: [10.0.0.1]}\n";
    const std::string b = "  - {name: b, device: net_ring_b, network: pods, address: [10.0.0.2]}\n";
    EXPECT_TRUE(arrange(config_of(kNetworks + a + kRules)));
    EXPECT_TRUE(translation_.take_concerned().all);
    const std::string beside = "  - {name: else, subnets: [10.9.0.0/24], gateway: 10.9.0.254}\n";
    EXPECT_FALSE(arrange(config_of(kNetworks + beside + a + b + kRules)));
    EXPECT_TRUE(translation_.take_concerned().empty());
    const std::string moved = "ports:\n  - {name: a, device: net_ring_a, network: pods, address: [10.0.0.7]}\n";
    arrange(config_of(kNetworks + moved + kRules));
    EXPECT_TRUE(translation_.take_concerned().addresses.contains(*IpAddress::parse("192.0.2.1")));
    const auto& front = translation_.fronts().at({*IpAddress::parse("192.0.2.1"), 8080, 6});
    EXPECT_EQ(front.frontend->backends->list()[0].address.text(), "10.0.0.7");
}

TEST_F(TranslationTest, AnswersForExternalAddressesFromTheFirstFrontEndToTheLast) {
    const Config config = config_of(kNetworks);
    constexpr const char* kOpen =
        "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, "
        "spec: {clusterIP: 10.96.0.1, externalIPs: [192.0.2.20], ports: [{name: a, port: 80}, {name: b, port: "
        "81}]}}";
    EXPECT_FALSE(arrange(config));
    apply(kOpen);
    EXPECT_TRUE(arrange(config));
    ASSERT_EQ(translation_.answered().size(), 1U);
    EXPECT_EQ(translation_.answered()[0].address.text(), "192.0.2.20");
    EXPECT_FALSE(arrange(config));
    translation_.kubernetes().apply(store_.remove({{kube::Kind::kService, "shop", "web"}}));
    EXPECT_TRUE(arrange(config));
    EXPECT_TRUE(translation_.answered().empty());
    apply(kWeb);
    EXPECT_FALSE(arrange(config)) << "clients outside don't reach a cluster IP";
}

TEST_F(TranslationTest, WhatIsOfOneRoutingDomainIsNotOfAnother) {
    const std::string networks =
        std::string(kNetworks) + "  - {name: red, domain: red, subnets: [192.0.2.0/24], gateway: 192.0.2.1}\n";
    const std::string port = "ports:\n  - {name: r, device: net_ring_r, network: red, address: [192.0.2.7]}\n";
    arrange(config_of(networks + port +
                      "nat: [{masquerade: [pods], out: out}]\n"
                      "publish: [{port: 8080, to: 'r:80'}]\n"
                      "services: [{name: edge, address: [192.0.2.10], ports: [{port: 80}]}]\n"));
    const path::FlowDomain main = domains_.names().at("domain main");
    const path::FlowDomain red = domains_.names().at("domain red");
    const auto owns = [&](path::FlowDomain domain, const char* address) {
        const IpAddress it = *IpAddress::parse(address);
        return translation_.services()->owner(domain, it) != nullptr || translation_.rules()->owns({domain, it});
    };
    EXPECT_TRUE(owns(main, "192.0.2.10"));
    EXPECT_FALSE(owns(red, "192.0.2.10"));
    EXPECT_TRUE(owns(main, "192.0.2.1"));
    EXPECT_FALSE(owns(red, "192.0.2.1"));
    // A port is published where its target is.
    EXPECT_EQ(translation_.fronts().at({*IpAddress::parse("192.0.2.1"), 8080, 6}).frontend->domain, red);
    EXPECT_EQ(translation_.fronts().size(), 2U);
}

// --- health checks and drain ---

constexpr const char* kTwoServices =
    "services:\n"
    "  - {name: shop, address: [10.96.0.1], ports: [{port: 80, to: 8080}, {port: 81, to: 8081}], health: {fall: "
    "1},\n"
    "     backends: [{address: 10.0.0.1}, {address: 10.0.0.2}]}\n"
    "  - {name: else, address: [10.96.0.2], ports: [{port: 80}], health: {fall: 1}, backends: [{address: "
    "10.0.0.1}]}\n"
    "  - {name: plain, address: [10.96.0.3], ports: [{port: 80}],\n"
    "     backends: [{address: 10.0.0.1}, {address: 10.0.0.2, drain: true}]}\n";

class BackendStates : public TranslationTest {
 protected:
    const service::SharedFrontend& front(const char* address, uint16_t port = 80) const {
        return translation_.fronts().at({*IpAddress::parse(address), port, 6}).frontend;
    }
    service::State state_of(const char* service, uint16_t port, const char* backend, uint16_t to) const {
        return front(service, port)->backends->find(*IpAddress::parse(backend), to)->state;
    }
    // The one check of that back end's port comes to this.
    void check(const char* service, const char* backend, uint16_t port, service::ProbeResult result) {
        service::HealthChecks& checks = translation_.checks();
        const auto* wanted = checks.find({service, *IpAddress::parse(backend), port});
        ASSERT_NE(wanted, nullptr);
        for (uint32_t number = 0; number < translation_.probe_targets()->list.size(); ++number) {
            if (&checks.check(number) != wanted) continue;
            checks.begin(number, {});
            checks.take(number, service::Outcome{result});
        }
        for (const auto& change : checks.take_changes()) translation_.change(change.key.service);
    }

    const IpAddress a_ = *IpAddress::parse("10.0.0.1");
    const Config config_ = config_of(std::string(kNetworks) + kTwoServices);
};

TEST_F(BackendStates, AFailureConcernsThePortOfItsServiceAlone) {
    using enum service::State;
    arranged(config_);
    ASSERT_NE(translation_.probe_targets(), nullptr);
    EXPECT_EQ(translation_.probe_targets()->list.size(), 5U);
    EXPECT_EQ(translation_.probe_targets()->network, path::NetworkId{0});
    const auto other = front("10.96.0.2");
    const auto targets = translation_.probe_targets();
    check("shop", "10.0.0.1", 8080, service::ProbeResult::kRefused);
    EXPECT_FALSE(arrange(config_)) << "no network is compiled anew";
    EXPECT_EQ(translation_.take_concerned().addresses, std::set{*IpAddress::parse("10.96.0.1")});
    EXPECT_EQ(state_of("10.96.0.1", 80, "10.0.0.1", 8080), kFailing);
    EXPECT_EQ(state_of("10.96.0.1", 80, "10.0.0.2", 8080), kServing);
    EXPECT_EQ(state_of("10.96.0.1", 81, "10.0.0.1", 8081), kServing);
    EXPECT_EQ(front("10.96.0.2"), other) << "it is the same one";
    EXPECT_EQ(translation_.probe_targets(), targets);
    const auto* failing = translation_.failing_check("shop", a_, 8080);
    ASSERT_NE(failing, nullptr);
    EXPECT_EQ(text(failing->last), "connection refused");
    EXPECT_EQ(translation_.failing_check("shop", a_, 8081), nullptr);
    EXPECT_EQ(translation_.failing_check("plain", a_, 80), nullptr);
    // It gets nothing, and keeps nothing.
    for (uint32_t hash = 0; hash < 1000; ++hash)
        EXPECT_NE(front("10.96.0.1")->choose(hash * 0x0101'0101)->address, a_);
    EXPECT_EQ(front("10.96.0.1")->find(a_, 8080), nullptr);
    check("shop", "10.0.0.1", 8080, service::ProbeResult::kConnected);
    check("shop", "10.0.0.1", 8080, service::ProbeResult::kConnected);
    EXPECT_EQ(arranged(config_).size(), 1U);
    EXPECT_EQ(state_of("10.96.0.1", 80, "10.0.0.1", 8080), kServing);
}

TEST_F(BackendStates, WithoutChecksNothingIsLeftOfThem) {
    arranged(config_);
    EXPECT_NE(translation_.probes(), nullptr);
    check("shop", "10.0.0.1", 8080, service::ProbeResult::kRefused);
    arranged(
        config_of("services: [{name: shop, address: [10.96.0.1], ports: [{port: 80, to: 8080}], "
                  "backends: [{address: 10.0.0.1}]}]"));
    EXPECT_EQ(state_of("10.96.0.1", 80, "10.0.0.1", 8080), service::State::kServing);
    EXPECT_EQ(translation_.probes(), nullptr);
    EXPECT_EQ(translation_.probe_targets(), nullptr);
}

TEST_F(BackendStates, ADrainLastsAsLongAsTheConfigurationHasTheBackEnd) {
    using enum service::State;
    arranged(config_);
    EXPECT_EQ(state_of("10.96.0.3", 80, "10.0.0.2", 80), kDraining);
    ASSERT_TRUE(translation_.drain(config_, "shop", a_, true));
    EXPECT_EQ(arranged(config_), std::set{*IpAddress::parse("10.96.0.1")});
    EXPECT_EQ(state_of("10.96.0.1", 80, "10.0.0.1", 8080), kDraining);
    EXPECT_EQ(state_of("10.96.0.1", 81, "10.0.0.1", 8081), kDraining);
    EXPECT_EQ(state_of("10.96.0.2", 80, "10.0.0.1", 80), kServing);
    EXPECT_NE(front("10.96.0.1")->find(a_, 8080), nullptr) << "it keeps its connections";
    EXPECT_EQ(front("10.96.0.1")->find_for_new(a_, 8080), nullptr);
    // A check counts more than a drain.
    check("shop", "10.0.0.1", 8080, service::ProbeResult::kTimeout);
    arranged(config_);
    EXPECT_EQ(state_of("10.96.0.1", 80, "10.0.0.1", 8080), kFailing);
    // Another configuration with the back end, one without, and the first again.
    const std::string more = "  - {name: more, address: [10.96.0.4], ports: [{port: 80}]}\n";
    const Config with_more = config_of(std::string(kNetworks) + kTwoServices + more);
    arranged(with_more);
    EXPECT_EQ(state_of("10.96.0.1", 81, "10.0.0.1", 8081), kDraining);
    arranged(config_of("services: [{name: shop, address: [10.96.0.1], ports: [{port: 80}]}]"));
    arranged(config_);
    EXPECT_EQ(state_of("10.96.0.1", 81, "10.0.0.1", 8081), kServing);
}

TEST_F(BackendStates, ADrainNamesWhatIsThere) {
    arranged(config_);
    const auto error_of = [&](const char* service, const char* backend, bool drains) {
        const auto done = translation_.drain(config_, service, *IpAddress::parse(backend), drains);
        return done ? std::string() : done.error().text();
    };
    EXPECT_NE(error_of("shoe", "10.0.0.1", true).find("the configuration has no Service 'shoe'"),
              std::string::npos)
        << error_of("shoe", "10.0.0.1", true);
    EXPECT_NE(error_of("shop", "10.0.0.9", true).find("service shop has no back end 10.0.0.9"), std::string::npos);
    EXPECT_NE(error_of("plain", "10.0.0.2", false).find("drain: true"), std::string::npos);
    EXPECT_EQ(error_of("plain", "10.0.0.2", true), "");
    EXPECT_EQ(error_of("plain", "10.0.0.1", false), "") << "it doesn't drain: nothing to do";
}

}  // namespace
}  // namespace sluice::engine
