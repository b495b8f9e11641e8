#include "punt/tcp_server.h"

#include <gtest/gtest.h>

#include <optional>

#include "wire/headers.h"

namespace sluice::punt {
namespace {

using wire::TcpHeader;
using namespace std::chrono_literals;

constexpr uint8_t kSyn = TcpHeader::kSyn;
constexpr uint8_t kAck = TcpHeader::kAck;
constexpr uint8_t kFin = TcpHeader::kFin;
constexpr uint8_t kRst = TcpHeader::kRst;
constexpr uint8_t kPsh = TcpHeader::kPsh;
constexpr uint32_t kOurs = 0xffff'fff0;  // so that sequence numbers wrap around
constexpr uint32_t kTheirs = 0xffff'ffff;

std::string message(std::string_view text) {
    std::string framed{static_cast<char>(text.size() >> 8), static_cast<char>(text.size() & 0xff)};
    return framed.append(text);
}

struct Sent {
    uint32_t sequence;
    uint32_t acknowledgement;
    uint8_t flags;
    std::string payload;
    uint16_t station_port;
    uint64_t mac;
};

class TcpServerTest : public testing::Test {
 protected:
    void take(uint32_t sequence, uint32_t acknowledgement, uint8_t flags, std::string_view payload = {},
              uint16_t window = 60000) {
        server_.take(peer_, way_, {sequence, acknowledgement, flags, window, std::as_bytes(std::span(payload))},
                     now_);
    }
    std::vector<Sent> sent() { return std::exchange(sent_, {}); }
    Sent sent_one() {
        const auto all = sent();
        EXPECT_EQ(all.size(), 1U);
        return all.empty() ? Sent{} : all[0];
    }
    void open() {
        take(kTheirs, 0, kSyn);
        take(next_, kOurs + 1, kAck);
        sent();
    }
    // A part of a stream, which the server acknowledges.
    void say(std::string_view text, uint8_t more = 0) {
        take(next_, acknowledged_, kAck | kPsh | more, text);
        next_ += static_cast<uint32_t>(text.size()) + ((more & kFin) != 0 ? 1 : 0);
    }
    void reply(std::string_view text, size_t which = 0) {
        server_.reply(asked_.at(which), std::as_bytes(std::span(text)), now_);
    }
    std::vector<std::string> received() { return std::exchange(received_, {}); }

