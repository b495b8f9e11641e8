// What a user may say about ACLs: ordered lists of rules, and the sets of addresses that rules name. Plain
// data, read from YAML and compared by value. Control thread.
//
// Beyond what the keys say one by one, validate() holds lists and sets against each other; whether the
// ports and networks of `apply` exist is for whoever knows those.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fields.h"
#include "base/object_name.h"
#include "sluice/address.h"
#include "wire/headers.h"

namespace sluice::acl {

inline constexpr size_t kMaxRules = 65536;  // of one list

// A prefix, which for a single address may be written without its length: "10.1.0.7".
struct Block {
    IpPrefix prefix;

    bool operator==(const Block&) const = default;
};
tl::expected<Block, std::string> parse_value(std::string_view text, Block*);
std::string to_text(const Block& block);
constexpr std::string_view type_name(const Block*) {
    return "IP address or prefix";
}

// The one end of a connection that a rule asks for: a block, or the set of this name.
struct Peer {
    IpPrefix prefix;
    std::string set;       // empty: it is the prefix
    bool is_read = false;  // by parse_value(); else a mistake stands there, which was told already

    bool is_set() const { return !set.empty(); }
    bool operator==(const Peer&) const = default;
};
tl::expected<Peer, std::string> parse_value(std::string_view text, Peer*);
std::string to_text(const Peer& peer);
constexpr std::string_view type_name(const Peer*) {
    return "IP address, prefix or address set";
}

// A name that a Peer would take for an address.
bool looks_like_address(std::string_view name);

// The number of IP's protocol field: "tcp", "132".
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

// What an Ethernet frame carries, behind its VLAN tags: "ipv6", "0x8847".
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

// "8080" or "9000-9010", both ends included.
struct PortRange {
    uint16_t low = 0;
    uint16_t high = 0;

    bool operator==(const PortRange&) const = default;
};
tl::expected<PortRange, std::string> parse_value(std::string_view text, PortRange*);
std::string to_text(const PortRange& range);
constexpr std::string_view type_name(const PortRange*) {
    return "port or range of ports";
}

// "syn": the flag is set; "!syn": it is not.
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
    std::vector<Block> addresses;  // may be empty: then it has nobody in it
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

// The bits of the flags that must be set and those that must not.
struct FlagBits {
    uint8_t set = 0;
    uint8_t clear = 0;
};

// What a packet must be like; what is left out may be anything. All of it must hold.
//
// `icmp` is protocol 1 and `icmpv6` 58, whatever the addresses: their types are numbered differently, so
// that one rule could not mean both. A rule that asks for ports, ICMP types or TCP flags doesn't match a
// fragment that has no such header. A rule that asks for something of IP matches IP packets alone; one that asks
// for nothing matches frames of every EtherType.
struct MatchConfig {
    std::optional<std::vector<EtherTypeNumber>> ether_type;      // any of them
    std::optional<ProtocolNumber> protocol;
    std::optional<std::vector<Peer>> from, to;                   // any of them
    std::optional<std::vector<PortRange>> from_port, to_port;    // any of them
    std::optional<uint8_t> icmp_type, icmp_code;
    std::optional<std::vector<TcpFlag>> tcp_flags;               // all of them
    std::optional<uint8_t> dscp;
    std::optional<bool> fragments;                               // true: fragments alone, the first too

    bool operator==(const MatchConfig&) const = default;

    // Whether it may match a frame of this type at all.
    bool takes(uint16_t type) const {
        return !ether_type || std::any_of(ether_type->begin(), ether_type->end(),
                                          [&](const EtherTypeNumber& number) { return number.value == type; });
    }
    bool takes(wire::EtherType type) const { return takes(static_cast<uint16_t>(type)); }
    bool takes_ip() const { return takes(wire::EtherType::kIpv4) || takes(wire::EtherType::kIpv6); }
    // Whether it asks for something that only IP packets have.
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
    bool stateful = true;  // of a permit: the answers are let through too
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
    v.check("stateful", r.stateful || r.action == Action::kPermit, "is for a permit: nothing answers others");
    v.optional("log", r.log);
}

// As in Kubernetes' NetworkPolicy: egress is what a port's guest sends, ingress what is delivered to it.
enum class Direction : uint8_t { kIngress, kEgress };

constexpr auto names(Direction) {
    return std::array{base::Name{Direction::kIngress, "ingress"}, base::Name{Direction::kEgress, "egress"}};
}

// Where a list is in force: at one port, or at each port of a network.
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
    std::vector<ApplyConfig> apply;  // empty: in force nowhere
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

// Names given twice, sets that nobody declared, rules whose addresses no packet can have. `document` gives
// the places of what stands in the file; may be null. The lists stand under `acls` in it, the sets under
// `address-sets`. It ends when the errors are full.
base::Errors validate(const std::vector<AclConfig>& acls, const std::vector<AddressSetConfig>& sets,
                      const base::Document* document);

}  // namespace sluice::acl
