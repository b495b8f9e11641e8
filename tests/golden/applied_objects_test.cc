// Kubernetes objects that change under running connections: a change bites the next packet of the connections that
// it concerns, and leaves all others as they are.
#include <gtest/gtest.h>

#include "explain/trace.h"
#include "golden/harness.h"
#include "golden/row.h"
#include "kube/manifest.h"
#include "support/plain_policy.h"
#include "support/random_objects.h"

namespace sluice {
namespace {

using namespace golden;
using test::Bytes;
using test::Dice;
using test::Harness;
using test::Json;

// Nine pods on one bridge: three of each of three namespaces, as test::random_pod() names them.
struct Station {
    std::string port, space, name, address, mac;

    std::string key() const { return space + "/" + name; }
};
std::vector<Station> stations() {
    std::vector<Station> all;
    for (int space = 0; space < 3; ++space) {
        for (int name = 0; name < 3; ++name) {
            const std::string number = std::to_string(space * 3 + name);
            all.push_back(
                {"s" + number, test::kSpaces[static_cast<size_t>(space)], test::kNames[static_cast<size_t>(name)],
                 "10.0." + std::to_string(space) + "." + std::to_string(name + 1), "02:00:00:00:00:1" + number});
        }
    }
    return all;
}
std::vector<std::string> devices() {
    std::vector<std::string> names;
    for (const Station& station : stations()) names.push_back(station.port);
    return names;
}

class AppliedObjects : public testing::Test {
 protected:
    void SetUp() override {
        std::string yaml = "networks: [{name: blue}]\nports:\n";
        for (const Station& it : stations_) {
            yaml += "  - {name: " + it.port + ", device: net_ring_" + it.port + ", network: blue, mac: '" +
                    it.mac + "', address: [" + it.address + "], pod: " + it.key() + "}\n";
        }
        ASSERT_NO_FATAL_FAILURE(harness_.apply(yaml));
        for (const Station& it : stations_) apply(pod(it, Json::object()));
    }

    static Json pod(const Station& station, const Json& labels) {
        return {{"apiVersion", "v1"},
                {"kind", "Pod"},
                {"metadata", {{"name", station.name}, {"namespace", station.space}, {"labels", labels}}},
                {"spec", {{"containers", {{{"name", "c"}}}}}},
                {"status", {{"podIP", station.address}}}};
    }
    void apply(const Json& object) {
        auto manifest = kube::parse_manifest(object.dump(), "f", kube::UnknownKinds::kRefuse);
        ASSERT_TRUE(manifest) << manifest.error()[0].text();
        harness_.running().apply_objects(std::move(manifest->objects), 0);
    }
    void remove(const kube::Key& key) { harness_.running().remove_objects({key}); }

    // Whether a packet of the connection arrives: of its initiator, or an answer.
    bool passes(const Station& from, const Station& to, uint16_t source_port, uint16_t port) {
        const Bytes frame = Packet()
                                .eth(from.mac.c_str(), to.mac.c_str())
                                .ipv4(from.address.c_str(), to.address.c_str())
                                .udp(source_port, port)
                                .payload(10);
        harness_.device(from.port).put(test::to_mbuf(test::switch_pools().buffers, frame));
        harness_.run();
        return !harness_.sent(to.port).empty();
    }
    // The generation by which each connection was decided, by its initiator's port.
    std::map<uint16_t, uint32_t> generations() {
        std::map<uint16_t, uint32_t> found;
        harness_.running().flows().for_each(
            0, [&](const flow::Listed& flow) { found[flow.original.key.source_port().host()] = flow.generation; });
        return found;
    }
    std::vector<Json> objects() {
        std::vector<Json> all;
        for (const auto& stored : harness_.running().objects().all())
            all.push_back(Json::parse(stored->object.json));
        return all;
    }