    TcpPeer peer_{path::NetworkId{1},
                  path::PortId{2},
                  7,
                  *IpAddress::parse("10.0.0.2"),
                  *IpAddress::parse("10.0.0.1"),
                  40000,
                  53};
    TcpWay way_{path::WorkerId{1}, 0x020000000001};
    TcpServer::Clock::time_point now_{};
    uint32_t next_ = kTheirs + 1;
    uint32_t acknowledged_ = kOurs + 1;
    std::optional<std::string> at_once_;  // the answer to each message
    std::vector<Sent> sent_;
    std::vector<std::string> received_;
    std::vector<TcpServer::Id> asked_;
    TcpServer server_{{
        .send =
            [this](const TcpPeer& peer, const TcpWay& way, const TcpPart& part) {
                sent_.push_back({part.sequence,
                                 part.acknowledgement,
                                 part.flags,
                                 {reinterpret_cast<const char*>(part.payload.data()), part.payload.size()},
                                 peer.station_port,
                                 way.mac});
            },
        .receive =
            [this](const TcpPeer&, TcpServer::Id id, std::span<const std::byte> bytes) {
                received_.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                asked_.push_back(id);
                if (at_once_) server_.reply(id, std::as_bytes(std::span(*at_once_)), now_);
            },
        .random = [] { return kOurs; },
    }};
};

TEST_F(TcpServerTest, AMessageIsAnsweredAndTheConnectionEnds) {
    take(kTheirs, 0, kSyn);
    const Sent opening = sent_one();
    EXPECT_EQ(opening.flags, kSyn | kAck);
    EXPECT_EQ(opening.sequence, kOurs);
    EXPECT_EQ(opening.acknowledgement, kTheirs + 1);
    take(next_, kOurs + 1, kAck);
    EXPECT_TRUE(sent().empty());

    say(message("who is web?"));
    EXPECT_EQ(received(), std::vector<std::string>{"who is web?"});
    EXPECT_EQ(sent_one().acknowledgement, next_);
    reply("10.0.0.7");
    const Sent answer = sent_one();
    EXPECT_EQ(answer.sequence, kOurs + 1);
    EXPECT_EQ(answer.payload, message("10.0.0.7"));
    acknowledged_ += 10;
    say("", kFin);
    const Sent end = sent_one();
    EXPECT_EQ(end.flags, kFin | kAck);
    EXPECT_EQ(end.sequence, acknowledged_);
    EXPECT_EQ(end.acknowledgement, next_);
    take(next_, acknowledged_ + 1, kAck);
    EXPECT_TRUE(sent().empty());
    EXPECT_EQ(server_.connections(), 0U);
}

TEST_F(TcpServerTest, MessagesComeInAnyPieces) {
    open();
    const std::string stream = message("first") + message("second") + message("third");
    for (const char letter : stream) say({&letter, 1});
    EXPECT_EQ(received(), (std::vector<std::string>{"first", "second", "third"}));
    say(stream);
    EXPECT_EQ(received(), (std::vector<std::string>{"first", "second", "third"}));
}

// A station may go on at another worker, or from another MAC address (of a bond, say).
TEST_F(TcpServerTest, AnswersGoTheWayThatTheStationTookLast) {
    open();
    way_.mac = 77;
    say(message("a"));
    EXPECT_EQ(sent_one().mac, 77U);
    way_.mac = 78;
    take(next_ + 1, 0, kRst);
    take(next_, acknowledged_ + 100, kAck);
    sent();
    reply("A");
    EXPECT_EQ(sent_one().mac, 77U) << "what is no part of the connection changes nothing";
}

// As a resolver does that asks and says at once that it has nothing more to say.
TEST_F(TcpServerTest, OneThatEndsIsStillAnswered) {
    open();
    say(message("a") + message("b"), kFin);
    EXPECT_EQ(received().size(), 2U);
    EXPECT_EQ(sent_one().flags, kAck);
    reply("B", 1);
    EXPECT_EQ(sent_one().payload, message("B"));
    reply("A", 0);
    const auto rest = sent();
    ASSERT_EQ(rest.size(), 2U);
    EXPECT_EQ(rest[0].payload, message("A"));
    EXPECT_EQ(rest[1].flags, kFin | kAck);
}

TEST_F(TcpServerTest, AnAnswerMayBeGivenAtOnceOrNever) {
    open();
    at_once_ = "yes";
    say(message("a"), kFin);
    const auto all = sent();
    ASSERT_EQ(all.size(), 2U) << "the answer acknowledges the question";
    EXPECT_EQ(all[0].payload, message("yes"));
    EXPECT_EQ(all[0].acknowledgement, next_ - 1);
    EXPECT_EQ(all[1].flags, kFin | kAck);
    EXPECT_EQ(all[1].acknowledgement, next_);
    take(next_, kOurs + 7, kAck);
    EXPECT_EQ(server_.connections(), 0U);
    reply("late");
    EXPECT_TRUE(sent().empty());
}

TEST_F(TcpServerTest, AnEmptyReplyIsNone) {
    open();
    say(message("a"), kFin);
    sent();
    reply("");
    EXPECT_EQ(sent_one().flags, kFin | kAck);
}

TEST_F(TcpServerTest, WhatIsLostIsSentAgain) {
    take(kTheirs, 0, kSyn);
    sent();
    now_ += TcpServer::kFirstRetry;
    server_.tick(now_);
    EXPECT_EQ(sent_one().flags, kSyn | kAck);
    take(kTheirs, 0, kSyn);
    EXPECT_EQ(sent_one().flags, kSyn | kAck) << "the station has not heard it";
    take(next_, kOurs + 1, kAck);
    say(message("a"));
    reply("A");
    sent();
    now_ += TcpServer::kFirstRetry;
    server_.tick(now_);
    const Sent again = sent_one();
    EXPECT_EQ(again.payload, message("A"));
    EXPECT_EQ(again.sequence, kOurs + 1);
    server_.tick(now_);
    EXPECT_TRUE(sent().empty());
    say(message("b"));  // acknowledges nothing of it
    sent();
    for (int i = 0; i < 20; ++i) {
        now_ += 4s;
        say(message("b"));
        server_.tick(now_);
    }
    EXPECT_EQ(server_.connections(), 0U) << "it does not listen";
}

TEST_F(TcpServerTest, WhatComesTwiceOrTooEarlyIsTakenOnce) {
    open();
    const std::string text = message("abcdef");
    take(next_ + 4, acknowledged_, kAck, text.substr(4));
    EXPECT_EQ(sent_one().acknowledgement, next_) << "it is told what is missing";
    take(next_, acknowledged_, kAck, text.substr(0, 6));
    EXPECT_EQ(sent_one().acknowledgement, next_ + 6);
    take(next_, acknowledged_, kAck, text.substr(0, 6));
    EXPECT_EQ(sent_one().acknowledgement, next_ + 6);
    take(next_ + 2, acknowledged_, kAck, text.substr(2));
    EXPECT_EQ(received(), std::vector<std::string>{"abcdef"});
}

TEST_F(TcpServerTest, ALongAnswerKeepsToTheWindow) {
    open();
    const std::string answer(60000, 'x');
    take(next_, acknowledged_, kAck, message("a"), 3000);
    sent();
    reply(answer);
    std::string stream;
    uint32_t end = acknowledged_;
    for (int turns = 0; turns < 100 && stream.size() < answer.size() + 2; ++turns) {
        const auto segments = sent();
        ASSERT_FALSE(segments.empty());
        for (const Sent& segment : segments) {
            ASSERT_EQ(segment.sequence, end);
            ASSERT_LE(segment.payload.size(), TcpServer::kSegmentSize);
            stream += segment.payload;
            end += static_cast<uint32_t>(segment.payload.size());
        }
        ASSERT_LE(end - acknowledged_, 3000U);
        acknowledged_ = end;
        take(next_ + 3, acknowledged_, kAck, {}, 3000);
    }
    EXPECT_EQ(stream, message(answer));
}

TEST_F(TcpServerTest, AClosedWindowIsProbed) {
    open();
    take(next_, acknowledged_, kAck, message("a"), 0);
    next_ += 3;
    sent();
    reply("A");
    EXPECT_TRUE(sent().empty());
    now_ += TcpServer::kFirstRetry;
    server_.tick(now_);
    EXPECT_EQ(sent_one().payload.size(), 1U);
    take(next_, acknowledged_, kAck, {}, 0);
    EXPECT_TRUE(sent().empty());
    take(next_, acknowledged_ + 1, kAck, {}, 100);
    EXPECT_EQ(sent_one().payload, message("A").substr(1));
}

TEST_F(TcpServerTest, StrangersAreRefused) {
    take(5, 77, kAck, "x");
    Sent refusal = sent_one();
    EXPECT_EQ(refusal.flags, kRst);
    EXPECT_EQ(refusal.sequence, 77U);
    take(5, 0, kFin, "x");
    refusal = sent_one();
    EXPECT_EQ(refusal.flags, kRst | kAck);
    EXPECT_EQ(refusal.acknowledgement, 7U);
    take(5, 0, kRst);
    take(5, 77, kSyn | kAck);
    EXPECT_EQ(sent_one().flags, kRst);
    // The handshake's end is a guess.
    take(kTheirs, 0, kSyn);
    sent();
    take(kTheirs + 1, kOurs + 2, kAck, message("a"));
    EXPECT_EQ(sent_one().flags, kRst);
    EXPECT_TRUE(received().empty());
}

TEST_F(TcpServerTest, AGuessEndsNoConnection) {
    open();
    take(next_ + 1, 0, kRst);
    take(next_ - 1, 0, kRst);
    take(next_, 0, kSyn);
    EXPECT_EQ(sent_one().flags, kAck) << "a station that has forgotten it resets it then (RFC 5961, 4.2)";
    EXPECT_EQ(server_.connections(), 1U);
    take(next_, acknowledged_ + 100, kAck, message("a"));
    EXPECT_TRUE(received().empty());
    take(next_, 0, kRst);
    EXPECT_EQ(server_.connections(), 0U);
}

TEST_F(TcpServerTest, WhatMakesNoSenseEndsIt) {
    for (const std::string& text :
         {message(""), std::string("\xff\xff"), message(std::string(5000, 'x')).substr(0, 2)}) {
        SCOPED_TRACE(testing::PrintToString(text));
        next_ = kTheirs + 1;
        open();
        say(text);
        EXPECT_EQ(sent_one().flags, kRst | kAck);
        EXPECT_EQ(server_.connections(), 0U);
    }
}

TEST_F(TcpServerTest, WhatWaitsForAnswersIsBounded) {
    open();
    for (size_t i = 0; i < TcpServer::kMostInReply; ++i) say(message("a"));
    EXPECT_EQ(server_.connections(), 1U);
    sent();
    say(message("a"));
    EXPECT_EQ(server_.connections(), 0U);
    EXPECT_EQ(received().size(), TcpServer::kMostInReply);

    next_ = kTheirs + 1;
    asked_.clear();
    open();
    for (int i = 0; i < 3; ++i) say(message("a"));
    const std::string answer(65535, 'x');
    reply(answer, 0);
    reply(answer, 1);
    EXPECT_EQ(server_.connections(), 1U);
    reply(answer, 2);
    EXPECT_EQ(server_.connections(), 0U) << "it asks and takes nothing";
}

TEST_F(TcpServerTest, APortHasAShareOfTheConnections) {
    for (size_t i = 0; i < TcpServer::kMostOfAPort; ++i) {
        peer_.station_port = static_cast<uint16_t>(1000 + i);
        now_ += 1ms;
        take(kTheirs, 0, kSyn);
    }
    sent();
    peer_.station_port = 9;
    take(kTheirs, 0, kSyn);
    const auto all = sent();
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].flags, kRst | kAck);
    EXPECT_EQ(all[0].station_port, 1000) << "that was silent longest";
    EXPECT_EQ(all[1].flags, kSyn | kAck);
    EXPECT_EQ(server_.connections(), TcpServer::kMostOfAPort);
    for (uint16_t port = 0; port < 40; ++port) {
        peer_.port = path::PortId{port};
        for (uint16_t i = 0; i < 100; ++i) {
            peer_.station_port = i;
            take(kTheirs, 0, kSyn);
        }
    }
    EXPECT_EQ(server_.connections(), TcpServer::kMostConnections);
}

TEST_F(TcpServerTest, ASilentConnectionEnds) {
    open();
    now_ += TcpServer::kIdle;
    server_.tick(now_);
    EXPECT_EQ(sent_one().flags, kRst | kAck);
    EXPECT_EQ(server_.connections(), 0U);
}

}  // namespace
}  // namespace sluice::punt
