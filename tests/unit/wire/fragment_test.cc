#include "wire/fragment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "support/eal.h"
#include "support/packet.h"
#include "wire/checksum.h"
#include "wire/ip_check.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

constexpr size_t kL3 = 14;

Ipv4Header& ip_of(Bytes& frame) { return *reinterpret_cast<Ipv4Header*>(&frame[kL3]); }

Bytes slice(const Bytes& bytes, size_t begin, size_t end) {
    return Bytes(bytes.begin() + static_cast<ptrdiff_t>(begin), bytes.begin() + static_cast<ptrdiff_t>(end));
}

Bytes payload_of(Bytes& frame) {
    const Ipv4Header& ip = ip_of(frame);
    return slice(frame, kL3 + ip.header_size(), kL3 + ip.total_size.host());
}

Bytes options_of(Bytes& frame) { return slice(frame, kL3 + 20, kL3 + ip_of(frame).header_size()); }

std::vector<Bytes> fragments_of(const rte_mbuf* m, uint16_t mtu, uint16_t l3_offset = kL3) {
    std::vector<Bytes> fragments;
    Fragmenter fragmenter(m, l3_offset, mtu, test::test_pool());
    const uint32_t count = fragmenter.remaining();
    while (rte_mbuf* fragment = fragmenter.next()) {
        EXPECT_EQ(fragment->nb_segs, 1);
        EXPECT_EQ(fragment->pkt_len, fragment->data_len);
        EXPECT_EQ(fragment->port, m->port);
        EXPECT_EQ(fragment->ol_flags, m->ol_flags & kVlanFlags);
        fragments.push_back(test::bytes_of(fragment));
        rte_pktmbuf_free(fragment);
    }
    EXPECT_FALSE(fragmenter.failed());
    EXPECT_EQ(fragmenter.remaining(), 0u);
    EXPECT_EQ(fragments.size(), count);
    return fragments;
}

std::vector<Bytes> fragments_of(const Bytes& frame, uint16_t mtu, const std::vector<size_t>& chain = {}) {
    rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), frame, chain);
    const std::vector<Bytes> fragments = fragments_of(m, mtu);
    rte_pktmbuf_free(m);
    return fragments;
}

// Options as they may be: some copied into every fragment and some not. Tells both lists.
struct Options {
    Bytes all, copied;
};
Options random_options(std::mt19937& random) {
    Options options;
    while (random() % 3 != 0) {
        Bytes option{1};
        if (random() % 4 != 0) {
            option = {static_cast<uint8_t>(random() % 2 == 0 ? 0x94 : 0x44), 0};
            option.resize(2 + random() % 7, static_cast<uint8_t>(random()));
            option[1] = static_cast<uint8_t>(option.size());
        }
        if (options.all.size() + option.size() > 40) break;
        options.all.insert(options.all.end(), option.begin(), option.end());
        if (option[0] & 0x80) options.copied.insert(options.copied.end(), option.begin(), option.end());
    }
    options.all.resize((options.all.size() + 3) / 4 * 4);
    options.copied.resize((options.copied.size() + 3) / 4 * 4);
    return options;
}

