// Whatever comes in: no packet leaves its network, none with a wrong checksum, none twice to its
// sender, and the books balance. Fixed seeds.
#include <gtest/gtest.h>

#include <random>
#include <set>

#include "golden/harness.h"

namespace sluice {
namespace {

using path::Drop;
using test::Bytes;
using test::Packet;
using test::Unfinished;

const std::vector<std::string> kDevices{"a", "b", "c", "d", "e", "f", "g", "tiny"};
const std::vector<std::string> kNetworks{"", "blue", "red", "green"};  // "": in none
constexpr int kStations = 40;
constexpr size_t kTag = 0x40;  // a payload is filled with the number of the port it came in by

class Random {
 public:
    explicit Random(uint64_t seed) : random_(seed) {}

    uint32_t below(uint32_t n) { return static_cast<uint32_t>(random_() % n); }
    bool chance(uint32_t percent) { return below(100) < percent; }

    std::string station() { return fmt::format("02:00:00:00:00:{:02x}", below(kStations)); }
    std::string destination() {
        if (chance(75)) return station();
        static const char* const kOthers[] = {"ff:ff:ff:ff:ff:ff", "01:00:5e:01:02:03",
                                              "33:33:00:00:00:fb", "01:80:c2:00:00:0e",
                                              "02:ff:ff:ff:ff:ff"};
        return kOthers[below(std::size(kOthers))];
    }
    std::string source() {
        if (chance(97)) return station();
        return chance(50) ? "00:00:00:00:00:00" : "03:00:00:00:00:01";
    }

