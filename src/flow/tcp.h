// A TCP connection as somebody between its ends sees it (RFC 9293): each direction keeps what it has said in
// its own record, and the connection's state is read off the two. Workers follow it; any thread asks.
//
// Segments are never held back for what their numbers are: the ends know better. What is looked at twice is
// what would end a connection here and not there. A RST counts only where its sequence number lies in the
// window that its receiver last told, and is the one that is expected next, or the end of what was seen from
// its sender (RFC 5961, 3.2 and 5: to one that merely lies in the window the receiver answers with an ACK,
// and the true end then sends the right one). A FIN counts where it lies in the window. A SYN takes nothing
// from an open connection (RFC 5961, 4), and after its end begins another. A handshake is complete when both
// have acknowledged the number that the other began with, so that nobody who doesn't see the answers makes
// one that looks established.
#pragma once

#include <rte_mbuf.h>

#include <algorithm>
#include <cstdint>

#include "flow/record.h"
#include "flow/state.h"
#include "path/tuple.h"
#include "wire/headers.h"

namespace sluice::flow {

// Record::scale: the shift of the windows that a direction tells (RFC 7323, 2), and whether it offered one.
inline constexpr uint8_t kShift = 0x0f;
inline constexpr uint8_t kScaleOffered = 0x80;
inline constexpr uint8_t kMaxShift = 14;

struct Segment {
    uint8_t flags;
    uint8_t scale;  // as in a record: of a SYN
    uint16_t window;
    uint32_t sequence;
    uint32_t acknowledgement;
    uint32_t size;  // of what it carries
};

Segment read_segment(const rte_mbuf* m, const path::Connection& connection) noexcept;

// What a packet does for its flow's state.
enum class Progress : uint8_t {
    kAlive,   // the flow's time begins anew
    kNone,    // nothing: it is late, or not part of the connection
    kBegins,  // the connection is over, and this begins another one
};

// Takes note of a segment of `own`'s direction.
Progress follow_tcp(Record& own, Record& peer, const Segment& segment) noexcept;

State tcp_state(const Record& initiator, const Record& responder) noexcept;

// The later of two numbers (RFC 9293, 3.4). Without a branch: which it is can't be predicted.
constexpr uint32_t later(uint32_t a, uint32_t b) noexcept {
    const auto distance = static_cast<int32_t>(b - a);
    return a + static_cast<uint32_t>(distance & ~(distance >> 31));
}

// The same for a segment without SYN, FIN and RST, of a connection that is open, whose header lies in the
// first mbuf (`frame`: its start).
[[gnu::always_inline]] inline void note_open(Record& own, const path::Connection& connection,
                                             const uint8_t* frame) noexcept {
    const uint8_t* l4 = frame + connection.l4_offset;
    const auto& tcp = *reinterpret_cast<const wire::TcpHeader*>(l4);
    const uint8_t* datagram_end =
        likely(!connection.is_ipv6())
            ? connection.ip + reinterpret_cast<const wire::Ipv4Header*>(connection.ip)->total_size.host()
            : connection.ip + sizeof(wire::Ipv6Header) +
                  reinterpret_cast<const wire::Ipv6Header*>(connection.ip)->payload_size.host();
    const auto size = static_cast<uint32_t>(datagram_end - l4 - tcp.header_size());
    auto note = [](std::atomic<uint32_t>& value, uint32_t to) {
        value.store(later(value.load(std::memory_order_relaxed), to), std::memory_order_relaxed);
    };
    note(own.end, tcp.sequence.host() + size);
    note(own.ack, tcp.acknowledgement.host());
    own.window.store(tcp.window.raw(), std::memory_order_relaxed);
}

}  // namespace sluice::flow
