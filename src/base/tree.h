// One YAML or JSON document as plain data. The configuration file, manifests and requests on the control socket
// all become a Tree first. The same readers (base/fields.h) take it from there, so that a mistake gets the same
// message wherever it was made.
//
// A Tree's format has been checked: one document, scalar keys that are unique in each mapping, bounded depth,
// aliases replaced by copies. The meaning of its keys and values has not. Any thread; plain values.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "base/error.h"

namespace sluice::base {

struct Tree {
    enum class Kind : unsigned char { kNull, kScalar, kList, kMap };
    struct Entry;

    Kind kind = Kind::kNull;
    bool quoted = false;         // a scalar that is a string whatever its text looks like
    bool is_no_string = false;   // a JSON number, true or false
    int line = 0;                // from 1; 0 if the tree was not parsed from a file
    int column = 0;              // from 1, in bytes
    std::string text;            // of a scalar
    std::vector<Tree> items;     // of a list
    std::vector<Entry> entries;  // of a map, in the document's order
    std::string comment;         // to_yaml() appends it to the node's first line

    // Defaulted after Entry: clang needs the complete Entry where these are defined.
    Tree();
    Tree(const Tree& other);
    Tree(Tree&& other) noexcept;
    Tree& operator=(const Tree& other);
    Tree& operator=(Tree&& other) noexcept;
    ~Tree();

    static Tree plain(std::string text);   // a number, a boolean, a word
    static Tree string(std::string text);  // a string, even if it reads "yes" or "010"
    static Tree list(std::vector<Tree> items = {});
    static Tree map();

    // Appends an entry to a map.
    void add(std::string_view key, Tree value);
    // The value of a map's key, or nullptr.
    const Tree* find(std::string_view key) const;

    // Compares meaning: places, comments and needless quotes do not count.
    friend bool operator==(const Tree& a, const Tree& b);
};

struct Tree::Entry {
    Tree key;
    Tree value;
};

inline Tree::Tree() = default;
inline Tree::Tree(const Tree& other) = default;
inline Tree::Tree(Tree&& other) noexcept = default;
inline Tree& Tree::operator=(const Tree& other) = default;
inline Tree& Tree::operator=(Tree&& other) noexcept = default;
inline Tree::~Tree() = default;

struct Document {
    std::string file;  // as the user gave it; empty for a request
    Tree root;

    Place place(const Tree& tree) const { return {file, tree.line, tree.column}; }
};

// What a reader has met, for a message: "a list", "nothing".
std::string_view found(const Tree& tree);

// The type that YAML's core schema gives a plain scalar.
enum class Scalar { kNull, kBool, kInteger, kFloat, kString };
Scalar resolve(std::string_view text);

// The deepest nesting of a document.
constexpr int kMaxDepth = 64;
// The most nodes that all copies made by a document's anchors and aliases may hold together (a long scalar counts
// as several). Without this limit, a page of text could fill the memory.
constexpr int kMaxAliasNodes = 100'000;

// Reports every mistake that the parser can get past, each with its line and column. An empty document gives an
// empty map.
tl::expected<Document, Errors> parse_yaml(std::string_view text, std::string_view file);
// The same of a file of several documents, which `---` separates. Empty documents are left out.
tl::expected<std::vector<Document>, Errors> parse_yaml_stream(std::string_view text, std::string_view file);
// A JSON text (RFC 8259), ten times as fast as by the YAML parser. Stops at the first mistake of its syntax.
tl::expected<Document, Errors> parse_json(std::string_view text, std::string_view file);

// Nodes deeper than kMaxDepth become null, which no reader accepts.
Document from_json(const nlohmann::json& json);

// Block style. Parsing the text gives an equal tree.
std::string to_yaml(const Tree& tree);
nlohmann::json to_json(const Tree& tree);

}  // namespace sluice::base
