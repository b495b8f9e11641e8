#include "wire/checksum.h"

#include <algorithm>
#include <cstring>

namespace sluice::wire {

// Does not use rte_raw_cksum_mbuf(): if a segment begins at an odd offset, DPDK 22.11 truncates the segment's
// unfolded sum to 16 bits before it swaps it, and loses the carries.
Sum sum_of(const rte_mbuf* m, uint32_t begin, uint32_t end) noexcept {
    uint32_t at = 0;
    Sum sum = 0;
    for (; m != nullptr && at < end; at += m->data_len, m = m->next) {
        const uint32_t from = begin > at ? begin - at : 0;
        const uint32_t to = std::min<uint32_t>(m->data_len, end - at);
        if (from >= to) continue;
        const Sum part = sum_of(rte_pktmbuf_mtod_offset(m, const uint8_t*, from), to - from);
        const bool odd = ((at + from - begin) & 1) != 0;
        sum += odd ? __builtin_bswap16(fold(part)) : fold(part);
    }
    return sum;
}

be16 header_checksum(const Ipv4Header& header) noexcept {
    const Sum sum = sum_of(&header, header.header_size());
    // Subtracting in one's complement arithmetic is adding the complement.
    return checksum_of(sum + static_cast<uint16_t>(~header.checksum.raw()));
}

namespace {

Sum size_and_protocol(Protocol protocol, uint32_t size) noexcept {
    const Sum high = be16(static_cast<uint16_t>(size >> 16)).raw();
    const Sum low = be16(static_cast<uint16_t>(size)).raw();
    return high + low + be16(static_cast<uint8_t>(protocol)).raw();
}

}  // namespace

Sum pseudo_header_sum(const Ipv4Header& header, Protocol protocol, uint32_t size) noexcept {
    return sum_of(&header.source, 2 * sizeof header.source, size_and_protocol(protocol, size));
}

Sum pseudo_header_sum(const Ipv6Header& header, Protocol protocol, uint32_t size) noexcept {
    return sum_of(&header.source, 2 * sizeof header.source, size_and_protocol(protocol, size));
}

void finish_l4_checksum(rte_mbuf* m, uint32_t begin, uint32_t field, uint32_t end) noexcept {
    // UDP requires the nonzero form and other protocols allow it, so the protocol does not matter here.
    write_be16(m, field, nonzero_checksum_of(sum_of(m, begin, end)));
}

void write_be16(rte_mbuf* m, uint32_t offset, be16 value) noexcept {
    uint8_t bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    for (const uint8_t byte : bytes) {
        while (m != nullptr && offset >= m->data_len) {
            offset -= m->data_len;
            m = m->next;
        }
        if (m == nullptr) return;
        *rte_pktmbuf_mtod_offset(m, uint8_t*, offset) = byte;
        ++offset;
    }
}

}  // namespace sluice::wire
