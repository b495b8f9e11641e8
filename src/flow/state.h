// The state of a flow, read off what its two directions have said (record.h): nobody stores it. Any thread.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>

#include "base/text.h"
#include "flow/flow_config.h"
#include "flow/record.h"

namespace sluice::flow {

enum class State : uint8_t {
    kNew,          // picked up in mid-stream, not answered yet
    kSynSent,      // TCP's are RFC 9293's, 3.3.2, as somebody between the two ends sees them
    kSynReceived,
    kEstablished,  // SCTP too
    kFinWait,      // one side is closed
    kClosing,      // both are, and haven't acknowledged it yet
    kTimeWait,
    kClosed,       // reset, aborted
    kInit,         // SCTP: INIT to COOKIE ACK
    kShutdown,     // SCTP
    kUnanswered,   // all others
    kAnswered,
    kStateless,
    kDenied,
    kCount,
};
inline constexpr size_t kStateCount = static_cast<size_t>(State::kCount);
using StateCounts = std::array<uint32_t, kStateCount>;

constexpr auto names(State) {
    using base::Name;
    return std::array{Name{State::kNew, "new"},
                      Name{State::kSynSent, "syn-sent"},
                      Name{State::kSynReceived, "syn-received"},
                      Name{State::kEstablished, "established"},
                      Name{State::kFinWait, "fin-wait"},
                      Name{State::kClosing, "closing"},
                      Name{State::kTimeWait, "time-wait"},
                      Name{State::kClosed, "closed"},
                      Name{State::kInit, "init"},
                      Name{State::kShutdown, "shutdown"},
                      Name{State::kUnanswered, "unanswered"},
                      Name{State::kAnswered, "answered"},
                      Name{State::kStateless, "stateless"},
                      Name{State::kDenied, "denied"}};
}

// How a packet that has no flow stands to connections.
enum class Beginning : uint8_t {
    kOpens,      // it begins one: a SYN, an INIT, an echo request, anything of protocols without states
    kContinues,  // it is of one that is under way, which may be picked up
    kNever,      // it answers or ends one (RST, SYN and ACK, ABORT, echo reply): it makes no flow
};

State state_of(const Record& initiator, const Record& responder) noexcept;

// The timeouts, for workers to read while the control thread changes them.
class Timeouts {
 public:
    explicit Timeouts(const TimeoutsConfig& config) noexcept { set(config); }
    void set(const TimeoutsConfig& config) noexcept;
    Seconds of(State state, wire::Protocol protocol) const noexcept;

    // A table that fills up remembers what is silent for a shorter time: from three fifths of its capacity on
    // every timeout is halved for each twentieth more, down to kShortest (a day is 337 seconds then). In the
    // spirit of OpenBSD's adaptive timeouts.
    static constexpr Seconds kShortest = 10;
    static constexpr uint32_t halvings(uint32_t count, uint32_t capacity) noexcept {
        const auto twentieths = static_cast<uint32_t>(uint64_t{count} * 20 / capacity);
        return twentieths > 12 ? twentieths - 12 : 0;
    }
    static constexpr Seconds shortened(Seconds timeout, uint32_t halvings) noexcept {
        return std::max(timeout >> halvings, std::min(timeout, kShortest));
    }

 private:
    static constexpr size_t kProtocols = 5;  // TCP, SCTP, UDP, ICMP, others

    std::atomic<Seconds> seconds_[kProtocols][kStateCount];
};

// Which flows make room for new ones when the table is full.
enum class Keep : uint8_t {
    kOver,       // it is of no use any more
    kEmbryonic,  // nobody has answered, or nobody has confirmed the answer
    kIdle,       // the rest, where it is silent
    kAlways,     // an open connection, until its timeout
};
inline constexpr size_t kKeepCount = 4;
Keep keep_of(State state) noexcept;

}  // namespace sluice::flow
