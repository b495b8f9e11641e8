#include "dns/names.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "unit/dns/ask.h"

namespace sluice::dns {
namespace {

Source source(std::string name) {
    return {.kind = "service", .name = std::move(name), .place = {}};
}
NamesTable::Named address(std::string_view name, std::string_view address, Scope scope = Scope{1}) {
    return {wire_name(name), address_record(ip(address), scope)};
}

Settings cluster() {
    Settings settings;
    settings.zone = wire_name("cluster.local");
    return settings;
}

TEST(Names, ATableIsTakenOnceForAChange) {
    NamesTable table;
    EXPECT_NE(table.take(), nullptr) << "the first one, which is empty";
    EXPECT_EQ(table.take(), nullptr);
    table.set(source("a"), {address("a", "10.0.0.1")});
    const auto names = table.take();
    ASSERT_NE(names, nullptr);
    EXPECT_NE(names->find(wire_name("a")), nullptr);
    EXPECT_EQ(table.take(), nullptr);
    table.set(Settings{});
    EXPECT_EQ(table.take(), nullptr) << "the same settings";
}

TEST(Names, AnObjectReplacesItsOwnRecordsOnly) {
    NamesTable table;
    table.set(source("a"), {address("x", "10.0.0.1"), address("y", "10.0.0.1")});
    table.set(source("b"), {address("x", "10.0.0.2")});
    table.set(source("a"), {address("x", "10.0.0.3")});
    const auto names = table.take();
    ASSERT_NE(names->find(wire_name("x")), nullptr);
    EXPECT_EQ(names->find(wire_name("x"))->records.size(), 2U);
    EXPECT_EQ(names->find(wire_name("y")), nullptr);
}

TEST(Names, ATableStaysWhatItWasWhileAnotherIsMade) {
    NamesTable table;
    table.set(source("a"), {address("x", "10.0.0.1")});
    const auto before = table.take();
    table.set(source("a"), {});
    const auto after = table.take();
    EXPECT_NE(before->find(wire_name("x")), nullptr);
    EXPECT_EQ(after->find(wire_name("x")), nullptr);
}

TEST(Names, NamesAboveARecordExistWithoutRecords) {
    NamesTable table;
    table.set(cluster());
    table.set(source("a"), {address("a.ns.svc.cluster.local", "10.0.0.1")});
    table.set(source("b"), {address("b.ns.svc.cluster.local", "10.0.0.1")});
    auto names = table.take();
    ASSERT_NE(names->find(wire_name("ns.svc.cluster.local")), nullptr);
    EXPECT_EQ(names->find(wire_name("ns.svc.cluster.local"))->names_below, 2U);
    EXPECT_EQ(names->find(wire_name("cluster.local")), nullptr) << "the apex is the settings'";
    table.set(source("a"), {});
    names = table.take();
    EXPECT_NE(names->find(wire_name("svc.cluster.local")), nullptr);
    table.set(source("b"), {});
    EXPECT_EQ(table.take()->count(), 0U);
}

TEST(Names, AnotherZoneCountsAnew) {
    NamesTable table;
    table.set(cluster());
    table.set(source("a"), {address("a.b.cluster.local", "10.0.0.1"), address("a.b.other.test", "10.0.0.1")});
    Settings other;
    other.zone = wire_name("other.test");
    table.set(other);
    const auto names = table.take();
    EXPECT_EQ(names->find(wire_name("b.cluster.local")), nullptr);
    EXPECT_NE(names->find(wire_name("b.other.test")), nullptr);
    table.set(source("a"), {});
    EXPECT_EQ(table.take()->count(), 0U);
}

TEST(Names, RandomChangesGiveWhatOneTableOfAllWouldHave) {
    std::mt19937 random(11);
    NamesTable table;
    table.set(cluster());
    std::map<std::string, std::map<std::string, int>> wanted;  // object, name, records
    for (int round = 0; round < 3000; ++round) {
        const std::string object = "o" + std::to_string(random() % 40);
        std::vector<NamesTable::Named> records;
        std::map<std::string, int> own;
        for (unsigned i = random() % 4; i > 0; --i) {
            const std::string name = "n" + std::to_string(random() % 60);
            records.push_back(address(name, "10.0.0." + std::to_string(random() % 200)));
            ++own[name];
        }
        table.set(source(object), std::move(records));
        wanted[object] = own;
        if (random() % 8 != 0) continue;
        const auto names = table.take();
        if (names == nullptr) continue;
        std::map<std::string, int> counts;
        for (const auto& [key, of_object] : wanted) {
            for (const auto& [name, count] : of_object) counts[name] += count;
        }
        ASSERT_EQ(names->count(), counts.size());
        for (const auto& [name, count] : counts) {
            const Entry* entry = names->find(wire_name(name));
            ASSERT_NE(entry, nullptr) << name;
            ASSERT_EQ(entry->records.size(), static_cast<size_t>(count)) << name;
        }
    }
}

TEST(Records, ReadAsAZoneFileHasThem) {
    EXPECT_EQ(data_text(address_record(ip("10.0.0.1"), kNobody)), "10.0.0.1");
    EXPECT_EQ(data_text(address_record(ip("fd00::1"), kNobody)), "fd00::1");
    EXPECT_EQ(data_text(service_record(8080, wire_name("a.b"), kNobody)), "0 100 8080 a.b.");
    EXPECT_EQ(data_text(name_record(Type::kCname, wire_name("a.b"), kNobody)), "a.b.");
    EXPECT_EQ(data_text(text_record("1.1.0", kNobody)), "\"1.1.0\"");
}

}  // namespace
}  // namespace sluice::dns
