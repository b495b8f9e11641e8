// The headers that the switch reads and writes, as structs over packet bytes: big-endian fields, alignment one,
// no padding, accessors for fields that share a word. They check nothing: the parser checks the length before it
// casts. Any thread.
#pragma once

#include <array>
#include <cstdint>

#include "wire/big_endian.h"

namespace sluice::wire {

using MacBytes = std::array<uint8_t, 6>;
using Ipv6Bytes = std::array<uint8_t, 16>;

enum class EtherType : uint16_t {
    kIpv4 = 0x0800,
    kArp = 0x0806,
    kRarp = 0x8035,  // RFC 903
    kVlan = 0x8100,  // 802.1Q customer tag
    kIpv6 = 0x86dd,
    kServiceVlan = 0x88a8,  // 802.1ad service tag
    kOldServiceVlan = 0x9100,  // service tag before 802.1ad; many networks still use it
};

enum class Protocol : uint8_t {
    kHopByHop = 0,
    kIcmp = 1,
    kTcp = 6,
    kUdp = 17,
    kRouting = 43,
    kFragment = 44,
    kEsp = 50,
    kAuthentication = 51,
    kIcmpv6 = 58,
    kNoNext = 59,
    kDestinationOptions = 60,
    kSctp = 132,
};

struct EthernetHeader {
    MacBytes destination;
    MacBytes source;
    be16 type;

    EtherType ether_type() const noexcept { return EtherType{type.host()}; }
    void set_ether_type(EtherType value) noexcept { type = be16(static_cast<uint16_t>(value)); }
};
static_assert(sizeof(EthernetHeader) == 14 && alignof(EthernetHeader) == 1);

constexpr bool is_vlan(EtherType type) noexcept {
    return type == EtherType::kVlan || type == EtherType::kServiceVlan || type == EtherType::kOldServiceVlan;
}

// The part of a tag after its EtherType: the tag control information (IEEE 802.1Q, 9.6), then the EtherType of
// the tagged frame.
struct VlanTag {
    static constexpr uint16_t kIdMask = 0x0fff;

    be16 control;
    be16 type;

    uint16_t id() const noexcept { return control.host() & kIdMask; }
    uint8_t priority() const noexcept { return static_cast<uint8_t>(control.host() >> 13); }
    bool drop_eligible() const noexcept { return (control.host() & 0x1000) != 0; }
    EtherType ether_type() const noexcept { return EtherType{type.host()}; }
};
static_assert(sizeof(VlanTag) == 4);

// ARP for IPv4 over Ethernet (RFC 826).
struct ArpHeader {
    static constexpr uint16_t kHardwareEthernet = 1;
    static constexpr uint16_t kRequest = 1;
    static constexpr uint16_t kReply = 2;

    be16 hardware_type;
    be16 protocol_type;
    uint8_t hardware_size;
    uint8_t protocol_size;
    be16 operation;
    MacBytes sender_mac;
    be32 sender_address;
    MacBytes target_mac;
    be32 target_address;

    // If not, the fields from `sender_mac` on lie elsewhere.
    bool is_ipv4_over_ethernet() const noexcept {
        return hardware_type.host() == kHardwareEthernet &&
               protocol_type.host() == static_cast<uint16_t>(EtherType::kIpv4) &&
               hardware_size == sizeof(MacBytes) && protocol_size == sizeof(be32);
    }
};
static_assert(sizeof(ArpHeader) == 28);

struct Ipv4Header {
    static constexpr uint16_t kDontFragment = 0x4000;
    static constexpr uint16_t kMoreFragments = 0x2000;
    static constexpr uint16_t kOffsetMask = 0x1fff;  // in units of 8 bytes

    uint8_t version_size;
    uint8_t traffic_class;  // DSCP and ECN
    be16 total_size;
    be16 id;
    be16 fragment;
    uint8_t ttl;
    uint8_t next;
    be16 checksum;
    be32 source;
    be32 destination;

    uint8_t version() const noexcept { return version_size >> 4; }
    uint16_t header_size() const noexcept { return (version_size & 0xf) * 4; }
    Protocol protocol() const noexcept { return Protocol{next}; }
    bool is_fragment() const noexcept {
        return (fragment.host() & (kMoreFragments | kOffsetMask)) != 0;
    }
};
static_assert(sizeof(Ipv4Header) == 20);

struct Ipv6Header {
    be32 version_class_label;
    be16 payload_size;  // the size after these 40 bytes, extension headers included
    uint8_t next;
    uint8_t hop_limit;
    Ipv6Bytes source;
    Ipv6Bytes destination;

