// The destination of a route as users write it: a prefix or `default`. `default` is 0.0.0.0/0 or ::/0, by the
// family of the route's gateway. Any thread; a plain value.
#pragma once

#include <string>
#include <string_view>

#include "sluice/address.h"

namespace sluice::base {

struct Destination {
    IpPrefix prefix;
    bool is_default = false;

    // The prefix for a gateway of this family.
    IpPrefix for_family(bool v4) const {
        if (!is_default) return prefix;
        return v4 ? IpPrefix{IpAddress::from_v4(0), 0} : IpPrefix{};
    }

    bool operator==(const Destination&) const = default;
};

inline tl::expected<Destination, std::string> parse_value(std::string_view text, Destination*) {
    if (text == "default") return Destination{{}, true};
    auto prefix = IpPrefix::parse(text);
    if (!prefix) return tl::unexpected(prefix.error());
    return Destination{*prefix};
}
inline std::string to_text(const Destination& destination) {
    return destination.prefix.text();
}
constexpr std::string_view type_name(const Destination*) {
    return "IP prefix";
}

}  // namespace sluice::base
