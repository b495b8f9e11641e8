// Bytes as text (RFC 4648, 4), for what JSON is to carry. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::base {

std::string to_base64(std::string_view bytes);
// Nothing for text that to_base64() wouldn't give.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace sluice::base
