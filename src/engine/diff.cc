#include "engine/diff.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/tree.h"
#include "kube/store.h"
#include "port/port.h"

namespace sluice::engine {
namespace {

// If a value is longer, only the parts that differ are shown.
constexpr size_t kLongestValue = 60;
// The most differences that are shown for one key. The others are counted.
constexpr size_t kMostShown = 3;

// In YAML's flow style: [10.0.0.1/24, fd00::1/64]
std::string flow_text(const base::Tree& tree) {
    std::string text;
    switch (tree.kind) {
        case base::Tree::Kind::kNull: return "none";
        case base::Tree::Kind::kScalar: return tree.text.empty() ? "none" : base::escaped(tree.text);
        case base::Tree::Kind::kList:
            if (tree.items.empty()) return "none";
            for (const auto& item : tree.items) text += (text.empty() ? "" : ", ") + flow_text(item);
            return "[" + text + "]";
        case base::Tree::Kind::kMap: break;
    }
    for (const auto& entry : tree.entries) {
        text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", base::escaped(entry.key.text),
                            flow_text(entry.value));
    }
    return "{" + text + "}";
}

std::string shorten(std::string text) {
    if (text.size() <= kLongestValue) return text;
    size_t end = kLongestValue;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    return text.substr(0, end) + "...";
}

void describe(const std::string& key, const base::Tree& from, const base::Tree& to,
              std::vector<std::string>& told) {
    static const base::Tree none;
    const std::string before = flow_text(from);
    const std::string after = flow_text(to);
    const bool is_long = before.size() > kLongestValue || after.size() > kLongestValue;
    if (!is_long || from.kind != to.kind || from.kind == base::Tree::Kind::kScalar) {
        told.push_back(fmt::format("{}: {} -> {}", key, shorten(before), shorten(after)));
        return;
    }
    for (size_t i = 0; i < std::max(from.items.size(), to.items.size()); ++i) {
        const base::Tree& old = i < from.items.size() ? from.items[i] : none;
        const base::Tree& next = i < to.items.size() ? to.items[i] : none;
        if (!(old == next)) describe(fmt::format("{}[{}]", key, i), old, next, told);
    }
    for (const auto& entry : from.entries) {
        const base::Tree* other = to.find(entry.key.text);
        if (other != nullptr && *other == entry.value) continue;
        describe(fmt::format("{}.{}", key, entry.key.text), entry.value, other != nullptr ? *other : none, told);
    }
    for (const auto& entry : to.entries) {
        if (from.find(entry.key.text) != nullptr) continue;
        describe(fmt::format("{}.{}", key, entry.key.text), none, entry.value, told);
    }
}

std::string describe(const std::vector<ChangedKey>& keys) {
    std::string text;
    for (const ChangedKey& key : keys) {
        std::vector<std::string> told;
        describe(key.key, key.from, key.to, told);
        const size_t shown = std::min(told.size(), kMostShown);
        for (size_t i = 0; i < shown; ++i) text += (text.empty() ? "" : ", ") + told[i];
        if (told.size() > shown) text += fmt::format(" and {} more", told.size() - shown);
    }
    return text;
}

// The keys in which two mappings differ.
std::vector<ChangedKey> differing_keys(const base::Tree& from, const base::Tree& to) {
    std::vector<ChangedKey> keys;
    for (const auto& entry : from.entries) {
        const base::Tree* other = to.find(entry.key.text);
        if (other != nullptr && *other == entry.value) continue;
        keys.push_back({entry.key.text, entry.value, other != nullptr ? *other : base::Tree{}});
    }
    for (const auto& entry : to.entries) {
        if (from.find(entry.key.text) == nullptr) keys.push_back({entry.key.text, {}, entry.value});
    }
    return keys;
}

// The name that identifies an object among others of its kind.
template <class T>
std::string name_of(const T& object) {
    return object.name;
}
std::string name_of(const route::RouteConfig& route) {
    const bool main = route.domain == route::kMainDomain;
    return route.to.text() + (main ? "" : " of " + route.domain);
}
std::string name_of(const nat::NatConfig& nat) {
    if (!nat.name.empty()) return nat.name;
    return fmt::format(
        "{} by {}",
        nat.one_to_one ? nat.one_to_one->inside.text() : fmt::format("{}", fmt::join(nat.masquerade, ", ")),
        nat.out);
}
std::string name_of(const nat::PublishConfig& publish) {
    const std::string ports = to_text(publish.ports);
    const std::string end = !publish.address           ? fmt::format("port {}", ports)
                            : publish.address->is_v4() ? fmt::format("{}:{}", publish.address->text(), ports)
                                                       : fmt::format("[{}]:{}", publish.address->text(), ports);
    return fmt::format("{}/{}", end, base::word_of(publish.protocol));
}

// The effect of adding or removing an object, and of changing it.
template <class T>
Effect effect_of(Change::Action, const T&) {
    return Effect::kFlows;
}
Effect effect_of(Change::Action action, const port::PortConfig&) {
    return action == Change::Action::kAdd ? Effect::kOpened : Effect::kClosed;
}
// A mirror only makes copies. The traffic itself stays the same.
Effect effect_of(Change::Action, const mirror::MirrorConfig&) { return Effect::kNothing; }

template <class T>
Effect effect_of(const T&, const T&) {
    return Effect::kFlows;
}
Effect effect_of(const port::PortConfig& from, const port::PortConfig& to) {
    if (!port::same_device(from, to)) return Effect::kReopened;
    port::PortConfig limited = from;
    limited.rate_limit = to.rate_limit;
    limited.place = to.place;
    return limited == to ? Effect::kNothing : Effect::kFlows;
}
Effect effect_of(const NetworkConfig& from, const NetworkConfig& to) {
    return from.mac_table_size == to.mac_table_size ? Effect::kFlows : Effect::kLearned;
}
Effect effect_of(const mirror::MirrorConfig&, const mirror::MirrorConfig&) { return Effect::kNothing; }

// Compares ports as they are in force: a default and the same value written down don't differ.
template <class T>
base::Tree in_force(const T& object) {
    return base::write(object);
}
base::Tree in_force(const port::PortConfig& port) {
    return base::write(port.in_force());
}

// Finds the flow domains whose flows depend on an object of the configuration.
class AffectedDomains {
 public:
    explicit AffectedDomains(const Config& config) : config_(config) {}

