// A configuration struct names its keys once, for all code that reads or writes them:
//
//     template <class V> void fields(V& v, NetworkConfig& n) {
//         v.required("name", n.name);
//         v.optional("ageing", n.ageing, base::Range{1, 86400});
//         v.check("mtu", n.mtu != 7, "says why it is wrong");
//         v.choice(n.action, n.match);  // `permit: {…}` or `deny: {…}`: an enum's words are the keys
//     }
//
// Three visitors take that description: Reader (Tree to struct; strict, and it reports every mistake with its
// place), Writer (struct to Tree) and KeyLister (every key with its default; a test compares the reference
// configuration with the list). They are used through read(), write() and list_keys().
//
// A value is a bool, an integer, a std::string, an enum with names() (base/text.h), a struct with fields(), a
// std::vector or a std::optional of these, Words, or any type whose namespace has
//     tl::expected<T, std::string> parse_value(std::string_view, T*);
//     std::string to_text(const T&);
//     constexpr std::string_view type_name(const T*);    // optional: "IP address"
// If a struct has a member `base::Place place`, the Reader stores there where the struct's mapping begins. A list
// of one mapping may be written without brackets if the struct's namespace has
//     constexpr bool stands_alone(const T*);    // true
// An optional mapping may be written as `true` (without keys) or `false` (left out) if the struct's namespace has
//     constexpr bool is_switched(const T*);    // true
// Any thread; nothing is kept.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "base/tree.h"

namespace sluice::base {

// The bounds of an integer, inclusive.
struct Range {
    std::int64_t low = std::numeric_limits<std::int64_t>::min();
    std::int64_t high = std::numeric_limits<std::int64_t>::max();
};

// A size in memory: "64 MiB", "512 KiB", "4096".
struct Bytes {
    std::uint64_t value = 0;
    auto operator<=>(const Bytes&) const = default;
};
tl::expected<Bytes, std::string> parse_value(std::string_view text, Bytes*);
std::string to_text(const Bytes& bytes);
constexpr std::string_view type_name(const Bytes*) {
    return "size (such as 64 MiB)";
}

// A mapping whose keys are the user's: {app: web, tier: front}.
using Words = std::map<std::string, std::string>;

// The kinds of value, told apart at compile time.
struct AnyVisitor {};
template <class T>
concept Fielded = requires(AnyVisitor& v, T& t) {
    fields(v, t);
};
template <class T>
concept Parsed = requires(std::string_view text, T* pointer, const T& value) {
    { parse_value(text, pointer) } -> std::same_as<tl::expected<T, std::string>>;
    { to_text(value) } -> std::convertible_to<std::string>;
};
template <class T>
concept Named = std::is_enum_v<T> && requires(T value) {
    names(value);
};
template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool>;
template <class T>
concept Alone = requires(const T* pointer) {
    { stands_alone(pointer) } -> std::same_as<bool>;
};
template <class T>
concept Switched = requires(const T* pointer) {
    { is_switched(pointer) } -> std::same_as<bool>;
};
template <class T>
constexpr bool is_list = false;
template <class T>
constexpr bool is_list<std::vector<T>> = true;
template <class T>
constexpr bool is_optional = false;
template <class T>
constexpr bool is_optional<std::optional<T>> = true;

// The name of one value of a type, for a message: "integer", "IP address".
template <class T>
constexpr std::string_view name_of() {
    if constexpr (is_list<T>) return "list";
    if constexpr (std::same_as<T, bool>) return "boolean (true or false)";
    if constexpr (Integer<T>) return "integer";
    if constexpr (std::same_as<T, std::string>) return "string";
    if constexpr (Fielded<T> || std::same_as<T, Words>) return "mapping";
    if constexpr (requires(const T* pointer) { type_name(pointer); }) {
        return type_name(static_cast<const T*>(nullptr));
    }
    return "word";
}

class Reader {
 public:
    explicit Reader(const Document& document) : document_(document) {}

