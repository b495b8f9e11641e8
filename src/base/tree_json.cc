// JSON text to Tree, with the place of each value.
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "base/tree.h"

namespace sluice::base {
namespace {

// Follows the characters that nlohmann's lexer takes, and remembers where its last token begins. The lexer takes
// one character beyond a number or a word; that one begins no token where the text is valid.
class Tracker {
 public:
    void take(char c) noexcept {
        if (in_string_) {
            in_string_ = is_escaped_ || c != '"';
            is_escaped_ = !is_escaped_ && c == '\\';
        } else if (c == '"' || c == '{' || c == '[') {
            begin();
            in_string_ = c == '"';
            in_word_ = false;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' || c == ':' || c == ']' ||
                   c == '}') {
            in_word_ = false;
        } else if (!in_word_) {
            begin();
            in_word_ = true;
        }
        ++column_;
        if (c == '\n') {
            ++line_;
            column_ = 1;
        }
    }
    // Of the last token.
    int token_line() const noexcept { return token_line_; }
    int token_column() const noexcept { return token_column_; }
    // Of the last character that was taken.
    int line() const noexcept { return line_; }
    int column() const noexcept { return std::max(column_ - 1, 1); }

 private:
    void begin() noexcept {
        token_line_ = line_;
        token_column_ = column_;
    }

    int line_ = 1, column_ = 1;
    int token_line_ = 1, token_column_ = 1;
    bool in_string_ = false, is_escaped_ = false, in_word_ = false;
};

// Gives the lexer the text, and the tracker each character that the lexer has taken.
class TrackedText {
 public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    TrackedText(const char* at, Tracker* tracker) : at_(at), tracker_(tracker) {}
    reference operator*() const noexcept { return *at_; }
    TrackedText& operator++() noexcept {
        tracker_->take(*at_++);
        return *this;
    }
    TrackedText operator++(int) noexcept {
        const TrackedText before = *this;
        ++*this;
        return before;
    }
    bool operator==(const TrackedText& other) const noexcept { return at_ == other.at_; }
    bool operator!=(const TrackedText& other) const noexcept { return at_ != other.at_; }

 private:
    const char* at_;
    Tracker* tracker_;
};

class JsonBuilder : public nlohmann::json_sax<nlohmann::json> {
 public:
    JsonBuilder(std::string_view file, const Tracker& tracker) : file_(file), tracker_(tracker) {}

    bool null() override { return add({}); }
    bool boolean(bool value) override { return add_plain(value ? "true" : "false"); }
    bool number_integer(number_integer_t value) override { return add_plain(std::to_string(value)); }
    bool number_unsigned(number_unsigned_t value) override { return add_plain(std::to_string(value)); }
    bool number_float(number_float_t, const string_t& text) override { return add_plain(text); }
    bool string(string_t& value) override { return add(Tree::string(std::move(value))); }
    bool binary(binary_t&) override { return false; }  // no JSON text has any
    bool start_object(std::size_t) override { return open(Tree::map()); }
    bool start_array(std::size_t) override { return open(Tree::list()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& value) override {
        Open& map = open_.back();
        const std::pair here{tracker_.token_line(), tracker_.token_column()};
        if (const auto [first, is_new] = map.keys.emplace(value, here); !is_new) {
            errors_.push_back({fmt::format("the key {} is given twice; it stands at line {}, column {} already",
                                           shown(value), first->second.first, first->second.second),
                               {},
                               {file_, here.first, here.second}});
            if (is_full(errors_)) return false;
        }
        map.key = placed(Tree::string(std::move(value)));
        return true;
    }

    bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) override {
        // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while …"
        std::string_view what = error.what();
        if (const size_t colon = what.find(": "); colon != what.npos) what.remove_prefix(colon + 2);
        errors_.push_back({fmt::format("this is not valid JSON: {}", escaped(what)),
                           {},
                           {file_, tracker_.line(), tracker_.column()}});
        return false;
    }

    tl::expected<Document, Errors> result() && {
        limit(errors_);
        if (!errors_.empty()) return tl::unexpected(std::move(errors_));
        return Document{std::move(file_), std::move(root_)};
    }

 private:
    struct Open {
        Tree tree;
        Tree key;                                                   // of a map: the one whose value comes next
        std::unordered_map<std::string, std::pair<int, int>> keys;  // line and column
    };

    Tree placed(Tree tree) const {
        tree.line = tracker_.token_line();
        tree.column = tracker_.token_column();
        return tree;
    }
    bool add_plain(std::string text) {
        Tree tree = Tree::plain(std::move(text));
        tree.is_no_string = true;
        return add(std::move(tree));
    }
    bool add(Tree tree) {
        finish(placed(std::move(tree)));
        return true;
    }
    bool open(Tree tree) {
        tree = placed(std::move(tree));
        if (open_.size() >= static_cast<std::size_t>(kMaxDepth)) {
            errors_.push_back(
                {fmt::format("nested deeper than {} levels", kMaxDepth), {}, {file_, tree.line, tree.column}});
            return false;
        }
        open_.push_back({std::move(tree), {}, {}});
        return true;
    }
    bool close() {
        Tree tree = std::move(open_.back().tree);
        open_.pop_back();
        finish(std::move(tree));
        return true;
    }
    void finish(Tree tree) {
        if (open_.empty()) {
            root_ = std::move(tree);
            return;
        }
        Open& parent = open_.back();
        if (parent.tree.kind == Tree::Kind::kList) {
            parent.tree.items.push_back(std::move(tree));
        } else {
            parent.tree.entries.push_back({std::move(parent.key), std::move(tree)});
        }
    }

    std::string file_;
    const Tracker& tracker_;
    Tree root_;
    Errors errors_;
    std::vector<Open> open_;
};

}  // namespace

tl::expected<Document, Errors> parse_json(std::string_view text, std::string_view file) {
    Tracker tracker;
    JsonBuilder builder(file, tracker);
    const TrackedText begin(text.data(), &tracker);
    const TrackedText end(text.data() + text.size(), &tracker);
    nlohmann::json::sax_parse(begin, end, &builder);
    return std::move(builder).result();
}

}  // namespace sluice::base
