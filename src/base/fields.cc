#include "base/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace sluice::base {
namespace {

struct Unit {
    std::string_view name;
    int shift;
};
constexpr std::array kUnits = {Unit{"TiB", 40}, Unit{"GiB", 30}, Unit{"MiB", 20}, Unit{"KiB", 10}};

// If a scalar is right here but not this one, "found 'x'" says more than "found a scalar".
std::string found_scalar(const Tree& tree) {
    if (tree.kind != Tree::Kind::kScalar) return std::string(found(tree));
    return tree.quoted ? fmt::format("the string {}", shown(tree.text)) : shown(tree.text);
}

std::string with_article(std::string_view noun) {
    const bool vowel = std::string_view("aeiouAEIO").find(noun[0]) != noun.npos;
    return fmt::format("{} {}", vowel ? "an" : "a", noun);
}

// "boolean (true or false)" becomes "booleans (true or false)".
std::string plural(std::string_view noun) {
    const std::size_t end = std::min(noun.find(" ("), noun.size());
    const std::string_view ending =
        noun.substr(0, end).ends_with('s') || noun.substr(0, end).ends_with('x') ? "es" : "s";
    return fmt::format("{}{}{}", noun.substr(0, end), ending, noun.substr(end));
}

}  // namespace

tl::expected<Bytes, std::string> parse_value(std::string_view text, Bytes*) {
    const auto wrong = [&] {
        return tl::unexpected(
            fmt::format("{} is not a size (such as 64 MiB, 512 KiB or 4096)", shown(text)));
    };
    std::uint64_t number = 0;
    const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc{}) return wrong();
    std::string_view unit = text.substr(static_cast<std::size_t>(stop - text.data()));
    if (unit.empty()) return Bytes{number};
    if (unit.starts_with(' ')) unit.remove_prefix(1);
    for (const auto& [name, shift] : kUnits) {
        if (unit != name) continue;
        if (number > std::numeric_limits<std::uint64_t>::max() >> shift) break;
        return Bytes{number << shift};
    }
    return wrong();
}

std::string to_text(const Bytes& bytes) {
    for (const auto& [name, shift] : kUnits) {
        const std::uint64_t count = bytes.value >> shift;
        if (count > 0 && count << shift == bytes.value) return fmt::format("{} {}", count, name);
    }
    return fmt::format("{}", bytes.value);
}

void Reader::check(std::string_view key, bool holds, std::string_view message) {
    if (holds || is_full(errors_)) return;
    const auto& missing = mapping_.missing;
    if (std::find(missing.begin(), missing.end(), key) != missing.end()) return;
    if (is_wrong(key)) return;
    const std::size_t outer = key.empty() ? path_.size() : enter(key);
    const Tree* value = key.empty() ? nullptr : mapping_.tree->find(key);
    const bool has_text =
        value != nullptr && value->kind == Tree::Kind::kScalar && !value->text.empty();
    // These messages are about the value and begin with it; others are about the key.
    const bool is_of_value =
        has_text && (message.starts_with("is not ") || message.starts_with("is a "));
    report(value ? *value : *mapping_.tree,
           is_of_value ? fmt::format("{} {}", shown(value->text), message) : std::string(message));
    path_.resize(outer);
}

bool Reader::is_wrong(std::string_view key) {
    const std::size_t outer = key.empty() ? path_.size() : enter(key);
    const auto is_here = [&](const Error& error) {
        if (path_.empty()) return true;
        if (!error.path.starts_with(path_)) return false;
        const std::string_view rest = std::string_view(error.path).substr(path_.size());
        return rest.empty() || rest[0] == '.' || rest[0] == '[';
    };
    const bool is_wrong = std::any_of(errors_.begin() + static_cast<std::ptrdiff_t>(mapping_.first_error),
                                      errors_.end(), is_here);
    path_.resize(outer);
    return is_wrong;
}

const Tree* Reader::find(std::string_view key) {
    mapping_.known.push_back(key);
    return mapping_.tree->find(key);
}

std::size_t Reader::enter(std::string_view key) {
    const std::size_t outer = path_.size();
    if (outer > 0) path_ += '.';
    path_ += key;
    return outer;
}

std::size_t Reader::enter(std::size_t index) {
    const std::size_t outer = path_.size();
    path_ += fmt::format("[{}]", index);
    return outer;
}

