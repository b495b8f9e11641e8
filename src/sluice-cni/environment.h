// The environment variables that a runtime sets for a plugin (CNI specification, "Parameters"), parsed strictly.
// Any thread; plain values.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "base/text.h"
#include "sluice-cni/failure.h"
#include "sluice/address.h"

namespace sluice::cni {

enum class Command { kAdd, kDelete, kCheck, kStatus, kGc, kVersion };

constexpr auto names(Command) {
    return std::array{base::Name{Command::kAdd, "ADD"},     base::Name{Command::kDelete, "DEL"},
                      base::Name{Command::kCheck, "CHECK"}, base::Name{Command::kStatus, "STATUS"},
                      base::Name{Command::kGc, "GC"},       base::Name{Command::kVersion, "VERSION"}};
}

// ADD, DEL and CHECK are about one attachment: an interface of a container.
constexpr bool is_of_attachment(Command command) {
    return command == Command::kAdd || command == Command::kDelete || command == Command::kCheck;
}

// DEL and GC ignore mistakes that don't concern the removal: the runtime must be able to clean up.
constexpr bool removes(Command command) {
    return command == Command::kDelete || command == Command::kGc;
}

struct Environment {
    Command command = Command::kVersion;
    std::string container;  // CNI_CONTAINERID
    std::string netns;      // CNI_NETNS, an absolute path; empty: DEL of a container that is gone
    std::string interface;  // CNI_IFNAME
    std::string path;       // CNI_PATH
    // Of CNI_ARGS.
    std::string pod_namespace;
    std::string pod_name;
    std::optional<InterfaceAddress> ip;
    std::optional<MacAddress> mac;
};

// The value of a variable, or null, as getenv() gives it.
using Variables = std::function<const char*(const char* name)>;

tl::expected<Environment, Failure> read_environment(const Variables& variables);

// The specification's rule for container IDs and for names of CNI networks: letters, digits, '_', '.' and '-', the
// first a letter or digit. At most 255 characters here.
bool is_cni_name(std::string_view name) noexcept;

}  // namespace sluice::cni
