#include "flow/state.h"

#include <gtest/gtest.h>

#include <string>

#include "base/tree.h"
#include "flow/flow_config.h"

namespace sluice::flow {
namespace {

using wire::Protocol;

TEST(Flows, EveryStateHasAName) {
    size_t i = 0;
    for (const auto& [state, word] : names(State{})) {
        EXPECT_EQ(static_cast<size_t>(state), i++);
        EXPECT_FALSE(word.empty());
    }
    EXPECT_EQ(i, kStateCount);
}

TEST(Flows, EachTimeoutIsThatOfItsKey) {
    TimeoutsConfig config;
    Seconds next = 1;
    for (Seconds* value :
         {&config.tcp_syn, &config.tcp_established, &config.tcp_fin, &config.tcp_time_wait,
          &config.tcp_closed, &config.udp, &config.udp_answered, &config.sctp_init, &config.sctp_established,
          &config.sctp_shutdown, &config.icmp, &config.other, &config.stateless, &config.denied}) {
        *value = next++;
    }
    const Timeouts timeouts(config);
    auto of = [&](Protocol protocol, State state) { return timeouts.of(state, protocol); };
    EXPECT_EQ(of(Protocol::kTcp, State::kNew), config.tcp_syn);
    EXPECT_EQ(of(Protocol::kTcp, State::kSynSent), config.tcp_syn);
    EXPECT_EQ(of(Protocol::kTcp, State::kSynReceived), config.tcp_syn);
    EXPECT_EQ(of(Protocol::kTcp, State::kEstablished), config.tcp_established);
    EXPECT_EQ(of(Protocol::kTcp, State::kFinWait), config.tcp_fin);
    EXPECT_EQ(of(Protocol::kTcp, State::kClosing), config.tcp_fin);
    EXPECT_EQ(of(Protocol::kTcp, State::kTimeWait), config.tcp_time_wait);
    EXPECT_EQ(of(Protocol::kTcp, State::kClosed), config.tcp_closed);
    EXPECT_EQ(of(Protocol::kUdp, State::kUnanswered), config.udp);
    EXPECT_EQ(of(Protocol::kUdp, State::kAnswered), config.udp_answered);
    EXPECT_EQ(of(Protocol::kSctp, State::kInit), config.sctp_init);
    EXPECT_EQ(of(Protocol::kSctp, State::kEstablished), config.sctp_established);
    EXPECT_EQ(of(Protocol::kSctp, State::kShutdown), config.sctp_shutdown);
    EXPECT_EQ(of(Protocol::kSctp, State::kClosed), config.sctp_shutdown);
    for (const State state : {State::kUnanswered, State::kAnswered}) {
        EXPECT_EQ(of(Protocol::kIcmp, state), config.icmp);
        EXPECT_EQ(of(Protocol::kIcmpv6, state), config.icmp);
        EXPECT_EQ(of(Protocol{47}, state), config.other);
    }
    for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
        EXPECT_EQ(of(protocol, State::kStateless), config.stateless);
        EXPECT_EQ(of(protocol, State::kDenied), config.denied);
    }
}

FlowConfig read(const std::string& text, bool good = true) {
    FlowConfig config;
    auto document = base::parse_yaml(text, "flows.yaml");
    EXPECT_TRUE(document.has_value());
    if (!document) return config;
    EXPECT_EQ(base::read(*document, config).empty(), good) << text;
    return config;
}

TEST(Flows, AreConfiguredByTheseKeys) {
    const FlowConfig config = read("{size: 4194304, pick-up: false, timeouts: {udp-answered: 7}}");
    EXPECT_EQ(config.size, kMaxFlows);
    EXPECT_FALSE(config.pick_up);
    EXPECT_EQ(config.timeouts.udp_answered, 7u);
    EXPECT_EQ(config.timeouts.tcp_established, TimeoutsConfig{}.tcp_established);
    EXPECT_EQ(read("{}"), FlowConfig{});
    read("{size: 1023}", false);
    read("{size: 4194305}", false);
    read("{timeouts: {udp: 0}}", false);
    read("{timeouts: {tcp: 5}}", false);
}

}  // namespace
}  // namespace sluice::flow
