#include "support/packet.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace sluice::test {

namespace {

void append(Bytes& to, const Bytes& from) {
    to.insert(to.end(), from.begin(), from.end());
}

void put16(Bytes& frame, size_t at, size_t value) {
    frame[at] = static_cast<uint8_t>(value >> 8);
    frame[at + 1] = static_cast<uint8_t>(value);
}

uint64_t word_sum(const Bytes& frame, size_t begin, size_t end) {
    uint64_t sum = 0;
    for (size_t i = begin; i < end; ++i) sum += (i - begin) % 2 == 0 ? frame[i] << 8 : frame[i];
    return sum;
}

uint16_t folded(uint64_t sum) {
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
}

}  // namespace

Bytes pattern(size_t size) {
    Bytes bytes(size);
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(i % 251 + i / 251);
    return bytes;
}

Bytes mac_bytes(std::string_view text) {
    Bytes bytes(6);
    const std::string copy(text);
    const int found = std::sscanf(copy.c_str(), "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &bytes[0],
                                  &bytes[1], &bytes[2], &bytes[3], &bytes[4], &bytes[5]);
    if (found != 6) std::abort();
    return bytes;
}

Bytes address_bytes(std::string_view text) {
    const std::string copy(text);
    Bytes bytes(16);
    if (inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return bytes;
    if (inet_pton(AF_INET, copy.c_str(), bytes.data()) != 1) std::abort();
    bytes.resize(4);
    return bytes;
}

// Sets the previous layer's type or protocol field, then appends the header.
Packet& Packet::add(Kind kind, const Bytes& header, uint16_t ethertype, int protocol) {
    if (!layers_.empty()) {
        const Layer& before = layers_.back();
        if (before.kind == Kind::kEth && ethertype != 0)
            put16(bytes_, 12 + before.begin, ethertype);
        if (before.kind == Kind::kVlan && ethertype != 0)
            put16(bytes_, 2 + before.begin, ethertype);
        if (protocol >= 0) {
            const auto value = static_cast<uint8_t>(protocol);
            if (before.kind == Kind::kIpv4) bytes_[before.begin + 9] = value;
            if (before.kind == Kind::kIpv6) bytes_[before.begin + 6] = value;
            if (before.kind == Kind::kExtension) bytes_[before.begin] = value;
        }
    }
    layers_.push_back({kind, bytes_.size(), header.size()});
    append(bytes_, header);
    return *this;
}

Packet& Packet::eth(std::string_view source, std::string_view destination, uint16_t ethertype) {
    Bytes header = mac_bytes(destination);
    append(header, mac_bytes(source));
    append(header, {static_cast<uint8_t>(ethertype >> 8), static_cast<uint8_t>(ethertype)});
    return add(Kind::kEth, header, 0, -1);
}

Packet& Packet::vlan(uint16_t id, uint16_t tag_type, uint16_t ethertype) {
    Bytes header(4);
    put16(header, 0, id);
    put16(header, 2, ethertype);
    return add(Kind::kVlan, header, tag_type, -1);
}

Packet& Packet::arp(uint16_t operation, std::string_view sender_mac, std::string_view sender,
                    std::string_view target_mac, std::string_view target) {
    Bytes header{0, 1, 8, 0, 6, 4, 0, static_cast<uint8_t>(operation)};
    append(header, mac_bytes(sender_mac));
    append(header, address_bytes(sender));
    append(header, mac_bytes(target_mac));
    append(header, address_bytes(target));
    return add(Kind::kOther, header, 0x0806, -1);
}

Packet& Packet::arp_request(std::string_view sender_mac, std::string_view sender,
                            std::string_view target) {
    return arp(1, sender_mac, sender, "00:00:00:00:00:00", target);
}

Packet& Packet::arp_reply(std::string_view sender_mac, std::string_view sender,
                          std::string_view target_mac, std::string_view target) {
    return arp(2, sender_mac, sender, target_mac, target);
}

Packet& Packet::ipv4(std::string_view source, std::string_view destination, uint8_t protocol) {
    Bytes header{0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, protocol, 0, 0};
    append(header, address_bytes(source));
    append(header, address_bytes(destination));
    return add(Kind::kIpv4, header, 0x0800, 4);
}

Packet& Packet::ipv6(std::string_view source, std::string_view destination, uint8_t protocol) {
    Bytes header{0x60, 0, 0, 0, 0, 0, protocol, 64};
    append(header, address_bytes(source));
    append(header, address_bytes(destination));
    return add(Kind::kIpv6, header, 0x86dd, 41);
}

Packet& Packet::extension(uint8_t type, size_t size) {
    assert(size >= 8 && size % 8 == 0);
    Bytes header(size);
    header[0] = 253;
    header[1] = static_cast<uint8_t>(size / 8 - 1);
    return add(Kind::kExtension, header, 0, type);
}

Packet& Packet::ipv6_fragment(uint16_t offset, bool more, uint32_t id) {
    Bytes header(8);
    header[0] = 253;
    put16(header, 2, (offset & 0xfff8) | (more ? 1 : 0));
    put16(header, 4, id >> 16);
    put16(header, 6, id);
    return add(Kind::kExtension, header, 0, 44);
}

Packet& Packet::tcp(uint16_t source, uint16_t destination, uint8_t flags, uint32_t sequence) {
    Bytes header(20);
    put16(header, 0, source);
    put16(header, 2, destination);
    put16(header, 4, sequence >> 16);
    put16(header, 6, sequence);
    put16(header, 10, 77);
    header[12] = 0x50;
    header[13] = flags;
    put16(header, 14, 512);
    return add(Kind::kTcp, header, 0, 6);
}

Packet& Packet::acknowledges(uint32_t number) {
    const size_t tcp = layers_.at(last(Kind::kTcp)).begin;
    put16(bytes_, tcp + 8, number >> 16);
    put16(bytes_, tcp + 10, number);
    return *this;
}

Packet& Packet::udp(uint16_t source, uint16_t destination) {
    Bytes header(8);
    put16(header, 0, source);
    put16(header, 2, destination);
    return add(Kind::kUdp, header, 0, 17);
}

Packet& Packet::vxlan(uint32_t vni) {
    Bytes header{8, 0, 0, 0, 0, 0, 0, 0};
    put16(header, 4, vni >> 8);
    header[6] = static_cast<uint8_t>(vni);
    return add(Kind::kOther, header, 0, -1);
}

Packet& Packet::icmp(uint8_t type, uint8_t code, uint32_t rest) {
    Bytes header{type, code, 0, 0, 0, 0, 0, 0};
    put16(header, 4, rest >> 16);
    put16(header, 6, rest);
    return add(Kind::kIcmp, header, 0, is_over_ipv6() ? 58 : 1);
}

Packet& Packet::icmp_echo(uint16_t id, uint16_t sequence) {
    return icmp(is_over_ipv6() ? 128 : 8, 0, uint32_t{id} << 16 | sequence);
}

bool Packet::is_over_ipv6() const {
    const size_t v4 = last(Kind::kIpv4), v6 = last(Kind::kIpv6), none = layers_.size();
    return v6 != none && (v4 == none || v6 > v4);
}

Packet& Packet::payload(const Bytes& bytes) {
    return add(Kind::kOther, bytes, 0, -1);
}

// The index of the last layer of a kind; layers_.size() if there is none.
size_t Packet::last(Kind kind) const {
    for (size_t i = layers_.size(); i-- > 0;)
        if (layers_[i].kind == kind) return i;
    return layers_.size();
}

Packet& Packet::id(uint16_t value) {
    put16(bytes_, layers_.at(last(Kind::kIpv4)).begin + 4, value);
    return *this;
}

Packet& Packet::ttl(uint8_t value) {
    const size_t v4 = last(Kind::kIpv4), v6 = last(Kind::kIpv6), none = layers_.size();
    const bool is_v4 = v4 != none && (v6 == none || v4 > v6);
    bytes_.at(layers_.at(is_v4 ? v4 : v6).begin + (is_v4 ? 8 : 7)) = value;
    return *this;
}

Packet& Packet::traffic_class(uint8_t value) {
    const size_t v4 = last(Kind::kIpv4), v6 = last(Kind::kIpv6), none = layers_.size();
    const bool is_v4 = v4 != none && (v6 == none || v4 > v6);
    const size_t begin = layers_.at(is_v4 ? v4 : v6).begin;
    if (is_v4) {
        bytes_.at(begin + 1) = value;
    } else {
        put16(bytes_, begin, 0x6000 | value << 4);
    }
    return *this;
}

Packet& Packet::fragment(uint16_t flags_offset) {
    put16(bytes_, layers_.at(last(Kind::kIpv4)).begin + 6, flags_offset);
    return *this;
}

Packet& Packet::options(size_t size) {
    Layer& layer = layers_.back();
    assert(size % 4 == 0 && layer.begin + layer.header_size == bytes_.size());
    const auto words = static_cast<uint8_t>(size / 4);
    if (layer.kind == Kind::kIpv4)
        bytes_[layer.begin] += words;
    else if (layer.kind == Kind::kTcp)
        bytes_[layer.begin + 12] += static_cast<uint8_t>(words << 4);
    else
        std::abort();
    bytes_.insert(bytes_.end(), size, 1);  // no-operation in both
    layer.header_size += size;
    return *this;
}

Packet& Packet::unfinished() {
    const size_t tcp = last(Kind::kTcp), udp = last(Kind::kUdp), none = layers_.size();
    const bool is_tcp = tcp != none && (udp == none || tcp > udp);
    layers_.at(is_tcp ? tcp : udp).checksum = Checksum::kPseudoHeader;
    return *this;
}

Packet& Packet::without_checksum() {
    unfinished();
    for (Layer& layer : layers_)
        if (layer.checksum == Checksum::kPseudoHeader) layer.checksum = Checksum::kNone;
    return *this;
}

void Packet::finish_l4(Bytes& frame, size_t index) const {
    const Layer& layer = layers_[index];
    if (layer.checksum == Checksum::kNone) return;
    const size_t size = frame.size() - layer.begin;
    uint64_t pseudo = 0;
    uint8_t protocol = layer.kind == Kind::kTcp ? 6 : layer.kind == Kind::kUdp ? 17 : 58;
    for (size_t i = index; i-- > 0;) {
        const Layer& below = layers_[i];
        if (below.kind == Kind::kIpv4 && layer.kind != Kind::kIcmp)
            pseudo = word_sum(frame, below.begin + 12, below.begin + 20) + protocol + size;
        if (below.kind == Kind::kIpv6)
            pseudo = word_sum(frame, below.begin + 8, below.begin + 40) + protocol + size;
        if (below.kind == Kind::kIpv4 || below.kind == Kind::kIpv6) break;
    }
    const size_t field = layer.begin + (layer.kind == Kind::kTcp   ? 16
                                        : layer.kind == Kind::kUdp ? 6
                                                                   : 2);
    if (layer.checksum == Checksum::kPseudoHeader) return put16(frame, field, folded(pseudo));
    uint16_t checksum = ~folded(pseudo + word_sum(frame, layer.begin, frame.size()));
    if (layer.kind == Kind::kUdp && checksum == 0) checksum = 0xffff;
    put16(frame, field, checksum);
}

// From the innermost layer outwards, since outer checksums cover inner ones.
Bytes Packet::bytes() const {
    Bytes frame = bytes_;
    for (size_t i = layers_.size(); i-- > 0;) {
        const Layer& layer = layers_[i];
        const size_t size = frame.size() - layer.begin;
        if (layer.kind == Kind::kIpv4) {
            put16(frame, layer.begin + 2, size);
            put16(frame, layer.begin + 10,
                  static_cast<uint16_t>(
                      ~folded(word_sum(frame, layer.begin, layer.begin + layer.header_size))));
        } else if (layer.kind == Kind::kIpv6) {
            put16(frame, layer.begin + 4, size - 40);
        } else if (layer.kind == Kind::kUdp) {
            put16(frame, layer.begin + 4, size);
        }
        if (layer.kind == Kind::kTcp || layer.kind == Kind::kUdp || layer.kind == Kind::kIcmp)
            finish_l4(frame, i);
    }
    return frame;
}

}  // namespace sluice::test
