// A frame in one line for people, similar to `tcpdump -e -n`:
//
//     02:00:00:00:00:0a > 02:00:00:00:00:0b, vlan 5, length 74: 10.0.0.1.1234 > 10.0.0.2.80: TCP [S], seq 1
//
// Uses the bytes that were captured, which may be fewer than the frame's length. Header fields are not trusted.
// For the control thread: it allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sluice::wire {

// `bytes` are the frame's first bytes, `length` is the length of the whole frame.
std::string summary(std::span<const uint8_t> bytes, size_t length);

}  // namespace sluice::wire
