#include "base/fields.h"

#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "sluice/address.h"

namespace shop {  // another layer's namespace: everything is found by ADL

using namespace sluice;

enum class Idle { kAdaptive, kPoll };
constexpr auto names(Idle) {
    return std::array{base::Name{Idle::kAdaptive, "adaptive"}, base::Name{Idle::kPoll, "poll"}};
}

struct Vxlan {
    std::uint32_t vni = 0;
    std::vector<IpAddress> remotes;
    bool operator==(const Vxlan&) const = default;
};
template <class V>
void fields(V& v, Vxlan& x) {
    v.required("vni", x.vni, base::Range{1, 16777215});
    v.optional("remotes", x.remotes);
}

struct Port {
    std::string name;
    std::vector<InterfaceAddress> address;
    std::optional<MacAddress> mac;
    std::optional<Vxlan> vxlan;
    std::uint16_t mtu = 1500;
    bool trusted = false;
    base::Place place;
    bool operator==(const Port&) const = default;
};
template <class V>
void fields(V& v, Port& p) {
    v.required("name", p.name);
    v.optional("address", p.address);
    v.optional("mac", p.mac);
    v.check("mac", !p.mac || !p.mac->is_multicast(), "a port's MAC address can't be multicast");
    v.optional("vxlan", p.vxlan);
    v.optional("mtu", p.mtu, base::Range{68, 9000});
    v.check("mtu", p.mtu != 77, "77 is unlucky");
    v.optional("trusted", p.trusted);
    v.check("", p.name != "trusted" || p.trusted, "a port of that name must be trusted");
}

struct Workers {
    std::vector<unsigned> cores;
    Idle idle = Idle::kAdaptive;
    base::Bytes memory{64 << 20};
    std::int8_t offset = 0;
    bool operator==(const Workers&) const = default;
};
template <class V>
void fields(V& v, Workers& w) {
    v.optional("cores", w.cores, base::Range{0, 127});
    v.optional("idle", w.idle);
    v.optional("memory", w.memory);
    v.optional("offset", w.offset);
}

struct Host {
    Workers workers;
    std::vector<Port> ports;
    std::vector<bool> flags;
    bool operator==(const Host&) const = default;
};
template <class V>
void fields(V& v, Host& h) {
    v.optional("workers", h.workers);
    v.optional("ports", h.ports);
    v.optional("flags", h.flags);
}

struct Owner {
    std::string name;
    std::string group = "shop";
    std::vector<unsigned> days{1, 2};
    bool operator==(const Owner&) const = default;
};
template <class V>
void fields(V& v, Owner& o) {
    v.required("name", o.name);
    v.check("name", !o.name.empty(), "is empty");
    v.optional("group", o.group);
    v.optional("days", o.days);
}

enum class Order { kBuy, kSell };
constexpr auto names(Order) {
    return std::array{sluice::base::Name{Order::kBuy, "buy"}, sluice::base::Name{Order::kSell, "sell"}};
}

struct Goods {
    std::string what;
    unsigned count = 1;
    bool operator==(const Goods&) const = default;
};
template <class V>
void fields(V& v, Goods& g) {
    v.required("what", g.what);
    v.optional("count", g.count);
}

struct Trade {
    Order order = Order::kBuy;
    Goods goods;
    std::string note;
    bool operator==(const Trade&) const = default;
};
constexpr bool stands_alone(const Trade*) {
    return true;
}
template <class V>
void fields(V& v, Trade& t) {
    v.choice(t.order, t.goods);
    v.optional("note", t.note);
}

struct Book {
    std::vector<Trade> trades;
    bool operator==(const Book&) const = default;
};
template <class V>
void fields(V& v, Book& b) {
    v.optional("trades", b.trades);
}

struct Labelled {
    base::Words labels;
    bool operator==(const Labelled&) const = default;
};
template <class V>
void fields(V& v, Labelled& l) {
    v.optional("labels", l.labels);
}

}  // namespace shop

