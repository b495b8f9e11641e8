#include "base/tree.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace sluice::base {
namespace {

template <std::size_t N>
bool is_one_of(std::string_view text, const std::array<std::string_view, N>& words) {
    return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_digits(std::string_view text, std::string_view digits = "0123456789") {
    return !text.empty() && text.find_first_not_of(digits) == text.npos;
}

std::string_view without_sign(std::string_view text) {
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
    return text;
}

bool is_integer(std::string_view text) {
    if (text.starts_with("0o")) return is_digits(text.substr(2), "01234567");
    if (text.starts_with("0x")) return is_digits(text.substr(2), "0123456789abcdefABCDEF");
    return is_digits(without_sign(text));
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool is_float(std::string_view text) {
    text = without_sign(text);
    if (is_one_of<3>(text, {".inf", ".Inf", ".INF"})) return true;
    const auto exponent = text.find_first_of("eE");
    if (exponent != text.npos) {
        if (!is_digits(without_sign(text.substr(exponent + 1)))) return false;
        text = text.substr(0, exponent);
    }
    const auto dot = text.find('.');
    if (dot == text.npos) return is_digits(text);
    const std::string_view before = text.substr(0, dot), after = text.substr(dot + 1);
    if (before.empty()) return is_digits(after);
    return is_digits(before) && (after.empty() || is_digits(after));
}

bool is_string(const Tree& tree) {
    return tree.quoted || resolve(tree.text) == Scalar::kString;
}

nlohmann::json number_to_json(std::string_view text) {
    const bool negative = text[0] == '-';
    int base = 10;
    std::string_view digits = without_sign(text);
    if (digits.starts_with("0o")) base = 8;
    if (digits.starts_with("0x")) base = 16;
    if (base != 10) digits.remove_prefix(2);
    std::uint64_t magnitude = 0;
    const auto end = digits.data() + digits.size();
    const auto [stop, problem] = std::from_chars(digits.data(), end, magnitude, base);
    if (problem == std::errc{} && stop == end) {
        constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
        if (!negative) return magnitude;
        if (magnitude <= kMax) return -static_cast<std::int64_t>(magnitude);
    }
    double value = 0;
    const std::string_view unsigned_text = without_sign(text);
    std::from_chars(unsigned_text.data(), unsigned_text.data() + unsigned_text.size(), value);
    return negative ? -value : value;
}

nlohmann::json scalar_to_json(const Tree& tree) {
    if (tree.quoted) return tree.text;
    switch (resolve(tree.text)) {
        case Scalar::kNull:
            return nullptr;
        case Scalar::kBool:
            return tree.text[0] == 't' || tree.text[0] == 'T';
        case Scalar::kInteger:
            return number_to_json(tree.text);
        case Scalar::kFloat:
            // JSON has no infinity.
            if (is_digits(tree.text.substr(tree.text.size() - 1)) || tree.text.ends_with('.')) {
                return number_to_json(tree.text);
            }
            return tree.text;
        case Scalar::kString:
            break;
    }
    return tree.text;
}

Tree tree_from_json(const nlohmann::json& json, int depth) {
    if (depth > kMaxDepth) return {};
    if (json.is_string()) return Tree::string(json.get<std::string>());
    if (json.is_number() || json.is_boolean()) {
        Tree tree = Tree::plain(json.dump());
        tree.is_no_string = true;
        return tree;
    }
    if (json.is_array()) {
        Tree tree = Tree::list();
        for (const auto& item : json) tree.items.push_back(tree_from_json(item, depth + 1));
        return tree;
    }
    if (json.is_object()) {
        Tree tree = Tree::map();
        for (const auto& [key, value] : json.items()) {
            tree.add(key, tree_from_json(value, depth + 1));
        }
        return tree;
    }
    return {};
}

}  // namespace

Tree Tree::plain(std::string text) {
    Tree tree;
    tree.kind = Kind::kScalar;
    tree.text = std::move(text);
    return tree;
}

Tree Tree::string(std::string text) {
    Tree tree = plain(std::move(text));
    tree.quoted = true;
    return tree;
}

Tree Tree::list(std::vector<Tree> items) {
    Tree tree;
    tree.kind = Kind::kList;
    tree.items = std::move(items);
    return tree;
}

Tree Tree::map() {
    Tree tree;
    tree.kind = Kind::kMap;
    return tree;
}

void Tree::add(std::string_view key, Tree value) {
    entries.push_back({string(std::string(key)), std::move(value)});
}

const Tree* Tree::find(std::string_view key) const {
    for (const Entry& entry : entries) {
        if (entry.key.text == key) return &entry.value;
    }
    return nullptr;
}

bool operator==(const Tree& a, const Tree& b) {
    if (a.kind != b.kind) return false;
    if (a.kind == Tree::Kind::kScalar) return a.text == b.text && is_string(a) == is_string(b);
    return a.items == b.items &&
           std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(), b.entries.end(),
                      [](const Tree::Entry& x, const Tree::Entry& y) {
                          return x.key.text == y.key.text && x.value == y.value;
                      });
}

std::string_view found(const Tree& tree) {
    switch (tree.kind) {
        case Tree::Kind::kNull:
            return "nothing";
        case Tree::Kind::kList:
            return "a list";
        case Tree::Kind::kMap:
            return "a mapping";
        case Tree::Kind::kScalar:
            break;
    }
    return "a scalar";
}

Scalar resolve(std::string_view text) {
    if (is_one_of<5>(text, {"", "~", "null", "Null", "NULL"})) return Scalar::kNull;
    if (is_one_of<6>(text, {"true", "True", "TRUE", "false", "False", "FALSE"})) {
        return Scalar::kBool;
    }
    if (is_integer(text)) return Scalar::kInteger;
    if (is_float(text) || is_one_of<3>(text, {".nan", ".NaN", ".NAN"})) return Scalar::kFloat;
    return Scalar::kString;
}

Document from_json(const nlohmann::json& json) {
    return {{}, tree_from_json(json, 1)};
}

nlohmann::json to_json(const Tree& tree) {
    switch (tree.kind) {
        case Tree::Kind::kNull:
            return nullptr;
        case Tree::Kind::kScalar:
            return scalar_to_json(tree);
        case Tree::Kind::kList: {
            auto array = nlohmann::json::array();
            for (const Tree& item : tree.items) array.push_back(to_json(item));
            return array;
        }
        case Tree::Kind::kMap:
            break;
    }
    auto object = nlohmann::json::object();
    for (const auto& [key, value] : tree.entries) object[key.text] = to_json(value);
    return object;
}

}  // namespace sluice::base
