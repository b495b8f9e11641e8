#include "wire/address.h"

#include <gtest/gtest.h>

namespace sluice::wire {
namespace {

Ipv6Bytes bytes_of(const char* text) { return IpAddress::parse(text)->bytes; }

TEST(Address, LinkLocalOfMac) {
    // RFC 2464, 4 has this example.
    EXPECT_EQ(link_local_of({0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde}).text(), "fe80::3656:78ff:fe9a:bcde");
    EXPECT_EQ(link_local_of({0x02, 0, 0, 0, 0, 0x0a}).text(), "fe80::ff:fe00:a");
}

TEST(Address, SolicitedNode) {
    // RFC 4291, 2.7.1 has this example.
    EXPECT_EQ(solicited_node_of(bytes_of("4037::1:800:200e:8c6c")), bytes_of("ff02::1:ff0e:8c6c"));
}

TEST(Address, MacOfMulticastAddress) {
    const MacBytes expected{0x33, 0x33, 0xff, 0x0e, 0x8c, 0x6c};
    EXPECT_EQ(multicast_mac_of(bytes_of("ff02::1:ff0e:8c6c")), expected);
    EXPECT_TRUE(is_group(expected));
    EXPECT_TRUE(is_group(kBroadcastMac));
    EXPECT_FALSE(is_group({0x02, 1, 1, 1, 1, 1}));
}

TEST(Address, OfBothFamilies) {
    EXPECT_EQ(address_of(be32(0x0a000001)), *IpAddress::parse("10.0.0.1"));
    EXPECT_EQ(address_of(bytes_of("fd00::1")), *IpAddress::parse("fd00::1"));
    EXPECT_EQ(address_of(kAllNodes).text(), "ff02::1");
}

}  // namespace
}  // namespace sluice::wire
