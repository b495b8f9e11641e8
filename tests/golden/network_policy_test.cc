// NetworkPolicies where packets have several receivers, or claim to be from somebody else.
#include <gtest/gtest.h>

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
        auto config = engine::load_config(kSwitch, "golden", {});
        ASSERT_TRUE(config) << config.error()[0].text();
        auto manifest = kube::parse_manifest(kObjects, "objects", kube::UnknownKinds::kRefuse);
        ASSERT_TRUE(manifest) << manifest.error()[0].text();
        config->objects = std::make_shared<const std::vector<kube::Object>>(std::move(manifest->objects));
        ASSERT_TRUE(harness_.running().apply(*config, {}));
        // Each station is known by its MAC address.
        for (const auto& [from, mac] : {std::pair{"good", kGood}, std::pair{"evil", kEvil}, std::pair{"db", kDb},
                                        std::pair{"sink", kSink}, std::pair{"other", kOther}}) {
            (void)receivers(from, Packet().eth(mac, kAll).payload(46));
        }
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

TEST_F(NetworkPolicies, EachReceiverOfAFloodIsAPeerOfItsOwn) {
    // db's ingress: from good alone.
    EXPECT_EQ(receivers("good", udp(kGood, kAll, "10.0.0.1", "10.0.0.3")), (Names{"evil", "db", "sink", "other"}));
    EXPECT_EQ(receivers("other", udp(kOther, kAll, "10.0.0.1", "10.0.0.3")), (Names{"good", "evil", "sink"}));
    // evil's egress: to good alone, whatever address is in the packet.
    EXPECT_EQ(receivers("evil", udp(kEvil, kAll, "10.0.0.2", "10.0.0.1")), Names{"good"});
    EXPECT_EQ(receivers("evil", udp(kEvil, "02:00:00:00:00:99", "10.0.0.2", "10.0.0.1")), Names{"good"});
    EXPECT_EQ(receivers("evil", udp(kEvil, kSink, "10.0.0.2", "10.0.0.1")), Names{});
}

}  // namespace
}  // namespace sluice
