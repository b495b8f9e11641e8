#include "wire/filter.h"

#include <gtest/gtest.h>

#include "support/eal.h"
#include "support/packet.h"

namespace sluice::wire {
namespace {

using test::Packet;

bool matches(const std::string& text, const test::Bytes& frame, const std::vector<size_t>& chain = {}) {
    auto filter = Filter::compile(text);
    EXPECT_TRUE(filter) << text;
    rte_mbuf* m = test::to_mbuf(test::test_pool(), frame, chain);
    const bool matched = filter->matches(m);
    rte_pktmbuf_free(m);
    return matched;
}

TEST(Filter, IsTcpdumpsLanguage) {
    const Packet tcp = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1234, 80).payload(10);
    EXPECT_TRUE(matches("", tcp));
    EXPECT_TRUE(matches("tcp port 80 and src host 10.0.0.1", tcp));
    EXPECT_FALSE(matches("udp", tcp));
    EXPECT_TRUE(matches("vlan 5 and ip6", Packet().eth().vlan(5).ipv6("fd00::1", "fd00::2").udp(1, 2)));
    EXPECT_TRUE(matches("ether src 02:00:00:00:00:0a and len > 1000", Packet().eth().payload(2000)));
}

TEST(Filter, ReadsOverSegments) {
    const Packet tcp = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1234, 80).payload(10);
    EXPECT_TRUE(matches("tcp dst port 80", tcp, {14, 10, 11}));
}

TEST(Filter, SaysWhatIsWrong) {
    auto filter = Filter::compile("tcp prot 80");
    ASSERT_FALSE(filter);
    EXPECT_NE(filter.error().message.find("pcap-filter"), std::string::npos);
}

}  // namespace
}  // namespace sluice::wire