    struct Frame {
        Bytes bytes;
        std::optional<Unfinished> unfinished;
    };
    Frame frame(size_t port) {
        if (chance(3)) return {Bytes(1 + below(13), static_cast<uint8_t>(kTag + port)), {}};
        Packet packet;
        Unfinished what;
        packet.eth(source(), destination());
        if (chance(20)) {
            packet.vlan(static_cast<uint16_t>(1 + below(4094)), chance(80) ? 0x8100 : 0x88a8);
            what.l2_len = 18;
        }
        what.ipv6 = chance(40);
        what.udp = chance(40);
        if (what.ipv6) {
            packet.ipv6("fd00::1", "fd00::2");
            what.l3_len = 40;
        } else {
            packet.ipv4("10.0.0.1", "10.0.0.2").id(static_cast<uint16_t>(below(65536)));
        }
        if (what.udp) {
            packet.udp(static_cast<uint16_t>(1 + below(1000)), 53);
            what.l4_len = 8;
        } else {
            packet.tcp(80, static_cast<uint16_t>(below(65536)), 0x19, below(1U << 31));
        }
        const bool segment = !what.udp && chance(30);
        // Of all sizes around the three MTUs, and of no payload at all.
        uint32_t size = chance(5) ? 0 : 1 + below(chance(30) ? 9000 : 1500);
        if (segment) {
            what.segment_size =
                static_cast<uint16_t>(chance(30) ? 500 + below(8000) : 500 + below(950));
            size = what.segment_size + 1 + below(12'000);
        }
        packet.payload(Bytes(size, static_cast<uint8_t>(kTag + port)));
        if (!segment && !chance(30)) return {packet, {}};
        return {packet.unfinished(), what};
    }
    // How a frame of that size may be spread over buffers, its Ethernet header in one piece.
    std::vector<size_t> chain(size_t size) {
        std::vector<size_t> sizes;
        if (size < 20 || chance(60)) return sizes;
        sizes.push_back(14 + below(static_cast<uint32_t>(std::min<size_t>(size - 14, 1900))));
        for (uint32_t i = below(4); i > 0; --i) sizes.push_back(1 + below(900));
        return sizes;
    }

    // Networks, MTUs and static addresses by chance; `membership` becomes the network of each
    // device, empty for a device that is no port.
    std::string configuration(std::vector<std::optional<std::string>>& membership) {
        std::string ports;
        std::map<std::string, std::string> statics;
        membership.assign(kDevices.size(), std::nullopt);
        for (size_t i = 0; i < kDevices.size(); ++i) {
            if (chance(10)) continue;
            const std::string network = chance(5) ? "" : kNetworks[1 + below(3)];
            membership[i] = network;
            static const int kMtus[] = {600, 1500, 1500, 9000};
            ports +=
                fmt::format("  - {{name: {0}, device: net_ring_{0}, mtu: {1}{2}}}\n", kDevices[i],
                            kMtus[below(4)], network.empty() ? "" : ", network: " + network);
            if (!network.empty() && chance(20)) {
                statics[network] =
                    fmt::format(", static: [{{mac: '{}', port: {}}}]", station(), kDevices[i]);
            }
        }
        std::string networks;
        for (size_t i = 1; i < kNetworks.size(); ++i) {
            networks += fmt::format("  - {{name: {}, mac-table-size: {}{}}}\n", kNetworks[i],
                                    chance(50) ? 16 : 8192, statics[kNetworks[i]]);
        }
        // A port whose device doesn't exist, for static addresses that lead nowhere.
        ports += "  - {name: absent, device: net_nosuch0, network: green}\n";
        return "networks:\n" + networks + "ports:\n" + ports;
    }

 private:
    std::mt19937_64 random_;
};

struct Seen {
    uint64_t frames = 0;
    std::set<Drop> drops;
};

// The switch asks for stations whose ports have gone, in the name of those who send to them.
bool is_solicitation(const Bytes& frame) {
    return frame.size() == 86 && frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == 58 && frame[54] == 135;
}

// Everything that the devices were sent, against who may have sent it.
void check_sent(test::Harness& harness, const std::vector<std::optional<std::string>>& membership,
                Seen& seen) {
    for (size_t out = 0; out < kDevices.size(); ++out) {
        for (const Bytes& frame : harness.sent(kDevices[out])) {
            ++seen.frames;
            ASSERT_TRUE(test::checksums_valid(frame)) << kDevices[out];
            ASSERT_TRUE(membership[out] && !membership[out]->empty()) << kDevices[out];
            // The headers of a frame with little payload may end in what looks like a tag.
            if (frame.size() < 80 || is_solicitation(frame)) continue;
            const size_t in = frame.back() - kTag;
            ASSERT_LT(in, kDevices.size());
            ASSERT_NE(in, out) << "back to its sender: " << kDevices[out];
            ASSERT_EQ(membership[in], membership[out]) << kDevices[in] << " to " << kDevices[out];
        }
    }
}

void play(uint16_t workers, uint64_t seed, Seen& seen) {
    Random random(seed);
    test::Harness harness(workers, kDevices);
    std::vector<std::optional<std::string>> membership;
    for (int configuration = 0; configuration < 8; ++configuration) {
        ASSERT_NO_FATAL_FAILURE(harness.apply(random.configuration(membership)));
        for (int round = 0; round < 12; ++round) {
            for (uint32_t i = random.below(100); i > 0; --i) {
                const size_t port = random.below(static_cast<uint32_t>(kDevices.size() - 1));
                if (!membership[port]) continue;
                const auto frame = random.frame(port);
                rte_mbuf* m = test::to_mbuf(test::switch_pools().buffers, frame.bytes,
                                            random.chain(frame.bytes.size()));
                ASSERT_NE(m, nullptr);
                if (frame.unfinished) test::mark(m, *frame.unfinished);
                harness.device(kDevices[port]).put(m, static_cast<uint16_t>(random.below(workers)));
            }
            {
                std::optional<test::Shortage> shortage;
                if (random.chance(10)) {
                    shortage.emplace(test::switch_pools().buffers, random.below(40));
                }
                harness.run();
            }
            ASSERT_NO_FATAL_FAILURE(check_sent(harness, membership, seen));
            harness.check_books(true);
        }
        for (const auto& [where, count] : harness.drops()) seen.drops.insert(where.second);
    }
    EXPECT_GT(harness.made(), 1000u);
}

TEST(GoldenRandom, NothingEscapesAndTheBooksBalance) {
    Seen seen;
    for (uint64_t seed = 1; seed <= 4; ++seed) {
        SCOPED_TRACE(seed);
        ASSERT_NO_FATAL_FAILURE(play(1 + seed % 2, seed, seen));
    }
    // The test is worth something only if all that can happen did.
    EXPECT_GT(seen.frames, 10'000u);
    for (Drop reason : {Drop::kRunt, Drop::kInvalidSource, Drop::kNoNetwork, Drop::kReservedMac,
                        Drop::kSamePort, Drop::kTooBig, Drop::kNoBuffer, Drop::kTransmitFull}) {
        EXPECT_TRUE(seen.drops.contains(reason)) << path::text(reason).name;
    }
}

}  // namespace
}  // namespace sluice