    const std::vector<Station> stations_ = stations();
    Harness harness_{1, devices()};
};

Json policy(const char* spec) {
    return {{"apiVersion", "networking.k8s.io/v1"},
            {"kind", "NetworkPolicy"},
            {"metadata", {{"name", "p"}, {"namespace", "a"}}},
            {"spec", Json::parse(spec)}};
}

TEST_F(AppliedObjects, AChangeOutdatesTheConnectionsThatItConcerns) {
    apply(policy(R"({"podSelector": {"matchLabels": {"x": "1"}}, "ingress": [{"from": [{"podSelector": {}}]}]})"));
    apply(pod(stations_[0], {{"x", "1"}}));
    ASSERT_TRUE(passes(stations_[1], stations_[0], 4001, 80));
    ASSERT_TRUE(passes(stations_[1], stations_[2], 4002, 80));
    ASSERT_TRUE(passes(stations_[3], stations_[4], 4003, 80));
    const auto before = generations();
    apply(pod(stations_[0], {{"x", "1"}, {"more", "labels"}}));
    const auto after = generations();
    EXPECT_NE(after.at(4001), before.at(4001)) << "its pod is another";
    EXPECT_EQ(after.at(4002), before.at(4002));
    EXPECT_EQ(after.at(4003), before.at(4003));
    EXPECT_TRUE(passes(stations_[1], stations_[0], 4001, 80));
    EXPECT_EQ(generations(), before) << "it is decided anew by its next packet";
    // The policy is another: those whom it selects, and no others.
    apply(policy(R"({"podSelector": {"matchLabels": {"x": "1"}}, "ingress": []})"));
    EXPECT_EQ(generations().at(4002), before.at(4002));
    EXPECT_FALSE(passes(stations_[0], stations_[1], 80, 4001)) << "an answer of what is refused now";
    EXPECT_FALSE(passes(stations_[1], stations_[0], 4001, 80));
    EXPECT_TRUE(passes(stations_[1], stations_[2], 4002, 80));
    remove({kube::Kind::kNetworkPolicy, "a", "p"});
    EXPECT_TRUE(passes(stations_[1], stations_[0], 4001, 80)) << "without waiting for a timeout";
}

// Before the first policy connections are followed too: their answers are known as such.
TEST_F(AppliedObjects, TheFirstPolicyBitesWhoeverSendsFirst) {
    ASSERT_TRUE(passes(stations_[1], stations_[0], 4001, 80));
    ASSERT_TRUE(passes(stations_[0], stations_[1], 80, 4001));
    apply(policy(R"({"podSelector": {}, "policyTypes": ["Ingress"]})"));
    EXPECT_FALSE(passes(stations_[0], stations_[1], 80, 4001)) << "an answer to what is refused now";
    EXPECT_FALSE(passes(stations_[1], stations_[0], 4001, 80));
    remove({kube::Kind::kNetworkPolicy, "a", "p"});
    EXPECT_TRUE(passes(stations_[0], stations_[1], 80, 4001));
    EXPECT_TRUE(passes(stations_[1], stations_[0], 4001, 80));
}

// What is flooded has many receivers, and none of them is an end of the flow.
TEST_F(AppliedObjects, AChangeBitesWhatIsFlooded) {
    const auto receivers = [&] {
        const Bytes frame = Packet()
                                .eth(stations_[0].mac.c_str(), "ff:ff:ff:ff:ff:ff")
                                .ipv4(stations_[0].address.c_str(), "255.255.255.255")
                                .udp(4001, 80)
                                .payload(10);
        harness_.device("s0").put(test::to_mbuf(test::switch_pools().buffers, frame));
        harness_.run();
        std::string names;
        for (const Station& it : stations_) {
            if (!harness_.sent(it.port).empty()) names += it.port + " ";
        }
        return names;
    };
    const auto isolate = [&](const std::string& space) {
        Json all = policy(R"({"podSelector": {}, "policyTypes": ["Ingress"]})");
        all["metadata"]["namespace"] = space;
        apply(all);
    };
    EXPECT_EQ(receivers(), "s1 s2 s3 s4 s5 s6 s7 s8 ");
    for (const std::string& space : test::kSpaces) isolate(space);
    EXPECT_EQ(receivers(), "");
    remove({kube::Kind::kNetworkPolicy, "b", "p"});
    EXPECT_EQ(receivers(), "s3 s4 s5 ");
    isolate("b");
    EXPECT_EQ(receivers(), "");
}

// Each step of a history holds for the next packet of every connection, in both directions.
TEST_F(AppliedObjects, EveryStepBitesRunningConnections) {
    Dice dice(7);
    std::map<std::pair<size_t, size_t>, bool> allowed;
    for (int step = 0; step < 80; ++step) {
        const auto policies = harness_.running().objects().all(kube::Kind::kNetworkPolicy);
        const auto count = static_cast<unsigned>(policies.size());
        if (count > 4 || (count > 0 && dice.one_in(8))) {
            remove(policies[dice.below(count)]->object.key);
        } else if (dice.one_in(3)) {
            apply(test::random_namespace(dice));
        } else if (dice.one_in(2)) {
            apply(pod(stations_[dice.below(9)], test::random_labels(dice)));
        } else {
            apply(test::random_policy(dice));
        }
        const test::PlainPolicy plain(objects());
        explain::Tracer tracer(harness_.running());
        for (size_t from = 0; from < stations_.size(); ++from) {
            for (size_t to = 0; to < stations_.size(); ++to) {
                if (from == to) continue;
                const auto port = static_cast<uint16_t>(4000 + 16 * from + to);
                const auto trace = tracer.trace({.from = stations_[from].port,
                                                 .to = stations_[to].address,
                                                 .protocol = wire::Protocol::kUdp});
                const bool was = allowed[{from, to}];
                const bool wanted = plain.allows(stations_[from].address, stations_[to].address, "UDP", 80);
                ASSERT_TRUE(trace) << trace.error().text();
                ASSERT_EQ(trace->verdict == explain::Verdict::kDeliver, wanted) << "a trace, step " << step;
                if (was && dice.one_in(2)) {
                    ASSERT_EQ(passes(stations_[to], stations_[from], 80, port), wanted)
                        << "an answer, step " << step << ", " << stations_[to].key() << " to "
                        << stations_[from].key() << "\n"
                        << Json(objects()).dump();
                }
                ASSERT_EQ(passes(stations_[from], stations_[to], port, 80), wanted)
                    << "step " << step << ", " << stations_[from].key() << " to " << stations_[to].key() << "\n"
                    << Json(objects()).dump();
                allowed[{from, to}] = wanted;
            }
        }
    }
}

}  // namespace
}  // namespace sluice
