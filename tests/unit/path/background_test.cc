#include "path/background.h"

#include <gtest/gtest.h>

#include <memory>

#include "path/counters.h"
#include "support/eal.h"
#include "support/packet.h"

namespace sluice::path {
namespace {

using test::Bytes;
using test::Packet;

constexpr std::string_view kAll = "ff:ff:ff:ff:ff:ff";
constexpr std::string_view kAllV6 = "33:33:00:00:00:16";
constexpr std::string_view kLinkLocal = "fe80::ff:fe00:a";

bool is_background_frame(const Bytes& frame, const std::vector<size_t>& chain = {}) {
    rte_mbuf* packet = test::to_guarded_mbuf(test::test_pool(), frame, chain);
    const bool found = is_background(packet);
    rte_pktmbuf_free(packet);
    return found;
}

Packet icmpv6(uint8_t type, std::string_view to, std::string_view from = kLinkLocal,
              std::string_view mac = kAllV6) {
    return Packet().eth(test::kMacA, mac).ipv6(from, to).icmp(type, 0, 0).payload(16);
}
Packet mld_report() {
    return Packet().eth(test::kMacA, kAllV6).ipv6(kLinkLocal, "ff02::16").extension(0, 8).icmp(143, 0, 1).payload(20);
}
Packet udp(std::string_view to, uint16_t port, std::string_view mac = kAll) {
    return Packet().eth(test::kMacA, mac).ipv4("10.0.0.1", to).udp(port, port).payload(20);
}
Packet arp(std::string_view sender, std::string_view target) {
    return Packet().eth(test::kMacA, kAll).arp_request(test::kMacA, sender, target);
}

TEST(Background, IsWhatEveryHostSaysUnasked) {
    for (const Bytes& frame : std::vector<Bytes>{
             mld_report(), icmpv6(131, "ff02::1:ff00:1"), icmpv6(130, "ff02::1"), icmpv6(132, "ff02::2"),
             icmpv6(133, "ff02::2"), icmpv6(135, "ff02::1:ff00:1", "::"), icmpv6(136, "ff02::1"),
             arp("10.0.0.1", "10.0.0.1"), arp("0.0.0.0", "10.0.0.1"), udp("224.0.0.251", 5353),
             udp("224.0.0.252", 5355), udp("239.255.255.250", 1900), udp("239.255.255.250", 3702),
             udp("10.0.0.255", 137), udp("10.0.0.255", 138),
             Packet().eth(test::kMacA, "01:00:5e:00:00:16").ipv4("10.0.0.1", "224.0.0.22", 2).options(4).payload(16),
             Packet().eth(test::kMacA, kAllV6).ipv6(kLinkLocal, "ff02::fb").udp(5353, 5353).payload(20),
             Packet().eth(test::kMacA, kAllV6).vlan(5).ipv6(kLinkLocal, "ff02::fb").udp(5353, 5353).payload(20)}) {
        EXPECT_TRUE(is_background_frame(frame)) << testing::PrintToString(frame);
    }
}

TEST(Background, IsNothingThatSomebodyWaitsFor) {
    for (const Bytes& frame : std::vector<Bytes>{
             arp("10.0.0.1", "10.0.0.2"), icmpv6(135, "ff02::1:ff00:1"), icmpv6(128, "ff02::1"),
             icmpv6(134, "ff02::1"), udp("255.255.255.255", 67), udp("224.0.0.9", 520),
             udp("10.0.0.2", 5353, test::kMacB), icmpv6(143, "ff02::16", kLinkLocal, test::kMacB),
             Packet().eth(test::kMacA, kAll).ipv4("10.0.0.1", "224.0.0.251").fragment(185).payload(20),
             Packet().eth(test::kMacA, kAll).payload(50)}) {
        EXPECT_FALSE(is_background_frame(frame)) << testing::PrintToString(frame);
    }
}

TEST(Background, ReadsNoFurtherThanTheFrame) {
    for (const Bytes& whole : std::vector<Bytes>{mld_report(), udp("224.0.0.251", 5353), arp("10.0.0.1", "10.0.0.1")}) {
        for (size_t size = 0; size < whole.size(); ++size) {
            is_background_frame(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)));
        }
        EXPECT_TRUE(is_background_frame(whole, {15, 20, 9}));
    }
}

class BackgroundDrop : public testing::Test {
 protected:
    void drop(const Bytes& frame, Drop reason) {
        rte_mbuf* packet = test::to_guarded_mbuf(test::test_pool(), frame);
        counters_->drop(PortId{1}, reason, packet, {.ingress = PortId{1}, .object = 9, .count = 2});
        rte_pktmbuf_free(packet);
    }
    uint64_t count(Drop reason) const { return counters_->totals.dropped[static_cast<size_t>(reason)].get(); }

    std::unique_ptr<Counters> counters_ = std::make_unique<Counters>();
};

TEST_F(BackgroundDrop, IsCountedAndRecordedApart) {
    counters_->log.set_time(77);
    for (const Drop reason : {Drop::kNoMember, Drop::kFlatNetwork, Drop::kDenied, Drop::kRejected}) {
        drop(mld_report(), reason);
        EXPECT_EQ(count(reason), 0u);
    }
    EXPECT_EQ(count(Drop::kBackground), 8u);
    EXPECT_TRUE(counters_->log.recent().empty());
    ASSERT_EQ(counters_->background.recent().size(), 4u);
    const DropRecord record = counters_->background.recent().back();
    EXPECT_EQ(record.reason, Drop::kBackground);
    EXPECT_EQ(record.object, 9u);
    EXPECT_EQ(record.time, 77u);
}

TEST_F(BackgroundDrop, IsNotWhatIsAnyPacketsReason) {
    drop(mld_report(), Drop::kSpoofedMac);
    drop(arp("10.0.0.1", "10.0.0.2"), Drop::kNoMember);
    EXPECT_EQ(count(Drop::kSpoofedMac), 2u);
    EXPECT_EQ(count(Drop::kNoMember), 2u);
    EXPECT_EQ(count(Drop::kBackground), 0u);
    EXPECT_EQ(counters_->log.recent().size(), 2u);
}

}  // namespace
}  // namespace sluice::path