TEST(Fragmenter, RandomPacketsComeTogetherAgain) {
    std::mt19937 random(31);
    int in_many = 0;
    for (int round = 0; round < 3000; ++round) {
        const Options options = random_options(random);
        const size_t size = random() % 4 == 0 ? random() % 60 : random() % 5000;
        Bytes frame = Packet()
                          .eth()
                          .ipv4("10.0.0.1", "10.0.0.2")
                          .id(static_cast<uint16_t>(random()))
                          .ttl(7)
                          .options(options.all.size())
                          .payload(size);
        std::copy(options.all.begin(), options.all.end(), frame.begin() + kL3 + 20);
        const auto base = static_cast<uint16_t>(random() % 2 == 0 ? 0 : random() % 7000);
        const bool more = random() % 3 == 0;
        ip_of(frame).fragment = be16(static_cast<uint16_t>(base | (more ? Ipv4Header::kMoreFragments : 0)));
        ip_of(frame).checksum = header_checksum(ip_of(frame));
        const auto mtu = static_cast<uint16_t>(68 + random() % (random() % 2 == 0 ? 100 : 1900));
        const bool fits = frame.size() - kL3 <= mtu;
        Bytes padded = frame;
        padded.resize(frame.size() + random() % 3 * 10, 0xee);
        std::vector<size_t> chain{kL3 + ip_of(frame).header_size() + random() % 50};
        for (unsigned more_mbufs = random() % 4; more_mbufs > 0; --more_mbufs)
            chain.push_back(random() % 900);

        std::vector<Bytes> fragments = fragments_of(padded, mtu, chain);
        ASSERT_EQ(fragments.size() == 1, fits);
        Bytes together;
        for (size_t i = 0; i < fragments.size(); ++i) {
            Bytes& fragment = fragments[i];
            const Ipv4Header& ip = ip_of(fragment);
            const bool last = i + 1 == fragments.size();
            ASSERT_TRUE(test::checksums_valid(fragment));
            ASSERT_EQ(ip.total_size.host(), fragment.size() - kL3);
            ASSERT_LE(ip.total_size.host(), mtu);
            ASSERT_EQ(slice(fragment, 0, kL3), slice(frame, 0, kL3));
            ASSERT_EQ(options_of(fragment), i == 0 ? options.all : options.copied);
            ASSERT_EQ(ip.fragment.host(), (base + together.size() / 8) |
                                              (!last || more ? Ipv4Header::kMoreFragments : 0));
            if (!last) {
                // As full as whole units allow.
                ASSERT_EQ((fragment.size() - kL3 - ip.header_size()) % 8, 0u);
                ASSERT_GT(ip.total_size.host() + 8, mtu);
            }
            ASSERT_EQ(ip.id, ip_of(frame).id);
            ASSERT_EQ(ip.ttl, 7);
            ASSERT_EQ(slice(fragment, kL3 + 12, kL3 + 20), slice(frame, kL3 + 12, kL3 + 20));
            const Bytes part = payload_of(fragment);
            ASSERT_FALSE(part.empty() && !fits);
            together.insert(together.end(), part.begin(), part.end());
        }
        ASSERT_EQ(together, payload_of(frame));
        in_many += fragments.size() > 2;
    }
    EXPECT_GT(in_many, 1000);
}

TEST(Fragmenter, FragmentsAreFragmentedAgain) {
    Bytes frame = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").fragment(0).udp(1, 2).payload(4000);
    Bytes together;
    for (const Bytes& first : fragments_of(frame, 1500)) {
        for (Bytes& second : fragments_of(first, 576)) {
            EXPECT_EQ((ip_of(second).fragment.host() & Ipv4Header::kOffsetMask) * 8u, together.size());
            const bool last = together.size() + payload_of(second).size() == 4008;
            EXPECT_EQ((ip_of(second).fragment.host() & Ipv4Header::kMoreFragments) == 0, last);
            const Bytes part = payload_of(second);
            together.insert(together.end(), part.begin(), part.end());
        }
    }
    EXPECT_EQ(together, payload_of(frame));
}

TEST(Fragmenter, FinishesAnUnfinishedChecksumWhereverItLies) {
    for (const bool udp : {false, true}) {
        for (const uint16_t mtu : {68, 100, 576}) {
            Packet packet = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").fragment(0).options(40);
            if (udp) packet.udp(1, 2).payload(1001);
            else packet.tcp(1, 2).payload(1001);
            rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), Packet(packet).unfinished(), {80, 11});
            test::mark(m, {.l3_len = 60, .l4_len = static_cast<uint16_t>(udp ? 8 : 20), .udp = udp});
            const Bytes before = test::bytes_of(m);
            Bytes together;
            for (Bytes& fragment : fragments_of(m, mtu)) {
                const Bytes part = payload_of(fragment);
                together.insert(together.end(), part.begin(), part.end());
            }
            Bytes whole = packet;
            EXPECT_EQ(together, payload_of(whole)) << mtu;
            EXPECT_EQ(test::bytes_of(m), before);
            rte_pktmbuf_free(m);
        }
    }
}

TEST(Fragmenter, BrokenOptionsAreNotCopied) {
    for (const Bytes& broken : {Bytes{0x94, 1, 0, 0}, Bytes{0x94, 9, 0, 0}, Bytes{1, 1, 1, 0x94},
                                Bytes{0, 0x94, 2, 0}}) {
        Bytes frame = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").fragment(0).options(4).payload(200);
        std::copy(broken.begin(), broken.end(), frame.begin() + kL3 + 20);
        ip_of(frame).checksum = header_checksum(ip_of(frame));
        std::vector<Bytes> fragments = fragments_of(frame, 100);
        ASSERT_EQ(fragments.size(), 3u);
        EXPECT_EQ(options_of(fragments[0]), broken);
        EXPECT_TRUE(options_of(fragments[1]).empty());
        EXPECT_TRUE(test::checksums_valid(fragments[1]));
    }
}