bool Reader::expect(const Tree& tree, Tree::Kind kind, std::string_view type) {
    if (tree.kind == kind) return true;
    report(tree, fmt::format("expected {}, found {}", with_article(type), found(tree)));
    return false;
}

bool Reader::expect_list(const Tree& tree, std::string_view item_type) {
    if (tree.kind == Tree::Kind::kList) return true;
    report(tree, fmt::format("expected a list of {}, found {}", plural(item_type), found(tree)));
    return false;
}

std::optional<bool> Reader::read_bool(const Tree& tree) {
    if (tree.kind == Tree::Kind::kScalar && !tree.quoted) {
        if (tree.text == "true") return true;
        if (tree.text == "false") return false;
    }
    report(tree, fmt::format("expected true or false, found {}", found_scalar(tree)));
    return std::nullopt;
}

std::optional<std::int64_t> Reader::read_integer(const Tree& tree, Range range) {
    const std::string_view text = tree.text;
    const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
    const bool is_decimal =
        !digits.empty() && digits.find_first_not_of("0123456789") == digits.npos;
    // Some YAML readers take a leading zero for octal, others ignore it.
    if (tree.kind != Tree::Kind::kScalar || tree.quoted || !is_decimal ||
        (digits.size() > 1 && digits[0] == '0')) {
        report(tree, fmt::format("expected an integer, found {}", found_scalar(tree)));
        return std::nullopt;
    }
    std::int64_t number = 0;
    const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (problem != std::errc{} || number < range.low || number > range.high) {
        report(tree,
               fmt::format("{} is out of range ({} to {})", shown(text), range.low, range.high));
        return std::nullopt;
    }
    return number;
}

const std::string* Reader::read_string(const Tree& tree) {
    if (!expect(tree, Tree::Kind::kScalar, "string")) return nullptr;
    if (tree.is_no_string) {
        report(tree, fmt::format("expected a string, found {}", tree.text));
        return nullptr;
    }
    // Only an escape in quotes, or JSON, can contain a control character here.
    for (std::string_view rest = tree.text; !rest.empty();) {
        const auto c = take_character(rest);
        if (c && !is_control(*c)) continue;
        report(tree, fmt::format("{} holds a control character", shown(tree.text)));
        return nullptr;
    }
    return &tree.text;
}

void Reader::read_words(const Tree& tree, Words& words) {
    words.clear();
    if (!expect(tree, Tree::Kind::kMap, "mapping")) return;
    for (const Tree::Entry& entry : tree.entries) {
        if (is_full(errors_)) return;
        const std::size_t outer = enter(entry.key.text);
        // An empty word may be written as nothing.
        if (entry.value.kind == Tree::Kind::kNull) {
            words[entry.key.text];
        } else if (const auto* word = read_string(entry.value)) {
            words[entry.key.text] = *word;
        }
        path_.resize(outer);
    }
}

void Reader::report(const Tree& tree, std::string message) {
    if (is_full(errors_)) return;
    errors_.push_back({std::move(message), path_, document_.place(tree)});
}

void Reader::report_missing(std::string_view key) {
    mapping_.missing.push_back(key);
    report(*mapping_.tree, fmt::format("the key '{}' is missing", key));
}

void Reader::report_missing_choice(const std::vector<std::string_view>& words) {
    report(*mapping_.tree, fmt::format("one of the keys {} is missing", fmt::join(words, ", ")));
}

void Reader::report_unknown_keys() {
    // A key that is here already can't be meant: a second one would be refused.
    std::vector<std::string_view> absent = mapping_.known;
    std::erase_if(absent, [&](std::string_view key) { return mapping_.tree->find(key) != nullptr; });
    for (const Tree::Entry& entry : mapping_.tree->entries) {
        if (is_full(errors_)) return;
        const std::string_view key = entry.key.text;
        const auto& known = mapping_.known;
        if (std::find(known.begin(), known.end(), key) != known.end()) continue;
        const auto meant = nearest(key, absent);
        report(entry.key,
               fmt::format("unknown key {}; {}", shown(key),
                           meant ? fmt::format("did you mean '{}'?", *meant)
                                 : fmt::format("known keys are {}", fmt::join(known, ", "))));
    }
}

void Reader::report_unknown_word(const Tree& tree, const std::vector<std::string_view>& words) {
    report(tree, fmt::format("{} is not one of {}", shown(tree.text), fmt::join(words, ", ")));
}

}  // namespace sluice::base
