// The configuration of ACLs: ordered lists of rules, and the address sets that rules name. Plain data, read from
// YAML and compared by value. Control thread.
//
// Beyond the checks of single keys, validate() checks lists and sets together. The caller checks whether the
// ports and networks of `apply` exist.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fields.h"
#include "base/object_name.h"
#include "base/port_range.h"
#include "sluice/address.h"
#include "wire/headers.h"

namespace sluice::acl {

inline constexpr size_t kMaxRules = 65536;  // per list

// A prefix. A single address may be written without a length: "10.1.0.7".
struct Block {
    IpPrefix prefix;

    bool operator==(const Block&) const = default;
};
tl::expected<Block, std::string> parse_value(std::string_view text, Block*);
std::string to_text(const Block& block);
constexpr std::string_view type_name(const Block*) {
    return "IP address or prefix";
}

// One end of a connection in a rule: a block, or the set with this name.
struct Peer {
    IpPrefix prefix;
    std::string set;       // empty: use the prefix
    bool is_read = false;  // set by parse_value(); false: its text has an error, which was reported

    bool is_set() const { return !set.empty(); }
    bool operator==(const Peer&) const = default;
};
tl::expected<Peer, std::string> parse_value(std::string_view text, Peer*);
std::string to_text(const Peer& peer);
constexpr std::string_view type_name(const Peer*) {
    return "IP address, prefix or address set";
}

// Whether a Peer would take the name for an address.
bool looks_like_address(std::string_view name);

// The value of IP's protocol field: "tcp", "132".
struct ProtocolNumber {
    uint8_t value = 0;

    bool operator==(const ProtocolNumber&) const = default;
    bool is(wire::Protocol protocol) const { return value == static_cast<uint8_t>(protocol); }
    bool has_ports() const {
        return is(wire::Protocol::kTcp) || is(wire::Protocol::kUdp) || is(wire::Protocol::kSctp);
    }
    bool is_icmp() const { return is(wire::Protocol::kIcmp) || is(wire::Protocol::kIcmpv6); }
};
tl::expected<ProtocolNumber, std::string> parse_value(std::string_view text, ProtocolNumber*);
std::string to_text(const ProtocolNumber& protocol);
constexpr std::string_view type_name(const ProtocolNumber*) {
    return "protocol";
}

// The EtherType behind a frame's VLAN tags: "ipv6", "0x8847".
struct EtherTypeNumber {
    uint16_t value = 0;

    bool operator==(const EtherTypeNumber&) const = default;
    bool is(wire::EtherType type) const { return value == static_cast<uint16_t>(type); }
    bool is_ip() const { return is(wire::EtherType::kIpv4) || is(wire::EtherType::kIpv6); }
};
tl::expected<EtherTypeNumber, std::string> parse_value(std::string_view text, EtherTypeNumber*);
std::string to_text(const EtherTypeNumber& type);
constexpr std::string_view type_name(const EtherTypeNumber*) {
    return "EtherType";
}

using base::PortRange;

// "syn": the flag must be set; "!syn": it must be clear.
struct TcpFlag {
    uint8_t bit = 0;
    bool set = true;

    bool operator==(const TcpFlag&) const = default;
};
tl::expected<TcpFlag, std::string> parse_value(std::string_view text, TcpFlag*);
std::string to_text(const TcpFlag& flag);
constexpr std::string_view type_name(const TcpFlag*) {
    return "TCP flag";
}

struct AddressSetConfig {
    std::string name;
    std::vector<Block> addresses;  // may be empty: then it matches no address
    base::Place place;

