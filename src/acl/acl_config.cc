#include "acl/acl_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <unordered_map>

namespace sluice::acl {
namespace {

using base::parse_number;
using base::shown;

struct ProtocolName {
    wire::Protocol protocol;
    std::string_view word;
};
constexpr std::array kProtocols = {ProtocolName{wire::Protocol::kTcp, "tcp"},
                                   ProtocolName{wire::Protocol::kUdp, "udp"},
                                   ProtocolName{wire::Protocol::kSctp, "sctp"},
                                   ProtocolName{wire::Protocol::kIcmp, "icmp"},
                                   ProtocolName{wire::Protocol::kIcmpv6, "icmpv6"}};

struct EtherTypeName {
    wire::EtherType type;
    std::string_view word;
};
constexpr std::array kEtherTypes = {EtherTypeName{wire::EtherType::kIpv4, "ipv4"},
                                    EtherTypeName{wire::EtherType::kIpv6, "ipv6"}};
constexpr unsigned kLeastEtherType = 0x0600;  // smaller values are lengths (IEEE 802.3, 3.2.6)

// From the lowest bit (RFC 9293, 3.1).
constexpr std::array<std::string_view, 8> kFlags = {"fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"};

std::optional<unsigned> parse_hex(std::string_view digits, unsigned most) {
    unsigned number = 0;
    const auto end = digits.data() + digits.size();
    const auto [stop, problem] = std::from_chars(digits.data(), end, number, 16);
    if (problem != std::errc{} || stop != end || number > most) return std::nullopt;
    return number;
}

tl::expected<IpPrefix, std::string> parse_block(std::string_view text) {
    if (text.find('/') != text.npos) return IpPrefix::parse(text);
    const auto address = IpAddress::parse(text);
    if (!address) return tl::unexpected(address.error());
    return IpPrefix::around(*address, static_cast<uint8_t>(address->bits()));
}

std::string block_text(const IpPrefix& prefix) {
    return prefix.length == prefix.address.bits() ? prefix.address.text() : prefix.text();
}

}  // namespace

tl::expected<Block, std::string> parse_value(std::string_view text, Block*) {
    return parse_block(text).map([](const IpPrefix& prefix) { return Block{prefix}; });
}

std::string to_text(const Block& block) {
    return block_text(block.prefix);
}

// Digits and dots alone; a slash; hexadecimal digits, dots and two colons or more.
bool looks_like_address(std::string_view name) {
    if (name.find('/') != name.npos) return true;
    if (name.find_first_not_of("0123456789.") == name.npos) return true;
    return std::count(name.begin(), name.end(), ':') >= 2 &&
           name.find_first_not_of("0123456789abcdefABCDEF:.") == name.npos;
}

tl::expected<Peer, std::string> parse_value(std::string_view text, Peer*) {
    if (!looks_like_address(text) && base::is_object_name(text)) return Peer{{}, std::string(text), true};
    return parse_block(text).map([](const IpPrefix& prefix) { return Peer{prefix, {}, true}; });
}

std::string to_text(const Peer& peer) {
    return peer.is_set() ? peer.set : block_text(peer.prefix);
}

tl::expected<ProtocolNumber, std::string> parse_value(std::string_view text, ProtocolNumber*) {
    for (const auto& [protocol, word] : kProtocols) {
        if (text == word) return ProtocolNumber{static_cast<uint8_t>(protocol)};
    }
    if (const auto number = parse_number(text, 255)) return ProtocolNumber{static_cast<uint8_t>(*number)};
    return tl::unexpected(fmt::format(
        "{} is not a protocol: tcp, udp, sctp, icmp, icmpv6, or its number (0 to 255)", shown(text)));
}

std::string to_text(const ProtocolNumber& number) {
    for (const auto& [protocol, word] : kProtocols) {
        if (number.is(protocol)) return std::string(word);
    }
    return fmt::format("{}", number.value);
}

tl::expected<EtherTypeNumber, std::string> parse_value(std::string_view text, EtherTypeNumber*) {
    for (const auto& [type, word] : kEtherTypes) {
        if (text == word) return EtherTypeNumber{static_cast<uint16_t>(type)};
    }
    const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
    const std::optional<unsigned> number = is_hex ? parse_hex(text.substr(2), 0xffff) : parse_number(text, 0xffff);
    if (!number || *number < kLeastEtherType) {
        return tl::unexpected(fmt::format(
            "{} is not an EtherType: ipv4, ipv6, or its number (0x0600 to 0xffff, such as 0x8847 for MPLS)",
            shown(text)));
    }
    const EtherTypeNumber type{static_cast<uint16_t>(*number)};
    if (type.is(wire::EtherType::kArp)) {
        return tl::unexpected(std::string("ARP always passes: no rule is asked about it"));
    }
    if (wire::is_vlan(wire::EtherType{type.value})) {
        return tl::unexpected(fmt::format("{} is a VLAN tag: rules look at what is behind it", to_text(type)));
    }
    return type;
}

std::string to_text(const EtherTypeNumber& number) {
    for (const auto& [type, word] : kEtherTypes) {
        if (number.is(type)) return std::string(word);
    }
    return fmt::format("0x{:04x}", number.value);
}

tl::expected<TcpFlag, std::string> parse_value(std::string_view text, TcpFlag*) {
    const bool set = !text.starts_with('!');
    const std::string_view word = text.substr(set ? 0 : 1);
    for (size_t i = 0; i < kFlags.size(); ++i) {
        if (word == kFlags[i]) return TcpFlag{static_cast<uint8_t>(1U << i), set};
    }
    return tl::unexpected(fmt::format("{} is not one of {}, or one of these with a ! in front", shown(text),
                                      fmt::join(kFlags, ", ")));
}

std::string to_text(const TcpFlag& flag) {
    for (size_t i = 0; i < kFlags.size(); ++i) {
        if (flag.bit == 1U << i) return fmt::format("{}{}", flag.set ? "" : "!", kFlags[i]);
    }
    return {};
}

namespace {

// A key in a mapping, or an index in a list.
struct Step {
    Step(std::string_view k) : key(k) {}
    Step(const char* k) : key(k) {}
    Step(size_t i) : index(i) {}
    std::string_view key;
    size_t index = 0;
};

struct PeerFamilies {
    bool v4 = false;
    bool v6 = false;

