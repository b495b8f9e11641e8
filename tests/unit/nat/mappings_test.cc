#include "nat/mappings.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace sluice::nat {
namespace {

const IpAddress kOutside = IpAddress::from_v4(0xc0000201);

IpAddress host(uint32_t i) {
    return IpAddress::from_v4(0x0a000000 + i);
}

std::vector<IpAddress> outsides(uint32_t count) {
    std::vector<IpAddress> addresses;
    for (uint32_t i = 0; i < count; ++i) addresses.push_back(IpAddress::from_v4(0xc0000201 + i));
    return addresses;
}

MappingsSettings with_ports(uint16_t low, uint16_t high, std::optional<uint32_t> ports_per_host = 0) {
    return {.pool = {.addresses = {kOutside}, .low = low, .high = high}, .ports_per_host = ports_per_host};
}

Answer udp(Mappings& mappings, const Endpoint& inside, unsigned attempt = 0) {
    return mappings.map(Transport::kUdp, inside, attempt);
}

uint64_t used(const Mappings& mappings) {
    uint64_t sum = 0;
    for (uint16_t i = 0; i < mappings.pool().address_count(); ++i) {
        for (size_t t = 0; t < kTransportCount; ++t) sum += mappings.pool().ports(i, Transport(t)).used();
    }
    return sum;
}

TEST(Mappings, AnEndpointKeepsItsOutsideEndpoint) {
    Mappings mappings({.pool = {.addresses = outsides(4)}});
    const Answer first = udp(mappings, {host(1), 5000});
    EXPECT_EQ(first.outcome, Outcome::kNew);
    EXPECT_EQ(first.outside.port, 5000);
    const Answer again = udp(mappings, {host(1), 5000});
    EXPECT_EQ(again.outcome, Outcome::kFound);
    EXPECT_EQ(again.outside, first.outside);
    // Another transport is another endpoint.
    EXPECT_EQ(mappings.map(Transport::kTcp, {host(1), 5000}, 0).outcome, Outcome::kNew);
    EXPECT_EQ(mappings.count(), 2u);
}

TEST(Mappings, AnInsideAddressKeepsItsOutsideAddress) {
    Mappings mappings({.pool = {.addresses = outsides(4)}});
    std::set<IpAddress> all;
    for (uint32_t i = 0; i < 64; ++i) {
        const IpAddress paired = udp(mappings, {host(i), 1000}).outside.address;
        all.insert(paired);
        for (uint16_t port = 1001; port < 1050; ++port) {
            EXPECT_EQ(mappings.map(Transport(port % 4), {host(i), port}, 0).outside.address, paired);
        }
        EXPECT_EQ(mappings.address_of(host(i), 0), paired);
    }
    EXPECT_EQ(all.size(), 4u);  // hosts are spread
}

TEST(Mappings, TakesAnotherAddressWhereThePairedOneIsFull) {
    Mappings mappings({.pool = {.addresses = outsides(2), .low = 2000, .high = 2099}, .ports_per_host = 0});
    std::map<IpAddress, int> ports;
    for (uint16_t port = 1; port <= 200; ++port) {
        const Answer answer = udp(mappings, {host(1), port});
        EXPECT_EQ(answer.outcome, Outcome::kNew);
        ++ports[answer.outside.address];
        if (port == 100) {
            EXPECT_EQ(ports.size(), 1u);
        }
    }
    EXPECT_EQ(ports.size(), 2u);
}

TEST(Mappings, ProtocolsWithoutPortsHaveAnAddress) {
    Mappings mappings({.pool = {.addresses = outsides(3)}});
    std::set<IpAddress> tried;
    for (unsigned attempt = 0; attempt < 3; ++attempt) tried.insert(*mappings.address_of(host(1), attempt));
    EXPECT_EQ(tried.size(), 3u);
    EXPECT_EQ(mappings.address_of(host(1), 3), std::nullopt);
    EXPECT_EQ(mappings.address_of(*IpAddress::parse("fd00::1"), 0), std::nullopt);
    EXPECT_EQ(mappings.address_of(host(1), 0), mappings.address_of(host(1), 0));
}

TEST(Mappings, TheOtherFamilyHasNoAddress) {
    Mappings mappings({.pool = {.addresses = {kOutside}}});
    EXPECT_EQ(udp(mappings, {*IpAddress::parse("fd00::1"), 1}).outcome, Outcome::kNoAddress);
    EXPECT_EQ(mappings.answers(Outcome::kNoAddress), 1u);
    Mappings both({.pool = {.addresses = {kOutside, *IpAddress::parse("2001:db8::1")}}});
    EXPECT_EQ(udp(both, {*IpAddress::parse("fd00::1"), 7}).outside.address.text(), "2001:db8::1");
    EXPECT_EQ(udp(both, {host(1), 7}).outside.address, kOutside);
}

TEST(Mappings, AFreedPortIsGivenAgain) {
    Mappings mappings(with_ports(2000, 2000));
    ASSERT_EQ(udp(mappings, {host(1), 1}).outcome, Outcome::kNew);
    EXPECT_EQ(mappings.sweep(), 0u);  // asked for in this walk
    EXPECT_EQ(mappings.sweep(), 0u);  // and in the one before
    EXPECT_EQ(mappings.sweep(), 1u);
    EXPECT_EQ(mappings.count(), 0u);
    EXPECT_EQ(used(mappings), 0u);
    EXPECT_TRUE(mappings.top_hosts(10).empty());
    EXPECT_EQ(udp(mappings, {host(2), 1}).outcome, Outcome::kNew);
}

TEST(Mappings, AMarkedMappingStays) {
    Mappings mappings({.pool = {.addresses = {kOutside}}});
    const Endpoint marked{host(1), 1}, asked{host(1), 2}, kept{host(1), 3}, silent{host(1), 4};
    const Endpoint outside = udp(mappings, marked).outside;
    for (const Endpoint& other : {asked, kept, silent}) udp(mappings, other);
    const Endpoint kept_outside = udp(mappings, kept).outside;
    for (int walk = 0; walk < 10; ++walk) {
        EXPECT_TRUE(mappings.mark(Transport::kUdp, marked, outside));
        EXPECT_TRUE(mappings.keep(Transport::kUdp, kept, kept_outside));
        udp(mappings, asked);
        EXPECT_EQ(mappings.sweep(), walk == 2 ? 1u : 0u);
    }
    EXPECT_EQ(udp(mappings, marked).outside, outside);
    EXPECT_EQ(mappings.count(), 3u);
}

// map() at the end of a walk; the flow is added when the next walk has passed its place.
TEST(Mappings, AFlowThatTheNextWalkMissesKeepsItsMapping) {
    Mappings mappings({.pool = {.addresses = {kOutside}}});
    const Endpoint outside = udp(mappings, {host(1), 1}).outside;
    EXPECT_EQ(mappings.sweep(), 0u);
    EXPECT_EQ(mappings.sweep(), 0u);  // of a walk that has missed it
    mappings.mark(Transport::kUdp, {host(1), 1}, outside);
    EXPECT_EQ(mappings.sweep(), 0u);
    EXPECT_EQ(udp(mappings, {host(1), 1}).outcome, Outcome::kFound);
}

TEST(Mappings, FurtherAttemptsHaveOutsideEndpointsOfTheirOwn) {
    Mappings mappings({.pool = {.addresses = {kOutside}}});
    std::set<uint16_t> ports;
    for (unsigned attempt = 0; attempt < Mappings::kMaxAttempts; ++attempt) {
        const Answer answer = udp(mappings, {host(1), 5000}, attempt);
        EXPECT_EQ(answer.outcome, Outcome::kNew);
        EXPECT_EQ(udp(mappings, {host(1), 5000}, attempt).outside, answer.outside);
        ports.insert(answer.outside.port);
    }
    EXPECT_EQ(ports.size(), Mappings::kMaxAttempts);
    EXPECT_EQ(udp(mappings, {host(1), 5000}, Mappings::kMaxAttempts).outcome, Outcome::kExhausted);
}

TEST(Mappings, AFullPoolIsShared) {
    Mappings mappings(with_ports(2000, 2003));
    for (uint32_t i = 0; i < 4; ++i) EXPECT_EQ(udp(mappings, {host(i), 9}).outcome, Outcome::kNew);
    std::set<uint16_t> ports;
    for (unsigned attempt = 0; attempt < 4; ++attempt) {
        const Answer answer = udp(mappings, {host(9), 9}, attempt);
        EXPECT_EQ(answer.outcome, Outcome::kShared);
        ports.insert(answer.outside.port);
    }
    EXPECT_EQ(ports.size(), 4u);  // never the same port twice
    EXPECT_EQ(udp(mappings, {host(9), 9}, 4).outcome, Outcome::kExhausted);
    EXPECT_EQ(mappings.pool().ports(0, Transport::kUdp).shared(), 4u);
    EXPECT_EQ(mappings.answers(Outcome::kShared), 4u);
    EXPECT_EQ(mappings.answers(Outcome::kExhausted), 1u);
    for (int i = 0; i < 3; ++i) mappings.sweep();
    EXPECT_EQ(mappings.count(), 0u);
    EXPECT_EQ(used(mappings), 0u);
    EXPECT_EQ(mappings.pool().ports(0, Transport::kUdp).shared(), 0u);
}

TEST(Mappings, AGreedyHostLeavesAsMuchAsItHas) {
    Mappings mappings(with_ports(2000, 2999, std::nullopt));
    uint16_t port = 1;
    while (udp(mappings, {host(1), port}).outcome == Outcome::kNew) ++port;
    EXPECT_EQ(port, 501);  // half
    EXPECT_EQ(mappings.pool().free(mappings.pool().family(host(1)), Transport::kUdp), 500u);
    EXPECT_EQ(udp(mappings, {host(1), 501}).outcome, Outcome::kFound);  // shared, as the loop found
    for (uint16_t p = 502; p < 800; ++p) EXPECT_EQ(udp(mappings, {host(1), p}).outcome, Outcome::kShared);
    EXPECT_EQ(mappings.pool().free(mappings.pool().family(host(1)), Transport::kUdp), 500u);
    for (uint16_t p = 1; p <= 250; ++p) EXPECT_EQ(udp(mappings, {host(2), p}).outcome, Outcome::kNew);
    // The ports of other transports are others.
    EXPECT_EQ(mappings.map(Transport::kTcp, {host(1), 1}, 0).outcome, Outcome::kNew);
}

TEST(Mappings, AFixedLimitRefuses) {
    Mappings mappings(with_ports(2000, 2999, 10));
    for (uint16_t port = 1; port <= 10; ++port) {
        EXPECT_EQ(udp(mappings, {host(1), port}).outcome, Outcome::kNew);
    }
    EXPECT_EQ(udp(mappings, {host(1), 11}).outcome, Outcome::kHostLimit);
    EXPECT_EQ(udp(mappings, {host(1), 10}).outcome, Outcome::kFound);
    EXPECT_EQ(mappings.map(Transport::kTcp, {host(1), 11}, 0).outcome, Outcome::kNew);
    EXPECT_EQ(udp(mappings, {host(2), 11}).outcome, Outcome::kNew);
    EXPECT_EQ(mappings.count(), 12u);
}

TEST(Mappings, AHostCanNotFillTheTable) {
    MappingsSettings settings = with_ports(2000, 2099, std::nullopt);
    settings.capacity = 1000;
    Mappings mappings(settings);
    uint16_t port = 1;
    while (udp(mappings, {host(1), port}).is_mapped()) ++port;
    EXPECT_EQ(udp(mappings, {host(1), port}).outcome, Outcome::kHostLimit);
    EXPECT_NEAR(mappings.count(), 500, 2);
    EXPECT_TRUE(udp(mappings, {host(2), 1}).is_mapped());
}

TEST(Mappings, AFullTableRefuses) {
    MappingsSettings settings = with_ports(2000, 60000);
    settings.capacity = 100;
    Mappings mappings(settings);
    for (uint32_t i = 0; i < 100; ++i) EXPECT_EQ(udp(mappings, {host(i), 1}).outcome, Outcome::kNew);
    EXPECT_EQ(udp(mappings, {host(100), 1}).outcome, Outcome::kFull);
    EXPECT_EQ(mappings.count(), 100u);
    EXPECT_EQ(used(mappings), 100u);
    EXPECT_EQ(mappings.top_hosts(1000).size(), 100u);
}

TEST(Mappings, FindsWhoHasAnOutsideEndpoint) {
    Mappings mappings({.pool = {.addresses = outsides(2)}});
    const Endpoint inside{host(1), 5000};
    const Endpoint outside = udp(mappings, inside).outside;
    EXPECT_EQ(mappings.inside_of(Transport::kUdp, outside), inside);
    EXPECT_EQ(mappings.inside_of(Transport::kTcp, outside), std::nullopt);
    EXPECT_EQ(mappings.inside_of(Transport::kUdp, {outside.address, 80}), std::nullopt);
    EXPECT_EQ(mappings.inside_of(Transport::kUdp, {host(1), 5000}), std::nullopt);
    for (int i = 0; i < 3; ++i) mappings.sweep();
    EXPECT_EQ(mappings.inside_of(Transport::kUdp, outside), std::nullopt);
}

TEST(Mappings, WhoHasAPortFirstIsFoundBehindIt) {
    const auto settings = with_ports(1024, 1025, std::nullopt);
    Mappings mappings(settings);
    const Endpoint first{host(1), 1024};
    const Endpoint outside = udp(mappings, first).outside;
    // The other host's endpoints share both ports.
    for (uint16_t port = 2000; port < 2010; ++port) udp(mappings, {host(2), port});
    EXPECT_EQ(mappings.inside_of(Transport::kUdp, outside), first);
    // Other settings change nothing.
    auto others = settings;
    others.capacity = 4096;
    Mappings after(others, &mappings);
    EXPECT_EQ(after.inside_of(Transport::kUdp, outside), first);
    // When he is gone, one of those who go on using the port is found there.
    std::vector<std::pair<Endpoint, Endpoint>> sharers;
    for (uint16_t port = 2000; port < 2010; ++port)
        sharers.emplace_back(Endpoint{host(2), port}, udp(after, {host(2), port}).outside);
    for (int i = 0; i < 3; ++i) {
        for (const auto& [inside, its] : sharers) after.mark(Transport::kUdp, inside, its);
        after.sweep();
    }
    for (const auto& [inside, its] : sharers) after.mark(Transport::kUdp, inside, its);
    const auto found = after.inside_of(Transport::kUdp, outside);
    const bool is_shared =
        std::any_of(sharers.begin(), sharers.end(), [&](const auto& sharer) { return sharer.second == outside; });
    EXPECT_EQ(found.has_value(), is_shared);
    if (found) EXPECT_EQ(found->address, host(2));
}

TEST(Mappings, HostsBehindOnePortHaveOneShareTogether) {
    Mappings mappings(with_ports(1024, 2023, std::nullopt));
    const path::PortId flooder{7}, other{8};
    uint32_t own = 0;
    for (uint32_t i = 0; i < 2000; ++i)
        own += mappings.map(Transport::kUdp, {host(1000 + i), 5000}, 0, flooder).outcome == Outcome::kNew;
    EXPECT_EQ(own, 500u);
    for (uint16_t port = 0; port < 200; ++port)
        EXPECT_EQ(mappings.map(Transport::kUdp, {host(1), port}, 0, other).outcome, Outcome::kNew);
    // They get it back when it is free again.
    for (int i = 0; i < 3; ++i) mappings.sweep();
    EXPECT_EQ(mappings.map(Transport::kUdp, {host(1000), 5000}, 0, flooder).outcome, Outcome::kNew);
}

TEST(Mappings, TellsWhoHasMost) {
    Mappings mappings({.pool = {.addresses = {kOutside}}});
    for (uint32_t i = 1; i <= 100; ++i) {
        for (uint32_t port = 0; port < i; ++port) udp(mappings, {host(i), static_cast<uint16_t>(port)});
    }
    mappings.map(Transport::kTcp, {host(100), 1}, 0);
    const auto top = mappings.top_hosts(3);
    ASSERT_EQ(top.size(), 3u);
    EXPECT_EQ(top[0].address, host(100));
    EXPECT_EQ(top[0].outside, kOutside);
    EXPECT_EQ(top[0].total, 101u);
    EXPECT_EQ(top[0].mappings, (std::array<uint32_t, kTransportCount>{1, 100, 0, 0}));
    EXPECT_EQ(top[1].address, host(99));
    EXPECT_EQ(top[2].address, host(98));
    EXPECT_TRUE(mappings.top_hosts(0).empty());
}

TEST(Mappings, AChangeKeepsWhatItAllows) {
    Mappings before({.pool = {.addresses = outsides(2), .low = 1, .high = 65535}});
    std::map<uint32_t, Endpoint> outside;
    for (uint32_t i = 0; i < 1000; ++i) outside[i] = udp(before, {host(i), 5000}).outside;
    // The first address leaves, and low ports are reserved at the other.
    const IpAddress stays = outsides(2)[1];
    Mappings after({.pool = {.addresses = {stays, IpAddress::from_v4(7)},
                             .low = 1,
                             .high = 65535,
                             .reserved = {{stays, Transport::kUdp, 1, 20000}}}},
                   &before);
    size_t kept = 0;
    for (const auto& [i, was] : outside) {
        const bool allowed = was.address == stays && was.port > 20000;
        kept += allowed;
        EXPECT_EQ(after.keep(Transport::kUdp, {host(i), 5000}, was), allowed);
    }
    EXPECT_EQ(after.count(), kept);
    EXPECT_GT(kept, 100u);
    EXPECT_LT(kept, 900u);
    for (const auto& [i, was] : outside) {
        const Answer answer = udp(after, {host(i), 5000});
        if (was.address != stays || was.port <= 20000) {
            EXPECT_EQ(answer.outcome, Outcome::kNew);
        } else {
            EXPECT_EQ(answer.outcome, Outcome::kFound);
            EXPECT_EQ(answer.outside, was);
        }
    }
    EXPECT_EQ(after.answers(Outcome::kNew), 2000 - kept);
}

TEST(Mappings, AMappingOfAFlowComesBack) {
    Mappings mappings({.pool = {.addresses = {kOutside}}});
    EXPECT_TRUE(mappings.mark(Transport::kTcp, {host(1), 1}, {kOutside, 5000}));
    const Answer answer = mappings.map(Transport::kTcp, {host(1), 1}, 0);
    EXPECT_EQ(answer.outcome, Outcome::kFound);
    EXPECT_EQ(answer.outside, (Endpoint{kOutside, 5000}));
    // A second one of the same endpoint is the next attempt's.
    EXPECT_TRUE(mappings.keep(Transport::kTcp, {host(1), 1}, {kOutside, 5001}));
    EXPECT_EQ(mappings.map(Transport::kTcp, {host(1), 1}, 1).outside.port, 5001);
    EXPECT_FALSE(mappings.mark(Transport::kTcp, {host(1), 1}, {kOutside, 80}));
    EXPECT_FALSE(mappings.mark(Transport::kTcp, {host(1), 1}, {host(1), 5000}));
    EXPECT_FALSE(mappings.mark(Transport::kTcp, {*IpAddress::parse("fd00::1"), 1}, {kOutside, 5000}));
}

// Against maps: random endpoints of few hosts, whose flows live for a while.
TEST(Mappings, AgreesWithANaiveTable) {
    struct Flow {
        Endpoint inside;
        Transport transport;
        Endpoint outside;
        int until;
    };
    std::mt19937_64 random(3);
    for (const uint16_t size : {50, 500, 20000}) {
        Mappings mappings(with_ports(3000, static_cast<uint16_t>(2999 + size)));
        std::vector<Flow> flows;
        for (int walk = 0; walk < 60; ++walk) {
            for (int i = 0; i < 100; ++i) {
                const Endpoint inside{host(random() % 20), static_cast<uint16_t>(random() % 200)};
                const auto transport = Transport(random() % kTransportCount);
                const Answer answer = mappings.map(transport, inside, 0);
                ASSERT_TRUE(answer.is_mapped());
                for (const Flow& flow : flows) {
                    if (flow.transport != transport) continue;
                    if (flow.inside == inside) {
                        ASSERT_EQ(answer.outcome, Outcome::kFound);
                        ASSERT_EQ(answer.outside, flow.outside);
                    } else if (answer.outcome == Outcome::kNew) {
                        ASSERT_NE(answer.outside, flow.outside);
                    }
                }
                flows.push_back({inside, transport, answer.outside, walk + static_cast<int>(random() % 10)});
            }
            std::erase_if(flows, [&](const Flow& flow) { return flow.until < walk; });
            for (const Flow& flow : flows) ASSERT_TRUE(mappings.mark(flow.transport, flow.inside, flow.outside));
            mappings.sweep();
        }
        for (int i = 0; i < 3; ++i) mappings.sweep();
        EXPECT_EQ(mappings.count(), 0u);
        EXPECT_EQ(used(mappings), 0u);
    }
}

}  // namespace
}  // namespace sluice::nat
