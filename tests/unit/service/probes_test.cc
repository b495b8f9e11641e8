#include "service/probes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "wire/headers.h"

namespace sluice::service {
namespace {

using Tcp = wire::TcpHeader;
using Kind = ProbeReply::Kind;

constexpr uint32_t kOurs = 0xffff'fff0;  // sequence numbers pass zero
constexpr uint32_t kTheirs = 0xffff'fffe;
constexpr uint8_t kSynAck = Tcp::kSyn | Tcp::kAck;
constexpr uint8_t kRstAck = Tcp::kRst | Tcp::kAck;

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

ProbeSegment segment(uint8_t flags, uint32_t sequence, uint32_t acknowledgement, std::string_view payload = {}) {
    ProbeSegment made{.flags = flags,
                      .sequence = sequence,
                      .acknowledgement = acknowledgement,
                      .size = static_cast<uint32_t>(payload.size())};
    std::copy_n(payload.begin(), std::min(payload.size(), made.begin.size()), made.begin.begin());
    return made;
}

ProbeState syn_sent(uint32_t request_size = 0) {
    return {.phase = Phase::kSynSent, .sequence = kOurs, .request_size = request_size};
}
ProbeState requested() {
    return {.phase = Phase::kRequested, .sequence = kOurs, .next = kTheirs + 1, .request_size = 50};
}

// --- the TCP client ---

TEST(ProbeStep, ASynAckIsAConnectionThatIsReset) {
    const ProbeStep done = step(syn_sent(), segment(kSynAck, kTheirs, kOurs + 1));
    EXPECT_EQ(done.phase, Phase::kOver);
    EXPECT_EQ(done.outcome, (Outcome{ProbeResult::kConnected}));
    EXPECT_EQ(done.reply.kind, Kind::kReset);
    EXPECT_EQ(done.reply.sequence, kOurs + 1);
}

TEST(ProbeStep, ASynAckIsAnsweredByTheRequest) {
    const ProbeStep done = step(syn_sent(50), segment(kSynAck, kTheirs, kOurs + 1));
    EXPECT_EQ(done.phase, Phase::kRequested);
    EXPECT_EQ(done.next, kTheirs + 1);
    EXPECT_EQ(done.reply.kind, Kind::kRequest);
    EXPECT_EQ(done.reply.sequence, kOurs + 1);
    EXPECT_EQ(done.reply.acknowledgement, kTheirs + 1);
}

TEST(ProbeStep, AResetInPlaceOfASynAckIsARefusal) {
    const ProbeStep done = step(syn_sent(), segment(kRstAck, 0, kOurs + 1));
    EXPECT_EQ(done.phase, Phase::kOver);
    EXPECT_EQ(done.outcome, (Outcome{ProbeResult::kRefused}));
    EXPECT_EQ(done.reply.kind, Kind::kNone);
}

TEST(ProbeStep, WhatDoesNotAcknowledgeTheSynDoesNotCount) {
    for (const ProbeSegment& other :
         {segment(kSynAck, kTheirs, kOurs), segment(kSynAck, kTheirs, kOurs + 2), segment(kRstAck, 0, kOurs),
          segment(Tcp::kRst, 0, kOurs + 1), segment(Tcp::kSyn, kTheirs, kOurs + 1),
          segment(Tcp::kAck, kTheirs, kOurs + 1), segment(kSynAck | Tcp::kRst, kTheirs, kOurs + 1),
          segment(kSynAck | Tcp::kFin, kTheirs, kOurs + 1), segment(0, kTheirs, kOurs + 1)}) {
        const ProbeStep done = step(syn_sent(), other);
        EXPECT_EQ(done.phase, Phase::kSynSent) << int{other.flags};
        EXPECT_EQ(done.reply.kind, Kind::kNone);
    }
}

TEST(ProbeStep, TheResponsesFirstSegmentHasTheStatus) {
    const uint32_t ours = kOurs + 51;
    const struct {
        std::string_view payload;
        Outcome outcome;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\n\r\nhello", {ProbeResult::kStatus, 200}},
        {"HTTP/1.0 503 Service Unavailable\r\n", {ProbeResult::kStatus, 503}},
        {"HTTP/1.1 204", {ProbeResult::kStatus, 204}},
        {"HTTP/1.1 20", {ProbeResult::kNotHttp}},
        {"HTTP/1.1 2000 OK", {ProbeResult::kNotHttp}},
        {"HTTP/2.0 200 OK", {ProbeResult::kNotHttp}},
        {"SSH-2.0-OpenSSH_9.2\r\n", {ProbeResult::kNotHttp}},
    };
    for (const auto& row : rows) {
        const ProbeStep done = step(requested(), segment(Tcp::kAck, kTheirs + 1, ours, row.payload));
        EXPECT_EQ(done.phase, Phase::kOver) << row.payload;
        EXPECT_EQ(done.outcome, row.outcome) << row.payload;
        EXPECT_EQ(done.reply.kind, Kind::kReset);
        EXPECT_EQ(done.reply.sequence, ours);
    }
}

TEST(ProbeStep, AConnectionThatEndsBeforeTheResponseHasFailed) {
    EXPECT_EQ(step(requested(), segment(Tcp::kRst, kTheirs + 1, 0)).outcome, (Outcome{ProbeResult::kReset}));
    const ProbeStep closed = step(requested(), segment(Tcp::kFin | Tcp::kAck, kTheirs + 1, kOurs + 51));
    EXPECT_EQ(closed.outcome, (Outcome{ProbeResult::kClosed}));
    EXPECT_EQ(closed.reply.kind, Kind::kReset);
}

TEST(ProbeStep, AfterTheRequestOnlyTheNextByteCounts) {
    const std::string_view response = "HTTP/1.1 200 OK\r\n";
    for (const ProbeSegment& other :
         {segment(Tcp::kAck, kTheirs + 1, kOurs + 51), segment(kSynAck, kTheirs, kOurs + 1),
          segment(Tcp::kAck, kTheirs + 2, kOurs + 51, response),
          segment(Tcp::kAck, kTheirs + 1, kOurs + 1, response),
          segment(Tcp::kAck, kTheirs + 1, kOurs + 52, response), segment(0, kTheirs + 1, kOurs + 51, response),
          segment(Tcp::kRst, kTheirs, 0), segment(Tcp::kRst, kTheirs + 2, 0)}) {
        EXPECT_EQ(step(requested(), other).phase, Phase::kRequested) << int{other.flags};
    }
}

TEST(ProbeStatus, IsThreeDigitsBehindTheVersion) {
    EXPECT_EQ(read_status("HTTP/1.1 200 OK"), 200);
    EXPECT_EQ(read_status("HTTP/1.1 404\r"), 404);
    for (const std::string_view text : {"", "HTTP/1.1", "HTTP/1.1 2x0 ", "HTTP/1.1  200", "HTTP/1.x 200",
                                        "HTTP/11 200 ", "http/1.1 200 ", "HTTP/1.1 099 ", "HTTP/1.1 200\n"})
        EXPECT_EQ(read_status(text), std::nullopt) << text;
}

// --- the table ---

class ProbesTest : public testing::Test {
 protected:
    // A probe of check 1 whose SYN has left.
    Probes::Pending send() {
        EXPECT_TRUE(probes_.begin(1));
        const auto pending = probes_.pending(1);
        EXPECT_TRUE(pending);
        EXPECT_TRUE(probes_.mark_sent(1, *pending, kOwn));
        return *pending;
    }
    ProbeTuple tuple(const Probes::Pending& pending) const { return {kBackend, kOwn, 80, pending.port}; }
    bool answer(const ProbeTuple& from, const ProbeSegment& with) {
        return probes_.answer(targets_, from, with).has_value();
    }

