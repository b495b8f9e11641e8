#include "dhcp/advertisement.h"

#include <gtest/gtest.h>

#include "unit/dhcp/messages.h"

namespace sluice::dhcp {
namespace {

// The options of an advertisement, each without its type and length.
std::multimap<uint8_t, Bytes> options_of(const Bytes& message) {
    std::multimap<uint8_t, Bytes> options;
    ByteReader reader(message);
    reader.take(16);
    while (!reader.empty()) {
        const auto type = static_cast<uint8_t>(reader.number(1));
        const uint32_t units = reader.number(1);
        EXPECT_GT(units, 0u);
        const auto value = reader.take(units == 0 ? 0 : units * 8 - 2);
        EXPECT_TRUE(reader.is_good());
        options.emplace(type, Bytes(value.begin(), value.end()));
        if (units == 0) break;
    }
    return options;
}

TEST(Advertisement, TellsTheRouterAndThatAddressesComeByDhcp) {
    const Bytes message = router_advertisement(blue());
    EXPECT_EQ(Bytes(message.begin(), message.begin() + 16),
              (Bytes{134, 0, 0, 0, 64, 0xc0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0}));
    const auto options = options_of(message);
    EXPECT_EQ(options.find(1)->second, (Bytes{2, 0, 0, 0, 0, 1}));
    EXPECT_EQ(options.find(5)->second, (Bytes{0, 0, 0, 0, 0x05, 0xaa}));
    const Bytes& prefix = options.find(3)->second;
    EXPECT_EQ(prefix[0], 64);
    EXPECT_EQ(prefix[1], 0x80);
    EXPECT_EQ(ByteReader(std::span(prefix).subspan(14)).ipv6(), ip("fd00::"));
    EXPECT_EQ(options.find(25)->second, ByteWriter().zeros(2).number(1800, 4).add(ip("fd00::1")).take());
    EXPECT_EQ(options.find(31)->second.size() % 8, 6u);
}

TEST(Advertisement, TellsWhetherStationsMakeAddressesAndSeeEachOther) {
    Facts facts = blue();
    facts.is_autonomous = true;
    EXPECT_EQ(options_of(router_advertisement(facts)).find(3)->second[1], 0xc0);
    facts = blue();
    facts.is_on_link = false;
    EXPECT_EQ(options_of(router_advertisement(facts)).find(3)->second[1], 0);
}

TEST(Advertisement, FitsTheLeastMtuWhateverTheNetworkHas) {
    Facts facts = blue();
    for (uint8_t i = 0; i < 100; ++i) {
        IpPrefix prefix = facts.prefixes6[0];
        prefix.address.bytes[7] = i;
        facts.prefixes6.push_back(prefix);
        facts.name_servers.push_back(ip("fd00::53"));
        facts.search.push_back(std::string(40, 'a') + ".test");
    }
    const Bytes message = router_advertisement(facts);
    EXPECT_LE(message.size(), 1280u - 40);
    const auto options = options_of(message);
    EXPECT_EQ(options.count(3), 16u);
    EXPECT_EQ(options.count(25), 1u);
    EXPECT_EQ(options.count(31), 1u);
    facts.name_servers.clear();
    facts.search.clear();
    EXPECT_EQ(options_of(router_advertisement(facts)).count(25), 0u);
}

}  // namespace
}  // namespace sluice::dhcp
