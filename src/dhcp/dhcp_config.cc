#include "dhcp/dhcp_config.h"

#include <array>
#include <charconv>

namespace sluice::dhcp {
namespace {

constexpr std::array<std::pair<char, uint32_t>, 4> kUnits{{{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}}};

}  // namespace

tl::expected<LeaseTime, std::string> parse_value(std::string_view text, LeaseTime*) {
    uint32_t number = 0;
    const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit = text.substr(static_cast<size_t>(stop - text.data()));
    if (problem == std::errc{} && unit.empty()) return LeaseTime{number};
    for (const auto& [letter, seconds] : kUnits) {
        if (problem == std::errc{} && unit == std::string_view(&letter, 1) && number <= UINT32_MAX / seconds)
            return LeaseTime{number * seconds};
    }
    return tl::unexpected(fmt::format("{} is not a time (such as 1h, 90m, 7d or 3600)", base::shown(text)));
}

std::string to_text(const LeaseTime& time) {
    for (const auto& [letter, seconds] : kUnits) {
        if (time.seconds != 0 && time.seconds % seconds == 0)
            return fmt::format("{}{}", time.seconds / seconds, letter);
    }
    return fmt::format("{}", time.seconds);
}

}  // namespace sluice::dhcp
