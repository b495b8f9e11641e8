#include "path/drop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace sluice::path {
namespace {

TEST(Drop, EveryReasonHasAName) {
    std::set<std::string_view> names;
    for (const DropText& reason : kDropTexts) {
        EXPECT_FALSE(reason.name.empty());
        EXPECT_TRUE(names.insert(reason.name).second) << reason.name << " twice";
        // A key of JSON and an argument of scripts.
        EXPECT_TRUE(std::ranges::all_of(reason.name, [](char c) {
            return (c >= 'a' && c <= 'z') || c == '-';
        })) << reason.name;
    }
}

TEST(Drop, EveryReasonHasASentence) {
    std::set<std::string_view> sentences;
    for (const DropText& reason : kDropTexts) {
        EXPECT_TRUE(reason.sentence.ends_with('.')) << reason.name;
        EXPECT_TRUE(sentences.insert(reason.sentence).second) << reason.name;
    }
}

// The table is in the order of the enumerators, which nothing but this holds.
TEST(Drop, NamesStandAtTheirEnumerators) {
    EXPECT_EQ(text(Drop::kRunt).name, "runt");
    EXPECT_EQ(text(Drop::kMalformedOffload).name, "malformed-offload");
    EXPECT_EQ(text(Drop::kStale).name, "stale");
    EXPECT_EQ(text(Drop::kInvalidSource).name, "invalid-source");
    EXPECT_EQ(text(Drop::kNoNetwork).name, "no-network");
    EXPECT_EQ(text(Drop::kReservedMac).name, "reserved-mac");
    EXPECT_EQ(text(Drop::kSamePort).name, "same-port");
    EXPECT_EQ(text(Drop::kNoMember).name, "no-member");
    EXPECT_EQ(text(Drop::kVxlanTruncated).name, "vxlan-truncated");
    EXPECT_EQ(text(Drop::kVxlanEcn).name, "vxlan-ecn");
    EXPECT_EQ(text(Drop::kUnknownRemote).name, "unknown-remote");
    EXPECT_EQ(text(Drop::kBackground).name, "background");
    EXPECT_EQ(text(Drop::kPortDown).name, "port-down");
    EXPECT_EQ(text(Drop::kTooBig).name, "too-big");
    EXPECT_EQ(text(Drop::kTooLongForPeer).name, "too-long-for-peer");
    EXPECT_EQ(text(Drop::kNoBuffer).name, "no-buffer");
    EXPECT_EQ(text(Drop::kTransmitFull).name, "transmit-full");
    EXPECT_EQ(text(Drop::kTransmitFailed).name, "transmit-failed");
    EXPECT_EQ(text(Drop::kInterfaceDown).name, "interface-down");
}

}  // namespace
}  // namespace sluice::path
