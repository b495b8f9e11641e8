#include "control/kube_objects.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/none.h"
#include "control/check.h"
#include "engine/manifests.h"

namespace sluice::control {
namespace {

using engine::AppliedChanges;
using kube::Key;
using kube::Kind;
using nlohmann::json;

// A kind as kubectl takes it: in the singular, in the plural, or short; in any case.
struct KindWords {
    Kind kind;
    std::array<std::string_view, 3> words;
};
constexpr KindWords kKinds[] = {
    {Kind::kNamespace, {"namespace", "namespaces", "ns"}},
    {Kind::kPod, {"pod", "pods", "po"}},
    {Kind::kNetworkPolicy, {"networkpolicy", "networkpolicies", "netpol"}},
};

tl::expected<Kind, RpcError> kind_of(std::string word) {
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
    std::vector<std::string_view> known;
    for (const KindWords& kind : kKinds) {
        if (std::find(kind.words.begin(), kind.words.end(), word) != kind.words.end()) return kind.kind;
        known.insert(known.end(), kind.words.begin(), kind.words.end());
    }
    const auto near = base::nearest(std::string_view(word).substr(0, 64), known);
    return refused({{fmt::format("there is no kind {}{}", base::shown(word),
                                 near ? fmt::format("; did you mean '{}'?", *near)
                                      : std::string(": known are Namespace, Pod, NetworkPolicy")),
                     {},
                     {}}});
}

bool has_namespace(Kind kind) {
    return kind != Kind::kNamespace;
}

// The request's manifests: {"file": its name for messages, "text": …}.
tl::expected<engine::ManifestTexts, RpcError> texts_of(const json& params) {
    engine::ManifestTexts texts;
    for (const json& file : params.at("files")) {
        if (!file.is_object()) return invalid("the parameter 'files': one of them is not an object");
        const auto mistakes = mistakes_in(file, protocol::described::kManifestParameters);
        if (!mistakes.empty()) return invalid(mistakes.front().message);
        texts.emplace_back(text_of(file, "file"), text_of(file, "text"));
    }
    return texts;
}

tl::expected<kube::Manifest, RpcError> manifest_of(const json& params, kube::Wanted wanted) {
    const auto texts = texts_of(params);
    if (!texts) return tl::unexpected(texts.error());
    const auto unknown = flag_of(params, "skip-unknown") ? kube::UnknownKinds::kSkip : kube::UnknownKinds::kRefuse;
    auto manifest = engine::parse_manifests(*texts, unknown, wanted);
    if (!manifest) return refused(manifest.error());
    if (manifest->objects.empty() && manifest->skipped.empty()) {
        const std::string which = texts->size() == 1 ? texts->front().first : "none of the files";
        return refused({{fmt::format("{} has no object", which), {}, {}}});
    }
    return std::move(*manifest);
}

json errors_json(const base::Errors& errors) {
    json list = json::array();
    for (const base::Error& error : errors) list.push_back(error_json(error));
    return list;
}

json key_json(const Key& key) {
    return {{"kind", base::word_of(key.kind)}, {"namespace", base::or_none(key.name_space)}, {"name", key.name}};
}

engine::Intent::Effect effect_of(const json& params) {
    return flag_of(params, "dry-run") ? engine::Intent::Effect::kDryRun : engine::Intent::Effect::kCommit;
}

Answer changed(Running& daemon, const json& params, const AppliedChanges& done, const kube::Manifest& manifest) {
    json objects = json::array();
    for (const AppliedChanges::Change& change : done.changes) {
        json row = key_json(change.key);
        row["change"] = base::word_of(change.what);
        objects.push_back(std::move(row));
    }
    base::Errors warnings = manifest.warnings;
    warnings.insert(warnings.end(), done.warnings.begin(), done.warnings.end());
    return json{{"objects", std::move(objects)},
                {"skipped", errors_json(manifest.skipped)},
                {"warnings", errors_json(warnings)},
                {"dry-run", flag_of(params, "dry-run")},
                {"generation", daemon.running.generation()}};
}

// Which objects a list is to have.
struct Filter {
    std::optional<Kind> kind;
    std::string name_space;  // empty: of all namespaces, and those that are in none
    std::string name;
    kube::Selector selector;

