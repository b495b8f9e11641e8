#include "wire/coalesce.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <random>
#include <string>

#include "support/eal.h"
#include "support/packet.h"
#include "wire/headers.h"
#include "wire/offload.h"
#include "wire/segment.h"

namespace sluice::wire {
namespace {

using test::Bytes;
using test::Packet;

constexpr uint8_t kPush = TcpHeader::kAck | TcpHeader::kPsh;
constexpr size_t kMss = 1000;
constexpr size_t kTcp4 = 14 + 20;  // where TCP begins
constexpr size_t kTcp6 = 14 + 40;

struct Words {
    bool ipv6 = false;
    uint32_t sequence = 1;
    size_t size = kMss;
    uint8_t flags = TcpHeader::kAck;
    uint16_t port = 1234;
    uint16_t id = 7;
    uint16_t fragment = Ipv4Header::kDontFragment;
    uint8_t ttl = 64;
    uint8_t traffic_class = 0;
    size_t options = 12;
    std::string_view source = "10.0.0.1";
    std::string_view mac = test::kMacA;
    bool unfinished = false;
};

Bytes frame(const Words& w) {
    Packet packet;
    packet.eth(w.mac);
    if (w.ipv6) {
        packet.ipv6("fd00::1", "fd00::2").ttl(w.ttl).traffic_class(w.traffic_class);
    } else {
        packet.ipv4(w.source, "10.0.0.2").id(w.id).ttl(w.ttl).traffic_class(w.traffic_class);
        packet.fragment(w.fragment);
    }
    packet.tcp(w.port, 80, w.flags, w.sequence);
    if (w.options != 0) packet.options(w.options);
    Bytes payload = test::pattern(w.size);
    for (size_t i = 0; i < payload.size(); ++i) payload[i] ^= static_cast<uint8_t>((w.sequence + i) >> 8);
    packet.payload(payload);
    if (w.unfinished) packet.unfinished();
    return packet;
}

// What frames became, and the tools to look at it. Frees it.
class Burst {
 public:
    explicit Burst(const std::vector<Bytes>& frames) {
        for (const Bytes& each : frames) add(test::to_guarded_mbuf(test::test_pool(), each));
    }
    ~Burst() { rte_pktmbuf_free_bulk(packets_.data(), static_cast<unsigned>(packets_.size())); }
    Burst(const Burst&) = delete;

    void add(rte_mbuf* m) { packets_.push_back(m); }
    rte_mbuf* operator[](size_t i) const { return packets_[i]; }

    // How many frames each packet holds then.
    std::vector<uint16_t> coalesce() {
        std::vector<uint16_t> merged(packets_.size());
        const uint16_t left = wire::coalesce(packets_.data(), static_cast<uint16_t>(packets_.size()),
                                             merged.data());
        packets_.resize(left);
        merged.resize(left);
        for (size_t i = 0; i < left; ++i) {
            EXPECT_TRUE(test::is_sound(packets_[i]));
            EXPECT_EQ((packets_[i]->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0, merged[i] > 1);
            if (merged[i] > 1) {
                EXPECT_EQ(segment_count(packets_[i]), merged[i]);
                EXPECT_EQ(packets_[i]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK, 0u);
            }
        }
        return merged;
    }

    // Frames as a port that takes no segments would send them.
    std::vector<Bytes> cut() const {
        std::vector<Bytes> frames;
        for (rte_mbuf* m : packets_) {
            if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0) {
                frames.push_back(test::bytes_of(m));
                continue;
            }
            Cutter cutter(m, test::test_pool());
            while (rte_mbuf* piece = cutter.next()) {
                frames.push_back(test::bytes_of(piece));
                rte_pktmbuf_free(piece);
            }
            EXPECT_FALSE(cutter.failed());
        }
        return frames;
    }

