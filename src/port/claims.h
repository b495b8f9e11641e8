// What a port takes for itself, so that no other one can have it: a device, an interface, a socket. Told from
// its configuration alone, before anything is opened. Control thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "port/port_config.h"

namespace sluice::port {

struct Claim {
    std::string what;  // for people: "interface eth1 of the host"
    std::string identity;  // equal where the things are the same, however they are written
    std::string key;   // of the configuration, that names it
    std::optional<size_t> member = {};  // of a bond
};

std::vector<Claim> claims(const PortConfig& config);

// The network namespace of a container's port, as far as its configuration tells: equal where the names are of the
// same file. pid:N and a name may still be the same namespace.
std::string namespace_of(const PortConfig& config);

// As DPDK calls the device that these arguments make.
std::string device_name(const std::string& arguments);

// How many devices DPDK has to open for a port, of kMostDevices for all: a bond is one beside its members.
// Containers, guests and net_af_packet need none.
size_t dpdk_devices(const PortConfig& config) noexcept;
extern const size_t kMostDevices;

}  // namespace sluice::port
