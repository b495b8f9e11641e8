#include "flow/sctp.h"

#include "wire/big_endian.h"
#include "wire/layers.h"

namespace sluice::flow {
namespace {

struct CommonHeader {  // RFC 9260, 3.1
    wire::be16 source_port;
    wire::be16 destination_port;
    wire::be32 tag;
    wire::be32 checksum;
};
static_assert(sizeof(CommonHeader) == 12);

struct Chunk {  // 3.2, with the first word of its value: of INIT and INIT ACK the sender's tag
    uint8_t type;
    uint8_t flags;
    wire::be16 size;
};
static_assert(sizeof(Chunk) == 4);

enum ChunkType : uint8_t {
    kInit = 1,
    kInitAck = 2,
    kAbort = 6,
    kShutdown = 7,
    kShutdownAck = 8,
    kShutdownComplete = 14,
};

// In ABORT and SHUTDOWN COMPLETE: the tag is the sender's own, since it knows no other (8.4, 8.5.1).
constexpr uint8_t kReflected = 1;

// Chunks that a packet is looked through for; what ends an association comes first or alone.
constexpr int kMostChunks = 8;

// The tag that the peer asked for; of an association that was picked up, the one that came first.
bool is_right(const Record& own, const Record& peer, uint32_t tag) noexcept {
    if (peer.is(kOpened)) return tag == peer.end.load(kRelaxed);
    return !own.is(kAcked) || tag == own.ack.load(kRelaxed);
}

bool is_over(const Record& a, const Record& b) noexcept { return a.is(kReset) || b.is(kReset); }

}  // namespace

Progress follow_sctp(Record& own, Record& peer, const rte_mbuf* m, const path::Connection& c) noexcept {
    CommonHeader header_copy;
    const auto* header = wire::read(m, c.l4_offset, header_copy);
    if (header == nullptr) return Progress::kNone;
    const bool was_over = is_over(own, peer);
    const uint32_t tag = header->tag.host();
    const bool right = is_right(own, peer, tag);
    uint32_t at = c.l4_offset + sizeof *header;
    uint8_t bits = 0;
    for (int i = 0; i < kMostChunks; ++i) {
        Chunk chunk_copy;
        const auto* chunk = wire::read(m, at, chunk_copy);
        if (chunk == nullptr || chunk->size.host() < sizeof *chunk) break;
        switch (chunk->type) {
            case kInit:
            case kInitAck: {
                if (chunk->type == kInit && was_over) return Progress::kBegins;
                wire::be32 copy;
                const auto* own_tag = wire::read(m, at + static_cast<uint32_t>(sizeof *chunk), copy);
                const bool answers = chunk->type == kInitAck;
                if (own_tag == nullptr || own.is(kAcked) || (answers ? !right : tag != 0)) break;
                own.end.store(own_tag->host(), kRelaxed);
                bits |= kSeen | kOpened;
                break;
            }
            case kAbort:
            case kShutdownComplete: {
                const bool reflected = (chunk->flags & kReflected) != 0;
                const bool own_right = own.is(kOpened) && tag == own.end.load(kRelaxed);
                if (reflected ? own_right : right) bits |= kSeen | kReset;
                break;
            }
            case kShutdown:
            case kShutdownAck:
                if (right) bits |= kSeen | kAcked | kFinished;
                break;
            default:
                if (right) bits |= kSeen | kAcked;
                break;
        }
        // Chunks begin at multiples of four.
        at += (uint32_t{chunk->size.host()} + 3) & ~3U;
    }
    if (bits == 0) return Progress::kNone;
    if ((bits & kAcked) != 0 && !own.is(kAcked)) own.ack.store(tag, kRelaxed);
    own.progress.fetch_or(bits);
    return was_over ? Progress::kNone : Progress::kAlive;
}

State sctp_state(const Record& initiator, const Record& responder) noexcept {
    const uint8_t a = initiator.progress.load(kRelaxed);
    const uint8_t b = responder.progress.load(kRelaxed);
    if (((a | b) & kReset) != 0) return State::kClosed;
    if (((a | b) & kFinished) != 0) return State::kShutdown;
    return (a & b & kAcked) != 0 ? State::kEstablished : State::kInit;
}

Beginning sctp_beginning(const rte_mbuf* m, const path::Connection& c) noexcept {
    Chunk copy;
    const auto* chunk = wire::read(m, c.l4_offset + static_cast<uint32_t>(sizeof(CommonHeader)), copy);
    if (chunk == nullptr) return Beginning::kNever;
    switch (chunk->type) {
        case kInit: return Beginning::kOpens;
        case kInitAck:
        case kAbort:
        case kShutdownAck:
        case kShutdownComplete: return Beginning::kNever;
        default: return Beginning::kContinues;
    }
}

}  // namespace sluice::flow
