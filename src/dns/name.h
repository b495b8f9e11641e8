// Domain names (RFC 1035, 3.1). Tables and questions hold them in wire form and in lower case, so that a name is
// compared and hashed as bytes, and each of its parents is a suffix of it. Any thread; plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/address.h"

namespace sluice::dns {

inline constexpr size_t kMostNameBytes = 255;  // in wire form, the root's label included
inline constexpr size_t kMostLabelBytes = 63;
inline constexpr std::string_view kRoot{"\0", 1};

constexpr char lower(char c) noexcept {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// "web.blue" or "web.blue." in wire form and in lower case. Empty: it is no name (a label is empty or too long).
std::string wire_name(std::string_view text);
// A name in wire form as people write it, without the final dot; the root is ".".
std::string text_of(std::string_view name);

// Whether the name is the zone's apex or below it.
bool is_in(std::string_view name, std::string_view zone) noexcept;
// The name without its first label. The root has no parent: it is returned itself.
std::string_view parent_of(std::string_view name) noexcept;
size_t label_count(std::string_view name) noexcept;

// "4.3.2.1.in-addr.arpa" of 1.2.3.4, and the like in ip6.arpa.
std::string reverse_name(const IpAddress& address);
// The address that a whole reverse name stands for; none: the name is no such name.
std::optional<IpAddress> reversed(std::string_view name);
// The zone that says that an address of ours has no name: its /24 or /64.
std::string reverse_zone(const IpAddress& address);

}  // namespace sluice::dns
