#include "control/policy.h"

#include <rte_cycles.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>

#include "base/none.h"
#include "base/text.h"
#include "base/tree.h"
#include "control/objects.h"
#include "control/report.h"
#include "path/tuple_address.h"
#include "wire/flow_hash.h"

namespace sluice::control {
namespace {

using nlohmann::json;

// "proto tcp, port 8080", in the words of the configuration.
std::string match_text(const acl::MatchConfig& match) {
    std::string text;
    for (const auto& entry : base::write(match).entries) {
        std::string values = entry.value.text;
        for (const auto& item : entry.value.items) values += (values.empty() ? "" : " ") + item.text;
        text += fmt::format("{}{} {}", text.empty() ? "" : ", ", entry.key.text, values);
    }
    return text.empty() ? "all" : text;
}

json rule_json(const acl::List& list, uint32_t number) {
    const acl::Object object = list.describe(number);
    const bool is_end = number == acl::kNoRule;
    const acl::RuleConfig* rule = is_end ? nullptr : &list.config().rules[number];
    json row{{"rule", is_end ? json("end") : json(number + 1)},
             {"name", is_end ? json() : base::or_none(rule->name)},
             {"action", is_end ? "deny" : word_of(rule->action)},
             {"match", is_end ? "what no rule matches" : match_text(rule->match)},
             {"hits", list.hits(number)},
             {"origin", base::origin(object.place)}};
    base::tell_place(row, object.place);
    const bool is_permit = rule != nullptr && rule->action == acl::Action::kPermit;
    row["stateful"] = is_permit ? json(rule->stateful) : json();
    row["log"] = rule == nullptr ? json() : json(rule->log);
    return row;
}

// Selects flows: all conditions that are given must hold.
struct Filter {
    std::optional<IpAddress> address;
    std::optional<uint16_t> port;
    std::optional<path::FlowDomain> domain;
    std::optional<flow::State> state;

    bool matches(const flow::Listed& flow) const {
        const path::TupleKey& key = flow.original.key;
        if (state && flow.state != *state) return false;
        if (domain && key.domain() != *domain) return false;
        if (port && !has_port(key, *port) && !has_port(flow.leaves.key, *port)) return false;
        return !address || has_address(flow.original) || has_address(flow.leaves);
    }
    bool has_address(const path::Tuple& tuple) const {
        return path::source_of(tuple) == *address || path::destination_of(tuple) == *address;
    }
    // For ICMP the key has an identifier in the place of the ports.
    static bool has_port(const path::TupleKey& key, uint16_t port) {
        return wire::has_ports(static_cast<uint8_t>(key.protocol())) &&
               (key.source_port().host() == port || key.destination_port().host() == port);
    }
};

tl::expected<Filter, RpcError> filter_of(const Running& daemon, const json& params) {
    Filter filter;
    const std::string address = text_of(params, "address");
    if (!address.empty()) {
        auto parsed = IpAddress::parse(address);
        if (!parsed) return invalid(fmt::format("the parameter 'address': {}", parsed.error()));
        filter.address = *parsed;
    }
    if (params.contains("port")) {
        filter.port = static_cast<uint16_t>(number_of(params, "port", 0));
    }
    const std::string network = text_of(params, "network");
    if (!network.empty()) {
        const engine::NetworkConfig* found = engine::find_network(daemon.running.config(), network);
        if (found == nullptr) {
            return refused({{fmt::format("there is no network \"{}\"", network), {}, {}}});
        }
        filter.domain = daemon.running.flow_domains().at(engine::flow_domain_of(*found));
    }
    const std::string state = text_of(params, "state");
    for (const auto& [value, word] : names(flow::State{})) {
        if (word == state) filter.state = value;
    }
    return filter;
}

json end_json(const path::Tuple& tuple) {
    json end{{"address", path::source_of(tuple).text()}, {"port", nullptr}};
    if (wire::has_ports(static_cast<uint8_t>(tuple.key.protocol()))) {
        end["port"] = tuple.key.source_port().host();
    }
    return end;
}

// As which its packets leave; null: as they come.
json translated_json(const flow::Listed& flow) {
    if (flow.original == flow.leaves) return nullptr;
    return {{"source", end_json(flow.leaves)}, {"destination", end_json(flow.leaves.reversed())}};
}

std::string protocol_text(wire::Protocol protocol) {
    switch (protocol) {
        case wire::Protocol::kTcp: return "tcp";
        case wire::Protocol::kUdp: return "udp";
        case wire::Protocol::kSctp: return "sctp";
        case wire::Protocol::kIcmp: return "icmp";
        case wire::Protocol::kIcmpv6: return "icmpv6";
        default: return std::to_string(static_cast<int>(protocol));
    }
}

std::string_view verdict_text(flow::Verdict verdict) {
    switch (verdict) {
        case flow::Verdict::kAllow: return "allow";
        case flow::Verdict::kDeny: return "deny";
        case flow::Verdict::kReject: break;
    }
    return "reject";
}

// The names of the numbers that flows hold: rules, ports, flow domains. There may be many flows and many names, so
// make it once an answer.
class Names {
 public:
    explicit Names(const engine::Switch& running) : running_(running), places_(place_names(running)) {
        for (const auto& [name, list] : running.acls()) {
            const auto count = static_cast<uint32_t>(list->config().rules.size());
            for (uint32_t i = 0; i < count; ++i) rules_[list->object(i)] = {list.get(), i};
            rules_[list->object(acl::kNoRule)] = {list.get(), acl::kNoRule};
        }
        for (const auto& [name, id] : running.flow_domains()) domains_[id] = name;
    }