 private:
    std::vector<rte_mbuf*> packets_;
};

using Counts = std::vector<uint16_t>;

Counts coalesced(const std::vector<Words>& frames) {
    std::vector<Bytes> bytes;
    for (const Words& words : frames) bytes.push_back(frame(words));
    return Burst(bytes).coalesce();
}

// Three frames that belong together.
std::vector<Words> three(bool ipv6 = false) {
    std::vector<Words> frames(3);
    for (uint32_t i = 0; i < 3; ++i) {
        frames[i].ipv6 = ipv6;
        frames[i].sequence = static_cast<uint32_t>(1 + i * kMss);
        frames[i].id = static_cast<uint16_t>(7 + i);
    }
    return frames;
}

std::vector<Bytes> bytes_of(const std::vector<Words>& frames) {
    std::vector<Bytes> bytes;
    for (const Words& words : frames) bytes.push_back(frame(words));
    return bytes;
}

TEST(Coalesce, FramesOfAFlowBecomeASegmentThatIsCutIntoThemAgain) {
    for (const bool ipv6 : {false, true}) {
        for (const uint8_t flags : {uint8_t{TcpHeader::kAck}, kPush}) {
            for (const size_t last : {kMss, size_t{1}, size_t{999}}) {
                std::vector<Words> frames = three(ipv6);
                frames[2].flags = flags;
                frames[2].size = last;
                for (uint16_t i = 0; i < 3; ++i) frames[i].id = static_cast<uint16_t>(65535 + i);
                Burst burst(bytes_of(frames));
                EXPECT_EQ(burst.coalesce(), Counts{3});
                EXPECT_EQ(burst[0]->tso_segsz, kMss);
                EXPECT_EQ(burst[0]->l2_len, 14);
                EXPECT_EQ(burst[0]->l3_len, ipv6 ? 40 : 20);
                EXPECT_EQ(burst[0]->l4_len, 32);
                EXPECT_EQ(burst.cut(), bytes_of(frames));
                // One big frame with right checksums and lengths, for who can't cut.
                finish_checksums(burst[0]);
                EXPECT_TRUE(test::checksums_valid(test::bytes_of(burst[0])));
                EXPECT_EQ(burst[0]->pkt_len, (ipv6 ? kTcp6 : kTcp4) + 32 + 2 * kMss + last);
            }
        }
    }
}

TEST(Coalesce, ASingleFrameStaysAsItIs) {
    Burst burst(bytes_of({Words{}}));
    EXPECT_EQ(burst.coalesce(), Counts{1});
    EXPECT_EQ(test::bytes_of(burst[0]), frame({}));
    EXPECT_EQ(coalesced({}), Counts{});
}

TEST(Coalesce, WhatDiffersInTheMiddleEndsASegment) {
    const std::map<std::string, std::function<void(Words&)>> changes = {
        {"flow", [](Words& w) { w.port = 1235; }},
        {"address", [](Words& w) { w.source = "10.0.0.3"; }},
        {"ttl", [](Words& w) { w.ttl = 63; }},
        {"ecn", [](Words& w) { w.traffic_class = 3; }},
        {"options", [](Words& w) { w.options = 8; }},
        {"source mac", [](Words& w) { w.mac = "02:00:00:00:00:0c"; }},
        {"df", [](Words& w) { w.fragment = 0; }},
        {"fragment", [](Words& w) { w.fragment = Ipv4Header::kMoreFragments; }},
        {"gap", [](Words& w) { w.sequence += 1; }},
        {"repeated", [](Words& w) { w.sequence -= 1; }},
        {"longer", [](Words& w) { w.size += 1; }},
        {"empty", [](Words& w) { w.size = 0; }},
        {"fin", [](Words& w) { w.flags |= TcpHeader::kFin; }},
        {"rst", [](Words& w) { w.flags |= TcpHeader::kRst; }},
        {"syn", [](Words& w) { w.flags |= TcpHeader::kSyn; }},
        {"urg", [](Words& w) { w.flags |= TcpHeader::kUrg; }},
        {"ece", [](Words& w) { w.flags |= TcpHeader::kEce; }},
        {"cwr", [](Words& w) { w.flags |= TcpHeader::kCwr; }},
        {"no ack", [](Words& w) { w.flags = 0; }},
    };
    for (const auto& [name, change] : changes) {
        std::vector<Words> frames = three();
        change(frames[1]);
        Burst burst(bytes_of(frames));
        EXPECT_EQ(burst.coalesce(), (Counts{1, 1, 1})) << name;
        EXPECT_EQ(burst.cut(), bytes_of(frames)) << name;
    }
}

// A byte changed in the second frame, the checksums put right again by the builder's own rules: where it
// counts, the frames stay apart.
TEST(Coalesce, EveryFieldThatMattersIsCompared) {
    struct Row {
        const char* name;
        bool ipv6;
        size_t offset;
        bool checksum_follows;  // of the change, to be put right by hand
    };
    const Row rows[] = {
        {"destination mac", false, 5, false},    {"acknowledgement", false, kTcp4 + 8, true},
        {"window", false, kTcp4 + 14, true},     {"urgent pointer", false, kTcp4 + 18, true},
        {"option", false, kTcp4 + 24, true},     {"flow label", true, 14 + 3, false},
        {"traffic class", true, 14 + 1, false},  {"hop limit", true, 14 + 7, false},
        {"acknowledgement", true, kTcp6 + 8, true},
    };
    for (const Row& row : rows) {
        std::vector<Bytes> frames = bytes_of(three(row.ipv6));
        Bytes& changed = frames[1];
        changed[row.offset] ^= 0x10;
        if (row.checksum_follows) {
            // All are first bytes of their words: RFC 1624, eqn. 3.
            const size_t tcp = row.ipv6 ? kTcp6 : kTcp4;
            const uint32_t now = changed[row.offset];
            const uint32_t was = now ^ 0x10;
            uint32_t sum = static_cast<uint32_t>(~(changed[tcp + 16] << 8 | changed[tcp + 17])) & 0xffff;
            sum += (~(was << 8) & 0xffff) + (now << 8);
            sum = (sum & 0xffff) + (sum >> 16);
            sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
            changed[tcp + 16] = static_cast<uint8_t>(sum >> 8);
            changed[tcp + 17] = static_cast<uint8_t>(sum);
        }
        ASSERT_TRUE(test::checksums_valid(changed)) << row.name;
        Burst burst(frames);
        EXPECT_EQ(burst.coalesce(), (Counts{1, 1, 1})) << row.name;
        EXPECT_EQ(burst.cut(), frames) << row.name;
    }
}

TEST(Coalesce, AShorterOrPushedFrameEndsItsSegment) {
    std::vector<Words> frames = three();
    frames.push_back(frames[2]);
    frames[1].flags = kPush;
    frames[3].sequence += static_cast<uint32_t>(kMss);
    EXPECT_EQ(coalesced(frames), (Counts{2, 2}));
    frames[1].flags = TcpHeader::kAck;
    frames[1].size = 400;
    frames[2].sequence = frames[1].sequence + 400;
    frames[3].sequence = frames[2].sequence + static_cast<uint32_t>(kMss);
    EXPECT_EQ(coalesced(frames), (Counts{2, 2}));
    // A first one with PSH begins none.
    frames = three();
    frames[0].flags = kPush;
    EXPECT_EQ(coalesced(frames), (Counts{1, 2}));
}

TEST(Coalesce, SmallFramesBeginNoSegment) {
    std::vector<Words> frames = three();
    for (uint32_t i = 0; i < 3; ++i) {
        frames[i].size = kMinCoalesced - 1;
        frames[i].sequence = 1 + i * (kMinCoalesced - 1);
    }
    EXPECT_EQ(coalesced(frames), (Counts{1, 1, 1}));
    for (uint32_t i = 0; i < 3; ++i) {
        frames[i].size = kMinCoalesced;
        frames[i].sequence = 1 + i * kMinCoalesced;
    }
    EXPECT_EQ(coalesced(frames), (Counts{3}));
}

TEST(Coalesce, Ipv4IdsMustGoOnWithoutDf) {
    std::vector<Words> frames = three();
    for (uint16_t i = 0; i < 3; ++i) {
        frames[i].fragment = 0;
        frames[i].id = static_cast<uint16_t>(65534 + i);
    }
    Burst burst(bytes_of(frames));
    EXPECT_EQ(burst.coalesce(), Counts{3});
    EXPECT_EQ(burst.cut(), bytes_of(frames));
    frames[1].id = 9;
    frames[2].id = 11;
    EXPECT_EQ(coalesced(frames), (Counts{1, 1, 1}));
    for (Words& words : frames) words.fragment = Ipv4Header::kDontFragment;
    EXPECT_EQ(coalesced(frames), Counts{3});
}

TEST(Coalesce, DamagedFramesGoOutAsTheyCame) {
    for (const bool ipv6 : {false, true}) {
        for (const size_t at : {size_t{0}, size_t{1}, size_t{2}}) {
            std::vector<size_t> offsets{kTcp6 + 40, kTcp6 + 900};
            if (!ipv6) offsets.push_back(14 + 10);  // the header checksum
            for (const size_t offset : offsets) {
                std::vector<Bytes> frames = bytes_of(three(ipv6));
                frames[at][offset] ^= 1;
                Burst burst(frames);
                const Counts expected[] = {{1, 2}, {1, 1, 1}, {2, 1}};
                EXPECT_EQ(burst.coalesce(), expected[at]);
                EXPECT_EQ(burst.cut(), frames);
            }
        }
    }
}

TEST(Coalesce, AVouchedForChecksumIsNotSummed) {
    std::vector<Bytes> frames = bytes_of(three());
    for (Bytes& each : frames) each[kTcp4 + 16] ^= 0xff;
    Burst wrong(frames);
    EXPECT_EQ(wrong.coalesce(), (Counts{1, 1, 1}));
    Burst vouched(frames);
    for (size_t i = 0; i < 3; ++i) vouched[i]->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    EXPECT_EQ(vouched.coalesce(), Counts{3});
    Burst undecided(frames);  // both bits mean: unchecked
    for (size_t i = 0; i < 3; ++i) undecided[i]->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_MASK;
    EXPECT_EQ(undecided.coalesce(), (Counts{1, 1, 1}));
}

TEST(Coalesce, UnfinishedFramesJoinFinishedOnes) {
    for (const bool ipv6 : {false, true}) {
        for (unsigned which = 1; which < 8; ++which) {
            const std::vector<Words> finished = three(ipv6);
            std::vector<Words> frames = finished;
            for (unsigned i = 0; i < 3; ++i) frames[i].unfinished = (which >> i & 1) != 0;
            Burst burst(bytes_of(frames));
            for (unsigned i = 0; i < 3; ++i) {
                const uint16_t l3_len = ipv6 ? 40 : 20;
                if (!frames[i].unfinished) continue;
                test::mark(burst[i], {.l3_len = l3_len, .l4_len = 32, .ipv6 = ipv6});
            }
            EXPECT_EQ(burst.coalesce(), Counts{3});
            EXPECT_EQ(burst.cut(), bytes_of(finished));
        }
    }
}

TEST(Coalesce, PaddingIsNoPayload) {
    for (const size_t padded : {size_t{0}, size_t{1}, size_t{2}}) {
        std::vector<Words> words = three();
        words[2].size = 3;
        for (uint16_t i = 0; i < 3; ++i) words[i].id = static_cast<uint16_t>(7 + i);
        std::vector<Bytes> frames = bytes_of(words);
        frames[padded].insert(frames[padded].end(), 13, 0xee);
        Burst burst(frames);
        EXPECT_EQ(burst.coalesce(), Counts{3});
        EXPECT_EQ(burst.cut(), bytes_of(words));
    }
}

TEST(Coalesce, SharedBytesStayUntouched) {
    for (const size_t shared : {size_t{0}, size_t{1}}) {
        const std::vector<Bytes> frames = bytes_of(three());
        Burst burst({});
        std::vector<rte_mbuf*> held;
        for (size_t i = 0; i < 3; ++i) {
            burst.add(test::to_mbuf(test::test_pool(), frames[i]));
            if (i == shared) held.push_back(rte_pktmbuf_clone(burst[i], test::test_pool()));
        }
        EXPECT_EQ(burst.coalesce(), shared == 0 ? (Counts{1, 2}) : (Counts{1, 1, 1}));
        EXPECT_EQ(test::bytes_of(held[0]), frames[shared]);
        // The copy that shares them is no better.
        Burst copies({});
        copies.add(held[0]);
        copies.add(test::to_mbuf(test::test_pool(), frames[shared + 1]));
        EXPECT_EQ(copies.coalesce(), (Counts{1, 1}));
    }
}

TEST(Coalesce, ChainsAndSegmentsStayAndEndSegments) {
    const std::vector<Bytes> frames = bytes_of(three());
    for (const bool segment : {false, true}) {
        Burst burst({frames[0]});
        burst.add(test::to_mbuf(test::test_pool(), frames[1], {segment ? size_t{2000} : size_t{300}}));
        if (segment) test::mark(burst[1], {.l4_len = 32, .segment_size = 500});
        burst.add(test::to_mbuf(test::test_pool(), frames[2]));
        std::vector<uint16_t> merged(3);
        rte_mbuf* packets[] = {burst[0], burst[1], burst[2]};
        EXPECT_EQ(coalesce(packets, 3, merged.data()), 3);
        EXPECT_EQ(merged, (Counts{1, 1, 1}));
    }
}

TEST(Coalesce, SegmentsHaveABoundInBytesAndInMbufs) {
    for (const bool ipv6 : {false, true}) {
        for (const size_t size : {size_t{1400}, size_t{300}}) {
            std::vector<Words> frames(64);
            for (uint32_t i = 0; i < 64; ++i) {
                frames[i].ipv6 = ipv6;
                frames[i].size = size;
                frames[i].sequence = static_cast<uint32_t>(0xffff'0000 + i * size);  // wraps around
                frames[i].id = static_cast<uint16_t>(i);
            }
            Burst burst(bytes_of(frames));
            const uint16_t most = size == 1400 ? 46 : kMaxCoalesced;
            EXPECT_EQ(burst.coalesce(), (Counts{most, static_cast<uint16_t>(64 - most)}));
            EXPECT_LE(burst[0]->pkt_len - 14, 65535u);
            EXPECT_EQ(burst.cut(), bytes_of(frames));
        }
    }
}

TEST(Coalesce, InterleavedFlowsAreToldApart) {
    std::vector<Words> frames;
    for (uint32_t i = 0; i < 3; ++i) {
        for (uint16_t flow = 0; flow < 4; ++flow) {
            Words words = three(flow == 3)[i];
            words.port = static_cast<uint16_t>(100 + flow / 2);
            if (flow == 1) words.source = "10.0.0.9";
            frames.push_back(words);
        }
    }
    EXPECT_EQ(coalesced(frames), (Counts{3, 3, 3, 3}));
    // Five are more than it keeps in mind, and cost order never.
    frames.clear();
    for (uint32_t i = 0; i < 2; ++i) {
        for (uint16_t flow = 0; flow < 5; ++flow) {
            frames.push_back(three()[i]);
            frames.back().port = static_cast<uint16_t>(100 + flow);
        }
    }
    EXPECT_EQ(coalesced(frames), Counts(10, 1));
}

TEST(Coalesce, OtherProtocolsDontEndASegmentAndFragmentsDo) {
    const std::vector<Bytes> frames = bytes_of(three());
    const Bytes udp = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).payload(500);
    const Bytes udp6 = Packet().eth().ipv6("fd00::1", "fd00::2").udp(1, 2).payload(500);
    EXPECT_EQ(Burst({frames[0], udp, frames[1], udp6, frames[2]}).coalesce(), (Counts{3, 1, 1}));
    const Bytes fragment =
        Packet().eth().ipv4("10.0.0.1", "10.0.0.2", 6).fragment(100).payload(500);
    const Bytes options = Packet().eth().ipv4("10.0.0.1", "10.0.0.2").options(4).tcp(1234, 80).payload(500);
    const Bytes tagged = Packet().eth().vlan(5).ipv4("10.0.0.1", "10.0.0.2").tcp(1234, 80).payload(500);
    const Bytes extended =
        Packet().eth().ipv6("fd00::1", "fd00::2").extension(60, 8).tcp(1234, 80).payload(500);
    const Bytes runt(20, 0);
    for (const Bytes& other : {fragment, options, tagged, extended, runt}) {
        EXPECT_EQ(Burst({frames[0], other, frames[1]}).coalesce(), (Counts{1, 1, 1}));
        EXPECT_EQ(Burst({other, other}).coalesce(), (Counts{1, 1}));
    }
}

TEST(Coalesce, LengthsAreNotTrusted) {
    std::mt19937 random(11);
    for (int round = 0; round < 3000; ++round) {
        std::vector<Bytes> frames = bytes_of(three(round % 2 != 0));
        for (Bytes& each : frames) {
            if (random() % 2 == 0) continue;
            const size_t header = round % 2 != 0 ? kTcp6 + 32 : kTcp4 + 32;
            each[random() % header] = static_cast<uint8_t>(random());
            if (random() % 2 == 0) each.resize(14 + random() % 200);
        }
        Burst burst(frames);
        for (size_t i = 0; i < 3; ++i) {
            if (random() % 2 == 0) burst[i]->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
        }
        size_t sum = 0;
        for (const uint16_t count : burst.coalesce()) sum += count;
        EXPECT_EQ(sum, 3u);
    }
}

// Streams of random pieces, in random flows, with other packets between and now and then a loss or a
// damaged frame: each flow's frames come out in their order, and cutting gives the same again.
TEST(Coalesce, RandomStreamsComeOutInOrder) {
    std::mt19937 random(12);
    const auto flow_of = [](const Bytes& each) {
        const size_t tcp = each[12] == 0x86 ? kTcp6 : kTcp4;
        return std::make_pair(tcp, each[tcp] << 8 | each[tcp + 1]);
    };
    size_t merged = 0;
    for (int round = 0; round < 500; ++round) {
        const unsigned flows = 1 + random() % 6;
        std::vector<uint32_t> sequence(flows);
        for (uint32_t& each : sequence) each = static_cast<uint32_t>(random());
        std::vector<uint16_t> id(flows);
        std::vector<Bytes> frames;
        unsigned flow = 0;
        const size_t count = 1 + random() % 64;
        while (frames.size() < count) {
            if (random() % 3 == 0) flow = random() % flows;
            Words words;
            words.ipv6 = flow % 2 != 0;
            words.port = static_cast<uint16_t>(5000 + flow);
            words.size = random() % 6 == 0 ? random() % 1400 : 1348;
            if (random() % 10 == 0) words.flags = kPush;
            if (random() % 20 == 0) words.flags |= TcpHeader::kFin;
            if (random() % 20 == 0) sequence[flow] += 1348;
            if (random() % 20 == 0) words.traffic_class = 3;
            words.sequence = sequence[flow];
            words.id = id[flow]++;
            sequence[flow] += static_cast<uint32_t>(words.size);
            frames.push_back(frame(words));
            if (random() % 20 == 0) frames.back()[60 + random() % 20] ^= 4;
        }
        Burst burst(frames);
        merged += count - burst.coalesce().size();
        const std::vector<Bytes> out = burst.cut();
        std::map<std::pair<size_t, int>, std::vector<Bytes>> before, after;
        for (const Bytes& each : frames) before[flow_of(each)].push_back(each);
        for (const Bytes& each : out) after[flow_of(each)].push_back(each);
        ASSERT_EQ(before, after) << "round " << round;
    }
    EXPECT_GT(merged, 1000u);
}

}  // namespace
}  // namespace sluice::wire
