#include "kube/reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

namespace sluice::kube {
namespace {

using base::Tree;

// With its text, if it is a scalar.
std::string found_text(const Tree& tree) {
    if (tree.kind != Tree::Kind::kScalar) return std::string(base::found(tree));
    return (tree.quoted ? "the string " : "") + base::shown(tree.text);
}

// Whether JSON would have it in quotes.
bool is_string(const Tree& tree) {
    return tree.kind == Tree::Kind::kScalar &&
           (tree.quoted || (!tree.is_no_string && base::resolve(tree.text) == base::Scalar::kString));
}

// YAML's parser gives a plain scalar `null` as text.
bool is_null(const Tree& tree) {
    return tree.kind == Tree::Kind::kNull ||
           (tree.kind == Tree::Kind::kScalar && !tree.quoted && base::resolve(tree.text) == base::Scalar::kNull);
}

}  // namespace

void Reader::report(const Tree& tree, std::string message) {
    if (is_full()) return;
    errors_.push_back({std::move(message), path_, document_.place(tree)});
}

const std::string* Reader::string(const Tree& tree) {
    static const std::string kEmpty;
    if (is_null(tree)) return &kEmpty;
    if (!is_string(tree)) {
        const bool is_scalar = tree.kind == Tree::Kind::kScalar;
        report(tree, fmt::format("expected a string, found {}{}", found_text(tree),
                                 is_scalar && !tree.is_no_string ? ": put it in quotes" : ""));
        return nullptr;
    }
    for (std::string_view rest = tree.text; !rest.empty();) {
        const auto c = base::take_character(rest);
        if (c && (!base::is_control(*c) || *c == '\n' || *c == '\t' || *c == '\r')) continue;
        report(tree, fmt::format("{} holds a control character", base::shown(tree.text)));
        return nullptr;
    }
    return &tree.text;
}

Fields::Fields(Reader& reader, const Tree& tree)
    : reader_(reader), tree_(tree), is_mapping_(tree.kind == Tree::Kind::kMap) {
    if (!is_mapping_) reader.report(tree, fmt::format("expected a mapping, found {}", found_text(tree)));
}

const Tree* Fields::find(std::string_view field) {
    known_.push_back(field);
    const Tree* tree = is_mapping_ ? tree_.find(field) : nullptr;
    return tree == nullptr || is_null(*tree) ? nullptr : tree;
}

bool Fields::string(std::string_view field, std::string& value) {
    bool is_set = false;
    read(field, [&](const Tree& tree) {
        const std::string* text = reader_.string(tree);
        if (text != nullptr) value = *text;
        is_set = text != nullptr;
    });
    return is_set;
}

bool Fields::boolean(std::string_view field, bool& value) {
    bool is_set = false;
    read(field, [&](const Tree& tree) {
        const bool is_bool =
            tree.kind == Tree::Kind::kScalar && !tree.quoted && base::resolve(tree.text) == base::Scalar::kBool;
        if (!is_bool) {
            return reader_.report(tree, fmt::format("expected true or false, found {}", found_text(tree)));
        }
        value = tree.text[0] == 't' || tree.text[0] == 'T';
        is_set = true;
    });
    return is_set;
}

bool Fields::integer(std::string_view field, int64_t& value, int64_t low, int64_t high) {
    bool is_set = false;
    read(field, [&](const Tree& tree) {
        const std::string& text = tree.text;
        int64_t number = 0;
        const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
        const bool is_whole = problem == std::errc{} && stop == text.data() + text.size();
        if (tree.kind != Tree::Kind::kScalar || tree.quoted || !is_whole) {
            return reader_.report(tree, fmt::format("expected an integer, found {}", found_text(tree)));
        }
        if (number < low || number > high) {
            return reader_.report(tree, fmt::format("{} is out of range ({} to {})", number, low, high));
        }
        value = number;
        is_set = true;
    });
    return is_set;
}

bool Fields::labels(std::string_view field, Labels& value) {
    return read(field, [&](const Tree& tree) {
        if (tree.kind != Tree::Kind::kMap) {
            return reader_.report(tree, fmt::format("expected a mapping, found {}", found_text(tree)));
        }
        std::vector<std::pair<std::string, std::string>> labels;
        for (const Tree::Entry& entry : tree.entries) {
            if (const auto why = why_no_label_key(entry.key.text); !why.empty()) {
                reader_.report(entry.key, fmt::format("{} {}", base::shown(entry.key.text), why));
            }
            reader_.within(entry.key.text, false, [&] {
                const std::string* text = reader_.string(entry.value);
                if (text == nullptr) return;
                if (const auto why = why_no_label_value(*text); !why.empty()) {
                    return reader_.report(entry.value, fmt::format("{} {}", base::shown(*text), why));
                }
                labels.emplace_back(entry.key.text, *text);
            });
        }
        value = Labels(std::move(labels));
    });
}

void Fields::require(std::string_view field) {
    if (!is_mapping_) return;
    if (tree_.find(field) != nullptr) return report(field, "is empty");
    reader_.report(tree_, fmt::format("the field '{}' is missing", field));
}

void Fields::report(std::string_view field, std::string message) {
    if (!is_mapping_) return;
    const Tree* tree = tree_.find(field);
    if (tree == nullptr) return reader_.report(tree_, std::move(message));
    reader_.within(field, false, [&] { reader_.report(*tree, std::move(message)); });
}

void Fields::accept(std::initializer_list<std::string_view> fields) {
    known_.insert(known_.end(), fields.begin(), fields.end());
}

void Fields::finish(Others others) {
    if (!is_mapping_) return;
    for (const Tree::Entry& entry : tree_.entries) {
        const std::string_view field = entry.key.text;
        if (std::find(known_.begin(), known_.end(), field) != known_.end()) continue;
        if (reader_.is_full()) return;
        const auto meant = base::nearest(field, known_);
        if (!meant && others == Others::kAccept) continue;
        reader_.report(entry.key, fmt::format("unknown field {}{}", base::shown(field),
                                              meant ? fmt::format("; did you mean '{}'?", *meant) : ""));
    }
}

bool Fields::is_list(const Tree& tree) {
    if (tree.kind == Tree::Kind::kList) return true;
    reader_.report(tree, fmt::format("expected a list, found {}", found_text(tree)));
    return false;
}

void Fields::report_unknown_word(std::string_view field, std::string_view word,
                                 const std::vector<std::string_view>& words) {
    report(field, fmt::format("{} is not one of {}", base::shown(word), fmt::join(words, ", ")));
}

}  // namespace sluice::kube
