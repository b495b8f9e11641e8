#include <fmt/format.h>

#include "sluicectl/print.h"
#include "sluicectl/table.h"
#include "sluicectl/wrap.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

// A line, broken where the terminal is too narrow: its later lines stand behind the prefix.
std::string line(const std::string& prefix, const std::string& text, size_t width) {
    return prefix + (width == 0 ? text : hang(text, prefix.size(), width)) + "\n";
}

// "pods with app=web of namespace shop (12 now: shop/a, shop/b and 10 more)"
std::string peer_text(const json& peer) {
    std::string text = word(peer.at("text"));
    if (!has(peer, "count")) return text;
    const json& names = peer.at("pods");
    const auto count = peer.at("count").get<size_t>();
    if (count == 0) return text + " (none now)";
    std::string told;
    for (const json& name : names) told += (told.empty() ? "" : ", ") + word(name);
    if (count > names.size()) told += fmt::format(" and {} more", count - names.size());
    return fmt::format("{} ({} now: {})", text, count, told);
}

std::string place_text(const json& object) {
    return has(object, "line") ? fmt::format("{}:{}", word(object.at("file")), word(object.at("line"))) : "added";
}

// "from pods with app=web of namespace shop (1 now: shop/web), or 10.0.0.0/8; ports TCP 80, TCP http (8080 here)"
std::string rule_text(const json& rule, const char* preposition) {
    std::string peers;
    if (rule.at("peers").is_null()) {
        peers = "everyone";
    } else {
        for (const json& peer : rule.at("peers")) peers += (peers.empty() ? "" : ", or ") + peer_text(peer);
    }
    std::string ports;
    if (rule.at("ports").is_null()) {
        ports = "every port of every protocol";
    } else {
        for (const json& port : rule.at("ports")) ports += (ports.empty() ? "" : ", ") + word(port.at("text"));
    }
    return fmt::format("{} {}; {}", preposition, peers, ports);
}

struct Direction {
    const char* key;
    const char* preposition;
    const char* isolated;
};
constexpr Direction kDirections[] = {{"ingress", "from", "only what a rule below permits comes in"},
                                     {"egress", "to", "only what a rule below permits goes out"}};

std::string direction_text(const Direction& direction, const json& told, size_t width) {
    const std::string title = fmt::format("{:<9}", fmt::format("{}:", direction.key));
    if (!told.at("isolated").get<bool>()) return line(title, "not isolated: everything is permitted", width);
    if (has(told, "default")) {
        const json& setting = told.at("default");
        const std::string said = fmt::format("no policy selects it, and {} ({}) denies everything",
                                             word(setting.at("name")), place_text(setting));
        return line(title, said, width);
    }
    std::string text = line(title, fmt::format("isolated: {}", direction.isolated), width);
    for (const json& policy : told.at("policies")) {
        text += line("  ", fmt::format("{} ({})", word(policy.at("policy")), place_text(policy)), width);
        if (policy.at("rules").empty()) text += "    it has no rule and permits nothing\n";
        for (const json& rule : policy.at("rules")) {
            const std::string prefix = fmt::format("    rule {}: ", word(rule.at("rule")));
            text += line(prefix, rule_text(rule, direction.preposition), width);
        }
    }
    return text;
}

// "shop/api (10.0.0.2)", "192.0.2.1"
std::string pod_end_text(const json& end) {
    if (!has(end, "pod")) return word(end.at("address"));
    return fmt::format("{} ({})", word(end.at("pod")), word(end.at("address")));
}

}  // namespace

std::string print_pod_policies(const json& result, const Arguments& arguments) {
    const json& policies = result.at("policies");
    if (policies.empty()) return "no NetworkPolicies\n";
    const std::vector<Column> columns = {{"NAMESPACE", "/namespace"},
                                         {"NAME", "/name"},
                                         {"SELECTS", "/selects"},
                                         {"DIRECTIONS", "/directions"},
                                         {"PODS", "/pods", Format::kNumber},
                                         {"ORIGIN", "/origin", Format::kText, 1}};
    return table(columns, policies, arguments.width);
}

std::string print_pod_rules(const json& result, const Arguments& arguments) {
    std::string text = word(result.at("pod"));
    if (has(result, "port")) text += fmt::format(" at port {}", word(result.at("port")));
    for (const json& address : result.at("addresses")) text += fmt::format(", {}", word(address));
    if (has(result, "labels")) text += fmt::format(", labels {}", word(result.at("labels")));
    if (!has(result, "port")) text += "; at no port here: its own host enforces this";
    if (result.at("host-network").get<bool>()) text += "; in its host's network: policies don't apply to it";
    if (result.at("over").get<bool>()) text += "; it has run to its end";
    text = line("pod ", text, arguments.width);
    for (const Direction& direction : kDirections) {
        text += direction_text(direction, result.at(direction.key), arguments.width);
    }
    const char* always = "replies, the pod's own host and the pod itself are permitted";
    return text + line("always:  ", always, arguments.width);
}

std::string print_pod_reasons(const json& result, const Arguments& arguments) {
    std::string service = word(result.at("proto"));
    if (has(result, "dport")) service += fmt::format(" {}", word(result.at("dport")));
    const char* verdict = result.at("allowed").get<bool>() ? "allowed" : "refused";
    const std::string said = fmt::format("{} to {}, {}: {}", pod_end_text(result.at("from")),
                                         pod_end_text(result.at("to")), service, verdict);
    std::string text = line("", said, arguments.width);
    for (const char* direction : {"egress", "ingress"}) {
        const json& told = result.at(direction);
        std::string reason = word(told.at("text"));
        std::string by;
        for (const json& object : told.at("by")) by += (by.empty() ? "" : ", ") + object_text(object);
        if (!by.empty()) reason += fmt::format("  [{}]", by);
        text += line(fmt::format("{:<8} ", direction), reason, arguments.width);
    }
    return text + "ACLs and routes were not asked: `sluicectl trace` asks all\n";
}

}  // namespace sluice::sluicectl
