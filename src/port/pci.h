// PCI network functions of this host, physical and virtual, and who drives them: the kernel, or vfio-pci
// on behalf of a program such as this one. Read from sysfs and changed there; nothing is kept. Control
// thread.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace sluice::port::pci {

// Where the kernel speaks of PCI. A test has a tree of its own, and a `write` that does what the kernel
// does upon one.
struct Host {
    std::string sys = "/sys";
    std::string dev = "/dev";
    std::function<base::Result<void>(const std::string& file, const std::string& text)> write;
    // The numbers of the interfaces by which a default route leads.
    std::function<base::Result<std::set<int>>()> default_routes;
};
Host this_host();

// What the kernel has made of a function, and what is lost when it gives the function away.
struct Interface {
    std::string name;
    std::string state;  // RFC 2863: "up", "down", …
    uint32_t speed = 0;  // Mbit/s; 0: not known
    // It, or a bridge, bond or VLAN above it, is the host's way out.
    bool has_default_route = false;
};

struct Device {
    std::string address;  // "0000:03:00.1"
    std::string id;       // vendor and device, "8086:1572"
    std::string driver;   // empty: none
    int numa_node = -1;   // -1: the host has only one, or doesn't tell
    std::vector<Interface> interfaces;
    std::string physical_function;  // of a virtual function: its physical one's address
    std::vector<std::string> virtual_functions;  // of a physical function: theirs
    std::string iommu_group;  // empty: behind no IOMMU
    // Others of the IOMMU group that the kernel still drives, "0000:03:00.0 (ixgbe)": as long as it does,
    // vfio gives out none of the group.
    std::vector<std::string> group_held_by;
    bool has_msix = false;  // an interrupt a queue
};

// The function that DPDK device arguments name, as the kernel writes it: "03:00.1,foo=1" is
// "0000:03:00.1". Nothing for devices that aren't PCI functions.
std::optional<std::string> address_of(std::string_view device_arguments);

// Whether this driver leaves a function to a program: vfio-pci and the like.
bool is_for_programs(std::string_view driver) noexcept;
// Whether the function's DPDK driver works beside the kernel's, so that it must stay bound to that.
bool shares_kernel_driver(const Device& device) noexcept;

base::Result<std::vector<Device>> list(const Host& host);
base::Result<Device> find(const Host& host, const std::string& address);
// CPU cores of a NUMA node as Linux writes them, "0-7,16-23"; empty if not known.
std::string cores_of_node(const Host& host, int node);

enum class Force { kNo, kYes };

// Gives the function to `driver`. Refuses, unless forced, what would cost this host its network or take
// virtual functions from their users. What was wrong is undone before an error is returned.
base::Result<Device> bind(const Host& host, const std::string& address, const std::string& driver,
                          Force force);
// Gives it back to the driver that the kernel chooses.
base::Result<Device> unbind(const Host& host, const std::string& address);

}  // namespace sluice::port::pci