    void add(const IpPrefix& prefix) { (prefix.address.is_v4() ? v4 : v6) = true; }
    void add(const PeerFamilies& other) {
        v4 |= other.v4;
        v6 |= other.v6;
    }
    std::string_view text() const { return v4 ? "IPv4" : "IPv6"; }
};

class Validator {
 public:
    Validator(const base::Document* document, const Declared& declared)
        : document_(document), declared_(declared) {}

    void declare_set(size_t i, const AddressSetConfig& set) {
        const auto [first, fresh] = sets_.try_emplace(set.name, Set{&set, {}, i >= declared_.sets});
        if (!fresh) {
            if (!set.name.empty()) {
                report({"address-sets", i, "name"}, set.place,
                       fmt::format("the address set {} is declared already, at {}: give one another name",
                                   set.name, position(first->second.config->place)));
            }
            return;
        }
        for (const Block& block : set.addresses) first->second.families.add(block.prefix);
    }

    void declare_acl(size_t i, const AclConfig& acl) {
        const auto [first, fresh] = acls_.try_emplace(acl.name, &acl);
        if (fresh || acl.name.empty()) return;
        report({"acls", i, "name"}, acl.place,
               fmt::format("the ACL {} is declared already, at {}: give one another name", acl.name,
                           position(first->second->place)));
    }

    void check_rule(size_t acl, size_t number, const RuleConfig& rule) {
        const Ends ends{acl, number, rule};
        auto from = families(ends, "from", rule.match.from);
        auto to = families(ends, "to", rule.match.to);
        if (!from || !to) return;
        // Restrict both ends to the families that the EtherType allows.
        for (PeerFamilies* end : {&*from, &*to}) {
            end->v4 &= rule.match.takes(wire::EtherType::kIpv4);
            end->v6 &= rule.match.takes(wire::EtherType::kIpv6);
        }
        if (rule.match.asks_for_ip() && rule.match.takes_ip() &&
            ((!from->v4 && !from->v6) || (!to->v4 && !to->v6))) {
            report({"acls", acl, "rules", number, word(rule.action), "ethertype"}, rule.place,
                   "is not that of the rule's addresses");
            return;
        }
        if (from->v4 != to->v4 && from->v6 != to->v6) {
            report({"acls", acl, "rules", number}, rule.place,
                   fmt::format("no packet is from {} and to {} addresses", from->text(), to->text()));
            return;
        }
        const PeerFamilies both{from->v4 && to->v4, from->v6 && to->v6};
        const auto& protocol = rule.match.protocol;
        if (protocol && protocol->is(wire::Protocol::kIcmp) && both.v6 && !both.v4) {
            report({"acls", acl, "rules", number, word(rule.action), "proto"}, rule.place,
                   "icmp is IPv4's, and the addresses are IPv6: write icmpv6");
        }
        if (protocol && protocol->is(wire::Protocol::kIcmpv6) && both.v4 && !both.v6) {
            report({"acls", acl, "rules", number, word(rule.action), "proto"}, rule.place,
                   "icmpv6 is IPv6's, and the addresses are IPv4: write icmp");
        }
    }

    bool is_full() const { return base::is_full(verdict_.errors); }
    Verdict verdict() && { return std::move(verdict_); }

 private:
    struct Set {
        const AddressSetConfig* config;
        PeerFamilies families;
        bool is_added = false;
    };
    struct Ends {
        size_t acl, number;
        const RuleConfig& rule;
    };

