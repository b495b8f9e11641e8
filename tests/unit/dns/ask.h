// Queries as bytes, and answers as text, for the tests of the responder.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/name.h"
#include "dns/names.h"
#include "dns/query.h"

// Last: it brings <stdbool.h>, after which clang can't read the C++ library's headers any more.
#include <ldns/ldns.h>

namespace sluice::dns {

using Bytes = std::vector<uint8_t>;

struct Edns {
    uint16_t udp_bytes = 1232;
    uint8_t version = 0;
    bool dnssec_ok = false;
};

inline void put(Bytes& bytes, std::initializer_list<int> values) {
    for (const int value : values) bytes.push_back(static_cast<uint8_t>(value));
}

// The name keeps its case.
inline Bytes query_bytes(std::string_view name, Type type, const Edns* edns = nullptr, uint16_t id = 0x1234,
                         uint16_t dns_class = 1) {
    Bytes bytes;
    put(bytes, {id >> 8, id & 0xff, 1, 0, 0, 1, 0, 0, 0, 0, 0, edns != nullptr ? 1 : 0});
    std::string wire = wire_name(name);
    for (size_t i = 0, left = 0; i < wire.size(); ++i) {
        if (left-- == 0) {
            left = static_cast<uint8_t>(wire[i]);
        } else {
            wire[i] = name[i - 1];
        }
    }
    bytes.insert(bytes.end(), wire.begin(), wire.end());
    put(bytes, {static_cast<int>(type) >> 8, static_cast<int>(type) & 0xff, dns_class >> 8, dns_class & 0xff});
    if (edns == nullptr) return bytes;
    put(bytes, {0, 0, 41, edns->udp_bytes >> 8, edns->udp_bytes & 0xff, 0, edns->version,
                edns->dnssec_ok ? 0x80 : 0, 0, 0, 0});
    return bytes;
}

inline std::string list_text(const char* section, const ldns_rr_list* records) {
    std::string text;
    for (size_t i = 0; i < ldns_rr_list_rr_count(records); ++i) {
        const std::unique_ptr<char, decltype(&free)> line(ldns_rr2str(ldns_rr_list_rr(records, i)), &free);
        std::string record = line.get();
        for (char& c : record) c = c == '\t' ? ' ' : c;
        text += std::string(section) + record;
    }
    return text;
}

// "NOERROR aa rd ra\n? web. IN A\n= web. 5 IN A 10.0.0.2\n", with "^" for authority and "+" for additional
// records.
inline std::string reply_text(std::span<const uint8_t> bytes) {
    if (bytes.empty()) return "nothing";
    ldns_pkt* packet = nullptr;
    if (ldns_wire2pkt(&packet, bytes.data(), bytes.size()) != LDNS_STATUS_OK) return "malformed";
    const std::unique_ptr<ldns_pkt, decltype(&ldns_pkt_free)> owner(packet, &ldns_pkt_free);
    const std::unique_ptr<char, decltype(&free)> rcode(ldns_pkt_rcode2str(ldns_pkt_get_rcode(packet)), &free);
    std::string text = rcode.get();
    if (ldns_pkt_aa(packet)) text += " aa";
    if (ldns_pkt_tc(packet)) text += " tc";
    if (ldns_pkt_rd(packet)) text += " rd";
    if (ldns_pkt_ra(packet)) text += " ra";
    if (ldns_pkt_cd(packet)) text += " cd";
    if (ldns_pkt_edns(packet)) text += " edns:" + std::to_string(ldns_pkt_edns_udp_size(packet));
    if (ldns_pkt_edns_do(packet)) text += " do";
    if (ldns_pkt_edns_extended_rcode(packet) != 0)
        text += " extended:" + std::to_string(ldns_pkt_edns_extended_rcode(packet));
    text += "\n";
    text += list_text("? ", ldns_pkt_question(packet));
    text += list_text("= ", ldns_pkt_answer(packet));
    text += list_text("^ ", ldns_pkt_authority(packet));
    text += list_text("+ ", ldns_pkt_additional(packet));
    return text;
}

inline IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

}  // namespace sluice::dns
