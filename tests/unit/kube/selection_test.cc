#include "kube/selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <set>

namespace sluice::kube {
namespace {

Selector selector(std::string_view text) { return *Selector::parse(text); }

Scope in(std::string name_space, std::string_view pods) { return {std::move(name_space), {}, selector(pods)}; }
Scope across(std::string_view namespaces, std::string_view pods) {
    return {"", selector(namespaces), selector(pods)};
}

// "a=b,c=d"
Labels labels(std::string_view text) {
    Labels all;
    const Selector parsed = selector(text);
    for (const Requirement& it : parsed.requirements()) all.set(it.key, it.values[0]);
    return all;
}

std::vector<PodId> sorted(std::vector<PodId> pods) {
    std::sort(pods.begin(), pods.end());
    return pods;
}

using Pods = std::vector<PodId>;

TEST(Selection, FollowsPodsLabelsAndNamespaces) {
    Selection selection;
    const PodId web = selection.add_pod("shop", labels("app=web"));
    const ScopeId own = selection.take(in("shop", "app=web"));
    const ScopeId teams = selection.take(across("team=a", ""));
    const PodId api = selection.add_pod("shop", labels("app=api"));
    const PodId other = selection.add_pod("bank", labels("app=web"));
    EXPECT_EQ(selection.pods_of(own), Pods{web});
    EXPECT_TRUE(selection.pods_of(teams).empty());
    selection.set_namespace("shop", labels("team=a"));
    EXPECT_EQ(sorted(selection.pods_of(teams)), (Pods{web, api}));
    selection.set_labels(api, labels("app=web"));
    EXPECT_EQ(sorted(selection.pods_of(own)), (Pods{web, api}));
    selection.remove_pod(web);
    EXPECT_EQ(selection.pods_of(own), Pods{api});
    selection.remove_namespace("shop");
    EXPECT_TRUE(selection.pods_of(teams).empty());
    EXPECT_FALSE(selection.scopes_of(other).has(own));
}

TEST(Selection, ANamespaceHasItsNameAsALabel) {
    Selection selection;
    const PodId pod = selection.add_pod("shop", {});
    const ScopeId by_name = selection.take(across("kubernetes.io/metadata.name=shop", ""));
    EXPECT_EQ(selection.pods_of(by_name), Pods{pod});
    selection.set_namespace("shop", labels("kubernetes.io/metadata.name=liar"));
    EXPECT_EQ(selection.pods_of(by_name), Pods{pod});
}

TEST(Selection, EqualScopesAreOneUntilAllGaveItBack) {
    Selection selection;
    const PodId pod = selection.add_pod("shop", labels("a=b,c=d"));
    const ScopeId scope = selection.take(in("shop", "a=b,c=d"));
    EXPECT_EQ(selection.take(in("shop", "c=d,a=b")), scope);
    selection.give_back(scope);
    EXPECT_TRUE(selection.scopes_of(pod).has(scope));
    selection.give_back(scope);
    EXPECT_FALSE(selection.scopes_of(pod).has(scope));
    EXPECT_EQ(selection.take(in("shop", "!x")), scope) << "a number is used again";
    EXPECT_EQ(selection.pods_of(scope), Pods{pod});
}

TEST(Selection, TellsOnlyThePodsThatAChangeConcerns) {
    Selection selection;
    const PodId web = selection.add_pod("shop", labels("app=web"));
    const PodId api = selection.add_pod("shop", labels("app=api"));
    EXPECT_EQ(sorted(selection.take_changed()), (Pods{web, api}));
    const ScopeId scope = selection.take(in("shop", "app=web"));
    EXPECT_EQ(selection.take_changed(), Pods{web});
    selection.set_labels(api, labels("app=api,x=y"));
    EXPECT_TRUE(selection.take_changed().empty());
    selection.give_back(scope);
    selection.remove_pod(web);
    EXPECT_TRUE(selection.take_changed().empty());
}

// A long random history against what each scope says of each pod.
TEST(Selection, IsWhatEachScopeSaysOfEachPod) {
    struct Known {
        std::string name_space;
        Labels labels;
    };
    std::mt19937 dice(11);
    const auto pick = [&](auto list) { return list[dice() % list.size()]; };
    const std::vector<std::string> spaces{"a", "b", "c"};
    const std::vector<std::string_view> selectors{"", "x=1", "x=2", "x in (1,2)", "x!=1", "y", "!y", "x=1,y=2",
                                                  "x notin (1,2),y"};
    const std::vector<std::string_view> space_selectors{"", "t=1", "t!=1", "kubernetes.io/metadata.name=b", "!t"};
    const auto random_labels = [&] {
        std::vector<std::pair<std::string, std::string>> all;
        for (const char* key : {"x", "y"}) {
            if (dice() % 3 != 0) all.emplace_back(key, std::to_string(dice() % 3));
        }
        return Labels(all);
    };
    Selection selection;
    std::map<std::string, Labels> namespaces;
    std::map<PodId, Known> pods;
    std::map<ScopeId, std::pair<Scope, int>> scopes;
    for (int step = 0; step < 3000; ++step) {
        switch (dice() % 8) {
            case 0:
            case 1: {
                const Known pod{pick(spaces), random_labels()};
                pods[selection.add_pod(pod.name_space, pod.labels)] = pod;
                break;
            }
            case 2: {
                const Scope scope = dice() % 2 == 0 ? in(pick(spaces), pick(selectors))
                                                    : across(pick(space_selectors), pick(selectors));
                auto& known = scopes[selection.take(scope)];
                known.first = scope;
                ++known.second;
                break;
            }
            case 3: {
                const std::string space = pick(spaces);
                if (dice() % 3 == 0) {
                    selection.remove_namespace(space);
                    namespaces.erase(space);
                } else {
                    const Labels chosen({{"t", std::to_string(dice() % 2)}});
                    selection.set_namespace(space, chosen);
                    namespaces[space] = chosen;
                }
                break;
            }
            case 4:
            case 5: {
                if (pods.empty()) break;
                const auto at = std::next(pods.begin(), static_cast<long>(dice() % pods.size()));
                if (pods.size() > 30 || dice() % 2 == 0) {
                    selection.remove_pod(at->first);
                    pods.erase(at);
                } else {
                    at->second.labels = random_labels();
                    selection.set_labels(at->first, at->second.labels);
                }
                break;
            }
            default: {
                if (scopes.size() < 20) break;
                const auto at = std::next(scopes.begin(), static_cast<long>(dice() % scopes.size()));
                selection.give_back(at->first);
                if (--at->second.second == 0) scopes.erase(at);
                break;
            }
        }
        for (const auto& [id, known] : scopes) {
            const Scope& scope = known.first;
            Pods wanted;
            for (const auto& [pod, facts] : pods) {
                Labels space = namespaces.contains(facts.name_space) ? namespaces[facts.name_space] : Labels();
                space.set("kubernetes.io/metadata.name", facts.name_space);
                const bool is_in = scope.name_space.empty() ? scope.namespaces.matches(space)
                                                            : scope.name_space == facts.name_space;
                const bool is_selected = is_in && scope.pods.matches(facts.labels);
                ASSERT_EQ(selection.scopes_of(pod).has(id), is_selected) << "step " << step;
                if (is_selected) wanted.push_back(pod);
            }
            ASSERT_EQ(sorted(selection.pods_of(id)), wanted) << "step " << step;
        }
    }
}

}  // namespace
}  // namespace sluice::kube
