#include "engine/added_object.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/fields.h"

namespace sluice::engine {
namespace {

// An entry of a list, as nlohmann::json writes it in the state file.
std::string text_of(const base::Tree& keys) {
    std::string text;
    for (const char c : base::to_json(keys).dump(2)) {
        text += c;
        if (c == '\n') text += "    ";
    }
    return text;
}

// The state file, or a request, is no place where people look for an object: its origin is "added".
void clear_places(NetworkConfig& network) {
    network.place = {};
    for (auto& entry : network.static_macs) entry.place = {};
    if (!network.vxlan) return;
    for (auto& entry : network.vxlan->statics) entry.place = {};
}
void clear_places(acl::AddressSetConfig& set) { set.place = {}; }
void clear_places(port::PortConfig& port) {
    port.place = {};
    for (auto& route : port.routes) route.place = {};
    for (auto& published : port.publish) published.place = {};
}
void clear_places(acl::AclConfig& list) {
    list.place = {};
    for (auto& apply : list.apply) apply.place = {};
    for (auto& rule : list.rules) rule.place = {};
}
void clear_places(mirror::MirrorConfig& mirror) { mirror.place = {}; }

ObjectConfig empty(ObjectKind kind) {
    switch (kind) {
        case ObjectKind::kNetwork: return NetworkConfig{};
        case ObjectKind::kAddressSet: return acl::AddressSetConfig{};
        case ObjectKind::kPort: return port::PortConfig{};
        case ObjectKind::kAcl: return acl::AclConfig{};
        case ObjectKind::kMirror: break;
    }
    return mirror::MirrorConfig{};
}

}  // namespace

SharedObject read_object(ObjectKind kind, const base::Document& document) {
    auto object = std::make_shared<AddedObject>();
    object->keys = document.root;
    object->config = empty(kind);
    std::visit(
        [&](auto& config) {
            object->faults = base::read(document, config);
            clear_places(config);
        },
        object->config);
    base::limit(object->faults);
    object->text = text_of(object->keys);
    return object;
}

const base::Place* find_object(const Config& config, const ObjectName& name) {
    return with_list(name.kind, config, [&](const auto& list) -> const base::Place* {
        const auto found =
            std::find_if(list.begin(), list.end(), [&](const auto& object) { return object.name == name.name; });
        return found == list.end() ? nullptr : &found->place;
    });
}

Declared declared_in(const Config& config) {
    Declared declared;
    for (size_t i = 0; i < kObjectKinds; ++i) {
        const auto kind = static_cast<ObjectKind>(i);
        declared.of(kind) = with_list(kind, config, [](const auto& list) { return list.size(); });
    }
    return declared;
}

}  // namespace sluice::engine