namespace sluice::base {
namespace {

std::string errors_of(std::string_view text) {
    const auto document = parse_yaml(text, "f");
    if (!document) return "parse: " + document.error()[0].text();
    shop::Host host;
    std::string out;
    for (const Error& error : read(*document, host)) out += error.text() + "\n";
    return out;
}

shop::Host host_of(std::string_view text) {
    shop::Host host;
    EXPECT_EQ(errors_of(text), "");
    read(*parse_yaml(text, "f"), host);
    return host;
}

constexpr std::string_view kValid = R"(
workers: {cores: [1, 2], idle: poll, memory: 2 MiB, offset: -5}
ports:
  - name: web
    address: [10.0.0.2/24, "fd00::2"]
    mac: 02:00:00:00:00:01
    vxlan: {vni: 100}
  - {name: "010", trusted: true, mtu: 9000}
flags: [true, false]
)";

TEST(Reader, FillsTheStruct) {
    const shop::Host host = host_of(kValid);
    EXPECT_EQ(host.workers.cores, (std::vector<unsigned>{1, 2}));
    EXPECT_EQ(host.workers.idle, shop::Idle::kPoll);
    EXPECT_EQ(host.workers.memory.value, 2U << 20);
    EXPECT_EQ(host.workers.offset, -5);
    ASSERT_EQ(host.ports.size(), 2U);
    EXPECT_EQ(host.ports[0].address[1].text(), "fd00::2");
    EXPECT_EQ(host.ports[0].vxlan->vni, 100U);
    EXPECT_EQ(host.ports[0].mtu, 1500);
    EXPECT_EQ(host.ports[0].place.line, 4);
    EXPECT_EQ(host.ports[0].place.column, 5);
    EXPECT_EQ(host.ports[1].name, "010");
    EXPECT_EQ(host.flags, (std::vector<bool>{true, false}));
    EXPECT_EQ(host_of(""), shop::Host{});
}

TEST(Reader, ReportsEveryErrorAtOnceInTheDocumentsWords) {
    EXPECT_EQ(errors_of(R"(workers: {idle: pol, cores: 1}
ports:
  - adress: [10.0.0.1]
  - {name: a, mtu: 5, colour: red, address: [10.0.0.300]}
nets: []
)"),
              "workers.cores (f:1:29): expected a list of integers, found a scalar\n"
              "workers.idle (f:1:17): 'pol' is not one of adaptive, poll\n"
              "ports[0] (f:3:5): the key 'name' is missing\n"
              "ports[0] (f:3:5): unknown key 'adress'; did you mean 'address'?\n"
              "ports[1].address[0] (f:4:46): '10.0.0.300' is not an IP address\n"
              "ports[1].mtu (f:4:20): '5' is out of range (68 to 9000)\n"
              "ports[1] (f:4:23): unknown key 'colour'; known keys are name, address, mac, vxlan, "
              "mtu, trusted\n"
              "f:5:1: unknown key 'nets'; known keys are workers, ports, flags\n");
}

TEST(Reader, WrongTypesAreNamed) {
    EXPECT_EQ(errors_of("workers: [1]"), "workers (f:1:10): expected a mapping, found a list\n");
    EXPECT_EQ(errors_of("workers:"), "workers (f:1:1): expected a mapping, found nothing\n");
    EXPECT_EQ(errors_of("workers: {cores: [{}]}"),
              "workers.cores[0] (f:1:19): expected an integer, found a mapping\n");
    EXPECT_EQ(errors_of("ports: {}"),
              "ports (f:1:8): expected a list of mappings, found a mapping\n");
    EXPECT_EQ(errors_of("ports: [{name: [x], address: {}}]"),
              "ports[0].name (f:1:16): expected a string, found a list\n"
              "ports[0].address (f:1:30): expected a list of IP addresses, found a mapping\n");
    EXPECT_EQ(errors_of("ports: [{name: ~, mac: []}]"),
              "ports[0].name (f:1:16): expected a string, found nothing\n"
              "ports[0].mac (f:1:24): expected a MAC address, found a list\n");
    EXPECT_EQ(errors_of("flags: yes"),
              "flags (f:1:8): expected a list of booleans (true or false), found a scalar\n");
    EXPECT_EQ(errors_of("just words"), "f:1:1: expected a mapping, found a scalar\n");
}

TEST(Reader, AListOfOneAddressNeedsNoBrackets) {
    const auto host = host_of("ports: [{name: a, address: 10.0.0.2/24, vxlan: {vni: 5, remotes: 10.0.0.1}}]");
    ASSERT_EQ(host.ports[0].address.size(), 1u);
    EXPECT_EQ(host.ports[0].address[0].text(), "10.0.0.2/24");
    ASSERT_EQ(host.ports[0].vxlan->remotes.size(), 1u);
    EXPECT_EQ(errors_of("ports: [{name: a, address: }]"),
              "ports[0].address (f:1:28): expected a list of IP addresses, found nothing\n");
    EXPECT_EQ(errors_of("ports: [{name: a, address: web}]"),
              "ports[0].address (f:1:28): 'web' is not an IP address\n");
}

TEST(Reader, BooleansAreTrueAndFalseOnly) {
    EXPECT_EQ(errors_of("flags: [yes, True, \"true\", 1]"),
              "flags[0] (f:1:9): expected true or false, found 'yes'\n"
              "flags[1] (f:1:14): expected true or false, found 'True'\n"
              "flags[2] (f:1:20): expected true or false, found the string 'true'\n"
              "flags[3] (f:1:28): expected true or false, found '1'\n");
}

TEST(Reader, IntegersArePlainDecimals) {
    EXPECT_EQ(errors_of("workers: {cores: [\"1\", 010, 0x1, 1.0, +1, -, 0]}"),
              "workers.cores[0] (f:1:19): expected an integer, found the string '1'\n"
              "workers.cores[1] (f:1:24): expected an integer, found '010'\n"
              "workers.cores[2] (f:1:29): expected an integer, found '0x1'\n"
              "workers.cores[3] (f:1:34): expected an integer, found '1.0'\n"
              "workers.cores[4] (f:1:39): expected an integer, found '+1'\n"
              "workers.cores[5] (f:1:43): expected an integer, found '-'\n");
    EXPECT_EQ(errors_of("workers: {offset: 128}"),
              "workers.offset (f:1:19): '128' is out of range (-128 to 127)\n");
    EXPECT_EQ(errors_of("workers: {cores: [99999999999999999999]}"),
              "workers.cores[0] (f:1:19): '99999999999999999999' is out of range (0 to 127)\n");
    EXPECT_EQ(errors_of("workers: {cores: [-1]}"),
              "workers.cores[0] (f:1:19): '-1' is out of range (0 to 127)\n");
}

TEST(Reader, CheckStandsAtItsKeyAndOnlyWhereTheKeyIsRight) {
    EXPECT_EQ(errors_of("ports: [{name: a, mtu: 77}]"), "ports[0].mtu (f:1:24): 77 is unlucky\n");
    EXPECT_EQ(errors_of("ports: [{name: a, mac: 'ff:ff:ff:ff:ff:ff'}]"),
              "ports[0].mac (f:1:24): a port's MAC address can't be multicast\n");
    EXPECT_EQ(errors_of("ports: [{name: trusted}]"),
              "ports[0] (f:1:9): a port of that name must be trusted\n");
    EXPECT_EQ(errors_of("ports: [{name: trusted, trusted: no}]"),
              "ports[0].trusted (f:1:34): expected true or false, found 'no'\n");
}

TEST(Reader, ControlCharactersInStringsAreRefused) {
    EXPECT_EQ(errors_of("ports: [{name: \"a\\x9b\"}]"),
              "ports[0].name (f:1:16): 'a\\x9b' holds a control character\n");
    EXPECT_EQ(errors_of("ports: [{name: \"a\\x00b\"}]"),
              "ports[0].name (f:1:16): 'a\\x00b' holds a control character\n");
}

TEST(Reader, TakesJsonLikeYaml) {
    const auto json = nlohmann::json::parse(
        R"({"ports": [{"name": "web", "mtu": "1500"}, {"name": "10", "vxlan": {"vni": 7}}]})");
    shop::Host host;
    const Errors errors = read(from_json(json), host);
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].text(), "ports[0].mtu: expected an integer, found the string '1500'");
    EXPECT_EQ(host.ports[1].vxlan->vni, 7U);
}

