#include "path/drop_log.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "path/came_by.h"
#include "path/capture.h"

namespace sluice::path {
namespace {

// A reader gives up after so many tries. The record of a slot that is overwritten so often is no longer recent,
// and later records show the same drops.
constexpr int kTries = 8;

}  // namespace

void DropLog::record(PortId port, Drop reason, const rte_mbuf* packet, const DropSite& site) noexcept {
    PortId ingress = site.ingress;
    PortId egress = site.egress;
    if (ingress == kNoPort && egress == kNoPort) (is_of_ingress(reason) ? ingress : egress) = port;
    if (ingress == kNoPort && packet != nullptr) ingress = came_by(packet);
    const uint64_t length = packet != nullptr ? packet->pkt_len : 0;
    const uint64_t size = std::min<uint64_t>(length, DropRecord::kBytes);
    // Assembled in registers: stores of single fields that are then loaded as words took 52 cycles.
    const std::array<uint64_t, kHeadWords> head{
        now_,
        site.object | uint64_t{site.count} << 32,
        length | uint64_t{index(port)} << 32 | uint64_t{index(ingress)} << 48,
        uint64_t{index(egress)} | uint64_t{index(site.network)} << 16 | static_cast<uint64_t>(reason) << 32 |
            size << 40};

    Slot& slot = slots_[count_ % kSize];
    slot.version.store(2 * count_ + 1, std::memory_order_relaxed);
    for (size_t i = 0; i < kHeadWords; ++i) slot.words[i].store(head[i], std::memory_order_release);
    // Copies whole words, which may end behind the frame but not behind its buffer. The reader cuts the rest off.
    const uint64_t end = (size + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1);
    if (size != 0 && packet->data_len >= size && packet->data_off + end <= packet->buf_len) {
        slot.keep(rte_pktmbuf_mtod(packet, const uint8_t*), end);
    } else if (size != 0) {
        std::array<uint8_t, DropRecord::kBytes> bytes{};
        uint64_t done = 0;
        for (const rte_mbuf* part = packet; part != nullptr && done < size; part = part->next) {
            const uint64_t some = std::min<uint64_t>(part->data_len, size - done);
            std::memcpy(bytes.data() + done, rte_pktmbuf_mtod(part, const void*), some);
            done += some;
        }
        slot.keep(bytes.data(), end);
    }
    slot.version.store(2 * count_ + 2, std::memory_order_release);
    ++count_;
    if (captures_ != nullptr && packet != nullptr) capture(slot, packet);
}

[[gnu::always_inline]] inline void DropLog::Slot::keep(const uint8_t* bytes, uint64_t size) noexcept {
    for (uint64_t done = 0; done < size; done += sizeof(uint64_t)) {
        uint64_t word;
        std::memcpy(&word, bytes + done, sizeof word);
        words[kHeadWords + done / sizeof word].store(word, std::memory_order_release);
    }
}

DropRecord DropLog::Slot::record() const noexcept {
    std::array<uint64_t, kWords> copy;
    for (size_t i = 0; i < kWords; ++i) copy[i] = words[i].load(std::memory_order_acquire);
    DropRecord record;
    std::memcpy(&record, copy.data(), sizeof record);
    // The bytes behind the frame are from its buffer or from the slot's previous record.
    if (record.size < DropRecord::kBytes) {
        std::fill(record.bytes.begin() + record.size, record.bytes.end(), uint8_t{0});
    }
    return record;
}

[[gnu::noinline]] void DropLog::capture(const Slot& slot, const rte_mbuf* packet) const noexcept {
    const DropRecord record = slot.record();
    for (Capture* capture : *captures_) {
        if (!capture->filter().matches(packet)) continue;
        capture->ring(worker_).push(Captured::kDropped, packet, &record);
    }
}

std::vector<DropRecord> DropLog::recent(uint64_t& seen) const {
    std::vector<std::pair<uint64_t, DropRecord>> found;
    found.reserve(kSize);
    for (const Slot& slot : slots_) {
        for (int i = 0; i < kTries; ++i) {
            const uint64_t version = slot.version.load(std::memory_order_acquire);
            if (version <= seen) break;
            if (version % 2 != 0) continue;
            const DropRecord record = slot.record();
            if (slot.version.load(std::memory_order_relaxed) != version) continue;
            found.emplace_back(version, record);
            break;
        }
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<DropRecord> records;
    records.reserve(found.size());
    for (const auto& [number, record] : found) records.push_back(record);
    if (!found.empty()) seen = found.back().first;
    return records;
}

}  // namespace sluice::path
