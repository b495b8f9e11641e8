// What a user may say about the flow table: how many flows it holds, and how long a silent one is kept.
#pragma once

#include <cstdint>

#include "base/fields.h"

namespace sluice::flow {

// Seconds without a packet, in either direction, after which a flow is forgotten. Counted from its last
// packet; of a closed connection (time-wait, closed) from the moment it ended.
//
// The keys are in the spirit of Linux' nf_conntrack_*_timeout_*, the values mostly its defaults. Not its
// five days for an established TCP connection: those aren't evicted when the table is full, so what died
// without a word should not stay for most of a week. A day is far beyond the two hours and four minutes
// that RFC 5382 (REQ-5) asks for, and what is silent for longer is picked up again in mid-stream.
struct TimeoutsConfig {
    uint32_t tcp_syn = 60;  // a handshake under way; picked up in mid-stream and not answered yet
    uint32_t tcp_established = 86400;
    uint32_t tcp_fin = 120;       // closed by one side, or by both and not acknowledged yet
    uint32_t tcp_time_wait = 60;  // closed by both, which the last segments may not have reached
    uint32_t tcp_closed = 10;     // reset
    uint32_t udp = 30;            // not answered
    uint32_t udp_answered = 120;  // RFC 4787, REQ-5: two minutes at least
    uint32_t sctp_init = 10;      // an association that is being set up
    uint32_t sctp_established = 210;  // heartbeats come every 30 (RFC 9260, 16: HB.interval)
    uint32_t sctp_shutdown = 10;  // being shut down, and aborted
    uint32_t icmp = 30;           // an echo, answered or not
    uint32_t other = 600;         // protocols without ports
    uint32_t stateless = 30;      // what a stateless rule let in
    uint32_t denied = 300;        // refused by policy: longer than TCP waits before it tries once more (RFC 6298)

    bool operator==(const TimeoutsConfig&) const = default;
};

template <class V>
void fields(V& v, TimeoutsConfig& t) {
    constexpr base::Range kSeconds{1, 10'000'000};
    v.optional("tcp-syn", t.tcp_syn, kSeconds);
    v.optional("tcp-established", t.tcp_established, kSeconds);
    v.optional("tcp-fin", t.tcp_fin, kSeconds);
    v.optional("tcp-time-wait", t.tcp_time_wait, kSeconds);
    v.optional("tcp-closed", t.tcp_closed, kSeconds);
    v.optional("udp", t.udp, kSeconds);
    v.optional("udp-answered", t.udp_answered, kSeconds);
    v.optional("sctp-init", t.sctp_init, kSeconds);
    v.optional("sctp-established", t.sctp_established, kSeconds);
    v.optional("sctp-shutdown", t.sctp_shutdown, kSeconds);
    v.optional("icmp", t.icmp, kSeconds);
    v.optional("other", t.other, kSeconds);
    v.optional("stateless", t.stateless, kSeconds);
    v.optional("denied", t.denied, kSeconds);
}

inline constexpr uint32_t kMinFlows = 1024;
inline constexpr uint32_t kMaxFlows = 1 << 22;

struct FlowConfig {
    uint32_t size = 262144;  // flows
    bool pick_up = true;     // a connection may be met in mid-stream
    TimeoutsConfig timeouts;

    bool operator==(const FlowConfig&) const = default;
};

template <class V>
void fields(V& v, FlowConfig& f) {
    v.optional("size", f.size, base::Range{kMinFlows, kMaxFlows});
    v.optional("pick-up", f.pick_up);
    v.optional("timeouts", f.timeouts);
}

}  // namespace sluice::flow