// In YAML a plain scalar is a string where one is wanted; JSON has types.
TEST(Reader, OfJsonOnlyAStringIsAString) {
    for (const char* value : {"5", "true", "1.5", "-1"}) {
        shop::Host host;
        const Errors errors = read(from_json({{"ports", {{{"name", nlohmann::json::parse(value)}}}}}), host);
        ASSERT_EQ(errors.size(), 1U) << value;
        EXPECT_EQ(errors[0].text(), fmt::format("ports[0].name: expected a string, found {}", value));
    }
    EXPECT_EQ(host_of("ports: [{name: 5}]").ports[0].name, "5");
}

TEST(Writer, WhatItWritesReadsBackEqual) {
    const shop::Host host = host_of(kValid);
    const std::string text = to_yaml(write(host));
    EXPECT_EQ(host_of(text), host) << text;
    shop::Host from_request;
    EXPECT_TRUE(read(from_json(to_json(write(host))), from_request).empty());
    EXPECT_EQ(from_request, host);
}

TEST(Writer, LeavesOutWhatIsEmptyAndWritesDefaults) {
    shop::Port port;
    port.name = "a";
    EXPECT_EQ(to_yaml(write(port)), "name: a\nmtu: 1500\ntrusted: false\n");
}

TEST(Writer, SaysThatAKeyWasEmptiedAgainstItsDefault) {
    shop::Owner owner{.name = "a", .group = "", .days = {}};
    const std::string text = to_yaml(write(owner));
    EXPECT_EQ(text, "name: a\ngroup: \"\"\ndays: []\n");
    shop::Owner again;
    EXPECT_TRUE(read(*parse_yaml(text, "f"), again).empty());
    EXPECT_EQ(again, owner);
}

