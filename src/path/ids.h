// Small numbers by which workers name objects. A number is a slot. It is reused only after a grace period, so a
// worker never takes the new owner of a number for the old one.
#pragma once

#include <cstdint>

namespace sluice::path {

// Whole seconds of the workers' clock, for ageing.
using Seconds = uint32_t;

enum class PortId : uint16_t {};
enum class WorkerId : uint16_t {};
enum class NetworkId : uint16_t {};

inline constexpr uint16_t kMaxPorts = 4096;
inline constexpr uint16_t kMaxQueues = 16;  // receive queues per port
inline constexpr uint16_t kMaxWorkers = 64;
inline constexpr uint16_t kMaxNetworks = 4096;
inline constexpr PortId kNoPort{0xffff};
inline constexpr NetworkId kNoNetworkId{0xffff};

constexpr uint16_t index(PortId id) noexcept { return static_cast<uint16_t>(id); }
constexpr uint16_t index(NetworkId id) noexcept { return static_cast<uint16_t>(id); }
constexpr uint16_t index(WorkerId id) noexcept { return static_cast<uint16_t>(id); }

}  // namespace sluice::path