    void add(FlowDomainNames& domains, const NetworkConfig& network) {
        domains.insert(flow_domain_of(network));
        // Its gateway addresses are the end points of all tunnels.
        if (network.name == underlay_network(config_)) add_overlays(domains);
    }
    void add(FlowDomainNames& domains, const port::PortConfig& port) {
        domains.merge(flow_domains_of(config_, port));
    }
    void add(FlowDomainNames& domains, const route::RouteConfig& route) {
        domains.insert(flow_domain_of_routes(route.domain));
    }
    void add(FlowDomainNames& domains, const acl::AclConfig& acl) {
        for (const acl::ApplyConfig& apply : acl.apply) {
            if (const NetworkConfig* network = find_network(config_, apply.network)) add(domains, *network);
            if (const port::PortConfig* port = find_port(config_, apply.port)) add(domains, *port);
        }
    }
    void add(FlowDomainNames& domains, const acl::AddressSetConfig& set) {
        for (const acl::AclConfig& acl : config_.acls) {
            if (names_set(acl, set.name)) add(domains, acl);
        }
    }
    // No flow depends on a mirror.
    void add(FlowDomainNames&, const mirror::MirrorConfig&) {}
    void add(FlowDomainNames&, const service::ServiceConfig&) {}
    void add(FlowDomainNames&, const nat::NatConfig&) {}
    void add(FlowDomainNames&, const nat::PublishConfig&) {}
    // The underlay decides which port is its own, and the headers and end points of all tunnels.
    void add_underlay(FlowDomainNames& domains, const std::optional<vxlan::UnderlayConfig>& other) {
        for (const auto* underlay : {&config_.underlay, &other}) {
            if (!*underlay) continue;
            if ((*underlay)->network.empty()) domains.insert(flow_domain_of_routes(kUnderlay));
            if (const port::PortConfig* port = find_port(config_, (*underlay)->port)) add(domains, *port);
            if (const NetworkConfig* network = find_network(config_, (*underlay)->network)) add(domains, *network);
        }
        add_overlays(domains);
    }

 private:
    void add_overlays(FlowDomainNames& domains) {
        for (const NetworkConfig& network : config_.networks) {
            if (network.vxlan) domains.insert(flow_domain_of(network));
        }
    }
    static bool names_set(const acl::AclConfig& acl, std::string_view name) {
        const auto names_it = [&](const std::optional<std::vector<acl::Peer>>& peers) {
            return peers && std::any_of(peers->begin(), peers->end(),
                                        [&](const acl::Peer& peer) { return peer.set == name; });
        };
        return std::any_of(acl.rules.begin(), acl.rules.end(), [&](const acl::RuleConfig& rule) {
            return names_it(rule.match.from) || names_it(rule.match.to);
        });
    }