TEST(Reader, AMissingKeyIsToldOnce) {
    shop::Owner owner;
    const Errors errors = read(*parse_yaml("group: x", "f"), owner);
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_EQ(errors[0].text(), "f:1:1: the key 'name' is missing");
}

TEST(KeyLister, ListsEveryKeyWithItsDefault) {
    std::string out;
    for (const Key& key : list_keys<shop::Host>()) {
        out += key.path + (key.required ? " required" : " " + to_json(key.value).dump()) + "\n";
    }
    EXPECT_EQ(out,
              "workers.cores []\nworkers.idle \"adaptive\"\nworkers.memory \"64 MiB\"\n"
              "workers.offset 0\nports[].name required\nports[].address []\nports[].mac null\n"
              "ports[].vxlan.vni required\nports[].vxlan.remotes []\nports[].mtu 1500\n"
              "ports[].trusted false\nflags []\n");
}

std::string book_errors(std::string_view text) {
    shop::Book book;
    std::string out;
    for (const Error& error : read(*parse_yaml(text, "f"), book)) out += error.text() + "\n";
    return out;
}

TEST(Reader, OneOfSeveralKeysTellsWhatItsValueIsFor) {
    shop::Book book;
    const auto text = "trades: [{sell: {what: tea, count: 3}}, {buy: {what: milk}, note: x}]";
    EXPECT_TRUE(read(*parse_yaml(text, "f"), book).empty());
    const shop::Book expected{{{shop::Order::kSell, {"tea", 3}}, {shop::Order::kBuy, {"milk", 1}, "x"}}};
    EXPECT_EQ(book, expected);
    EXPECT_EQ(book_errors("trades: [{note: x}]"),
              "trades[0] (f:1:10): one of the keys buy, sell is missing\n");
    EXPECT_EQ(book_errors("trades: [{sell: {what: tea}, buy: {what: tea}}]"),
              "trades[0].sell (f:1:17): stands beside `buy`: give one of them\n");
    EXPECT_EQ(book_errors("trades: [{buy: {waht: tea}}]"),
              "trades[0].buy (f:1:16): the key 'what' is missing\n"
              "trades[0].buy (f:1:17): unknown key 'waht'; did you mean 'what'?\n");
    EXPECT_EQ(book_errors("trades: [{buyy: {what: tea}}]"),
              "trades[0] (f:1:10): one of the keys buy, sell is missing\n"
              "trades[0] (f:1:11): unknown key 'buyy'; did you mean 'buy'?\n");
    // A second `buy` would be refused.
    EXPECT_EQ(book_errors("trades: [{buy: {what: tea}, buyy: 1}]"),
              "trades[0] (f:1:29): unknown key 'buyy'; known keys are buy, sell, note\n");
}

