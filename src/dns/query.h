// Reads what an asker sends. A query has one shape only (RFC 1035, 4.1; RFC 6891): a header, one question, and
// perhaps one OPT record. It is read here byte by byte, in place and without memory of its own, since a flood of
// queries is to cost little. All other messages are read and written by ldns (message.h). Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "dns/name.h"

namespace sluice::dns {

inline constexpr size_t kHeaderBytes = 12;
inline constexpr size_t kOptBytes = 11;          // without options
inline constexpr uint16_t kUdpBytes = 1232;      // what we take by UDP (DNS Flag Day 2020)
inline constexpr uint16_t kPlainUdpBytes = 512;  // of askers without EDNS

enum class Type : uint16_t {
    kA = 1,
    kNs = 2,
    kCname = 5,
    kSoa = 6,
    kPtr = 12,
    kHinfo = 13,
    kTxt = 16,
    kAaaa = 28,
    kSrv = 33,
    kOpt = 41,
    kIxfr = 251,
    kAxfr = 252,
    kAny = 255,
};

enum class Rcode : uint8_t {
    kNoError = 0,
    kFormatError = 1,
    kServerFailure = 2,
    kNoSuchName = 3,
    kNotImplemented = 4,
    kRefused = 5,
    kBadVersion = 16,  // of EDNS; needs an OPT record
};

inline constexpr uint16_t kClassIn = 1;

struct Query {
    uint16_t id = 0;
    uint8_t opcode = 0;
    bool wants_recursion = false;
    bool checks_disabled = false;
    // As asked: the name in its own case, type and class. Empty: the question could not be read.
    std::span<const uint8_t> question;
    Type type{};
    uint16_t dns_class = 0;
    bool has_edns = false;
    bool dnssec_ok = false;
    uint8_t edns_version = 0;
    uint16_t udp_bytes = kPlainUdpBytes;  // that the asker takes

    // In lower case.
    std::string_view name() const noexcept { return {name_.data(), name_bytes_}; }

 private:
    friend class QueryReader;
    std::array<char, kMostNameBytes> name_;
    uint8_t name_bytes_ = 0;
};

enum class Readable : uint8_t {
    kYes,
    kNo,              // to be answered with a format error
    kNotImplemented,  // another opcode than QUERY: the rest was not read
    kNotForUs,        // a response, or shorter than a header: not to be answered at all
};
// Fills in `query`, which borrows the bytes of the message.
Readable read_query(std::span<const uint8_t> message, Query& query) noexcept;

}  // namespace sluice::dns
