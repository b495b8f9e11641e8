// NetworkPolicies where packets have several receivers, or claim to be from somebody else.
#include <gtest/gtest.h>

#include "explain/trace.h"

#include "golden/harness.h"
#include "golden/row.h"
#include "kube/manifest.h"

namespace sluice {
namespace {

using namespace golden;
using test::Bytes;
using test::Harness;

// Pods good, evil, sink and db, of which db is reached by good alone, and evil reaches good alone; and a station
// that is no pod, and may use any address.
constexpr const char* kSwitch = R"(
networks: [{name: blue}]
ports:
  - {name: good, device: net_ring_good, network: blue, pod: shop/good}
  - {name: evil, device: net_ring_evil, network: blue, pod: shop/evil}
  - {name: db, device: net_ring_db, network: blue, address: [10.0.0.3], namespace: shop, labels: {app: db}}
  - {name: sink, device: net_ring_sink, network: blue, namespace: shop, labels: {app: sink}}
  - {name: other, device: net_ring_other, network: blue, address: [10.0.0.9], spoofing: allow}
)";
constexpr const char* kObjects = R"(
apiVersion: v1
kind: Pod
metadata: {name: good, namespace: shop, labels: {app: good}}
spec: {containers: [{name: c}]}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: evil, namespace: shop, labels: {app: evil}}
spec: {containers: [{name: c}]}
status: {podIP: 10.0.0.2}
---
apiVersion: v1
kind: Pod
metadata: {name: far, namespace: shop, labels: {app: good}}
spec: {containers: [{name: c}]}
status: {podIP: 10.0.0.7}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: good}}}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: evil, namespace: shop}
spec: {podSelector: {matchLabels: {app: evil}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: good}}}]}]}
)";

constexpr const char* kGood = "02:00:00:00:00:01";
constexpr const char* kEvil = "02:00:00:00:00:02";
constexpr const char* kDb = "02:00:00:00:00:03";
constexpr const char* kSink = "02:00:00:00:00:04";
constexpr const char* kOther = "02:00:00:00:00:09";
constexpr const char* kAll = "ff:ff:ff:ff:ff:ff";

class NetworkPolicies : public testing::Test {
 protected:
    void SetUp() override {
        configure(kSwitch, kObjects);
        // Each station is known by its MAC address.
        for (const auto& [from, mac] : {std::pair{"good", kGood}, std::pair{"evil", kEvil}, std::pair{"db", kDb},
                                        std::pair{"sink", kSink}, std::pair{"other", kOther}}) {
            (void)receivers(from, Packet().eth(mac, kAll).payload(46));
        }
    }

    void configure(const std::string& yaml, const std::string& objects) {
        auto config = engine::load_config(yaml, "golden", {});
        ASSERT_TRUE(config) << config.error()[0].text();
        if (!objects.empty()) {
            auto manifest = kube::parse_manifest(objects, "objects", kube::UnknownKinds::kRefuse);
            ASSERT_TRUE(manifest) << manifest.error()[0].text();
            config->objects = std::make_shared<const std::vector<kube::Object>>(std::move(manifest->objects));
        }
        ASSERT_TRUE(harness_.running().apply(*config, {}));
    }
    // What decides a request from one port to another, a line each: "setting policy.default golden:9".
    std::vector<std::string> deciders(const std::string& from, const std::string& to) {
        const auto trace = explain::trace(harness_.running(), {.from = from, .to = to});
        if (!trace) return {trace.error().text()};
        std::vector<std::string> lines;
        for (const explain::Object& it : trace->decided_by) {
            lines.push_back(fmt::format("{} {} {}:{}", it.kind, it.name, it.place.file, it.place.line));
        }
        return lines;
    }

    // The devices that get the frame.
    std::vector<std::string> receivers(const std::string& from, const Bytes& frame) {
        harness_.device(from).put(test::to_mbuf(test::switch_pools().buffers, frame));
        harness_.run();
        std::vector<std::string> names;
        for (const char* name : kDevices) {
            if (!harness_.sent(name).empty()) names.emplace_back(name);
        }
        return names;
    }
    // UDP, each time of another port: the first packet of a connection.
    Bytes udp(const char* from_mac, const char* to_mac, const char* source, const char* destination) {
        return Packet().eth(from_mac, to_mac).ipv4(source, destination).udp(++port_, 5000).payload(10);
    }

    static constexpr const char* kDevices[] = {"good", "evil", "db", "sink", "other"};
    Harness harness_{1, {kDevices, kDevices + 5}};
    uint16_t port_ = 4000;
};

using Names = std::vector<std::string>;

TEST_F(NetworkPolicies, APodIsKnownByItsPort) {
    EXPECT_EQ(receivers("good", udp(kGood, kDb, "10.0.0.1", "10.0.0.3")), Names{"db"});
    EXPECT_EQ(receivers("evil", udp(kEvil, kDb, "10.0.0.1", "10.0.0.3")), Names{}) << "good's address";
    EXPECT_EQ(receivers("evil", udp(kEvil, kDb, "10.0.0.2", "10.0.0.3")), Names{});
    EXPECT_EQ(receivers("other", udp(kOther, kDb, "10.0.0.1", "10.0.0.3")), Names{}) << "good is at a port here";
    // Behind a device that may use any address may be others, of other hosts too.
    EXPECT_EQ(receivers("other", udp(kOther, kDb, "10.0.0.7", "10.0.0.3")), Names{"db"});
    EXPECT_EQ(receivers("other", udp(kOther, kDb, "10.0.0.8", "10.0.0.3")), Names{});
}

