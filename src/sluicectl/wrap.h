// Text broken into lines between its words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::sluicectl {

inline constexpr size_t kScreenWidth = 80;

// In characters, of text that is valid UTF-8.
size_t width_of(std::string_view text);

// Lines of at most `width` characters, at least one. A word that is longer has a line of its own.
std::vector<std::string> wrap(std::string_view text, size_t width);

// The same, but a word that is longer is broken: behind a slash, else where the line ends. No line
// is wider.
std::vector<std::string> fold(std::string_view text, size_t width);

// The text at a margin: its first line follows what stands there already.
std::string hang(std::string_view text, size_t margin, size_t width = kScreenWidth);

}  // namespace sluice::sluicectl
