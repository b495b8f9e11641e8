// An object that was added while running: exactly one entry of one of the file's lists, read by the same reader.
// It keeps the keys as they were given, and not those that were left out. Control thread; a plain value that
// several lists share once it was read.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/tree.h"
#include "engine/config.h"

namespace sluice::engine {

// In the order of ObjectKind.
using ObjectConfig = std::variant<NetworkConfig, acl::AddressSetConfig, port::PortConfig, acl::AclConfig,
                                  mirror::MirrorConfig>;

// What tells an object from all others.
struct ObjectName {
    ObjectKind kind;
    std::string name;

    auto operator<=>(const ObjectName&) const = default;
    std::string text() const { return fmt::format("{} {}", section_of(kind).word, name); }
};

struct AddedObject {
    base::Tree keys;           // as they were given
    ObjectConfig config;       // what they say; nothing in it has a place
    std::string text = {};     // the keys in the state file
    base::Errors faults = {};  // why they can't be read; `config` has the name then, and what could be read

    ObjectKind kind() const noexcept { return static_cast<ObjectKind>(config.index()); }
    const std::string& name() const {
        return std::visit([](const auto& object) -> const std::string& { return object.name; }, config);
    }
    ObjectName id() const { return {kind(), name()}; }
    // Null: it is of another kind.
    template <class T>
    const T* as() const noexcept {
        return std::get_if<T>(&config);
    }
    const port::PortConfig* as_port() const noexcept { return as<port::PortConfig>(); }
    bool operator==(const AddedObject& other) const { return kind() == other.kind() && keys == other.keys; }
};

using SharedObject = std::shared_ptr<const AddedObject>;
using SharedObjects = std::vector<SharedObject>;

// Of a request's document, or of an entry of the state file.
SharedObject read_object(ObjectKind kind, const base::Document& document);

// The list of a kind in a configuration.
template <class T, class C>
auto& list_of(C& config) {
    if constexpr (std::same_as<T, NetworkConfig>) return config.networks;
    if constexpr (std::same_as<T, acl::AddressSetConfig>) return config.address_sets;
    if constexpr (std::same_as<T, port::PortConfig>) return config.ports;
    if constexpr (std::same_as<T, acl::AclConfig>) return config.acls;
    if constexpr (std::same_as<T, mirror::MirrorConfig>) return config.mirrors;
}

// Calls what is given with the list of that kind.
template <class C, class F>
auto with_list(ObjectKind kind, C& config, F call) {
    switch (kind) {
        case ObjectKind::kNetwork: return call(config.networks);
        case ObjectKind::kAddressSet: return call(config.address_sets);
        case ObjectKind::kPort: return call(config.ports);
        case ObjectKind::kAcl: return call(config.acls);
        case ObjectKind::kMirror: break;
    }
    return call(config.mirrors);
}

// The object of this name in a configuration: where it stands. Null: there is none.
const base::Place* find_object(const Config& config, const ObjectName& name);

// Of a configuration without added objects.
Declared declared_in(const Config& config);

}  // namespace sluice::engine
