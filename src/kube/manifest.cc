#include "kube/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/tree.h"
#include "kube/read_objects.h"
#include "kube/reader.h"

namespace sluice::kube {
namespace {

using base::Document;
using base::Tree;

struct KnownKind {
    Kind kind;
    std::string_view api_version;
};
constexpr KnownKind kKnownKinds[] = {
    {Kind::kNamespace, "v1"}, {Kind::kPod, "v1"},       {Kind::kNetworkPolicy, "networking.k8s.io/v1"},
    {Kind::kService, "v1"},   {Kind::kEndpoints, "v1"}, {Kind::kEndpointSlice, "discovery.k8s.io/v1"},
    {Kind::kNode, "v1"},
};

const KnownKind* known_kind(std::string_view kind) {
    for (const KnownKind& known : kKnownKinds) {
        if (base::word_of(known.kind) == kind) return &known;
    }
    return nullptr;
}

// The kind of that version which a mistyped one most likely stands for.
std::optional<std::string_view> nearest_kind(std::string_view api_version, std::string_view kind) {
    std::vector<std::string_view> kinds;
    for (const KnownKind& known : kKnownKinds) {
        if (known.api_version == api_version) kinds.push_back(base::word_of(known.kind));
    }
    return base::nearest(kind, kinds);
}

std::string_view why_no_name(Kind kind, std::string_view name) {
    if (kind == Kind::kNamespace) return why_no_dns_label(name);
    if (kind == Kind::kService) return why_no_service_name(name);
    return why_no_dns_subdomain(name);
}

std::string known_kinds() {
    std::string text;
    for (const KnownKind& known : kKnownKinds) {
        text += fmt::format("{}{}", text.empty() ? "" : ", ", base::word_of(known.kind));
    }
    return text;
}

// Of an item of a typed list ("PodList"), which the API server gives without its type.
struct Defaults {
    std::string_view api_version;
    std::string_view kind;
};

class ManifestReader {
 public:
    ManifestReader(const Document& document, UnknownKinds unknown_kinds, Wanted wanted, Manifest& manifest,
                   base::Errors& errors)
        : reader_(document, errors), unknown_kinds_(unknown_kinds), wanted_(wanted), manifest_(manifest) {}

    void read(const Tree& tree, const Defaults& defaults = {}) {
        Fields fields(reader_, tree);
        if (tree.kind != Tree::Kind::kMap) return;
        std::string api_version(defaults.api_version);
        std::string kind(defaults.kind);
        const bool has_version = fields.string("apiVersion", api_version) || !api_version.empty();
        const bool has_kind = fields.string("kind", kind) || !kind.empty();
        if (!has_version) fields.require("apiVersion");
        if (!has_kind) fields.require("kind");
        if (!has_version || !has_kind) return;
        if (kind == "List") return read_list(fields, {});
        const KnownKind* known = known_kind(kind);
        if (known == nullptr && kind.ends_with("List")) {
            const KnownKind* item = known_kind(std::string_view(kind).substr(0, kind.size() - 4));
            if (item != nullptr && item->api_version == api_version) {
                return read_list(fields, {item->api_version, base::word_of(item->kind)});
            }
        }
        if (known == nullptr || known->api_version != api_version) {
            return read_unknown(fields, tree, api_version, kind, known);
        }
        read_object(fields, tree, *known);
    }

 private:
    void read_list(Fields& fields, const Defaults& defaults) {
        fields.accept({"metadata"});
        if (!fields.list("items", [&](const Tree& item) { read(item, defaults); })) fields.require("items");
        fields.finish();
    }

    void read_unknown(Fields& fields, const Tree& tree, const std::string& api_version, const std::string& kind,
                      const KnownKind* known) {
        // A slip must not cost a policy: another version of a known kind is refused, and what is nearly one.
        const auto group_of = [](std::string_view version) {
            const size_t slash = version.rfind('/');
            return slash == version.npos ? std::string_view() : version.substr(0, slash);
        };
        const bool is_other_version = known != nullptr && (group_of(api_version) == group_of(known->api_version) ||
                                                           group_of(api_version) == "extensions");
        if (const auto meant = nearest_kind(api_version, kind); known == nullptr && meant) {
            return fields.report("kind", fmt::format("{} has no kind {}; did you mean '{}'?",
                                                     base::shown(api_version), base::shown(kind), *meant));
        }
        if (unknown_kinds_ == UnknownKinds::kRefuse || is_other_version) {
            if (known != nullptr) {
                return fields.report("apiVersion", fmt::format("{} has the apiVersion {} here, not {}", kind,
                                                               known->api_version, base::shown(api_version)));
            }
            return fields.report("kind", fmt::format("the switch takes no {} of {}: it takes {}",
                                                     base::shown(kind), base::shown(api_version), known_kinds()));
        }
        const Tree* metadata = fields.find("metadata");
        const Tree* name = metadata != nullptr ? metadata->find("name") : nullptr;
        const bool has_name = name != nullptr && name->kind == Tree::Kind::kScalar;
        manifest_.skipped.push_back({fmt::format("skipped {} {}", base::escaped(kind),
                                                 has_name ? base::shown(name->text) : "without a name"),
                                     {},
                                     reader_.place(tree)});
    }

