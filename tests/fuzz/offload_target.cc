// What a guest or a container says of its frames: the virtio-net header, the flags that a driver makes of it,
// and the segments that are cut, or made of frames that leave together. The first byte chooses which.
#include "fuzz/frames.h"
#include "wire/checksum.h"
#include "wire/coalesce.h"
#include "wire/ip_check.h"
#include "wire/mbuf.h"
#include "wire/offload.h"
#include "wire/segment.h"
#include "wire/udp_run.h"

namespace sluice::fuzz {
namespace {

using test::Bytes;
using test::Packet;

constexpr size_t kMostFrames = 32;

bool has_valid_ip(const rte_mbuf* m) {
    const bool ipv6 = (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0;
    if (m->data_len < m->l2_len + (ipv6 ? sizeof(wire::Ipv6Header) : sizeof(wire::Ipv4Header))) return false;
    return (ipv6 ? wire::check_ipv6(m, m->l2_len) : wire::check_ipv4(m, m->l2_len)) == wire::IpCheck::kValid;
}

bool is_tcp(const rte_mbuf* m) { return (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM; }

void write_pseudo_sum(rte_mbuf* m) {
    const uint32_t l4 = m->l2_len + m->l3_len;
    const uint32_t size = wire::datagram_end(m) - l4;
    const bool ipv6 = (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0;
    const wire::Sum sum =
        ipv6 ? wire::pseudo_header_sum(*rte_pktmbuf_mtod_offset(m, const wire::Ipv6Header*, m->l2_len),
                                       wire::Protocol::kTcp, size)
             : wire::pseudo_header_sum(*rte_pktmbuf_mtod_offset(m, const wire::Ipv4Header*, m->l2_len),
                                       wire::Protocol::kTcp, size);
    wire::write_be16(m, l4 + wire::checksum_offset(wire::Protocol::kTcp), wire::be16::from_raw(wire::fold(sum)));
}

void check_pieces(const rte_mbuf* segment) {
    const uint32_t headers = segment->l2_len + segment->l3_len + segment->l4_len;
    const uint32_t count = wire::segment_count(segment);
    must(count <= wire::kMaxSegments, "{} frames of one segment", count);
    wire::Cutter cutter(segment, test::test_pool());
    uint32_t made = 0;
    while (rte_mbuf* next = cutter.next()) {
        const Frame piece(next);
        check_sound(next, "a piece");
        must(next->pkt_len <= headers + segment->tso_segsz, "a piece of {} bytes", next->pkt_len);
        must(test::checksums_valid(test::bytes_of(next)), "a piece has a wrong checksum or length");
        ++made;
    }
    must(cutter.failed() || made == count, "{} pieces of {}", made, count);
}

// An unfinished packet, whoever said so.
void check_unfinished(rte_mbuf* m) {
    check_sound(m, "an unfinished packet");
    const uint32_t headers = m->l2_len + m->l3_len + m->l4_len;
    must(headers <= m->pkt_len, "headers of {} bytes in a packet of {}", headers, m->pkt_len);

    // Another guest must be able to take it as we would tell it.
    const Frame copy(test::to_guarded_mbuf(test::test_pool(), test::bytes_of(m)));
    const wire::VirtioNetHeader told = wire::to_virtio(m);
    must(wire::from_virtio(copy.get(), told) == wire::OffloadResult::kOk, "what we would tell a guest is malformed");
    must(copy->ol_flags == m->ol_flags && copy->l2_len == m->l2_len && copy->l3_len == m->l3_len &&
             copy->l4_len == m->l4_len &&
             (!wire::is_segment(m) || copy->tso_segsz == m->tso_segsz),
         "what we would tell a guest is another packet");

    if (wire::is_segment(m)) check_pieces(m);
    // What a guest leaves in the field decides what a finished checksum is.
    const bool valid = has_valid_ip(m) && is_tcp(m);
    if (valid) write_pseudo_sum(m);
    const Frame device(test::to_guarded_mbuf(test::test_pool(), test::bytes_of(m)));
    must(wire::from_virtio(device.get(), told) == wire::OffloadResult::kOk, "malformed the second time");
    (void)wire::prepare_for_device(device.get());
    wire::finish_checksums(m);
    must(!wire::is_unfinished(m), "finished, and unfinished");
    if (valid) must(test::checksums_valid(test::bytes_of(m)), "a finished checksum is wrong");
}

void check_header(Input& input) {
    const auto chain = take_chain(input);
    wire::VirtioNetHeader header{};
    const auto bytes = input.take(sizeof header);
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t*>(&header));
    const Bytes frame = copy_of(input.rest());
    if (frame.size() > 65535) return;
    const Frame m(test::to_guarded_mbuf(test::test_pool(), frame, chain));
    const auto result = wire::from_virtio(m.get(), header);
    if (result == wire::OffloadResult::kOk && wire::is_unfinished(m.get())) check_unfinished(m.get());
}

void check_driver(Input& input) {
    const auto chain = take_chain(input);
    const uint8_t flags = input.byte();
    const uint16_t size = input.word();
    const Bytes frame = copy_of(input.rest());
    if (frame.size() > 65535) return;
    const Frame m(test::to_guarded_mbuf(test::test_pool(), frame, chain));
    if ((flags & 1) != 0) m->ol_flags |= RTE_MBUF_F_RX_LRO;
    if ((flags & 2) != 0) m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    if ((flags & 4) != 0) m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD;
    m->tso_segsz = size;
    const auto result = wire::from_receive_flags(m.get());
    if (result == wire::OffloadResult::kOk && wire::is_unfinished(m.get())) check_unfinished(m.get());
}

// A TCP frame but for what cutting may change: the padding behind the datagram, IPv4 ids under DF, which mean
// nothing (RFC 6864, 4.1), and in what form a checksum is zero. Of an unfinished frame without its checksum,
// which the guest may have begun with anything. Other frames stay as they are.
Bytes essence(const Bytes& frame, bool unfinished) {
    const Frame m(test::to_guarded_mbuf(test::test_pool(), frame));
    const auto layers = wire::find_layers(m.get());
    if (!layers || layers->protocol != wire::Protocol::kTcp) return frame;
    Bytes bytes(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(layers->end));
    if (!layers->ipv6) {
        auto& ip = *reinterpret_cast<wire::Ipv4Header*>(bytes.data() + layers->l2_len);
        if ((ip.fragment.host() & wire::Ipv4Header::kDontFragment) != 0) ip.id = wire::be16(0);
        ip.checksum = wire::be16(0);
    }
    auto& tcp = *reinterpret_cast<wire::TcpHeader*>(bytes.data() + layers->l4());
    if (unfinished || tcp.checksum.raw() == 0xffff) tcp.checksum = wire::be16(0);
    return bytes;
}

std::vector<Bytes> take_frames(Input& input) {
    std::vector<Bytes> frames;
    while (!input.at_end() && frames.size() < kMostFrames) {
        const uint16_t size = input.word();
        frames.push_back(copy_of(input.take(size)));
    }
    return frames;
}

rte_mbuf* to_packet(const Bytes& frame, bool unfinished) {
    rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), frame);
    must(m != nullptr, "the pool is dry");
    if (const auto layers = unfinished ? wire::find_layers(m) : std::nullopt) wire::mark_unfinished(m, *layers);
    return m;
}

void check_coalesced(Input& input) {
    const bool unfinished = input.flag();
    std::vector<rte_mbuf*> packets;
    std::vector<Bytes> before;
    for (const Bytes& frame : take_frames(input)) {
        if (frame.size() < 14) continue;
        packets.push_back(to_packet(frame, unfinished));
        before.push_back(essence(frame, unfinished));
    }
    if (packets.empty()) return;
    std::vector<uint16_t> merged(packets.size());
    const uint16_t count = wire::coalesce(packets.data(), static_cast<uint16_t>(packets.size()), merged.data());
    must(count <= packets.size(), "more packets than before");
    std::vector<Bytes> after;
    size_t sum = 0;
    for (uint16_t i = 0; i < count; ++i) {
        const Frame packet(packets[i]);
        check_sound(packet.get(), "a packet after coalescing");
        sum += merged[i];
        if (merged[i] == 1) {
            after.push_back(essence(test::bytes_of(packet.get()), unfinished));
            continue;
        }
        must(wire::is_segment(packet.get()) && packet->nb_segs <= wire::kMaxCoalesced, "no segment of many");
        wire::Cutter cutter(packet.get(), test::test_pool());
        uint16_t pieces = 0;
        while (rte_mbuf* next = cutter.next()) {
            const Frame piece(next);
            after.push_back(essence(test::bytes_of(next), unfinished));
            ++pieces;
        }
        must(pieces == merged[i], "{} frames made one, and {} again", merged[i], pieces);
    }
    must(sum == before.size(), "{} frames of {}", sum, before.size());
    // Frames of several flows change places.
    std::sort(before.begin(), before.end());
    std::sort(after.begin(), after.end());
    must(before == after, "a frame is another after coalescing");
}

// Of a UDP datagram: an unfinished one may have held anything, and zero has two forms.
Bytes without_checksums(Bytes frame, size_t headers) {
    for (const size_t i : {headers - 2, headers - 1}) frame[i] = 0;
    if (headers == 14 + 20 + 8) frame[24] = frame[25] = 0;
    return frame;
}

void check_udp_run(Input& input) {
    const bool unfinished = input.flag();
    std::vector<rte_mbuf*> packets;
    for (const Bytes& frame : take_frames(input)) {
        if (frame.size() >= 14) packets.push_back(to_packet(frame, unfinished));
    }
    if (packets.empty()) return;
    const auto run = wire::find_udp_run(packets.data(), static_cast<uint16_t>(packets.size()));
    must(run.count >= 1 && run.count <= packets.size(), "a run of {} of {} packets", run.count, packets.size());
    if (run.count > 1) {
        uint32_t payload = 0;
        for (uint16_t i = 0; i < run.count; ++i) payload += packets[i]->pkt_len - run.header_size;
        must(payload == run.payload_size, "a run of {} bytes, and {} in it", run.payload_size, payload);
        const Bytes before = without_checksums(test::bytes_of(packets[0]), run.header_size);
        (void)wire::begin_udp_run(packets[0], run);
        wire::abandon_udp_run(packets[0], run);
        must(without_checksums(test::bytes_of(packets[0]), run.header_size) == before,
             "a run that was taken back has left its traces");
    }
    for (rte_mbuf* packet : packets) rte_pktmbuf_free(packet);
}

Bytes header_of(const wire::VirtioNetHeader& header) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
    return {bytes, bytes + sizeof header};
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    switch (input.below(4)) {
        case 0: return check_header(input);
        case 1: return check_driver(input);
        case 2: return check_coalesced(input);
        case 3: return check_udp_run(input);
    }
}

std::vector<Bytes> seeds() {
    using Header = wire::VirtioNetHeader;
    std::vector<Bytes> seeds;
    for (const bool ipv6 : {false, true}) {
        const auto ip = [&] {
            Packet packet;
            packet.eth();
            return ipv6 ? packet.ipv6("fd00::1", "fd00::2") : packet.ipv4("10.0.0.1", "10.0.0.2");
        };
        const uint16_t l4 = ipv6 ? 54 : 34;
        const uint8_t gso = ipv6 ? Header::kGsoTcpv6 : Header::kGsoTcpv4;
        const Bytes segment = ip().tcp(1234, 80).payload(700).unfinished();
        const Header asks{Header::kNeedsChecksum, gso, static_cast<uint16_t>(l4 + 20), 256, l4, 16};
        const Header checksum{Header::kNeedsChecksum, 0, 0, 0, l4, 6};
        seeds.push_back(Output().byte(0).byte(0).add(header_of(asks)).add(segment));
        seeds.push_back(Output().byte(0).byte(2).byte(30).byte(5).add(header_of(asks)).add(segment));
        seeds.push_back(Output().byte(0).byte(0).add(header_of(checksum)).add(
            Bytes(ip().udp(7, 7).payload(40).unfinished())));
        seeds.push_back(Output().byte(0).byte(0).add(header_of(checksum)).add(
            Bytes(ip().udp(1, 4789).vxlan(7).eth().ipv4("10.1.0.1", "10.1.0.2").tcp(1, 2).payload(10))));
        seeds.push_back(Output().byte(1).byte(0).byte(7).word(256).add(segment));
        seeds.push_back(Output().byte(1).byte(0).byte(6).word(0).add(segment));
        for (const bool unfinished : {false, true}) {
            Output coalesced, datagrams;
            coalesced.byte(2).byte(unfinished);
            datagrams.byte(3).byte(unfinished);
            for (uint16_t i = 0; i < 3; ++i) {
                Packet tcp = ip();
                if (!ipv6) tcp.id(i);
                tcp.tcp(1234, 80, test::kAck, 1 + i * 256u).payload(256);
                Packet udp = ip();
                if (!ipv6) udp.id(i);
                udp.udp(5000, 4789).payload(256);
                if (unfinished) tcp.unfinished(), udp.unfinished();
                else udp.without_checksum();
                const Bytes t = tcp, u = udp;
                coalesced.word(static_cast<uint32_t>(t.size())).add(t);
                datagrams.word(static_cast<uint32_t>(u.size())).add(u);
            }
            seeds.push_back(coalesced);
            seeds.push_back(datagrams);
        }
    }
    return seeds;
}

std::vector<std::string> words() { return {}; }

}  // namespace sluice::fuzz
