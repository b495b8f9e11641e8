// NetworkPolicy v1 as its text says it, on the objects' JSON, as slowly and plainly as can be. It shares no code with
// the switch, so that both can be wrong only in different ways.
#pragma once

#include <arpa/inet.h>

#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace sluice::test {

class PlainPolicy {
 public:
    using Json = nlohmann::json;

    // All objects; the later of two with one kind, namespace and name counts.
    explicit PlainPolicy(const std::vector<Json>& objects) {
        for (const Json& object : objects) {
            const std::string kind = object.at("kind");
            if (kind == "Namespace") namespaces_[name_of(object)] = object;
            if (kind == "Pod") pods_[space_of(object) + "/" + name_of(object)] = object;
            if (kind == "NetworkPolicy") policies_[space_of(object) + "/" + name_of(object)] = object;
        }
    }

    // `protocol`: "TCP", "UDP", "SCTP", or another that has no ports.
    bool allows(const std::string& source, const std::string& destination, const std::string& protocol,
                int port) const {
        const Json* from = pod_at(source);
        const Json* to = pod_at(destination);
        if (from != nullptr && from == to) return true;
        if (from != nullptr && !allows(*from, "egress", "Egress", "to", to, destination, to, protocol, port)) {
            return false;
        }
        return to == nullptr || allows(*to, "ingress", "Ingress", "from", from, source, to, protocol, port);
    }

 private:
    static std::string name_of(const Json& object) { return object.at("metadata").at("name"); }
    static std::string space_of(const Json& object) { return object.at("metadata").value("namespace", "default"); }
    static Json labels_of(const Json& object) {
        const Json metadata = object.value("metadata", Json::object());
        return metadata.contains("labels") && metadata["labels"].is_object() ? metadata["labels"] : Json::object();
    }
    static const Json* field(const Json& json, const char* name) {
        const auto at = json.find(name);
        return at == json.end() || at->is_null() ? nullptr : &*at;
    }

    Json labels_of_namespace(const std::string& name) const {
        const auto known = namespaces_.find(name);
        Json labels = known == namespaces_.end() ? Json::object() : labels_of(known->second);
        labels["kubernetes.io/metadata.name"] = name;
        return labels;
    }

    // Of two pods with one address the test's worlds have none.
    const Json* pod_at(const std::string& address) const {
        for (const auto& [name, pod] : pods_) {
            if (pod["spec"].value("hostNetwork", false)) continue;
            const Json status = pod.value("status", Json::object());
            const std::string phase = status.value("phase", "Running");
            if (phase == "Failed" || phase == "Succeeded") continue;
            if (status.value("podIP", "") == address) return &pod;
        }
        return nullptr;
    }

    static bool matches(const Json& selector, const Json& labels) {
        if (const Json* wanted = field(selector, "matchLabels")) {
            for (const auto& [key, value] : wanted->items()) {
                if (!labels.contains(key) || labels[key].get<std::string>() != value.get<std::string>()) return false;
            }
        }
        if (const Json* expressions = field(selector, "matchExpressions")) {
            for (const Json& expression : *expressions) {
                const std::string key = expression.at("key");
                const std::string op = expression.at("operator");
                const bool has = labels.contains(key);
                bool is_among = false;
                if (const Json* values = field(expression, "values")) {
                    for (const Json& value : *values) {
                        is_among = is_among || (has && labels[key].get<std::string>() == value.get<std::string>());
                    }
                }
                if (op == "In" && !is_among) return false;
                if (op == "NotIn" && is_among) return false;
                if (op == "Exists" && !has) return false;
                if (op == "DoesNotExist" && has) return false;
            }
        }
        return true;
    }

    static bool is_in(const std::string& address, const std::string& block) {
        const size_t slash = block.find('/');
        const int length = std::stoi(block.substr(slash + 1));
        std::array<unsigned char, 16> a{}, b{};
        const bool is_v6 = address.find(':') != std::string::npos;
        if (is_v6 != (block.find(':') != std::string::npos)) return false;
        const int family = is_v6 ? AF_INET6 : AF_INET;
        if (inet_pton(family, address.c_str(), a.data()) != 1) return false;
        if (inet_pton(family, block.substr(0, slash).c_str(), b.data()) != 1) return false;
        for (int bit = 0; bit < length; ++bit) {
            const int mask = 128 >> bit % 8;
            if ((a[bit / 8] & mask) != (b[bit / 8] & mask)) return false;
        }
        return true;
    }