    const Config& config_;
};

template <class T>
Change addition(std::string_view kind, const T& object) {
    constexpr auto kAdd = Change::Action::kAdd;
    return {.action = kAdd, .object = fmt::format("{} {}", kind, name_of(object)), .origin = origin(object.place),
            .effect = effect_of(kAdd, object)};
}
template <class T>
Change removal(std::string_view kind, const T& object) {
    constexpr auto kRemove = Change::Action::kRemove;
    return {.action = kRemove,
            .object = fmt::format("{} {}", kind, name_of(object)),
            .origin = origin(object.place),
            .effect = effect_of(kRemove, object)};
}

// No existing flow depends on a port that is new.
template <class T>
constexpr bool kOutdatesWhenAdded = !std::is_same_v<T, port::PortConfig>;

template <class T>
void diff_objects(std::string_view kind, const std::vector<T>& from, AffectedDomains old_domains,
                  const std::vector<T>& to, AffectedDomains new_domains, std::vector<Change>& changes) {
    // There may be many thousands of both.
    using Named = std::unordered_map<std::string, const T*>;
    auto by_name = [](const std::vector<T>& list) {
        Named named;
        for (const T& object : list) named.emplace(name_of(object), &object);
        return named;
    };
    auto find = [](const Named& named, const std::string& name) -> const T* {
        const auto found = named.find(name);
        return found == named.end() ? nullptr : found->second;
    };
    const Named before = by_name(from);
    const Named after = by_name(to);
    for (const T& old : from) {
        if (find(after, name_of(old)) != nullptr) continue;
        old_domains.add(changes.emplace_back(removal(kind, old)).outdates, old);
    }
    for (const T& next : to) {
        const std::string object = fmt::format("{} {}", kind, name_of(next));
        const T* old = find(before, name_of(next));
        if (old == nullptr) {
            Change& change = changes.emplace_back(addition(kind, next));
            if (kOutdatesWhenAdded<T>) new_domains.add(change.outdates, next);
        } else if (!(*old == next)) {
            Change change{.action = Change::Action::kChange, .object = object, .origin = origin(next.place)};
            change.keys = differing_keys(in_force(*old), in_force(next));
            if (change.keys.empty()) continue;
            change.detail = describe(change.keys);
            change.effect = effect_of(*old, next);
            if (change.effect != Effect::kNothing) {
                old_domains.add(change.outdates, *old);
                new_domains.add(change.outdates, next);
            }
            changes.push_back(std::move(change));
        }
    }
}

template <class T>
void diff_section(std::string_view name, const T& from, const T& to, Effect effect, std::vector<Change>& changes) {
    if (from == to) return;
    Change change{.action = Change::Action::kChange, .object = std::string(name), .origin = ""};
    if constexpr (base::Fielded<T>) {
        change.keys = differing_keys(base::write(from), base::write(to));
        change.detail = describe(change.keys);
    } else {
        change.keys = {{std::string(name), base::Tree::string(from), base::Tree::string(to)}};
        change.detail = fmt::format("{} -> {}", base::escaped(from), base::escaped(to));
    }
    change.effect = effect;
    changes.push_back(std::move(change));
}

// Of translation, where the order of the entries counts too. Which flows that concerns, Switch finds out itself.
template <class T>
void diff_in_order(std::string_view kind, const std::vector<T>& from, const std::vector<T>& to,
                   std::vector<Change>& changes) {
    if (from == to) return;
    const size_t before = changes.size();
    const Config none;
    diff_objects(kind, from, AffectedDomains(none), to, AffectedDomains(none), changes);
    if (changes.size() != before) return;
    changes.push_back({.action = Change::Action::kChange,
                       .object = std::string(kind),
                       .origin = origin(to.front().place),
                       .detail = "the order of the entries",
                       .effect = Effect::kFlows});
}

base::Tree tree_of(const kube::Object& object) {
    return base::from_json(nlohmann::json::parse(object.json)).root;
}

// Objects of manifests. They decide about connections of pods: Switch::publish() outdates those that one concerns.
void diff_kubernetes(const Config& from, const Config& to, std::vector<Change>& changes) {
    if (from.objects == to.objects) return;
    kube::Store store;
    const auto objects_of = [](const Config& config) {
        return config.objects == nullptr ? std::vector<kube::Object>{} : *config.objects;
    };
    store.declare(objects_of(from));
    for (const kube::Changed& it : store.declare(objects_of(to))) {
        const kube::Stored& told = it.after != nullptr ? *it.after : *it.before;
        const bool is_same = it.before != nullptr && it.after != nullptr &&
                             it.before->object.spec == it.after->object.spec &&
                             it.before->object.labels == it.after->object.labels;
        if (is_same) continue;  // only its place is another
        Change change{.action = it.before == nullptr  ? Change::Action::kAdd
                                : it.after == nullptr ? Change::Action::kRemove
                                                      : Change::Action::kChange,
                      .object = it.key.text(),
                      .origin = told.origin(),
                      .effect = Effect::kFlows};
        if (change.action == Change::Action::kChange) {
            change.keys = differing_keys(tree_of(it.before->object), tree_of(it.after->object));
            change.detail = describe(change.keys);
        }
        changes.push_back(std::move(change));
    }
}

}  // namespace

