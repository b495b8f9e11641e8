#include "service/probes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "wire/flow_hash.h"
#include "wire/headers.h"

namespace sluice::service {
namespace {

using wire::TcpHeader;

// A slot's word: the probe's serial number, so that no change meant for a probe meets its successor; its phase;
// and what belongs to the phase.
struct Word {
    uint32_t serial = 0;  // 24 bits
    Phase phase = Phase::kIdle;
    uint32_t value = 0;  // kRequested and kAbandoned: the peer's next sequence number; kOver: the outcome

    static Word of(uint64_t word) noexcept {
        return {static_cast<uint32_t>(word >> 40), static_cast<Phase>(word >> 32 & 0xff),
                static_cast<uint32_t>(word)};
    }
    uint64_t packed() const noexcept {
        return uint64_t{serial} << 40 | uint64_t{static_cast<uint8_t>(phase)} << 32 | value;
    }
    Word with(Phase next, uint32_t next_value = 0) const noexcept { return {serial, next, next_value}; }
};

uint32_t packed(const Outcome& outcome) noexcept {
    return uint32_t{static_cast<uint8_t>(outcome.result)} << 16 | outcome.status;
}

Outcome outcome_of(uint32_t value) noexcept {
    return {static_cast<ProbeResult>(value >> 16), static_cast<uint16_t>(value)};
}

// What comes after the result still belongs to the probe, until the next one.
constexpr bool is_sent(Phase phase) noexcept {
    return phase != Phase::kWanted && phase != Phase::kUnresolved;
}

std::array<uint64_t, 2> words_of(const IpAddress& address) noexcept {
    return {wire::load64(&address.bytes[0]), wire::load64(&address.bytes[8])};
}

ProbeStep over(const Outcome& outcome, const ProbeReply& reply = {}) noexcept {
    return {.phase = Phase::kOver, .outcome = outcome, .reply = reply};
}

// The answer to the SYN (RFC 9293, 3.10.7.3). A reset counts only if it acknowledges the SYN.
ProbeStep answer_syn(const ProbeState& probe, const ProbeSegment& segment) noexcept {
    const uint32_t own_next = probe.sequence + 1;
    const uint8_t control =
        segment.flags & (TcpHeader::kSyn | TcpHeader::kAck | TcpHeader::kRst | TcpHeader::kFin);
    if (segment.acknowledgement != own_next) return {.phase = probe.phase};
    if (control == (TcpHeader::kRst | TcpHeader::kAck)) return over({ProbeResult::kRefused});
    if (control != (TcpHeader::kSyn | TcpHeader::kAck)) return {.phase = probe.phase};
    // The server's process sees nothing of a connection that is reset before it is established.
    if (probe.request_size == 0) return over({ProbeResult::kConnected}, {ProbeReply::Kind::kReset, own_next, 0});
    const uint32_t next = segment.sequence + 1;
    return {.phase = Phase::kRequested, .next = next, .reply = {ProbeReply::Kind::kRequest, own_next, next}};
}

// The answer to the request. Only the next byte that is expected counts, and a reset in its place (RFC 5961, 3.2).
ProbeStep answer_request(const ProbeState& probe, const ProbeSegment& segment) noexcept {
    const ProbeStep unchanged{.phase = probe.phase};
    if (segment.sequence != probe.next || (segment.flags & TcpHeader::kSyn) != 0) return unchanged;
    if ((segment.flags & TcpHeader::kRst) != 0) return over({ProbeResult::kReset});
    const uint32_t own_next = probe.sequence + 1 + probe.request_size;
    if ((segment.flags & TcpHeader::kAck) == 0 || segment.acknowledgement != own_next) return unchanged;
    const ProbeReply reset{ProbeReply::Kind::kReset, own_next, 0};
    if (segment.size == 0)
        return (segment.flags & TcpHeader::kFin) != 0 ? over({ProbeResult::kClosed}, reset) : unchanged;
    const size_t shown = std::min<size_t>(segment.size, segment.begin.size());
    const auto status = read_status({segment.begin.data(), shown});
    return over(status ? Outcome{ProbeResult::kStatus, *status} : Outcome{ProbeResult::kNotHttp}, reset);
}

}  // namespace

std::string text(const Outcome& outcome) {
    switch (outcome.result) {
        case ProbeResult::kConnected:
            return "connected";
        case ProbeResult::kStatus:
            return fmt::format("HTTP {}", outcome.status);
        case ProbeResult::kRefused:
            return "connection refused";
        case ProbeResult::kReset:
            return "connection reset";
        case ProbeResult::kClosed:
            return "connection closed without an answer";
        case ProbeResult::kNotHttp:
            return "the answer is not HTTP";
        case ProbeResult::kTimeout:
            return "timeout";
        case ProbeResult::kNoNeighbor:
            return "its MAC address is unknown";
        case ProbeResult::kPortDown:
            return "its port is down";
        case ProbeResult::kNoRoute:
            return "there is no route to it";
        case ProbeResult::kNoAddress:
            return "the switch has no address of its family in its network";
    }
    return "";
}

// RFC 9112, 4: "HTTP/1.1 200 OK". What follows the status may be cut off, or left out.
std::optional<uint16_t> read_status(std::string_view begin) noexcept {
    constexpr std::string_view kVersion = "HTTP/1.";
    constexpr size_t kStatus = kVersion.size() + 2;
    constexpr size_t kEnd = kStatus + 3;
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    if (begin.size() < kEnd || !begin.starts_with(kVersion)) return std::nullopt;
    if (!is_digit(begin[kVersion.size()]) || begin[kVersion.size() + 1] != ' ') return std::nullopt;
    if (begin.size() > kEnd && begin[kEnd] != ' ' && begin[kEnd] != '\r') return std::nullopt;
    uint16_t status = 0;
    for (const char c : begin.substr(kStatus, 3)) {
        if (!is_digit(c)) return std::nullopt;
        status = static_cast<uint16_t>(status * 10 + (c - '0'));
    }
    return status >= 100 ? std::optional(status) : std::nullopt;
}

ProbeStep step(const ProbeState& probe, const ProbeSegment& segment) noexcept {
    switch (probe.phase) {
        case Phase::kSynSent:
            return answer_syn(probe, segment);
        case Phase::kRequested:
            return answer_request(probe, segment);
        default:
            return {.phase = probe.phase};
    }
}

// --- the table ---

Probes::Probes()
    : slots_(std::make_unique<Slot[]>(kMost)),
      numbers_(std::make_unique<std::atomic<uint16_t>[]>(size_t{kLastPort} - kFirstPort + 1)) {}

// Most ports are free: there are several times as many as probes.
uint16_t Probes::free_port() {
    constexpr uint32_t kPorts = uint32_t{kLastPort} - kFirstPort + 1;
    static_assert(kPorts > 4 * kMost);
    for (;;) {
        const auto port = static_cast<uint16_t>(kFirstPort + random_() % kPorts);
        if (!has_port(port)) return port;
    }
}

void Probes::release(Slot& slot) {
    const uint16_t port = slot.port.load(std::memory_order_relaxed);
    if (port != 0) numbers_[port - kFirstPort].store(0, std::memory_order_relaxed);
    slot.port.store(0, std::memory_order_relaxed);
}

bool Probes::begin(uint32_t number) {
    Slot& slot = slots_[number];
    const Word before = Word::of(slot.word.load(std::memory_order_acquire));
    if (before.phase != Phase::kIdle) return false;
    release(slot);
    const uint16_t port = free_port();
    slot.sequence.store(random_(), std::memory_order_relaxed);
    slot.port.store(port, std::memory_order_relaxed);
    const Word next{(before.serial + 1) & 0xff'ffff, Phase::kWanted, 0};
    slot.word.store(next.packed(), std::memory_order_release);
    numbers_[port - kFirstPort].store(static_cast<uint16_t>(number + 1), std::memory_order_release);
    return true;
}

std::optional<Outcome> Probes::take(uint32_t number) {
    Slot& slot = slots_[number];
    const Word word = Word::of(slot.word.load(std::memory_order_acquire));
    // No worker changes a probe that is over.
    if (word.phase != Phase::kOver) return std::nullopt;
    slot.word.store(word.with(Phase::kIdle).packed(), std::memory_order_release);
    return outcome_of(word.value);
}

Probes::GivenUp Probes::give_up(uint32_t number) {
    Slot& slot = slots_[number];
    for (;;) {
        uint64_t seen = slot.word.load(std::memory_order_acquire);
        const Word word = Word::of(seen);
        switch (word.phase) {
            case Phase::kIdle:
            case Phase::kAbandoned:
                return {};
            case Phase::kOver:
                return {.outcome = take(number)};
            default:
                break;
        }
        const bool is_abandoned = word.phase == Phase::kRequested;
        const Word next = word.with(is_abandoned ? Phase::kAbandoned : Phase::kIdle, word.value);
        if (!slot.word.compare_exchange_strong(seen, next.packed(), std::memory_order_acq_rel)) continue;
        if (word.phase == Phase::kWanted) return {};
        return {.outcome =
                    Outcome{word.phase == Phase::kUnresolved ? ProbeResult::kNoNeighbor : ProbeResult::kTimeout},
                .is_abandoned = is_abandoned};
    }
}

void Probes::cancel(uint32_t number) {
    Slot& slot = slots_[number];
    release(slot);
    uint64_t seen = slot.word.load(std::memory_order_acquire);
    while (!slot.word.compare_exchange_weak(seen, Word::of(seen).with(Phase::kIdle).packed(),
                                            std::memory_order_acq_rel)) {
    }
}

bool Probes::is_unresolved(uint32_t number) const noexcept {
    return Word::of(slots_[number].word.load(std::memory_order_acquire)).phase == Phase::kUnresolved;
}

std::optional<Probes::Pending> Probes::pending(uint32_t number) const noexcept {
    const Slot& slot = slots_[number];
    const uint64_t seen = slot.word.load(std::memory_order_acquire);
    const Phase phase = Word::of(seen).phase;
    const bool is_syn = phase == Phase::kWanted || phase == Phase::kUnresolved;
    if (!is_syn && phase != Phase::kAbandoned) return std::nullopt;
    return Pending{.word = seen,
                   .phase = is_syn ? Phase::kWanted : Phase::kAbandoned,
                   .port = slot.port.load(std::memory_order_relaxed),
                   .sequence = slot.sequence.load(std::memory_order_relaxed)};
}

bool Probes::mark_sent(uint32_t number, const Pending& pending, const IpAddress& own) noexcept {
    Slot& slot = slots_[number];
    uint64_t seen = pending.word;
    if (pending.phase == Phase::kAbandoned) {
        return slot.word.compare_exchange_strong(seen, Word::of(seen).with(Phase::kIdle).packed(),
                                                 std::memory_order_acq_rel);
    }
    const auto words = words_of(own);
    for (size_t i = 0; i < words.size(); ++i) slot.own[i].store(words[i], std::memory_order_relaxed);
    return slot.word.compare_exchange_strong(seen, Word::of(seen).with(Phase::kSynSent).packed(),
                                             std::memory_order_acq_rel);
}

void Probes::mark_unresolved(uint32_t number, const Pending& pending) noexcept {
    uint64_t seen = pending.word;
    const Phase phase = pending.phase == Phase::kAbandoned ? Phase::kIdle : Phase::kUnresolved;
    slots_[number].word.compare_exchange_strong(seen, Word::of(seen).with(phase).packed(),
                                                std::memory_order_acq_rel);
}

void Probes::fail(uint32_t number, const Pending& pending, ProbeResult result) noexcept {
    uint64_t seen = pending.word;
    const Word word = Word::of(seen);
    const Word next = pending.phase == Phase::kAbandoned ? word.with(Phase::kIdle)
                                                         : word.with(Phase::kOver, packed(Outcome{result}));
    slots_[number].word.compare_exchange_strong(seen, next.packed(), std::memory_order_acq_rel);
}

const Probes::Slot* Probes::find(const ProbeTargets& targets, const ProbeTuple& tuple) const noexcept {
    if (!has_port(tuple.destination_port)) return nullptr;
    const uint32_t number = numbers_[tuple.destination_port - kFirstPort].load(std::memory_order_acquire) - 1U;
    if (number >= targets.list.size()) return nullptr;
    const ProbeTarget& target = targets.list[number];
    if (target.address != tuple.source || target.port != tuple.source_port) return nullptr;
    const Slot& slot = slots_[number];
    if (!is_sent(Word::of(slot.word.load(std::memory_order_acquire)).phase)) return nullptr;
    const auto words = words_of(tuple.destination);
    for (size_t i = 0; i < words.size(); ++i) {
        if (slot.own[i].load(std::memory_order_relaxed) != words[i]) return nullptr;
    }
    return &slot;
}

std::optional<Probes::Answered> Probes::answer(const ProbeTargets& targets, const ProbeTuple& tuple,
                                               const ProbeSegment& segment) noexcept {
    const Slot* found = find(targets, tuple);
    if (found == nullptr) return std::nullopt;
    const auto number = static_cast<size_t>(found - slots_.get());
    Slot& slot = slots_[number];
    const std::string& request = targets.list[number].request;
    uint64_t seen = slot.word.load(std::memory_order_acquire);
    const Word word = Word::of(seen);
    const ProbeState probe{.phase = word.phase,
                           .sequence = slot.sequence.load(std::memory_order_relaxed),
                           .next = word.value,
                           .request_size = static_cast<uint32_t>(request.size())};
    const ProbeStep done = step(probe, segment);
    if (done.phase == word.phase) return Answered{};
    const Word next = word.with(done.phase, done.phase == Phase::kOver ? packed(done.outcome) : done.next);
    // Another worker has another segment of the connection: that one counts.
    if (!slot.word.compare_exchange_strong(seen, next.packed(), std::memory_order_acq_rel)) return Answered{};
    return Answered{done.reply, &request};
}

}  // namespace sluice::service
