#include "base/address_range.h"

#include <fmt/format.h>

#include "base/text.h"

namespace sluice::base {

tl::expected<AddressRange, std::string> parse_value(std::string_view text, AddressRange*) {
    const auto dash = text.find('-');
    const auto low = IpAddress::parse(text.substr(0, dash));
    if (!low) return tl::unexpected(low.error());
    const auto high = dash == text.npos ? low : IpAddress::parse(text.substr(dash + 1));
    if (!high) return tl::unexpected(high.error());
    if (low->is_v4() != high->is_v4()) {
        return tl::unexpected(fmt::format("{} begins and ends in different address families", shown(text)));
    }
    if (*high < *low) {
        return tl::unexpected(
            fmt::format("{} ends before it begins; did you mean {}-{}?", shown(text), high->text(), low->text()));
    }
    for (const IpAddress& end : {*low, *high}) {
        if (end.is_multicast() || end.is_unspecified()) {
            return tl::unexpected(fmt::format("{} is no address of a host", end.text()));
        }
    }
    return AddressRange{*low, *high};
}

std::string to_text(const AddressRange& range) {
    if (range.low == range.high) return range.low.text();
    return fmt::format("{}-{}", range.low.text(), range.high.text());
}

AddressRange range_of(const IpPrefix& prefix) {
    IpAddress last = prefix.address;
    const int unset = last.bits() - prefix.length;
    for (int bit = 0; bit < unset; ++bit)
        last.bytes[static_cast<size_t>(15 - bit / 8)] |= static_cast<uint8_t>(1 << bit % 8);
    return {prefix.address, last};
}

IpAddress next(IpAddress address) {
    for (auto byte = address.bytes.rbegin(); byte != address.bytes.rend(); ++byte) {
        if (++*byte != 0) break;
    }
    return address;
}

}  // namespace sluice::base
