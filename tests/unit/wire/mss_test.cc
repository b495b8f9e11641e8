#include "wire/mss.h"

#include <gtest/gtest.h>

#include "support/eal.h"
#include "support/packet.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

constexpr uint8_t kSyn = 0x02;

// A SYN with these options, which are filled up with no-operations; its TCP header begins at 34.
Bytes syn(const Bytes& options) {
    Bytes frame = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, kSyn).options(12).payload(3).bytes();
    std::copy(options.begin(), options.end(), frame.begin() + 54);
    // Its checksum: made right by what the test knows of sums.
    const auto word = [&](size_t at) {
        return static_cast<unsigned>(frame[at] << 8 | (at + 1 < frame.size() ? frame[at + 1] : 0));
    };
    frame[50] = frame[51] = 0;
    unsigned long sum = 6 + (frame.size() - 34);
    for (size_t at = 26; at < frame.size(); at += 2) sum += word(at);
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
    frame[50] = static_cast<uint8_t>(~sum >> 8);
    frame[51] = static_cast<uint8_t>(~sum);
    return frame;
}

Bytes clamped(const Bytes& frame, uint16_t most, const std::vector<size_t>& chain = {}) {
    rte_mbuf* m = test::to_mbuf(test::test_pool(), frame, chain);
    clamp_mss(m, 34, most);
    Bytes after = test::bytes_of(m);
    rte_pktmbuf_free(m);
    return after;
}

TEST(Mss, IsLoweredWhereverItStands) {
    ASSERT_TRUE(test::checksums_valid(syn({2, 4, 5, 0xb4})));
    EXPECT_EQ(clamped(syn({2, 4, 5, 0xb4}), 1360), syn({2, 4, 5, 0x50}));
    EXPECT_EQ(clamped(syn({2, 4, 5, 0xb4}), 1360, {40}), syn({2, 4, 5, 0x50}));
    EXPECT_EQ(clamped(syn({1, 2, 4, 5, 0xb4}), 1360), syn({1, 2, 4, 5, 0x50})) << "at an odd byte";
    EXPECT_EQ(clamped(syn({3, 3, 7, 1, 2, 4, 0xff, 0xd7}), 536), syn({3, 3, 7, 1, 2, 4, 2, 0x18}));
}

TEST(Mss, IsNeverRaisedOrMadeUp) {
    for (const Bytes& options : {Bytes{2, 4, 5, 0x50}, Bytes{2, 4, 1, 0}, Bytes{}, Bytes{0, 2, 4, 5, 0xb4},
                                 Bytes{2, 3, 5, 0xb4}, Bytes{3, 0, 2, 4, 5, 0xb4}, Bytes{3, 40, 2, 4, 5, 0xb4}}) {
        EXPECT_EQ(clamped(syn(options), 1360), syn(options)) << testing::PrintToString(options);
    }
}

TEST(Mss, AnUnfinishedChecksumStaysThePseudoHeaders) {
    Bytes frame = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").tcp(1000, 80, kSyn).options(4).unfinished().bytes();
    const Bytes mss{2, 4, 5, 0xb4};
    std::copy(mss.begin(), mss.end(), frame.begin() + 54);
    rte_mbuf* m = test::to_mbuf(test::test_pool(), frame);
    test::mark(m, {.l4_len = 24});
    clamp_mss(m, 34, 1360);
    frame[57] = 0x50;
    EXPECT_EQ(test::bytes_of(m), frame);
    rte_pktmbuf_free(m);
}

}  // namespace
}  // namespace sluice::wire
