#include "wire/filter.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <string_view>

#include "base/text.h"
#include "sluice/address.h"

namespace sluice::wire {
namespace {

constexpr uint32_t kLooked = 256;  // bytes
constexpr size_t kLongest = 1000;  // characters: the time to compile grows faster than the length

// The words of the language that need no look-up.
// clang-format off
constexpr std::string_view kWords[] = {
    "aarp", "ah", "and", "arp", "atalk", "broadcast", "carp", "clnp", "dst", "es-is", "esis", "esp", "ether",
    "geneve", "greater", "host", "icmp", "icmp-echo", "icmp-echoreply", "icmp-ireq", "icmp-ireqreply",
    "icmp-maskreply", "icmp-maskreq", "icmp-paramprob", "icmp-redirect", "icmp-routeradvert",
    "icmp-routersolicit", "icmp-sourcequench", "icmp-timxceed", "icmp-tstamp", "icmp-tstampreply",
    "icmp-unreach", "icmp6", "icmp6-destinationunreach", "icmp6-echo", "icmp6-echoreply", "icmp6-neighboradvert",
    "icmp6-neighborsolicit", "icmp6-packettoobig", "icmp6-parameterproblem", "icmp6-redirect",
    "icmp6-routeradvert", "icmp6-routersolicit", "icmp6-timeexceeded", "icmp6code", "icmp6type", "icmpcode",
    "icmptype", "igmp", "igrp", "ip", "ip6", "ipx", "is-is", "isis", "iso", "len", "length", "less", "link",
    "llc", "mask", "mpls", "multicast", "net", "netbeui", "not", "or", "pim", "port", "portrange", "pppoed",
    "pppoes", "proto", "protochain", "rarp", "sctp", "src", "stp", "tcp", "tcp-ack", "tcp-cwr", "tcp-ece",
    "tcp-fin", "tcp-push", "tcp-rst", "tcp-syn", "tcp-urg", "tcpflags", "udp", "vlan", "vrrp"};
// clang-format on
constexpr std::string_view kOperators = " \t\r\n()[]!&|<>=+-*/%^,:";
constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kHexDigits = "0123456789abcdefABCDEF";

bool is_word(std::string_view text) {
    return std::find(std::begin(kWords), std::end(kWords), text) != std::end(kWords);
}

bool consists_of(std::string_view text, std::string_view characters) {
    return !text.empty() && text.find_first_not_of(characters) == text.npos;
}

bool is_number(std::string_view text) {
    if (text.starts_with("0x") || text.starts_with("0X")) return consists_of(text.substr(2), kHexDigits);
    return consists_of(text, kDigits);
}

// Whether a text consists of parts between separators that all satisfy `is`.
template <class Is>
bool are_all(std::string_view text, char separator, size_t least, size_t most, Is is) {
    for (size_t count = 1;; ++count) {
        const size_t end = text.find(separator);
        if (count > most || !is(text.substr(0, end))) return false;
        if (end == text.npos) return count >= least;
        text.remove_prefix(end + 1);
    }
}

bool is_mac(std::string_view text, char separator) {
    return are_all(text, separator, 6, 6,
                   [](std::string_view part) { return part.size() <= 2 && consists_of(part, kHexDigits); });
}

// Whether libpcap accepts the token without looking it up.
bool is_known(std::string_view token) {
    if (is_word(token) || is_number(token)) return true;
    const auto is_decimal = [](std::string_view part) { return consists_of(part, kDigits); };
    if (are_all(token, '.', 2, 4, is_decimal)) return true;  // an IPv4 address, or the beginning of one
    if (are_all(token, '-', 2, 2, is_decimal)) return true;  // a range of ports
    if (is_mac(token, ':') || is_mac(token, '-')) return true;
    // In brackets: an offset and a size.
    if (are_all(token, ':', 2, 2, [](std::string_view part) { return is_word(part) || is_number(part); }))
        return true;
    const auto address = IpAddress::parse(token);
    return address && !address->is_v4();
}

// The first word of a filter that libpcap would look up or that is not understood; empty if there is none. Splits
// the text into words as libpcap does.
std::string_view foreign_word(std::string_view text) {
    std::string_view before;
    while (!text.empty()) {
        const bool is_escaped = text[0] == '\\';
        const auto is_inside = [](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.' ||
                   c == ':';
        };
        size_t size = 0;
        if (is_escaped) {
            size = std::min(text.find_first_of(" !()\n\t"), text.size());
        } else if (is_inside(text[0]) && text[0] != '-' && (text[0] != ':' || text.starts_with("::"))) {
            while (size < text.size() && is_inside(text[size])) ++size;
        } else if (kOperators.find(text[0]) != kOperators.npos) {
            text.remove_prefix(1);
            continue;
        } else {
            return text.substr(0, 1);
        }
        const std::string_view token = text.substr(0, size);
        text.remove_prefix(size);
        // A word with a backslash is a name. Only protocol names have tables of their own.
        const bool is_protocol = before == "proto" || before == "protochain";
        if (is_escaped ? !is_protocol || !is_word(token.substr(1)) : !is_known(token)) return token;
        before = token;
    }
    return {};
}

}  // namespace

void Filter::Free::operator()(bpf_program* program) const noexcept {
    pcap_freecode(program);
    delete program;
}

base::Result<Filter> Filter::compile(const std::string& text) {
    Filter filter;
    if (text.empty()) return filter;
    if (text.size() > kLongest) return base::fail("has {} characters: {} at most", text.size(), kLongest);
    if (const std::string_view word = foreign_word(text); !word.empty()) {
        return base::fail(
            "{} is no word of a filter, no number and no address; names of hosts and ports are not looked "
            "up (the language is tcpdump's: man pcap-filter)",
            base::shown(word));
    }
    const std::unique_ptr<pcap_t, decltype(&pcap_close)> handle(pcap_open_dead(DLT_EN10MB, 65535),
                                                                pcap_close);
    if (!handle) return base::fail("no memory for a filter");
    auto program = std::make_unique<bpf_program>();
    if (pcap_compile(handle.get(), program.get(), text.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
        return base::fail("{} (the language is tcpdump's: man pcap-filter)",
                          pcap_geterr(handle.get()));
    }
    filter.program_.reset(program.release());
    return filter;
}

bool Filter::matches(const rte_mbuf* m) const noexcept {
    if (!program_) return true;
    std::array<uint8_t, kLooked> copy;
    pcap_pkthdr header{};
    header.len = m->pkt_len;
    header.caplen = std::min(m->pkt_len, kLooked);
    const auto* bytes = static_cast<const uint8_t*>(rte_pktmbuf_read(m, 0, header.caplen, copy.data()));
    return bytes != nullptr && pcap_offline_filter(program_.get(), &header, bytes) != 0;
}

}  // namespace sluice::wire
