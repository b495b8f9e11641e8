#include "acl/acl.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unordered_map>
#include <unordered_set>

namespace sluice::acl {
namespace {

class Hash {
 public:
    template <class T>
    void add(const T& value) {
        state_ = (state_ ^ std::hash<T>{}(value)) * 0x9e37'79b9'7f4a'7c15U;
        state_ ^= state_ >> 32;
    }
    template <class T>
    void add(const std::optional<T>& value) {
        add(value.has_value());
        if (value) add(*value);
    }
    template <class T>
    void add(const std::vector<T>& list) {
        add(list.size());
        for (const T& item : list) add(item);
    }
    void add(const EtherTypeNumber& type) { add(type.value); }
    void add(const ProtocolNumber& protocol) { add(protocol.value); }
    void add(const PortRange& range) { add(uint32_t{range.low} << 16 | range.high); }
    void add(const TcpFlag& flag) { add(flag.bit + (flag.set ? 256 : 0)); }
    void add(const Peer& peer) {
        add(peer.prefix.address);
        add(peer.prefix.length);
        add(peer.set);
    }
    uint64_t value() const { return state_; }

 private:
    uint64_t state_ = 0;
};

uint64_t hash_of(const RuleConfig& rule) {
    const MatchConfig& m = rule.match;
    Hash hash;
    hash.add(static_cast<uint8_t>(rule.action));
    hash.add(rule.name);
    hash.add(m.ether_type);
    hash.add(m.protocol);
    hash.add(m.from);
    hash.add(m.to);
    hash.add(m.from_port);
    hash.add(m.to_port);
    hash.add(m.icmp_type);
    hash.add(m.icmp_code);
    hash.add(m.tcp_flags);
    hash.add(m.dscp);
    return hash.value();
}

// For each rule the index of an equal rule of another list, each index at most once; kNoRule if there is none.
std::vector<uint32_t> equal_rules(const std::vector<RuleConfig>& rules,
                                  const std::vector<RuleConfig>& others) {
    std::vector<uint32_t> equal(rules.size(), kNoRule);
    // Most changes affect one place and leave the list before and behind it as it was.
    size_t first = 0, end = rules.size(), others_end = others.size();
    for (; first < std::min(end, others_end) && rules[first] == others[first]; ++first) {
        equal[first] = static_cast<uint32_t>(first);
    }
    while (end > first && others_end > first && rules[end - 1] == others[others_end - 1]) {
        equal[--end] = static_cast<uint32_t>(--others_end);
    }
    std::unordered_map<uint64_t, std::vector<uint32_t>> left;  // by hash, the first one at the back
    for (size_t i = others_end; i-- > first;) left[hash_of(others[i])].push_back(static_cast<uint32_t>(i));
    for (size_t i = first; i < end && !left.empty(); ++i) {
        const auto found = left.find(hash_of(rules[i]));
        if (found == left.end()) continue;
        auto& candidates = found->second;
        const auto same = std::find_if(candidates.rbegin(), candidates.rend(),
                                       [&](uint32_t other) { return others[other] == rules[i]; });
        if (same == candidates.rend()) continue;
        equal[i] = *same;
        candidates.erase(std::next(same).base());
    }
    return equal;
}

// The sets that the rules name, in the order of `sets`.
std::vector<AddressSetConfig> named_sets(const std::vector<RuleConfig>& rules,
                                         const std::vector<AddressSetConfig>& sets) {
    std::unordered_set<std::string_view> names;
    for (const RuleConfig& rule : rules) {
        for (const auto* peers : {&rule.match.from, &rule.match.to}) {
            if (!*peers) continue;
            for (const Peer& peer : **peers) {
                if (peer.is_set()) names.insert(peer.set);
            }
        }
    }
    std::vector<AddressSetConfig> named;
    for (const AddressSetConfig& set : sets) {
        if (names.contains(set.name)) named.push_back(set);
    }
    return named;
}

}  // namespace

void List::decide(const List* previous, uint32_t& next_object) {
    const auto& rules = config_.rules;
    end_ = rules.size();
    decisions_.resize(end_ + 1);
    counters_.resize(end_ + 1);
    std::vector<uint32_t> before(end_, kNoRule);
    if (previous != nullptr) before = equal_rules(rules, previous->config_.rules);
    before.push_back(previous != nullptr ? static_cast<uint32_t>(previous->end_) : kNoRule);
    const auto fresh_count = static_cast<size_t>(std::count(before.begin(), before.end(), kNoRule));
    const std::shared_ptr<Counter[]> fresh(new Counter[fresh_count]());
    size_t next = 0;
    for (size_t i = 0; i <= end_; ++i) {
        Decision& decision = decisions_[i];
        if (i < end_) decision = {rules[i].action, rules[i].stateful, rules[i].log};
        if (before[i] != kNoRule) {
            decision.object = previous->decisions_[before[i]].object;
            counters_[i] = previous->counters_[before[i]];
        } else {
            decision.object = next_object++;
            counters_[i] = {fresh, &fresh[next++]};
        }
        decision.hits = counters_[i].get();
    }
}

// Only matches and sets matter to the classifier: if they are unchanged, the previous one is used.
void List::classify(const std::vector<AddressSetConfig>& sets, const List* previous) {
    sets_ = named_sets(config_.rules, sets);
    const auto same_match = [](const RuleConfig& a, const RuleConfig& b) { return a.match == b.match; };
    if (previous != nullptr && sets_ == previous->sets_ &&
        std::equal(config_.rules.begin(), config_.rules.end(), previous->config_.rules.begin(),
                   previous->config_.rules.end(), same_match)) {
        classifier_ = previous->classifier_;
    } else {
        classifier_ = std::make_shared<const Classifier>(config_.rules, sets_);
    }
}

std::shared_ptr<const List> compile(const AclConfig& config, const std::vector<AddressSetConfig>& sets,
                                    const List* previous, uint32_t& next_object) {
    const std::shared_ptr<List> list(new List(config));
    list->decide(previous, next_object);
    list->classify(sets, previous);
    return list;
}

bool List::is_of(const AclConfig& config, const std::vector<AddressSetConfig>& sets) const {
    const auto is_at = [](const base::Place& a, const base::Place& b) {
        return a.line == b.line && a.column == b.column && a.file == b.file;
    };
    return config_ == config && is_at(config_.place, config.place) && sets_ == named_sets(config.rules, sets) &&
           std::equal(config_.rules.begin(), config_.rules.end(), config.rules.begin(),
                      [&](const RuleConfig& a, const RuleConfig& b) { return is_at(a.place, b.place); });
}

Object List::describe(uint32_t rule) const {
    if (rule == kNoRule) return {"acl-rule", config_.name + " end", config_.place};
    const RuleConfig& config = config_.rules[rule];
    return {"acl-rule",
            fmt::format("{} rule {}{}", config_.name, rule + 1,
                        config.name.empty() ? "" : fmt::format(" ({})", config.name)),
            config.place};
}

std::optional<uint32_t> List::find_object(uint32_t object) const {
    for (size_t i = 0; i <= end_; ++i) {
        if (decisions_[i].object == object) return i == end_ ? kNoRule : static_cast<uint32_t>(i);
    }
    return std::nullopt;
}

}  // namespace sluice::acl
