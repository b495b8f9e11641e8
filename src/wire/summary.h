// A frame in one line for people, much as `tcpdump -e -n` tells it:
//
//     02:00:00:00:00:0a > 02:00:00:00:00:0b, vlan 5, length 74: 10.0.0.1.1234 > 10.0.0.2.80: TCP [S], seq 1
//
// Made of as much of the frame as there is, which may be less than its length; what a header says is not
// trusted. For the control thread: it allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace sluice::wire {

// `bytes` are the frame's first ones, `length` is the frame's own.
std::string summary(std::span<const uint8_t> bytes, size_t length);

}  // namespace sluice::wire