    template <class T>
    void required(std::string_view key, T& value, Range range = {}) {
        if (!read_key(key, value, range)) report_missing(key);
    }
    template <class T>
    void optional(std::string_view key, T& value, Range range = {}) {
        read_key(key, value, range);
    }
    // A value under one key of several. The key tells what the value is for.
    template <Named E, class T>
    void choice(E& chosen, T& value) {
        std::string_view taken;
        for (const auto& [enumerator, word] : names(E{})) {
            if (!taken.empty() && find(word) != nullptr) {
                check(word, false, fmt::format("stands beside `{}`: give one of them", taken));
            } else if (taken.empty() && read_key(word, value, {})) {
                taken = word;
                chosen = enumerator;
            }
        }
        if (taken.empty()) report_missing_choice(words_of<E>());
    }
    // A rule that the type does not express. If it does not hold, the error's place is the key's value, or the
    // mapping if the key is empty or left out. Not checked if the key has an error already.
    void check(std::string_view key, bool holds, std::string_view message);
    // Whether the key's value could not be read, or a check() of the key failed.
    bool is_wrong(std::string_view key);

    template <class T>
    Errors read(T& value) && {
        read_value(document_.root, value, {});
        return std::move(errors_);
    }

 private:
    // The mapping that is being read.
    struct Mapping {
        const Tree* tree = nullptr;
        std::vector<std::string_view> known;
        std::size_t first_error = 0;
        std::vector<std::string_view> missing;
    };

    template <class T>
    bool read_key(std::string_view key, T& value, Range range) {
        const Tree* tree = find(key);
        if (!tree) return false;
        const std::size_t outer = enter(key);
        read_value(*tree, value, range);
        path_.resize(outer);
        return true;
    }

    template <class T>
    void read_value(const Tree& tree, T& value, Range range) {
        if constexpr (is_optional<T>) {
            value.reset();
            if (Switched<typename T::value_type> && tree.kind == Tree::Kind::kScalar) {
                if (read_bool(tree).value_or(false)) value.emplace();
                return;
            }
            read_value(tree, value.emplace(), range);
        } else if constexpr (is_list<T>) {
            read_list(tree, value, range);
        } else if constexpr (Fielded<T>) {
            read_mapping(tree, value);
        } else if constexpr (Parsed<T>) {
            if (!expect(tree, Tree::Kind::kScalar, name_of<T>())) return;
            if (auto parsed = parse_value(tree.text, &value)) {
                value = *std::move(parsed);
            } else {
                report(tree, std::move(parsed.error()));
            }
        } else if constexpr (Named<T>) {
            read_word(tree, value);
        } else if constexpr (std::same_as<T, Words>) {
            read_words(tree, value);
        } else if constexpr (std::same_as<T, bool>) {
            if (const auto read = read_bool(tree)) value = *read;
        } else if constexpr (std::same_as<T, std::string>) {
            if (const auto* text = read_string(tree)) value = *text;
        } else {
            static_assert(Integer<T>, "a key's type needs parse_value(), names() or fields()");
            using Limits = std::numeric_limits<T>;
            if (std::cmp_less(range.low, Limits::min())) range.low = Limits::min();
            if (std::cmp_greater(range.high, Limits::max())) range.high = Limits::max();
            if (const auto read = read_integer(tree, range)) value = static_cast<T>(*read);
        }
    }

    template <class T>
    void read_list(const Tree& tree, std::vector<T>& list, Range range) {
        list.clear();
        // A list of one address may be written without brackets.
        if constexpr (Alone<T>) {
            if (tree.kind == Tree::Kind::kMap) return read_value(tree, list.emplace_back(), range);
        }
        if constexpr (Parsed<T>) {
            if (tree.kind == Tree::Kind::kScalar && !tree.text.empty()) {
                return read_value(tree, list.emplace_back(), range);
            }
        }
        if (!expect_list(tree, name_of<T>())) return;
        for (const Tree& item : tree.items) {
            if (is_full(errors_)) return;
            const std::size_t outer = enter(list.size());
            // Through a local variable: std::vector<bool> has no elements to refer to.
            T value{};
            read_value(item, value, range);
            list.push_back(std::move(value));
            path_.resize(outer);
        }
    }

