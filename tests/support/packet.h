// Packets for tests, layer by layer:
//
//   Packet().eth().vlan(5).ipv4("10.0.0.1", "10.0.0.2").tcp(1234, 80).payload(1000)
//
// bytes() fills in what the layers leave open: types and protocols from the layer that follows,
// lengths, checksums. Layers nest freely (udp(1, 4789).vxlan(7).eth()…). Deliberately written
// without src/wire, which these packets test.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice::test {

using Bytes = std::vector<uint8_t>;

inline constexpr std::string_view kMacA = "02:00:00:00:00:0a";
inline constexpr std::string_view kMacB = "02:00:00:00:00:0b";
inline constexpr uint8_t kAck = 0x10;

// n bytes of a pattern whose period isn't a power of two, so that a shifted copy is noticed.
Bytes pattern(size_t size);

Bytes mac_bytes(std::string_view text);
Bytes address_bytes(std::string_view text);  // 4 bytes or 16

class Packet {
 public:
    // `ethertype` counts where no layer follows that brings its own.
    Packet& eth(std::string_view source = kMacA, std::string_view destination = kMacB,
                uint16_t ethertype = 0x88b5);
    Packet& vlan(uint16_t id, uint16_t tag_type = 0x8100, uint16_t ethertype = 0x88b5);
    Packet& arp_request(std::string_view sender_mac, std::string_view sender,
                        std::string_view target);
    Packet& arp_reply(std::string_view sender_mac, std::string_view sender,
                      std::string_view target_mac, std::string_view target);
    Packet& ipv4(std::string_view source, std::string_view destination, uint8_t protocol = 253);
    Packet& ipv6(std::string_view source, std::string_view destination, uint8_t protocol = 253);
    Packet& extension(uint8_t header, size_t size);  // 0 hop-by-hop, 60 destination, 43 routing
    Packet& ipv6_fragment(uint16_t offset, bool more, uint32_t id);
    Packet& tcp(uint16_t source, uint16_t destination, uint8_t flags = kAck, uint32_t sequence = 1);
    Packet& udp(uint16_t source, uint16_t destination);
    Packet& vxlan(uint32_t vni);
    // ICMP or ICMPv6, as the IP layer asks; `rest` is what the header holds after the checksum.
    Packet& icmp(uint8_t type, uint8_t code, uint32_t rest);
    Packet& icmp_echo(uint16_t id, uint16_t sequence);
    Packet& payload(size_t size) { return payload(pattern(size)); }
    Packet& payload(const Bytes& bytes);

    // Of the last IPv4 layer (ttl, traffic_class: of IPv6 too).
    Packet& id(uint16_t value);
    Packet& ttl(uint8_t value);
    Packet& traffic_class(uint8_t value);
    Packet& fragment(uint16_t flags_offset);
    // Options of the last layer, IPv4 or TCP: no-operations, `size` a multiple of 4 up to 40.
    Packet& options(size_t size);

    // The last TCP or UDP layer's checksum is left as its pseudo-header's sum.
    Packet& unfinished();
    // … or 0, which for UDP means none.
    Packet& without_checksum();

    Bytes bytes() const;
    operator Bytes() const { return bytes(); }

 private:
    enum class Kind { kEth, kVlan, kIpv4, kIpv6, kExtension, kTcp, kUdp, kIcmp, kOther };
    enum class Checksum { kFinished, kPseudoHeader, kNone };
    struct Layer {
        Kind kind;
        size_t begin;
        size_t header_size;
        Checksum checksum = Checksum::kFinished;
    };

    Packet& add(Kind kind, const Bytes& header, uint16_t ethertype, int protocol);
    Packet& arp(uint16_t operation, std::string_view sender_mac, std::string_view sender,
                std::string_view target_mac, std::string_view target);
    size_t last(Kind kind) const;
    bool is_over_ipv6() const;
    void finish_l4(Bytes& frame, size_t index) const;

    Bytes bytes_;
    std::vector<Layer> layers_;
};

// A chain whose first mbufs hold chain_sizes bytes each and whose last ones the rest, as many as it
// takes. nullptr if the pool runs dry.
rte_mbuf* to_mbuf(rte_mempool* pool, const Bytes& bytes,
                  const std::vector<size_t>& chain_sizes = {});

// The same over heap blocks of exactly each mbuf's size, where AddressSanitizer sees a byte read or
// written outside, as it can't inside a pool's buffers. `pool` gives the mbufs.
rte_mbuf* to_guarded_mbuf(rte_mempool* pool, const Bytes& bytes,
                          const std::vector<size_t>& chain_sizes = {});

Bytes bytes_of(const rte_mbuf* m);

// Whether the head says the truth about its chain: how long, how many.
bool is_sound(const rte_mbuf* m);

// What the sender of a packet has left undone (src/wire/offload.h says how an mbuf tells that).
struct Unfinished {
    uint16_t l2_len = 14;
    uint16_t l3_len = 20;
    uint16_t l4_len = 20;
    bool ipv6 = false;
    bool udp = false;
    uint16_t segment_size = 0;  // 0: the checksum only
};
void mark(rte_mbuf* m, const Unfinished& what);

// Whether every checksum and length that the frame carries is right: IPv4, TCP, UDP, ICMP, ICMPv6,
// behind VLAN tags and extension headers, and inside VXLAN. Of a fragment only the IPv4 header.
bool checksums_valid(const Bytes& frame);

}  // namespace sluice::test
