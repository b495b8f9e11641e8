#include <fmt/format.h>

#include <algorithm>

#include "kube/read_objects.h"
#include "kube/read_values.h"

namespace sluice::kube {
namespace {

using base::Tree;

constexpr std::pair<Operator, std::string_view> kOperators[] = {{Operator::kIn, "In"},
                                                                {Operator::kNotIn, "NotIn"},
                                                                {Operator::kExists, "Exists"},
                                                                {Operator::kDoesNotExist, "DoesNotExist"}};

void read_expression(Reader& reader, const Tree& tree, std::vector<Requirement>& requirements) {
    Fields fields(reader, tree);
    Requirement requirement;
    std::string word;
    if (!fields.string("key", requirement.key)) {
        if (fields.find("key") == nullptr) fields.require("key");
    } else if (const auto why = why_no_label_key(requirement.key); !why.empty()) {
        fields.report("key", fmt::format("{} {}", base::shown(requirement.key), why));
    }
    const bool has_operator = fields.string("operator", word);
    if (!has_operator && fields.find("operator") == nullptr) fields.require("operator");
    fields.list("values", [&](const Tree& item) {
        const std::string* value = reader.string(item);
        if (value == nullptr) return;
        if (const auto why = why_no_label_value(*value); !why.empty()) {
            return reader.report(item, fmt::format("{} {}", base::shown(*value), why));
        }
        requirement.values.push_back(*value);
    });
    fields.finish();
    if (!has_operator) return;
    const auto* known = std::find_if(std::begin(kOperators), std::end(kOperators),
                                     [&](const auto& it) { return it.second == word; });
    if (known == std::end(kOperators)) {
        return fields.report("operator",
                             fmt::format("{} is not one of In, NotIn, Exists, DoesNotExist", base::shown(word)));
    }
    requirement.op = known->first;
    const bool takes_values = requirement.op == Operator::kIn || requirement.op == Operator::kNotIn;
    const Tree* values = fields.find("values");
    if (takes_values && (values == nullptr || values->items.empty())) {
        return fields.report("values", fmt::format("the operator {} needs at least one value", word));
    }
    if (!takes_values && values != nullptr && !values->items.empty()) {
        return fields.report("values", fmt::format("the operator {} takes no values", word));
    }
    requirements.push_back(std::move(requirement));
}

Selector read_selector(Reader& reader, const Tree& tree) {
    std::vector<Requirement> requirements;
    Fields fields(reader, tree);
    Labels labels;
    fields.labels("matchLabels", labels);
    for (const auto& [key, value] : labels.all()) requirements.push_back({key, Operator::kIn, {value}});
    fields.list("matchExpressions",
                [&](const Tree& expression) { read_expression(reader, expression, requirements); });
    fields.finish();
    return Selector(std::move(requirements));
}

class PolicyReader {
 public:
    PolicyReader(Reader& reader, std::vector<base::Error>& warnings) : reader_(reader), warnings_(warnings) {}

    NetworkPolicy read(const Tree& tree) {
        NetworkPolicy policy;
        Fields fields(reader_, tree);
        fields.read("podSelector", [&](const Tree& pods) { policy.pods = read_selector(reader_, pods); });
        fields.list("ingress", [&](const Tree& rule) { policy.ingress.push_back(read_rule(rule, "from", "to")); });
        fields.list("egress", [&](const Tree& rule) { policy.egress.push_back(read_rule(rule, "to", "from")); });
        // Without types every policy is about ingress, and about egress if it has an egress rule.
        policy.isolates_ingress = true;
        policy.isolates_egress = !policy.egress.empty();
        read_types(fields, policy);
        fields.finish();
        return policy;
    }

 private:
    void read_types(Fields& fields, NetworkPolicy& policy) {
        const Tree* types = fields.find("policyTypes");
        if (types == nullptr || (types->kind == Tree::Kind::kList && types->items.empty())) return;
        policy.isolates_ingress = policy.isolates_egress = false;
        fields.list("policyTypes", [&](const Tree& item) {
            const std::string* type = reader_.string(item);
            if (type == nullptr) return;
            if (*type == "Ingress") {
                policy.isolates_ingress = true;
            } else if (*type == "Egress") {
                policy.isolates_egress = true;
            } else {
                reader_.report(item, fmt::format("{} is not one of Ingress, Egress", base::shown(*type)));
            }
        });
        if (types->items.size() > 2) fields.report("policyTypes", "gives more than two types: Ingress, Egress");
    }