    void read_object(Fields& fields, const Tree& tree, const KnownKind& kind) {
        const size_t before = reader_.mistakes();
        Object object{.key = {.kind = kind.kind}, .place = reader_.place(tree)};
        bool is_terminating = false;
        const bool has_metadata = fields.read(
            "metadata", [&](const Tree& metadata) { read_metadata(metadata, kind, object, is_terminating); });
        if (!has_metadata) fields.require("metadata");
        if (wanted_ == Wanted::kName) {
            if (reader_.mistakes() == before) manifest_.objects.push_back(std::move(object));
            return;
        }
        switch (kind.kind) {
            case Kind::kNamespace:
                fields.read("spec", [&](const Tree& spec) {
                    Fields of_spec(reader_, spec);
                    of_spec.accept({"finalizers"});
                    of_spec.finish();
                });
                fields.accept({"status"});
                break;
            case Kind::kPod:
                object.spec = read_pod(reader_, fields);
                std::get<Pod>(object.spec).is_terminating = is_terminating;
                break;
            case Kind::kNetworkPolicy:
                object.spec = read_policy(reader_, fields, manifest_.warnings);
                fields.accept({"status"});
                break;
            case Kind::kService:
                object.spec = read_service(reader_, fields, manifest_.warnings);
                break;
            case Kind::kEndpoints:
                object.spec = read_endpoints(reader_, fields, object.key, manifest_.warnings);
                break;
            case Kind::kEndpointSlice:
                object.spec = read_endpoint_slice(reader_, fields, object, manifest_.warnings);
                break;
            case Kind::kNode:
                object.spec = read_node(reader_, fields, manifest_.warnings);
                break;
        }
        fields.finish();
        if (reader_.mistakes() != before) return;
        if (kind.kind == Kind::kNamespace) object.labels.set(kNamespaceName, object.key.name);
        object.json = json_of(tree, kind, object.key);
        manifest_.objects.push_back(std::move(object));
    }

    void read_metadata(const Tree& tree, const KnownKind& kind, Object& object, bool& is_terminating) {
        Fields fields(reader_, tree);
        is_terminating = fields.find("deletionTimestamp") != nullptr;
        fields.accept({"selfLink", "uid", "resourceVersion", "generation", "creationTimestamp",
                       "deletionGracePeriodSeconds", "annotations", "ownerReferences", "finalizers",
                       "managedFields"});
        if (fields.find("generateName") != nullptr && fields.find("name") == nullptr) {
            fields.report("generateName", "the switch makes no names up: give the object a 'name'");
        } else if (!fields.string("name", object.key.name)) {
            if (fields.find("name") == nullptr) fields.require("name");
        } else {
            const auto why = why_no_name(kind.kind, object.key.name);
            if (!why.empty()) fields.report("name", fmt::format("{} {}", base::shown(object.key.name), why));
        }
        if (fields.string("namespace", object.key.name_space)) {
            if (!has_namespace(kind.kind)) {
                fields.report("namespace", fmt::format("a {} is in no namespace", base::word_of(kind.kind)));
            } else if (const auto why = why_no_dns_label(object.key.name_space); !why.empty()) {
                fields.report("namespace", fmt::format("{} {}", base::shown(object.key.name_space), why));
            }
        }
        if (has_namespace(kind.kind) && object.key.name_space.empty()) object.key.name_space = kDefaultNamespace;
        if (wanted_ == Wanted::kName) return;
        fields.labels("labels", object.labels);
        fields.finish();
    }

    static std::string json_of(const Tree& tree, const KnownKind& kind, const Key& key) {
        nlohmann::json json = base::to_json(tree);
        json["apiVersion"] = kind.api_version;
        json["kind"] = base::word_of(kind.kind);
        if (has_namespace(kind.kind)) json["metadata"]["namespace"] = key.name_space;
        return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    }

    Reader reader_;
    UnknownKinds unknown_kinds_;
    Wanted wanted_;
    Manifest& manifest_;
};

// Whether the first character that counts begins a JSON object or list.
bool looks_like_json(std::string_view text) {
    const size_t first = text.find_first_not_of(" \t\r\n");
    return first != text.npos && (text[first] == '{' || text[first] == '[');
}

tl::expected<std::vector<Document>, base::Errors> parse(std::string_view text, std::string_view file) {
    if (looks_like_json(text)) {
        auto document = base::parse_json(text, file);
        if (document) {
            std::vector<Document> documents;
            documents.push_back(std::move(*document));
            return documents;
        }
        // YAML's flow style begins in the same way, and so does a stream whose documents are JSON.
        auto stream = base::parse_yaml_stream(text, file);
        if (stream) return stream;
        return tl::unexpected(std::move(document.error()));
    }
    return base::parse_yaml_stream(text, file);
}

}  // namespace

tl::expected<Manifest, base::Errors> parse_manifest(std::string_view text, std::string_view file,
                                                    UnknownKinds unknown_kinds, Wanted wanted) {
    auto documents = parse(text, file);
    if (!documents) return tl::unexpected(std::move(documents.error()));
    Manifest manifest;
    base::Errors errors;
    for (Document& document : *documents) {
        ManifestReader(document, unknown_kinds, wanted, manifest, errors).read(document.root);
        if (base::is_full(errors)) break;
        document.root = {};  // a large text's trees need not all be kept
    }
    // One object twice in a text: which one is meant?
    std::set<Key> seen;
    for (const Object& object : manifest.objects) {
        if (base::is_full(errors) || seen.insert(object.key).second) continue;
        errors.push_back({fmt::format("{} stands in this text twice", object.key.text()), {}, object.place});
    }
    base::limit(errors);
    if (!errors.empty()) return tl::unexpected(std::move(errors));
    return manifest;
}

}  // namespace sluice::kube
