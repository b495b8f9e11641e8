// A port or a range of ports, as users write it: "8080" or "9000-9010", both ends included. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace sluice::base {

struct PortRange {
    uint16_t low = 0;
    uint16_t high = 0;

    bool operator==(const PortRange&) const = default;
    uint32_t size() const { return uint32_t{high} - low + 1; }
    bool overlaps(const PortRange& other) const { return low <= other.high && other.low <= high; }
};
tl::expected<PortRange, std::string> parse_value(std::string_view text, PortRange*);
std::string to_text(const PortRange& range);
constexpr std::string_view type_name(const PortRange*) {
    return "port or range of ports";
}

}  // namespace sluice::base
