#include "wire/fragment.h"

#include <cstring>

#include "wire/checksum.h"
#include "wire/offload.h"

namespace sluice::wire {
namespace {

constexpr uint32_t kUnit = 8;  // the unit of a fragment's offset, in bytes
constexpr uint32_t kMostIpBytes = 65535;
constexpr uint16_t kFragmentBits = Ipv4Header::kMoreFragments | Ipv4Header::kOffsetMask;

constexpr uint8_t kEndOfOptions = 0;  // IPv4 options (RFC 791, 3.1)
constexpr uint8_t kIpv4NoOperation = 1;
constexpr uint8_t kCopied = 0x80;  // flag of an option that every fragment carries

constexpr uint32_t whole_units(uint32_t size) noexcept { return size & ~(kUnit - 1); }

const Ipv4Header& ip_of(const rte_mbuf* m, uint32_t l3_offset) noexcept {
    return *rte_pktmbuf_mtod_offset(m, const Ipv4Header*, l3_offset);
}

}  // namespace

Fragmenter::Fragmenter(const rte_mbuf* packet, uint16_t l3_offset, uint16_t mtu,
                       rte_mempool* pool) noexcept
    : packet_(packet),
      pool_(pool),
      payload_(packet, l3_offset + ip_of(packet, l3_offset).header_size()),
      l3_offset_(l3_offset),
      mtu_(mtu),
      first_size_(ip_of(packet, l3_offset).header_size()),
      payload_size_(ip_of(packet, l3_offset).total_size.host() - first_size_) {
    const Ipv4Header& ip = ip_of(packet, l3_offset);
    flags_offset_ = ip.fragment.host();
    const uint32_t offset = (flags_offset_ & Ipv4Header::kOffsetMask) * kUnit;
    if (mtu_ < first_size_ + kUnit || offset + payload_size_ > kMostIpBytes) {
        failed_ = true;
        return;
    }
    write_later_header(ip);
    count_ = count();
    finish_checksum();
}

// Beyond the fixed part, only the options with the "copied" flag (RFC 791, 3.1). Bytes that are not a valid
// option list are left out.
void Fragmenter::write_later_header(const Ipv4Header& header) noexcept {
    const auto* from = reinterpret_cast<const uint8_t*>(&header);
    std::memcpy(later_header_.data(), from, sizeof header);
    uint32_t size = sizeof header;
    uint32_t at = sizeof header;
    while (at < first_size_ && from[at] != kEndOfOptions) {
        const uint8_t type = from[at];
        if (type == kIpv4NoOperation) {
            ++at;
            continue;
        }
        const uint32_t option_size = at + 1 < first_size_ ? from[at + 1] : 0;
        if (option_size < 2 || option_size > first_size_ - at) break;
        if ((type & kCopied) != 0) {
            std::memcpy(&later_header_[size], from + at, option_size);
            size += option_size;
        }
        at += option_size;
    }
    while (size % 4 != 0) later_header_[size++] = kEndOfOptions;
    later_size_ = size;
    reinterpret_cast<Ipv4Header*>(later_header_.data())->version_size =
        static_cast<uint8_t>(0x40 | size / 4);
}

uint32_t Fragmenter::count() const noexcept {
    if (payload_size_ <= mtu_ - first_size_) return 1;
    const uint32_t left = payload_size_ - whole_units(mtu_ - first_size_);
    const uint32_t last = mtu_ - later_size_;  // the last one may end at any byte
    const uint32_t step = whole_units(last);
    return 2 + (left > last ? (left - last + step - 1) / step : 0);
}

void Fragmenter::finish_checksum() noexcept {
    unfinished_ = is_unfinished(packet_);
    if (!unfinished_) return;
    const bool udp = (packet_->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_UDP_CKSUM;
    const uint32_t begin = l3_offset_ + first_size_;
    checksum_field_ = checksum_offset(udp ? Protocol::kUdp : Protocol::kTcp);
    checksum_ = nonzero_checksum_of(sum_of(packet_, begin, begin + payload_size_));
}

rte_mbuf* Fragmenter::next() noexcept {
    if (failed_ || index_ == count_) return nullptr;
    const bool first = index_ == 0;
    const bool last = index_ + 1 == count_;
    const uint32_t header_size = first ? first_size_ : later_size_;
    const uint32_t size = last ? payload_size_ - payload_done_ : whole_units(mtu_ - header_size);

    rte_mbuf* fragment = alloc_piece(pool_, packet_, l3_offset_ + header_size + size);
    if (unlikely(fragment == nullptr)) {
        failed_ = true;
        return nullptr;
    }
    append_bytes(fragment, rte_pktmbuf_mtod(packet_, const uint8_t*), l3_offset_);
    const void* header = later_header_.data();
    if (first) header = &ip_of(packet_, l3_offset_);
    append_bytes(fragment, header, header_size);
    payload_.append_to(fragment, size);

    auto& ip = *rte_pktmbuf_mtod_offset(fragment, Ipv4Header*, l3_offset_);
    const bool more = !last || (flags_offset_ & Ipv4Header::kMoreFragments) != 0;
    const uint32_t offset = (flags_offset_ & Ipv4Header::kOffsetMask) + payload_done_ / kUnit;
    ip.total_size = be16(static_cast<uint16_t>(header_size + size));
    ip.fragment = be16(static_cast<uint16_t>((flags_offset_ & ~kFragmentBits) | offset |
                                             (more ? Ipv4Header::kMoreFragments : 0)));
    ip.checksum = header_checksum(ip);
    // If fragments are small, TCP's checksum may be in a later one. Its two bytes are in the same one: offsets
    // are even.
    if (unfinished_ && checksum_field_ >= payload_done_ && checksum_field_ < payload_done_ + size) {
        write_be16(fragment, l3_offset_ + header_size + checksum_field_ - payload_done_, checksum_);
    }
    ++index_;
    payload_done_ += size;
    return fragment;
}

}  // namespace sluice::wire
