#include "wire/udp_run.h"

#include <cstring>

#include "wire/checksum.h"
#include "wire/mbuf.h"
#include "wire/offload.h"

namespace sluice::wire {
namespace {

constexpr uint32_t kL2 = sizeof(EthernetHeader);
constexpr uint32_t kMaxSize = 65535 - sizeof(Ipv6Header);  // of UDP, header included, for both families

// A datagram with plain headers that lie in its first mbuf.
struct Datagram {
    rte_mbuf* mbuf;
    uint16_t l3_len;
    uint16_t size;  // of UDP, header included
    bool ipv6;

    Ipv4Header& ip4() const noexcept { return *rte_pktmbuf_mtod_offset(mbuf, Ipv4Header*, kL2); }
    Ipv6Header& ip6() const noexcept { return *rte_pktmbuf_mtod_offset(mbuf, Ipv6Header*, kL2); }
    UdpHeader& udp() const noexcept { return *rte_pktmbuf_mtod_offset(mbuf, UdpHeader*, kL2 + l3_len); }
    uint16_t headers() const noexcept { return static_cast<uint16_t>(kL2 + l3_len + sizeof(UdpHeader)); }
    uint32_t payload_size() const noexcept { return size - uint32_t{sizeof(UdpHeader)}; }
};

bool has_open_checksum(const Datagram& d) noexcept {
    if (!is_unfinished(d.mbuf)) return d.udp().checksum == be16(0);
    return (d.mbuf->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM && d.mbuf->l2_len == kL2 &&
           d.mbuf->l3_len == d.l3_len;
}

bool examine(rte_mbuf* m, Datagram& d) noexcept {
    if (m->data_len < kL2 + sizeof(Ipv4Header) + sizeof(UdpHeader)) return false;
    d.mbuf = m;
    const EtherType type = rte_pktmbuf_mtod(m, const EthernetHeader*)->ether_type();
    if (type == EtherType::kIpv4) {
        const Ipv4Header& ip = d.ip4();
        if (ip.version_size != 0x45 || ip.is_fragment() || ip.protocol() != Protocol::kUdp ||
            kL2 + ip.total_size.host() != m->pkt_len || checksum_of(sum_of(&ip, sizeof ip)).raw() != 0) {
            return false;
        }
        d.ipv6 = false;
        d.l3_len = sizeof ip;
    } else if (type == EtherType::kIpv6 && m->data_len >= kL2 + sizeof(Ipv6Header) + sizeof(UdpHeader)) {
        const Ipv6Header& ip = d.ip6();
        if (ip.version() != 6 || ip.protocol() != Protocol::kUdp ||
            kL2 + sizeof ip + ip.payload_size.host() != m->pkt_len) {
            return false;
        }
        d.ipv6 = true;
        d.l3_len = sizeof ip;
    } else {
        return false;
    }
    d.size = d.udp().size.host();
    return d.size > sizeof(UdpHeader) && kL2 + d.l3_len + d.size == m->pkt_len && has_open_checksum(d);
}

// Equal except for lengths, checksums and ids.
bool same_headers(const Datagram& first, const Datagram& next, uint16_t index) noexcept {
    constexpr size_t kPorts = 2 * sizeof(be16);
    if (first.ipv6 != next.ipv6 || is_unfinished(first.mbuf) != is_unfinished(next.mbuf) ||
        std::memcmp(rte_pktmbuf_mtod(first.mbuf, const void*), rte_pktmbuf_mtod(next.mbuf, const void*),
                    kL2) != 0 ||
        std::memcmp(&first.udp(), &next.udp(), kPorts) != 0) {
        return false;
    }
    if (first.ipv6) {
        const Ipv6Header& a = first.ip6();
        const Ipv6Header& b = next.ip6();
        return a.version_class_label == b.version_class_label && a.hop_limit == b.hop_limit &&
               std::memcmp(&a.source, &b.source, 2 * sizeof(Ipv6Bytes)) == 0;
    }
    const Ipv4Header& a = first.ip4();
    const Ipv4Header& b = next.ip4();
    const bool ids = (a.fragment.host() & Ipv4Header::kDontFragment) != 0 ||
                     b.id == be16(static_cast<uint16_t>(a.id.host() + index));
    return a.traffic_class == b.traffic_class && a.ttl == b.ttl && a.fragment == b.fragment && ids &&
           a.source == b.source && a.destination == b.destination;
}

// Writes the sizes of both headers, and the pseudo-header's sum into an unfinished UDP checksum.
void write_size(const Datagram& d, uint32_t size) noexcept {
    Sum sum = 0;
    if (d.ipv6) {
        d.ip6().payload_size = be16(static_cast<uint16_t>(size));
        sum = pseudo_header_sum(d.ip6(), Protocol::kUdp, size);
    } else {
        Ipv4Header& ip = d.ip4();
        ip.total_size = be16(static_cast<uint16_t>(sizeof ip + size));
        ip.checksum = header_checksum(ip);
        sum = pseudo_header_sum(ip, Protocol::kUdp, size);
    }
    d.udp().size = be16(static_cast<uint16_t>(size));
    d.udp().checksum = be16::from_raw(fold(sum));
}

Datagram datagram_of(rte_mbuf* first, const UdpRun& run) noexcept {
    Datagram d{};
    d.mbuf = first;
    d.l3_len = static_cast<uint16_t>(run.header_size - kL2 - sizeof(UdpHeader));
    d.size = static_cast<uint16_t>(first->pkt_len - kL2 - d.l3_len);
    d.ipv6 = d.l3_len == sizeof(Ipv6Header);
    return d;
}

}  // namespace

UdpRun find_udp_run(rte_mbuf* const* packets, uint16_t count) noexcept {
    UdpRun run;
    Datagram first;
    if (count == 1 || packets[0]->pkt_len < kMinUdpRun || packets[1]->pkt_len > packets[0]->pkt_len ||
        !examine(packets[0], first) || first.payload_size() < kMinUdpRun || !is_owned(packets[0])) {
        return run;
    }
    run.header_size = first.headers();
    run.payload_size = first.payload_size();
    while (run.count < count) {
        Datagram next;
        if (!examine(packets[run.count], next) || next.size > first.size ||
            run.payload_size + next.size > kMaxSize || !same_headers(first, next, run.count)) {
            break;
        }
        run.payload_size += next.payload_size();
        ++run.count;
        if (next.size < first.size) break;
    }
    return run;
}

VirtioNetHeader begin_udp_run(rte_mbuf* first, const UdpRun& run) noexcept {
    const Datagram d = datagram_of(first, run);
    write_size(d, run.payload_size + uint32_t{sizeof(UdpHeader)});
    VirtioNetHeader header{};
    header.flags = VirtioNetHeader::kNeedsChecksum;
    header.gso_type = VirtioNetHeader::kGsoUdpL4;
    header.header_size = run.header_size;
    header.gso_size = static_cast<uint16_t>(d.payload_size());
    header.checksum_start = static_cast<uint16_t>(kL2 + d.l3_len);
    header.checksum_offset = checksum_offset(Protocol::kUdp);
    return header;
}

void abandon_udp_run(rte_mbuf* first, const UdpRun& run) noexcept {
    const Datagram d = datagram_of(first, run);
    write_size(d, d.size);
    if (!is_unfinished(first)) d.udp().checksum = be16(0);
}

}  // namespace sluice::wire
