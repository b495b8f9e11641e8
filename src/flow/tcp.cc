#include "flow/tcp.h"

#include "wire/layers.h"

namespace sluice::flow {
namespace {

using wire::TcpHeader;

// TCP's options (RFC 9293, 3.1; RFC 7323, 2.2).
constexpr uint8_t kOptionEnd = 0;
constexpr uint8_t kOptionNop = 1;
constexpr uint8_t kOptionScale = 3;
constexpr uint8_t kOptionScaleSize = 3;

// How far behind the end of what was sent the first acknowledgement may lie: data in a handshake may be
// left for later (RFC 7413).
constexpr uint32_t kMostInHandshake = 0xffff;

uint8_t read_scale(const rte_mbuf* m, uint32_t offset, uint32_t size) noexcept {
    uint8_t copy[60];
    if (size > sizeof copy) return 0;
    const auto* options = static_cast<const uint8_t*>(rte_pktmbuf_read(m, offset, size, copy));
    if (options == nullptr) return 0;
    for (uint32_t i = 0; i < size && options[i] != kOptionEnd;) {
        if (options[i] == kOptionNop) {
            ++i;
            continue;
        }
        if (i + 1 >= size || options[i + 1] < 2 || i + options[i + 1] > size) return 0;
        if (options[i] == kOptionScale && options[i + 1] == kOptionScaleSize) {
            return static_cast<uint8_t>(kScaleOffered | std::min(options[i + 2], kMaxShift));
        }
        i += options[i + 1];
    }
    return 0;
}

bool is_over(const Record& a, const Record& b) noexcept {
    const State state = tcp_state(a, b);
    return state == State::kTimeWait || state == State::kClosed;
}

// Whether a number of its peer's lies in the window that `own` has told.
bool in_window(const Record& own, uint32_t sequence) noexcept {
    const uint32_t window = wire::be16::from_raw(own.window.load(kRelaxed)).host();
    return sequence - own.ack.load(kRelaxed) <= window << (own.scale.load(kRelaxed) & kShift);
}

bool resets(const Record& own, const Record& peer, const Segment& s) noexcept {
    if (own.is(kSeen) && s.sequence == own.end.load(kRelaxed) &&
        (!peer.is(kAcked) || in_window(peer, s.sequence))) {
        return true;
    }
    if (peer.is(kAcked)) {
        // Of a sender that nothing is known of but this, anything in the window must do.
        return own.is(kSeen) ? s.sequence == peer.ack.load(kRelaxed) : in_window(peer, s.sequence);
    }
    if (peer.is(kOpened)) {
        // In SYN-SENT it is known by what it acknowledges (RFC 9293, 3.10.7.3).
        return (s.flags & TcpHeader::kAck) != 0 && s.acknowledgement == peer.end.load(kRelaxed);
    }
    return !own.is(kSeen);
}

// The scale in force: none unless both offered one (RFC 7323, 1.3); the greatest where it wasn't seen.
void settle_scale(Record& own, const Record& peer) noexcept {
    const uint8_t scale = own.scale.load(kRelaxed);
    if (!own.is(kOpened)) {
        own.scale.store(kMaxShift, kRelaxed);
    } else if (peer.is(kOpened) && (peer.scale.load(kRelaxed) & kScaleOffered) == 0) {
        own.scale.store(scale & kScaleOffered, kRelaxed);
    }
}

// From now on both look at every segment.
void unsettle(Record& own, Record& peer, uint8_t bits) noexcept {
    own.progress.fetch_or(bits);
    own.progress.fetch_and(static_cast<uint8_t>(~kSettled));
    peer.progress.fetch_and(static_cast<uint8_t>(~kSettled));
}

void settle(Record& own, const Record& peer) noexcept {
    own.progress.fetch_or(kSettled);
    // The peer may be doing the opposite this moment: one of the two sees what the other did.
    const auto peer_progress = peer.progress.load();
    if ((peer_progress & (kFinished | kReset)) != 0) {
        own.progress.fetch_and(static_cast<uint8_t>(~kSettled));
    }
}

// Takes what a segment acknowledges: as the first, or after others.
void acknowledge(Record& own, uint32_t ack, uint16_t window, bool first) noexcept {
    own.ack.store(first ? ack : later(own.ack.load(kRelaxed), ack), kRelaxed);
    own.window.store(wire::be16(window).raw(), kRelaxed);
}

Progress follow_syn(Record& own, Record& peer, const Segment& s) noexcept {
    const bool acks = (s.flags & TcpHeader::kAck) != 0;
    const State state = tcp_state(own, peer);
    if (state == State::kTimeWait || state == State::kClosed) {
        return acks ? Progress::kNone : Progress::kBegins;
    }
    if (state == State::kEstablished || own.is(kFinished) || peer.is(kFinished)) return Progress::kNone;
    if (acks && peer.is(kOpened) && peer.end.load(kRelaxed) - s.acknowledgement > kMostInHandshake) {
        return Progress::kNone;
    }
    own.end.store(s.sequence + 1 + s.size, kRelaxed);
    own.scale.store(s.scale, kRelaxed);
    own.progress.fetch_or(kSeen | kOpened);
    if (acks) {
        settle_scale(own, peer);
        // The window of a SYN isn't scaled (RFC 7323, 2.2), and is kept as if it were.
        const uint8_t shift = own.scale.load(kRelaxed) & kShift;
        acknowledge(own, s.acknowledgement, static_cast<uint16_t>(s.window >> shift), true);
        own.progress.fetch_or(kAcked);
        settle(own, peer);
    }
    return Progress::kAlive;
}

Progress follow_rst(Record& own, Record& peer, const Segment& s) noexcept {
    if (!resets(own, peer, s) || is_over(own, peer)) return Progress::kNone;
    unsettle(own, peer, kSeen | kReset);
    return Progress::kAlive;
}

}  // namespace

Segment read_segment(const rte_mbuf* m, const path::Connection& connection) noexcept {
    TcpHeader copy;
    const auto* tcp = wire::read(m, connection.l4_offset, copy);
    if (tcp == nullptr) return {};
    const auto ip = static_cast<uint32_t>(connection.ip - rte_pktmbuf_mtod(m, const uint8_t*));
    const uint32_t end =
        ip + (connection.is_ipv6()
                  ? sizeof(wire::Ipv6Header) +
                        reinterpret_cast<const wire::Ipv6Header*>(connection.ip)->payload_size.host()
                  : reinterpret_cast<const wire::Ipv4Header*>(connection.ip)->total_size.host());
    const uint32_t payload = uint32_t{connection.l4_offset} + tcp->header_size();
    Segment segment{.flags = tcp->flags,
                    .scale = 0,
                    .window = tcp->window.host(),
                    .sequence = tcp->sequence.host(),
                    .acknowledgement = tcp->acknowledgement.host(),
                    .size = end > payload ? end - payload : 0};
    if ((tcp->flags & TcpHeader::kSyn) != 0 && tcp->header_size() > sizeof *tcp) {
        segment.scale = read_scale(m, connection.l4_offset + sizeof *tcp,
                                   static_cast<uint32_t>(tcp->header_size() - sizeof *tcp));
    }
    return segment;
}

Progress follow_tcp(Record& own, Record& peer, const Segment& s) noexcept {
    if ((s.flags & TcpHeader::kRst) != 0) return follow_rst(own, peer, s);
    if ((s.flags & TcpHeader::kSyn) != 0) return follow_syn(own, peer, s);
    // RFC 9293, 3.10.7.4: dropped by who receives it.
    if ((s.flags & TcpHeader::kAck) == 0) return Progress::kNone;

    const bool was_over = is_over(own, peer);
    const bool first = !own.is(kAcked);
    if (first) {
        if (peer.is(kOpened) && peer.end.load(kRelaxed) - s.acknowledgement > kMostInHandshake) {
            return Progress::kNone;
        }
        settle_scale(own, peer);
    }
    const uint32_t end = s.sequence + s.size;
    const bool finishes = (s.flags & TcpHeader::kFin) != 0 && (!peer.is(kAcked) || in_window(peer, end));
    own.end.store(own.is(kSeen) ? later(own.end.load(kRelaxed), end + finishes) : end + finishes, kRelaxed);
    acknowledge(own, s.acknowledgement, s.window, first);
    own.progress.fetch_or(kSeen | kAcked);
    if (finishes && !own.is(kFinished)) {
        unsettle(own, peer, kFinished);
    } else if (!own.is(kFinished | kReset) && !peer.is(kFinished | kReset)) {
        settle(own, peer);
    }
    // After its end a connection's time runs out, whatever is sent.
    return was_over ? Progress::kNone : Progress::kAlive;
}

State tcp_state(const Record& initiator, const Record& responder) noexcept {
    const uint8_t a = initiator.progress.load(kRelaxed);
    const uint8_t b = responder.progress.load(kRelaxed);
    if (((a | b) & kReset) != 0) return State::kClosed;
    if ((a & b & kFinished) != 0) {
        auto covers = [](const Record& own, const Record& peer) {
            return static_cast<int32_t>(own.ack.load(kRelaxed) - peer.end.load(kRelaxed)) >= 0;
        };
        return covers(initiator, responder) && covers(responder, initiator) ? State::kTimeWait
                                                                           : State::kClosing;
    }
    if (((a | b) & kFinished) != 0) return State::kFinWait;
    if ((a & b & kAcked) != 0) return State::kEstablished;
    if ((a & b & kOpened) != 0) return State::kSynReceived;
    if (((a | b) & kOpened) != 0) return State::kSynSent;
    return State::kNew;
}

}  // namespace sluice::flow