    template <class T>
    void read_mapping(const Tree& tree, T& value) {
        if (is_full(errors_) || !expect(tree, Tree::Kind::kMap, name_of<T>())) return;
        Mapping outer = std::exchange(mapping_, {&tree, {}, errors_.size()});
        if constexpr (requires { requires std::same_as<decltype(value.place), Place>; }) {
            value.place = document_.place(tree);
        }
        fields(*this, value);
        report_unknown_keys();
        mapping_ = std::move(outer);
    }

    template <class T>
    void read_word(const Tree& tree, T& value) {
        if (!expect(tree, Tree::Kind::kScalar, name_of<T>())) return;
        for (const auto& [enumerator, word] : names(T{})) {
            if (tree.text == word) {
                value = enumerator;
                return;
            }
        }
        report_unknown_word(tree, words_of<T>());
    }

    template <Named E>
    static std::vector<std::string_view> words_of() {
        std::vector<std::string_view> words;
        for (const auto& [enumerator, word] : names(E{})) words.push_back(word);
        return words;
    }

    const Tree* find(std::string_view key);
    std::size_t enter(std::string_view key);
    std::size_t enter(std::size_t index);
    bool expect(const Tree& tree, Tree::Kind kind, std::string_view type);
    bool expect_list(const Tree& tree, std::string_view item_type);
    std::optional<bool> read_bool(const Tree& tree);
    std::optional<std::int64_t> read_integer(const Tree& tree, Range range);
    const std::string* read_string(const Tree& tree);
    void read_words(const Tree& tree, Words& words);

    void report(const Tree& tree, std::string message);
    void report_missing(std::string_view key);
    void report_missing_choice(const std::vector<std::string_view>& words);
    void report_unknown_keys();
    void report_unknown_word(const Tree& tree, const std::vector<std::string_view>& words);

    const Document& document_;
    Errors errors_;
    std::string path_;
    Mapping mapping_;
};

// Leaves out an optional that is unset, and a list or string that is empty and is empty by default too.
class Writer {
 public:
    template <class T>
    void required(std::string_view key, const T& value, Range = {}) {
        tree_.add(key, to_tree(value));
    }
    template <class T>
    void optional(std::string_view key, const T& value, Range = {}) {
        if constexpr (is_optional<T>) {
            if (!value) return;
        } else if constexpr (requires { value.empty(); }) {
            if (value.empty()) return;
        }
        tree_.add(key, to_tree(value));
    }
    template <Named E, class T>
    void choice(const E& chosen, const T& value) {
        for (const auto& [enumerator, word] : names(E{})) {
            if (enumerator == chosen) tree_.add(word, to_tree(value));
        }
    }
    void check(std::string_view, bool, std::string_view) {}
    bool is_wrong(std::string_view) { return false; }

    template <class T>
    static Tree to_tree(const T& value) {
        if constexpr (is_optional<T>) {
            return value ? to_tree(*value) : Tree{};
        } else if constexpr (is_list<T>) {
            Tree list = Tree::list();
            for (const auto& item : value) {
                list.items.push_back(to_tree<typename T::value_type>(item));
            }
            return list;
        } else if constexpr (Fielded<T>) {
            Writer writer;
            // fields() takes a mutable reference, because the Reader writes through it; this visitor only reads.
            fields(writer, const_cast<T&>(value));
            writer.add_emptied<T>();
            return std::move(writer.tree_);
        } else if constexpr (Parsed<T>) {
            return Tree::plain(to_text(value));
        } else if constexpr (Named<T>) {
            for (const auto& [enumerator, word] : names(T{})) {
                if (enumerator == value) return Tree::string(std::string(word));
            }
            return {};
        } else if constexpr (std::same_as<T, Words>) {
            Tree map = Tree::map();
            for (const auto& [key, word] : value) map.add(key, Tree::string(word));
            return map;
        } else if constexpr (std::same_as<T, bool>) {
            return Tree::plain(value ? "true" : "false");
        } else if constexpr (std::same_as<T, std::string>) {
            return Tree::string(value);
        } else {
            return Tree::plain(fmt::format("{}", value));
        }
    }

