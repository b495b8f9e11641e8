#include "wire/udp_run.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "support/eal.h"
#include "support/packet.h"
#include "wire/checksum.h"
#include "wire/offload.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

constexpr size_t kSize = 1000;
constexpr size_t kIp = 14;

struct Words {
    bool ipv6 = false;
    size_t size = kSize;
    uint16_t port = 50000;
    uint16_t id = 7;
    uint16_t fragment = Ipv4Header::kDontFragment;
    uint8_t ttl = 64;
    uint8_t traffic_class = 0;
    std::string_view source = "192.0.2.1";
    std::string_view mac = test::kMacA;
    bool tagged = false;
    enum { kNone, kUnfinished, kFinished } checksum = kNone;
};

Bytes frame(const Words& w) {
    Packet packet;
    packet.eth(w.mac);
    if (w.tagged) packet.vlan(5);
    if (w.ipv6) {
        packet.ipv6("2001:db8::1", "2001:db8::2").ttl(w.ttl).traffic_class(w.traffic_class);
    } else {
        packet.ipv4(w.source, "192.0.2.2").id(w.id).ttl(w.ttl).traffic_class(w.traffic_class);
        packet.fragment(w.fragment);
    }
    packet.udp(w.port, 4789);
    if (w.checksum == Words::kNone) packet.without_checksum();
    if (w.checksum == Words::kUnfinished) packet.unfinished();
    return packet.payload(w.size);
}

class Burst {
 public:
    explicit Burst(const std::vector<Words>& frames) {
        for (const Words& words : frames) {
            add(test::to_guarded_mbuf(test::test_pool(), frame(words)));
            if (words.checksum == Words::kUnfinished) {
                const uint16_t l3_len = words.ipv6 ? 40 : 20;
                test::mark(packets.back(), {.l3_len = l3_len, .l4_len = 8, .ipv6 = words.ipv6, .udp = true});
            }
        }
    }
    ~Burst() { rte_pktmbuf_free_bulk(packets.data(), static_cast<unsigned>(packets.size())); }
    Burst(const Burst&) = delete;

    void add(rte_mbuf* m) { packets.push_back(m); }
    UdpRun find() const { return find_udp_run(packets.data(), static_cast<uint16_t>(packets.size())); }

    // What the kernel is given: the first packet, then the others without their headers.
    Bytes joined(const UdpRun& run) const {
        Bytes all = test::bytes_of(packets[0]);
        for (uint16_t i = 1; i < run.count; ++i) {
            const Bytes next = test::bytes_of(packets[i]);
            all.insert(all.end(), next.begin() + run.header_size, next.end());
        }
        return all;
    }

    std::vector<rte_mbuf*> packets;
};

std::vector<Words> three() {
    std::vector<Words> frames(3);
    for (uint16_t i = 0; i < 3; ++i) frames[i].id = static_cast<uint16_t>(7 + i);
    return frames;
}

TEST(UdpRun, BecomesOneDatagramAndIsTakenBack) {
    for (const bool ipv6 : {false, true}) {
        for (const auto checksum : {Words::kNone, Words::kUnfinished}) {
            std::vector<Words> frames = three();
            frames[2].size = 300;
            for (Words& words : frames) {
                words.ipv6 = ipv6;
                words.checksum = checksum;
            }
            Burst burst(frames);
            const UdpRun run = burst.find();
            ASSERT_EQ(run.count, 3);
            EXPECT_EQ(run.header_size, ipv6 ? 62 : 42);
            EXPECT_EQ(run.payload_size, 2 * kSize + 300);

            const VirtioNetHeader header = begin_udp_run(burst.packets[0], run);
            const VirtioNetHeader expected{.flags = VirtioNetHeader::kNeedsChecksum,
                                           .gso_type = VirtioNetHeader::kGsoUdpL4,
                                           .header_size = run.header_size,
                                           .gso_size = kSize,
                                           .checksum_start = static_cast<uint16_t>(run.header_size - 8),
                                           .checksum_offset = 6};
            EXPECT_EQ(header, expected);
            Packet whole = Packet().eth();
            if (ipv6) {
                whole.ipv6("2001:db8::1", "2001:db8::2");
            } else {
                whole.ipv4("192.0.2.1", "192.0.2.2").id(7).fragment(Ipv4Header::kDontFragment);
            }
            const Bytes joined = burst.joined(run);
            whole.udp(50000, 4789).unfinished();
            const Bytes payload(joined.begin() + run.header_size, joined.end());
            EXPECT_EQ(joined, whole.payload(payload).bytes());

            abandon_udp_run(burst.packets[0], run);
            EXPECT_EQ(test::bytes_of(burst.packets[0]), frame(frames[0]));
        }
    }
}