    PolicyRule read_rule(const Tree& tree, std::string_view peers, std::string_view others) {
        PolicyRule rule{.peers = {}, .ports = {}, .place = reader_.place(tree)};
        Fields fields(reader_, tree);
        fields.list(peers, [&](const Tree& peer) { rule.peers.push_back(read_peer(peer)); });
        fields.list("ports", [&](const Tree& port) { rule.ports.push_back(read_port(port)); });
        if (fields.find(others) != nullptr) {
            fields.report(others, fmt::format("a rule of this direction has '{}'", peers));
        }
        fields.finish();
        return rule;
    }

    Peer read_peer(const Tree& tree) {
        Peer peer;
        Fields fields(reader_, tree);
        peer.has_pods =
            fields.read("podSelector", [&](const Tree& it) { peer.pods = read_selector(reader_, it); });
        peer.has_namespaces = fields.read("namespaceSelector",
                                          [&](const Tree& it) { peer.namespaces = read_selector(reader_, it); });
        peer.has_block = fields.read("ipBlock", [&](const Tree& it) { peer.block = read_block(it); });
        if (peer.has_block && (peer.has_pods || peer.has_namespaces)) {
            fields.report("ipBlock", "stands beside a selector: give them in peers of their own");
        }
        if (!peer.has_block && !peer.has_pods && !peer.has_namespaces && tree.kind == Tree::Kind::kMap) {
            reader_.report(tree, "the peer names nobody: give podSelector, namespaceSelector or ipBlock");
        }
        fields.finish();
        return peer;
    }

    IpBlock read_block(const Tree& tree) {
        IpBlock block;
        Fields fields(reader_, tree);
        bool has_cidr = false;
        const bool is_given = fields.read(
            "cidr", [&](const Tree& it) { has_cidr = read_prefix(reader_, it, block.cidr, warnings_); });
        if (!is_given) fields.require("cidr");
        fields.list("except", [&](const Tree& it) {
            IpPrefix except;
            if (!read_prefix(reader_, it, except, warnings_) || !has_cidr) return;
            const bool is_part = except.length > block.cidr.length && block.cidr.contains(except.address);
            if (!is_part) {
                return reader_.report(
                    it, fmt::format("{} is not a strict subset of {}", except.text(), block.cidr.text()));
            }
            block.except.push_back(except);
        });
        fields.finish();
        return block;
    }

    PolicyPort read_port(const Tree& tree) {
        PolicyPort port;
        Fields fields(reader_, tree);
        fields.word("protocol", port.protocol);
        kube::read_port(fields, "port", 1, port.first, port.name);
        port.last = port.first;
        int64_t end = 0;
        if (fields.integer("endPort", end, 1, 65535)) {
            if (port.first == 0) {
                fields.report("endPort", "needs a 'port' that is a number");
            } else if (end < port.first) {
                fields.report("endPort", fmt::format("{} is less than the port, {}", end, port.first));
            } else {
                port.last = static_cast<uint16_t>(end);
            }
        }
        fields.finish();
        return port;
    }

    Reader& reader_;
    std::vector<base::Error>& warnings_;
};

}  // namespace

NetworkPolicy read_policy(Reader& reader, Fields& object, std::vector<base::Error>& warnings) {
    NetworkPolicy policy;
    const bool has_spec =
        object.read("spec", [&](const Tree& spec) { policy = PolicyReader(reader, warnings).read(spec); });
    // As the API server has it: it selects every pod of its namespace, and nothing may come in.
    if (!has_spec) {
        policy.isolates_ingress = true;
        warnings.push_back(
            {"the policy has no spec: it selects all pods of its namespace, and nothing may come in", "spec",
             object.place()});
    }
    return policy;
}

}  // namespace sluice::kube