    bool matches_peer(const Json& peer, const std::string& policy_space, const Json* pod,
                      const std::string& address) const {
        if (const Json* block = field(peer, "ipBlock")) {
            if (!is_in(address, block->at("cidr"))) return false;
            if (const Json* except = field(*block, "except")) {
                for (const Json& part : *except) {
                    if (is_in(address, part)) return false;
                }
            }
            return true;
        }
        if (pod == nullptr) return false;
        const Json* namespaces = field(peer, "namespaceSelector");
        if (namespaces == nullptr && space_of(*pod) != policy_space) return false;
        if (namespaces != nullptr && !matches(*namespaces, labels_of_namespace(space_of(*pod)))) return false;
        const Json* pods = field(peer, "podSelector");
        return pods == nullptr || matches(*pods, labels_of(*pod));
    }

    static bool matches_port(const Json& wanted, const Json* destination, const std::string& protocol, int port) {
        if (wanted.value("protocol", "TCP") != protocol) return false;
        const Json* number = field(wanted, "port");
        if (number == nullptr) return true;
        if (number->is_number()) {
            const Json* end = field(wanted, "endPort");
            return number->get<int>() <= port && port <= (end == nullptr ? *number : *end).get<int>();
        }
        if (destination == nullptr) return false;
        const Json& spec = (*destination)["spec"];
        const auto has = [&](const Json& container) {
            const Json* ports = field(container, "ports");
            if (ports == nullptr) return false;
            for (const Json& known : *ports) {
                if (known.value("name", "") == number->get<std::string>() && known.value("protocol", "TCP") == protocol &&
                    known.at("containerPort").get<int>() == port) {
                    return true;
                }
            }
            return false;
        };
        for (const Json& container : spec.at("containers")) {
            if (has(container)) return true;
        }
        for (const Json& container : spec.value("initContainers", Json::array())) {
            if (container.value("restartPolicy", "") == "Always" && has(container)) return true;
        }
        return false;
    }

    bool allows(const Json& pod, const char* rules_field, const char* type, const char* peers_field,
                const Json* peer, const std::string& peer_address, const Json* destination,
                const std::string& protocol, int port) const {
        bool is_isolated = false;
        for (const auto& [name, policy] : policies_) {
            const Json spec = policy.value("spec", Json::object());
            if (space_of(policy) != space_of(pod)) continue;
            const Json* selector = field(spec, "podSelector");
            if (selector != nullptr && !matches(*selector, labels_of(pod))) continue;
            const Json* rules = field(spec, rules_field);
            const Json* types = field(spec, "policyTypes");
            bool is_about_it = false;
            if (types != nullptr && !types->empty()) {
                for (const Json& one : *types) is_about_it = is_about_it || one.get<std::string>() == type;
            } else {
                is_about_it = std::strcmp(type, "Ingress") == 0 || (rules != nullptr && !rules->empty());
            }
            if (!is_about_it) continue;
            is_isolated = true;
            if (rules == nullptr) continue;
            for (const Json& rule : *rules) {
                const Json* ports = field(rule, "ports");
                bool has_port = ports == nullptr || ports->empty();
                for (size_t i = 0; !has_port && i < ports->size(); ++i) {
                    has_port = matches_port((*ports)[i], destination, protocol, port);
                }
                const Json* peers = field(rule, peers_field);
                bool has_peer = peers == nullptr || peers->empty();
                for (size_t i = 0; !has_peer && i < peers->size(); ++i) {
                    has_peer = matches_peer((*peers)[i], space_of(policy), peer, peer_address);
                }
                if (has_port && has_peer) return true;
            }
        }
        return !is_isolated;
    }

    std::map<std::string, Json> namespaces_;
    std::map<std::string, Json> pods_;
    std::map<std::string, Json> policies_;
};

}  // namespace sluice::test
