#include "engine/applied_objects.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <tuple>

#include "kube/manifest.h"
#include "support/directory.h"

namespace sluice::engine {
namespace {

using kube::Key;
using kube::Kind;
using Texts = std::vector<std::string>;

std::vector<kube::Object> objects(const std::string& text, std::string_view file = "shop.yaml") {
    auto manifest = kube::parse_manifest(text, file, kube::UnknownKinds::kRefuse);
    EXPECT_TRUE(manifest) << text;
    return manifest ? std::move(manifest->objects) : std::vector<kube::Object>{};
}

const std::string kPod = "\n{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: [{name: c}]}}\n";
const std::string kPolicy =
    "apiVersion: networking.k8s.io/v1\n"
    "kind: NetworkPolicy\n"
    "metadata: {name: api, namespace: shop}\n"
    "spec:\n"
    "  podSelector: {}\n"
    "  ingress:\n"
    "  - {}\n"
    "  -   ports: [{port: 80}]\n"
    "  egress: [{}]\n";

class AppliedObjectsTest : public testing::Test {
 protected:
    AppliedObjects load() { return AppliedObjects::load(state_); }
    // What a start puts in force, by origin.
    Texts restored() {
        AppliedObjects applied = load();
        Texts texts;
        for (const kube::Stored& stored : applied.restore())
            texts.push_back(stored.object.key.text() + " " + stored.origin());
        return texts;
    }
    Texts faults() {
        Texts texts;
        const AppliedObjects applied = load();
        for (const base::Error& error : applied.faults()) texts.push_back(error.text());
        return texts;
    }
    std::string text() const { return test::file_text(file_); }

    test::Directory directory_;
    const std::string state_ = directory_ / "state.json";
    const std::string file_ = state_ + ".objects";
};

TEST_F(AppliedObjectsTest, NoFileIsNoObject) {
    EXPECT_EQ(restored(), Texts{});
    EXPECT_EQ(faults(), Texts{});
    EXPECT_FALSE(std::filesystem::exists(file_)) << "a start without objects writes nothing";
}

TEST_F(AppliedObjectsTest, EachChangeIsALine) {
    AppliedObjects applied = load();
    ASSERT_TRUE(applied.apply(objects(kPod), 60));
    ASSERT_TRUE(applied.apply(objects(kPolicy, "api.yaml"), 120));
    EXPECT_EQ(restored(), (Texts{"pod default/web applied 1970-01-01T00:01:00Z from shop.yaml:2:1",
                                 "networkpolicy shop/api applied 1970-01-01T00:02:00Z from api.yaml:1:1"}));
    ASSERT_TRUE(applied.apply(objects(kPod, "other.yaml"), 180));
    ASSERT_TRUE(applied.remove({{Kind::kNetworkPolicy, "shop", "api"}}));
    EXPECT_EQ(std::ranges::count(text(), '\n'), 4);
    EXPECT_EQ(restored(), Texts{"pod default/web applied 1970-01-01T00:03:00Z from other.yaml:2:1"});
    EXPECT_EQ(std::ranges::count(text(), '\n'), 1) << "a start leaves void lines out";
    EXPECT_EQ(restored().size(), 1U);
}

// An explanation names the line of a rule, after a restart too.
TEST_F(AppliedObjectsTest, RulesKeepTheirPlaces) {
    ASSERT_TRUE(load().apply(objects(kPolicy), 0));
    AppliedObjects applied = load();
    const auto stored = applied.restore();
    ASSERT_EQ(stored.size(), 1U);
    const kube::NetworkPolicy& policy = stored[0].object.policy();
    EXPECT_EQ(policy, objects(kPolicy)[0].policy());
    EXPECT_EQ(base::origin(policy.ingress[0].place), "shop.yaml:7:5");
    EXPECT_EQ(base::origin(policy.ingress[1].place), "shop.yaml:8:7");
    EXPECT_EQ(base::origin(policy.egress[0].place), "shop.yaml:9:12");
}

TEST_F(AppliedObjectsTest, ALineThatIsCutOffWasNeverInForce) {
    ASSERT_TRUE(load().apply(objects(kPod), 0));
    const std::string whole = text();
    for (const size_t size : {size_t{1}, whole.size() / 2, whole.size() - 1}) {
        test::write_file(file_, whole + whole.substr(0, size));
        EXPECT_EQ(faults(), Texts{file_ + ":2:1: is cut off: the line has no end, and is not in force"});
        EXPECT_EQ(restored().size(), 1U);
        EXPECT_EQ(text(), whole) << "the next line doesn't continue it";
    }
}

TEST_F(AppliedObjectsTest, WhatCannotBeReadIsKeptAndTheRestCounts) {
    std::string api = kPod;
    api.replace(api.find("web"), 3, "api");
    ASSERT_TRUE(load().apply(objects(kPod + "---" + api), 0));
    const std::string whole = text();
    const std::string lines =
        "no json\n" + whole + "{\"apply\":[{\"object\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}}]}\n[]\n" +
        "{\"delete\":[{\"kind\":\"Deployment\",\"name\":\"x\"}]}\n{\"apply\":[7]}\n";
    test::write_file(file_, lines);
    const Texts wrong = faults();
    ASSERT_EQ(wrong.size(), 5U);
    EXPECT_EQ(wrong[0], file_ + ":1:1: is no change of objects that this sluiced writes");
    EXPECT_TRUE(wrong[1].starts_with(file_ + ":3:1: the Pod '' is not in force: ")) << wrong[1];
    EXPECT_EQ(restored().size(), 2U);
    size_t kept = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_ / "")) {
        const std::string name = entry.path();
        if (name == file_) continue;
        EXPECT_EQ(test::file_text(name), lines);
        ++kept;
    }
    EXPECT_EQ(kept, 1U);
    EXPECT_EQ(faults(), Texts{});
}

