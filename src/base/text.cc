#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>

namespace sluice::base {
namespace {

// Keys and words are shorter. The bound keeps the quadratic table small whatever a user sends.
constexpr std::size_t kLongestWord = 64;

// Letter comparisons that one suggestion may cost: enough for a word of ten letters among ten thousand.
constexpr std::size_t kMostWork = 1'000'000;

// Edits (insert, delete, replace, swap of neighbours) that lead from a to b.
std::size_t distance(std::string_view a, std::string_view b) {
    std::array<std::array<std::size_t, kLongestWord + 1>, kLongestWord + 1> edits;
    for (std::size_t i = 0; i <= a.size(); ++i) edits[i][0] = i;
    for (std::size_t j = 0; j <= b.size(); ++j) edits[0][j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = edits[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            edits[i][j] = std::min({edits[i - 1][j] + 1, edits[i][j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                edits[i][j] = std::min(edits[i][j], edits[i - 2][j - 2] + 1);
            }
        }
    }
    return edits[a.size()][b.size()];
}

}  // namespace

std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates) {
    if (word.size() < 2 || word.size() > kLongestWord) return std::nullopt;
    std::size_t best = std::max<std::size_t>(1, word.size() / 3) + 1;
    std::optional<std::string_view> found;
    std::size_t work = 0;
    for (std::string_view candidate : candidates) {
        if (candidate.size() < 2 || candidate.size() > kLongestWord) continue;
        if (std::max(candidate.size(), word.size()) - std::min(candidate.size(), word.size()) >= best) continue;
        work += candidate.size() * word.size();
        if (work > kMostWork) break;
        const std::size_t edits = distance(word, candidate);
        if (edits >= best) continue;
        best = edits;
        found = candidate;
    }
    return found;
}

std::optional<char32_t> take_character(std::string_view& text) {
    if (text.empty()) return std::nullopt;
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    if (first < 0x80) {
        text.remove_prefix(1);
        return first;
    }
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < size) return std::nullopt;
    char32_t c = first & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
        c = c << 6 | (byte(i) & 0x3fU);
    }
    // RFC 3629: no longer form than needed, no surrogates, nothing beyond Unicode.
    constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
    if (c < kLeast[size] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff) return std::nullopt;
    text.remove_prefix(size);
    return c;
}

std::string escaped(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::string_view before = text;
        const auto c = take_character(text);
        if (!c) text.remove_prefix(1);
        if (c && !is_control(*c)) {
            out.append(before.substr(0, before.size() - text.size()));
        } else {
            out += fmt::format(
                "\\x{:02x}", c ? static_cast<unsigned>(*c) : static_cast<unsigned char>(before[0]));
        }
    }
    return out;
}

std::optional<unsigned> parse_number(std::string_view text, unsigned most) {
    unsigned number = 0;
    const auto end = text.data() + text.size();
    const auto [stop, problem] = std::from_chars(text.data(), end, number);
    const bool leading_zero = text.size() > 1 && text[0] == '0';
    if (problem != std::errc{} || stop != end || leading_zero || number > most) return std::nullopt;
    return number;
}

std::string lower(std::string_view text) {
    std::string small(text);
    for (char& c : small) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return small;
}

std::string shown(std::string_view text) {
    constexpr std::size_t kLongest = 60;
    if (text.size() <= kLongest) return fmt::format("'{}'", escaped(text));
    std::size_t size = kLongest;  // not in the middle of a character
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
    return fmt::format("'{}…'", escaped(text.substr(0, size)));
}

}  // namespace sluice::base
