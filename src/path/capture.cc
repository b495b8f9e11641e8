#include "path/capture.h"

#include <rte_cycles.h>

#include <algorithm>
#include <cstring>

namespace sluice::path {

CaptureRing::CaptureRing(size_t capacity)
    : capacity_(capacity), bytes_(std::make_unique_for_overwrite<uint8_t[]>(capacity)) {}

bool CaptureRing::push(Captured what, const rte_mbuf* packet, const DropRecord* drop) noexcept {
    const CapturedHeader header{rte_get_tsc_cycles(), packet->pkt_len,
                                std::min(packet->pkt_len, kMaxCaptured), what};
    const size_t head = sizeof header + (drop != nullptr ? sizeof *drop : 0);
    const uint64_t end = end_.load(std::memory_order_relaxed);
    if (end + head + header.size - begin_.load(std::memory_order_acquire) > capacity_) {
        lost_.store(lost_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        return false;
    }
    write(end, &header, sizeof header);
    if (drop != nullptr) write(end + sizeof header, drop, sizeof *drop);
    uint32_t done = 0;
    for (const rte_mbuf* part = packet; part != nullptr && done < header.size; part = part->next) {
        const uint32_t some = std::min<uint32_t>(part->data_len, header.size - done);
        write(end + head + done, rte_pktmbuf_mtod(part, const void*), some);
        done += some;
    }
    end_.store(end + head + header.size, std::memory_order_release);
    return true;
}

std::optional<CapturedHeader> CaptureRing::front() const {
    const uint64_t begin = begin_.load(std::memory_order_relaxed);
    if (end_.load(std::memory_order_acquire) == begin) return std::nullopt;
    CapturedHeader header;
    read(begin, &header, sizeof header);
    return header;
}

std::string CaptureRing::pop(DropRecord& drop) {
    const CapturedHeader header = front().value();
    uint64_t at = begin_.load(std::memory_order_relaxed) + sizeof header;
    if (header.what == Captured::kDropped) {
        read(at, &drop, sizeof drop);
        at += sizeof drop;
    }
    std::string frame(header.size, '\0');
    read(at, frame.data(), frame.size());
    begin_.store(at + frame.size(), std::memory_order_release);
    return frame;
}

void CaptureRing::write(uint64_t at, const void* from, size_t size) noexcept {
    const size_t offset = at & (capacity_ - 1);
    const size_t first = std::min(size, capacity_ - offset);
    std::memcpy(&bytes_[offset], from, first);
    std::memcpy(&bytes_[0], static_cast<const uint8_t*>(from) + first, size - first);
}

void CaptureRing::read(uint64_t at, void* to, size_t size) const {
    const size_t offset = at & (capacity_ - 1);
    const size_t first = std::min(size, capacity_ - offset);
    std::memcpy(to, &bytes_[offset], first);
    std::memcpy(static_cast<uint8_t*>(to) + first, &bytes_[0], size - first);
}

Capture::Capture(std::string port, wire::Filter filter, size_t workers, size_t ring_size)
    : port_(std::move(port)), filter_(std::move(filter)) {
    for (size_t i = 0; i < workers; ++i) rings_.push_back(std::make_unique<CaptureRing>(ring_size));
}

uint64_t Capture::lost() const noexcept {
    uint64_t lost = 0;
    for (const auto& ring : rings_) lost += ring->lost();
    return lost;
}

}  // namespace sluice::path
