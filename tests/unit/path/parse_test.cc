#include "path/parse.h"

#include <gtest/gtest.h>

#include "support/eal.h"
#include "support/packet.h"

namespace sluice::path {
namespace {

struct NoTables {};

// Through Parse, on heap blocks of exactly the frame's size.
Meta parsed(const test::Bytes& frame, bool* admitted, const std::vector<size_t>& chain = {}) {
    rte_mbuf* packet = test::to_guarded_mbuf(test::test_pool(), frame, chain);
    Meta meta{};
    *admitted = Parse::admit(meta, packet, NoTables{});
    rte_pktmbuf_free(packet);
    return meta;
}

TEST(Parse, ReadsBothAddresses) {
    bool admitted = false;
    const Meta meta =
        parsed(test::Packet().eth("02:11:22:33:44:55", "06:66:77:88:99:aa").payload(46), &admitted);
    EXPECT_TRUE(admitted);
    EXPECT_EQ(meta.fate, Fate::kPending);
    EXPECT_EQ(meta.source_mac, 0x5544'3322'1102u);
    EXPECT_EQ(meta.destination_mac, 0xaa99'8877'6606u);
}

TEST(Parse, AnEthernetHeaderAloneIsEnough) {
    bool admitted = false;
    const Meta meta = parsed(test::Packet().eth(test::kMacA, test::kMacB), &admitted);
    EXPECT_TRUE(admitted);
    EXPECT_EQ(meta.source_mac, 0x0a00'0000'0002u);
    EXPECT_EQ(meta.destination_mac, 0x0b00'0000'0002u);
}

TEST(Parse, LessThanAnEthernetHeaderIsARunt) {
    for (size_t size : {1, 6, 12, 13}) {
        bool admitted = true;
        const Meta meta = parsed(test::pattern(size), &admitted);
        EXPECT_FALSE(admitted) << size;
        EXPECT_EQ(meta.fate, Fate::kDrop);
        EXPECT_EQ(meta.reason, Drop::kRunt);
    }
}

TEST(Parse, AHeaderSpreadOverBuffersIsARunt) {
    bool admitted = true;
    const Meta meta = parsed(test::Packet().eth().payload(46), &admitted, {13});
    EXPECT_FALSE(admitted);
    EXPECT_EQ(meta.reason, Drop::kRunt);
}

TEST(Parse, GroupBitIsTheFirstOctetsLowest) {
    const auto key = [](std::string_view mac) {
        test::Bytes bytes = test::mac_bytes(mac);
        bytes.resize(8, 0xee);  // what follows the address doesn't count
        return mac_key(bytes.data());
    };
    EXPECT_TRUE(is_group(key("ff:ff:ff:ff:ff:ff")));
    EXPECT_TRUE(is_group(key("01:00:00:00:00:00")));
    EXPECT_FALSE(is_group(key("02:01:01:01:01:01")));
    EXPECT_EQ(key("00:00:00:00:00:00"), 0u);
    EXPECT_EQ(key("00:00:00:00:00:01"), 0x0100'0000'0000u);
}

}  // namespace
}  // namespace sluice::path
