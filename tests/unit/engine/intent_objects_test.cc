// Kubernetes Services from manifests and commands, through Intent and Switch, and over a restart.
#include <gtest/gtest.h>

#include "engine/intent.h"
#include "support/directory.h"
#include "support/pools.h"

namespace sluice::engine {
namespace {

using namespace std::chrono_literals;

constexpr Clock::time_point kNow{1000s};

std::string service(const std::string& name, const std::string& spec = "ports: [{port: 80}]") {
    return fmt::format(
        "---\n{{apiVersion: v1, kind: Service, metadata: {{name: {}, namespace: shop}}, spec: {{{}}}}}\n", name,
        spec);
}

class IntentObjectsTest : public testing::Test {
 protected:
    // One life of the daemon.
    struct Life {
        explicit Life(const std::string& file)
            : intent(Intent::load(file).value()), running(1, test::switch_pools(), "test") {
            EXPECT_TRUE(intent.start(running, kNow));
        }
        // "created", or the error.
        std::string apply(const std::string& text, Intent::Effect effect = Intent::Effect::kCommit) {
            auto manifest = kube::parse_manifest(text, "f", kube::UnknownKinds::kRefuse);
            EXPECT_TRUE(manifest);
            const auto done = intent.apply_objects(running, std::move(manifest->objects), effect);
            if (!done) return done.error()[0].message;
            warnings = done->warnings;
            return std::string(base::word_of(done->changes[0].what));
        }
        const kube::Service& find(const std::string& name) {
            return running.objects().find({kube::Kind::kService, "shop", name})->object.service();
        }
        std::string address(const std::string& name) { return find(name).cluster_ips.at(0).text(); }

        Intent intent;
        Switch running;
        base::Errors warnings;
    };

    void write(const std::string& more) {
        test::write_file(file_, fmt::format("state: {}\nnetworks: [{{name: blue}}]\n{}", state_, more));
    }

    test::Directory directory_;
    const std::string file_ = directory_ / "sluice.yaml";
    const std::string state_ = directory_ / "state.json";
};

TEST_F(IntentObjectsTest, AServiceHasTheSameAddressesAfterARestart) {
    write("");
    kube::Service applied;
    {
        Life life(file_);
        EXPECT_EQ(life.apply(service("web", "type: NodePort, ports: [{port: 80}]")), "created");
        applied = life.find("web");
        EXPECT_EQ(applied.cluster_ips.size(), 1U);
        EXPECT_NE(applied.ports[0].node_port, 0);
        EXPECT_EQ(life.apply(service("web", "type: NodePort, ports: [{port: 80}]")), "unchanged");
    }
    Life life(file_);
    EXPECT_EQ(life.find("web"), applied);
    EXPECT_EQ(life.running.translation().fronts().size(), 1U);
}

TEST_F(IntentObjectsTest, DeclaredServicesGetAddressesBesideAppliedOnes) {
    write("manifests: [shop.yaml]");
    test::write_file(directory_ / "shop.yaml", service("a") + service("b"));
    std::string a, b;
    {
        Life life(file_);
        a = life.address("a");
        b = life.address("b");
        EXPECT_NE(a, b);
        EXPECT_EQ(life.apply(service("c", "clusterIP: " + a + ", ports: [{port: 80}]")),
                  "service shop/c: " + a + " is an address of service shop/a");
        EXPECT_EQ(life.apply(service("a")), "unchanged");
    }
    Life life(file_);
    EXPECT_EQ(life.address("a"), a);
    EXPECT_EQ(life.address("b"), b);
}

TEST_F(IntentObjectsTest, RefusesManifestsWhoseServicesHaveOneAddress) {
    write("manifests: [shop.yaml]");
    const std::string spec = "clusterIP: 10.96.0.1, ports: [{port: 80}]";
    test::write_file(directory_ / "shop.yaml", service("a", spec) + service("b", spec));
    const auto intent = Intent::load(file_);
    ASSERT_FALSE(intent);
    EXPECT_EQ(intent.error()[0].message, "service shop/b: 10.96.0.1 is an address of service shop/a");
}

TEST_F(IntentObjectsTest, WarnsOfASelectorThatMatchesNoPod) {
    write("");
    Life life(file_);
    for (const auto effect : {Intent::Effect::kDryRun, Intent::Effect::kCommit}) {
        life.apply(service("web", "selector: {app: web}, ports: [{port: 80}]"), effect);
        ASSERT_EQ(life.warnings.size(), 1U);
        EXPECT_EQ(life.warnings[0].message, "service shop/web: no pod matches the selector app=web");
    }
}

}  // namespace
}  // namespace sluice::engine
