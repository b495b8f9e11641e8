// YAML text to Tree. Only this file uses yaml-cpp and catches its exceptions.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "base/tree.h"

namespace sluice::base {
namespace {

// Thrown through yaml-cpp, which offers no other way to stop it.
struct Stop {};

// yaml-cpp's messages for common mistakes, reworded for users.
std::string_view in_our_words(std::string_view message) {
    namespace theirs = YAML::ErrorMsg;
    static const std::pair<std::string_view, std::string_view> kWords[] = {
        {theirs::MAP_VALUE, "a ':' out of place; is the indentation wrong or a quote missing?"},
        {theirs::END_OF_MAP, "this doesn't continue the mapping above; is the indentation wrong?"},
        {theirs::END_OF_SEQ, "this doesn't continue the list above; is the indentation wrong?"},
        {theirs::END_OF_MAP_FLOW, "the ',' or '}' of a mapping is missing"},
        {theirs::END_OF_SEQ_FLOW, "the ',' or ']' of a list is missing"},
        {theirs::EOF_IN_SCALAR, "the file ends inside quotes"},
        {theirs::TAB_IN_INDENTATION, "a tab; indent with spaces"},
        {theirs::UNKNOWN_ANCHOR, "no anchor of this name stands above"},
        {theirs::UNKNOWN_TOKEN, "this character can't begin a value; put it in quotes"},
    };
    for (const auto& [theirs_text, ours] : kWords) {
        if (message == theirs_text) return ours;
    }
    return message;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        if (!take_character(text)) return false;
    }
    return true;
}

// Finds a tab in the indentation of the line where the parser stopped, or of the line before. The parser does not
// take a tab for indentation and fails at what follows.
std::optional<Error> find_tab(std::string_view text, const Place& stop) {
    std::optional<Error> found;
    for (int line = 1; line <= stop.line && !text.empty(); ++line) {
        const std::string_view content = text.substr(0, text.find('\n'));
        const std::size_t begin = content.find_first_not_of(" \t\r");
        const std::size_t tab = content.find('\t');
        if (line + 1 >= stop.line && begin != content.npos && tab < begin) {
            found = {"a tab; indent with spaces", {}, {stop.file, line, static_cast<int>(tab) + 1}};
        }
        text.remove_prefix(std::min(content.size() + 1, text.size()));
    }
    return found;
}

int weight(const Tree& tree) {
    int sum = 1 + static_cast<int>(std::min<std::size_t>(tree.text.size() / 100, kMaxAliasNodes));
    for (const Tree& item : tree.items) {
        if (sum > kMaxAliasNodes) break;
        sum += weight(item);
    }
    for (const auto& [key, value] : tree.entries) {
        if (sum > kMaxAliasNodes) break;
        sum += weight(key) + weight(value);
    }
    return sum;
}

// Builds the tree from yaml-cpp's events. Unlike yaml-cpp's Node, they show duplicate keys, quotes and every
// place.
class Builder : public YAML::EventHandler {
 public:
    Builder(std::string_view file, size_t most) : file_(file), most_(most) {}

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (started_ == most_) {
            report(at(mark), "the document ends before this; a file holds one document");
            throw Stop{};
        }
        // yaml-cpp takes a stray ',' for the beginning of one empty document after the other, without end.
        if (started_ != 0 && mark.pos == last_start_) {
            report(at(mark), "this character has no place here");
            throw Stop{};
        }
        last_start_ = mark.pos;
        ++started_;
        anchors_.clear();
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        Tree tree;
        place(tree, mark);
        // If a value is missing, yaml-cpp gives it the place of the next token.
        if (!open_.empty() && open_.back().key && open_.back().key->line != tree.line) {
            tree.line = open_.back().key->line;
            tree.column = open_.back().key->column;
        }
        finish(std::move(tree), anchor);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) {
            report(at(mark), "the alias is inside the node that it refers to");
            return finish(placed_null(mark), {});
        }
        if (!charge(found->second.weight)) {
            report(at(mark),
                   fmt::format("the aliases of this document expand to more than {} nodes",
                               kMaxAliasNodes));
            throw Stop{};
        }
        // Without this check, a copied map could nest deeper than a written one.
        if (static_cast<int>(open_.size()) + found->second.depth > kMaxDepth) stop_too_deep(mark);
        finish(found->second.tree, {}, found->second.depth);
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        refuse_tag(mark, tag);
        // yaml-cpp turns the escapes \N and \_ into a single byte of Latin-1.
        if (!is_utf8(value)) report(at(mark), "an escape in these quotes isn't a character");
        Tree tree = tag == "!" ? Tree::string(value) : Tree::plain(value);
        place(tree, mark);
        finish(std::move(tree), anchor);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        start(Tree::list(), mark, tag, anchor);
    }
    void OnSequenceEnd() override { end(); }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        start(Tree::map(), mark, tag, anchor);
    }
    void OnMapEnd() override { end(); }

    void report(Place place, std::string message) {
        errors_.push_back({std::move(message), {}, std::move(place)});
        if (is_full(errors_)) throw Stop{};
    }

    // `end` is the end of the text; a missing token there is reported at `end`.
    void report_syntax(const YAML::Exception& error, std::string_view text, const Place& end) {
        // Some of yaml-cpp's exceptions have no place.
        Place place = error.mark.is_null() || error.mark.line < 0 ? last_ : at(error.mark);
        if (std::tie(place.line, place.column) > std::tie(end.line, end.column)) place = end;
        if (auto tab = find_tab(text, place)) return errors_.push_back(std::move(*tab));
        std::string message(in_our_words(error.msg));
        if (!open_.empty() && message.ends_with("is missing")) {
            const Tree& tree = open_.back().tree;
            message += fmt::format("; it opens at line {}, column {}", tree.line, tree.column);
        }
        errors_.push_back({std::move(message), {}, std::move(place)});
    }

    // Without documents that are empty.
    tl::expected<std::vector<Document>, Errors> result() && {
        limit(errors_);
        if (!errors_.empty()) return tl::unexpected(std::move(errors_));
        return std::move(documents_);
    }

 private:
    // A list or a map whose end has not been read yet.
    struct Open {
        Tree tree;
        YAML::anchor_t anchor = 0;
        int depth = 1;            // of its nested nodes, itself included
        std::optional<Tree> key;  // of a map: the key that was read and has no value yet
        std::unordered_map<std::string, Place> keys;
    };
    struct Anchored {
        Tree tree;
        int weight = 0;
        int depth = 0;
    };

    Place at(const YAML::Mark& mark) const {
        return {file_, mark.line + 1, mark.column + 1};
    }

    void place(Tree& tree, const YAML::Mark& mark) {
        last_ = at(mark);
        tree.line = last_.line;
        tree.column = last_.column;
    }

    Tree placed_null(const YAML::Mark& mark) {
        Tree tree;
        place(tree, mark);
        return tree;
    }

    void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
        // yaml-cpp reports "?" for an untagged plain scalar and "!" for other untagged scalars.
        if (tag.empty() || tag == "?" || tag == "!") return;
        // The user may mean a word that only looks like a tag: `tcp-flags: [syn, !ack]`.
        report(at(mark), fmt::format("the tag {} isn't supported; leave it out{}", shown(tag),
                                     tag.starts_with('!') ? ", or put it in quotes" : ""));
    }

    [[noreturn]] void stop_too_deep(const YAML::Mark& mark) {
        report(at(mark), fmt::format("nested deeper than {} levels", kMaxDepth));
        throw Stop{};
    }

    void start(Tree tree, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
        refuse_tag(mark, tag);
        if (open_.size() >= static_cast<std::size_t>(kMaxDepth)) stop_too_deep(mark);
        place(tree, mark);
        open_.push_back({std::move(tree), anchor, 1, {}, {}});
    }

    void end() {
        Open open = std::move(open_.back());
        open_.pop_back();
        finish(std::move(open.tree), open.anchor, open.depth);
    }

    bool charge(int nodes) {
        copied_ += nodes;
        return copied_ <= kMaxAliasNodes;
    }

    // Puts a complete node where it belongs.
    void finish(Tree tree, YAML::anchor_t anchor, int depth = 1) {
        if (anchor != 0) remember(tree, anchor, depth);
        if (open_.empty()) {
            if (tree.kind != Tree::Kind::kNull) documents_.push_back({file_, std::move(tree)});
            return;
        }
        Open& parent = open_.back();
        parent.depth = std::max(parent.depth, depth + 1);
        if (parent.tree.kind == Tree::Kind::kList) {
            parent.tree.items.push_back(std::move(tree));
        } else if (parent.key) {
            parent.tree.entries.push_back({std::move(*parent.key), std::move(tree)});
            parent.key.reset();
        } else {
            check_key(parent, tree);
            parent.key = std::move(tree);
        }
    }

    // The anchor's copy counts as an expansion. Otherwise nested anchors could fill the memory without an alias.
    void remember(const Tree& tree, YAML::anchor_t anchor, int depth) {
        const int nodes = weight(tree);
        if (copied_ + nodes > kMaxAliasNodes) {
            anchors_[anchor] = {{}, kMaxAliasNodes + 1, depth};  // an alias to it is refused
            return;
        }
        charge(nodes);
        anchors_[anchor] = {tree, nodes, depth};
    }

    void check_key(Open& map, const Tree& key) {
        const Place here{file_, key.line, key.column};
        if (key.kind != Tree::Kind::kScalar) {
            report(here, "a key must be a word, not a list, a mapping or null");
            return;
        }
        const auto [first, is_new] = map.keys.emplace(key.text, here);
        if (is_new) return;
        report(here,
               fmt::format("the key {} is given twice; it stands at line {}, column {} already",
                           shown(key.text), first->second.line, first->second.column));
    }

    std::string file_;
    size_t most_;         // documents that the file may hold
    size_t started_ = 0;  // documents
    int last_start_ = 0;
    std::vector<Document> documents_;
    Errors errors_;
    std::vector<Open> open_;
    std::unordered_map<YAML::anchor_t, Anchored> anchors_;
    Place last_{{}, 1, 1};
    int copied_ = 0;
};