TEST(Reader, AListOfOneMappingNeedsNoBracketsWhereTheMappingMayStandAlone) {
    shop::Book book;
    EXPECT_TRUE(read(*parse_yaml("trades: {sell: {what: tea}}", "f"), book).empty());
    ASSERT_EQ(book.trades.size(), 1u);
    EXPECT_EQ(book.trades[0].goods.what, "tea");
    EXPECT_EQ(book_errors("trades: {sell: {}}"), "trades.sell (f:1:16): the key 'what' is missing\n");
    EXPECT_EQ(book_errors("trades: sell"), "trades (f:1:9): expected a list of mappings, found a scalar\n");
}

TEST(Writer, WritesAChoiceUnderTheKeyThatWasChosen) {
    const shop::Book book{{{shop::Order::kSell, {"tea", 3}}, {shop::Order::kBuy, {"milk", 1}}}};
    EXPECT_EQ(to_json(write(book)).dump(),
              R"({"trades":[{"sell":{"count":3,"what":"tea"}},{"buy":{"count":1,"what":"milk"}}]})");
}

TEST(KeyLister, ListsWhatTheKeysOfAChoiceHoldUnderTheFirst) {
    std::string out;
    for (const Key& key : list_keys<shop::Book>()) out += key.path + " ";
    EXPECT_EQ(out, "trades[].buy.what trades[].buy.count trades[].sell trades[].note ");
}

TEST(Bytes, ParseAndPrint) {
    const auto parse = [](std::string_view text) {
        return parse_value(text, static_cast<Bytes*>(nullptr));
    };
    EXPECT_EQ(parse("4096")->value, 4096U);
    EXPECT_EQ(parse("512 KiB")->value, 512U << 10);
    EXPECT_EQ(parse("1GiB")->value, 1U << 30);
    for (std::string_view bad :
         {"", "MiB", "-1", "1 MB", "1.5 GiB", "1  MiB", "64 MiB ", "99999999999 TiB"}) {
        EXPECT_FALSE(parse(bad)) << bad;
    }
    for (std::string_view text : {"0", "1000", "512 KiB", "64 MiB", "3 TiB"}) {
        EXPECT_EQ(to_text(*parse(text)), text);
    }
}

TEST(Fields, WordsHaveKeysOfTheirOwn) {
    const auto read_text = [](std::string_view text, shop::Labelled& value) {
        return read(*parse_yaml(text, "f"), value);
    };
    shop::Labelled labelled;
    EXPECT_TRUE(read_text("labels: {app: web, 'a.b/c': \"\", none: }", labelled).empty());
    EXPECT_EQ(labelled.labels, (Words{{"app", "web"}, {"a.b/c", ""}, {"none", ""}}));
    shop::Labelled again;
    EXPECT_TRUE(read(Document{"f", write(labelled)}, again).empty());
    EXPECT_EQ(again, labelled);
    const Errors errors = read_text("labels: {app: [web]}", labelled);
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].text(), "labels.app (f:1:15): expected a string, found a list");
    const auto keys = list_keys<shop::Labelled>();
    ASSERT_EQ(keys.size(), 1U);
    EXPECT_EQ(keys[0].path, "labels");
}

}  // namespace
}  // namespace sluice::base
