// Breaks text into lines between its words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::sluicectl {

inline constexpr size_t kScreenWidth = 80;

// The number of characters of a valid UTF-8 text.
size_t width_of(std::string_view text);

// Breaks the text into lines of at most `width` characters. Gives at least one line. A longer word gets a line of
// its own.
std::vector<std::string> wrap(std::string_view text, size_t width);

// The same, but breaks a longer word: behind a slash, or else at the end of the line. No line is longer.
std::vector<std::string> fold(std::string_view text, size_t width);

// Indents all lines but the first, which continues a line that has the margin's width already.
std::string hang(std::string_view text, size_t margin, size_t width = kScreenWidth);

}  // namespace sluice::sluicectl
