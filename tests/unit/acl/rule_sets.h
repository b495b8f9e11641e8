// Rules and packets made at random, in the shapes that lists have and in those that a classifier may stumble
// over, and what the rules mean, spelled out: for the tests, and for acl_figures.
#pragma once

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "acl/acl_config.h"
#include "acl/classifier.h"
#include "acl/subject.h"
#include "wire/address.h"

namespace sluice::acl::testing {

struct RuleSet {
    std::vector<RuleConfig> rules;
    std::vector<AddressSetConfig> sets;
};

// --- What a rule means. ---

inline bool has(const std::vector<PortRange>& ranges, uint16_t port) {
    return std::any_of(ranges.begin(), ranges.end(),
                       [&](const PortRange& range) { return range.low <= port && port <= range.high; });
}

inline bool has(const std::vector<Peer>& peers, const std::vector<AddressSetConfig>& sets,
                const IpAddress& address) {
    return std::any_of(peers.begin(), peers.end(), [&](const Peer& peer) {
        if (!peer.is_set()) return peer.prefix.contains(address);
        return std::any_of(sets.begin(), sets.end(), [&](const AddressSetConfig& set) {
            return set.name == peer.set &&
                   std::any_of(set.addresses.begin(), set.addresses.end(),
                               [&](const Block& block) { return block.prefix.contains(address); });
        });
    });
}

inline std::vector<EtherTypeNumber> ether_types(std::initializer_list<uint16_t> values) {
    std::vector<EtherTypeNumber> types;
    for (const uint16_t value : values) types.push_back({value});
    return types;
}

inline bool matches(const MatchConfig& m, const std::vector<AddressSetConfig>& sets, const Subject& s) {
    if (!s.is_ip) return !m.asks_for_ip() && m.takes(s.ether_type);
    if (!m.takes(s.ipv6 ? wire::EtherType::kIpv6 : wire::EtherType::kIpv4)) return false;
    const bool has_icmp = (s.protocol == 1 || s.protocol == 58) && !s.later_fragment;
    const bool has_flags = s.protocol == 6 && s.has_ports;
    for (const TcpFlag& flag : m.tcp_flags.value_or(std::vector<TcpFlag>{})) {
        if (!has_flags || ((s.tcp_flags & flag.bit) != 0) != flag.set) return false;
    }
    return (!m.protocol || m.protocol->value == s.protocol) &&
           (!m.from_port || (s.has_ports && has(*m.from_port, s.source_port))) &&
           (!m.to_port || (s.has_ports && has(*m.to_port, s.destination_port))) &&
           (!m.icmp_type || (has_icmp && *m.icmp_type == s.icmp_type)) &&
           (!m.icmp_code || (has_icmp && *m.icmp_code == s.icmp_code)) && (!m.dscp || *m.dscp == s.dscp) &&
           (!m.fragments || *m.fragments == s.fragment) &&
           (!m.from || has(*m.from, sets,
                           s.ipv6 ? wire::address_of(s.source6) : wire::address_of(s.source))) &&
           (!m.to || has(*m.to, sets,
                         s.ipv6 ? wire::address_of(s.destination6) : wire::address_of(s.destination)));
}

inline uint32_t find_linearly(const RuleSet& set, const Subject& subject) {
    for (size_t i = 0; i < set.rules.size(); ++i) {
        if (matches(set.rules[i].match, set.sets, subject)) return static_cast<uint32_t>(i);
    }
    return kNoRule;
}

// --- Shapes. ---

enum class Shape {
    kMixed,        // prefixes and hosts, exact ports and ranges, as people write them
    kEverything,   // every field, sets, both families, few values each
    kPorts,        // only the destination port tells them apart
    kRanges,       // only ranges of destination ports do, that overlap
    kHosts,        // only the source address does
    kLengths,      // all pairs of prefix lengths, nested
    kAny,          // most addresses are left out
    kPairs,        // few sources times few destinations times few ports
    kSets,         // sets of a thousand addresses, that overlap
    kIpv6,         // as kMixed
    kIpv6Hosts,    // as kHosts, in one /64
};
inline constexpr std::pair<Shape, const char*> kShapes[] = {
    {Shape::kMixed, "mixed"},     {Shape::kEverything, "everything"}, {Shape::kPorts, "ports"},
    {Shape::kRanges, "ranges"},   {Shape::kHosts, "hosts"},           {Shape::kLengths, "lengths"},
    {Shape::kAny, "any"},         {Shape::kPairs, "pairs"},           {Shape::kSets, "sets"},
    {Shape::kIpv6, "ipv6"},       {Shape::kIpv6Hosts, "ipv6-hosts"}};

class Maker {
 public:
    explicit Maker(uint64_t seed) : random_(seed) {}

