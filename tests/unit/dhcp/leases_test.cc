#include "dhcp/leases.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace sluice::dhcp {
namespace {

IpAddress address(const char* text) {
    return IpAddress::parse(text).value();
}
Guest guest(uint64_t mac, const char* port = "vm1") {
    return {"blue", port, MacAddress::from_uint64(0x0200'0000'0000 + mac)};
}

class LeasesFile : public testing::Test {
 protected:
    void SetUp() override {
        folder_ = testing::TempDir() + "leases-" + std::to_string(getpid());
        std::filesystem::create_directories(folder_);
        file_ = folder_ + "/state.json.leases";
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    Leases restarted(int64_t now, size_t faults = 0) const {
        Leases leases(file_);
        EXPECT_EQ(leases.load(now).size(), faults);
        return leases;
    }
    std::string text() const {
        std::ifstream stream(file_);
        return {std::istreambuf_iterator<char>(stream), {}};
    }
    void write(const std::string& text) const { std::ofstream(file_) << text; }

    std::string folder_;
    std::string file_;
};

TEST_F(LeasesFile, WhatIsBoundSurvivesARestartForItsWholeTime) {
    Leases leases(file_);
    leases.bind(guest(1), address("10.0.0.5"), false, "web", 600, 1000);
    leases.bind(guest(1), address("fd00::5"), false, "", 600, 1000);
    leases.bind(guest(2, "vm2"), address("10.0.0.6"), true, "", 600, 1000);
    leases.offer(guest(3), address("10.0.0.7"), false, 1000);
    ASSERT_TRUE(leases.save());
    const Leases again = restarted(50);
    ASSERT_NE(again.find(guest(1), true), nullptr);
    const Lease& lease = *again.find(guest(1), true);
    EXPECT_EQ(lease.address, address("10.0.0.5"));
    EXPECT_EQ(lease.state, LeaseState::kBound);
    EXPECT_EQ(lease.host_name, "web");
    EXPECT_EQ(lease.until, 650);
    EXPECT_EQ(again.find(guest(1), false)->address, address("fd00::5"));
    EXPECT_TRUE(again.find(guest(2, "vm2"), true)->is_declared);
    EXPECT_EQ(*again.holder("blue", address("10.0.0.5")), guest(1));
    EXPECT_EQ(again.holder("blue", address("10.0.0.6")), nullptr) << "it is the port's own";
    EXPECT_EQ(again.find(guest(3), true), nullptr) << "it was only offered";
    EXPECT_EQ(again.entries().size(), 3u);
}

TEST_F(LeasesFile, ARenewalWritesNothing) {
    Leases leases(file_);
    leases.bind(guest(1), address("10.0.0.5"), false, "", 600, 1000);
    EXPECT_FALSE(leases.is_saved());
    ASSERT_TRUE(leases.save());
    leases.bind(guest(1), address("10.0.0.5"), false, "", 600, 1300);
    EXPECT_TRUE(leases.is_saved());
    EXPECT_EQ(leases.find(guest(1), true)->until, 1900);
    EXPECT_FALSE(leases.expire(1899));
    EXPECT_TRUE(leases.expire(1900));
}

TEST_F(LeasesFile, AGuestGetsItsOwnAgainAfterItsEnd) {
    Leases leases(file_);
    leases.bind(guest(1), address("10.0.0.5"), false, "", 600, 1000);
    leases.release(guest(1), true, 1100);
    leases.bind(guest(2), address("10.0.0.6"), false, "", 600, 1000);
    EXPECT_TRUE(leases.expire(1600));
    ASSERT_TRUE(leases.save());
    Leases again = restarted(2000);
    for (const uint64_t mac : {1, 2}) EXPECT_EQ(again.find(guest(mac), true)->state, LeaseState::kFree) << mac;
    // An offer that is not taken leaves it as it was, in the file too.
    again.offer(guest(1), address("10.0.0.5"), false, 2000);
    again.bind(guest(3), address("10.0.0.7"), false, "", 600, 2000);
    ASSERT_TRUE(again.save());
    EXPECT_EQ(restarted(2000).find(guest(1), true)->state, LeaseState::kFree);
    EXPECT_FALSE(again.expire(2000 + Leases::kOfferTime));
    EXPECT_EQ(again.find(guest(1), true)->state, LeaseState::kFree);
}

TEST_F(LeasesFile, AnAddressHasOneGuest) {
    Leases leases;
    leases.bind(guest(1), address("10.0.0.5"), false, "", 600, 1000);
    leases.release(guest(1), true, 1100);
    leases.bind(guest(2), address("10.0.0.5"), false, "", 600, 1200);
    EXPECT_EQ(*leases.holder("blue", address("10.0.0.5")), guest(2));
    EXPECT_EQ(leases.find(guest(1), true), nullptr);
    // A guest that gets another one has that only.
    leases.bind(guest(2), address("10.0.0.6"), false, "", 600, 1300);
    EXPECT_EQ(leases.holder("blue", address("10.0.0.5")), nullptr);
    EXPECT_EQ(leases.entries().size(), 1u);
}

TEST_F(LeasesFile, APortsGuestsOfBeforeAreNotKeptWithoutEnd) {
    Leases leases;
    leases.bind(guest(1), address("10.0.0.5"), false, "", 600, 1000);
    for (uint32_t i = 0; i < Leases::kMostFreeOfPort + 50; ++i) {
        leases.bind(guest(100 + i), IpAddress::from_v4(0x0a01'0000 + i), false, "", 600, 1000 + i);
        leases.release(guest(100 + i), true, 1000 + i);
    }
    EXPECT_EQ(leases.entries().size(), 1 + Leases::kMostFreeOfPort);
    EXPECT_NE(leases.find(guest(1), true), nullptr) << "it is in use";
    EXPECT_EQ(leases.find(guest(100), true), nullptr) << "the oldest one";
}

TEST_F(LeasesFile, ADeclinedAddressIsTakenOutForSomeTime) {
    Leases leases;
    leases.bind(guest(1), address("10.0.0.5"), false, "", 600, 1000);
    leases.decline(guest(1), true, 1000);
    EXPECT_EQ(leases.find(guest(1), true), nullptr);
    EXPECT_TRUE(leases.declined().contains({"blue", address("10.0.0.5")}));
    EXPECT_EQ(leases.declined_of("blue", guest(1).port), 1u);
    leases.expire(1000 + Leases::kDeclinedTime);
    EXPECT_TRUE(leases.declined().empty());
    EXPECT_EQ(leases.declined_of("blue", guest(1).port), 0u);
    leases.offer(guest(1), address("10.0.0.7"), false, 1000);
    leases.decline(guest(1), true, 1000);
    EXPECT_TRUE(leases.declined().empty()) << "of an offer nothing is known";
    leases.bind(guest(2), address("10.0.0.2"), true, "", 600, 1000);
    leases.decline(guest(2), true, 1000);
    EXPECT_TRUE(leases.declined().empty()) << "the port's own address is nobody else's";
}

TEST_F(LeasesFile, CountsTheGuestsOfAPort) {
    Leases leases;
    leases.bind(guest(1), address("10.0.0.5"), false, "", 600, 1000);
    leases.bind(guest(1), address("fd00::5"), false, "", 600, 1000);
    leases.offer(guest(2), address("10.0.0.6"), false, 1000);
    leases.bind(guest(3), address("10.0.0.7"), false, "", 600, 1000);
    leases.release(guest(3), true, 1000);
    leases.bind(guest(4, "vm2"), address("10.0.0.8"), false, "", 600, 1000);
    EXPECT_EQ(leases.guests_of("blue", "vm1", true), 2u);
    EXPECT_EQ(leases.guests_of("blue", "vm1", false), 1u);
    EXPECT_EQ(leases.guests_of("blue", "vm2", true), 1u);
    EXPECT_EQ(leases.guests_of("red", "vm1", true), 0u);
}

TEST_F(LeasesFile, ForgetsWhatIsFreeForLongest) {
    Leases leases;
    for (const uint64_t mac : {1, 2, 3}) {
        const std::string text = "10.0.0." + std::to_string(mac);
        leases.bind(guest(mac), address(text.c_str()), false, "", 600, 1000);
    }
    leases.release(guest(2), true, 1100);
    leases.release(guest(1), true, 1200);
    EXPECT_FALSE(leases.forget_free("blue", false));
    EXPECT_FALSE(leases.forget_free("red", true));
    EXPECT_TRUE(leases.forget_free("blue", true));
    EXPECT_EQ(leases.find(guest(2), true), nullptr);
    EXPECT_TRUE(leases.forget_free("blue", true));
    EXPECT_FALSE(leases.forget_free("blue", true));
    EXPECT_NE(leases.find(guest(3), true), nullptr);
}

TEST_F(LeasesFile, WhatCannotBeReadIsToldAndKept) {
    write(R"({"leases": [
    {"network": "blue", "port": "vm1", "mac": "02:00:00:00:00:01", "address": "10.0.0.5", "time": 600},
    {"network": "blue", "port": "vm1", "mac": "02:00:00:00:00:02", "address": "10.0.0.5", "time": 600},
    {"network": "blue", "port": "vm1", "mac": "02:00:00:00:00:03", "address": "nonsense", "time": 600},
    {"network": "", "port": "vm1", "mac": "02:00:00:00:00:04", "address": "10.0.0.8"}], "version": 1})");
    Leases leases = restarted(0, 3);
    EXPECT_EQ(leases.entries().size(), 1u);
    leases.bind(guest(9), address("10.0.0.9"), false, "", 600, 0);
    ASSERT_TRUE(leases.save());
    EXPECT_EQ(restarted(0).entries().size(), 2u);
    size_t kept = 0;
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
        kept += entry.path().filename().string().find(".bad-") != std::string::npos;
    EXPECT_EQ(kept, 1u);
    for (const char* bad : {"", "[]", "{", "{\"leases\": 1}", "\xff"}) {
        write(bad);
        EXPECT_EQ(restarted(0, 1).entries().size(), 0u) << bad;
    }
    std::filesystem::remove(file_);
    EXPECT_EQ(restarted(0).entries().size(), 0u);
}

TEST_F(LeasesFile, AFileThatCannotBeWrittenIsAnError) {
    Leases leases("/proc/no/such/folder.leases");
    leases.bind(guest(1), address("10.0.0.5"), false, "", 600, 1000);
    EXPECT_FALSE(leases.save());
    EXPECT_FALSE(leases.is_saved());
}

}  // namespace
}  // namespace sluice::dhcp
