// Packets for tests, layer by layer:
//
//   Packet().eth().vlan(5).ipv4("10.0.0.1", "10.0.0.2").tcp(1234, 80).payload(1000)
//
// bytes() fills in the missing fields: types and protocols from the next layer, lengths, checksums. Layers nest
// freely (udp(1, 4789).vxlan(7).eth()…). Deliberately written without src/wire, which these packets test.
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

// `size` bytes of a pattern whose period isn't a power of two, so that a test detects a shifted copy.
Bytes pattern(size_t size);

Bytes mac_bytes(std::string_view text);
Bytes address_bytes(std::string_view text);  // 4 bytes or 16

class Packet {
 public:
    // `ethertype` is used if the next layer does not set its own.
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
    Packet& acknowledges(uint32_t number);  // of the last TCP layer
    Packet& udp(uint16_t source, uint16_t destination);
    Packet& vxlan(uint32_t vni);
    // ICMP or ICMPv6, by the IP layer; `rest` is the header after the checksum.
    Packet& icmp(uint8_t type, uint8_t code, uint32_t rest);
    Packet& icmp_echo(uint16_t id, uint16_t sequence);
    Packet& payload(size_t size) { return payload(pattern(size)); }
    Packet& payload(const Bytes& bytes);

    // For the last IPv4 layer (ttl and traffic_class: also for IPv6).
    Packet& id(uint16_t value);
    Packet& ttl(uint8_t value);
    Packet& traffic_class(uint8_t value);
    Packet& fragment(uint16_t flags_offset);
    // Options of the last layer, IPv4 or TCP: no-operations, `size` a multiple of 4 up to 40.
    Packet& options(size_t size);

    // Leaves the pseudo-header's sum in the last TCP or UDP layer's checksum.
    Packet& unfinished();
    // Sets it to 0, which for UDP means no checksum.
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

// A chain of mbufs. The first ones hold chain_sizes bytes each, the others the rest. nullptr if the pool is
// empty.
rte_mbuf* to_mbuf(rte_mempool* pool, const Bytes& bytes,
                  const std::vector<size_t>& chain_sizes = {});

// The same over heap blocks of exactly each mbuf's size. AddressSanitizer detects accesses outside of these;
// inside a pool's buffers it can't. `pool` provides the mbufs.
rte_mbuf* to_guarded_mbuf(rte_mempool* pool, const Bytes& bytes,
                          const std::vector<size_t>& chain_sizes = {});

Bytes bytes_of(const rte_mbuf* m);

// Whether the chain's head has the right length and number of segments.
bool is_sound(const rte_mbuf* m);

// The offloads that a packet's sender left undone (src/wire/offload.h describes them in an mbuf).
struct Unfinished {
    uint16_t l2_len = 14;
    uint16_t l3_len = 20;
    uint16_t l4_len = 20;
    bool ipv6 = false;
    bool udp = false;
    uint16_t segment_size = 0;  // 0: only the checksum
};
void mark(rte_mbuf* m, const Unfinished& what);

// Whether every checksum and length in the frame is right: IPv4, TCP, UDP, ICMP, ICMPv6, behind VLAN tags and
// extension headers, and inside VXLAN. Of a fragment only the IPv4 header is checked.
bool checksums_valid(const Bytes& frame);

}  // namespace sluice::test