    RuleSet make(Shape shape, size_t count) {
        RuleSet set;
        make_sets(shape, set);
        for (size_t i = 0; i < count; ++i) {
            set.rules.push_back({.match = make_match(shape, i)});
        }
        return set;
    }

    // A packet that a rule of the set matches, mostly, or nearly does.
    Subject subject(const RuleSet& set) {
        Subject s;
        const MatchConfig* m = nullptr;
        if (!set.rules.empty()) m = &set.rules[below(set.rules.size())].match;
        IpAddress from = address(m ? m->from : std::nullopt, set);
        IpAddress to = address(m ? m->to : std::nullopt, set);
        // One end's family is the other's.
        if (from.is_v4() != to.is_v4()) {
            if (m && m->from) {
                to = any_address(from.is_v4());
            } else {
                from = any_address(to.is_v4());
            }
        }
        s.ipv6 = !from.is_v4();
        s.source6 = from.bytes;
        s.destination6 = to.bytes;
        if (from.is_v4()) {
            s.source = wire::be32(from.v4());
            s.destination = wire::be32(to.v4());
        }
        constexpr uint8_t kProtocols[] = {6, 6, 17, 132, 1, 58, 47};
        s.protocol = m && m->protocol && !one_in(10) ? m->protocol->value : kProtocols[below(7)];
        s.fragment = m && m->fragments && !one_in(10) ? *m->fragments : one_in(10);
        s.later_fragment = s.fragment && one_in(2);
        s.has_ports = (s.protocol == 6 || s.protocol == 17 || s.protocol == 132) && !s.later_fragment;
        s.source_port = port(m ? m->from_port : std::nullopt);
        s.destination_port = port(m ? m->to_port : std::nullopt);
        s.icmp_type = m && m->icmp_type && !one_in(10) ? *m->icmp_type : static_cast<uint8_t>(below(20));
        s.icmp_code = m && m->icmp_code && !one_in(10) ? *m->icmp_code : static_cast<uint8_t>(below(4));
        s.tcp_flags = static_cast<uint8_t>(below(256));
        if (m && !one_in(3)) {
            s.tcp_flags = static_cast<uint8_t>((s.tcp_flags | m->flag_bits().set) & ~m->flag_bits().clear);
        }
        if (m && !m->asks_for_ip() && one_in(2)) {
            s.is_ip = false;
            s.ether_type = m->ether_type && !one_in(10) ? m->ether_type->back().value : some_type();
        }
        s.dscp = m && m->dscp && !one_in(10) ? *m->dscp : static_cast<uint8_t>(below(64));
        return s;
    }

 private:
    uint16_t some_type() { return static_cast<uint16_t>(0x8840 + below(20)); }
    size_t below(size_t n) { return random_() % n; }
    bool one_in(size_t n) { return below(n) == 0; }

    IpAddress any_address(bool v4) {
        if (v4) return IpAddress::from_v4(static_cast<uint32_t>(random_()));
        IpAddress a;
        for (auto& byte : a.bytes) byte = static_cast<uint8_t>(random_());
        a.bytes[0] = 0xfd;
        return a;
    }

    static Peer peer(const IpAddress& address, int length) {
        return {IpPrefix::around(address, static_cast<uint8_t>(length)), {}};
    }