    const IpAddress kBackend = ip("10.0.0.2");
    const IpAddress kOwn = ip("10.0.0.254");
    ProbeTargets targets_{
        .list = {{}, {.address = kBackend, .port = 80}, {.address = ip("10.0.0.3"), .port = 80}}};
    Probes probes_;
};

TEST_F(ProbesTest, AResultIsTakenOnce) {
    const Probes::Pending sent = send();
    EXPECT_FALSE(probes_.begin(1)) << "there is one";
    EXPECT_EQ(probes_.take(1), std::nullopt);
    EXPECT_TRUE(answer(tuple(sent), segment(kSynAck, kTheirs, sent.sequence + 1)));
    EXPECT_EQ(probes_.take(1), (Outcome{ProbeResult::kConnected}));
    EXPECT_EQ(probes_.take(1), std::nullopt);
    // What the back end still says belongs to it, until the next one.
    EXPECT_TRUE(answer(tuple(sent), segment(Tcp::kAck, kTheirs + 1, sent.sequence + 1)));
    EXPECT_EQ(probes_.take(1), std::nullopt);
    EXPECT_TRUE(probes_.begin(1));
    EXPECT_FALSE(answer(tuple(sent), segment(Tcp::kAck, kTheirs + 1, sent.sequence + 1)));
}

TEST_F(ProbesTest, OnlyTheTargetItselfAnswers) {
    const Probes::Pending sent = send();
    const ProbeSegment good = segment(kSynAck, kTheirs, sent.sequence + 1);
    ProbeTuple other = tuple(sent);
    other.source = ip("10.0.0.3");
    EXPECT_FALSE(answer(other, good));
    other = tuple(sent);
    other.source_port = 81;
    EXPECT_FALSE(answer(other, good));
    other = tuple(sent);
    other.destination = ip("10.0.0.253");
    EXPECT_FALSE(answer(other, good));
    other = tuple(sent);
    ++other.destination_port;
    EXPECT_FALSE(answer(other, good));
    EXPECT_TRUE(answer(tuple(sent), segment(kSynAck, kTheirs, sent.sequence))) << "its own, and doesn't count";
    EXPECT_EQ(probes_.take(1), std::nullopt);
    EXPECT_TRUE(answer(tuple(sent), good));
    EXPECT_TRUE(probes_.take(1));
}

TEST_F(ProbesTest, WhatComesLateMeansNothingToTheNextProbe) {
    const Probes::Pending first = send();
    EXPECT_EQ(probes_.give_up(1).outcome, (Outcome{ProbeResult::kTimeout}));
    const Probes::Pending second = send();
    EXPECT_NE(std::pair(first.port, first.sequence), std::pair(second.port, second.sequence));
    answer(tuple(first), segment(kSynAck, kTheirs, first.sequence + 1));
    EXPECT_EQ(probes_.take(1), std::nullopt);
    probes_.fail(1, first, ProbeResult::kNoRoute);
    EXPECT_EQ(probes_.take(1), std::nullopt);
}

TEST_F(ProbesTest, OneThatNoWorkerHasSentHasNoOutcome) {
    ASSERT_TRUE(probes_.begin(1));
    EXPECT_EQ(probes_.give_up(1).outcome, std::nullopt);
    ASSERT_TRUE(probes_.begin(1));
    probes_.mark_unresolved(1, *probes_.pending(1));
    EXPECT_TRUE(probes_.is_unresolved(1));
    ASSERT_TRUE(probes_.pending(1)) << "it may be sent yet";
    EXPECT_EQ(probes_.give_up(1).outcome, (Outcome{ProbeResult::kNoNeighbor}));
    ASSERT_TRUE(probes_.begin(1));
    probes_.fail(1, *probes_.pending(1), ProbeResult::kPortDown);
    EXPECT_EQ(probes_.take(1), (Outcome{ProbeResult::kPortDown}));
}

TEST_F(ProbesTest, AConnectionThatTimesOutIsReset) {
    targets_.list[1].request = "GET / HTTP/1.1\r\n\r\n";
    const Probes::Pending sent = send();
    const auto answered = probes_.answer(targets_, tuple(sent), segment(kSynAck, kTheirs, sent.sequence + 1));
    ASSERT_TRUE(answered);
    EXPECT_EQ(answered->reply.kind, Kind::kRequest);
    EXPECT_EQ(*answered->request, targets_.list[1].request);
    const Probes::GivenUp given_up = probes_.give_up(1);
    EXPECT_EQ(given_up.outcome, (Outcome{ProbeResult::kTimeout}));
    EXPECT_TRUE(given_up.is_abandoned);
    EXPECT_FALSE(probes_.begin(1)) << "the reset has not left";
    const auto pending = probes_.pending(1);
    ASSERT_TRUE(pending);
    EXPECT_EQ(pending->phase, Phase::kAbandoned);
    EXPECT_EQ(pending->port, sent.port);
    EXPECT_TRUE(probes_.mark_sent(1, *pending, kOwn));
    EXPECT_TRUE(probes_.begin(1));
}

TEST_F(ProbesTest, ACancelledProbeTakesNothing) {
    const Probes::Pending sent = send();
    probes_.cancel(1);
    EXPECT_FALSE(answer(tuple(sent), segment(kSynAck, kTheirs, sent.sequence + 1)));
    EXPECT_EQ(probes_.take(1), std::nullopt);
    ASSERT_TRUE(probes_.begin(1));
    const auto pending = probes_.pending(1);
    probes_.cancel(1);
    EXPECT_FALSE(probes_.mark_sent(1, *pending, kOwn));
}

TEST_F(ProbesTest, AllOfThemHavePortsOfTheirOwn) {
    std::set<uint16_t> ports;
    std::set<uint32_t> sequences;
    for (uint32_t number = 0; number < Probes::kMost; ++number) {
        ASSERT_TRUE(probes_.begin(number));
        ports.insert(probes_.pending(number)->port);
        sequences.insert(probes_.pending(number)->sequence);
    }
    EXPECT_EQ(ports.size(), Probes::kMost);
    EXPECT_GT(sequences.size(), Probes::kMost - 10);
    EXPECT_GE(*ports.begin(), Probes::kFirstPort);
    EXPECT_LE(*ports.rbegin(), Probes::kLastPort);
}

}  // namespace
}  // namespace sluice::service
