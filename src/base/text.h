// Text for people: the nearest known word to a mistyped one, text of unknown origin made safe to show, and the
// words of an enum. Any thread; nothing is kept.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sluice::base {

// An enumerator and its word in the configuration and in output. An enum provides them in its namespace by
// `constexpr auto names(E) { return std::array{Name{E::kPoll, "poll"}, …}; }`.
template <class E>
struct Name {
    E value;
    std::string_view word;
};
template <class E>
Name(E, const char*) -> Name<E>;  // clang 16 doesn't deduce an aggregate's arguments

// An enumerator's word; empty if it has none.
template <class E>
constexpr std::string_view word_of(E value) {
    for (const auto& [enumerator, word] : names(value)) {
        if (enumerator == value) return word;
    }
    return {};
}

// The candidate that a mistyped word most likely stands for, or nothing if none is near enough to suggest
// (Damerau-Levenshtein, about one slip in three letters). Of very many candidates only the first few thousand are
// compared.
std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates);

// Takes the first character off UTF-8 text. If the text does not begin with valid UTF-8, returns nothing and
// leaves the text as it was.
std::optional<char32_t> take_character(std::string_view& text);

// C0, DEL and C1 control characters, which a terminal may obey.
constexpr bool is_control(char32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

// A plain decimal number without leading zeros, and nothing after it.
std::optional<unsigned> parse_number(std::string_view text, unsigned most);

// With A to Z as small letters.
std::string lower(std::string_view text);

// The text with control characters (line breaks too) and invalid UTF-8 written as \xNN: one line, safe on a
// terminal.
std::string escaped(std::string_view text);

// escaped(), in quotes and cut to a length that leaves a message readable.
std::string shown(std::string_view text);

}  // namespace sluice::base