    // In 10.0.0.0/8 or fd00::/32, of few networks.
    IpAddress near_address(bool v4) {
        if (v4) return IpAddress::from_v4(0x0a00'0000 | static_cast<uint32_t>(below(1 << 22)));
        IpAddress a;
        a.bytes[0] = 0xfd;
        a.bytes[7] = static_cast<uint8_t>(below(16));
        for (size_t i = 13; i < 16; ++i) a.bytes[i] = static_cast<uint8_t>(random_());
        return a;
    }

    Peer near_peer(bool v4) {
        constexpr int kLengths4[] = {32, 32, 32, 28, 24, 24, 24, 16, 12, 8, 0};
        constexpr int kLengths6[] = {128, 128, 128, 124, 120, 112, 64, 64, 64, 56, 0};
        return peer(near_address(v4), v4 ? kLengths4[below(11)] : kLengths6[below(11)]);
    }

    PortRange range() {
        const auto low = static_cast<uint16_t>(below(65536));
        return {low, static_cast<uint16_t>(std::min<size_t>(65535, low + below(one_in(4) ? 40000 : 100)))};
    }
    PortRange usual_port() {
        constexpr uint16_t kUsual[] = {22, 53, 80, 443, 3306, 5432, 6379, 8080, 9090};
        const uint16_t one = one_in(3) ? static_cast<uint16_t>(below(65536)) : kUsual[below(9)];
        return {one, one};
    }
    std::vector<PortRange> some_ports() {
        std::vector<PortRange> ports{one_in(4) ? range() : usual_port()};
        while (one_in(4)) ports.push_back(usual_port());
        return ports;
    }

    void make_sets(Shape shape, RuleSet& set) {
        if (shape != Shape::kSets && shape != Shape::kEverything) return;
        const size_t size = shape == Shape::kSets ? 1000 : 20;
        for (size_t i = 0; i < 20; ++i) {
            AddressSetConfig config{"set" + std::to_string(i), {}};
            for (size_t a = 0; a < size; ++a) {
                const bool v4 = shape == Shape::kSets || one_in(2);
                Peer member = near_peer(v4);
                if (member.prefix.length < 8) member = peer(near_address(v4), v4 ? 32 : 128);
                config.addresses.push_back({member.prefix});
            }
            set.sets.push_back(std::move(config));
        }
        set.sets.push_back({"nobody", {}});
    }

    MatchConfig make_match(Shape shape, size_t i) {
        constexpr uint8_t kTcp = 6, kUdp = 17, kSctp = 132, kIcmp = 1, kIcmpv6 = 58;
        MatchConfig m;
        switch (shape) {
            case Shape::kMixed:
            case Shape::kIpv6: {
                const bool v4 = shape == Shape::kMixed;
                m.protocol = ProtocolNumber{one_in(4) ? kUdp : kTcp};
                if (!one_in(5)) m.from = {near_peer(v4)};
                if (!one_in(10)) m.to = {near_peer(v4)};
                while (m.to && one_in(6)) m.to->push_back(near_peer(v4));
                if (!one_in(10)) m.to_port = some_ports();
                if (one_in(20)) m.from_port = {range()};
                break;
            }
            case Shape::kEverything: {
                if (one_in(6)) {
                    m.ether_type = ether_types({some_type(), some_type()});
                    break;
                }
                if (one_in(6)) m.ether_type = ether_types({one_in(2) ? uint16_t{0x0800} : uint16_t{0x86dd}});
                constexpr uint8_t kProtocols[] = {kTcp, kTcp, kUdp, kSctp, kIcmp, kIcmpv6, 47};
                if (!one_in(5)) m.protocol = ProtocolNumber{kProtocols[below(7)]};
                if (!one_in(3)) m.from = some_peers();
                if (!one_in(3)) m.to = some_peers();
                if (m.protocol && m.protocol->has_ports()) {
                    if (one_in(2)) m.to_port = some_ports();
                    if (one_in(4)) m.from_port = some_ports();
                }
                if (m.protocol && m.protocol->is_icmp() && !one_in(3)) {
                    m.icmp_type = static_cast<uint8_t>(below(20));
                    if (one_in(2)) m.icmp_code = static_cast<uint8_t>(below(4));
                }
                if (m.protocol && m.protocol->value == kTcp && one_in(3)) {
                    const auto bit = static_cast<uint8_t>(1U << below(7));
                    m.tcp_flags = {{bit, one_in(2)}};
                    if (one_in(2)) m.tcp_flags->push_back({static_cast<uint8_t>(bit << 1), one_in(2)});
                }
                if (one_in(6)) m.dscp = static_cast<uint8_t>(below(64));
                if (one_in(6)) m.fragments = one_in(2);
                break;
            }
            case Shape::kPorts: {
                const auto port = static_cast<uint16_t>(i * 3);
                m.protocol = ProtocolNumber{kTcp};
                m.to = {peer(IpAddress::from_v4(0x0a000001), 32)};
                m.to_port = {{port, port}};
                break;
            }
            case Shape::kRanges: {
                const auto low = static_cast<uint16_t>(below(65536));
                m.protocol = ProtocolNumber{kTcp};
                m.to_port = {{low, static_cast<uint16_t>(low + below(65536U - low))}};
                break;
            }
            case Shape::kHosts:
                m.from = {peer(IpAddress::from_v4(0x0a000000 + static_cast<uint32_t>(i * 7)), 32)};
                break;
            case Shape::kLengths:
                m.from = {peer(near_address(true), static_cast<int>(8 + below(25)))};
                m.to = {peer(near_address(true), static_cast<int>(8 + below(25)))};
                break;
            case Shape::kAny:
                m.protocol = ProtocolNumber{kTcp};
                if (one_in(3)) m.from = {near_peer(true)};
                if (one_in(3)) m.to = {near_peer(true)};
                if (!m.from || !m.to || one_in(2)) m.to_port = some_ports();
                break;
            case Shape::kPairs: {
                m.protocol = ProtocolNumber{kTcp};
                m.from = {peer(IpAddress::from_v4(0x0a000000 + static_cast<uint32_t>(below(22) << 8)), 24)};
                m.to = {peer(IpAddress::from_v4(0x0a010000 + static_cast<uint32_t>(below(22) << 8)), 24)};
                const auto port = static_cast<uint16_t>(8000 + below(22));
                m.to_port = {{port, port}};
                break;
            }
            case Shape::kSets:
                m.protocol = ProtocolNumber{kTcp};
                m.from = {{{}, "set" + std::to_string(below(20))}, near_peer(true)};
                m.to = {{{}, "set" + std::to_string(below(20))}};
                m.to_port = some_ports();
                break;
            case Shape::kIpv6Hosts: {
                IpAddress a = near_address(false);
                a.bytes[7] = 0;
                m.from = {peer(a, 128)};
                break;
            }
        }
        return m;
    }

    std::vector<Peer> some_peers() {
        std::vector<Peer> peers;
        do {
            if (one_in(4)) {
                peers.push_back({{}, one_in(20) ? "nobody" : "set" + std::to_string(below(20))});
            } else {
                peers.push_back(near_peer(one_in(2)));
            }
        } while (one_in(2));
        return peers;
    }

    // In one of the peers, mostly.
    IpAddress address(const std::optional<std::vector<Peer>>& peers, const RuleSet& set) {
        if (!peers || one_in(10)) return one_in(2) ? near_address(one_in(2)) : any_address(one_in(2));
        const Peer& one = (*peers)[below(peers->size())];
        IpPrefix prefix = one.prefix;
        if (one.is_set()) {
            const auto named = std::find_if(set.sets.begin(), set.sets.end(),
                                            [&](const auto& s) { return s.name == one.set; });
            if (named->addresses.empty()) return near_address(one_in(2));
            prefix = named->addresses[below(named->addresses.size())].prefix;
        }
        // Its first or its last address, one beyond these, or one from inside.
        IpAddress a = prefix.address;
        const int start = 128 - a.bits() + prefix.length;
        const size_t way = below(4);
        for (int bit = start; bit < 128; ++bit) {
            const bool set_bit = way == 0 ? false : way == 1 ? true : one_in(2);
            if (set_bit) a.bytes[static_cast<size_t>(bit / 8)] |= static_cast<uint8_t>(0x80 >> bit % 8);
        }
        if (way == 2 && one_in(3)) a.bytes[15] ^= 1;
        return a;
    }

    uint16_t port(const std::optional<std::vector<PortRange>>& ranges) {
        if (!ranges || one_in(10)) return static_cast<uint16_t>(below(65536));
        const PortRange& one = (*ranges)[below(ranges->size())];
        switch (below(4)) {
            case 0: return one.low;
            case 1: return one.high;
            case 2: return static_cast<uint16_t>(one.low + below(one.high - one.low + 1U));
            default: return static_cast<uint16_t>(one_in(2) ? one.low - 1 : one.high + 1);
        }
    }

    std::mt19937_64 random_;
};

}  // namespace sluice::acl::testing