// Its pods don't lie open because a line is damaged.
TEST_F(AppliedObjectsTest, APolicyThatCannotBeReadAllowsNothing) {
    ASSERT_TRUE(load().apply(objects(kPolicy), 0));
    const std::string whole = text();
    const auto restored_policy = [&](std::string_view what, std::string_view with) {
        std::string damaged = whole;
        damaged.replace(damaged.find(what), what.size(), with);
        test::write_file(file_, damaged);
        const Texts wrong = faults();
        EXPECT_EQ(wrong.size(), 1U);
        EXPECT_TRUE(wrong[0].starts_with(
            file_ +
            ":1:1: the NetworkPolicy 'api' of namespace 'shop' allows nothing until it is applied again: "))
            << wrong[0];
        auto stored = load().restore();
        EXPECT_EQ(stored.size(), 1U);
        return stored.empty() ? kube::NetworkPolicy{} : stored[0].object.policy();
    };
    for (const auto& [what, with, pods] :
         {std::tuple("\"port\":80", "\"prot\":80", "everything"),
          std::tuple("\"podSelector\":{}", "\"podSelector\":{\"match\":7}", "everything"),
          std::tuple("\"podSelector\":{}", "\"podSelector\":{\"matchLabels\":{\"app\":\"api\"}},\"x\":1",
                     "app=api")}) {
        const kube::NetworkPolicy policy = restored_policy(what, with);
        EXPECT_EQ(policy.pods.text(), pods);
        EXPECT_TRUE(policy.isolates_ingress && policy.isolates_egress);
        EXPECT_TRUE(policy.ingress.empty() && policy.egress.empty());
        EXPECT_EQ(faults(), Texts{}) << "the file is written anew";
    }
}

TEST_F(AppliedObjectsTest, TheFileDoesNotGrowWithoutEnd) {
    AppliedObjects applied = load();
    kube::Store store;
    std::string large = kPod;
    large.insert(large.find(", spec") - 1, ", annotations: {a: " + std::string(600'000, 'x') + "}");
    for (int i = 0; i < 10; ++i) {
        auto changed = objects(large);
        ASSERT_TRUE(applied.apply(changed, i));
        store.apply(std::move(changed), i);
        applied.tidy(store);
    }
    EXPECT_LT(text().size(), 5'000'000U);
    EXPECT_EQ(restored(), Texts{"pod default/web applied 1970-01-01T00:00:09Z from shop.yaml:2:1"});
}

TEST_F(AppliedObjectsTest, AFileThatWasRemovedIsWrittenAnew) {
    AppliedObjects applied = load();
    kube::Store store;
    for (const auto& text : {kPod, kPolicy}) {
        auto changed = objects(text);
        ASSERT_TRUE(applied.apply(changed, 0));
        store.apply(std::move(changed), 0);
        applied.tidy(store);
        EXPECT_EQ(restored().size(), store.applied().size());
        std::filesystem::remove(file_);
    }
}

TEST_F(AppliedObjectsTest, AFileThatCannotBeWrittenRefusesTheChange) {
    std::filesystem::create_directories(file_);
    AppliedObjects applied = load();
    EXPECT_EQ(applied.restore().size(), 0U);
    EXPECT_FALSE(applied.apply(objects(kPod), 0));
    EXPECT_TRUE(std::filesystem::is_directory(file_));
}

}  // namespace
}  // namespace sluice::engine
