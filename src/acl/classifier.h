// Finds the first rule of a list that matches a packet.
//
// Each field of a packet (an address, a port, the protocol) determines a set of rules that it satisfies. Such a
// set is a row of bits, in the order of the list. The matching rules are those whose bit is set in the rows of
// all fields, and the first of them decides. (Lakshman and Stiliadis, "High-speed policy-based packet forwarding
// using efficient multi-dimensional range matching", SIGCOMM 1998.)
//
// For ten thousand rules a row is 1250 bytes, and a field may need twenty thousand rows, but adjacent rows differ
// in few bits. So a row is cut into chunks of 512 rules, a cache line each, and stored as a list of chunk
// numbers: rows share the chunks in which they agree. Results:
// - The cost of a look-up depends only on the numbers of rules and of fields in the list. Nested prefixes,
//   overlapping ranges and rules that leave fields out do not matter. There is no hash function whose collisions
//   an attacker could cause.
// - Rules stay one bit each, whatever sets and lists they name: nothing is multiplied out, unlike in tuple spaces
//   and decision trees. Addresses that are in the same sets share a row.
// - It is exact: a remaining bit needs no further check.
//
// IPv4 and IPv6 packets have a table each, with the rules that can match them. Other frames are looked up by
// their EtherType alone.
//
// Immutable: built on the control thread, read by any number of workers at once.
//
// acl-figures, 10,000 rules on the reference machine: a usual mix of prefixes, hosts, ports and ranges is built
// in 2.3 ms and takes 3.5 MB, and a look-up takes 96 ns (132 if no rule matches). The most expensive shape
// (twenty overlapping sets of a thousand addresses) takes 10 ms, 17 MB and 220 ns. These figures are for tables
// in the cache; a connection that finds them cold pays some fifteen misses, most of them in parallel. The size
// grows with the square of the number of rules, hence kMaxRules: 65,536 rules take 40 to 190 MB, 0.4 to 1.6 us
// and 60 to 350 ms.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "acl/acl_config.h"
#include "acl/steps.h"
#include "acl/subject.h"

namespace sluice::acl {

inline constexpr uint32_t kNoRule = UINT32_MAX;

__extension__ typedef unsigned __int128 Ipv6Number;  // an address; its first byte is the highest

[[gnu::always_inline]] inline Ipv6Number number_of(const wire::Ipv6Bytes& bytes) noexcept {
    wire::be64 high, low;
    std::memcpy(&high, bytes.data(), sizeof high);
    std::memcpy(&low, bytes.data() + sizeof high, sizeof low);
    return Ipv6Number{high.host()} << 64 | low.host();
}

// Intervals of IPv6 addresses, as Steps: by the first 64 bits, then by the last 64 among those with the same
// first ones.
class Ipv6Steps {
 public:
    Ipv6Steps() = default;
    explicit Ipv6Steps(const std::vector<Ipv6Number>& begins);

    [[gnu::always_inline]] uint32_t find(Ipv6Number key) const noexcept {
        const auto high = static_cast<uint64_t>(key >> 64);
        const auto low = static_cast<uint64_t>(key);
        const uint32_t group = high_.find(high);
        const uint32_t first = groups_[group].first;
        uint32_t count = groups_[group + 1].first - first;
        if (groups_[group].high != high) return first + count - 1;
        // The last one that is not higher. Before the group's first, that is the last one of the previous group.
        const uint64_t* at = lows_.data() + first;
        while (count > 1) {
            const uint32_t half = count / 2;
            at += at[half] <= low ? half : 0;
            count -= half;
        }
        return static_cast<uint32_t>(at - lows_.data()) - (*at <= low ? 0 : 1);
    }

 private:
    struct Group {
        uint64_t high;
        uint32_t first;
    };

    Steps<uint64_t> high_;
    std::vector<Group> groups_;  // and one more, for the end of the last group
    std::vector<uint64_t> lows_;
};

class Classifier {
 public:
    // `sets` contains every set that a rule names.
    Classifier(const std::vector<RuleConfig>& rules, const std::vector<AddressSetConfig>& sets);

    // The index of the first rule that matches, or kNoRule.
    uint32_t find(const Subject& subject) const noexcept {
        if (__builtin_expect(!subject.is_ip, 0)) return others_.find(subject.ether_type);
        return subject.ipv6 ? six_.find(subject, number_of(subject.source6), number_of(subject.destination6))
                            : four_.find(subject, subject.source.host(), subject.destination.host());
    }

    size_t memory() const noexcept { return four_.memory() + six_.memory() + others_.memory(); }  // bytes

    // The following is public for the functions that build it.
    static constexpr uint32_t kChunkBits = 512;

    struct alignas(64) Chunk {
        std::array<uint64_t, 8> words{};

        void set(uint32_t bit) noexcept { words[bit / 64] |= uint64_t{1} << bit % 64; }
        void flip(uint32_t bit) noexcept { words[bit / 64] ^= uint64_t{1} << bit % 64; }
    };

