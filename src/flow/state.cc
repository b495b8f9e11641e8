#include "flow/state.h"

#include "flow/sctp.h"
#include "flow/tcp.h"

namespace sluice::flow {
namespace {

using wire::Protocol;

size_t row(Protocol protocol) noexcept {
    switch (protocol) {
        case Protocol::kTcp: return 0;
        case Protocol::kSctp: return 1;
        case Protocol::kUdp: return 2;
        case Protocol::kIcmp:
        case Protocol::kIcmpv6: return 3;
        default: return 4;
    }
}

}  // namespace

State state_of(const Record& initiator, const Record& responder) noexcept {
    if (initiator.decided.load(std::memory_order_relaxed).verdict() != Verdict::kAllow ||
        responder.decided.load(std::memory_order_relaxed).verdict() != Verdict::kAllow) {
        return State::kDenied;
    }
    if (initiator.is(kOneWay)) return State::kStateless;
    switch (initiator.key.protocol()) {
        case Protocol::kTcp: return tcp_state(initiator, responder);
        case Protocol::kSctp: return sctp_state(initiator, responder);
        default: return responder.is(kSeen) ? State::kAnswered : State::kUnanswered;
    }
}

void Timeouts::set(const TimeoutsConfig& c) noexcept {
    const Seconds unanswered[kProtocols] = {c.tcp_syn, c.sctp_init, c.udp, c.icmp, c.other};
    const Seconds answered[kProtocols] = {c.tcp_established, c.sctp_established, c.udp_answered, c.icmp,
                                          c.other};
    for (size_t i = 0; i < kProtocols; ++i) {
        auto put = [&](State state, Seconds seconds) {
            seconds_[i][static_cast<size_t>(state)].store(seconds, std::memory_order_relaxed);
        };
        const bool sctp = i == row(Protocol::kSctp);
        put(State::kNew, unanswered[i]);
        put(State::kSynSent, c.tcp_syn);
        put(State::kSynReceived, c.tcp_syn);
        put(State::kEstablished, answered[i]);
        put(State::kFinWait, c.tcp_fin);
        put(State::kClosing, c.tcp_fin);
        put(State::kTimeWait, c.tcp_time_wait);
        put(State::kClosed, sctp ? c.sctp_shutdown : c.tcp_closed);
        put(State::kInit, c.sctp_init);
        put(State::kShutdown, c.sctp_shutdown);
        put(State::kUnanswered, unanswered[i]);
        put(State::kAnswered, answered[i]);
        put(State::kStateless, c.stateless);
        put(State::kDenied, c.denied);
    }
}

Seconds Timeouts::of(State state, Protocol protocol) const noexcept {
    return seconds_[row(protocol)][static_cast<size_t>(state)].load(std::memory_order_relaxed);
}

Keep keep_of(State state) noexcept {
    switch (state) {
        case State::kTimeWait:
        case State::kClosed:
        case State::kStateless:
        case State::kDenied: return Keep::kOver;
        case State::kNew:
        case State::kSynSent:
        case State::kSynReceived:
        case State::kInit:
        case State::kUnanswered: return Keep::kEmbryonic;
        case State::kEstablished: return Keep::kAlways;
        default: return Keep::kIdle;
    }
}

}  // namespace sluice::flow
