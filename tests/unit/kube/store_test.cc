#include "kube/store.h"

#include <gtest/gtest.h>

#include "kube/manifest.h"

namespace sluice::kube {
namespace {

std::vector<Object> objects(const std::string& text, std::string_view file = "f") {
    auto manifest = parse_manifest(text, file, UnknownKinds::kRefuse);
    EXPECT_TRUE(manifest) << text;
    return manifest ? std::move(manifest->objects) : std::vector<Object>{};
}
std::string pod(const std::string& name, const std::string& labels = "") {
    return "---\n{apiVersion: v1, kind: Pod, metadata: {name: " + name + ", namespace: shop, labels: {" + labels +
           "}}, spec: {containers: [{name: c}]}}\n";
}
const std::string kShop = "---\n{apiVersion: v1, kind: Namespace, metadata: {name: shop}}\n";

const Key kWeb{Kind::kPod, "shop", "web"};

std::string text(const Change& change) {
    std::string out;
    for (const Changed& it : change) {
        out += (it.before == nullptr ? "+" : it.after == nullptr ? "-" : "~") + it.key.text() + " ";
    }
    return out;
}
std::string mistakes(const tl::expected<Change, base::Errors>& done) {
    std::string out;
    if (done) return out;
    for (const base::Error& error : done.error()) out += error.text() + "\n";
    return out;
}

tl::expected<Change, base::Errors> apply(Store& store, std::vector<Object> objects, int64_t now) {
    if (auto errors = store.why_not_applied(objects); !errors.empty()) return tl::unexpected(std::move(errors));
    return store.apply(std::move(objects), now);
}
tl::expected<Change, base::Errors> remove(Store& store, const std::vector<Key>& keys,
                                          Store::Missing if_missing = Store::Missing::kRefuse) {
    const auto gone = store.to_remove(keys, if_missing);
    if (!gone) return tl::unexpected(gone.error());
    return store.remove(gone->gone);
}

TEST(Store, ApplyCreatesAndReplaces) {
    Store store;
    EXPECT_EQ(text(*apply(store, objects(kShop + pod("web")), 0)), "+namespace shop +pod shop/web ");
    EXPECT_EQ(text(*apply(store, objects(pod("web", "app: web")), 1)), "~pod shop/web ");
    EXPECT_EQ(store.find(kWeb)->object.labels.text(), "app=web");
    EXPECT_EQ(store.find(kWeb)->origin(), "applied 1970-01-01T00:00:01Z from f:2:1");
    EXPECT_EQ(store.all().size(), 2U);
    EXPECT_EQ(store.all(Kind::kPod).size(), 1U);
}

TEST(Store, WhatIsRemovedMustBeThere) {
    Store store;
    ASSERT_TRUE(apply(store, objects(kShop + pod("web") + pod("api")), 0));
    EXPECT_EQ(mistakes(remove(store, {kWeb, {Kind::kPod, "shop", "db"}})), "there is no pod shop/db\n");
    EXPECT_NE(store.find(kWeb), nullptr) << "all or nothing";
    const Key db{Kind::kPod, "shop", "db"};
    EXPECT_EQ(text(*remove(store, {kWeb, db}, Store::Missing::kIgnore)), "-pod shop/web ");
    EXPECT_EQ(text(*remove(store, {{Kind::kNamespace, "", "shop"}})), "-namespace shop -pod shop/api ");
    EXPECT_TRUE(store.all().empty());
}

TEST(Store, ANamespaceThatNobodyCreatedCanBeRemovedWithItsObjects) {
    Store store;
    ASSERT_TRUE(apply(store, objects(pod("web")), 0));
    EXPECT_EQ(text(*remove(store, {{Kind::kNamespace, "", "shop"}})), "-pod shop/web ");
}

TEST(Store, DeclaredObjectsAreChangedInTheirManifests) {
    Store store;
    ASSERT_TRUE(apply(store, objects(pod("web", "app: applied")), 0));
    EXPECT_EQ(text(store.declare(objects(kShop + pod("web", "app: declared"), "m.yaml"))),
              "+namespace shop ~pod shop/web ");
    EXPECT_EQ(store.find(kWeb)->origin(), "m.yaml:4:1");
    EXPECT_EQ(mistakes(apply(store, objects(pod("web", "app: declared")), 1)), "") << "it says the same";
    store.remove({kWeb});
    store.apply(objects(pod("web", "app: applied")), 0);
    EXPECT_EQ(mistakes(apply(store, objects(pod("web")), 1)),
              "f:2:1: pod shop/web is declared by m.yaml:4:1: change it there\n");
    EXPECT_EQ(mistakes(remove(store, {{Kind::kNamespace, "", "shop"}})),
              "namespace shop is declared by m.yaml:2:1: change it there\n");
    EXPECT_EQ(store.applied().size(), 1U);
    EXPECT_EQ(text(store.declare({})), "-namespace shop ~pod shop/web ");
    EXPECT_EQ(store.find(kWeb)->object.labels.text(), "app=applied");
}

TEST(Store, OfANamespaceThatIsRemovedDeclaredObjectsAreLeft) {
    Store store;
    const Key shop{Kind::kNamespace, "", "shop"};
    const Key api{Kind::kPod, "shop", "api"};
    store.declare(objects(pod("api"), "m.yaml"));
    ASSERT_TRUE(apply(store, objects(kShop + pod("web")), 0));
    const auto removal = store.to_remove({shop}, Store::Missing::kRefuse);
    ASSERT_TRUE(removal);
    EXPECT_EQ(removal->gone, (std::vector{shop, kWeb}));
    EXPECT_EQ(removal->left, std::vector{api});
    EXPECT_EQ(mistakes(remove(store, {shop, api})), "pod shop/api is declared by m.yaml:2:1: change it there\n");
    EXPECT_EQ(text(*remove(store, {shop})), "-namespace shop -pod shop/web ");
    EXPECT_EQ(mistakes(remove(store, {shop})), "pod shop/api is declared by m.yaml:2:1: change it there\n")
        << "nothing of it can be deleted";
}

TEST(Store, WhatADeclaredObjectHidesCanBeDeleted) {
    Store store;
    store.apply(objects(pod("web", "app: applied")), 0);
    EXPECT_EQ(store.hidden(kWeb), nullptr);
    store.declare(objects(pod("web", "app: declared"), "m.yaml"));
    ASSERT_NE(store.hidden(kWeb), nullptr);
    EXPECT_EQ(store.hidden(kWeb)->origin(), "applied 1970-01-01T00:00:00Z from f:2:1");
    EXPECT_EQ(store.count(Kind::kPod), 1U) << "the hidden one doesn't count";
    EXPECT_EQ(text(*remove(store, {kWeb})), "") << "the declared one stays in force";
    EXPECT_EQ(store.hidden(kWeb), nullptr);
    EXPECT_EQ(mistakes(remove(store, {kWeb})), "pod shop/web is declared by m.yaml:2:1: change it there\n");
}

TEST(Store, WhatSaysTheSameIsNoChange) {
    Store store;
    store.declare(objects(kShop + pod("web"), "m"));
    EXPECT_EQ(text(store.declare(objects(kShop + pod("web"), "m"))), "");
    EXPECT_EQ(text(store.declare(objects(kShop + pod("api") + pod("web"), "m"))), "+pod shop/api ~pod shop/web ")
        << "its place is another";
}

TEST(Store, APodsReadinessAndDeletionAreChanges) {
    Store store;
    const auto apply_pod = [&](const std::string& metadata, const std::string& ready) {
        return text(store.apply(objects("{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop" + metadata +
                                        "}, spec: {containers: [{name: c}]}, status: {conditions: [{type: Ready, "
                                        "status: \"" + ready + "\"}]}}"), 0));
    };
    EXPECT_EQ(apply_pod("", "False"), "+pod shop/web ");
    EXPECT_EQ(apply_pod("", "False"), "");
    EXPECT_EQ(apply_pod("", "True"), "~pod shop/web ");
    EXPECT_EQ(apply_pod(", deletionTimestamp: \"2026-11-30T10:00:00Z\"", "True"), "~pod shop/web ");
}

}  // namespace
}  // namespace sluice::kube
