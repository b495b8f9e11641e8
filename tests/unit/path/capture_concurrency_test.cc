// A worker that puts packets into a capture's ring while the control thread takes them out.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>

#include "path/capture.h"

namespace sluice::path {
namespace {

constexpr uint32_t kPackets = 200'000;

TEST(CaptureConcurrency, WhatIsTakenOutWasPutIn) {
    CaptureRing ring(4096);
    std::atomic<bool> writing{true};
    uint64_t taken = 0;
    uint64_t wrong = 0;

    // Packet n has n % 150 bytes of n's own, and a record that tells n.
    std::thread reader([&] {
        uint32_t before = 0;
        for (bool last = false; !last;) {
            last = !writing;
            while (const auto header = ring.front()) {
                DropRecord drop{};
                const std::string frame = ring.pop(drop);
                const uint32_t n = drop.object;
                if (taken != 0 && n <= before) ++wrong;
                if (header->length != n % 150 || frame != std::string(n % 150, static_cast<char>(n))) ++wrong;
                before = n;
                ++taken;
            }
        }
    });
    std::array<uint8_t, 150> bytes;
    rte_mbuf packet{};
    packet.buf_addr = bytes.data();
    packet.nb_segs = 1;
    DropRecord drop{};
    uint64_t put = 0;
    for (uint32_t n = 0; n < kPackets; ++n) {
        bytes.fill(static_cast<uint8_t>(n));
        packet.pkt_len = n % 150;
        packet.data_len = static_cast<uint16_t>(n % 150);
        drop.object = n;
        put += ring.push(Captured::kDropped, &packet, &drop) ? 1 : 0;
    }
    writing = false;
    reader.join();
    EXPECT_EQ(wrong, 0u);
    EXPECT_EQ(taken, put);
    EXPECT_EQ(put + ring.lost(), kPackets);
}

}  // namespace
}  // namespace sluice::path
