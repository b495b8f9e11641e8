// What sluicectl prints about NetworkPolicies.
#include <gtest/gtest.h>

#include "sluicectl/print.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

constexpr const char* kPod = R"json({
    "pod": "shop/api-0", "port": "api", "addresses": ["10.0.0.2"], "labels": "app=api", "host-network": false,
    "over": false, "ports": [],
    "ingress": {"isolated": true, "default": null, "policies": [
        {"policy": "shop/api", "file": "shop.yaml", "line": 6, "column": 1, "rules": [
            {"rule": 0, "peers": [
                {"text": "pods with app=frontend of namespace shop", "pods": ["shop/f-0", "shop/f-1"], "count": 12},
                {"text": "pods with app=none of namespace shop", "pods": [], "count": 0},
                {"text": "10.0.0.0/8 except 10.1.0.0/16", "pods": null, "count": null}],
             "ports": [{"text": "TCP 8080"}, {"text": "TCP http (80 here)"}]},
            {"rule": 1, "peers": null, "ports": null}]},
        {"policy": "shop/shut", "file": "shop.yaml", "line": 20, "column": 1, "rules": []}]},
    "egress": {"isolated": false, "default": null, "policies": []}})json";

TEST(PrintPods, TellsTheRulesOfAPodInWords) {
    EXPECT_EQ(print_pod_rules(json::parse(kPod), {}),
              "pod shop/api-0 at port api, 10.0.0.2, labels app=api\n"
              "ingress: isolated: only what a rule below permits comes in\n"
              "  shop/api (shop.yaml:6)\n"
              "    rule 0: from pods with app=frontend of namespace shop (12 now: shop/f-0, shop/f-1 and 10 more), or "
              "pods with app=none of namespace shop (none now), or 10.0.0.0/8 except 10.1.0.0/16; TCP 8080, TCP http "
              "(80 here)\n"
              "    rule 1: from everyone; every port of every protocol\n"
              "  shop/shut (shop.yaml:20)\n"
              "    it has no rule and permits nothing\n"
              "egress:  not isolated: everything is permitted\n"
              "always:  replies, the pod's own host and the pod itself are permitted\n");
}

TEST(PrintPods, BreaksLinesBehindTheRulesName) {
    const std::string text = print_pod_rules(json::parse(kPod), {.words = {}, .options = {}, .width = 60});
    EXPECT_NE(text.find("    rule 0: from pods with app=frontend of namespace shop\n"
                        "            (12 now: shop/f-0, shop/f-1 and 10 more), or\n"),
              std::string::npos)
        << text;
}

TEST(PrintPods, NamesTheDefaultThatDenies) {
    json pod = json::parse(kPod);
    pod["port"] = nullptr;
    pod["egress"] = R"({"isolated": true, "policies": [], "default": {"kind": "setting", "name": "policy.default",
        "file": "sluice.yaml", "line": 9, "column": 3}})"_json;
    const std::string text = print_pod_rules(pod, {});
    EXPECT_NE(text.find("egress:  no policy selects it, and policy.default (sluice.yaml:9) denies everything\n"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("at no port here: its own host enforces this"), std::string::npos) << text;
}

TEST(PrintPods, TellsWhyInBothDirections) {
    const json why = R"({
        "allowed": false, "proto": "tcp", "dport": 9090,
        "from": {"pod": null, "address": "192.0.2.1", "port": null},
        "to": {"pod": "shop/api-0", "address": "10.0.0.2", "port": "api"},
        "egress": {"asked": false, "permits": true, "text": "192.0.2.1 is no pod", "by": []},
        "ingress": {"asked": true, "permits": false, "text": "no rule of shop/api ingress permits it", "by": [
            {"kind": "network-policy", "name": "shop/api ingress", "file": "shop.yaml", "line": 6, "column": 1}]}})"_json;
    EXPECT_EQ(print_pod_reasons(why, {}),
              "192.0.2.1 to shop/api-0 (10.0.0.2), tcp 9090: refused\n"
              "egress   192.0.2.1 is no pod\n"
              "ingress  no rule of shop/api ingress permits it  [network-policy shop/api ingress (shop.yaml:6)]\n"
              "ACLs and routes were not asked: `sluicectl trace` asks all\n");
}

TEST(PrintPods, ListsThePolicies) {
    EXPECT_EQ(print_pod_policies(R"({"policies": []})"_json, {}), "no NetworkPolicies\n");
    EXPECT_EQ(print_pod_policies(R"({"policies": [{"namespace": "shop", "name": "api", "selects": "app=api",
                  "directions": ["ingress", "egress"], "pods": 2, "origin": "shop.yaml:6:1"}]})"_json, {}),
              "NAMESPACE  NAME  SELECTS  DIRECTIONS       PODS  ORIGIN\n"
              "shop       api   app=api  ingress, egress     2  shop.yaml:6:1\n");
}

}  // namespace
}  // namespace sluice::sluicectl
