#include "service/services.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <vector>

namespace sluice::service {
namespace {

constexpr uint8_t kTcp = static_cast<uint8_t>(wire::Protocol::kTcp);
constexpr uint8_t kUdp = static_cast<uint8_t>(wire::Protocol::kUdp);
constexpr path::FlowDomain kDomain{1};

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

SharedBackends backends(std::vector<Backend> list) {
    return std::make_shared<const Backends>(std::move(list));
}

SharedFrontend frontend(FrontendKey key, Kind kind = Kind::kClusterIp, uint32_t object = 0) {
    Frontend made;
    made.key = key;
    made.domain = kDomain;
    made.kind = kind;
    made.object = object;
    return std::make_shared<const Frontend>(made);
}

// --- back ends ---

TEST(Backends, SortedAndEachOnce) {
    const Backends set({{.address = ip("10.0.0.2"), .port = 80, .object = 1},
                        {.address = ip("10.0.0.1"), .port = 81, .object = 2},
                        {.address = ip("10.0.0.1"), .port = 80, .state = State::kTerminating, .object = 3},
                        {.address = ip("10.0.0.1"), .port = 80, .object = 4}});
    ASSERT_EQ(set.list().size(), 3U);
    EXPECT_EQ(set.list()[0].object, 4U) << "the one that serves";
    EXPECT_EQ(set.list()[1].object, 2U);
    EXPECT_EQ(set.list()[2].object, 1U);
}

TEST(Backends, EachIsFoundByAddressAndPort) {
    std::vector<Backend> list;
    for (uint32_t i = 0; i < 300; ++i) {
        list.push_back({.address = IpAddress::from_v4(0x0a000000 + i * 77), .port = 8080, .object = i});
    }
    const Backends set(list);
    for (const Backend& backend : list) {
        const Backend* found = set.find(backend.address, 8080);
        ASSERT_NE(found, nullptr);
        EXPECT_EQ(found->object, backend.object);
        EXPECT_EQ(set.find(backend.address, 8081), nullptr);
    }
    EXPECT_EQ(set.find(ip("9.0.0.1"), 8080), nullptr);
    EXPECT_EQ(set.find(ip("11.0.0.1"), 8080), nullptr);
}

TEST(Backends, OrderDoesNotChangeTheChoice) {
    std::vector<Backend> list;
    for (uint32_t i = 0; i < 9; ++i) list.push_back({.address = IpAddress::from_v4(i), .port = 80, .object = i});
    const Backends one(list);
    std::reverse(list.begin(), list.end());
    const Backends other(list);
    for (uint32_t i = 0; i < 1000; ++i) {
        EXPECT_EQ(one.choose(i * 77'777'777)->object, other.choose(i * 77'777'777)->object);
    }
}

// --- a front end ---

TEST(Frontend, WithoutBackendsChoosesNone) {
    Frontend made;
    EXPECT_EQ(made.choose(1), nullptr);
    EXPECT_EQ(made.find(ip("10.0.0.1"), 80), nullptr);
    made.backends = backends({});
    EXPECT_EQ(made.choose(1), nullptr);
}

TEST(Frontend, ATerminatingBackendKeepsTcpOnly) {
    Frontend made;
    made.backends = backends({{.address = ip("10.0.0.1"), .port = 80, .state = State::kTerminating},
                              {.address = ip("10.0.0.2"), .port = 80}});
    for (uint32_t i = 0; i < 100; ++i) {
        EXPECT_EQ(made.choose(i * 0x1234'5677)->address, ip("10.0.0.2"));
    }
    made.key.protocol = kTcp;
    EXPECT_NE(made.find(ip("10.0.0.1"), 80), nullptr);
    EXPECT_NE(made.find(ip("10.0.0.2"), 80), nullptr);
    EXPECT_EQ(made.find_for_new(ip("10.0.0.1"), 80), nullptr);
    EXPECT_NE(made.find_for_new(ip("10.0.0.2"), 80), nullptr);
    made.key.protocol = kUdp;
    EXPECT_EQ(made.find(ip("10.0.0.1"), 80), nullptr);
    EXPECT_NE(made.find(ip("10.0.0.2"), 80), nullptr);
}

TEST(Frontend, WeightZeroKeepsConnectionsAndGetsNoNewOnes) {
    Frontend made;
    made.key.protocol = kUdp;
    made.backends = backends({{.address = ip("10.0.0.1"), .port = 80, .weight = 0}});
    EXPECT_EQ(made.choose(1), nullptr);
    EXPECT_NE(made.find(ip("10.0.0.1"), 80), nullptr);
    EXPECT_EQ(made.find_for_new(ip("10.0.0.1"), 80), nullptr);
}

TEST(Frontend, SourceRanges) {
    Frontend made;
    EXPECT_TRUE(made.admits(ip("192.0.2.1")));
    made.sources = {IpPrefix::parse("192.0.2.0/24").value(), IpPrefix::parse("2001:db8::/32").value()};
    EXPECT_TRUE(made.admits(ip("192.0.2.1")));
    EXPECT_TRUE(made.admits(ip("2001:db8::1")));
    EXPECT_FALSE(made.admits(ip("192.0.3.1")));
    EXPECT_FALSE(made.admits(ip("2001:db9::1")));
}

// --- the table ---

TEST(Services, AnEmptyTableFindsNothing) {
    const Services none;
    EXPECT_EQ(none.find(ip("10.96.0.1"), kTcp, 80), nullptr);
    EXPECT_EQ(none.owner(kDomain, ip("10.96.0.1")), nullptr);
    EXPECT_EQ(none.count(), 0U);
}

TEST(Services, FindsByAddressProtocolAndPort) {
    const Services table =
        Services().with({.added = {frontend({ip("10.96.0.1"), 53, kTcp}, Kind::kClusterIp, 1),
                                   frontend({ip("10.96.0.1"), 53, kUdp}, Kind::kClusterIp, 2),
                                   frontend({ip("fd00:96::1"), 53, kUdp}, Kind::kClusterIp, 3)}});
    EXPECT_EQ(table.find(ip("10.96.0.1"), kTcp, 53)->object, 1U);
    EXPECT_EQ(table.find(ip("10.96.0.1"), kUdp, 53)->object, 2U);
    EXPECT_EQ(table.find(ip("fd00:96::1"), kUdp, 53)->object, 3U);
    EXPECT_EQ(table.find(ip("10.96.0.1"), kTcp, 54), nullptr);
    EXPECT_EQ(table.find(ip("10.96.0.2"), kTcp, 53), nullptr);
    EXPECT_EQ(table.find(ip("fd00:96::1"), kTcp, 53), nullptr);

    path::Tuple tuple;
    tuple.key.addresses = wire::be32(0x0a000001).raw() | uint64_t{wire::be32(0x0a600001).raw()} << 32;
    const uint32_t ports = wire::be16(40'000).raw() | uint32_t{wire::be16(53).raw()} << 16;
    tuple.key.rest = path::TupleKey::make_rest(ports, kUdp, 4, path::FlowDomain{1});
    EXPECT_EQ(table.find(tuple)->object, 2U);
}

TEST(Services, AnAddressIsTheServicesInItsDomainAlone) {
    const Services table = Services().with({.added = {frontend({ip("10.96.0.1"), 53, kUdp})}});
    path::Tuple tuple;
    tuple.key.addresses = uint64_t{wire::be32(0x0a600001).raw()} << 32;
    const auto found_in = [&](path::FlowDomain domain) {
        tuple.key.rest = path::TupleKey::make_rest(uint32_t{wire::be16(53).raw()} << 16, kUdp, 4, domain);
        return table.find(tuple) != nullptr;
    };
    EXPECT_TRUE(found_in(kDomain));
    EXPECT_FALSE(found_in(path::FlowDomain{2}));
    EXPECT_EQ(table.owner(path::FlowDomain{2}, ip("10.96.0.1")), nullptr);
}

TEST(Services, OwnsTheAddressesThatAreNotNodes) {
    const Services table =
        Services().with({.added = {frontend({ip("10.96.0.1"), 80, kTcp}, Kind::kClusterIp, 1),
                                   frontend({ip("192.0.2.1"), 30'000, kTcp}, Kind::kNodePort, 2),
                                   frontend({ip("192.0.2.9"), 80, kTcp}, Kind::kExternalIp, 3),
                                   frontend({ip("192.0.2.10"), 80, kTcp}, Kind::kLoadBalancerIp, 4)}});
    EXPECT_EQ(table.owner(kDomain, ip("10.96.0.1"))->object, 1U);
    EXPECT_EQ(table.owner(kDomain, ip("192.0.2.1")), nullptr);
    EXPECT_NE(table.find(ip("192.0.2.1"), kTcp, 30'000), nullptr);
    EXPECT_EQ(table.owner(kDomain, ip("192.0.2.9"))->object, 3U);
    EXPECT_EQ(table.owner(kDomain, ip("192.0.2.10"))->object, 4U);
}

TEST(Services, AFrontendThatChangesItsKindChangesWhoOwnsTheAddress) {
    const FrontendKey key{ip("192.0.2.1"), 80, kTcp};
    Services table = Services().with({.added = {frontend(key, Kind::kExternalIp)}});
    EXPECT_NE(table.owner(kDomain, key.address), nullptr);
    table = table.with({.added = {frontend(key, Kind::kNodePort)}});
    EXPECT_EQ(table.owner(kDomain, key.address), nullptr);
    EXPECT_NE(table.find(key), nullptr);
    EXPECT_EQ(table.count(), 1U);
}

TEST(Services, AnotherValueSharesWhatIsUnchanged) {
    std::vector<SharedFrontend> all;
    for (uint32_t i = 0; i < 1000; ++i) all.push_back(frontend({IpAddress::from_v4(i), 80, kTcp}));
    const Services before = Services().with({.added = all});
    const Services after = before.with({.removed = {all[0]->key}, .added = {frontend(all[1]->key)}});
    EXPECT_EQ(before.find(all[0]->key), all[0].get()) << "the old value stays as it was";
    EXPECT_EQ(before.find(all[1]->key), all[1].get());
    EXPECT_EQ(after.find(all[0]->key), nullptr);
    EXPECT_NE(after.find(all[1]->key), nullptr);
    EXPECT_NE(after.find(all[1]->key), all[1].get());
    for (size_t i = 2; i < all.size(); ++i) ASSERT_EQ(after.find(all[i]->key), all[i].get());
}

TEST(Services, RemovedAndAddedInOneChangeIsThere) {
    const FrontendKey key{ip("10.96.0.1"), 80, kTcp};
    const Services before = Services().with({.added = {frontend(key, Kind::kClusterIp, 1)}});
    const Services after = before.with({.removed = {key}, .added = {frontend(key, Kind::kClusterIp, 2)}});
    EXPECT_EQ(after.find(key)->object, 2U);
    EXPECT_EQ(after.count(), 1U);
}

// Few addresses and ports, so that keys come again and shards fill, empty and wrap around.
TEST(Services, RandomChangesAgainstAMap) {
    std::mt19937 random(11);
    Services table;
    std::map<FrontendKey, SharedFrontend> model;
    const auto any_key = [&] {
        const uint16_t port = random() % 40;
        return FrontendKey{IpAddress::from_v4(random() % 20), port, random() % 2 == 0 ? kTcp : kUdp};
    };
    for (int round = 0; round < 2000; ++round) {
        Services::Changes changes;
        const bool shrinks = round / 200 % 2 == 1;
        for (uint32_t i = random() % (shrinks ? 20 : 5); i > 0; --i) changes.removed.push_back(any_key());
        for (uint32_t i = random() % (shrinks ? 5 : 20); i > 0; --i) {
            changes.added.push_back(frontend(any_key(), static_cast<Kind>(random() % 4), random()));
        }
        for (const FrontendKey& key : changes.removed) model.erase(key);
        for (const SharedFrontend& each : changes.added) model[each->key] = each;
        table = table.with(changes);
        ASSERT_EQ(table.count(), model.size());
        std::set<IpAddress> owned;
        for (const auto& [key, each] : model) {
            if (each->kind != Kind::kNodePort) owned.insert(key.address);
        }
        for (int i = 0; i < 50; ++i) {
            const FrontendKey key = any_key();
            const auto found = model.find(key);
            ASSERT_EQ(table.find(key), found == model.end() ? nullptr : found->second.get());
        }
        for (uint32_t i = 0; i < 20; ++i) {
            const IpAddress address = IpAddress::from_v4(i);
            ASSERT_EQ(table.owner(kDomain, address) != nullptr, owned.contains(address));
        }
    }
}

}  // namespace
}  // namespace sluice::service
