// Everything that reads one frame and needs no table: each gets the same frame, spread over buffers by chance.
// What they make of it (answers, fragments, what a tunnel held) must be whole.
#include "fuzz/frames.h"
#include "fuzz/rows.h"
#include "path/tuple.h"
#include "vxlan/decapsulate.h"
#include "wire/flow_hash.h"
#include "wire/fragment.h"
#include "wire/icmp.h"
#include "wire/ip_check.h"
#include "wire/layers.h"
#include "wire/neighbor_message.h"
#include "wire/tcp_reset.h"
#include "wire/unfinished.h"
#include "wire/vlan.h"

namespace sluice::fuzz {
namespace {

constexpr uint16_t kIp = sizeof(wire::EthernetHeader);

void check_made(rte_mbuf* m, wire::EtherType type, std::string_view what) {
    if (m == nullptr) return;
    const Frame made(m);
    check_sound(m, what);
    rte_pktmbuf_mtod(m, wire::EthernetHeader*)->type = wire::be16(static_cast<uint16_t>(type));
    must(test::checksums_valid(test::bytes_of(m)), "{}: a wrong checksum or length", what);
}

// What the fragments carry together is what the packet carried.
void check_fragments(const rte_mbuf* m, uint16_t mtu) {
    const auto& ip = *rte_pktmbuf_mtod_offset(m, const wire::Ipv4Header*, kIp);
    const uint32_t payload = ip.total_size.host() - ip.header_size();
    wire::Fragmenter fragmenter(m, kIp, mtu, test::test_pool());
    uint32_t sum = 0;
    while (rte_mbuf* next = fragmenter.next()) {
        const Frame fragment(next);
        check_sound(next, "fragment");
        must(wire::check_ipv4(next, kIp) == wire::IpCheck::kValid, "a fragment has an invalid header");
        must(next->pkt_len <= uint32_t{kIp} + mtu, "a fragment of {} bytes at an MTU of {}", next->pkt_len, mtu);
        const auto& header = *rte_pktmbuf_mtod_offset(next, const wire::Ipv4Header*, kIp);
        sum += header.total_size.host() - header.header_size();
    }
    if (!fragmenter.failed()) must(sum == payload, "{} bytes of {} in fragments", sum, payload);
}

void check_ip(const rte_mbuf* m, wire::EtherType type, uint16_t mtu) {
    using Kind = wire::IcmpErrorKind;
    const bool v4 = type == wire::EtherType::kIpv4;
    const auto check = v4 ? wire::check_ipv4(m, kIp) : wire::check_ipv6(m, kIp);
    if (check != wire::IpCheck::kValid) return;
    const IpAddress own = v4 ? IpAddress::from_v4(0x0a000001) : *IpAddress::parse("fd00::1");
    for (const Kind kind : {Kind::kNoRoute, Kind::kHostUnreachable, Kind::kProhibited, Kind::kProtocolUnreachable,
                            Kind::kPortUnreachable, Kind::kTooBig, Kind::kTimeExceeded}) {
        if (!wire::may_answer_with_error(m, kIp, kind)) continue;
        check_made(wire::build_icmp_error(test::test_pool(), m, kIp, {kind, mtu}, own), type, "an ICMP error");
    }
    check_made(wire::build_tcp_reset(test::test_pool(), m, kIp), type, "a reset");
    (void)wire::classify_local(m, kIp);
    if (const auto report = wire::read_icmp_report(m, kIp)) {
        must(report->rest <= report->end && report->end <= m->pkt_len, "a quote beyond the frame");
    }
    if (v4) check_fragments(m, mtu);
}

void check_echo(const test::Bytes& bytes, const std::vector<size_t>& chain, wire::EtherType type) {
    const Frame frame(test::to_guarded_mbuf(test::test_pool(), bytes, chain));
    const bool v4 = type == wire::EtherType::kIpv4;
    if ((v4 ? wire::check_ipv4(frame.get(), kIp) : wire::check_ipv6(frame.get(), kIp)) != wire::IpCheck::kValid) return;
    if (wire::make_echo_reply(frame.get(), kIp)) {
        check_sound(frame.get(), "an echo reply");
        must(test::checksums_valid(test::bytes_of(frame.get())), "an echo reply: a wrong checksum");
    } else {
        must(test::bytes_of(frame.get()) == bytes, "no echo reply, and another frame");
    }
}

void check_tunnel(const test::Bytes& bytes, const std::vector<size_t>& chain) {
    const Frame frame(test::to_guarded_mbuf(test::test_pool(), bytes, chain));
    vxlan::Outer outer{};
    const auto outcome = vxlan::examine(frame.get(), wire::be16(wire::VxlanHeader::kPort), outer);
    if (outcome != vxlan::Outcome::kAccepted && outcome != vxlan::Outcome::kTagged) return;
    must(outer.size + kIp <= outer.end && outer.end <= frame->pkt_len, "a tunnel without a frame");
    const uint32_t size = outer.end - outer.size;
    vxlan::strip(frame.get(), outer);
    check_sound(frame.get(), "a frame out of a tunnel");
    must(frame->pkt_len == size && frame->data_len >= kIp, "{} bytes of {} out of a tunnel", frame->pkt_len, size);
}

void check_connection(const rte_mbuf* m) {
    path::Connection connection{};
    path::read_connection(m, path::FlowDomain{7}, connection);
    if (connection.kind == path::PacketKind::kConnection) {
        must(connection.tuple().reversed().reversed() == connection.tuple(), "a tuple reversed twice is another");
    }
    if (connection.kind == path::PacketKind::kIcmpError) {
        path::Tuple quoted;
        (void)path::read_quoted(m, connection, quoted);
    }
    if (connection.first_fragment || connection.kind == path::PacketKind::kLaterFragment) {
        const auto part = path::fragment_part(m, connection);
        must(part.begin <= part.end, "a fragment that ends before it begins");
    }
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    const auto chain = take_chain(input);
    const auto mtu = static_cast<uint16_t>(68 + input.word() % 9000);
    const test::Bytes frame = copy_of(input.rest());
    if (frame.size() < kIp || frame.size() > 65535) return;

    {
        const Frame whole(test::to_guarded_mbuf(test::test_pool(), frame));
        const Frame spread(test::to_guarded_mbuf(test::test_pool(), frame, chain));
        must(wire::flow_hash(whole.get()) == wire::flow_hash(spread.get()), "another flow in a chain of buffers");
        const rte_mbuf* m = spread.get();
        if (const auto layers = wire::find_layers(m)) {
            must(layers->payload() <= layers->end && layers->end <= m->pkt_len, "layers beyond the frame");
        }
        (void)wire::read_neighbor_message(m);
        check_connection(m);
        const auto type = wire::ether_type(m);
        if (type == wire::EtherType::kIpv4 || type == wire::EtherType::kIpv6) {
            check_ip(m, type, mtu);
            check_echo(frame, chain, type);
        }
        must(test::bytes_of(m) == frame, "what only reads has written");
    }
    check_tunnel(frame, chain);
    const Frame kernel(test::to_guarded_mbuf(test::test_pool(), frame, chain));
    (void)wire::recover_unfinished(kernel.get());
    check_sound(kernel.get(), "a kernel's frame");
    (void)wire::pop_priority_tag(kernel.get());
    check_sound(kernel.get(), "a frame without its priority tag");
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> seeds;
    uint32_t next = 0;
    for (const golden::Row& row : golden_rows()) {
        for (const golden::In& in : row.in) {
            Output seed;
            if (next++ % 2 == 0) seed.byte(0);
            else seed.byte(2).byte(20).byte(8);
            seeds.push_back(seed.word(next * 100).add(in.frame));
        }
    }
    return seeds;
}

std::vector<std::string> words() { return {}; }

}  // namespace sluice::fuzz