// Moves `place` to the end of the text, or to the first character that is not allowed. yaml-cpp takes NUL for the
// sign of UTF-16, EOT for the end of the file, and any byte for text.
std::optional<Error> find_bad_character(std::string_view text, Place& place) {
    while (!text.empty()) {
        const std::size_t before = text.size();
        const auto byte = static_cast<unsigned char>(text[0]);
        const auto c = take_character(text);
        if (!c) return Error{fmt::format("byte 0x{:02x} isn't UTF-8 text here", byte), {}, place};
        if (is_control(*c) && *c != '\n' && *c != '\t' && *c != '\r') {
            const unsigned code = *c;
            return Error{fmt::format("control character U+{:04X}", code), {}, place};
        }
        place.column += static_cast<int>(before - text.size());
        if (*c == '\n') {
            ++place.line;
            place.column = 1;
        }
    }
    return std::nullopt;
}

tl::expected<std::vector<Document>, Errors> parse(std::string_view text, std::string_view file, size_t most) {
    Place end{std::string(file), 1, 1};
    if (auto error = find_bad_character(text, end)) {
        return tl::unexpected(Errors{std::move(*error)});
    }
    // yaml-cpp accepts a file that ends inside quotes, unless the file's last character is visible. The comment
    // that is added here is visible and changes nothing in a valid file.
    std::istringstream stream{fmt::format("{}{}#", text, text.ends_with('\n') ? "" : "\n")};
    Builder builder(file, most);
    try {
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder)) {
        }
    } catch (const Stop&) {
        // Reported already.
    } catch (const YAML::Exception& error) {
        builder.report_syntax(error, text, end);
    }
    return std::move(builder).result();
}

}  // namespace

tl::expected<Document, Errors> parse_yaml(std::string_view text, std::string_view file) {
    auto documents = parse(text, file, 1);
    if (!documents) return tl::unexpected(std::move(documents.error()));
    if (documents->empty()) return Document{std::string(file), Tree::map()};
    return std::move(documents->front());
}

tl::expected<std::vector<Document>, Errors> parse_yaml_stream(std::string_view text, std::string_view file) {
    return parse(text, file, SIZE_MAX);
}

}  // namespace sluice::base
