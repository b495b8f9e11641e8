// The resources that a port uses exclusively: a device, an interface, a socket. They follow from its
// configuration alone, before anything is opened. Control thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "port/port_config.h"

namespace sluice::port {

struct Claim {
    std::string what;  // for people: "interface eth1 of the host"
    std::string identity;  // equal for the same resource, however it is written
    std::string key;   // the configuration key that names it
    std::optional<size_t> member = {};  // of a bond
};

std::vector<Claim> claims(const PortConfig& config);

// The network namespace of a container's port, as far as its configuration tells. Equal if the names mean the
// same file. pid:N and a name may still be the same namespace.
std::string namespace_of(const PortConfig& config);

// DPDK's name for the device that these arguments make.
std::string device_name(const std::string& arguments);

// The number of devices that DPDK opens for a port; all ports together may have kMostDevices. A bond is one,
// beside its members. Containers, guests and net_af_packet need none.
size_t dpdk_devices(const PortConfig& config) noexcept;
extern const size_t kMostDevices;

}  // namespace sluice::port
