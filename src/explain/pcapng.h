// Captured frames as pcapng (IETF draft-ietf-opsawg-pcapng), which Wireshark, tshark and tcpdump read: a section
// header, a block for each interface before its first frame, a block for each frame with its direction and a
// comment, and at the end the number of lost frames. Blocks are appended to a string.
//
// DPDK 22.11 has a writer of this format, but without comments, for its own ports only, and copying into mbufs of
// a pool. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::explain::pcapng {

enum class Direction : uint32_t { kUnknown = 0, kInbound = 1, kOutbound = 2 };  // of epb_flags

struct Frame {
    uint32_t interface;   // number of the add_interface() call, from 0
    int64_t nanoseconds;  // since the epoch
    uint32_t length;      // on the wire
    std::string_view bytes;
    Direction direction;
    std::string_view comment;
};

void add_section(std::string& out, std::string_view application);
void add_interface(std::string& out, std::string_view name, uint32_t snap_length);
void add_frame(std::string& out, const Frame& frame);
// For the first interface.
void add_statistics(std::string& out, int64_t nanoseconds, uint64_t received, uint64_t lost);

}  // namespace sluice::explain::pcapng