    bool operator==(const AddressSetConfig&) const = default;
};

template <class V>
void fields(V& v, AddressSetConfig& s) {
    v.required("name", s.name);
    v.check("name", base::is_object_name(s.name), base::kObjectNameRule);
    v.check("name", !looks_like_address(s.name), "looks like an address, which a rule would take it for");
    v.required("addresses", s.addresses);
}

// The bits of flags that must be set, and of those that must be clear.
struct FlagBits {
    uint8_t set = 0;
    uint8_t clear = 0;
};

// The conditions for a packet. All that are given must hold.
//
// `icmp` is protocol 1 and `icmpv6` 58, whatever the addresses: their types have different numbers, so one rule
// cannot mean both. A rule with ports, ICMP types or TCP flags does not match a fragment without that header. A
// rule with an IP condition matches IP packets only; a rule without conditions matches frames of every EtherType.
struct MatchConfig {
    std::optional<std::vector<EtherTypeNumber>> ether_type;      // any of them
    std::optional<ProtocolNumber> protocol;
    std::optional<std::vector<Peer>> from, to;                   // any of them
    std::optional<std::vector<PortRange>> from_port, to_port;    // any of them
    std::optional<uint8_t> icmp_type, icmp_code;
    std::optional<std::vector<TcpFlag>> tcp_flags;               // all of them
    std::optional<uint8_t> dscp;
    std::optional<bool> fragments;                               // true: only fragments, the first one included

    bool operator==(const MatchConfig&) const = default;

    // Whether it can match a frame of this type.
    bool takes(uint16_t type) const {
        return !ether_type || std::any_of(ether_type->begin(), ether_type->end(),
                                          [&](const EtherTypeNumber& number) { return number.value == type; });
    }
    bool takes(wire::EtherType type) const { return takes(static_cast<uint16_t>(type)); }
    bool takes_ip() const { return takes(wire::EtherType::kIpv4) || takes(wire::EtherType::kIpv6); }
    // Whether it has a condition that only IP packets can fulfil.
    bool asks_for_ip() const {
        return protocol || from || to || from_port || to_port || icmp_type || icmp_code || tcp_flags || dscp ||
               fragments;
    }

    FlagBits flag_bits() const {
        FlagBits bits;
        if (!tcp_flags) return bits;
        for (const TcpFlag& flag : *tcp_flags) (flag.set ? bits.set : bits.clear) |= flag.bit;
        return bits;
    }
};

template <class V>
void fields(V& v, MatchConfig& m) {
    constexpr const char* kNeedsPorts = "needs `proto`: tcp, udp or sctp";
    constexpr const char* kEmpty = "is empty, and would match nothing: leave it out to match all";
    const auto is_empty = [](const auto& list) { return list && list->empty(); };
    v.optional("ethertype", m.ether_type);
    v.check("ethertype", !is_empty(m.ether_type), kEmpty);
    v.optional("proto", m.protocol);
    v.optional("from", m.from);
    v.check("from", !is_empty(m.from), kEmpty);
    v.optional("to", m.to);
    v.check("to", !is_empty(m.to), kEmpty);
    const bool is_unclear = v.is_wrong("proto");
    const bool has_ports = is_unclear || (m.protocol && m.protocol->has_ports());
    v.optional("from-port", m.from_port);
    v.check("from-port", !is_empty(m.from_port), kEmpty);
    v.check("from-port", !m.from_port || has_ports, kNeedsPorts);
    v.optional("port", m.to_port);
    v.check("port", !is_empty(m.to_port), kEmpty);
    v.check("port", !m.to_port || has_ports, kNeedsPorts);
    v.optional("type", m.icmp_type);
    v.check("type", !m.icmp_type || is_unclear || (m.protocol && m.protocol->is_icmp()),
            "needs `proto`: icmp or icmpv6");
    v.optional("code", m.icmp_code);
    v.check("code", !m.icmp_code || m.icmp_type, "needs a `type`");
    v.optional("tcp-flags", m.tcp_flags);
    v.check("tcp-flags", !is_empty(m.tcp_flags), kEmpty);
    v.check("tcp-flags", !m.tcp_flags || is_unclear || (m.protocol && m.protocol->is(wire::Protocol::kTcp)),
            "needs `proto: tcp`");
    const FlagBits bits = m.flag_bits();
    v.check("tcp-flags", (bits.set & bits.clear) == 0, "asks for the same flag both set and not");
    v.optional("dscp", m.dscp, base::Range{0, 63});
    v.optional("fragments", m.fragments);
    v.check("ethertype", m.takes_ip() || !m.asks_for_ip(),
            "is not ipv4 or ipv6, and the rule's other keys are about IP packets: leave those or this out");
}

enum class Action : uint8_t { kPermit, kDeny, kReject };

constexpr auto names(Action) {
    using enum Action;
    return std::array{base::Name{kPermit, "permit"}, base::Name{kDeny, "deny"},
                      base::Name{kReject, "reject"}};
}

struct RuleConfig {
    Action action = Action::kPermit;
    MatchConfig match;
    std::string name;      // for people; may be empty
    bool stateful = true;  // of a permit: replies are permitted too
    bool log = false;
    base::Place place;

