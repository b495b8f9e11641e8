// A worker that drops without a pause while others read what it dropped.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "path/drop_log.h"

namespace sluice::path {
namespace {

constexpr uint32_t kRecords = 200'000;
constexpr int kReaders = 2;

// Every field of record n tells n, so that two records that were mixed are noticed.
constexpr uint8_t byte_of(uint32_t n) { return static_cast<uint8_t>(n * 7 + 1); }
constexpr uint32_t size_of(uint32_t n) { return n % 100; }

bool is_whole(const DropRecord& record) {
    const uint32_t n = record.object;
    if (record.time != n || record.count != n || record.port != PortId(n % 1000)) return false;
    if (record.length != size_of(n) || record.size != std::min<size_t>(size_of(n), DropRecord::kBytes)) {
        return false;
    }
    for (size_t i = 0; i < record.bytes.size(); ++i) {
        if (record.bytes[i] != (i < record.size ? byte_of(n) : 0)) return false;
    }
    return true;
}

TEST(DropLogConcurrency, WhatIsReadWasRecorded) {
    const auto log = std::make_unique<DropLog>();
    std::atomic<bool> recording{true};
    std::atomic<uint64_t> wrong{0};
    std::atomic<uint64_t> found{0};

    std::vector<std::thread> readers;
    for (int reader = 0; reader < kReaders; ++reader) {
        readers.emplace_back([&] {
            bool last = false;
            while (!last) {
                last = !recording;
                const std::vector<DropRecord> records = log->recent();
                found += records.size();
                for (size_t i = 0; i < records.size(); ++i) {
                    if (!is_whole(records[i])) ++wrong;
                    if (i > 0 && records[i].object <= records[i - 1].object) ++wrong;
                }
            }
        });
    }
    std::array<uint8_t, 128> bytes;
    rte_mbuf packet{};
    packet.buf_addr = bytes.data();
    packet.nb_segs = 1;
    for (uint32_t n = 0; n < kRecords; ++n) {
        bytes.fill(byte_of(n));
        packet.pkt_len = size_of(n);
        packet.data_len = static_cast<uint16_t>(size_of(n));
        log->set_time(n);
        log->record(PortId(n % 1000), Drop::kRunt, &packet, {.object = n, .count = n});
    }
    recording = false;
    for (std::thread& reader : readers) reader.join();
    EXPECT_EQ(wrong, 0u);
    EXPECT_GE(found, kReaders * DropLog::kSize);
    EXPECT_EQ(log->recent().back().object, kRecords - 1);
}

}  // namespace
}  // namespace sluice::path
