#include "base/port_range.h"

#include <fmt/format.h>

#include "base/text.h"

namespace sluice::base {

tl::expected<PortRange, std::string> parse_value(std::string_view text, PortRange*) {
    const auto dash = text.find('-');
    const auto low = parse_number(text.substr(0, dash), 65535);
    const auto high = dash == text.npos ? low : parse_number(text.substr(dash + 1), 65535);
    if (!low || !high) {
        return tl::unexpected(
            fmt::format("{} is not a port (0 to 65535) or a range of ports (such as 9000-9010)", shown(text)));
    }
    if (*low > *high) {
        return tl::unexpected(
            fmt::format("{} ends before it begins; did you mean {}-{}?", shown(text), *high, *low));
    }
    return PortRange{static_cast<uint16_t>(*low), static_cast<uint16_t>(*high)};
}

std::string to_text(const PortRange& range) {
    if (range.low == range.high) return fmt::format("{}", range.low);
    return fmt::format("{}-{}", range.low, range.high);
}

}  // namespace sluice::base
