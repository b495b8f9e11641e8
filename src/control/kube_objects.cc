#include "control/kube_objects.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/none.h"
#include "control/check.h"
#include "engine/manifests.h"

namespace sluice::control {
namespace {

using engine::AppliedChanges;
using kube::has_namespace;
using kube::Key;
using kube::Kind;
using nlohmann::json;

// A kind as kubectl takes it: in the singular, in the plural, or short; in any case.
constexpr std::pair<std::string_view, Kind> kKindWords[] = {
    {"namespace", Kind::kNamespace},
    {"namespaces", Kind::kNamespace},
    {"ns", Kind::kNamespace},
    {"pod", Kind::kPod},
    {"pods", Kind::kPod},
    {"po", Kind::kPod},
    {"networkpolicy", Kind::kNetworkPolicy},
    {"networkpolicies", Kind::kNetworkPolicy},
    {"netpol", Kind::kNetworkPolicy},
    {"service", Kind::kService},
    {"services", Kind::kService},
    {"svc", Kind::kService},
    {"endpoints", Kind::kEndpoints},
    {"ep", Kind::kEndpoints},
    {"endpointslice", Kind::kEndpointSlice},
    {"endpointslices", Kind::kEndpointSlice},
    {"node", Kind::kNode},
    {"nodes", Kind::kNode},
    {"no", Kind::kNode},
};

tl::expected<Kind, RpcError> kind_of(std::string_view text) {
    const std::string word = base::lower(text);
    std::vector<std::string_view> known;
    for (const auto& [each, kind] : kKindWords) {
        if (each == word) return kind;
        known.push_back(each);
    }
    if (const auto near = base::nearest(std::string_view(word).substr(0, 64), known)) {
        return refused(
            {{fmt::format("there is no kind {}; did you mean '{}'?", base::shown(text), *near), {}, {}}});
    }
    std::vector<std::string_view> kinds;
    for (const auto& [kind, name] : names(Kind{})) kinds.push_back(name);
    return refused(
        {{fmt::format("there is no kind {}: known are {}", base::shown(text), fmt::join(kinds, ", ")), {}, {}}});
}

// "web,api"
std::vector<std::string> parts_of(const std::string& list) {
    std::vector<std::string> parts;
    for (size_t begin = 0; begin <= list.size();) {
        const size_t end = std::min(list.find(',', begin), list.size());
        parts.push_back(list.substr(begin, end - begin));
        begin = end + 1;
    }
    return parts;
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
struct ObjectFilter {
    std::vector<Kind> kinds;  // empty: all
    std::string name_space;   // empty: of all namespaces, and those that are in none
    std::string name;
    kube::Selector selector;

    bool matches(const kube::Object& object) const {
        if (!kinds.empty() && std::ranges::find(kinds, object.key.kind) == kinds.end()) return false;
        if (!name_space.empty() && has_namespace(object.key.kind) && object.key.name_space != name_space)
            return false;
        // Without a kind, a namespace's list has what is in it.
        if (!name_space.empty() && kinds.empty() && !has_namespace(object.key.kind)) return false;
        return (name.empty() || object.key.name == name) && selector.matches(object.labels);
    }
};

tl::expected<ObjectFilter, RpcError> object_filter_of(const json& params) {
    ObjectFilter filter{.kinds = {},
                  .name_space = text_of(params, "namespace"),
                  .name = text_of(params, "name"),
                  .selector = {}};
    if (params.contains("kind")) {
        for (const std::string& word : parts_of(text_of(params, "kind"))) {
            const auto kind = kind_of(word);
            if (!kind) return tl::unexpected(kind.error());
            filter.kinds.push_back(*kind);
        }
    }
    if (!filter.name.empty() && filter.kinds.size() != 1) return invalid("the parameter 'name' needs one 'kind'");
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
    row["pods"] = policies.peers_of(policies.find_policy(object.key)->pods).size();
}

template <class T>
json text_list(const std::vector<T>& values) {
    json list = json::array();
    for (const T& value : values) list.push_back(value.text());
    return list;
}

// Its addresses and ports as kubectl shows them: "None" where it has no address, "80:30080/TCP".
void tell_service(const kube::Service& service, json& row) {
    json ports = json::array();
    for (const kube::ServicePort& port : service.ports) {
        const std::string node_port = port.node_port != 0 ? fmt::format(":{}", port.node_port) : "";
        ports.push_back(fmt::format("{}{}/{}", port.port, node_port, base::word_of(port.protocol)));
    }
    json external = text_list(service.load_balancer_ips);
    for (const IpAddress& address : service.external_ips) external.push_back(address.text());
    if (service.type == kube::ServiceType::kExternalName) external.push_back(service.external_name);
    row["type"] = base::word_of(service.type);
    row["cluster-ips"] = service.is_headless ? json::array({"None"}) : text_list(service.cluster_ips);
    row["external"] = std::move(external);
    row["ports"] = std::move(ports);
    row["selector"] = base::or_none(service.selector.text());
}

// The endpoints that are ready: "10.0.0.1:8080", "[fd00::1]:8080".
void tell_endpoints(const kube::Endpoints& endpoints, json& row) {
    json list = json::array();
    for (const kube::EndpointSubset& subset : endpoints.subsets) {
        for (const kube::Endpoint& endpoint : subset.endpoints) {
            if (!endpoint.is_ready) continue;
            const std::string address = endpoint.address.text();
            if (subset.ports.empty()) list.push_back(address);
            for (const kube::EndpointPort& port : subset.ports) {
                list.push_back(endpoint.address.is_v4() ? fmt::format("{}:{}", address, port.port)
                                                        : fmt::format("[{}]:{}", address, port.port));
            }
        }
    }
    row["endpoints"] = std::move(list);
}

void tell_slice(const kube::EndpointSlice& slice, json& row) {
    json ports = json::array();
    for (const kube::EndpointPort& port : slice.subset.ports) {
        ports.push_back(fmt::format("{}/{}", port.port, base::word_of(port.protocol)));
    }
    json endpoints = json::array();
    for (const kube::Endpoint& endpoint : slice.subset.endpoints) endpoints.push_back(endpoint.address.text());
    row["service"] = base::or_none(slice.service);
    row["address-type"] = base::word_of(slice.address_type);
    row["ports"] = std::move(ports);
    row["endpoints"] = std::move(endpoints);
}

void tell_node(const kube::Node& node, json& row) {
    row["internal-ips"] = row["external-ips"] = json::array();
    for (const kube::NodeAddress& it : node.addresses) {
        const bool is_internal = it.type == kube::NodeAddressType::kInternalIp;
        row[is_internal ? "internal-ips" : "external-ips"].push_back(it.address.text());
    }
    row["pod-cidrs"] = text_list(node.pod_cidrs);
}

json object_json(const engine::Switch& running, const Key& key) {
    const kube::SharedStored stored = running.objects().find(key);
    if (stored == nullptr) return nullptr;
    const kube::Object& object = stored->object;
    json row = key_json(key);
    row["labels"] = labels_json(object.labels);
    row["origin"] = stored->origin();
    const kube::SharedStored hidden = running.objects().hidden(key);
    row["hides"] = hidden == nullptr ? json() : json(hidden->origin());
    base::tell_place(row, object.place);
    switch (key.kind) {
        case Kind::kNamespace:
            break;
        case Kind::kPod:
            tell_pod(running, object, row);
            break;
        case Kind::kNetworkPolicy:
            tell_policy(running, object, row);
            break;
        case Kind::kService:
            tell_service(object.service(), row);
            break;
        case Kind::kEndpoints:
            tell_endpoints(object.endpoints(), row);
            break;
        case Kind::kEndpointSlice:
            tell_slice(object.endpoint_slice(), row);
            break;
        case Kind::kNode:
            tell_node(object.node(), row);
            break;
    }
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
        const std::string where = is_default ? std::string(kube::kDefaultNamespace) : name_space;
        for (std::string& name : parts_of(text_of(params, "name"))) {
            keys.push_back({*kind, where, std::move(name)});
        }
    }
    const auto if_missing =
        flag_of(params, "ignore-not-found") ? kube::Store::Missing::kIgnore : kube::Store::Missing::kRefuse;
    const auto done = daemon.intent.remove_objects(daemon.running, keys, if_missing, effect_of(params));
    if (!done) return refused(done.error());
    return changed(daemon, params, *done, manifest);
}

Steps object_list(Running& daemon, const json& params) {
    const auto filter = object_filter_of(params);
    if (!filter) return finished(tl::unexpected(filter.error()));
    std::vector<Key> keys;
    for (const kube::SharedStored& stored : daemon.running.objects().all()) {
        if (filter->matches(stored->object)) keys.push_back(stored->object.key);
    }
    if (keys.empty() && !filter->name.empty()) {
        const Kind kind = filter->kinds.front();
        const Key key{kind, has_namespace(kind) ? filter->name_space : "", filter->name};
        return finished(refused({{fmt::format("there is no {}", key.text()), {}, {}}}));
    }
    return rows_of("objects", std::move(keys),
                   [&daemon](const Key& key) { return object_json(daemon.running, key); });
}

}  // namespace sluice::control
