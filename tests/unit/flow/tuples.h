// Tuples, decisions and packets for the tests of flows.
#pragma once

#include <rte_mbuf.h>

#include <cstring>
#include <string>
#include <string_view>

#include "flow/flow_table.h"
#include "path/tuple.h"
#include "support/packet.h"

namespace sluice::flow {

inline path::Tuple tuple4(uint32_t source, uint32_t destination, uint16_t source_port,
                          uint16_t destination_port,
                          wire::Protocol protocol = wire::Protocol::kUdp, uint16_t domain = 0) {
    path::Tuple tuple;
    tuple.key = {uint64_t{wire::be32(source).raw()} | uint64_t{wire::be32(destination).raw()} << 32,
                 path::TupleKey::make_rest(wire::be16(source_port).raw() |
                                               uint32_t{wire::be16(destination_port).raw()} << 16,
                                           static_cast<uint8_t>(protocol), 4, path::FlowDomain{domain})};
    return tuple;
}

// A different one for each number, and none the answer of another.
inline path::Tuple tuple_of(uint32_t n, wire::Protocol protocol = wire::Protocol::kUdp) {
    return tuple4(0x0a00'0000 + n / 1000, 0xc000'0201, static_cast<uint16_t>(1024 + n % 1000), 53, protocol);
}

inline path::Tuple tuple6(uint16_t source, uint16_t destination, uint16_t source_port,
                          uint16_t destination_port) {
    path::Tuple tuple;
    auto put = [](wire::Ipv6Bytes& bytes, uint16_t n) {
        bytes = {0x20, 0x01, 0x0d, 0xb8};
        bytes[14] = static_cast<uint8_t>(n >> 8);
        bytes[15] = static_cast<uint8_t>(n);
    };
    put(tuple.ipv6.source, source);
    put(tuple.ipv6.destination, destination);
    tuple.key = {path::digest(tuple.ipv6.source.data(), tuple.ipv6.destination.data()),
                 path::TupleKey::make_rest(wire::be16(source_port).raw() |
                                               uint32_t{wire::be16(destination_port).raw()} << 16,
                                           static_cast<uint8_t>(wire::Protocol::kUdp), 6, {})};
    return tuple;
}

inline Decision allowed(uint32_t generation = 1, uint16_t ingress = 1, uint16_t egress = 2) {
    return {.generation = generation,
            .ingress = path::PortId{ingress},
            .egress = path::PortId{egress},
            .hop = 0,
            .verdict = Verdict::kAllow,
            .objects = {11, 12}};
}

// A connection without its packet: of other protocols than TCP and SCTP that is all that track() looks at.
struct Bare {
    explicit Bare(const path::Tuple& tuple) {
        connection.key = tuple.key;
        connection.kind = path::PacketKind::kConnection;
        connection.ip = bytes;
        m.buf_addr = bytes;
        m.data_off = 0;
        m.data_len = sizeof bytes;
    }
    Bare(const Bare&) = delete;

    uint8_t bytes[64] = {};
    path::Connection connection{};
    rte_mbuf m{};
};

}  // namespace sluice::flow
