// The PCI network functions of this host, physical and virtual, and their drivers: the kernel's, or vfio-pci for
// a program such as Sluice. Read from sysfs and changed there; nothing is kept. Control thread.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sluice::port::pci {

// The kernel's interface to PCI. A test uses its own folder, and a `write` that acts as the kernel would.
struct Host {
    std::string sys = "/sys";
    std::string dev = "/dev";
    std::function<base::Result<void>(const std::string& file, const std::string& text)> write;
    // The indices of the interfaces with a default route.
    std::function<base::Result<std::set<int>>()> default_routes;
};
Host this_host();

// A kernel interface of a function, which is lost when the function gets another driver.
struct Interface {
    std::string name;
    std::string state;  // RFC 2863: "up", "down", …
    uint32_t speed = 0;  // Mbit/s; 0: unknown
    // It, or a bridge, bond or VLAN above it, has the host's default route.
    bool has_default_route = false;
};

struct Device {
    std::string address;  // "0000:03:00.1"
    std::string id;       // vendor and device, "8086:1572"
    std::string driver;   // empty: none
    int numa_node = -1;   // -1: the host has only one node, or does not tell it
    std::vector<Interface> interfaces;
    std::string physical_function;  // of a virtual function: the address of its physical one
    std::vector<std::string> virtual_functions;  // of a physical function: their addresses
    std::string iommu_group;  // empty: no IOMMU
    // Other functions of the IOMMU group that have a kernel driver, "0000:03:00.0 (ixgbe)". While there are any,
    // vfio gives out no function of the group.
    std::vector<std::string> group_held_by;
    bool has_msix = false;  // one interrupt per queue
};

// The address of the function in DPDK device arguments, as the kernel writes it: "0000:03:00.1" for
// "03:00.1,foo=1". None for devices that are not PCI functions.
std::optional<std::string> address_of(std::string_view device_arguments);

// Whether this driver leaves a function to programs, as vfio-pci does.
bool is_for_programs(std::string_view driver) noexcept;
// Whether the function's DPDK driver needs the kernel's driver, so that the function must stay bound to that.
bool shares_kernel_driver(const Device& device) noexcept;

base::Result<std::vector<Device>> list(const Host& host);
base::Result<Device> find(const Host& host, const std::string& address);
// The CPU cores of a NUMA node in Linux's notation, "0-7,16-23"; empty if unknown.
std::string cores_of_node(const Host& host, int node);

enum class Force { kNo, kYes };

// Binds the function to `driver`. Unless forced, refuses if the host would lose its network or users would lose
// virtual functions. If a step fails, undoes the earlier steps before it returns an error.
base::Result<Device> bind(const Host& host, const std::string& address, const std::string& driver,
                          Force force);
// Binds it to the driver that the kernel chooses.
base::Result<Device> unbind(const Host& host, const std::string& address);

}  // namespace sluice::port::pci
