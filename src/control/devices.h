// The commands about PCI devices: list the devices, bind one to a driver for DPDK, give it back to the kernel. A
// device that a port has open can't be moved. Control thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/switch.h"
#include "port/pci.h"

namespace sluice::control {

// A port whose device is a PCI function.
struct PciPort {
    std::string name;
    std::string address;
    bool up = false;
    nlohmann::json device = nlohmann::json::object();  // the port's description of it: link, speed
};
std::vector<PciPort> pci_ports(const engine::Switch& running);

base::Result<nlohmann::json> list_devices(const port::pci::Host& host,
                                          const std::vector<PciPort>& ports);
base::Result<nlohmann::json> bind_device(const port::pci::Host& host,
                                         const std::vector<PciPort>& ports,
                                         const std::string& address, const std::string& driver,
                                         port::pci::Force force);
base::Result<nlohmann::json> unbind_device(const port::pci::Host& host,
                                           const std::vector<PciPort>& ports,
                                           const std::string& address);

}  // namespace sluice::control
