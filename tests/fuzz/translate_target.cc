// What NAT writes into a packet: any frame that has a connection, and any ICMP error about one, gets other addresses
// and ports. Nothing beyond its headers may change, what was right stays right, the packet then reads as that of the
// other connection, and undone it is what it was.
#include "fuzz/frames.h"
#include "fuzz/repair.h"
#include "fuzz/rows.h"
#include "nat/translate.h"
#include "path/tuple_address.h"
#include "wire/ip_check.h"
#include "wire/layers.h"

namespace sluice::fuzz {
namespace {

constexpr path::FlowDomain kDomain{7};
constexpr uint16_t kIp = sizeof(wire::EthernetHeader);

path::Connection read(rte_mbuf* m) {
    wire::gather_headers(m, 128);
    path::Connection connection{};
    path::read_connection(m, kDomain, connection);
    return connection;
}

// Only what a router lets pass is translated.
bool is_routed(const rte_mbuf* m) {
    switch (wire::ether_type(m)) {
        case wire::EtherType::kIpv4: return wire::check_ipv4(m, kIp) == wire::IpCheck::kValid;
        case wire::EtherType::kIpv6: return wire::check_ipv6(m, kIp) == wire::IpCheck::kValid;
        default: return false;
    }
}

struct Choice {
    bool has_source;
    bool has_destination;
    uint8_t source;
    uint8_t destination;
    uint16_t source_port;
    uint16_t destination_port;
};
Choice take_choice(Input& input) {
    const uint8_t what = input.byte();
    return {(what & 1) != 0, (what & 2) != 0, input.byte(), input.byte(), input.word(), input.word()};
}

path::Tuple other_than(path::Tuple tuple, const Choice& choice) {
    const bool has_ports = wire::has_ports(static_cast<uint8_t>(tuple.key.protocol()));
    const auto address = [&](uint8_t last) {
        return tuple.key.is_ipv6() ? *IpAddress::parse(fmt::format("2001:db8:ffff:{:x}::{:x}", last * 257, last))
                                   : IpAddress::from_v4(0xc000'0200U + last);
    };
    const bool is_echo = tuple.key.is_icmp();
    if (choice.has_source)
        path::set_source(tuple, address(choice.source), has_ports || is_echo ? choice.source_port : uint16_t{0});
    if (choice.has_destination) {
        path::set_destination(tuple, address(choice.destination),
                              has_ports ? choice.destination_port : tuple.key.destination_port().host());
    }
    return tuple;
}

// A checksum of zeros may come back as one of ones. (UDP's and SCTP's don't.)
bool is_same(test::Bytes before, test::Bytes after) {
    if (before.size() != after.size()) return false;
    for (size_t i = 0; i < before.size(); ++i) {
        const bool is_zero = (before[i] == 0 && after[i] == 0xff) || (before[i] == 0xff && after[i] == 0);
        if (before[i] != after[i] && !is_zero) return false;
    }
    return true;
}

// The checker of checksums goes by the port: a tunnel's packet may have none over IPv6 (RFC 6935), and holds
// another.
bool is_vxlan(const path::Tuple& tuple) {
    return tuple.key.protocol() == wire::Protocol::kUdp &&
           tuple.key.destination_port().host() == wire::VxlanHeader::kPort;
}

void check_connection(rte_mbuf* m, const path::Connection& connection, const Choice& choice, bool is_right) {
    const test::Bytes before = test::bytes_of(m);
    const nat::Change change{connection.tuple(), other_than(connection.tuple(), choice)};
    if (!nat::translate(m, connection, change)) {
        must(test::bytes_of(m) == before, "not translated, and another packet");
        return;
    }
    check_sound(m, "a translated packet");
    if (is_right && is_vxlan(change.arrives) == is_vxlan(change.leaves))
        must(test::checksums_valid(test::bytes_of(m)), "a translated packet: a wrong checksum");
    const path::Connection now = read(m);
    must(now.kind == connection.kind && now.tuple() == change.leaves, "a translated packet is of another connection");
    must(nat::translate(m, now, change.undone()), "what was translated can't be undone");
    must(is_same(before, test::bytes_of(m)), "undone it is another packet");
}

void check_error(rte_mbuf* m, const path::Connection& connection, const Choice& choice, bool is_right) {
    path::Tuple quoted;
    if (!path::read_quoted(m, connection, quoted)) return;
    const test::Bytes before = test::bytes_of(m);
    const nat::Change change{other_than(quoted, choice), quoted};
    if (!nat::translate_error(m, connection, change)) {
        must(test::bytes_of(m) == before, "not translated, and another error");
        return;
    }
    check_sound(m, "a translated error");
    if (is_right) must(test::checksums_valid(test::bytes_of(m)), "a translated error: a wrong checksum");
    const path::Connection now = read(m);
    path::Tuple shown;
    must(now.kind == connection.kind && path::read_quoted(m, now, shown), "a translated error is none");
    must(shown == change.arrives, "a translated error quotes another packet");
    must(path::destination_of(now.tuple()) == path::source_of(change.arrives), "a translated error goes elsewhere");
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    const auto chain = take_chain(input);
    const Choice choice = take_choice(input);
    const bool is_repaired = input.flag();
    test::Bytes frame = copy_of(input.rest());
    if (frame.size() < kIp || frame.size() > 65535) return;
    if (is_repaired) (void)Repair{frame};
    const bool is_right = test::checksums_valid(frame);
    // In one block without room to spare, and in a chain of buffers.
    for (const bool is_chained : {false, true}) {
        const Frame held(is_chained ? test::to_mbuf(test::test_pool(), frame, chain)
                                    : test::to_guarded_mbuf(test::test_pool(), frame));
        rte_mbuf* m = held.get();
        const path::Connection connection = read(m);
        if (connection.ip == nullptr || connection.ip != rte_pktmbuf_mtod(m, const uint8_t*) + kIp || !is_routed(m))
            continue;
        switch (connection.kind) {
            case path::PacketKind::kConnection:
            case path::PacketKind::kProtocol: check_connection(m, connection, choice, is_right); break;
            case path::PacketKind::kIcmpError: check_error(m, connection, choice, is_right); break;
            case path::PacketKind::kLaterFragment: {
                const nat::Change change{connection.tuple(), other_than(connection.tuple(), choice)};
                (void)nat::translate_later_fragment(m, connection, change);
                check_sound(m, "a translated fragment");
                break;
            }
            default: break;
        }
    }
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> seeds;
    uint32_t next = 0;
    for (const golden::Row& row : golden_rows()) {
        for (const golden::In& in : row.in) {
            Output seed;
            if (next++ % 2 == 0) seed.byte(0);
            else seed.byte(2).byte(20).byte(8);
            seeds.push_back(seed.byte(next).byte(next).byte(7).word(1024 + next).word(80).byte(1).add(in.frame));
        }
    }
    return seeds;
}

std::vector<std::string> words() { return {}; }

}  // namespace sluice::fuzz
