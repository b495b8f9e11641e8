// Domain names in messages (RFC 1035, 3.1), without compression, as all these options allow. Any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "dhcp/bytes.h"

namespace sluice::dhcp {

// Whether the text is a name of labels of 1 to 63 letters, digits, hyphens and underscores, 253 characters at most
// in all. A dot at its end is no part of it.
bool is_domain_name(std::string_view text) noexcept;

// Of names for which is_domain_name() holds.
Bytes encode_name(std::string_view name);
Bytes encode_names(std::span<const std::string> names);

// A host's name out of text of unknown origin: its first label in small letters, if that is a host's (RFC 1123);
// otherwise empty.
std::string host_label(std::string_view text);

}  // namespace sluice::dhcp