    static std::string_view word(Action action) {
        for (const auto& [value, text] : names(Action{})) {
            if (value == action) return text;
        }
        return {};
    }

    static std::string position(const base::Place& place) {
        return fmt::format("{}:{}:{}", place.file, place.line, place.column);
    }

    // The families of a rule's addresses; none if they have errors or if an empty set leaves them open.
    std::optional<PeerFamilies> families(const Ends& ends, std::string_view key,
                                     const std::optional<std::vector<Peer>>& peers) {
        if (!peers) return PeerFamilies{true, true};
        PeerFamilies all;
        bool known = true;
        for (size_t i = 0; i < peers->size() && !is_full(); ++i) {
            const Peer& peer = (*peers)[i];
            if (!peer.is_read) {
                known = false;
            } else if (!peer.is_set()) {
                all.add(peer.prefix);
            } else if (const Set* set = find_set(peer.set, ends.acl)) {
                all.add(set->families);
            } else {
                known = false;
                report({"acls", ends.acl, "rules", ends.number, word(ends.rule.action), key, i},
                       ends.rule.place, unknown_set(peer.set));
            }
        }
        if (!known || (!all.v4 && !all.v6)) return std::nullopt;
        return all;
    }

    // As the list sees it. Null: there is none.
    const Set* find_set(const std::string& name, size_t acl) const {
        const auto known = sets_.find(name);
        if (known == sets_.end()) return nullptr;
        return acl >= declared_.acls || !known->second.is_added ? &known->second : nullptr;
    }

    std::string unknown_set(std::string_view name) {
        if (sets_.contains(name)) {
            return fmt::format("there is no address set {}: it was added while running, and the file doesn't "
                               "declare it", name);
        }
        if (names_.empty()) {
            for (const auto& [other, set] : sets_) names_.push_back(other);
            std::sort(names_.begin(), names_.end());
        }
        const auto meant = base::nearest(name, names_);
        return fmt::format("there is no address set {}{}", name,
                           meant ? fmt::format("; did you mean '{}'?", *meant) : "");
    }

    // The errors of the added object that the first two steps name, a list or a set; null: it is the file's.
    base::Errors* added_at(std::initializer_list<Step> steps) {
        const std::string_view section = steps.begin()->key;
        const size_t index = (steps.begin() + 1)->index;
        if (section == "acls" && index >= declared_.acls) return &verdict_.added_acls[index];
        if (section == "address-sets" && index >= declared_.sets) return &verdict_.added_sets[index];
        return nullptr;
    }

    // Reports at the value's place in the file, or at `fallback` if the file has no such key.
    void report(std::initializer_list<Step> steps, const base::Place& fallback, std::string message) {
        constexpr size_t kMostOfOne = 10;
        if (base::Errors* own = added_at(steps)) {
            std::string path;
            for (auto step = steps.begin() + 2; step != steps.end(); ++step) {
                path += step->key.empty() ? fmt::format("[{}]", step->index)
                                          : fmt::format("{}{}", path.empty() ? "" : ".", step->key);
            }
            if (own->size() < kMostOfOne) own->push_back({std::move(message), std::move(path), {}});
            return;
        }
        std::string path;
        const base::Tree* tree = document_ != nullptr ? &document_->root : nullptr;
        for (const Step& step : steps) {
            if (!step.key.empty()) {
                path += fmt::format("{}{}", path.empty() ? "" : ".", step.key);
                if (tree != nullptr) tree = tree->find(step.key);
                continue;
            }
            // A list of one may be written without brackets.
            if (tree != nullptr && tree->kind != base::Tree::Kind::kList) continue;
            path += fmt::format("[{}]", step.index);
            if (tree == nullptr) continue;
            tree = step.index < tree->items.size() ? &tree->items[step.index] : nullptr;
        }
        if (is_full()) return;
        verdict_.errors.push_back(
            {std::move(message), path, tree != nullptr ? document_->place(*tree) : fallback});
    }

    const base::Document* document_;
    const Declared declared_;
    Verdict verdict_;
    std::unordered_map<std::string_view, Set> sets_;
    std::vector<std::string_view> names_;  // of the sets, sorted, once an undeclared one was found
    std::unordered_map<std::string_view, const AclConfig*> acls_;
};

}  // namespace

Verdict validate(const std::vector<AclConfig>& acls, const std::vector<AddressSetConfig>& sets,
                 const base::Document* document, const Declared& declared) {
    Validator validator(document, declared);
    for (size_t i = 0; i < sets.size() && !validator.is_full(); ++i) validator.declare_set(i, sets[i]);
    for (size_t i = 0; i < acls.size() && !validator.is_full(); ++i) {
        validator.declare_acl(i, acls[i]);
        for (size_t r = 0; r < acls[i].rules.size() && !validator.is_full(); ++r)
            validator.check_rule(i, r, acls[i].rules[r]);
    }
    return std::move(validator).verdict();
}

}  // namespace sluice::acl