TEST(Fragmenter, TagsStayBeforeEveryFragment) {
    Bytes frame = Packet().eth().vlan(5).ipv4("10.0.0.1", "10.0.0.2").fragment(0).payload(300);
    rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), frame);
    m->port = 3;
    m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_RSS_HASH;
    for (const Bytes& fragment : fragments_of(m, 100, 18)) {
        EXPECT_EQ(slice(fragment, 0, 18), slice(frame, 0, 18));
        EXPECT_TRUE(test::checksums_valid(fragment));
    }
    rte_pktmbuf_free(m);
}

void expect_failure(const Bytes& frame, uint16_t mtu, uint32_t remaining) {
    rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), frame);
    Fragmenter fragmenter(m, kL3, mtu, test::test_pool());
    EXPECT_EQ(fragmenter.next(), nullptr);
    EXPECT_TRUE(fragmenter.failed());
    EXPECT_EQ(fragmenter.remaining(), remaining);
    rte_pktmbuf_free(m);
}

TEST(Fragmenter, Failures) {
    const Packet ip = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").fragment(0);
    expect_failure(Packet(ip).payload(100), 27, 1);
    expect_failure(Packet(ip).options(40).payload(100), 67, 1);
    // Its offset would run over into the flags.
    expect_failure(Packet(ip).fragment(0x1fff).payload(1000), 500, 1);
    // Fragments that no buffer of the pool holds.
    expect_failure(Packet(ip).payload(6000), 3000, 3);
}

TEST(Fragmenter, ExhaustedPoolFailsAndLeaksNothing) {
    test::start_eal();
    rte_mempool* pool = rte_pktmbuf_pool_create("scarce", 2, 0, 0, 2048 + 128, SOCKET_ID_ANY);
    ASSERT_NE(pool, nullptr);
    const Bytes frame = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").fragment(0).payload(5000);
    rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), frame);
    Fragmenter fragmenter(m, kL3, 1500, pool);
    std::vector<rte_mbuf*> fragments;
    while (rte_mbuf* fragment = fragmenter.next()) fragments.push_back(fragment);
    EXPECT_EQ(fragments.size(), 2u);
    EXPECT_TRUE(fragmenter.failed());
    EXPECT_EQ(fragmenter.remaining(), 2u);
    for (rte_mbuf* fragment : fragments) rte_pktmbuf_free(fragment);
    EXPECT_EQ(fragmenter.next(), nullptr);  // a failure lasts
    EXPECT_EQ(rte_mempool_avail_count(pool), 2u);
    rte_pktmbuf_free(m);
    rte_mempool_free(pool);
}

// Whatever check_ipv4() lets pass.
TEST(Fragmenter, RandomHeadersAreReadInBoundsOnly) {
    std::mt19937 random(32);
    int tried = 0;
    for (int round = 0; round < 20000; ++round) {
        Bytes frame(kL3 + 20 + random() % 300);
        for (uint8_t& byte : frame) byte = static_cast<uint8_t>(random());
        frame[kL3] = static_cast<uint8_t>(0x45 + random() % 11);
        frame[kL3 + 2] = static_cast<uint8_t>(random() % 2);
        frame[kL3 + 6] &= 0x3f;
        rte_mbuf* m = test::to_guarded_mbuf(test::test_pool(), frame, {random() % 200});
        m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
        if (check_ipv4(m, kL3) == IpCheck::kValid) {
            ++tried;
            Fragmenter fragmenter(m, kL3, static_cast<uint16_t>(random() % 200), test::test_pool());
            while (rte_mbuf* fragment = fragmenter.next()) {
                EXPECT_TRUE(test::checksums_valid(test::bytes_of(fragment)) || fragmenter.remaining() == 0);
                rte_pktmbuf_free(fragment);
            }
        }
        rte_pktmbuf_free(m);
    }
    EXPECT_GT(tried, 1000);
}

}  // namespace
}  // namespace sluice::wire
