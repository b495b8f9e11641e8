#include "dhcp/v4.h"

#include <gtest/gtest.h>

#include "dhcp/domain_name.h"
#include "unit/dhcp/messages.h"

namespace sluice::dhcp {
namespace {

const Bytes kDiscover{1}, kRequest{3}, kDecline{4}, kRelease{7}, kInform{8};

Answer4 answer(const Bytes& bytes, const Facts& facts = blue()) {
    const auto message = read_v4(bytes);
    EXPECT_TRUE(message.has_value()) << message.error();
    return message ? answer_v4(*message, facts) : Answer4{};
}

constexpr MacAddress kEverybody{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

TEST(DhcpV4, OffersWhatTheGuestWishes) {
    const Answer4 offer =
        answer(message4(options4({{53, kDiscover}, {55, {1, 3, 6, 12, 15, 26, 42, 119, 121, 3}}})));
    EXPECT_EQ(offer.outcome, Outcome::kOffered);
    EXPECT_EQ(offer.to, ip("10.0.0.5"));
    EXPECT_EQ(offer.to_mac, kGuest);
    EXPECT_GE(offer.message.size(), 300u);
    EXPECT_EQ(yours4(offer.message), ip("10.0.0.5"));
    const auto options = read_answer4(offer.message);
    EXPECT_EQ(options.at(53), Bytes{2});
    EXPECT_EQ(options.at(54), address4("10.0.0.1"));
    EXPECT_EQ(options.at(51), (Bytes{0, 0, 0x0e, 0x10}));
    EXPECT_EQ(options.at(58), (Bytes{0, 0, 0x07, 0x08}));
    EXPECT_EQ(options.at(59), (Bytes{0, 0, 0x0c, 0x4e}));
    EXPECT_EQ(options.at(1), (Bytes{255, 255, 255, 0}));
    EXPECT_EQ(options.at(3), address4("10.0.0.1"));
    EXPECT_EQ(options.at(6), (Bytes{10, 0, 0, 1, 10, 0, 0, 53}));
    EXPECT_EQ(options.at(12), (Bytes{'v', 'm', '1'}));
    EXPECT_EQ(options.at(15), (Bytes{'b', 'l', 'u', 'e', '.', 't', 'e', 's', 't'}));
    EXPECT_EQ(options.at(26), (Bytes{0x05, 0xaa}));
    EXPECT_EQ(options.at(42), (Bytes{10, 0, 0, 123}));
    EXPECT_EQ(options.at(119), (Bytes{4, 'b', 'l', 'u', 'e', 4, 't', 'e', 's', 't', 0, 4, 't', 'e', 's', 't', 0}));
    EXPECT_FALSE(options.contains(121)) << "the default route alone is the router's option";
}

TEST(DhcpV4, GivesOnlyWhatIsWishedFor) {
    const auto options = read_answer4(answer(message4(options4({{53, kDiscover}, {55, {26}}}))).message);
    EXPECT_TRUE(options.contains(26));
    for (const uint8_t code : {3, 6, 12, 15, 42, 119}) EXPECT_FALSE(options.contains(code)) << int{code};
    EXPECT_TRUE(read_answer4(answer(message4(options4({{53, kDiscover}}))).message).contains(6));
}

TEST(DhcpV4, RoutesHaveTheDefaultRoute) {
    Facts facts = blue();
    facts.routes = {{IpPrefix::parse("10.9.0.0/17").value(), ip("10.0.0.254")},
                    {IpPrefix::parse("fd09::/64").value(), ip("fd00::2")}};
    auto options = read_answer4(answer(message4(options4({{53, kDiscover}, {55, {121}}})), facts).message);
    EXPECT_EQ(options.at(121), (Bytes{17, 10, 9, 0, 10, 0, 0, 254, 0, 10, 0, 0, 1}));
    // In a flat network no other station is on the link, and the gateway is made to be.
    facts.routes.clear();
    facts.address->length = 32;
    options = read_answer4(answer(message4(options4({{53, kDiscover}, {55, {121}}})), facts).message);
    EXPECT_EQ(options.at(121), (Bytes{32, 10, 0, 0, 1, 0, 0, 0, 0, 0, 10, 0, 0, 1}));
    EXPECT_EQ(options.at(1), (Bytes{255, 255, 255, 255}));
}

TEST(DhcpV4, RequestsAreGrantedForTheGuestsOwnAddressOnly) {
    struct Row {
        const char* name;
        Options4 options;
        const char* own;
        uint8_t answer;  // 0: none
    };
    const Row rows[] = {
        {"selecting", {{53, kRequest}, {50, address4("10.0.0.5")}, {54, address4("10.0.0.1")}}, "0.0.0.0", 5},
        {"selecting another address",
         {{53, kRequest}, {50, address4("10.0.0.6")}, {54, address4("10.0.0.1")}},
         "0.0.0.0",
         6},
        {"selecting another server",
         {{53, kRequest}, {50, address4("10.0.0.5")}, {54, address4("10.0.0.2")}},
         "0.0.0.0",
         0},
        {"rebooting", {{53, kRequest}, {50, address4("10.0.0.5")}}, "0.0.0.0", 5},
        {"rebooting elsewhere", {{53, kRequest}, {50, address4("192.168.1.7")}}, "0.0.0.0", 6},
        {"renewing", {{53, kRequest}}, "10.0.0.5", 5},
        {"renewing another's", {{53, kRequest}}, "10.0.0.6", 6},
        {"asking for nothing", {{53, kRequest}}, "0.0.0.0", 0},
    };
    for (const Row& row : rows) {
        const Answer4 given = answer(message4(options4(row.options), {.own = row.own}));
        if (row.answer == 0) {
            EXPECT_TRUE(given.message.empty()) << row.name;
            continue;
        }
        EXPECT_EQ(read_answer4(given.message).at(53), Bytes{row.answer}) << row.name;
        EXPECT_EQ(given.outcome, row.answer == 5 ? Outcome::kBound : Outcome::kNone) << row.name;
        EXPECT_EQ(yours4(given.message), ip(row.answer == 5 ? "10.0.0.5" : "0.0.0.0")) << row.name;
        EXPECT_EQ(given.to_mac == kEverybody, row.answer == 6) << row.name;
    }
}

TEST(DhcpV4, AGuestWithoutAnAddressGetsNone) {
    Facts facts = blue();
    facts.address.reset();
    EXPECT_TRUE(answer(message4(options4({{53, kDiscover}})), facts).message.empty());
    const Answer4 refused = answer(message4(options4({{53, kRequest}, {50, address4("10.0.0.5")}})), facts);
    EXPECT_EQ(read_answer4(refused.message).at(53), Bytes{6});
    facts.gateways = {ip("fd00::1")};
    EXPECT_TRUE(answer(message4(options4({{53, kRequest}, {50, address4("10.0.0.5")}})), facts).message.empty());
}

TEST(DhcpV4, AnswersWhereTheGuestCanHear) {
    const Answer4 broadcast = answer(message4(options4({{53, kDiscover}}), {.wants_broadcast = true}));
    EXPECT_EQ(broadcast.to, ip("255.255.255.255"));
    EXPECT_EQ(broadcast.to_mac, kEverybody);
    EXPECT_EQ(broadcast.message.at(10), 0x80);
    const Answer4 renewed =
        answer(message4(options4({{53, kRequest}}), {.wants_broadcast = true, .own = "10.0.0.5"}));
    EXPECT_EQ(renewed.to, ip("10.0.0.5"));
    EXPECT_EQ(renewed.to_mac, kGuest);
}

TEST(DhcpV4, InformsWithoutALease) {
    const Answer4 informed = answer(message4(options4({{53, kInform}}), {.own = "10.0.0.77"}));
    EXPECT_EQ(informed.outcome, Outcome::kNone);
    EXPECT_EQ(informed.to, ip("10.0.0.77"));
    EXPECT_EQ(yours4(informed.message), ip("0.0.0.0"));
    const auto options = read_answer4(informed.message);
    EXPECT_EQ(options.at(53), Bytes{5});
    EXPECT_TRUE(options.contains(6));
    EXPECT_FALSE(options.contains(51));
    EXPECT_TRUE(answer(message4(options4({{53, kInform}}))).message.empty());
}

TEST(DhcpV4, DeclinedAndReleasedIsTheGuestsOwnAddressOnly) {
    const auto server = address4("10.0.0.1");
    EXPECT_EQ(answer(message4(options4({{53, kDecline}, {50, address4("10.0.0.5")}, {54, server}}))).outcome,
              Outcome::kDeclined);
    EXPECT_EQ(answer(message4(options4({{53, kDecline}, {50, address4("10.0.0.6")}, {54, server}}))).outcome,
              Outcome::kNone);
    EXPECT_EQ(answer(message4(options4({{53, kRelease}, {54, server}}), {.own = "10.0.0.5"})).outcome,
              Outcome::kReleased);
    EXPECT_EQ(answer(message4(options4({{53, kRelease}, {54, server}}), {.own = "10.0.0.6"})).outcome,
              Outcome::kNone);
    EXPECT_EQ(
        answer(message4(options4({{53, kRelease}, {54, address4("10.0.0.2")}}), {.own = "10.0.0.5"})).outcome,
        Outcome::kNone);
    EXPECT_TRUE(answer(message4(options4({{53, kRelease}, {54, server}}), {.own = "10.0.0.5"})).message.empty());
}

TEST(DhcpV4, ReadsOptionsOfAllFieldsAndInParts) {
    const Bytes options = options4({{52, {3}}, {53, kDiscover}, {12, {'W', 'e'}}, {12, {'b'}}});
    const Bytes bytes = message4(options, {.name = options4({{50, address4("10.0.0.5")}}),
                                           .file = options4({{61, {1, 2, 3}}, {57, {0x05, 0xdc}}})});
    const auto message = read_v4(bytes);
    ASSERT_TRUE(message.has_value()) << message.error();
    EXPECT_EQ(message->host_name, "web");
    EXPECT_EQ(message->requested, ip("10.0.0.5"));
    EXPECT_EQ(message->client_id, (Bytes{1, 2, 3}));
    EXPECT_EQ(message->most_bytes, 1500);
    EXPECT_EQ(read_answer4(answer_v4(*message, blue()).message).at(61), (Bytes{1, 2, 3}));
}

TEST(DhcpV4, ManyOptionsUseTheFieldsOfNamesAndKeepToTheGuestsSize) {
    Facts facts = blue();
    facts.search.clear();
    for (int i = 0; i < 30; ++i) facts.search.push_back("department-" + std::to_string(i) + ".example.test");
    for (const uint16_t most : {uint16_t{0}, uint16_t{576}, uint16_t{700}, uint16_t{1500}, uint16_t{65535}}) {
        const Bytes limit = ByteWriter().number(most, 2).take();
        const Answer4 given =
            answer(message4(options4({{53, kDiscover}, {57, limit}, {55, {119, 3, 6, 12, 15, 26, 42}}})), facts);
        const size_t bound = std::min<size_t>(std::max<size_t>(most, 576), facts.mtu) - 28;
        EXPECT_LE(given.message.size(), bound) << most;
        const auto options = read_answer4(given.message);
        for (const uint8_t code : {53, 54, 51, 1, 3, 6, 12, 15, 26, 42})
            EXPECT_TRUE(options.contains(code)) << most << " " << int{code};
        EXPECT_EQ(options.contains(119), bound > 1000) << most;
        EXPECT_TRUE(bound <= 1000 || options.at(119) == encode_names(facts.search)) << most;
    }
    // 290 bytes of options go beside what names have room for.
    facts = blue();
    facts.domain = std::string(60, 'a') + "." + std::string(60, 'b');
    facts.search = {std::string(60, 'c') + "." + std::string(60, 'd') + "." + std::string(60, 'e')};
    facts.host_name = std::string(60, 'h');
    const auto options =
        read_answer4(answer(message4(options4({{53, kDiscover}, {55, {119, 15, 12}}})), facts).message);
    EXPECT_TRUE(options.contains(52));
    for (const uint8_t code : {12, 15, 119}) EXPECT_TRUE(options.contains(code)) << int{code};
}

TEST(DhcpV4, RefusesWithAReason) {
    struct Row {
        Bytes bytes;
        const char* why;
    };
    const Bytes discover = options4({{53, kDiscover}});
    Bytes cut = message4(discover);
    cut.resize(239);
    const Row rows[] = {
        {{}, "is cut off"},
        {cut, "is cut off"},
        {Bytes(1501, 0), "is too long"},
        {message4(discover, {.operation = 2}), "is a server's"},
        {message4(discover, {.relay = "10.0.0.9"}),
         "came by a relay agent, and only guests of the switch's own ports are answered"},
        {message4(discover, {.mac = MacAddress::from_uint64(0x0100'0000'0001)}), "is of a group or zero address"},
        {message4(discover, {.mac = {}}), "is of a group or zero address"},
        {message4(discover, {.magic = 1}), "is of BOOTP, without options"},
        {message4({}), "is of BOOTP, without a type"},
        {message4(options4({{53, {2}}})), "has a type that no guest sends"},
        {message4(options4({{53, {9}}})), "has a type that no guest sends"},
        {message4(options4({{53, {1, 1}}})), "has an option of a wrong size"},
        {message4(options4({{53, {1}}, {50, {1, 2, 3}}})), "has an option of a wrong size"},
        {message4({53, 2, 1}), "has an option that is cut off"},
        {message4(options4({{53, {1}}, {52, {4}}})), "has options in unknown fields"},
        {message4(options4({{53, {1}}, {52, {1}}}), {.file = Bytes(128, 9)}), "has an option that is cut off"},
        {message4(options4({{53, {1}}, {61, Bytes(200, 1)}, {61, Bytes(200, 1)}})),
         "has a client identifier of more than 255 bytes"},
    };
    for (const Row& row : rows) {
        const auto message = read_v4(row.bytes);
        ASSERT_FALSE(message.has_value()) << row.why;
        EXPECT_EQ(message.error(), row.why);
    }
}

}  // namespace
}  // namespace sluice::dhcp
