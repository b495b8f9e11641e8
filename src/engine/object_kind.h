// The kinds of objects that a configuration lists and that can be added while running, each with its section of
// the file. Routes are another such list, but there may be a million of them: they have a file and a table of
// their own (router/added_routes.h). Any thread; constants.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "base/mistakes.h"

namespace sluice::engine {

// In an order in which an object names objects of the kinds before its own. The exception: a network's static
// entries name ports.
enum class ObjectKind : unsigned char { kNetwork, kAddressSet, kPort, kAcl, kMirror };
inline constexpr size_t kObjectKinds = 5;

struct ObjectSection {
    std::string_view section;  // its key in the file
    std::string_view word;     // of one object, as in "port web"
};
inline constexpr std::array<ObjectSection, kObjectKinds> kObjectSections{{{"networks", "network"},
                                                                          {"address-sets", "address-set"},
                                                                          {"ports", "port"},
                                                                          {"acls", "acl"},
                                                                          {"mirrors", "mirror"}}};

constexpr const ObjectSection& section_of(ObjectKind kind) noexcept {
    return kObjectSections[static_cast<size_t>(kind)];
}

// Nothing: the section is no list of such objects.
constexpr std::optional<ObjectKind> kind_of_section(std::string_view section) noexcept {
    for (size_t i = 0; i < kObjectKinds; ++i) {
        if (kObjectSections[i].section == section) return static_cast<ObjectKind>(i);
    }
    return std::nullopt;
}

// How many objects of each list are declared in the file: behind them stand those that were added while running.
struct Declared {
    std::array<size_t, kObjectKinds> counts{};

    size_t of(ObjectKind kind) const noexcept { return counts[static_cast<size_t>(kind)]; }
    size_t& of(ObjectKind kind) noexcept { return counts[static_cast<size_t>(kind)]; }
    bool is_added(ObjectKind kind, size_t index) const noexcept { return index >= of(kind); }
    base::DeclaredEntries by_section() const {
        base::DeclaredEntries entries;
        for (size_t i = 0; i < kObjectKinds; ++i) entries[kObjectSections[i].section] = counts[i];
        return entries;
    }
};

}  // namespace sluice::engine
