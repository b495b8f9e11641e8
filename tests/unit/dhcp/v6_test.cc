#include "dhcp/v6.h"

#include <gtest/gtest.h>

#include "dhcp/domain_name.h"
#include "unit/dhcp/messages.h"

namespace sluice::dhcp {
namespace {

using Map6 = std::multimap<uint16_t, Bytes>;
Map6 read_options6(std::span<const uint8_t> bytes) {
    Map6 options;
    for (ByteReader reader(bytes); !reader.empty();) {
        const auto code = static_cast<uint16_t>(reader.number(2));
        const auto value = reader.take(reader.number(2));
        EXPECT_TRUE(reader.is_good());
        options.emplace(code, Bytes(value.begin(), value.end()));
    }
    return options;
}

Answer6 answer(const Bytes& bytes, const Facts& facts = blue()) {
    const auto message = read_v6(bytes);
    EXPECT_TRUE(message.has_value()) << message.error();
    return message ? answer_v6(*message, facts) : Answer6{};
}

struct Given {
    uint8_t type;
    Map6 options;
};
Given read(const Answer6& answer) {
    EXPECT_GE(answer.message.size(), 4u);
    if (answer.message.size() < 4) return {};
    EXPECT_EQ(Bytes(answer.message.begin() + 1, answer.message.begin() + 4), (Bytes{0xab, 0xcd, 0xef}));
    return {answer.message[0], read_options6(std::span(answer.message).subspan(4))};
}

Bytes only(const Map6& options, uint16_t code) {
    EXPECT_EQ(options.count(code), 1u) << code;
    return options.count(code) == 1 ? options.find(code)->second : Bytes{};
}

// The address and valid lifetime of each IAADDR of an association.
std::vector<std::pair<std::string, uint32_t>> addresses_of(const Bytes& association) {
    std::vector<std::pair<std::string, uint32_t>> list;
    const auto inner = read_options6(std::span(association).subspan(12));
    const auto [begin, end] = inner.equal_range(5);
    for (auto it = begin; it != end; ++it) {
        ByteReader reader(it->second);
        const IpAddress address = reader.ipv6();
        reader.number(4);
        list.emplace_back(address.text(), reader.number(4));
    }
    return list;
}
using Addresses = std::vector<std::pair<std::string, uint32_t>>;

uint32_t status_of(std::span<const uint8_t> options) {
    const auto inner = read_options6(options);
    return inner.contains(13) ? ByteReader(only(inner, 13)).number(2) : 0;
}

const Bytes kServer = server_id(blue());

TEST(DhcpV6, AdvertisesTheGuestsAddressesAndWhatItWishes) {
    const Answer6 advertised = answer(message6(
        Type6::kSolicit, {{1, kDuid}, {3, association6(7, {})}, {6, {0, 23, 0, 24, 0, 56}}, {8, {0, 0}}}));
    EXPECT_EQ(advertised.outcome, Outcome::kOffered);
    const Given given = read(advertised);
    EXPECT_EQ(given.type, 2);
    EXPECT_EQ(only(given.options, 1), kDuid);
    EXPECT_EQ(only(given.options, 2), (Bytes{0, 3, 0, 1, 2, 0, 0, 0, 0, 1}));
    const Bytes association = only(given.options, 3);
    EXPECT_EQ(addresses_of(association), (Addresses{{"fd00::5", 3600}}));
    ByteReader head(association);
    EXPECT_EQ(head.number(4), 7u);
    EXPECT_EQ(head.number(4), 1800u);
    EXPECT_EQ(head.number(4), 2880u);
    EXPECT_EQ(only(given.options, 23), ByteWriter().add(ip("fd00::1")).take());
    EXPECT_EQ(only(given.options, 24), encode_names(blue().search));
    EXPECT_EQ(only(given.options, 56), options6({{1, ByteWriter().add(ip("fd00::123")).take()}}));
}

TEST(DhcpV6, CommitsRapidly) {
    const Answer6 bound = answer(message6(Type6::kSolicit, {{1, kDuid}, {14, {}}, {3, association6(7, {})}}));
    EXPECT_EQ(bound.outcome, Outcome::kBound);
    const Given given = read(bound);
    EXPECT_EQ(given.type, 7);
    EXPECT_EQ(only(given.options, 14), Bytes{});
}

TEST(DhcpV6, RequestsRenewsAndRebindsBind) {
    for (const Type6 type : {Type6::kRequest, Type6::kRenew, Type6::kRebind}) {
        const auto association = association6(7, {"fd00::5", "fd00::9"});
        const Bytes bytes = type == Type6::kRebind ? message6(type, {{1, kDuid}, {3, association}})
                                                   : message6(type, {{1, kDuid}, {2, kServer}, {3, association}});
        const Answer6 bound = answer(bytes);
        EXPECT_EQ(bound.outcome, Outcome::kBound);
        EXPECT_EQ(read(bound).type, 7);
        Addresses expected{{"fd00::5", 3600}};
        if (type != Type6::kRequest) expected.emplace_back("fd00::9", 0);  // it isn't this guest's any more
        EXPECT_EQ(addresses_of(only(read(bound).options, 3)), expected);
    }
}

TEST(DhcpV6, OnlyTheFirstAssociationGetsAddresses) {
    const Given given = read(answer(
        message6(Type6::kSolicit,
                 {{1, kDuid}, {25, association6(1, {})}, {3, association6(7, {})}, {3, association6(8, {})}})));
    std::map<uint32_t, uint32_t> statuses;
    for (const auto& [code, value] : given.options) {
        if (code == 3) statuses[ByteReader(value).number(4)] = status_of(std::span(value).subspan(12));
    }
    EXPECT_EQ(statuses, (std::map<uint32_t, uint32_t>{{7, 0}, {8, 2}}));
    EXPECT_EQ(status_of(std::span<const uint8_t>(only(given.options, 25)).subspan(12)), 6u);
    Facts none = blue();
    none.addresses6.clear();
    const Answer6 empty = answer(message6(Type6::kSolicit, {{1, kDuid}, {3, association6(7, {})}}), none);
    EXPECT_EQ(empty.outcome, Outcome::kNone);
    const Bytes association = only(read(empty).options, 3);
    EXPECT_EQ(status_of(std::span(association).subspan(12)), 2u);
}

TEST(DhcpV6, ConfirmsTheGuestsOwnAddresses) {
    const auto confirm = [&](std::initializer_list<const char*> addresses) {
        return answer(message6(Type6::kConfirm, {{1, kDuid}, {3, association6(7, addresses)}}));
    };
    EXPECT_EQ(ByteReader(only(read(confirm({"fd00::5"})).options, 13)).number(2), 0u);
    EXPECT_EQ(ByteReader(only(read(confirm({"fd00::5", "fd09::1"})).options, 13)).number(2), 4u);
    EXPECT_TRUE(confirm({}).message.empty());
}

TEST(DhcpV6, DeclinedAndReleasedAreTheGuestsOwnAddressesOnly) {
    for (const auto& [type, outcome] :
         {std::pair{Type6::kRelease, Outcome::kReleased}, std::pair{Type6::kDecline, Outcome::kDeclined}}) {
        const Answer6 own = answer(message6(type, {{1, kDuid}, {2, kServer}, {3, association6(7, {"fd00::5"})}}));
        EXPECT_EQ(own.outcome, outcome);
        EXPECT_EQ(ByteReader(only(read(own).options, 13)).number(2), 0u);
        const Answer6 other =
            answer(message6(type, {{1, kDuid}, {2, kServer}, {3, association6(7, {"fd00::6"})}}));
        EXPECT_EQ(other.outcome, Outcome::kNone);
        EXPECT_EQ(status_of(std::span<const uint8_t>(only(read(other).options, 3)).subspan(12)), 3u);
    }
}

TEST(DhcpV6, InformsWithoutALease) {
    const Answer6 informed = answer(message6(Type6::kInformationRequest, {{6, {0, 23, 0, 32}}}));
    EXPECT_EQ(informed.outcome, Outcome::kNone);
    const Given given = read(informed);
    EXPECT_EQ(given.type, 7);
    EXPECT_EQ(given.options.count(1), 0u);
    EXPECT_EQ(only(given.options, 32), (Bytes{0, 0, 0x0e, 0x10}));
    EXPECT_EQ(given.options.count(23), 1u);
    EXPECT_EQ(given.options.count(24), 0u);
}

TEST(DhcpV6, AnswersForItselfOnly) {
    const Bytes other{0, 3, 0, 1, 2, 0, 0, 0, 0, 9};
    EXPECT_TRUE(
        answer(message6(Type6::kRequest, {{1, kDuid}, {2, other}, {3, association6(7, {})}})).message.empty());
}

TEST(DhcpV6, LeavesOutWhatDoesNotFitAPacket) {
    Facts facts = blue();
    for (int i = 0; i < 100; ++i) facts.search.push_back("department-" + std::to_string(i) + ".test");
    const Answer6 advertised =
        answer(message6(Type6::kSolicit, {{1, kDuid}, {3, association6(7, {})}, {6, {0, 24, 0, 23}}}), facts);
    EXPECT_LE(advertised.message.size(), 1450u - 48);
    EXPECT_EQ(read(advertised).options.count(24), 0u);
    EXPECT_EQ(read(advertised).options.count(23), 1u);
}

TEST(DhcpV6, ReadsTheHostsName) {
    const auto message =
        read_v6(message6(Type6::kSolicit, {{1, kDuid}, {39, {0, 3, 'V', 'm', '1', 4, 't', 'e', 's', 't', 0}}}));
    EXPECT_EQ(message.value().host_name, "vm1");
    EXPECT_EQ(read_v6(message6(Type6::kSolicit, {{1, kDuid}, {39, {0, 9, 'V'}}})).value().host_name, "");
}

TEST(DhcpV6, RefusesWithAReason) {
    struct Row {
        Bytes bytes;
        const char* why;
    };
    ByteWriter many;
    for (uint32_t i = 0; i < 9; ++i) many.add(options6({{3, association6(i, {})}}));
    constexpr const char* kOption = "has an option that is cut off, given twice or too long";
    constexpr const char* kServerOption = "has a server identifier, or has none, against its type";
    const Row rows[] = {
        {{}, "is cut off"},
        {{1, 2, 3}, "is cut off"},
        {Bytes(1501, 1), "is too long"},
        {message6(Type6::kRelayForward, {}),
         "came by a relay agent, and only guests of the switch's own ports are answered"},
        {message6(Type6::kAdvertise, {}), "has a type that no guest sends"},
        {message6(Type6::kReply, {}), "has a type that no guest sends"},
        {message6(Type6{200}, {}), "has a type that no guest sends"},
        {message6(Type6::kSolicit, {}), "has no client identifier"},
        {message6(Type6::kSolicit, {{1, kDuid}, {1, kDuid}}), kOption},
        {message6(Type6::kSolicit, {{1, {1, 2}}}), kOption},
        {message6(Type6::kSolicit, {{1, Bytes(131, 1)}}), kOption},
        {message6(Type6::kSolicit, {{1, kDuid}, {3, {0, 0, 0, 7}}}), kOption},
        {message6(Type6::kSolicit, {{1, kDuid}, {6, {0}}}), kOption},
        {message6(Type6::kSolicit, {{1, kDuid}, {2, kServer}}), kServerOption},
        {message6(Type6::kRebind, {{1, kDuid}, {2, kServer}}), kServerOption},
        {message6(Type6::kRequest, {{1, kDuid}}), kServerOption},
        {message6(Type6::kRelease, {{1, kDuid}}), kServerOption},
        {ByteWriter().number(1, 1).number(0, 3).add(many.bytes()).take(), kOption},
        {ByteWriter().number(1, 1).number(0, 3).number(1, 2).number(9, 2).take(), kOption},
    };
    for (const Row& row : rows) {
        const auto message = read_v6(row.bytes);
        ASSERT_FALSE(message.has_value()) << row.why;
        EXPECT_EQ(message.error(), row.why);
    }
}

}  // namespace
}  // namespace sluice::dhcp