    uint8_t version() const noexcept { return version_class_label.host() >> 28; }
    uint8_t traffic_class() const noexcept {
        return static_cast<uint8_t>(version_class_label.host() >> 20);
    }
    uint32_t flow_label() const noexcept { return version_class_label.host() & 0xf'ffff; }
    Protocol protocol() const noexcept { return Protocol{next}; }
};
static_assert(sizeof(Ipv6Header) == 40);

// The beginning of hop-by-hop, routing and destination options headers (RFC 8200, 4.2).
struct Ipv6Extension {
    uint8_t next;
    uint8_t size_word;  // in units of 8 bytes, not counting the first 8
    uint8_t routing_type;
    uint8_t segments_left;  // this and the type exist in a routing header only (RFC 8200, 4.4)
    be32 rest;

    Protocol protocol() const noexcept { return Protocol{next}; }
    uint16_t header_size() const noexcept { return (size_word + 1) * 8; }
};
static_assert(sizeof(Ipv6Extension) == 8);

struct Ipv6Fragment {
    static constexpr uint16_t kMoreFragments = 0x0001;
    static constexpr uint16_t kOffsetMask = 0xfff8;  // the raw field in bytes

    uint8_t next;
    uint8_t reserved;
    be16 offset_flags;
    be32 id;

    Protocol protocol() const noexcept { return Protocol{next}; }
    uint16_t offset() const noexcept { return offset_flags.host() & kOffsetMask; }
    bool more() const noexcept { return (offset_flags.host() & kMoreFragments) != 0; }
};
static_assert(sizeof(Ipv6Fragment) == 8);

struct TcpHeader {
    static constexpr uint8_t kFin = 0x01;
    static constexpr uint8_t kSyn = 0x02;
    static constexpr uint8_t kRst = 0x04;
    static constexpr uint8_t kPsh = 0x08;
    static constexpr uint8_t kAck = 0x10;
    static constexpr uint8_t kUrg = 0x20;
    static constexpr uint8_t kEce = 0x40;
    static constexpr uint8_t kCwr = 0x80;

    be16 source_port;
    be16 destination_port;
    be32 sequence;
    be32 acknowledgement;
    uint8_t size_word;
    uint8_t flags;
    be16 window;
    be16 checksum;
    be16 urgent;

    uint16_t header_size() const noexcept { return (size_word >> 4) * 4; }
};
static_assert(sizeof(TcpHeader) == 20);

struct UdpHeader {
    be16 source_port;
    be16 destination_port;
    be16 size;
    be16 checksum;  // 0: none (RFC 768); a computed 0 is sent as 0xffff
};
static_assert(sizeof(UdpHeader) == 8);

// VXLAN (RFC 7348, 5), after UDP.
struct VxlanHeader {
    static constexpr uint16_t kPort = 4789;
    static constexpr uint8_t kVniValid = 0x08;  // the I flag
    static constexpr uint32_t kMaxVni = 0xff'ffff;

    uint8_t flags;
    std::array<uint8_t, 3> reserved;
    be32 vni_reserved;

    uint32_t vni() const noexcept { return vni_reserved.host() >> 8; }
    bool has_vni() const noexcept { return (flags & kVniValid) != 0; }
};
static_assert(sizeof(VxlanHeader) == 8);

// Fields that ICMP and ICMPv6 share (RFC 792, RFC 4443). `rest` is an echo's id and sequence number, the MTU of
// "too big", or the offset in a parameter problem.
struct IcmpHeader {
    static constexpr uint8_t kEchoReply = 0;
    static constexpr uint8_t kUnreachable = 3;
    static constexpr uint8_t kSourceQuench = 4;
    static constexpr uint8_t kRedirect = 5;
    static constexpr uint8_t kEcho = 8;
    static constexpr uint8_t kTimeExceeded = 11;
    static constexpr uint8_t kParameterProblem = 12;