// A pod's addresses are known: with another one it is in no block.
TEST_F(NetworkPolicies, NoBlockOfAddressesPermitsAForgedOne) {
    auto manifest = kube::parse_manifest(
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: sink, namespace: shop}, spec: "
        "{podSelector: {matchLabels: {app: sink}}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/24, except: "
        "[10.0.0.1/32]}}]}]}}",
        "f", kube::UnknownKinds::kRefuse);
    ASSERT_TRUE(manifest);
    harness_.running().apply_objects(std::move(manifest->objects), 0);
    EXPECT_EQ(receivers("good", udp(kGood, kSink, "10.0.0.1", "10.0.0.4")), Names{});
    EXPECT_EQ(receivers("good", udp(kGood, kSink, "10.0.0.66", "10.0.0.4")), Names{});
    EXPECT_EQ(receivers("db", udp(kDb, kSink, "10.0.0.3", "10.0.0.4")), Names{"sink"});
    EXPECT_EQ(receivers("other", udp(kOther, kSink, "10.0.0.66", "10.0.0.4")), Names{"sink"}) << "no pod";
}

TEST_F(NetworkPolicies, EachReceiverOfAFloodIsAPeerOfItsOwn) {
    // db's ingress: from good alone.
    EXPECT_EQ(receivers("good", udp(kGood, kAll, "10.0.0.1", "10.0.0.3")), (Names{"evil", "db", "sink", "other"}));
    EXPECT_EQ(receivers("other", udp(kOther, kAll, "10.0.0.1", "10.0.0.3")), (Names{"good", "evil", "sink"}));
    // evil's egress: to good alone, whatever address is in the packet.
    EXPECT_EQ(receivers("evil", udp(kEvil, kAll, "10.0.0.2", "10.0.0.1")), Names{"good"});
    EXPECT_EQ(receivers("evil", udp(kEvil, "02:00:00:00:00:99", "10.0.0.2", "10.0.0.1")), Names{"good"});
    EXPECT_EQ(receivers("evil", udp(kEvil, kSink, "10.0.0.2", "10.0.0.1")), Names{});
}

const std::string kDenyByDefault = std::string(kSwitch) + "policy:\n  default: deny\n";

TEST_F(NetworkPolicies, ADefaultDenyHoldsWithoutAnyPolicy) {
    configure(kDenyByDefault, "");
    EXPECT_EQ(receivers("good", udp(kGood, kSink, "10.0.0.1", "10.0.0.4")), Names{});
    EXPECT_EQ(receivers("other", udp(kOther, kSink, "10.0.0.9", "10.0.0.4")), Names{}) << "ingress";
    EXPECT_EQ(receivers("good", udp(kGood, kOther, "10.0.0.1", "10.0.0.9")), Names{}) << "egress";
    EXPECT_EQ(deciders("good", "other"), Names{"setting policy.default golden:10"});
    EXPECT_EQ(deciders("other", "good"), Names{"setting policy.default golden:10"});
}

// db's ingress and evil's egress are policies' affair; all else is the default's.
TEST_F(NetworkPolicies, ADefaultDenyHoldsInDirectionsThatNoPolicyIsolates) {
    configure(kDenyByDefault, kObjects);
    EXPECT_EQ(deciders("good", "db"), Names{"setting policy.default golden:10"}) << "good's egress";
    EXPECT_EQ(deciders("evil", "good"), Names{"setting policy.default golden:10"}) << "good's ingress";
    EXPECT_EQ(deciders("evil", "db"), Names{"network-policy shop/evil egress objects:25"});
    const std::string reaches_db = R"(
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: good, namespace: shop}
spec: {podSelector: {matchLabels: {app: good}}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}
)";
    configure(kDenyByDefault, kObjects + reaches_db);
    EXPECT_EQ(receivers("good", udp(kGood, kDb, "10.0.0.1", "10.0.0.3")), Names{"db"});
    const uint16_t port = port_;
    const Bytes reply = Packet().eth(kDb, kGood).ipv4("10.0.0.3", "10.0.0.1").udp(5000, port).payload(10);
    EXPECT_EQ(receivers("db", reply), Names{"good"}) << "a reply to what was permitted";
    EXPECT_EQ(receivers("db", udp(kDb, kGood, "10.0.0.3", "10.0.0.1")), Names{}) << "a connection of its own";
}

TEST_F(NetworkPolicies, AnotherDefaultDecidesKnownConnectionsAnew) {
    for (const std::string objects : {"", kObjects}) {
        SCOPED_TRACE(objects.empty() ? "without policies" : "with policies");
        configure(kSwitch, objects);
        const Bytes frame = udp(kGood, kSink, "10.0.0.1", "10.0.0.4");
        EXPECT_EQ(receivers("good", frame), Names{"sink"});
        configure(kDenyByDefault, objects);
        EXPECT_EQ(receivers("good", frame), Names{});
        configure(kSwitch, objects);
        EXPECT_EQ(receivers("good", frame), Names{"sink"});
    }
}

}  // namespace
}  // namespace sluice
