#include "path/tuple_address.h"

#include <gtest/gtest.h>

#include <array>

namespace sluice::path {
namespace {

struct End {
    const char* address;
    uint16_t port;
};

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

Tuple tuple_of(wire::Protocol protocol, const End& from, const End& to) {
    Tuple tuple;
    const IpAddress source = ip(from.address);
    const IpAddress destination = ip(to.address);
    if (source.is_v4()) {
        tuple.key.addresses = wire::be32(source.v4()).raw() | uint64_t{wire::be32(destination.v4()).raw()} << 32;
    } else {
        tuple.ipv6 = {source.bytes, destination.bytes};
        tuple.key.addresses = digest(tuple.ipv6.source.data(), tuple.ipv6.destination.data());
    }
    const uint32_t ports = wire::be16(from.port).raw() | uint32_t{wire::be16(to.port).raw()} << 16;
    tuple.key.rest =
        TupleKey::make_rest(ports, static_cast<uint8_t>(protocol), source.is_v4() ? 4 : 6, FlowDomain{5});
    return tuple;
}

constexpr wire::Protocol kTcp = wire::Protocol::kTcp;

TEST(TupleAddress, AnEndIsReplaced) {
    for (const auto& [a, b, c] :
         {std::array{"10.0.0.1", "10.96.0.1", "10.1.2.3"}, std::array{"fd00::1", "fd00:96::1", "fd00:1::3"}}) {
        Tuple tuple = tuple_of(kTcp, {a, 40'000}, {b, 80});
        EXPECT_EQ(source_of(tuple), ip(a));
        EXPECT_EQ(destination_of(tuple), ip(b));
        set_destination(tuple, ip(c), 8080);
        EXPECT_EQ(tuple, tuple_of(kTcp, {a, 40'000}, {c, 8080}));
        set_source(tuple, ip(b), 50'000);
        EXPECT_EQ(tuple, tuple_of(kTcp, {b, 50'000}, {c, 8080}));
    }
}

TEST(TupleAddress, AProtocolWithoutPortsHasNone) {
    Tuple tuple = tuple_of(wire::Protocol{47}, {"10.0.0.1", 0}, {"10.0.0.2", 0});
    set_source(tuple, ip("10.0.0.3"), 40'000);
    set_destination(tuple, ip("10.0.0.4"), 80);
    EXPECT_EQ(tuple, tuple_of(wire::Protocol{47}, {"10.0.0.3", 0}, {"10.0.0.4", 0}));
}

TEST(TupleAddress, BetweenTwo) {
    const Tuple one = tuple_of(kTcp, {"10.0.0.1", 40'000}, {"10.96.0.1", 80});
    const Tuple other = tuple_of(kTcp, {"192.0.2.1", 50'000}, {"10.1.2.3", 8080});
    EXPECT_EQ(between(one, other), tuple_of(kTcp, {"10.0.0.1", 40'000}, {"10.1.2.3", 8080}));
}

}  // namespace
}  // namespace sluice::path
