// A range of IP addresses of one family, as users write it: "192.0.2.1" or "192.0.2.8-192.0.2.15", both ends
// included. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "sluice/address.h"

namespace sluice::base {

struct AddressRange {
    IpAddress low;
    IpAddress high;

    bool operator==(const AddressRange&) const = default;
    bool contains(const IpAddress& address) const { return low <= address && address <= high; }
};
tl::expected<AddressRange, std::string> parse_value(std::string_view text, AddressRange*);
std::string to_text(const AddressRange& range);
constexpr std::string_view type_name(const AddressRange*) {
    return "IP address or range of addresses";
}

AddressRange range_of(const IpPrefix& prefix);

// The address that follows; all bits set: the first one.
IpAddress next(IpAddress address);

}  // namespace sluice::base
