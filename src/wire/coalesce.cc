#include "wire/coalesce.h"

#include <array>
#include <cstring>

#include "wire/checksum.h"
#include "wire/headers.h"
#include "wire/layers.h"
#include "wire/mbuf.h"
#include "wire/offload.h"

namespace sluice::wire {

namespace {

constexpr uint32_t kL2 = sizeof(EthernetHeader);
constexpr uint32_t kMaxDatagram = 65535;
constexpr uint32_t kMaxIpv6 = kMaxDatagram - sizeof(Ipv6Header);  // RFC 8200, 3: the size counts what follows

enum class Kind : uint8_t {
    kOther,    // not of a TCP flow
    kUnknown,  // possibly of a TCP flow: a fragment, a segment, tagged, malformed, …
    kTcp,      // a whole TCP packet with plain headers, in one mbuf
};

// A packet of kind kTcp. Its headers are in place and fit.
struct Frame {
    rte_mbuf* mbuf;
    uint16_t l3_len;
    uint16_t l4_len;
    uint16_t payload_size;
    bool ipv6;

    const uint8_t* bytes() const noexcept { return rte_pktmbuf_mtod(mbuf, const uint8_t*); }
    Ipv4Header& ip4() const noexcept { return *rte_pktmbuf_mtod_offset(mbuf, Ipv4Header*, kL2); }
    Ipv6Header& ip6() const noexcept { return *rte_pktmbuf_mtod_offset(mbuf, Ipv6Header*, kL2); }
    TcpHeader& tcp() const noexcept {
        return *rte_pktmbuf_mtod_offset(mbuf, TcpHeader*, kL2 + l3_len);
    }
    uint32_t headers() const noexcept { return kL2 + l3_len + l4_len; }
    uint32_t end() const noexcept { return headers() + payload_size; }
};

// A segment that more frames may join, and its last mbuf.
struct Segment {
    Frame first;
    rte_mbuf* last;
    uint32_t size;  // of the payload
    uint16_t slot;  // in the array
};

Kind examine_tcp(Frame& frame, uint32_t l3_size) noexcept {
    if (kL2 + l3_size > frame.mbuf->data_len || l3_size < frame.l3_len + sizeof(TcpHeader)) {
        return Kind::kUnknown;
    }
    frame.l4_len = frame.tcp().header_size();
    const uint32_t headers = uint32_t{frame.l3_len} + frame.l4_len;
    if (frame.l4_len < sizeof(TcpHeader) || headers > l3_size) return Kind::kUnknown;
    frame.payload_size = static_cast<uint16_t>(l3_size - headers);
    return Kind::kTcp;
}

Kind examine(rte_mbuf* m, Frame& frame) noexcept {
    if (m->nb_segs != 1 || (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 ||
        m->data_len < kL2 + sizeof(Ipv4Header) + sizeof(TcpHeader)) {
        return Kind::kUnknown;
    }
    frame.mbuf = m;
    const EtherType type = rte_pktmbuf_mtod(m, const EthernetHeader*)->ether_type();
    if (type == EtherType::kIpv4) {
        const Ipv4Header& ip = frame.ip4();
        if (ip.version_size != 0x45 || ip.is_fragment()) return Kind::kUnknown;
        if (ip.protocol() != Protocol::kTcp) return Kind::kOther;
        frame.ipv6 = false;
        frame.l3_len = sizeof ip;
        return examine_tcp(frame, ip.total_size.host());
    }
    if (type == EtherType::kIpv6) {
        const Ipv6Header& ip = frame.ip6();
        if (ip.version() != 6) return Kind::kUnknown;
        if (ip.protocol() == Protocol::kUdp) return Kind::kOther;
        if (ip.protocol() != Protocol::kTcp) return Kind::kUnknown;
        frame.ipv6 = true;
        frame.l3_len = sizeof ip;
        return examine_tcp(frame, uint32_t{sizeof ip} + ip.payload_size.host());
    }
    return Kind::kUnknown;
}

// Addresses and ports.
bool same_flow(const Frame& a, const Frame& b) noexcept {
    if (a.ipv6 != b.ipv6) return false;
    constexpr size_t kPorts = 2 * sizeof(be16);
    if (std::memcmp(&a.tcp(), &b.tcp(), kPorts) != 0) return false;
    if (a.ipv6) return std::memcmp(&a.ip6().source, &b.ip6().source, 2 * sizeof(Ipv6Bytes)) == 0;
    return std::memcmp(&a.ip4().source, &b.ip4().source, 2 * sizeof(be32)) == 0;
}

// Whether the frame may stand inside a segment, as far as its headers tell.
bool is_plain(const Frame& frame, uint8_t flags) noexcept {
    return frame.tcp().flags == flags && is_owned(frame.mbuf) &&
           (frame.ipv6 || checksum_of(sum_of(&frame.ip4(), sizeof(Ipv4Header))).raw() == 0);
}

// Checks the TCP checksum. A checksum that was summed is marked as good, so it is not summed twice.
bool is_right(const Frame& frame) noexcept {
    rte_mbuf* m = frame.mbuf;
    if (is_unfinished(m)) {
        return (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM && m->l2_len == kL2 &&
               m->l3_len == frame.l3_len && m->l4_len == frame.l4_len;
    }
    const uint64_t known = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
    if (known == RTE_MBUF_F_RX_L4_CKSUM_GOOD) return true;
    const uint32_t size = uint32_t{frame.l4_len} + frame.payload_size;
    const Sum pseudo = frame.ipv6 ? pseudo_header_sum(frame.ip6(), Protocol::kTcp, size)
                                  : pseudo_header_sum(frame.ip4(), Protocol::kTcp, size);
    if (checksum_of(sum_of(&frame.tcp(), size, pseudo)).raw() != 0) return false;
    m->ol_flags = (m->ol_flags & ~RTE_MBUF_F_RX_L4_CKSUM_MASK) | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    return true;
}

bool same_ip(const Segment& segment, const Frame& next) noexcept {
    const Frame& first = segment.first;
    if (std::memcmp(first.bytes(), next.bytes(), kL2) != 0) return false;
    if (first.ipv6) {
        return first.ip6().version_class_label == next.ip6().version_class_label &&
               first.ip6().hop_limit == next.ip6().hop_limit;
    }
    const Ipv4Header& a = first.ip4();
    const Ipv4Header& b = next.ip4();
    const bool ids = (a.fragment.host() & Ipv4Header::kDontFragment) != 0 ||
                     b.id == be16(static_cast<uint16_t>(a.id.host() + first.mbuf->nb_segs));
    return a.traffic_class == b.traffic_class && a.ttl == b.ttl && a.fragment == b.fragment && ids;
}

bool same_tcp(const Segment& segment, const Frame& next) noexcept {
    const Frame& first = segment.first;
    const TcpHeader& a = first.tcp();
    const TcpHeader& b = next.tcp();
    return a.sequence.host() + segment.size == b.sequence.host() &&
           a.acknowledgement == b.acknowledgement && a.size_word == b.size_word && a.window == b.window &&
           a.urgent == b.urgent && std::memcmp(&a + 1, &b + 1, first.l4_len - sizeof a) == 0;
}

bool has_room(const Segment& segment, uint32_t payload_size) noexcept {
    const Frame& first = segment.first;
    const uint32_t size = first.l4_len + segment.size + payload_size;
    return segment.first.mbuf->nb_segs < kMaxCoalesced &&
           size <= (first.ipv6 ? kMaxIpv6 : kMaxDatagram - sizeof(Ipv4Header));
}

bool can_join(const Segment& segment, const Frame& next) noexcept {
    constexpr uint8_t kPush = TcpHeader::kAck | TcpHeader::kPsh;
    const uint8_t flags = next.tcp().flags == kPush ? kPush : TcpHeader::kAck;
    return next.payload_size != 0 && next.payload_size <= segment.first.payload_size &&
           same_tcp(segment, next) && same_ip(segment, next) && has_room(segment, next.payload_size) &&
           is_plain(next, flags) && is_right(segment.first) && is_right(next);
}

void trim(const Frame& frame) noexcept {
    frame.mbuf->data_len = static_cast<uint16_t>(frame.end());
    frame.mbuf->pkt_len = frame.end();
}

void join(Segment& segment, const Frame& next) noexcept {
    rte_mbuf* head = segment.first.mbuf;
    if (segment.last == head) trim(segment.first);
    segment.first.tcp().flags |= next.tcp().flags;
    trim(next);
    rte_pktmbuf_adj(next.mbuf, static_cast<uint16_t>(next.headers()));
    segment.last->next = next.mbuf;
    segment.last = next.mbuf;
    segment.size += next.payload_size;
    head->pkt_len += next.payload_size;
    ++head->nb_segs;
}

// Writes the fields that describe the whole segment into the first frame's headers.
void finish(const Segment& segment) noexcept {
    const Frame& first = segment.first;
    rte_mbuf* m = first.mbuf;
    if (m->nb_segs == 1) return;
    const uint32_t size = first.l4_len + segment.size;
    Sum sum = 0;
    if (first.ipv6) {
        first.ip6().payload_size = be16(static_cast<uint16_t>(size));
        sum = pseudo_header_sum(first.ip6(), Protocol::kTcp, size);
    } else {
        Ipv4Header& ip = first.ip4();
        ip.total_size = be16(static_cast<uint16_t>(sizeof ip + size));
        ip.checksum = header_checksum(ip);
        sum = pseudo_header_sum(ip, Protocol::kTcp, size);
    }
    first.tcp().checksum = be16::from_raw(fold(sum));
    m->ol_flags &= ~RTE_MBUF_F_RX_L4_CKSUM_MASK;
    mark_unfinished(m, Layers{.l2_len = kL2,
                              .l3_len = first.l3_len,
                              .l4_len = first.l4_len,
                              .ipv6 = first.ipv6,
                              .protocol = Protocol::kTcp,
                              .end = m->pkt_len});
    m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    m->tso_segsz = first.payload_size;
}

// The segments that more frames may join, one per flow.
class OpenSegments {
 public:
    Segment* find(const Frame& frame) noexcept {
        for (uint32_t i = 0; i < count_; ++i) {
            if (same_flow(segments_[i].first, frame)) return &segments_[i];
        }
        return nullptr;
    }
    // If all places are taken, the segment that was opened first is closed.
    void open(const Frame& frame, uint16_t slot) noexcept {
        if (count_ == segments_.size()) close(&segments_[0]);
        segments_[count_++] = {frame, frame.mbuf, frame.payload_size, slot};
    }
    void close(Segment* segment) noexcept {
        finish(*segment);
        --count_;
        for (Segment* end = segments_.data() + count_; segment != end; ++segment) {
            *segment = *(segment + 1);
        }
    }
    void close_all() noexcept {
        for (uint32_t i = 0; i < count_; ++i) finish(segments_[i]);
        count_ = 0;
    }

 private:
    std::array<Segment, 4> segments_;
    uint32_t count_ = 0;
};

}  // namespace

uint16_t coalesce(rte_mbuf** packets, uint16_t count, uint16_t* merged) noexcept {
    OpenSegments segments;
    uint16_t left = 0;
    for (uint16_t i = 0; i < count; ++i) {
        Frame frame;
        const Kind kind = count == 1 ? Kind::kOther : examine(packets[i], frame);
        if (kind == Kind::kUnknown) segments.close_all();
        if (kind == Kind::kTcp) {
            Segment* before = segments.find(frame);
            if (before != nullptr && can_join(*before, frame)) {
                const bool last = frame.payload_size < before->first.payload_size ||
                                  frame.tcp().flags != TcpHeader::kAck;
                join(*before, frame);
                ++merged[before->slot];
                if (last) segments.close(before);
                continue;
            }
            if (before != nullptr) segments.close(before);
            if (frame.payload_size >= kMinCoalesced && is_plain(frame, TcpHeader::kAck)) {
                segments.open(frame, left);
            }
        }
        packets[left] = packets[i];
        merged[left++] = 1;
    }
    segments.close_all();
    return left;
}

}  // namespace sluice::wire