std::vector<std::string> fixed_differences(const Config& from, const Config& to) {
    std::vector<std::string> keys;
    if (from.workers.cores != to.workers.cores) keys.push_back("workers.cores");
    if (from.memory != to.memory) keys.push_back("memory");
    if (from.control != to.control) keys.push_back("control");
    if (from.dpdk != to.dpdk) keys.push_back("dpdk");
    if (from.state != to.state) keys.push_back("state");
    if (from.flows.size != to.flows.size) keys.push_back("flows.size");
    return keys;
}

Change addition_of(const port::PortConfig& port) { return addition("port", port); }
Change removal_of(const port::PortConfig& port) { return removal("port", port); }

std::vector<Change> diff(const Config& from, const Config& to) {
    std::vector<Change> changes;
    const auto add_objects = [&](std::string_view kind, const auto& old, const auto& next) {
        diff_objects(kind, old, AffectedDomains(from), next, AffectedDomains(to), changes);
    };
    diff_section("workers", from.workers, to.workers,
                 from.workers.cores == to.workers.cores ? Effect::kNothing : Effect::kRestart, changes);
    diff_section("memory", from.memory, to.memory, Effect::kRestart, changes);
    diff_section("control", from.control, to.control, Effect::kRestart, changes);
    diff_section("dpdk", from.dpdk, to.dpdk, Effect::kRestart, changes);
    if (from.docker && to.docker) {
        diff_section("docker", *from.docker, *to.docker, Effect::kNothing, changes);
    } else if (from.docker || to.docker) {
        changes.push_back({.action = to.docker ? Change::Action::kAdd : Change::Action::kRemove,
                           .object = "docker",
                           .effect = Effect::kNothing});
    }
    diff_section("log", from.log, to.log, Effect::kNothing, changes);
    diff_section("state", from.state, to.state, Effect::kRestart, changes);
    add_objects("network", from.networks, to.networks);
    if (from.underlay && to.underlay) {
        diff_section("underlay", *from.underlay, *to.underlay, Effect::kFlows, changes);
    } else if (from.underlay || to.underlay) {
        const bool added = to.underlay.has_value();
        changes.push_back({.action = added ? Change::Action::kAdd : Change::Action::kRemove, .object = "underlay",
                           .origin = origin((added ? to : from).underlay->place), .effect = Effect::kFlows});
    }
    if (from.underlay != to.underlay) {
        AffectedDomains(from).add_underlay(changes.back().outdates, to.underlay);
        AffectedDomains(to).add_underlay(changes.back().outdates, from.underlay);
    }
    add_objects("port", from.ports, to.ports);
    add_objects("route", from.routes, to.routes);
    add_objects("address-set", from.address_sets, to.address_sets);
    add_objects("acl", from.acls, to.acls);
    diff_section("flows", from.flows, to.flows,
                 from.flows.size == to.flows.size ? Effect::kNothing : Effect::kRestart, changes);
    add_objects("mirror", from.mirrors, to.mirrors);
    diff_in_order("service", from.services, to.services, changes);
    diff_section("service-ranges", from.service_ranges, to.service_ranges, Effect::kNothing, changes);
    diff_section("dns", from.dns, to.dns, Effect::kNothing, changes);
    diff_section("node", from.node, to.node, Effect::kFlows, changes);
    diff_in_order("nat", from.nat, to.nat, changes);
    diff_in_order("publish", from.publish, to.publish, changes);
    diff_section("policy", from.policy, to.policy, Effect::kFlows, changes);
    diff_kubernetes(from, to, changes);
    return changes;
}

// If several lists deny a packet, the first one decides how. So a new order of the same lists outdates flows too.
FlowDomainNames outdated_domains(const Config& from, const Config& to, const std::vector<Change>& changes) {
    FlowDomainNames domains;
    for (const Change& change : changes) domains.insert(change.outdates.begin(), change.outdates.end());
    const auto names_of = [](const Config& config) {
        std::vector<std::string_view> names;
        for (const acl::AclConfig& acl : config.acls) names.push_back(acl.name);
        return names;
    };
    const auto common = [](std::vector<std::string_view> names, const std::vector<std::string_view>& others) {
        const std::set<std::string_view> known(others.begin(), others.end());
        std::erase_if(names, [&](std::string_view name) { return !known.contains(name); });
        return names;
    };
    const auto before = names_of(from);
    const auto after = names_of(to);
    if (common(before, after) != common(after, before)) {
        for (const acl::AclConfig& acl : to.acls) AffectedDomains(to).add(domains, acl);
    }
    return domains;
}

}  // namespace sluice::engine
