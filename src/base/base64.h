// Base64 (RFC 4648, section 4), which carries bytes in JSON. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::base {

std::string to_base64(std::string_view bytes);
// Returns nothing for a text that to_base64() would not produce.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace sluice::base
