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

// A look-up would keep the control thread waiting for a name server.
TEST(Filter, LooksNoNamesUp) {
    const auto refused = [](const std::string& text) -> std::string {
        const auto filter = Filter::compile(text);
        if (filter) return "";
        const std::string& message = filter.error().message;
        return message.find("not looked up") == message.npos ? "(compiled)"
                                                             : message.substr(0, message.find(" is no"));
    };
    for (const auto& [text, word] : std::vector<std::pair<std::string, std::string>>{
             {"host example", "'example'"},
             {"host www.example.org and tcp", "'www.example.org'"},
             {"tcp and (src example)", "'example'"},
             {"net home", "'home'"},
             {"gateway 10.0.0.1", "'gateway'"},
             {"ether host router", "'router'"},
             {"port http", "'http'"},
             {"portrange http-https", "'http-https'"},
             {"portrange 80-https", "'80-https'"},
             {"ip proto ospf", "'ospf'"},
             {"host \\tcp", "'\\tcp'"},
             {"ip proto \\ospf", "'\\ospf'"},
             {"host TCP", "'TCP'"},
             {"host tcp.", "'tcp.'"},
             {"host 10.0.0.1.", "'10.0.0.1.'"},
             {"host 10.0.0.1.2", "'10.0.0.1.2'"},
             {"host ::1.2.3.999", "'::1.2.3.999'"},
             {"host fd00::zz", "'fd00::zz'"},
             {"host fe80::1%eth0", "'eth0'"},
             {"host dead", "'dead'"},
             {"host dead:beef", "'dead:beef'"},
             {"host ex$ample", "'ex'"},
             {std::string("tcp\0and", 7), "'\\x00'"},
             {"host b\xc3\xbc", "'b'"},
         }) {
        EXPECT_EQ(refused(text), word) << text;
    }
    EXPECT_FALSE(Filter::compile(std::string(1001, ' ')));
}

TEST(Filter, TakesTheLanguageWithItsNumbers) {
    for (const char* text : {"host 10.0.0.1",
                             "net 10",
                             "net 10.0.0.0/8",
                             "net 10.0.0.0 mask 255.0.0.0",
                             "src net 10.1",
                             "ip6 host fd00::1",
                             "net fd00::/64",
                             "host ::1",
                             "host 2001:db8:0:0:0:0:0:1",
                             "ether host 02:00:00:00:00:0a",
                             "ether src 2:0:0:0:0:a",
                             "ether dst 02-00-00-00-00-0a",
                             "port 80",
                             "tcp portrange 80-90",
                             "not port 22",
                             "!(tcp or udp)",
                             "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
                             "tcp[13:1] & 2 != 0",
                             "ip[2:2] - 4 > 0x40",
                             "icmp[icmptype] == icmp-echo",
                             "ether proto 0x0806",
                             "ether proto \\ip",
                             "ip proto \\tcp",
                             "ip proto 89",
                             "vlan 5 && ip6",
                             "mpls",
                             "len <= 100",
                             "greater 100",
                             "less 100",
                             "ether broadcast",
                             "ip multicast",
                             "icmp6",
                             "stp",
                             "llc",
                             "arp or rarp",
                             "(tcp port 80 or 443) and host 10.0.0.1",
                             "ether[0] & 1 = 0",
                             "src or dst host 10.0.0.1"}) {
        const auto filter = Filter::compile(text);
        EXPECT_TRUE(filter) << text << ": " << filter.error().message;
    }
}

}  // namespace
}  // namespace sluice::wire
