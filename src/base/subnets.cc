#include "base/subnets.h"

#include <fmt/format.h>

#include <numeric>

namespace sluice::base {

// Sorted by is_before(), a prefix is followed by those that lie in it, and these by all others. So a stack of open
// prefixes holds those that the current one lies in.
std::vector<size_t> earlier_overlaps(const std::vector<IpPrefix>& prefixes) {
    std::vector<size_t> first(prefixes.size());
    std::iota(first.begin(), first.end(), size_t{0});
    std::vector<size_t> order = first;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return is_before(prefixes[a], prefixes[b]); });
    struct Open {
        size_t prefix;
        size_t around;  // the lowest index of the prefixes around it and itself
        size_t inside;  // the lowest index of the prefixes in it, so far
    };
    std::vector<Open> open;
    auto close = [&] {
        const Open closed = open.back();
        open.pop_back();
        first[closed.prefix] = std::min(closed.around, closed.inside);
        if (!open.empty()) open.back().inside = std::min({open.back().inside, closed.inside, closed.prefix});
    };
    for (const size_t i : order) {
        while (!open.empty() && !prefixes[open.back().prefix].contains(prefixes[i].address)) close();
        open.push_back({i, open.empty() ? i : std::min(open.back().around, i), i});
    }
    while (!open.empty()) close();
    return first;
}

std::string why_unusable(const IpAddress& address, const std::vector<IpPrefix>& subnets) {
    if (address.is_multicast()) return "is a group address";
    if (address.is_unspecified()) return "is no station's address";
    if (address.is_v4() && address.v4() >> 24 == 127) return "is a loopback address";
    if (address.is_v4() && address.v4() == UINT32_MAX) return "is the broadcast address";
    if (!address.is_v4() && address == *IpAddress::parse("::1")) return "is the loopback address";
    for (const IpPrefix& subnet : subnets) {
        // A link of two addresses has neither (RFC 3021, RFC 6164).
        if (!subnet.contains(address) || subnet.length + 1 >= address.bits()) continue;
        if (address == subnet.address) {
            return fmt::format("is the {} address of {}", address.is_v4() ? "network" : "subnet-router anycast",
                               subnet.text());
        }
        if (address.is_v4() && (~address.v4() << subnet.length) == 0) {
            return fmt::format("is the broadcast address of {}", subnet.text());
        }
    }
    return {};
}

}  // namespace sluice::base
