#include "control/devices.h"

#include <algorithm>

#include "base/log.h"
#include "base/none.h"

namespace sluice::control {
namespace {

namespace pci = port::pci;
using nlohmann::json;

json names_of(const std::vector<pci::Interface>& interfaces) {
    json names = json::array();
    for (const auto& interface : interfaces) names.push_back(interface.name);
    return names;
}

// Adds link and speed, as reported by the port that has the device open, or else by the kernel.
void tell_link(json& row, const pci::Device& device, const PciPort* port) {
    if (port != nullptr && port->up) {
        for (const char* key : {"link", "speed"}) {
            row[key] = port->device.contains(key) ? port->device.at(key) : json();
        }
        return;
    }
    row["link"] = nullptr;
    row["speed"] = nullptr;
    for (const auto& interface : device.interfaces) {
        if (row["link"] != "up") row["link"] = interface.state;
        if (interface.speed != 0) row["speed"] = fmt::format("{} Mbit/s", interface.speed);
    }
}

json report(const pci::Device& device, const std::vector<PciPort>& ports) {
    auto port = std::ranges::find(ports, device.address, &PciPort::address);
    json row{{"address", device.address},
             {"id", device.id},
             {"driver", base::or_none(device.driver)},
             {"iommu-group", base::or_none(device.iommu_group)},
             {"group-held-by", device.group_held_by},
             {"physical-function", base::or_none(device.physical_function)},
             {"virtual-functions", device.virtual_functions.size()},
             {"interfaces", names_of(device.interfaces)},
             {"default-route", std::ranges::any_of(device.interfaces,
                                                   &pci::Interface::has_default_route)},
             {"port", port == ports.end() ? json() : json(port->name)}};
    row["numa-node"] = device.numa_node < 0 ? json() : json(device.numa_node);
    tell_link(row, device, port == ports.end() ? nullptr : &*port);
    return row;
}

// Fails if a port uses the device. A physical function takes its virtual functions with it, so a port that uses
// one of those counts too.
base::Result<void> check_unused(const pci::Device& device, const std::vector<PciPort>& ports) {
    for (const PciPort& port : ports) {
        const bool below = std::ranges::find(device.virtual_functions, port.address) !=
                           device.virtual_functions.end();
        if (!port.up || (port.address != device.address && !below)) continue;
        return base::fail(
            "port {0} uses {1}{2}: delete the port first (`sluicectl port delete {0}`, or take it out "
            "of the file and reload)",
            port.name, port.address, below ? ", a virtual function of it" : "");
    }
    return {};
}

}  // namespace

std::vector<PciPort> pci_ports(const engine::Switch& running) {
    std::vector<PciPort> ports;
    for (const auto& [name, held] : running.ports()) {
        const auto address = pci::address_of(held.port->config().device);
        if (address) ports.push_back({name, *address, held.up, held.port->describe()});
    }
    return ports;
}

base::Result<json> list_devices(const pci::Host& host, const std::vector<PciPort>& ports) {
    const auto devices = pci::list(host);
    if (!devices) return tl::unexpected(devices.error());
    json rows = json::array();
    for (const auto& device : *devices) rows.push_back(report(device, ports));
    return json{{"devices", rows}};
}

base::Result<json> bind_device(const pci::Host& host, const std::vector<PciPort>& ports,
                               const std::string& address, const std::string& driver,
                               pci::Force force) {
    const auto before = pci::find(host, address);
    if (!before) return tl::unexpected(before.error());
    if (before->driver != driver) {
        if (auto done = check_unused(*before, ports); !done) return tl::unexpected(done.error());
    }
    const auto after = pci::bind(host, address, driver, force);
    if (!after) return tl::unexpected(after.error());
    base::log::info("device", "{} is bound to {}", after->address, after->driver);
    json lost = json::array();
    if (before->driver != driver) lost = names_of(before->interfaces);
    return json{{"device", report(*after, ports)}, {"lost-interfaces", lost}};
}

base::Result<json> unbind_device(const pci::Host& host, const std::vector<PciPort>& ports,
                                 const std::string& address) {
    const auto before = pci::find(host, address);
    if (!before) return tl::unexpected(before.error());
    const bool changes = before->driver.empty() || pci::is_for_programs(before->driver);
    if (changes) {
        if (auto done = check_unused(*before, ports); !done) return tl::unexpected(done.error());
    }
    const auto after = pci::unbind(host, address);
    if (!after) return tl::unexpected(after.error());
    if (changes) base::log::info("device", "{} is bound to {}", after->address, after->driver);
    return json{{"device", report(*after, ports)}};
}

}  // namespace sluice::control
