#include "flow/sctp.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <vector>

#include "flow/flow_table.h"
#include "support/eal.h"
#include "support/packet.h"

namespace sluice::flow {
namespace {

using test::Bytes;
using test::Packet;

enum Type : uint8_t {
    kData = 0,
    kInit = 1,
    kInitAck = 2,
    kAbort = 6,
    kShutdown = 7,
    kShutdownAck = 8,
    kCookieEcho = 10,
    kCookieAck = 11,
    kShutdownComplete = 14,
};
constexpr uint32_t kClientTag = 0x1111'1111, kServerTag = 0x2222'2222;
constexpr bool kC = true, kS = false;

struct Said {
    bool by_client;
    uint32_t tag;
    std::vector<Type> chunks;
    uint8_t flags = 0;
};

Bytes bytes(const Said& said) {
    const bool c = said.by_client;
    Bytes sctp = {uint8_t(c ? 0x13 : 0x0b), 0x88, uint8_t(c ? 0x0b : 0x13), 0x88};
    auto put = [&](uint32_t word) {
        for (int shift = 24; shift >= 0; shift -= 8) sctp.push_back(static_cast<uint8_t>(word >> shift));
    };
    put(said.tag);
    put(0);
    for (const Type type : said.chunks) {
        // With a value of five bytes, and so three of padding: of an INIT it begins with the sender's tag.
        sctp.insert(sctp.end(), {type, said.flags, 0, 9});
        put(c ? kClientTag : kServerTag);
        put(0);
    }
    return Packet().eth().ipv4(c ? "10.0.0.1" : "10.0.0.2", c ? "10.0.0.2" : "10.0.0.1", 132).payload(sctp);
}

class Association {
 public:
    // False if the packet begins another association.
    bool say(const Said& said, const std::vector<size_t>& chain = {}) {
        rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), bytes(said), chain);
        path::Connection connection{};
        path::read_connection(m, {}, connection);
        EXPECT_EQ(connection.protocol(), wire::Protocol::kSctp);
        const path::Tuple tuple = connection.tuple();
        uint32_t index = table.find(tuple);
        const Decision decision{.generation = 1, .verdict = Verdict::kAllow};
        if (index == kNoRecord) {
            index = table.add(tuple, decision, Tracking::kConnection, 100, path::WorkerId{0}).index;
        }
        EXPECT_TRUE(table.is(table.record(index), connection));
        bool tracked = table.track_judged(table.record(index), connection, m, m->pkt_len, 100);
        rte_pktmbuf_free(m);
        return tracked;
    }
    State state() {
        State state{};
        table.for_each(100, [&](const Listed& flow) { state = flow.state; });
        return state;
    }

    path::Grace grace{1};
    Table table{FlowConfig{.size = kMinFlows}, grace};
};

const std::vector<Said> kSetUp = {{kC, 0, {kInit}},
                                  {kS, kClientTag, {kInitAck}},
                                  {kC, kServerTag, {kCookieEcho, kData}},
                                  {kS, kClientTag, {kCookieAck}}};

struct Row {
    const char* what;
    size_t set_up;  // as many packets of kSetUp before
    std::vector<Said> packets;
    State state;
};
const Row kRows[] = {
    {"INIT", 1, {}, State::kInit},
    {"INIT ACK", 2, {}, State::kInit},
    {"COOKIE ECHO", 3, {}, State::kInit},
    {"COOKIE ACK", 4, {}, State::kEstablished},
    {"INIT ACK with another tag", 1, {{kS, 5, {kInitAck}}, {kS, 5, {kCookieAck}}}, State::kInit},
    {"data with another tag opens nothing", 3, {{kS, 5, {kData}}}, State::kInit},
    {"refused", 1, {{kS, kClientTag, {kAbort}}}, State::kClosed},
    {"refused by who knows no tag", 1, {{kS, kClientTag, {kAbort}, 0}}, State::kClosed},
    {"shutdown", 4, {{kC, kServerTag, {kShutdown}}}, State::kShutdown},
    {"shutdown behind data", 4, {{kC, kServerTag, {kData, kShutdown}}}, State::kShutdown},
    {"shutdown with another tag", 4, {{kC, 5, {kShutdown}}}, State::kEstablished},
    {"shut down",
     4,
     {{kC, kServerTag, {kShutdown}}, {kS, kClientTag, {kShutdownAck}}, {kC, kServerTag, {kShutdownComplete}}},
     State::kClosed},
    {"aborted", 4, {{kS, kClientTag, {kAbort}}}, State::kClosed},
    {"aborted with another tag", 4, {{kS, kServerTag, {kAbort}}}, State::kEstablished},
    {"aborted with its own tag, reflected", 4, {{kS, kServerTag, {kAbort}, 1}}, State::kClosed},
    {"aborted with another tag, reflected", 4, {{kS, 5, {kAbort}, 1}}, State::kEstablished},
    {"INIT into an open one", 4, {{kC, 0, {kInit}}}, State::kEstablished},
    {"picked up", 0, {{kC, 77, {kData}}}, State::kInit},
    {"picked up and answered", 0, {{kC, 77, {kData}}, {kS, 78, {kData}}}, State::kEstablished},
    {"picked up, aborted with another tag",
     0,
     {{kC, 77, {kData}}, {kS, 78, {kData}}, {kC, 78, {kAbort}}},
     State::kEstablished},
    {"picked up, aborted", 0, {{kC, 77, {kData}}, {kS, 78, {kData}}, {kC, 77, {kAbort}}}, State::kClosed},
};

TEST(Sctp, StatesRowByRow) {
    for (const Row& row : kRows) {
        for (const std::vector<size_t>& chain : {std::vector<size_t>{}, {14 + 20 + 12}}) {
            Association association;
            for (size_t i = 0; i < row.set_up; ++i) EXPECT_TRUE(association.say(kSetUp[i], chain));
            for (const Said& said : row.packets) EXPECT_TRUE(association.say(said, chain));
            EXPECT_EQ(association.state(), row.state) << row.what;
        }
    }
}

TEST(Sctp, AnInitAfterTheEndBeginsAnother) {
    Association association;
    for (const Said& said : kSetUp) association.say(said);
    association.say({kS, kClientTag, {kAbort}});
    EXPECT_FALSE(association.say({kS, 0, {kInit}}));
}

TEST(Sctp, BeginsWithAnInitAndIsPickedUpByWhatNeitherAnswersNorEnds) {
    const std::pair<Type, Beginning> rows[] = {
        {kInit, Beginning::kOpens},        {kInitAck, Beginning::kNever},     {kAbort, Beginning::kNever},
        {kShutdownAck, Beginning::kNever}, {kShutdownComplete, Beginning::kNever}, {kData, Beginning::kContinues},
        {kCookieAck, Beginning::kContinues}, {kShutdown, Beginning::kContinues}};
    for (const auto& [type, beginning] : rows) {
        rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), bytes({kC, 0, {type}}));
        path::Connection connection{};
        path::read_connection(m, {}, connection);
        EXPECT_EQ(Table::beginning_of(connection, m), beginning) << static_cast<int>(type);
        rte_pktmbuf_free(m);
    }
}

}  // namespace
}  // namespace sluice::flow