TEST(UdpRun, WhatDiffersEndsIt) {
    const std::map<std::string, std::function<void(Words&)>> changes = {
        {"port", [](Words& w) { w.port = 50001; }},
        {"address", [](Words& w) { w.source = "192.0.2.3"; }},
        {"mac", [](Words& w) { w.mac = "02:00:00:00:00:0c"; }},
        {"ttl", [](Words& w) { w.ttl = 63; }},
        {"traffic class", [](Words& w) { w.traffic_class = 3; }},
        {"df", [](Words& w) { w.fragment = 0; }},
        {"fragment", [](Words& w) { w.fragment = Ipv4Header::kMoreFragments; }},
        {"longer", [](Words& w) { w.size += 1; }},
        {"empty", [](Words& w) { w.size = 0; }},
        {"family", [](Words& w) { w.ipv6 = true; }},
        {"tag", [](Words& w) { w.tagged = true; }},
        {"finished checksum", [](Words& w) { w.checksum = Words::kFinished; }},
        {"unfinished checksum", [](Words& w) { w.checksum = Words::kUnfinished; }},
    };
    for (const auto& [name, change] : changes) {
        for (const size_t changed : {size_t{1}, size_t{2}}) {
            std::vector<Words> frames = three();
            change(frames[changed]);
            EXPECT_EQ(Burst(frames).find().count, changed) << name;
        }
    }
}

TEST(UdpRun, WhatCannotBeginOneGoesAlone) {
    const std::map<std::string, std::function<void(Words&)>> changes = {
        {"finished checksum", [](Words& w) { w.checksum = Words::kFinished; }},
        {"fragment", [](Words& w) { w.fragment = Ipv4Header::kMoreFragments; }},
        {"tag", [](Words& w) { w.tagged = true; }},
        {"little payload", [](Words& w) { w.size = kMinUdpRun - 1; }},
    };
    for (const auto& [name, change] : changes) {
        std::vector<Words> frames = three();
        for (Words& words : frames) change(words);
        EXPECT_EQ(Burst(frames).find().count, 1) << name;
    }
    EXPECT_EQ(Burst({Words{}}).find().count, 1);
}

TEST(UdpRun, AShorterDatagramEndsIt) {
    std::vector<Words> frames = three();
    frames[1].size = frames[2].size = 400;
    EXPECT_EQ(Burst(frames).find().count, 2);
}

TEST(UdpRun, WithoutDfTheIdsGoOn) {
    std::vector<Words> frames = three();
    for (Words& words : frames) words.fragment = 0;
    EXPECT_EQ(Burst(frames).find().count, 3);
    frames[2].id = 8;
    EXPECT_EQ(Burst(frames).find().count, 2);
}

TEST(UdpRun, ADatagramHoldsNoMoreThanItsLengthCanSay) {
    const std::vector<Words> frames(64, Words{.size = 1400});
    const UdpRun run = Burst(frames).find();
    EXPECT_EQ(run.count, 46);
    EXPECT_LE(20 + 8 + run.payload_size, 65535u);
}

// A damaged header isn't mended by being written anew, nor one that tells another length than it has.
TEST(UdpRun, DamagedHeadersStayDamaged) {
    for (const size_t index : {size_t{0}, size_t{1}}) {
        for (const size_t byte : {kIp + 10, kIp + 3, kIp + 20 + 5}) {
            const std::vector<Words> frames(2);
            Burst burst(frames);
            ++rte_pktmbuf_mtod(burst.packets[index], uint8_t*)[byte];
            EXPECT_EQ(burst.find().count, 1) << byte;
        }
    }
}

TEST(UdpRun, SharedBytesAndSpreadHeadersBeginNone) {
    Burst burst({});
    for (int i = 0; i < 2; ++i) burst.add(test::to_mbuf(test::test_pool(), frame({})));
    EXPECT_EQ(burst.find().count, 2);
    rte_mbuf_refcnt_update(burst.packets[0], 1);
    EXPECT_EQ(burst.find().count, 1);
    rte_mbuf_refcnt_update(burst.packets[0], -1);

    Burst spread({});
    spread.add(test::to_mbuf(test::test_pool(), frame({})));
    spread.add(test::to_guarded_mbuf(test::test_pool(), frame({}), {41}));
    EXPECT_EQ(spread.find().count, 1);
    Burst chained({});
    chained.add(test::to_mbuf(test::test_pool(), frame({})));
    chained.add(test::to_guarded_mbuf(test::test_pool(), frame({}), {50}));
    EXPECT_EQ(chained.find().count, 2);
}

}  // namespace
}  // namespace sluice::wire
