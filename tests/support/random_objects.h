// Kubernetes objects made up at random: few labels, names and addresses, so that selectors hit and miss.
#pragma once

#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace sluice::test {

using Json = nlohmann::json;

class Dice {
 public:
    explicit Dice(unsigned seed) : random_(seed) {}
    bool one_in(unsigned n) { return random_() % n == 0; }
    unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
    std::string of(const std::vector<std::string>& list) { return list[random_() % list.size()]; }

 private:
    std::mt19937 random_;
};

inline const std::vector<std::string> kSpaces{"a", "b", "default"};
inline const std::vector<std::string> kNames{"p0", "p1", "p2", "p3"};

inline Json random_labels(Dice& dice) {
    Json labels = Json::object();
    for (const char* key : {"x", "y"}) {
        if (!dice.one_in(3)) labels[key] = dice.of({"", "1", "2"});
    }
    return labels;
}

inline Json random_selector(Dice& dice) {
    Json selector = Json::object();
    if (dice.one_in(4)) return selector;
    if (dice.one_in(2)) selector["matchLabels"] = random_labels(dice);
    if (dice.one_in(2)) {
        const std::string op = dice.of({"In", "NotIn", "Exists", "DoesNotExist"});
        Json expression{{"key", dice.of({"x", "y", "z"})}, {"operator", op}};
        if (op == "In" || op == "NotIn") {
            expression["values"] = dice.one_in(2) ? Json{"1"} : Json{"", "2"};
        }
        selector["matchExpressions"] = Json::array({expression});
    }
    return selector;
}

inline Json random_peer(Dice& dice) {
    if (dice.one_in(4)) {
        Json block{{"cidr", dice.of({"10.0.0.0/8", "10.0.0.0/24", "0.0.0.0/0", "::/0", "192.0.2.0/24"})}};
        if (block["cidr"] == "0.0.0.0/0") block["except"] = Json{dice.of({"10.0.1.0/24", "192.0.2.1/32"})};
        return {{"ipBlock", block}};
    }
    Json peer = Json::object();
    if (dice.one_in(2)) {
        peer["namespaceSelector"] = dice.one_in(2)
            ? Json{{"matchLabels", {{"kubernetes.io/metadata.name", dice.of(kSpaces)}}}}
            : random_selector(dice);
    }
    if (peer.empty() || dice.one_in(2)) peer["podSelector"] = random_selector(dice);
    return peer;
}

inline Json random_port(Dice& dice) {
    Json port = Json::object();
    if (!dice.one_in(2)) port["protocol"] = dice.of({"TCP", "UDP", "SCTP"});
    switch (dice.below(4)) {
        case 0: break;
        case 1: port["port"] = 80; break;
        case 2: port["port"] = 79; port["endPort"] = 81; break;
        default: port["port"] = dice.of({"http", "dns"}); break;
    }
    return port;
}

inline Json random_rule(Dice& dice, const char* peers) {
    Json rule = Json::object();
    if (!dice.one_in(4)) {
        rule[peers] = Json::array();
        for (unsigned i = dice.below(3); i != 0; --i) rule[peers].push_back(random_peer(dice));
    }
    if (!dice.one_in(2)) {
        rule["ports"] = Json::array();
        for (unsigned i = dice.below(3); i != 0; --i) rule["ports"].push_back(random_port(dice));
    }
    if (dice.one_in(10)) rule[peers] = nullptr;
    return rule;
}

inline Json random_policy(Dice& dice) {
    Json spec{{"podSelector", random_selector(dice)}};
    if (!dice.one_in(3)) {
        spec["ingress"] = Json::array();
        for (unsigned i = dice.below(3); i != 0; --i) spec["ingress"].push_back(random_rule(dice, "from"));
    }
    if (!dice.one_in(2)) {
        spec["egress"] = Json::array();
        for (unsigned i = dice.below(3); i != 0; --i) spec["egress"].push_back(random_rule(dice, "to"));
    }
    switch (dice.below(5)) {
        case 0: spec["policyTypes"] = {"Ingress"}; break;
        case 1: spec["policyTypes"] = {"Egress"}; break;
        case 2: spec["policyTypes"] = {"Ingress", "Egress"}; break;
        case 3: spec["policyTypes"] = Json::array(); break;
        default: break;
    }
    Json policy{{"apiVersion", "networking.k8s.io/v1"}, {"kind", "NetworkPolicy"},
                {"metadata", {{"name", dice.of(kNames)}, {"namespace", dice.of(kSpaces)}}}, {"spec", spec}};
    if (dice.one_in(20)) policy.erase("spec");
    if (policy["metadata"]["namespace"] == "default" && dice.one_in(2)) policy["metadata"].erase("namespace");
    return policy;
}

inline Json random_container(Dice& dice, const std::string& name) {
    Json container{{"name", name}};
    if (dice.one_in(2)) return container;
    container["ports"] = Json::array();
    for (const char* port : {"http", "dns"}) {
        if (dice.one_in(2)) continue;
        container["ports"].push_back({{"name", port}, {"containerPort", 79 + static_cast<int>(dice.below(3))}});
        if (dice.one_in(2)) container["ports"].back()["protocol"] = dice.of({"UDP", "SCTP"});
    }
    return container;
}

// Each name has an address of its own.
inline Json random_pod(Dice& dice) {
    const unsigned space = dice.below(static_cast<unsigned>(kSpaces.size()));
    const unsigned name = dice.below(static_cast<unsigned>(kNames.size()));
    Json spec{{"containers", {random_container(dice, "c")}}};
    if (dice.one_in(5)) {
        Json init = random_container(dice, "i");
        if (dice.one_in(2)) init["restartPolicy"] = "Always";
        spec["initContainers"] = Json::array({init});
    }
    if (dice.one_in(15)) spec["hostNetwork"] = true;
    Json status{{"podIP", name == 3 ? "fd00::" + std::to_string(space + 1)
                                    : "10.0." + std::to_string(space) + "." + std::to_string(name + 1)}};
    if (dice.one_in(3)) status["phase"] = dice.of({"Running", "Pending", "Failed", "Succeeded"});
    return {{"apiVersion", "v1"}, {"kind", "Pod"},
            {"metadata", {{"name", kNames[name]}, {"namespace", kSpaces[space]}, {"labels", random_labels(dice)}}},
            {"spec", spec}, {"status", status}};
}

inline Json random_namespace(Dice& dice) {
    return {{"apiVersion", "v1"}, {"kind", "Namespace"},
            {"metadata", {{"name", dice.of(kSpaces)}, {"labels", random_labels(dice)}}}};
}

inline Json random_object(Dice& dice) {
    switch (dice.below(4)) {
        case 0: return random_namespace(dice);
        case 1: return random_policy(dice);
        default: return random_pod(dice);
    }
}

}  // namespace sluice::test
