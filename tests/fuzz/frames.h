// Frames out of an input, as mbufs whose bytes AddressSanitizer guards on both sides.
#pragma once

#include <rte_mbuf.h>

#include "fuzz/target.h"
#include "support/eal.h"
#include "support/packet.h"
#include "wire/headers.h"

namespace sluice::fuzz {

// Freed with its chain.
class Frame {
 public:
    explicit Frame(rte_mbuf* mbuf) : mbuf_(mbuf) { must(mbuf != nullptr, "the pool is dry"); }
    Frame(const Frame&) = delete;
    ~Frame() { rte_pktmbuf_free(mbuf_); }

    rte_mbuf* get() const { return mbuf_; }
    rte_mbuf* operator->() const { return mbuf_; }

 private:
    rte_mbuf* mbuf_;
};

// How a frame is spread over buffers: its first one holds an Ethernet header at least.
inline std::vector<size_t> take_chain(Input& input) {
    std::vector<size_t> sizes;
    for (uint32_t i = input.below(4); i > 0; --i) {
        sizes.push_back((sizes.empty() ? sizeof(wire::EthernetHeader) : 1) + input.byte());
    }
    return sizes;
}

inline test::Bytes copy_of(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

inline void check_sound(const rte_mbuf* m, std::string_view what) {
    must(test::is_sound(m), "{}: the head tells another length than its chain has", what);
}

}  // namespace sluice::fuzz