    bool matches(const kube::Object& object) const {
        if (kind && object.key.kind != *kind) return false;
        if (!name_space.empty() && has_namespace(object.key.kind) && object.key.name_space != name_space)
            return false;
        // Without a kind, a namespace's list has what is in it.
        if (!name_space.empty() && !kind && !has_namespace(object.key.kind)) return false;
        return (name.empty() || object.key.name == name) && selector.matches(object.labels);
    }
};

tl::expected<Filter, RpcError> filter_of(const json& params) {
    Filter filter{.kind = std::nullopt,
                  .name_space = text_of(params, "namespace"),
                  .name = text_of(params, "name"),
                  .selector = {}};
    if (params.contains("kind")) {
        const auto kind = kind_of(text_of(params, "kind"));
        if (!kind) return tl::unexpected(kind.error());
        filter.kind = *kind;
    }
    if (!filter.name.empty() && !filter.kind) return invalid("the parameter 'name' needs 'kind'");
    if (params.contains("selector")) {
        auto selector = kube::Selector::parse(text_of(params, "selector"));
        if (!selector) return invalid(fmt::format("the parameter 'selector': {}", selector.error()));
        filter.selector = std::move(*selector);
    }
    return filter;
}

json labels_json(const kube::Labels& labels) {
    json list = json::object();
    for (const auto& [key, value] : labels.all()) list[key] = value;
    return list;
}

void tell_pod(const engine::Switch& running, const kube::Object& object, json& row) {
    const auto* pod = running.pod_policies().find_state(object.key);
    json addresses = json::array();
    for (const IpAddress& address : pod->addresses) addresses.push_back(address.text());
    row["port"] = base::or_none(pod->port);
    row["addresses"] = std::move(addresses);
}

void tell_policy(const engine::Switch& running, const kube::Object& object, json& row) {
    json directions = json::array();
    if (object.policy().isolates_ingress) directions.push_back("ingress");
    if (object.policy().isolates_egress) directions.push_back("egress");
    row["selects"] = object.policy().pods.text();
    row["directions"] = std::move(directions);
    const auto& policies = running.pod_policies();
    row["pods"] = policies.selection().pods_of(policies.find_policy(object.key)->pods).size();
}

json object_json(const engine::Switch& running, const Key& key) {
    const kube::SharedStored stored = running.objects().find(key);
    if (stored == nullptr) return nullptr;
    const kube::Object& object = stored->object;
    json row = key_json(key);
    row["labels"] = labels_json(object.labels);
    row["origin"] = stored->origin();
    base::tell_place(row, object.place);
    if (key.kind == Kind::kPod) tell_pod(running, object, row);
    if (key.kind == Kind::kNetworkPolicy) tell_policy(running, object, row);
    row["object"] = json::parse(object.json);
    return row;
}

}  // namespace

Answer object_apply(Running& daemon, const json& params) {
    auto manifest = manifest_of(params, kube::Wanted::kObject);
    if (!manifest) return tl::unexpected(manifest.error());
    const auto done = daemon.intent.apply_objects(daemon.running, std::move(manifest->objects), effect_of(params));
    if (!done) return refused(done.error());
    return changed(daemon, params, *done, *manifest);
}

Answer kube_object_delete(Running& daemon, const json& params) {
    kube::Manifest manifest;
    std::vector<Key> keys;
    if (params.contains("files")) {
        auto read = manifest_of(params, kube::Wanted::kName);
        if (!read) return tl::unexpected(read.error());
        manifest = std::move(*read);
        for (const kube::Object& object : manifest.objects) keys.push_back(object.key);
    } else {
        const auto kind = kind_of(text_of(params, "kind"));
        if (!kind) return tl::unexpected(kind.error());
        const std::string name_space = text_of(params, "namespace");
        if (!has_namespace(*kind) && !name_space.empty()) {
            return invalid(fmt::format("a {} is in no namespace", base::word_of(*kind)));
        }
        const bool is_default = has_namespace(*kind) && name_space.empty();
        keys.push_back(
            {*kind, is_default ? std::string(kube::kDefaultNamespace) : name_space, text_of(params, "name")});
    }
    const auto if_missing =
        flag_of(params, "ignore-not-found") ? kube::Store::Missing::kIgnore : kube::Store::Missing::kRefuse;
    const auto done = daemon.intent.remove_objects(daemon.running, keys, if_missing, effect_of(params));
    if (!done) return refused(done.error());
    return changed(daemon, params, *done, manifest);
}

Steps object_list(Running& daemon, const json& params) {
    const auto filter = filter_of(params);
    if (!filter) return finished(tl::unexpected(filter.error()));
    std::vector<Key> keys;
    for (const kube::SharedStored& stored : daemon.running.objects().all()) {
        if (filter->matches(stored->object)) keys.push_back(stored->object.key);
    }
    if (keys.empty() && !filter->name.empty()) {
        const Key key{*filter->kind, has_namespace(*filter->kind) ? filter->name_space : "", filter->name};
        return finished(refused({{fmt::format("there is no {}", key.text()), {}, {}}}));
    }
    return rows_of("objects", std::move(keys),
                   [&daemon](const Key& key) { return object_json(daemon.running, key); });
}

}  // namespace sluice::control
