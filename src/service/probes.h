// Probes of back ends: the switch's own TCP connections by which health checks (service/health.h) find out whether
// a back end serves. A probe is a SYN; for HTTP, a request in one segment after the SYN-ACK; and a reset at its
// end. The switch never sends more than one segment for one that it receives.
//
// `Probes` is a fixed table with at most one outstanding probe of each check. The control thread begins probes and
// takes their results. A worker sends the SYN. The answer may come to any worker: the destination port leads to
// the probe, and the answer counts only if its addresses, its ports and its acknowledgement are those of the
// probe. Ports and sequence numbers are random, so only a station that sees the probe can answer it.
//
// Each probe has one word with its phase. All changes of the word are atomic, and whoever makes a change owns what
// follows from it. Nobody waits or locks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "path/ids.h"
#include "path/tuple.h"
#include "sluice/address.h"

namespace sluice::service {

// What is checked. Immutable: workers find it in the snapshot, by its check's number.
struct ProbeTarget {
    IpAddress address;
    uint16_t port = 0;    // 0: no check has this number
    std::string request;  // HTTP; empty: a connection suffices
};
struct ProbeTargets {
    path::FlowDomain domain{};                     // of Services
    path::NetworkId network = path::kNoNetworkId;  // one of their routing domain; kNoNetworkId: there is none
    std::vector<ProbeTarget> list;
};

enum class ProbeResult : uint8_t {
    kConnected,
    kStatus,  // an HTTP response
    kRefused,
    kReset,   // after the request
    kClosed,  // after the request
    kNotHttp,
    kTimeout,
    kNoNeighbor,  // its MAC address, or its next hop's, is unknown
    kPortDown,    // or its next hop's port is
    kNoRoute,
    kNoAddress,  // the switch has no address of the family in the back end's network
};

struct Outcome {
    ProbeResult result = ProbeResult::kTimeout;
    uint16_t status = 0;  // of kStatus

    bool operator==(const Outcome&) const = default;
    bool passed() const noexcept {
        return result == ProbeResult::kConnected ||
               (result == ProbeResult::kStatus && status >= 200 && status < 400);
    }
};
// "connection refused", "HTTP 503"
std::string text(const Outcome& outcome);

// --- the TCP client ---

enum class Phase : uint8_t {
    kIdle,
    kWanted,      // a worker is to send the SYN
    kUnresolved,  // the same; the neighbor's MAC address was unknown
    kSynSent,
    kRequested,  // the request is sent
    kAbandoned,  // has timed out after the request: a worker is to send a reset
    kOver,       // the control thread is to take the result
};

// What counts of a segment that the switch receives.
struct ProbeSegment {
    static constexpr size_t kMostBegin = 16;

    uint8_t flags = 0;
    uint32_t sequence = 0;
    uint32_t acknowledgement = 0;
    uint32_t size = 0;                     // of its payload
    std::array<char, kMostBegin> begin{};  // of the payload, as far as there is one
};

// A probe that has sent something.
struct ProbeState {
    Phase phase = Phase::kSynSent;  // or kRequested
    uint32_t sequence = 0;          // our SYN's
    uint32_t next = 0;              // kRequested: the peer's next sequence number
    uint32_t request_size = 0;      // 0: a connection suffices
};

struct ProbeReply {
    enum class Kind : uint8_t { kNone, kRequest, kReset } kind = Kind::kNone;
    uint32_t sequence = 0;
    uint32_t acknowledgement = 0;  // of kRequest
};

// What a segment makes of a probe. The same phase: the segment doesn't count.
struct ProbeStep {
    Phase phase;
    Outcome outcome = {};  // of kOver
    uint32_t next = 0;     // of kRequested
    ProbeReply reply = {};
};
ProbeStep step(const ProbeState& probe, const ProbeSegment& segment) noexcept;

// The status of a response that begins so; nothing if that is no HTTP/1 status line.
std::optional<uint16_t> read_status(std::string_view begin) noexcept;

// --- the table ---

struct ProbeTuple {
    IpAddress source;
    IpAddress destination;
    uint16_t source_port = 0;
    uint16_t destination_port = 0;
};

class Probes {
 public:
    static constexpr uint32_t kMost = 4096;  // as many as there are checks (service_config.h)
    // The dynamic ports of Linux' default, which node ports lie below.
    static constexpr uint16_t kFirstPort = 32768;
    static constexpr uint16_t kLastPort = 60999;

    Probes();
    Probes(const Probes&) = delete;

    // --- control thread, by the check's number ---

    // From now on a worker may send it. False: the last one isn't over.
    bool begin(uint32_t number);
    // The result, if there is one: the probe is over with that.
    std::optional<Outcome> take(uint32_t number);
    // The same of a probe that has had its time. No outcome: no worker has got round to sending it.
    struct GivenUp {
        std::optional<Outcome> outcome;
        bool is_abandoned = false;  // a worker is to send the reset
    };
    GivenUp give_up(uint32_t number);
    // Of a check that is gone, or checks something else from now on.
    void cancel(uint32_t number);
    // Whether its SYN waits for the neighbor's MAC address.
    bool is_unresolved(uint32_t number) const noexcept;

    // --- the worker that sends ---

    // What there is to send: the SYN, or the reset of a probe that is abandoned.
    struct Pending {
        uint64_t word;
        Phase phase;  // kWanted or kAbandoned
        uint16_t port;
        uint32_t sequence;  // of the SYN
    };
    std::optional<Pending> pending(uint32_t number) const noexcept;
    // Before the segment leaves, from that address. False: the probe was cancelled meanwhile.
    bool mark_sent(uint32_t number, const Pending& pending, const IpAddress& own) noexcept;
    void mark_unresolved(uint32_t number, const Pending& pending) noexcept;
    void fail(uint32_t number, const Pending& pending, ProbeResult result) noexcept;

    // --- the worker that receives ---

    // Whether a check's last probe has this port.
    bool has_port(uint16_t port) const noexcept {
        return port >= kFirstPort && port <= kLastPort &&
               numbers_[port - kFirstPort].load(std::memory_order_relaxed) != 0;
    }
    // Whether the segment belongs to a probe.
    bool expects(const ProbeTargets& targets, const ProbeTuple& tuple) const noexcept {
        return find(targets, tuple) != nullptr;
    }
    // Nothing: it belongs to no probe.
    struct Answered {
        ProbeReply reply;
        const std::string* request;  // of a reply that carries it
    };
    std::optional<Answered> answer(const ProbeTargets& targets, const ProbeTuple& tuple,
                                   const ProbeSegment& segment) noexcept;

 private:
    struct alignas(64) Slot {
        std::atomic<uint64_t> word{0};               // see Word
        std::array<std::atomic<uint64_t>, 2> own{};  // our address: written before kSynSent, by who sends that
        std::atomic<uint32_t> sequence{0};           // written before kWanted, by the control thread
        std::atomic<uint16_t> port{0};               // likewise; 0: none
    };
    static_assert(sizeof(Slot) == 64);

    // Null: it belongs to no probe that was sent.
    const Slot* find(const ProbeTargets& targets, const ProbeTuple& tuple) const noexcept;
    void release(Slot& slot);
    uint16_t free_port();

    std::unique_ptr<Slot[]> slots_;                     // by number
    std::unique_ptr<std::atomic<uint16_t>[]> numbers_;  // by port: 1 + number; 0: none
    std::random_device random_;
};

}  // namespace sluice::service