 private:
    // Writes keys that were emptied: left out, they would read back as their defaults.
    template <class T>
    void add_emptied() {
        Writer defaults;
        T fresh{};
        fields(defaults, fresh);
        for (const Tree::Entry& entry : defaults.tree_.entries) {
            if (tree_.find(entry.key.text) != nullptr) continue;
            // Of a choice another key was chosen, and no words are the default of words.
            if (entry.value.kind == Tree::Kind::kMap) continue;
            const bool is_list = entry.value.kind == Tree::Kind::kList;
            tree_.add(entry.key.text, is_list ? Tree::list() : Tree::string(""));
        }
    }

    Tree tree_ = Tree::map();
};

struct Key {
    std::string path;  // "ports[].address"
    Tree value;        // the default; null if the key has none
    bool required = false;
};

class KeyLister {
 public:
    template <class T>
    void required(std::string_view key, const T& value, Range = {}) {
        list(key, value, true);
    }
    template <class T>
    void optional(std::string_view key, const T& value, Range = {}) {
        list(key, value, false);
    }
    // Keys that all choices have are listed once, under the first choice.
    template <Named E, class T>
    void choice(const E&, const T& value) {
        const auto choices = names(E{});
        list(choices[0].word, value, false);
        for (std::size_t i = 1; i < choices.size(); ++i) list_alone(choices[i].word, Tree::map());
    }
    void check(std::string_view, bool, std::string_view) {}
    bool is_wrong(std::string_view) { return false; }

    std::vector<Key> keys() && { return std::move(keys_); }

 private:
    template <class T>
    void list(std::string_view key, const T& value, bool required) {
        const std::size_t outer = path_.size();
        if (!path_.empty()) path_ += '.';
        path_ += key;
        descend(value, required);
        path_.resize(outer);
    }
    void list_alone(std::string_view key, Tree value) {
        keys_.push_back({fmt::format("{}{}{}", path_, path_.empty() ? "" : ".", key), std::move(value)});
    }

    // The keys of structs in lists and optionals are listed with the defaults of a new struct.
    template <class T>
    void descend(const T& value, bool required) {
        if constexpr (Fielded<T>) {
            fields(*this, const_cast<T&>(value));  // as in Writer
            return;
        } else if constexpr (is_optional<T>) {
            if constexpr (Fielded<typename T::value_type> || is_list<typename T::value_type>) {
                return descend(typename T::value_type{}, required);
            }
        } else if constexpr (is_list<T>) {
            if constexpr (Fielded<typename T::value_type>) {
                path_ += "[]";
                return descend(typename T::value_type{}, required);
            }
        }
        keys_.push_back({path_, required ? Tree{} : Writer::to_tree(value), required});
    }

    std::vector<Key> keys_;
    std::string path_;
};

// Fills a struct that holds its defaults. No errors mean success; after an error the struct's content is
// unspecified. Reading stops when the errors are full; the code that shows them calls limit().
template <Fielded T>
Errors read(const Document& document, T& value) {
    return Reader(document).read(value);
}

template <Fielded T>
Tree write(const T& value) {
    return Writer::to_tree(value);
}

// Every key that holds a value (not a mapping of further keys), in the order of fields().
template <Fielded T>
std::vector<Key> list_keys() {
    KeyLister lister;
    T value{};
    fields(lister, value);
    return std::move(lister).keys();
}

}  // namespace sluice::base
