#include "port/netlink_reply.h"

#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <string>
#include <vector>

namespace sluice::port {
namespace {

using enum NetlinkReply::State;

constexpr uint32_t kSequence = 7;

nlmsghdr request(uint16_t flags) {
    return {.nlmsg_len = sizeof(nlmsghdr), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = flags, .nlmsg_seq = kSequence,
            .nlmsg_pid = 0};
}

// A message whose payload is one number, as of the kernel's ends and errors.
struct Message {
    uint16_t type;
    int number = 0;
    uint16_t flags = NLM_F_MULTI;
    uint32_t sequence = kSequence;
};

class NetlinkReplyTest : public testing::Test {
 protected:
    NetlinkReply::State take(std::initializer_list<Message> messages) {
        std::string bytes;
        for (const Message& message : messages) {
            const nlmsghdr header{.nlmsg_len = NLMSG_LENGTH(sizeof message.number),
                                  .nlmsg_type = message.type,
                                  .nlmsg_flags = message.flags,
                                  .nlmsg_seq = message.sequence,
                                  .nlmsg_pid = 0};
            bytes.append(reinterpret_cast<const char*>(&header), sizeof header);
            bytes.append(reinterpret_cast<const char*>(&message.number), sizeof message.number);
        }
        // Where the kernel's alignment holds.
        std::vector<nlmsghdr> space(bytes.size() / sizeof(nlmsghdr) + 1);
        std::memcpy(space.data(), bytes.data(), bytes.size());
        return reply_.take({reinterpret_cast<const char*>(space.data()), bytes.size()}, [&](const nlmsghdr* header) {
            int number = 0;
            std::memcpy(&number, NLMSG_DATA(header), sizeof number);
            visited_.push_back(number);
        });
    }