    // The number of a row for each value or interval of values of a field.
    template <class Intervals>
    struct Ranged {
        bool is_used = false;
        Intervals intervals;
        std::vector<uint32_t> rows;
    };
    template <size_t kValues>
    struct Valued {
        bool is_used = false;
        std::array<uint32_t, kValues> rows{};
    };

    // The rules that packets of one family may match.
    template <class Number, class AddressSteps>
    struct Table {
        std::vector<uint32_t> rules;   // the index in the list
        uint32_t width = 0;            // chunks of a row
        std::vector<Chunk> chunks;     // 0: no rule
        std::vector<uint32_t> links;   // of all rows: `width` chunk numbers each. Row 0: all rules
        Ranged<AddressSteps> source, destination;
        // An ICMP type takes the place of the source port, its code that of the destination port.
        Ranged<Steps<uint16_t>> source_port, destination_port;
        uint32_t no_source_port = 0, no_destination_port = 0;  // rows of packets without ports
        Valued<256> protocol;
        Valued<257> tcp_flags;  // the last one: for packets without flags
        Valued<64> dscp;
        Valued<2> fragment;

        uint32_t find(const Subject& subject, Number from, Number to) const noexcept;
        uint32_t first_common(const uint32_t* const* rows, uint32_t count) const noexcept;
        size_t memory() const noexcept;
    };
    // The first rule for frames that are not IP, by their EtherType.
    struct Others {
        uint32_t any = kNoRule;  // the first rule without an EtherType
        std::vector<std::pair<uint16_t, uint32_t>> first;  // the first rule for each EtherType, ascending

        uint32_t find(uint16_t ether_type) const noexcept {
            const auto at = std::lower_bound(first.begin(), first.end(), std::pair{ether_type, uint32_t{0}});
            return at != first.end() && at->first == ether_type ? std::min(at->second, any) : any;
        }
        size_t memory() const noexcept { return first.size() * sizeof(first[0]); }
    };
    using Table4 = Table<uint32_t, Steps<uint32_t>>;
    using Table6 = Table<Ipv6Number, Ipv6Steps>;

 private:
    Table4 four_;
    Table6 six_;
    Others others_;
};

// The first rule whose bit is set in all of these rows.
template <class Number, class AddressSteps>
[[gnu::always_inline]] inline uint32_t Classifier::Table<Number, AddressSteps>::first_common(
    const uint32_t* const* rows, uint32_t count) const noexcept {
    typedef uint64_t Half __attribute__((vector_size(32)));
    for (uint32_t i = 0; i < width; ++i) {
        Half low, high;
        const Chunk& chunk = chunks[rows[0][i]];
        std::memcpy(&low, &chunk.words[0], sizeof low);
        std::memcpy(&high, &chunk.words[4], sizeof high);
        for (uint32_t row = 1; row < count; ++row) {
            Half other_low, other_high;
            const Chunk& other = chunks[rows[row][i]];
            std::memcpy(&other_low, &other.words[0], sizeof other_low);
            std::memcpy(&other_high, &other.words[4], sizeof other_high);
            low &= other_low;
            high &= other_high;
        }
        const Half either = low | high;
        if ((either[0] | either[1] | either[2] | either[3]) == 0) continue;
        for (uint32_t word = 0; word < 8; ++word) {
            const uint64_t bits = word < 4 ? low[word] : high[word - 4];
            if (bits == 0) continue;
            return rules[i * kChunkBits + word * 64 + static_cast<uint32_t>(std::countr_zero(bits))];
        }
    }
    return kNoRule;
}

template <class Number, class AddressSteps>
inline uint32_t Classifier::Table<Number, AddressSteps>::find(const Subject& subject, Number from,
                                                              Number to) const noexcept {
    if (rules.empty()) return kNoRule;
    std::array<const uint32_t*, 8> rows;
    uint32_t count = 0;
    const auto add = [&](uint32_t row) { rows[count++] = &links[size_t{row} * width]; };
    if (destination.is_used) add(destination.rows[destination.intervals.find(to)]);
    if (source.is_used) add(source.rows[source.intervals.find(from)]);
    const bool has_icmp = subject.has_icmp();
    if (destination_port.is_used) {
        const uint16_t port = has_icmp ? subject.icmp_code : subject.destination_port;
        add(has_icmp || subject.has_ports ? destination_port.rows[destination_port.intervals.find(port)]
                                          : no_destination_port);
    }
    if (source_port.is_used) {
        const uint16_t port = has_icmp ? subject.icmp_type : subject.source_port;
        add(has_icmp || subject.has_ports ? source_port.rows[source_port.intervals.find(port)]
                                          : no_source_port);
    }
    if (protocol.is_used) add(protocol.rows[subject.protocol]);
    if (tcp_flags.is_used) add(tcp_flags.rows[subject.has_tcp_flags() ? subject.tcp_flags : 256]);
    if (dscp.is_used) add(dscp.rows[subject.dscp & 63]);
    if (fragment.is_used) add(fragment.rows[subject.fragment]);
    if (count == 0) add(0);
    return first_common(rows.data(), count);
}

}  // namespace sluice::acl