    // The rule with this number, or the NetworkPolicies; none: it is gone.
    std::vector<acl::Object> rules(uint32_t object) const {
        const auto found = rules_.find(object);
        if (found == rules_.end()) return running_.policies(object);
        return {found->second.list->describe(found->second.number)};
    }
    // The name of the port or tunnel by which a flow's packets came or went. Empty: it is gone, or another port
    // had its number during the life of the flow, and may be the one that is meant.
    std::string place(path::PortId id, path::Seconds age) const {
        const uint64_t began = rte_get_tsc_cycles() - (uint64_t{age} + 1) * rte_get_tsc_hz();
        const auto found = places_.find(id);
        return found != places_.end() && running_.is_same_since(id, began) ? found->second : "";
    }
    std::string domain(path::FlowDomain id) const {
        const auto found = domains_.find(id);
        return found == domains_.end() ? "" : found->second;
    }

 private:
    struct Rule {
        const acl::List* list;
        uint32_t number;
    };
    const engine::Switch& running_;
    std::map<path::PortId, std::string> places_;
    std::unordered_map<uint32_t, Rule> rules_;  // by object
    std::map<path::FlowDomain, std::string> domains_;
};

json direction_json(const Names& names, const flow::Listed::Direction& direction, path::Seconds age) {
    json row{
        {"packets", direction.packets}, {"bytes", direction.bytes}, {"ingress", nullptr}, {"egress", nullptr}};
    if (!direction.decided) return row;
    for (const auto& [key, port] : {std::pair("ingress", direction.ingress),
                                    std::pair("egress", direction.egress)}) {
        if (port != path::kNoPort) row[key] = base::or_none(names.place(port, age));
    }
    return row;
}

json flow_json(const Names& names, const flow::Listed& flow) {
    const path::TupleKey& key = flow.original.key;
    json by = json::array();
    for (const uint32_t number : flow.objects) {
        for (const acl::Object& object : names.rules(number)) {
            by.push_back({{"kind", object.kind}, {"name", object.name}});
            base::tell_place(by.back(), object.place);
        }
    }
    json row{{"proto", protocol_text(key.protocol())},
             {"source", end_json(flow.original)},
             {"destination", end_json(flow.original.reversed())},
             {"translated", translated_json(flow)},
             {"domain", base::or_none(names.domain(key.domain()))},
             {"state", word_of(flow.state)},
             {"verdict", verdict_text(flow.verdict)},
             {"original", direction_json(names, flow.directions[0], flow.age)},
             {"reply", direction_json(names, flow.directions[1], flow.age)},
             {"age", flow.age},
             {"idle", flow.idle},
             {"timeout", flow.timeout},
             {"id", nullptr},
             {"decided-by", by}};
    if (key.protocol() == wire::Protocol::kIcmp || key.protocol() == wire::Protocol::kIcmpv6) {
        row["id"] = key.source_port().host();
    }
    return row;
}

}  // namespace

Answer acl_list(Running& daemon, const json& params) {
    const std::string name = text_of(params, "name");
    const auto& lists = daemon.running.acls();
    const bool waits = daemon.intent.find_waiting(engine::ObjectKind::kAcl, name) != nullptr;
    if (!name.empty() && !lists.contains(name) && !waits) {
        return refused({{fmt::format("there is no ACL \"{}\"", name), {}, {}}});
    }
    json acls = json::array();
    for (const auto& [list_name, list] : lists) {
        if (!name.empty() && list_name != name) continue;
        json apply = json::array();
        for (const auto& at : list->config().apply) {
            json row{{"direction", word_of(at.direction)}};
            row["port"] = base::or_none(at.port);
            row["network"] = base::or_none(at.network);
            apply.push_back(std::move(row));
        }
        json rules = json::array();
        for (uint32_t i = 0; i < list->config().rules.size(); ++i) rules.push_back(rule_json(*list, i));
        rules.push_back(rule_json(*list, acl::kNoRule));
        // The list may deny everything in place of an ACL that waits.
        const auto* replaced = daemon.intent.find_waiting(engine::ObjectKind::kAcl, list_name);
        const bool is_closed = replaced != nullptr && !replaced->closes.empty();
        acls.push_back({{"name", list_name},
                        {"origin", base::origin(list->config().place)},
                        {"state", is_closed ? "waiting" : "in-force"},
                        {"reason", is_closed ? json(replaced->reason()) : json()},
                        {"apply", apply},
                        {"rules", rules}});
    }
    for (json& row : waiting_rows(daemon.intent, engine::ObjectKind::kAcl)) {
        const std::string& waiting = row["name"].get_ref<const std::string&>();
        if (!name.empty() && waiting != name) continue;
        if (const auto* each = daemon.intent.find_waiting(engine::ObjectKind::kAcl, waiting);
            !each->closes.empty())
            continue;
        row.update(json{{"apply", json::array()}, {"rules", json::array()}});
        acls.push_back(std::move(row));
    }
    return json{{"acls", acls}};
}

Steps flow_list(Running& daemon, const json& params) {
    auto filter = filter_of(daemon, params);
    if (!filter) return finished(tl::unexpected(filter.error()));
    const uint64_t limit = number_of(params, "limit", protocol::kFlowLimit);
    return [&daemon, limit, filter = *filter, walk = flow::Table::Walk{}, flows = json::array(),
            count = size_t{0}]() mutable -> std::optional<Answer> {
        const Names names(daemon.running);  // a reload may come between two steps
        for (const Slice slice; !walk.is_over;) {
            if (slice.is_over()) return std::nullopt;
            daemon.running.flows().for_some(walk, engine::clock_seconds(), [&](const flow::Listed& flow) {
                if (!filter.matches(flow)) return;
                if (++count <= limit) flows.push_back(flow_json(names, flow));
            });
        }
        return json{{"flows", std::move(flows)}, {"count", count}};
    };
}

namespace {

json counts_json(Running& daemon, const flow::StateCounts& counts) {
    flow::Table& flows = daemon.running.flows();
    json states = json::array();
    for (size_t i = 0; i < counts.size(); ++i) {
        if (counts[i] == 0) continue;
        states.push_back({{"state", word_of(static_cast<flow::State>(i))}, {"count", counts[i]}});
    }
    const flow::Pressure pressure = flows.pressure();
    json rows = json::array();
    for (const auto& [what, value] : {std::pair("evicted-over", pressure.evicted_over),
                                      std::pair("evicted-embryonic", pressure.evicted_embryonic),
                                      std::pair("evicted-idle", pressure.evicted_idle),
                                      std::pair("evicted-share", pressure.evicted_share),
                                      std::pair("refused-full", pressure.refused_full),
                                      std::pair("refused-share", pressure.refused_share),
                                      std::pair("refused-crowded", pressure.refused_crowded),
                                      std::pair("refused-busy", pressure.refused_busy)}) {
        if (value != 0) rows.push_back({{"what", what}, {"count", value}});
    }
    std::vector<std::pair<uint32_t, std::string>> owners;
    for (const auto& [id, name] : place_names(daemon.running)) {
        if (const uint32_t count = flows.count_of(id); count != 0) owners.emplace_back(count, name);
    }
    std::sort(owners.rbegin(), owners.rend());
    json ports = json::array();
    for (const auto& [count, name] : owners) ports.push_back({{"port", name}, {"count", count}});
    return json{{"count", flows.count()},
                {"capacity", flows.capacity()},
                {"states", states},
                {"ports", ports},
                {"pressure", rows}};
}

}  // namespace

Steps flow_count(Running& daemon) {
    return [&daemon, walk = flow::Table::Walk{}, counts = flow::StateCounts{}]() mutable -> std::optional<Answer> {
        for (const Slice slice; !walk.is_over;) {
            if (slice.is_over()) return std::nullopt;
            daemon.running.flows().count_some_states(walk, counts);
        }
        return counts_json(daemon, counts);
    };
}

Answer flow_flush(Running& daemon, const json& params) {
    auto filter = filter_of(daemon, params);
    if (!filter) return tl::unexpected(filter.error());
    const uint32_t flushed = daemon.running.flows().flush(
        engine::clock_seconds(), [&](const flow::Listed& flow) { return filter->matches(flow); });
    return json{{"flushed", flushed}};
}

}  // namespace sluice::control
