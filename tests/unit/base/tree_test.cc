#include "base/tree.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

namespace sluice::base {
namespace {

using namespace std::string_literals;

// Every error of the text, a line each.
std::string errors_of(std::string_view text) {
    const auto document = parse_yaml(text, "f");
    std::string out;
    if (!document) {
        for (const Error& error : document.error()) out += error.text() + "\n";
    }
    return out;
}

Tree tree_of(std::string_view text) {
    const auto document = parse_yaml(text, "f");
    EXPECT_TRUE(document) << text << "\n" << errors_of(text);
    return document ? document->root : Tree{};
}

bool has_error(std::string_view text, std::string_view beginning) {
    const std::string errors = errors_of(text);
    EXPECT_TRUE(errors.starts_with(beginning)) << "wanted: " << beginning << "\nfound: " << errors;
    return errors.starts_with(beginning);
}

constexpr std::string_view kValid = R"(# a host
networks:
  - name: blue
    subnets: [10.10.0.0/24, "fd00:10::/64"]
    vxlan: {vni: 100, remotes: [192.0.2.2]}
ports: &ports
  - {name: web, address: [10.10.0.2], labels: {app: "we\tb"}}
  - name: 'it''s'
    text: |
      two
      lines
copy: *ports
? odd
: ~
)";

TEST(Tree, KeepsOrderPlacesAndQuotes) {
    const Tree tree = tree_of(kValid);
    ASSERT_EQ(tree.entries.size(), 4U);
    EXPECT_EQ(tree.entries[1].key.text, "ports");
    const Tree& web = tree.find("ports")->items[0];
    EXPECT_EQ(web.line, 7);
    EXPECT_EQ(web.column, 5);
    const Tree& subnets = *tree.find("networks")->items[0].find("subnets");
    EXPECT_FALSE(subnets.items[0].quoted);
    EXPECT_TRUE(subnets.items[1].quoted);
    EXPECT_EQ(subnets.items[1].line, 4);
    EXPECT_EQ(subnets.items[1].column, 29);
    EXPECT_EQ(*tree.find("copy"), *tree.find("ports"));
    EXPECT_EQ(tree.find("odd")->kind, Tree::Kind::kNull);
}

TEST(Tree, EmptyDocumentIsAnEmptyMap) {
    for (std::string_view text : {"", "\n", "# nothing\n", "---\n", "---\n...\n", "\xef\xbb\xbf"}) {
        EXPECT_EQ(tree_of(text), Tree::map()) << text;
    }
}

TEST(Tree, MissingValueStandsWhereItsKeyStands) {
    const Tree tree = tree_of("a:\n\n\nb: 1\n");
    EXPECT_EQ(tree.find("a")->line, 1);
}

TEST(Tree, SyntaxErrorHasItsPlace) {
    EXPECT_EQ(errors_of("a: 1\nb: [1, 2\nc: 3\n"),
              "f:3:2: the ',' or ']' of a list is missing; it opens at line 2, column 4\n");
    EXPECT_EQ(errors_of("a: {b: 1\n"),
              "f:2:1: the ',' or '}' of a mapping is missing; it opens at line 1, column 4\n");
    has_error("a: 1\n\tb: 2\n", "f:2:1: a tab; indent with spaces");
    has_error("ports:\n\t- name: a\n", "f:2:1: a tab; indent with spaces");
    has_error("ports:\n  - name: a\n\t  netns: a\n", "f:3:1: a tab; indent with spaces");
    has_error("a: b: c\n", "f:1:5: a ':' out of place");
    has_error("a: 1\n  b: 2\n", "f:2:4: a ':' out of place");
    has_error("a:\n  b: 1\n c: 2\n", "f:3:2: this doesn't continue the mapping above");
    has_error("a: @x\n", "f:1:4: this character can't begin a value");
}

TEST(Tree, FileCutOffInsideQuotesIsRefused) {
    for (std::string_view text : {"a: \"x", "a: \"x ", "a: 'x\n", "a: &a \"x\n\n", "a: ['x\n  "}) {
        EXPECT_NE(errors_of(text).find("the file ends inside quotes"), std::string::npos) << text;
    }
    EXPECT_EQ(tree_of("a: |\n  x\n\n").find("a")->text, "x\n");
    EXPECT_EQ(tree_of("a: |+\n  x\n\n").find("a")->text, "x\n\n");
}

TEST(Tree, BytesThatAreNotTextAreRefused) {
    has_error("a: 1\nb: x\0y\n"s, "f:2:5: control character U+0000");
    has_error("a: \xff\n", "f:1:4: byte 0xff isn't UTF-8 text here");
    has_error("a: \x1b[2J\n", "f:1:4: control character U+001B");
    has_error("\xff\xfe\x61\x00"s, "f:1:1: byte 0xff");
    has_error("a: \xc2\x9b\n", "f:1:4: control character U+009B");
    has_error("a: \"x\\N\"\n", "f:1:4: an escape in these quotes isn't a character");
    EXPECT_EQ(errors_of("a: Zürich\r\n"), "");
}

TEST(Tree, DuplicateKeyNamesBothPlaces) {
    EXPECT_EQ(errors_of("a: 1\nb: {c: 1, c: 2}\n\"a\": 3\n"),
              "f:2:11: the key 'c' is given twice; it stands at line 2, column 5 already\n"
              "f:3:1: the key 'a' is given twice; it stands at line 1, column 1 already\n");
}

TEST(Tree, KeyMustBeAScalar) {
    const std::string message = "a key must be a word, not a list, a mapping or null\n";
    EXPECT_EQ(errors_of("[a]: 1\nb: 2\n"), "f:1:1: " + message);
    EXPECT_EQ(errors_of("x:\n  {a: 1}: 1\n"), "f:2:3: " + message);
    EXPECT_EQ(errors_of("~: 1\n"), "f:1:1: " + message);
}

TEST(Tree, SecondDocumentIsRefused) {
    EXPECT_EQ(errors_of("a: 1\n---\nb: 2\n"),
              "f:2:1: the document ends before this; a file holds one document\n");
    has_error("[a] b\n", "f:1:5: the document ends before this");
}

TEST(Tree, TagsAreRefused) {
    EXPECT_EQ(
        errors_of("a: !!python/object:os.system x\nb: !mine [1]\nc: !!int 3\nd: !!set {}\n"),
        "f:1:4: the tag 'tag:yaml.org,2002:python/object:os.system' isn't supported; leave it "
        "out\n"
        "f:2:4: the tag '!mine' isn't supported; leave it out, or put it in quotes\n"
        "f:3:4: the tag 'tag:yaml.org,2002:int' isn't supported; leave it out\n"
        "f:4:4: the tag 'tag:yaml.org,2002:set' isn't supported; leave it out\n");
    has_error("a: !!python/object\nb: 1\n", "f:1:4: the tag");
    EXPECT_EQ(errors_of("tcp-flags: [syn, !ack]\n"),
              "f:1:18: the tag '!ack' isn't supported; leave it out, or put it in quotes\n");
    EXPECT_EQ(errors_of("tcp-flags: [syn, \"!ack\"]\n"), "");
}

TEST(Tree, NestingIsBounded) {
    const auto nested = [](int depth) {
        return "a: " + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "\n";
    };
    EXPECT_EQ(errors_of(nested(64)), "");
    EXPECT_EQ(errors_of(nested(65)), "f:1:67: nested deeper than 64 levels\n");
    has_error(std::string(100'000, '['), "f:1:");
    has_error("a: &x " + std::string(40, '[') + std::string(40, ']') +
                  "\nb: " + std::string(40, '[') + "*x" + std::string(40, ']') + "\n",
              "f:2:44: nested deeper than 64 levels\n");
}

TEST(Tree, AliasBombIsRefusedWithItsPlace) {
    std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 9; ++i) {
        bomb += fmt::format("a{0}: &a{0} [", i);
        for (int j = 0; j < 10; ++j) bomb += fmt::format("*a{}, ", i - 1);
        bomb += "]\n";
    }
    has_error(bomb, "f:5:");
    EXPECT_NE(errors_of(bomb).find("expand to more than 100000 nodes"), std::string::npos);
}

TEST(Tree, LongScalarIsNoBombEither) {
    std::string bomb = "a: &a " + std::string(1'000'000, 'x') + "\nb: [";
    for (int i = 0; i < 1000; ++i) bomb += "*a, ";
    has_error(bomb + "]\n", "f:2:");
}

TEST(Tree, AliasMustBeDefinedAndFinite) {
    has_error("a: 1\nb: *nowhere\n", "f:2:4: ");
    has_error("a: &a [1, *a]\n", "f:1:11: the alias is inside the node that it refers to");
    has_error("a: &a {b: *a}\n", "f:1:11: the alias is inside the node that it refers to");
}

TEST(Tree, ReportsAllErrorsButNotWithoutEnd) {
    std::string text;
    for (int i = 0; i < 1000; ++i) text += "a: 1\n";
    EXPECT_EQ(parse_yaml(text, "f").error().size(), kMaxErrors + 1);
}

TEST(Tree, PlainScalarsResolveByTheCoreSchema) {
    for (std::string_view text : {"0", "-1", "+12", "010", "0o17", "0xfF"}) {
        EXPECT_EQ(resolve(text), Scalar::kInteger) << text;
    }
    for (std::string_view text : {"1.", ".5", "1e3", "-1.5E-3", ".inf", "-.INF", ".nan"}) {
        EXPECT_EQ(resolve(text), Scalar::kFloat) << text;
    }
    for (std::string_view text : {"yes", "1a", "-", ".", "0x", "1e", "10.0.0.1", "-0x1", "tRUE"}) {
        EXPECT_EQ(resolve(text), Scalar::kString) << text;
    }
}

const std::vector<std::string> kAwkward = {"",
                                           "yes",
                                           "No",
                                           "010",
                                           "1e3",
                                           "0x1f",
                                           "null",
                                           "~",
                                           "true",
                                           "a: b",
                                           "a:",
                                           "a #b",
                                           "#",
                                           "- x",
                                           "-",
                                           "?",
                                           "? x",
                                           "[",
                                           "{a}",
                                           "*a",
                                           "&a",
                                           "!x",
                                           "%x",
                                           "@x",
                                           "`x",
                                           "|",
                                           ">",
                                           "'",
                                           "\"",
                                           "\\",
                                           "a\nb",
                                           " a",
                                           "a ",
                                           "a\tb",
                                           "---",
                                           "...",
                                           "...x",
                                           "<<",
                                           "=",
                                           "Zürich",
                                           "::1",
                                           "fd00::",
                                           "10:20:30:40:50:51",
                                           "a,b",
                                           "x]",
                                           "\x01",
                                           "\x7f",
                                           "\xc2\x85",
                                           "\xef\xbb\xbf",
                                           "\xe2\x80\xa8",
                                           "1_000",
                                           ".5",
                                           "key: [",
                                           "a\r\nb"};

TEST(Tree, AwkwardStringsSurviveYaml) {
    Tree list = Tree::list(), map = Tree::map();
    for (const std::string& text : kAwkward) {
        // What holds a control character comes back through escapes, as a quoted scalar.
        list.items.push_back(Tree::string(text));
        map.add("k " + text, Tree::list({Tree::string(text)}));
        map.add(text + "z", Tree::string(text));
    }
    Tree root = Tree::map();
    root.add("list", Tree::list({list, map, Tree::list({Tree::list(), Tree::map(), Tree{}})}));
    root.add("map", map);
    const std::string text = to_yaml(root);
    EXPECT_EQ(tree_of(text), root) << text;
    EXPECT_EQ(from_json(to_json(root)).root.find("list")->items[0], list);
}

TEST(Tree, YamlIsReadableAndNamesTheOrigin) {
    Tree port = Tree::map();
    port.add("name", Tree::string("web"));
    port.add("address", Tree::list({Tree::plain("10.0.0.2")}));
    port.add("vlan", Tree::plain("5"));
    port.add("tag", Tree::string("5"));
    port.comment = "added\nby command";
    Tree root = Tree::map();
    root.add("ports", Tree::list({port}));
    root.add("routes", Tree::list());
    EXPECT_EQ(to_yaml(root),
              "ports:\n"
              "  - name: web  # added\\x0aby command\n"
              "    address:\n"
              "      - 10.0.0.2\n"
              "    vlan: 5\n"
              "    tag: \"5\"\n"
              "routes: []\n");
    EXPECT_EQ(tree_of(to_yaml(root)), root);
}

TEST(Tree, ValidDocumentSurvivesYaml) {
    const Tree tree = tree_of(kValid);
    EXPECT_EQ(tree_of(to_yaml(tree)), tree) << to_yaml(tree);
}

TEST(Tree, JsonTypesFollowTheCoreSchema) {
    const Tree tree =
        tree_of("[1, -2, 0x10, 1.5, true, ~, \"1\", yes, 18446744073709551615, .inf]");
    EXPECT_EQ(to_json(tree).dump(),
              R"([1,-2,16,1.5,true,null,"1","yes",18446744073709551615,".inf"])");
    EXPECT_EQ(from_json(nlohmann::json::parse("[1, \"1\"]")).root,
              Tree::list({Tree::plain("1"), Tree::string("1")}));
}

TEST(Tree, DeepJsonIsCutNotFollowed) {
    const auto json = nlohmann::json::parse(std::string(100'000, '[') + std::string(100'000, ']'));
    Document document = from_json(json);
    const Tree* tree = &document.root;
    int depth = 0;
    for (; tree->kind == Tree::Kind::kList; tree = &tree->items.at(0)) ++depth;
    EXPECT_EQ(depth, 64);
}

// Whatever a file holds: no crash, no hang, and every error has a place.
TEST(Tree, MutatedDocumentsParseOrFailWithAPlace) {
    std::mt19937 random(20240607);
    constexpr std::string_view kPieces[] = {"[",   "]",    "{",     "}",      ":",    ": ", "- ",
                                            "\n",  "  ",   "&a ",   "*a",     "!!x ", "\"", "'",
                                            "|\n", "? ",   "# ",    "---\n",  "\t",   ",",  "%",
                                            "\\",  "\xff", "...\n", "*ports", "<<: ", "!",  "@"};
    const auto below = [&](std::size_t bound) { return random() % bound; };
    int parsed = 0;
    for (int round = 0; round < 3000; ++round) {
        std::string text(kValid);
        for (std::size_t edits = 1 + below(4); edits > 0 && !text.empty(); --edits) {
            const std::size_t at = below(text.size());
            switch (below(4)) {
                case 0:
                    text.insert(at, kPieces[below(std::size(kPieces))]);
                    break;
                case 1:
                    text.erase(at, 1 + below(6));
                    break;
                case 2:
                    text[at] = static_cast<char>(below(256));
                    break;
                default:
                    text.insert(below(text.size()), text.substr(at, below(30)));
            }
        }
        const auto document = parse_yaml(text, "f");
        if (document) {
            ++parsed;
            const std::string again = to_yaml(document->root);
            const auto reread = parse_yaml(again, "f");
            ASSERT_TRUE(reread) << text << "\n=>\n" << again << errors_of(again);
            ASSERT_EQ(reread->root, document->root) << text << "\n=>\n" << again;
            continue;
        }
        ASSERT_FALSE(document.error().empty());
        for (const Error& error : document.error()) {
            ASSERT_GT(error.place.line, 0) << error.text() << "\n" << text;
            ASSERT_GT(error.place.column, 0) << error.text() << "\n" << text;
        }
    }
    EXPECT_GT(parsed, 100);
}

// Every mistake of a JSON text, a line each.
std::string json_errors_of(std::string_view text) {
    const auto document = parse_json(text, "f");
    std::string out;
    if (!document) {
        for (const Error& error : document.error()) out += error.text() + "\n";
    }
    return out;
}

TEST(TreeJson, ReadsWhatTheYamlParserReads) {
    const std::string_view text = R"({"name": "a\"{b", "list": [1, -2.5e3, true, null, {}, []],
  "deep": {"x": {"y": "z"}}, "empty": ""})";
    const auto json = parse_json(text, "f");
    ASSERT_TRUE(json) << json_errors_of(text);
    EXPECT_EQ(json->root, tree_of(text));
    EXPECT_EQ(to_json(json->root), nlohmann::json::parse(text));
}

TEST(TreeJson, KnowsThePlaceOfEachValue) {
    const auto json = parse_json("{\"a\": 1,\n \"b\" :[ true,\n\t{\"c\":\"x\\\"y\"}, 12]\n}", "f");
    ASSERT_TRUE(json);
    const auto place = [](const Tree& tree) { return std::pair{tree.line, tree.column}; };
    EXPECT_EQ(place(json->root), std::pair(1, 1));
    EXPECT_EQ(place(*json->root.find("a")), std::pair(1, 7));
    const Tree& b = *json->root.find("b");
    EXPECT_EQ(place(json->root.entries[1].key), std::pair(2, 2));
    EXPECT_EQ(place(b), std::pair(2, 7));
    EXPECT_EQ(place(b.items[0]), std::pair(2, 9));
    EXPECT_EQ(place(b.items[1]), std::pair(3, 2));
    EXPECT_EQ(place(*b.items[1].find("c")), std::pair(3, 7));
    EXPECT_EQ(place(b.items[2]), std::pair(3, 16));
}

TEST(TreeJson, TellsWhatIsWrongAndWhere) {
    EXPECT_TRUE(json_errors_of("{\"a\": 1,\n \"a\": 2}").starts_with(
        "f:2:2: the key 'a' is given twice; it stands at line 1, column 2 already"))
        << json_errors_of("{\"a\": 1,\n \"a\": 2}");
    EXPECT_TRUE(json_errors_of("{\"a\":\n  }").starts_with("f:2:3: this is not valid JSON: "))
        << json_errors_of("{\"a\":\n  }");
    EXPECT_NE(json_errors_of("").find("f:1:1: this is not valid JSON"), std::string::npos) << json_errors_of("");
    EXPECT_NE(json_errors_of("{} {}").find("not valid JSON"), std::string::npos);
    EXPECT_NE(json_errors_of("\"\xff\"").find("not valid JSON"), std::string::npos);
    const std::string deep = std::string(100, '[') + std::string(100, ']');
    EXPECT_NE(json_errors_of(deep).find("f:1:65: nested deeper than 64 levels"), std::string::npos)
        << json_errors_of(deep);
}

TEST(Tree, AStreamHoldsSeveralDocuments) {
    const auto documents = parse_yaml_stream("a: 1\n---\n---\n# nothing\n---\nb: [2]\n...\n", "f");
    ASSERT_TRUE(documents);
    ASSERT_EQ(documents->size(), 2U);
    EXPECT_EQ((*documents)[0].root, tree_of("a: 1"));
    EXPECT_EQ((*documents)[1].root, tree_of("b: [2]"));
    EXPECT_EQ((*documents)[1].root.find("b")->line, 6);
    EXPECT_TRUE(parse_yaml_stream("", "f")->empty());
    // yaml-cpp finds one empty document after the other here.
    const auto stray = parse_yaml_stream("a: 1\n---\n,\n", "f");
    ASSERT_FALSE(stray);
    EXPECT_EQ(stray.error().back().text(), "f:3:1: this character has no place here");
    // An anchor belongs to its document.
    EXPECT_FALSE(parse_yaml_stream("a: &x 1\n---\nb: *x\n", "f"));
}

}  // namespace
}  // namespace sluice::base
