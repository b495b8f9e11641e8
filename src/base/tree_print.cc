// Tree to YAML text.
#include <algorithm>
#include <utility>

#include "base/text.h"
#include "base/tree.h"

namespace sluice::base {
namespace {

// Many other readers follow YAML 1.1, where these words are booleans and 10:20:30:40:50:51 is a number.
bool is_special_in_yaml_1_1(std::string_view text) {
    const std::string word = lower(text);
    for (std::string_view special : {"y", "n", "yes", "no", "on", "off"}) {
        if (word == special) return true;
    }
    return text.find_first_not_of("0123456789:_") == text.npos;
}

// Stricter than YAML where that makes the rule shorter.
bool is_plain_safe(std::string_view text) {
    constexpr std::string_view kIndicators = "-?:,[]{}#&*!|>'\"%@` =<";
    if (text.empty() || kIndicators.find(text.front()) != text.npos) return false;
    if (text.back() == ' ' || text.back() == ':' || text.starts_with("...")) return false;
    if (text.find(": ") != text.npos || text.find(" #") != text.npos) return false;
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

std::string quote(std::string_view text) {
    std::string out = "\"";
    while (!text.empty()) {
        const std::string_view before = text;
        const auto c = take_character(text);
        if (!c) text.remove_prefix(1);
        const std::string_view raw = before.substr(0, before.size() - text.size());
        if (raw == "\"" || raw == "\\") {
            out += '\\';
            out += raw;
        } else if (raw == "\n") {
            out += "\\n";
        } else if (raw == "\t") {
            out += "\\t";
        } else if (c && *c == 0xfeff) {
            out += "\\ufeff";  // a parser may swallow a raw byte order mark
        } else {
            out += escaped(raw);
        }
    }
    return out + '"';
}

std::string scalar(const Tree& tree) {
    if (!tree.quoted && resolve(tree.text) != Scalar::kString) return tree.text;
    const bool plain = is_plain_safe(tree.text) && resolve(tree.text) == Scalar::kString &&
                       !is_special_in_yaml_1_1(tree.text);
    return plain ? tree.text : quote(tree.text);
}

class Printer {
 public:
    std::string print(const Tree& tree) && {
        node(tree, 0);
        return std::move(out_);
    }

 private:
    // Writes a node from the middle of a line; `indent` is for the lines after it.
    void node(const Tree& tree, std::size_t indent) {
        if (!tree.comment.empty()) comment_ = tree.comment;
        if (tree.kind == Tree::Kind::kNull) return end_line("null");
        if (tree.kind == Tree::Kind::kScalar) return end_line(scalar(tree));
        if (tree.kind == Tree::Kind::kList) return list(tree, indent);
        map(tree, indent);
    }

    void list(const Tree& tree, std::size_t indent) {
        if (tree.items.empty()) return end_line("[]");
        for (const Tree& item : tree.items) {
            begin_line(&item != &tree.items.front(), indent);
            out_ += "- ";
            node(item, indent + 2);
        }
    }

    void map(const Tree& tree, std::size_t indent) {
        if (tree.entries.empty()) return end_line("{}");
        for (const Tree::Entry& entry : tree.entries) {
            begin_line(&entry != &tree.entries.front(), indent);
            const Tree& value = entry.value;
            out_ += scalar(entry.key) + ":";
            if (value.items.empty() && value.entries.empty()) {
                out_ += ' ';
                node(value, indent);
                continue;
            }
            if (!value.comment.empty()) comment_ = value.comment;
            end_line("");
            out_.append(indent + 2, ' ');
            if (value.kind == Tree::Kind::kList) list(value, indent + 2);
            if (value.kind == Tree::Kind::kMap) map(value, indent + 2);
        }
    }

    // A nested node's first line continues its parent's line.
    void begin_line(bool further, std::size_t indent) {
        if (further) out_.append(indent, ' ');
    }

    void end_line(std::string_view text) {
        out_ += text;
        if (!comment_.empty()) out_ += "  # " + escaped(std::exchange(comment_, {}));
        out_ += '\n';
    }

    std::string out_;
    std::string comment_;  // written at the end of the line
};

}  // namespace

std::string to_yaml(const Tree& tree) {
    return Printer().print(tree);
}

}  // namespace sluice::base
