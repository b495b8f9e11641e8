// Answers in wire form. ldns writes them (with compression) and reads what upstreams send; here alone it is
// included. An answer is kept without what differs between askers: its ID, the flags that repeat the query's, the
// case of the question's name and the OPT record. send() fills these in, so a ready answer serves many askers.
//
// Any thread; plain values.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "dns/names.h"
#include "dns/query.h"
#include "dns/resolve.h"

namespace sluice::dns {

struct Message {
    std::vector<uint8_t> wire;
    uint16_t question_bytes = 0;
    std::vector<uint16_t> ttls;  // where they stand
    uint32_t ttl = 0;            // the least; 0: not to be kept
    // Addresses one after another, each with so many bytes: their order may change from asker to asker.
    uint16_t first_address = 0;
    uint16_t address_bytes = 0;
    uint16_t addresses = 0;
};
using SharedMessage = std::shared_ptr<const Message>;

struct Question {
    std::string name;  // in lower case
    Type type{};
    bool dnssec_ok = false;
    bool checks_disabled = false;

    auto operator<=>(const Question&) const = default;
};

// The answer to a question from our own table. Null: it doesn't fit into a message.
SharedMessage write_answer(std::string_view name, Type type, const Resolved& resolved, const Names& names);
// The same where aliases lead to a name that the upstreams have answered for.
SharedMessage write_answer(std::string_view name, Type type, const Resolved& resolved, const Names& names,
                           const Message& rest);

// What an upstream is asked, in a message of its own.
std::vector<uint8_t> write_question(const Question& question, uint16_t id);

enum class Fault : uint8_t {
    kForeign,    // not the answer to this question: it may be forged
    kMalformed,  // the answer to it, and unusable
    kTruncated,
    kFailed,  // the server says that it can't answer
};
constexpr auto names(Fault) {
    return std::array{base::Name{Fault::kForeign, "answers to another question"},
                      base::Name{Fault::kMalformed, "malformed answer"},
                      base::Name{Fault::kTruncated, "truncated answer"},
                      base::Name{Fault::kFailed, "the server failed"}};
}
// Reads an upstream's answer.
tl::expected<SharedMessage, Fault> read_answer(std::span<const uint8_t> bytes, const Question& question,
                                               uint16_t id);

// How an answer goes to one asker.
struct Envelope {
    size_t most_bytes = kPlainUdpBytes;  // a longer one is truncated to nothing
    bool offers_recursion = true;
    uint32_t age = 0;       // seconds, taken off the TTLs
    uint32_t rotation = 0;  // which address comes first
};
inline constexpr size_t kMostBytes = 65535;
using Buffer = std::array<uint8_t, kMostBytes>;

// Writes into the buffer, and returns what was written.
std::span<const uint8_t> send(const Message& message, const Query& query, const Envelope& envelope,
                              Buffer& buffer);
// An answer without records.
std::span<const uint8_t> send_error(Rcode rcode, const Query& query, const Envelope& envelope, Buffer& buffer);

}  // namespace sluice::dns