    bool operator==(const RuleConfig&) const = default;
};

template <class V>
void fields(V& v, RuleConfig& r) {
    v.choice(r.action, r.match);
    v.optional("name", r.name);
    v.check("name", r.name.empty() || base::is_object_name(r.name), base::kObjectNameRule);
    v.optional("stateful", r.stateful);
    v.check("stateful", r.stateful || r.action == Action::kPermit, "is for a `permit` only");
    v.optional("log", r.log);
}

// As in Kubernetes' NetworkPolicy: egress is traffic from a port's guest, ingress is traffic to it.
enum class Direction : uint8_t { kIngress, kEgress };

constexpr auto names(Direction) {
    return std::array{base::Name{Direction::kIngress, "ingress"}, base::Name{Direction::kEgress, "egress"}};
}

// Where a list is applied: at one port, or at each port of a network.
struct ApplyConfig {
    std::string port;
    std::string network;  // instead of a port
    Direction direction = Direction::kIngress;
    base::Place place;

    bool operator==(const ApplyConfig&) const = default;
};
constexpr bool stands_alone(const ApplyConfig*) {
    return true;
}

template <class V>
void fields(V& v, ApplyConfig& a) {
    v.optional("port", a.port);
    v.optional("network", a.network);
    v.check("network", a.port.empty() || a.network.empty(), "stands beside `port`: give one of them");
    v.check("", !a.port.empty() || !a.network.empty(), "names neither a `port` nor a `network`");
    v.required("direction", a.direction);
}

// The first rule that matches decides; what none matches is denied.
struct AclConfig {
    std::string name;
    std::vector<ApplyConfig> apply;  // empty: applied nowhere
    std::vector<RuleConfig> rules;
    base::Place place;

    bool operator==(const AclConfig&) const = default;
};

template <class V>
void fields(V& v, AclConfig& a) {
    v.required("name", a.name);
    v.check("name", base::is_object_name(a.name), base::kObjectNameRule);
    v.optional("apply", a.apply);
    v.required("rules", a.rules);
    v.check("rules", a.rules.size() <= kMaxRules, "are too many: 65536 at most");
}

// How many lists and sets the file declares: behind them stand those that were added while running.
struct Declared {
    size_t acls = SIZE_MAX;
    size_t sets = SIZE_MAX;
};

struct Verdict {
    base::Errors errors;                         // of the file
    std::map<size_t, base::Errors> added_acls;   // by index; paths are those of the list's own keys
    std::map<size_t, base::Errors> added_sets;
};

// Checks for duplicate names, undeclared sets, and rules with addresses that no packet can have. `document` gives
// the places in the file and may be null; it has the lists at `acls` and the sets at `address-sets`. The file's
// lists see the file's sets alone. Stops when the errors of the file are full. Of each added object ten mistakes
// are told.
Verdict validate(const std::vector<AclConfig>& acls, const std::vector<AddressSetConfig>& sets,
                 const base::Document* document, const Declared& declared = {});

}  // namespace sluice::acl
