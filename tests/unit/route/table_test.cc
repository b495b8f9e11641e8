#include "route/table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <vector>

namespace sluice::route {
namespace {

IpPrefix prefix(std::string_view text) {
    return *IpPrefix::parse(text);
}
IpAddress address(std::string_view text) {
    return *IpAddress::parse(text);
}

uint32_t find(const Table& table, const IpAddress& a) {
    return a.is_v4() ? table.fib4().find(a.v4()) : table.fib6().find(a.bytes.data());
}

// What every table must answer.
class Scan {
 public:
    std::map<IpPrefix, uint32_t> routes;

    std::optional<std::pair<IpPrefix, uint32_t>> longest(const IpAddress& a) const {
        std::optional<std::pair<IpPrefix, uint32_t>> best;
        for (const auto& [p, next_hop] : routes) {
            if (p.contains(a) && (!best || p.length > best->first.length)) best = {p, next_hop};
        }
        return best;
    }
    uint32_t find(const IpAddress& a) const {
        const auto route = longest(a);
        return route ? route->second : kNone;
    }
};

TEST(RouteTable, SetAndRemoveAnswerWhatWasThere) {
    Table table;
    EXPECT_EQ(table.set(prefix("10.0.0.0/8"), 1), std::nullopt);
    EXPECT_EQ(table.set(prefix("10.0.0.0/8"), 2), 1u);
    EXPECT_EQ(table.set(prefix("10.0.0.0/8"), 2), 2u);
    EXPECT_EQ(table.set(prefix("::/0"), 3), std::nullopt);
    EXPECT_EQ(table.exact(prefix("10.0.0.0/8")), 2u);
    EXPECT_EQ(table.exact(prefix("10.0.0.0/9")), std::nullopt);
    EXPECT_EQ(table.exact(prefix("::/0")), 3u);
    EXPECT_EQ(table.exact(prefix("0.0.0.0/0")), std::nullopt) << "another family's";
    EXPECT_EQ(table.size(Family::kIpv4), 1u);
    EXPECT_EQ(table.size(Family::kIpv6), 1u);
    EXPECT_EQ(table.remove(prefix("10.0.0.0/9")), std::nullopt);
    EXPECT_EQ(table.remove(prefix("10.0.0.0/8")), 2u);
    EXPECT_EQ(table.remove(prefix("10.0.0.0/8")), std::nullopt);
    EXPECT_EQ(find(table, address("10.0.0.1")), kNone);
    EXPECT_EQ(table.size(Family::kIpv4), 0u);
}

TEST(RouteTable, TheLongestPrefixAroundAnAddress) {
    Table table;
    EXPECT_FALSE(table.longest(address("10.1.2.3")));
    for (std::string_view text : {"0.0.0.0/0", "10.1.0.0/16", "10.1.2.3/32", "fd00::/8", "fd00::1/128"}) {
        table.set(prefix(text), 5);
    }
    EXPECT_EQ(table.longest(address("10.1.2.3"))->first.text(), "10.1.2.3/32");
    EXPECT_EQ(table.longest(address("10.1.2.4"))->first.text(), "10.1.0.0/16");
    EXPECT_EQ(table.longest(address("10.2.2.4"))->first.text(), "0.0.0.0/0");
    EXPECT_EQ(table.longest(address("fd00::1"))->first.text(), "fd00::1/128");
    EXPECT_EQ(table.longest(address("fd00::2"))->first.text(), "fd00::/8");
    EXPECT_EQ(table.longest(address("fd00::2"))->second, 5u);
    EXPECT_FALSE(table.longest(address("2001:db8::")));
}

TEST(RouteTable, ListsByFamilyAddressAndLength) {
    Table table;
    const std::vector<std::string> expected = {"0.0.0.0/0",  "10.0.0.0/8",  "10.0.0.0/24", "10.0.0.0/32",
                                               "10.1.0.0/16", "200.0.0.0/5", "::/0",        "::/128",
                                               "2001:db8::/32", "2001:db8::/48", "fd00::/8"};
    for (size_t i = 0; i < expected.size(); ++i) {
        const size_t shuffled = i * 7 % expected.size();
        table.set(prefix(expected[shuffled]), static_cast<uint32_t>(shuffled) + 1);
    }
    std::vector<std::string> listed;
    table.each([&](const IpPrefix& p, uint32_t next_hop) {
        listed.push_back(p.text());
        EXPECT_EQ(next_hop, listed.size());
    });
    EXPECT_EQ(listed, expected);
}

// Prefixes around each other, set in any order and removed in any order.
void nest(const std::array<std::string_view, 5>& texts, const std::array<std::string_view, 5>& only) {
    Table table;
    std::array<IpPrefix, 5> prefixes;
    std::transform(texts.begin(), texts.end(), prefixes.begin(), prefix);
    // only[i] is an address in prefix i and in none that is longer.
    std::array<IpAddress, 5> addresses;
    std::transform(only.begin(), only.end(), addresses.begin(), address);
    std::array<bool, 5> there{};
    const auto check = [&] {
        for (size_t i = 0; i < addresses.size(); ++i) {
            uint32_t expected = kNone;
            for (size_t j = 0; j <= i; ++j) {
                if (there[j]) expected = static_cast<uint32_t>(j) + 1;
            }
            ASSERT_EQ(find(table, addresses[i]), expected) << only[i];
        }
    };
    std::array<size_t, 5> in{0, 1, 2, 3, 4};
    do {
        std::array<size_t, 5> out{0, 1, 2, 3, 4};
        do {
            for (size_t i : in) {
                table.set(prefixes[i], static_cast<uint32_t>(i) + 1);
                there[i] = true;
                ASSERT_NO_FATAL_FAILURE(check());
            }
            for (size_t i : out) {
                table.remove(prefixes[i]);
                there[i] = false;
                ASSERT_NO_FATAL_FAILURE(check());
            }
            ASSERT_EQ(table.fib6().nodes(), 0u);
            table.reclaim();
        } while (std::next_permutation(out.begin(), out.end()));
    } while (std::next_permutation(in.begin(), in.end()));
}

TEST(RouteTable, NestedPrefixesInAnyOrder) {
    nest({"0.0.0.0/0", "10.1.0.0/18", "10.1.2.0/24", "10.1.2.128/25", "10.1.2.130/32"},
         {"11.0.0.0", "10.1.3.0", "10.1.2.0", "10.1.2.131", "10.1.2.130"});
    nest({"::/0", "2001:d80::/25", "2001:db8::/32", "2001:db8:1::/49", "2001:db8:1::1/128"},
         {"3001::", "2001:db9::", "2001:db8:2::", "2001:db8:1::2", "2001:db8:1::1"});
    nest({"2001:800::/21", "2001:d00::/24", "2001:db8:8000::/33", "2001:db8:8000::/40", "2001:db8:8000::/41"},
         {"2001:c00::", "2001:d00::", "2001:db8:9000::", "2001:db8:8080::", "2001:db8:8000::"});
}

// An address whose bytes are few different ones, so that prefixes of all lengths meet.
IpAddress any_address(std::mt19937& random, bool v4) {
    constexpr std::array<uint8_t, 6> kBytes = {0, 0x7f, 0x80, 0x81, 0xff, 0};
    const size_t variety = random() % 2 == 0 ? 2 : kBytes.size();
    const auto byte = [&] { return kBytes[random() % variety]; };
    if (v4) {
        const uint32_t second = byte(), third = byte();
        return IpAddress::from_v4(uint32_t{10} << 24 | second << 16 | third << 8 | byte());
    }
    IpAddress a{{0x20, 0x01}};
    // Long runs in common, as prefixes of one network have.
    const size_t begin = 2 + random() % 14;
    for (size_t i = begin; i < 16; ++i) a.bytes[i] = byte();
    return a;
}

IpAddress beside(std::mt19937& random, IpAddress a) {
    const size_t first = a.is_v4() ? 12 : 0;
    const size_t i = first + random() % (16 - first);
    a.bytes[i] = static_cast<uint8_t>(a.bytes[i] ^ 1U << random() % 8);
    return a.is_v4() == (first == 12) ? a : IpAddress{};
}

void compare(uint32_t seed, bool v4) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    Table table;
    Scan scan;
    const int shortest = v4 ? 9 : 12;
    std::vector<IpAddress> seen;
    for (int batch = 0; batch < 150; ++batch) {
        const bool growing = batch / 25 % 2 == 0;
        for (int i = 0; i < 40; ++i) {
            const IpAddress a = any_address(random, v4);
            const int bits = a.bits();
            // The default route, and half of the lengths next to where a level of the tables ends.
            int length = shortest + static_cast<int>(random() % static_cast<uint32_t>(bits - shortest + 1));
            if (random() % 2 == 0) length = std::min(bits, length / 8 * 8 + static_cast<int>(random() % 3));
            if (random() % 100 == 0) length = 0;
            const IpPrefix p = IpPrefix::around(a, static_cast<uint8_t>(length));
            const auto known = scan.routes.find(p);
            const auto before = known == scan.routes.end() ? std::nullopt : std::optional(known->second);
            if (random() % 10 < (growing ? 8 : 2)) {
                const uint32_t next_hop = random() % kMaxNextHop + 1;
                ASSERT_EQ(table.set(p, next_hop), before) << p.text();
                scan.routes[p] = next_hop;
                seen.push_back(a);
            } else if (const auto some = scan.routes.lower_bound(p); some != scan.routes.end()) {
                ASSERT_EQ(table.remove(some->first), some->second) << some->first.text();
                scan.routes.erase(some);
            }
        }
        for (int i = 0; i < 150; ++i) {
            IpAddress a = seen[random() % seen.size()];
            if (i % 3 == 1) a = beside(random, a);
            if (i % 3 == 2) a = any_address(random, v4);
            const auto expected = scan.longest(a);
            ASSERT_EQ(find(table, a), scan.find(a)) << a.text() << " in batch " << batch;
            ASSERT_EQ(table.longest(a), expected) << a.text() << " in batch " << batch;
        }
        if (batch % 3 == 0) table.reclaim();
    }
    std::map<IpPrefix, uint32_t> listed;
    table.each([&](const IpPrefix& p, uint32_t next_hop) { listed[p] = next_hop; });
    EXPECT_EQ(listed, scan.routes);
    while (!scan.routes.empty()) {
        const IpPrefix p = scan.routes.begin()->first;
        ASSERT_EQ(table.remove(p), scan.routes.begin()->second) << p.text();
        scan.routes.erase(scan.routes.begin());
    }
    for (const IpAddress& a : seen) ASSERT_EQ(find(table, a), kNone) << a.text();
    EXPECT_EQ(table.fib6().nodes(), 0u) << "what holds no route holds no node";
}

TEST(RouteTable, Ipv4LikeALinearScan) {
    for (uint32_t seed = 1; seed <= 3; ++seed) ASSERT_NO_FATAL_FAILURE(compare(seed, true));
}

TEST(RouteTable, Ipv6LikeALinearScan) {
    for (uint32_t seed = 1; seed <= 6; ++seed) ASSERT_NO_FATAL_FAILURE(compare(seed, false));
}

}  // namespace
}  // namespace sluice::route