    const nlmsghdr request_ = request(NLM_F_REQUEST | NLM_F_DUMP);
    NetlinkReply reply_{&request_};
    std::vector<int> visited_;
};

TEST_F(NetlinkReplyTest, ADumpComesInPieces) {
    EXPECT_EQ(take({{RTM_NEWLINK, 1}, {RTM_NEWLINK, 2}}), kMore);
    EXPECT_EQ(take({{RTM_NEWLINK, 3}}), kMore);
    EXPECT_EQ(take({{NLMSG_DONE}}), kComplete);
    EXPECT_EQ(visited_, (std::vector{1, 2, 3}));
}

// The rest of an interrupted dump is waited for, or it would be taken for the next answer.
TEST_F(NetlinkReplyTest, AnInterruptedDumpIsReadToItsEnd) {
    constexpr uint16_t kInterruptedFlag = NLM_F_MULTI | NLM_F_DUMP_INTR;
    EXPECT_EQ(take({{RTM_NEWLINK, 1}}), kMore);
    EXPECT_EQ(take({{RTM_NEWLINK, 2, kInterruptedFlag}, {RTM_NEWLINK, 3}}), kMore);
    EXPECT_EQ(take({{RTM_NEWLINK, 4}}), kMore);
    EXPECT_EQ(take({{NLMSG_DONE}}), kInterrupted);
    EXPECT_EQ(visited_, std::vector{1});
}

TEST_F(NetlinkReplyTest, AMessageLongerThanItsPieceIsNotRead) {
    for (const uint32_t length : {uint32_t{sizeof(nlmsghdr)} + 1, uint32_t{0x80000000}, uint32_t{0xffffffff}}) {
        const nlmsghdr header{.nlmsg_len = length, .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_MULTI,
                              .nlmsg_seq = kSequence, .nlmsg_pid = 0};
        const auto state = reply_.take({reinterpret_cast<const char*>(&header), sizeof header},
                                       [](const nlmsghdr*) { FAIL() << "visited"; });
        EXPECT_EQ(state, kMore);
    }
}

TEST_F(NetlinkReplyTest, EveryNegativeNumberIsAnError) {
    EXPECT_EQ(take({{NLMSG_ERROR, INT_MIN}}), kFailed);
    EXPECT_EQ(reply_.error(), EPROTO);
}

TEST_F(NetlinkReplyTest, AnErrorWithoutItsNumberIsNoAcknowledgment) {
    nlmsghdr header{.nlmsg_len = sizeof(nlmsghdr), .nlmsg_type = NLMSG_ERROR, .nlmsg_flags = 0,
                    .nlmsg_seq = kSequence, .nlmsg_pid = 0};
    const auto take_it = [&] {
        return reply_.take({reinterpret_cast<const char*>(&header), sizeof header}, [](const nlmsghdr*) {});
    };
    EXPECT_EQ(take_it(), kFailed);
    EXPECT_EQ(reply_.error(), EPROTO);
    reply_ = NetlinkReply(&request_);
    header.nlmsg_type = NLMSG_DONE;
    EXPECT_EQ(take_it(), kComplete) << "a list may end without a number";
}

TEST_F(NetlinkReplyTest, TheEndAloneMayTellOfTheInterruption) {
    EXPECT_EQ(take({{RTM_NEWLINK, 1}, {NLMSG_DONE, 0, NLM_F_MULTI | NLM_F_DUMP_INTR}}), kInterrupted);
}

TEST_F(NetlinkReplyTest, ADumpThatTheKernelGaveUpOverASignalIsAskedForAgain) {
    EXPECT_EQ(take({{NLMSG_DONE, -EINTR}}), kInterrupted);
}

TEST_F(NetlinkReplyTest, ErrorsHaveTheirNumber) {
    EXPECT_EQ(take({{RTM_NEWLINK, 1}, {NLMSG_ERROR, -ENODEV, 0}}), kFailed);
    EXPECT_EQ(reply_.error(), ENODEV);
    NetlinkReply other(&request_);
    reply_ = other;
    EXPECT_EQ(take({{NLMSG_DONE, -EPERM}}), kFailed);
    EXPECT_EQ(reply_.error(), EPERM);
}

TEST_F(NetlinkReplyTest, WhatIsLeftOfAnEarlierAnswerIsPassedOver) {
    EXPECT_EQ(take({{RTM_NEWLINK, 1, NLM_F_MULTI | NLM_F_DUMP_INTR, kSequence - 1},
                    {NLMSG_DONE, -EPERM, NLM_F_MULTI, kSequence - 1},
                    {RTM_NEWLINK, 2}}),
              kMore);
    EXPECT_EQ(take({{NLMSG_DONE}}), kComplete);
    EXPECT_EQ(visited_, std::vector{2});
}

TEST_F(NetlinkReplyTest, AnObjectThatWasAskedForAloneIsTheWholeAnswer) {
    const nlmsghdr alone = request(NLM_F_REQUEST);
    reply_ = NetlinkReply(&alone);
    EXPECT_EQ(take({{RTM_NEWLINK, 5, 0}}), kComplete);
    EXPECT_EQ(visited_, std::vector{5});
}

TEST_F(NetlinkReplyTest, AChangeEndsWithItsAcknowledgment) {
    const nlmsghdr change = request(NLM_F_REQUEST | NLM_F_ACK);
    reply_ = NetlinkReply(&change);
    EXPECT_EQ(take({{RTM_NEWLINK, 5, 0}}), kMore);
    EXPECT_EQ(take({{NLMSG_ERROR, 0, 0}}), kComplete);
}

TEST_F(NetlinkReplyTest, APieceThatIsCutShortIsNotReadBeyond) {
    const nlmsghdr header{.nlmsg_len = 4096, .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_MULTI,
                          .nlmsg_seq = kSequence, .nlmsg_pid = 0};
    EXPECT_EQ(reply_.take({reinterpret_cast<const char*>(&header), sizeof header},
                          [](const nlmsghdr*) { ADD_FAILURE(); }),
              kMore);
}

}  // namespace
}  // namespace sluice::port
