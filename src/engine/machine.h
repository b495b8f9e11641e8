// The parts of the machine that a configuration may name: its CPU cores. Control thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace sluice::engine {

struct Machine {
    std::set<uint16_t> cores;  // CPU cores; empty: unknown

    std::string cores_text() const;  // "0-3,8"
};

// The one that we run on.
const Machine& this_machine();

// A list as the kernel writes it, "0-3,8"; none: it is no such list.
std::optional<std::set<uint16_t>> parse_cores(std::string_view text);

}  // namespace sluice::engine
