#include "wire/mss.h"

#include <cstring>

#include "wire/checksum.h"
#include "wire/headers.h"
#include "wire/layers.h"
#include "wire/offload.h"

namespace sluice::wire {
namespace {

constexpr uint8_t kEnd = 0;
constexpr uint8_t kNoOperation = 1;
constexpr uint8_t kMaximumSegmentSize = 2;
constexpr uint8_t kMssSize = 4;  // bytes of that option

// Where the value of the option stands, from the header's start; 0: there is none.
uint32_t find_mss(const uint8_t* header, uint32_t size) noexcept {
    for (uint32_t at = sizeof(TcpHeader); at < size;) {
        if (header[at] == kEnd) return 0;
        if (header[at] == kNoOperation) {
            ++at;
            continue;
        }
        if (at + 1 >= size || header[at + 1] < 2 || at + header[at + 1] > size) return 0;
        if (header[at] == kMaximumSegmentSize) return header[at + 1] == kMssSize ? at + 2 : 0;
        at += header[at + 1];
    }
    return 0;
}

// A value that begins at an odd byte has its bytes in two words of the sum, each in the other half.
uint32_t in_sum(uint16_t word, uint32_t at) noexcept {
    return at % 2 == 0 ? word : static_cast<uint16_t>(word << 8 | word >> 8);
}

}  // namespace

void clamp_mss(rte_mbuf* m, uint16_t l4_offset, uint16_t most) noexcept {
    constexpr uint16_t kMostHeader = 60;
    if (m->data_len < l4_offset + kMostHeader) gather_headers(m, static_cast<uint16_t>(l4_offset + kMostHeader));
    if (m->data_len < l4_offset + sizeof(TcpHeader)) return;
    auto* header = rte_pktmbuf_mtod_offset(m, uint8_t*, l4_offset);
    auto& tcp = *reinterpret_cast<TcpHeader*>(header);
    const uint32_t size = tcp.header_size();
    if (size > uint32_t{m->data_len} - l4_offset) return;
    const uint32_t at = find_mss(header, size);
    if (at == 0) return;
    be16 before;
    std::memcpy(&before, header + at, sizeof before);
    if (before.host() <= most) return;
    const be16 after(most);
    std::memcpy(header + at, &after, sizeof after);
    // An unfinished checksum holds the pseudo-header's sum alone.
    if (is_unfinished(m)) return;
    const Sum sum = static_cast<uint16_t>(~tcp.checksum.raw()) + (in_sum(before.raw(), at) ^ 0xffffU) +
                    in_sum(after.raw(), at);
    tcp.checksum = checksum_of(sum);
}

}  // namespace sluice::wire
