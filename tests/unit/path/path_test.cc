#include "path/path.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace sluice::path {
namespace {

// The stages write down that they ran: "a0" is the first stage's admit of packet 0.
struct Tables {
    std::string& log;
};

void note(const Tables& tables, const char* act, const Meta& meta) {
    tables.log += act + std::to_string(index(meta.ingress)) + " ";
}

// Ends the way of packet 1 in admit and of packet 2 in decide.
struct First {
    static bool admit(Meta& meta, rte_mbuf*, const Tables& tables) noexcept {
        note(tables, "admit-first:", meta);
        meta.fate = Fate::kPending;
        return index(meta.ingress) != 1 || drop(meta, Drop::kRunt);
    }
    static bool decide(Meta& meta, const Tables& tables) noexcept {
        note(tables, "decide-first:", meta);
        return index(meta.ingress) != 2 || drop(meta, Drop::kSamePort);
    }
};

struct Second {
    static bool admit(Meta& meta, rte_mbuf*, const Tables& tables) noexcept {
        note(tables, "admit-second:", meta);
        return true;
    }
    static bool decide(Meta& meta, const Tables& tables) noexcept {
        note(tables, "decide-second:", meta);
        meta.fate = Fate::kForward;
        return true;
    }
    static void apply(const Meta& meta, rte_mbuf*, const Tables& tables) noexcept {
        note(tables, "apply-second:", meta);
    }
};

struct Third {
    static void apply(const Meta& meta, rte_mbuf*, const Tables& tables) noexcept {
        note(tables, "apply-third:", meta);
    }
};

std::unique_ptr<Batch> batch_of(uint16_t count) {
    auto batch = std::make_unique<Batch>();
    for (uint16_t i = 0; i < count; ++i) {
        batch->packets[i] = nullptr;
        batch->meta(i) = {};
        batch->meta(i).ingress = PortId{i};
    }
    batch->count = count;
    return batch;
}

TEST(Path, RunsEveryActOverTheBatchAndItsStagesInOrder) {
    std::string log;
    auto batch = batch_of(1);
    batch->meta(0).ingress = PortId{7};
    Path<First, Second, Third>::run(*batch, Tables{log});
    EXPECT_EQ(log,
              "admit-first:7 admit-second:7 decide-first:7 decide-second:7 apply-second:7 "
              "apply-third:7 ");
}

TEST(Path, ADropInAdmitSkipsWhatFollowsButApply) {
    std::string log;
    auto batch = batch_of(2);
    Path<First, Second, Third>::run(*batch, Tables{log});
    EXPECT_EQ(log,
              "admit-first:0 admit-second:0 admit-first:1 "
              "decide-first:0 decide-second:0 "
              "apply-second:0 apply-third:0 apply-second:1 apply-third:1 ");
    EXPECT_EQ(batch->meta(0).fate, Fate::kForward);
    EXPECT_EQ(batch->meta(1).fate, Fate::kDrop);
    EXPECT_EQ(batch->meta(1).reason, Drop::kRunt);
}

TEST(Path, ADropInDecideSkipsTheDecidersThatFollow) {
    std::string log;
    auto batch = batch_of(3);
    Path<First, Second>::run(*batch, Tables{log});
    EXPECT_NE(log.find("decide-first:2 "), log.npos);
    EXPECT_EQ(log.find("decide-second:2 "), log.npos);
    EXPECT_NE(log.find("apply-second:2 "), log.npos);
    EXPECT_EQ(batch->meta(2).reason, Drop::kSamePort);
}

TEST(Path, TheBatchIsEmptyAfterwards) {
    std::string log;
    auto batch = batch_of(kBatchSize);
    EXPECT_EQ(batch->room(), 0);
    Path<Second>::run(*batch, Tables{log});
    EXPECT_EQ(batch->count, 0);
    EXPECT_EQ(batch->room(), kBatchSize);
}

TEST(Path, AnEmptyBatchTouchesNothing) {
    std::string log;
    auto batch = batch_of(0);
    Path<First, Second, Third>::run(*batch, Tables{log});
    EXPECT_EQ(log, "");
}

}  // namespace
}  // namespace sluice::path
