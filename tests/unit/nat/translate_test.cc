#include "nat/translate.h"

#include <gtest/gtest.h>
#include <rte_hash_crc.h>

#include <functional>

#include "support/packet.h"
#include "support/pools.h"

namespace sluice::nat {
namespace {

using test::Bytes;
using test::Packet;

constexpr path::FlowDomain kDomain{3};

// Ends of a connection, as a packet of it shows them.
struct Ends {
    std::string_view source;
    std::string_view destination;
    uint16_t source_port;
    uint16_t destination_port;
};
constexpr Ends kArrives{"10.0.0.2", "10.96.0.10", 40001, 80};
constexpr Ends kLeaves{"192.0.2.77", "10.244.255.3", 1025, 8080};
constexpr Ends kArrives6{"fd00::2", "fd00:96::a", 40001, 80};
constexpr Ends kLeaves6{"2001:db8::ffff:77", "fd00:244::3", 1025, 8080};

class TranslateTest : public testing::Test {
 protected:
    rte_mbuf* mbuf(const Bytes& bytes, const std::vector<size_t>& chain = {}) {
        return test::to_mbuf(test::switch_pools().buffers, bytes, chain);
    }
    static path::Connection read(rte_mbuf* m) {
        path::Connection connection{};
        path::read_connection(m, kDomain, connection);
        return connection;
    }
    path::Tuple tuple(const Bytes& bytes) {
        rte_mbuf* m = mbuf(bytes);
        const path::Tuple tuple = read(m).tuple();
        rte_pktmbuf_free(m);
        return tuple;
    }
    Change change(const Bytes& before, const Bytes& after) { return {tuple(before), tuple(after)}; }
};

// A packet of one connection is translated to that of another, and must be what its sender would have sent.
using Make = std::function<Packet(const Ends&)>;
struct Row {
    const char* name;
    Make make;
    bool is_ipv6 = false;
    bool is_udp = false;
    bool is_unfinished = false;
};
const Row kRows[] = {
    {"TCP",
     [](const Ends& e) {
         return Packet().eth().ipv4(e.source, e.destination).tcp(e.source_port, e.destination_port).payload(61);
     }},
    {"TCP with options, behind IP options",
     [](const Ends& e) {
         return Packet()
             .eth()
             .ipv4(e.source, e.destination)
             .options(8)
             .tcp(e.source_port, e.destination_port)
             .options(12)
             .payload(7);
     }},
    {"UDP",
     [](const Ends& e) {
         return Packet().eth().ipv4(e.source, e.destination).udp(e.source_port, e.destination_port).payload(20);
     }},
    {"UDP without a checksum",
     [](const Ends& e) {
         return Packet()
             .eth()
             .ipv4(e.source, e.destination)
             .udp(e.source_port, e.destination_port)
             .payload(20)
             .without_checksum();
     }},
    {"an unfinished TCP checksum",
     [](const Ends& e) {
         return Packet()
             .eth()
             .ipv4(e.source, e.destination)
             .tcp(e.source_port, e.destination_port)
             .payload(900)
             .unfinished();
     },
     false, false, true},
    {"an unfinished UDP checksum",
     [](const Ends& e) {
         return Packet()
             .eth()
             .ipv4(e.source, e.destination)
             .udp(e.source_port, e.destination_port)
             .payload(900)
             .unfinished();
     },
     false, true, true},
    {"an echo",
     [](const Ends& e) {
         return Packet().eth().ipv4(e.source, e.destination).icmp_echo(e.source_port, 7).payload(33);
     }},
    {"another protocol",
     [](const Ends& e) { return Packet().eth().ipv4(e.source, e.destination, 47).payload(33); }},
    {"TCP over IPv6",
     [](const Ends& e) {
         return Packet().eth().ipv6(e.source, e.destination).tcp(e.source_port, e.destination_port).payload(61);
     },
     true},
    {"UDP over IPv6, behind an extension",
     [](const Ends& e) {
         return Packet()
             .eth()
             .ipv6(e.source, e.destination)
             .extension(60, 16)
             .udp(e.source_port, e.destination_port)
             .payload(61);
     },
     true},
    {"an unfinished TCP checksum over IPv6",
     [](const Ends& e) {
         return Packet()
             .eth()
             .ipv6(e.source, e.destination)
             .tcp(e.source_port, e.destination_port)
             .payload(61)
             .unfinished();
     },
     true, false, true},
    {"an ICMPv6 echo",
     [](const Ends& e) {
         return Packet().eth().ipv6(e.source, e.destination).icmp_echo(e.source_port, 7).payload(33);
     },
     true},
};

TEST_F(TranslateTest, APacketBecomesWhatTheOtherConnectionWouldHaveSent) {
    for (const Row& row : kRows) {
        const Bytes before = row.make(row.is_ipv6 ? kArrives6 : kArrives).bytes();
        const Bytes after = row.make(row.is_ipv6 ? kLeaves6 : kLeaves).bytes();
        const Change change = this->change(before, after);
        for (const std::vector<size_t>& chain : {std::vector<size_t>{}, std::vector<size_t>{36}}) {
            if (row.is_ipv6 && !chain.empty()) continue;  // its whole header is in the first
            rte_mbuf* m = mbuf(before, chain);
            if (row.is_unfinished)
                test::mark(m, {.l3_len = static_cast<uint16_t>(row.is_ipv6 ? 40 : 20),
                               .l4_len = static_cast<uint16_t>(row.is_udp ? 8 : 20),
                               .ipv6 = row.is_ipv6,
                               .udp = row.is_udp});
            ASSERT_TRUE(translate(m, read(m), change)) << row.name;
            EXPECT_EQ(test::bytes_of(m), after) << row.name;
            // Undone by the quick way, where that takes it.
            const path::Tuple answers = change.arrives.reversed();
            if (!row.is_ipv6 && translate_plain(m, read(m), answers.key)) {
                EXPECT_EQ(test::bytes_of(m), before) << row.name << ", the quick way";
                EXPECT_TRUE(translate_plain(m, read(m), change.leaves.reversed().key)) << row.name;
                EXPECT_EQ(test::bytes_of(m), after) << row.name << ", the quick way";
            }
            ASSERT_TRUE(translate(m, read(m), change.undone())) << row.name;
            EXPECT_EQ(test::bytes_of(m), before) << row.name << ", undone";
            rte_pktmbuf_free(m);
        }
    }
}

TEST_F(TranslateTest, AMessageOfZerosHasTheOtherZeroForAChecksum) {
    const auto reply = [](std::string_view source, uint32_t id) {
        return Packet().eth().ipv4(source, "10.0.0.9").icmp(0, 0, id << 16).payload(Bytes(8)).bytes();
    };
    const Change change = this->change(reply("10.0.0.2", 7), reply("10.0.0.3", 0));
    rte_mbuf* m = mbuf(reply("10.0.0.2", 7));
    ASSERT_TRUE(translate(m, read(m), change));
    EXPECT_EQ(test::bytes_of(m), reply("10.0.0.3", 0));
    EXPECT_TRUE(test::checksums_valid(test::bytes_of(m)));
    rte_pktmbuf_free(m);
}

TEST_F(TranslateTest, AWrongChecksumStaysWrong) {
    Bytes before = kRows[0].make(kArrives).bytes();
    const Bytes after = kRows[0].make(kLeaves).bytes();
    const Change change = this->change(before, after);
    before[before.size() - 1] ^= 1;
    rte_mbuf* m = mbuf(before);
    ASSERT_TRUE(translate(m, read(m), change));
    EXPECT_FALSE(test::checksums_valid(test::bytes_of(m)));
    rte_pktmbuf_free(m);
}

// RFC 9260, appendix A: the code over the whole packet, with its own field as zeros.
void finish_sctp(Bytes& frame, size_t l4) {
    std::fill_n(frame.begin() + static_cast<ptrdiff_t>(l4) + 8, 4, 0);
    const Bytes text(frame.begin() + static_cast<ptrdiff_t>(l4), frame.end());  // aligned, as DPDK reads it
    const uint32_t code = ~rte_hash_crc(text.data(), static_cast<uint32_t>(text.size()), UINT32_MAX);
    std::memcpy(frame.data() + l4 + 8, &code, sizeof code);
}
Bytes sctp(const Ends& ends, size_t size) {
    Bytes text{static_cast<uint8_t>(ends.source_port >> 8), static_cast<uint8_t>(ends.source_port),
               static_cast<uint8_t>(ends.destination_port >> 8), static_cast<uint8_t>(ends.destination_port)};
    const Bytes rest = test::pattern(size);
    text.insert(text.end(), rest.begin(), rest.end());
    Bytes frame = Packet().eth().ipv4(ends.source, ends.destination, 132).payload(text).bytes();
    finish_sctp(frame, 34);
    return frame;
}

TEST_F(TranslateTest, SctpHasItsOwnChecksum) {
    for (const size_t size : {12, 13, 64, 500}) {
        const Bytes before = sctp(kArrives, size);
        const Bytes after = sctp(kLeaves, size);
        rte_mbuf* m = mbuf(before);
        ASSERT_TRUE(translate(m, read(m), change(before, after)));
        EXPECT_EQ(test::bytes_of(m), after) << size;
        rte_pktmbuf_free(m);
    }
}

TEST_F(TranslateTest, ALaterFragmentHasAddressesOnly) {
    const Change change = this->change(kRows[2].make(kArrives), kRows[2].make(kLeaves));
    const auto fragment = [](const Ends& ends) {
        return Packet().eth().ipv4(ends.source, ends.destination, 17).fragment(0x2005).payload(64).bytes();
    };
    rte_mbuf* m = mbuf(fragment(kArrives));
    ASSERT_TRUE(translate_later_fragment(m, read(m), change));
    EXPECT_EQ(test::bytes_of(m), fragment(kLeaves));
    rte_pktmbuf_free(m);
}

// What an error quotes: the IP packet, or the first bytes of it.
Bytes quote(const Bytes& frame, size_t size = 4000) {
    return {frame.begin() + 14, frame.begin() + static_cast<ptrdiff_t>(std::min(frame.size(), size + 14))};
}

TEST_F(TranslateTest, AnErrorShowsWhatItsReceiverHadSent) {
    for (const Row& row : kRows) {
        if (row.is_unfinished || std::string_view(row.name).find("extension") != std::string_view::npos) continue;
        const Bytes sent = row.make(row.is_ipv6 ? kArrives6 : kArrives).bytes();
        const Bytes seen = row.make(row.is_ipv6 ? kLeaves6 : kLeaves).bytes();
        const Ends& sent_by = row.is_ipv6 ? kArrives6 : kArrives;
        const Ends& seen_by = row.is_ipv6 ? kLeaves6 : kLeaves;
        const Change change = this->change(sent, seen);
        const auto error = [&](std::string_view from, std::string_view to, const Bytes& text) {
            return row.is_ipv6 ? Packet().eth().ipv6(from, to).icmp(1, 4, 0).payload(text).bytes()
                               : Packet().eth().ipv4(from, to).icmp(3, 3, 0).payload(text).bytes();
        };
        const std::string_view router = row.is_ipv6 ? "2001:db8::1" : "198.51.100.1";
        // Whoever tells it, it comes from where its receiver had sent to.
        EXPECT_NE(sent_by.destination, seen_by.destination);
        for (const size_t size : {size_t{48}, size_t{63}, size_t{4000}}) {
            rte_mbuf* m = mbuf(error(router, seen_by.source, quote(seen, size)));
            ASSERT_TRUE(translate_error(m, read(m), change)) << row.name;
            EXPECT_EQ(test::bytes_of(m), error(sent_by.destination, sent_by.source, quote(sent, size)))
                << row.name;
            rte_pktmbuf_free(m);
            m = mbuf(error(seen_by.destination, seen_by.source, quote(seen, size)));
            ASSERT_TRUE(translate_error(m, read(m), change)) << row.name;
            EXPECT_EQ(test::bytes_of(m), error(sent_by.destination, sent_by.source, quote(sent, size)))
                << row.name << ", by the other end";
            rte_pktmbuf_free(m);
        }
    }
}

TEST_F(TranslateTest, AQuoteThatIsTooShortIsNotTranslated) {
    const Change change = this->change(kRows[0].make(kArrives), kRows[0].make(kLeaves));
    const Bytes seen = kRows[0].make(kLeaves).bytes();
    const Bytes error =
        Packet().eth().ipv4("198.51.100.1", kLeaves.source).icmp(3, 3, 0).payload(quote(seen, 27)).bytes();
    rte_mbuf* m = mbuf(error);
    EXPECT_FALSE(translate_error(m, read(m), change));
    EXPECT_EQ(test::bytes_of(m), error);
    rte_pktmbuf_free(m);
}

}  // namespace
}  // namespace sluice::nat