    // Codes of kUnreachable (RFC 792; the last one RFC 1812, 5.2.7.1).
    static constexpr uint8_t kNetwork = 0;
    static constexpr uint8_t kHost = 1;
    static constexpr uint8_t kProtocol = 2;
    static constexpr uint8_t kPort = 3;
    static constexpr uint8_t kFragmentationNeeded = 4;
    static constexpr uint8_t kProhibited = 13;

    static constexpr uint8_t kV6Unreachable = 1;
    static constexpr uint8_t kV6PacketTooBig = 2;
    static constexpr uint8_t kV6TimeExceeded = 3;
    static constexpr uint8_t kV6ParameterProblem = 4;
    static constexpr uint8_t kV6Informational = 128;  // from here on; smaller types are errors
    static constexpr uint8_t kV6Echo = 128;
    static constexpr uint8_t kV6EchoReply = 129;
    static constexpr uint8_t kV6RouterAdvertisement = 134;  // the next four: RFC 4861, 4
    static constexpr uint8_t kV6NeighborSolicitation = 135;
    static constexpr uint8_t kV6NeighborAdvertisement = 136;
    static constexpr uint8_t kV6Redirect = 137;

    // Codes of kV6Unreachable, and one of kV6ParameterProblem.
    static constexpr uint8_t kV6NoRoute = 0;
    static constexpr uint8_t kV6Prohibited = 1;
    static constexpr uint8_t kV6Address = 3;
    static constexpr uint8_t kV6Port = 4;
    static constexpr uint8_t kV6NextHeader = 1;

    uint8_t type;
    uint8_t code;
    be16 checksum;
    be32 rest;
};
static_assert(sizeof(IcmpHeader) == 8);

// A neighbor solicitation or advertisement without its options (RFC 4861, 4.3 and 4.4).
struct NeighborHeader {
    static constexpr uint32_t kRouter = 0x8000'0000;  // flags, of an advertisement only
    static constexpr uint32_t kSolicited = 0x4000'0000;
    static constexpr uint32_t kOverride = 0x2000'0000;

    uint8_t type;
    uint8_t code;
    be16 checksum;
    be32 flags;
    Ipv6Bytes target;

    bool has(uint32_t flag) const noexcept { return (flags.host() & flag) != 0; }
};
static_assert(sizeof(NeighborHeader) == 24);

// An option of Neighbor Discovery that carries an Ethernet address (RFC 4861, 4.6.1; RFC 2464, 6). All options
// begin with type and size, and have at least 8 bytes.
struct LinkLayerOption {
    static constexpr uint8_t kSource = 1;
    static constexpr uint8_t kTarget = 2;

    uint8_t type;
    uint8_t size_word;  // in units of 8 bytes, these two included: 1 for an Ethernet address
    MacBytes mac;

    uint32_t size() const noexcept { return uint32_t{size_word} * 8; }
};
static_assert(sizeof(LinkLayerOption) == 8);

// The header before a frame that is read from or written to a TAP or a vhost guest: virtio_net_hdr of VIRTIO 1.2,
// 5.1.6, in its ten-byte form (without num_buffers). VIRTIO defines it as little-endian, a TAP uses the host's
// byte order; the two are the same here.
struct VirtioNetHeader {
    static constexpr uint8_t kNeedsChecksum = 1;  // flags
    static constexpr uint8_t kDataValid = 2;

    static constexpr uint8_t kGsoNone = 0;  // gso_type
    static constexpr uint8_t kGsoTcpv4 = 1;
    static constexpr uint8_t kGsoUdp = 3;
    static constexpr uint8_t kGsoTcpv6 = 4;
    static constexpr uint8_t kGsoUdpL4 = 5;
    static constexpr uint8_t kGsoEcn = 0x80;  // a bit beside the type: the segment carries CWR

    uint8_t flags;
    uint8_t gso_type;
    uint16_t header_size;      // hdr_len: a hint that may be wrong (5.1.6.2)
    uint16_t gso_size;         // payload bytes per segment
    uint16_t checksum_start;   // csum_start: where the sum begins, from the frame's start
    uint16_t checksum_offset;  // csum_offset: where the sum is written, from checksum_start

    bool operator==(const VirtioNetHeader&) const = default;
};
static_assert(sizeof(VirtioNetHeader) == 10);

}  // namespace sluice::wire
