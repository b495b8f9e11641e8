#include "base/base64.h"

#include <array>
#include <cstdint>

namespace sluice::base {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The value of each character; 64 for a character that is no base64 digit.
constexpr auto kValues = [] {
    std::array<uint8_t, 256> values{};
    values.fill(64);
    for (size_t i = 0; i < kDigits.size(); ++i) {
        values[static_cast<unsigned char>(kDigits[i])] = static_cast<uint8_t>(i);
    }
    return values;
}();

}  // namespace

std::string to_base64(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (size_t i = 0; i < bytes.size(); i += 3) {
        const auto byte = [&](size_t at) -> uint32_t {
            return at < bytes.size() ? static_cast<unsigned char>(bytes[at]) : 0;
        };
        const uint32_t three = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
        text += kDigits[three >> 18];
        text += kDigits[three >> 12 & 63];
        text += i + 1 < bytes.size() ? kDigits[three >> 6 & 63] : '=';
        text += i + 2 < bytes.size() ? kDigits[three & 63] : '=';
    }
    return text;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    for (size_t i = 0; i < text.size(); i += 4) {
        size_t digits = 4;
        if (i + 4 == text.size()) {
            while (digits > 2 && text[i + digits - 1] == '=') --digits;
        }
        uint32_t three = 0;
        for (size_t at = 0; at < 4; ++at) {
            const uint32_t value = at < digits ? kValues[static_cast<unsigned char>(text[i + at])] : 0;
            if (value == 64) return std::nullopt;
            three = three << 6 | value;
        }
        // The bits beyond the last whole byte must be 0.
        if ((three & (0xffffffU >> (digits * 6 / 8 * 8))) != 0 && digits < 4) return std::nullopt;
        for (size_t byte = 0; byte + 1 < digits; ++byte) {
            bytes += static_cast<char>(three >> (16 - 8 * byte) & 0xff);
        }
    }
    return bytes;
}

}  // namespace sluice::base
