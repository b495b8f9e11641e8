// Words for people: the nearest known word to a mistyped one, text of unknown origin made fit to
// show, and the words of an enum. Any thread; nothing is kept.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sluice::base {

// An enum's enumerator and its word in the configuration and in output. An enum offers them by
// `constexpr auto names(E) { return std::array{Name{E::kPoll, "poll"}, …}; }` in its namespace.
template <class E>
struct Name {
    E value;
    std::string_view word;
};
template <class E>
Name(E, const char*) -> Name<E>;  // clang 16 doesn't deduce an aggregate's arguments

// How an enumerator is written; empty for one that has no word.
template <class E>
constexpr std::string_view word_of(E value) {
    for (const auto& [enumerator, word] : names(value)) {
        if (enumerator == value) return word;
    }
    return {};
}

// The candidate that a mistyped word most likely stands for, or nothing where none is near enough
// to be worth a suggestion (Damerau-Levenshtein, about one slip in three letters). Of very many candidates it
// looks at the first thousands only.
std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates);

// Takes the first character off valid UTF-8 text; nothing, and the text as it was, where it begins
// with a byte sequence that isn't UTF-8.
std::optional<char32_t> take_character(std::string_view& text);

// C0, DEL and C1, which a terminal may obey.
constexpr bool is_control(char32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

// The text with control characters (line breaks too) and broken UTF-8 written as \xNN: one line,
// safe on a terminal.
std::string escaped(std::string_view text);

// escaped(), in quotes and cut to a length that leaves a message readable.
std::string shown(std::string_view text);

}  // namespace sluice::base
