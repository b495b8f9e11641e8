#include "port/pci.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

#include "base/fd.h"
#include "port/netlink.h"

namespace sluice::port::pci {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNetworkClass = "0x02";  // PCI Code and ID Assignment, 1.3
constexpr std::string_view kBridgeClass = "0x06";
constexpr std::string_view kMellanox = "15b3:";
constexpr std::string_view kVfio = "vfio-pci";

std::string text_of(const fs::path& file) {
    std::ifstream stream(file);
    std::string line;
    std::getline(stream, line);
    return line;
}

int number_of(const fs::path& file, int otherwise) {
    const std::string text = text_of(file);
    int number = otherwise;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

// The last path component of the target of a sysfs link; empty if there is no such link.
std::string target_of(const fs::path& link) {
    std::error_code error;
    return fs::read_symlink(link, error).filename().string();
}

// The names in a folder, sorted; none if the folder does not exist.
std::vector<std::string> names_in(const fs::path& folder) {
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        names.push_back(it->path().filename().string());
    }
    std::ranges::sort(names);
    return names;
}

fs::path folder_of(const Host& host, const std::string& address) {
    return fs::path(host.sys) / "bus/pci/devices" / address;
}

base::Result<void> write_file(const std::string& file, const std::string& text) {
    const base::Fd fd(open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd || ::write(fd.get(), text.data(), text.size()) < 0) {
        return base::fail_errno(fmt::format("writing to {}", file));
    }
    return {};
}

base::Result<std::set<int>> default_routes() {
    auto netlink = Netlink::open();
    if (!netlink) return tl::unexpected(netlink.error());
    return netlink->default_route_links();
}

bool leads_out(const fs::path& net, const std::string& name, const std::set<int>& ways_out,
               int depth = 0) {
    if (ways_out.contains(number_of(net / name / "ifindex", 0))) return true;
    if (depth == 8) return false;  // the kernel's own limit to stacking (MAX_NEST_DEV)
    constexpr std::string_view kUpper = "upper_";
    return std::ranges::any_of(names_in(net / name), [&](const std::string& entry) {
        return entry.starts_with(kUpper) &&
               leads_out(net, entry.substr(kUpper.size()), ways_out, depth + 1);
    });
}

// For virtio-net, the folder "net" is not in the function's folder but in that of a virtio device between.
std::vector<Interface> interfaces_of(const Host& host, const fs::path& folder,
                                     const std::set<int>& ways_out) {
    std::error_code error;
    const std::string prefix = fs::canonical(folder, error).string() + "/";
    const fs::path net = fs::path(host.sys) / "class/net";
    std::vector<Interface> interfaces;
    for (const std::string& name : names_in(net)) {
        if (!fs::canonical(net / name, error).string().starts_with(prefix)) continue;
        const int speed = number_of(net / name / "speed", 0);
        interfaces.push_back({name, text_of(net / name / "operstate"),
                              static_cast<uint32_t>(std::max(speed, 0)),
                              leads_out(net, name, ways_out)});
    }
    return interfaces;
}

// PCI Local Bus 3.0, 6.7 (the list of capabilities) and 6.8.2 (MSI-X).
bool has_msix(const fs::path& folder) {
    std::ifstream stream(folder / "config", std::ios::binary);
    std::array<char, 256> config{};
    stream.read(config.data(), config.size());
    const auto byte = [&](size_t at) { return static_cast<uint8_t>(config[at]); };
    if ((byte(0x06) & 0x10) == 0) return false;
    size_t at = byte(0x34) & 0xfcU;
    for (int i = 0; at != 0 && i < 48; ++i) {
        if (byte(at) == 0x11) return true;
        at = byte(at + 1) & 0xfcU;
    }
    return false;
}

std::vector<std::string> group_held_by(const Host& host, const fs::path& folder,
                                       const std::string& address) {
    std::vector<std::string> held;
    for (const std::string& other : names_in(folder / "iommu_group/devices")) {
        const fs::path place = folder_of(host, other);
        const std::string driver = target_of(place / "driver");
        if (other == address || driver.empty() || driver.starts_with("vfio") ||
            driver == "pci-stub" || text_of(place / "class").starts_with(kBridgeClass)) {
            continue;
        }
        held.push_back(fmt::format("{} ({})", other, driver));
    }
    return held;
}

Device read_device(const Host& host, const std::string& address, const std::set<int>& ways_out) {
    const fs::path folder = folder_of(host, address);
    const auto id = [&](const char* file) {
        const std::string text = text_of(folder / file);
        return text.starts_with("0x") ? text.substr(2) : text;
    };
    Device device;
    device.address = address;
    device.id = fmt::format("{}:{}", id("vendor"), id("device"));
    device.driver = target_of(folder / "driver");
    device.numa_node = number_of(folder / "numa_node", -1);
    device.interfaces = interfaces_of(host, folder, ways_out);
    device.physical_function = target_of(folder / "physfn");
    for (const std::string& entry : names_in(folder)) {
        if (!entry.starts_with("virtfn")) continue;
        device.virtual_functions.push_back(target_of(folder / entry));
    }
    std::ranges::sort(device.virtual_functions);
    device.iommu_group = target_of(folder / "iommu_group");
    device.group_held_by = group_held_by(host, folder, address);
    device.has_msix = has_msix(folder);
    return device;
}

// If a program has the function open, the kernel waits for that program to release it, and we would wait with it.
bool is_open_elsewhere(const Host& host, const Device& device) {
    if (device.driver != kVfio || device.iommu_group.empty()) return false;
    for (const char* kind : {"", "noiommu-"}) {
        const std::string file = fmt::format("{}/vfio/{}{}", host.dev, kind, device.iommu_group);
        const base::Fd group(open(file.c_str(), O_RDWR | O_CLOEXEC));
        if (!group && errno == EBUSY) return true;
    }
    return false;
}

base::Result<void> check_may_leave(const Device& device) {
    for (const Interface& interface : device.interfaces) {
        if (!interface.has_default_route) continue;
        return base::fail(
            "{}: this host's default route leads by its interface {}, and would be lost with it: add "
            "--force if that is meant",
            device.address, interface.name);
    }
    if (!device.virtual_functions.empty()) {
        return base::fail(
            "{}: its driver {} takes its {} virtual functions away when it leaves: bind one of those, "
            "or add --force",
            device.address, device.driver, device.virtual_functions.size());
    }
    if (shares_kernel_driver(device)) {
        return base::fail(
            "{}: DPDK drives it beside {}, which it needs: leave it bound and name it in a port's "
            "`device:`",
            device.address, device.driver.empty() ? "mlx5_core" : device.driver);
    }
    return {};
}

base::Result<void> check_driver(const Host& host, const Device& device, const std::string& driver) {
    const fs::path sys(host.sys);
    std::error_code error;
    if (driver.empty() || driver.find_first_of("/.\n") != driver.npos) {
        return base::fail("\"{}\" is not a driver's name", driver);
    }
    if (!fs::exists(sys / "bus/pci/drivers" / driver, error)) {
        return base::fail("the driver {} is not loaded: `modprobe {}`", driver, driver);
    }
    const std::string unsafe = text_of(sys / "module/vfio/parameters/enable_unsafe_noiommu_mode");
    if (driver == kVfio && device.iommu_group.empty() && unsafe != "Y") {
        return base::fail(
            "{} is behind no IOMMU, which vfio-pci needs: switch it on in the firmware (VT-d, AMD-Vi) "
            "and on the kernel's command line (intel_iommu=on; AMD's is on by itself); or do without "
            "its protection: `echo Y > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode`",
            device.address);
    }
    return {};
}

// Moves the function from its driver, if any, to `override`, or, if that is empty, to the driver that the kernel
// chooses.
base::Result<void> rebind(const Host& host, const Device& device, const std::string& override) {
    const fs::path folder = folder_of(host, device.address);
    return host.write(folder / "driver_override", override + "\n")
        .and_then([&]() -> base::Result<void> {
            if (device.driver.empty()) return {};
            return host.write(folder / "driver/unbind", device.address);
        })
        .and_then([&] { return host.write(fs::path(host.sys) / "bus/pci/drivers_probe", device.address); });
}

}  // namespace

Host this_host() {
    Host host;
    host.write = write_file;
    host.default_routes = default_routes;
    return host;
}

std::optional<std::string> address_of(std::string_view device_arguments) {
    static const std::regex form(
        "(?:pci:)?(?:([0-9a-f]{1,8}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\\.([0-7])(?:,.*)?",
        std::regex::icase);
    std::match_results<std::string_view::const_iterator> match;
    if (!std::regex_match(device_arguments.begin(), device_arguments.end(), match, form)) return {};
    const auto number = [&](size_t group) -> unsigned long {
        return match[group].matched ? std::stoul(match[group].str(), nullptr, 16) : 0;
    };
    return fmt::format("{:04x}:{:02x}:{:02x}.{}", number(1), number(2), number(3), number(4));
}

bool is_for_programs(std::string_view driver) noexcept {
    return driver == kVfio || driver == "uio_pci_generic" || driver == "igb_uio";
}

bool shares_kernel_driver(const Device& device) noexcept { return device.id.starts_with(kMellanox); }

base::Result<std::vector<Device>> list(const Host& host) {
    const auto ways_out = host.default_routes();
    if (!ways_out) return tl::unexpected(ways_out.error());
    std::vector<Device> devices;
    for (const std::string& address : names_in(fs::path(host.sys) / "bus/pci/devices")) {
        if (!text_of(folder_of(host, address) / "class").starts_with(kNetworkClass)) continue;
        devices.push_back(read_device(host, address, *ways_out));
    }
    return devices;
}

base::Result<Device> find(const Host& host, const std::string& address) {
    const auto name = address_of(address);
    if (!name) return base::fail("{} is not a PCI address, such as 0000:03:00.1", address);
    const std::string type = text_of(folder_of(host, *name) / "class");
    if (type.empty()) {
        return base::fail(
            "there is no PCI device {}: `sluicectl device list` has those that there are", *name);
    }
    if (!type.starts_with(kNetworkClass)) {
        return base::fail("{} is no network device (PCI class {})", *name, type);
    }
    const auto ways_out = host.default_routes();
    if (!ways_out) return tl::unexpected(ways_out.error());
    return read_device(host, *name, *ways_out);
}

std::string cores_of_node(const Host& host, int node) {
    return text_of(fs::path(host.sys) / fmt::format("devices/system/node/node{}/cpulist", node));
}

base::Result<Device> bind(const Host& host, const std::string& address, const std::string& driver,
                          Force force) {
    auto device = find(host, address);
    if (!device || device->driver == driver) return device;
    auto done = check_driver(host, *device, driver);
    if (done && force == Force::kNo) done = check_may_leave(*device);
    if (done && is_open_elsewhere(host, *device)) {
        done = base::fail("{} is in use by a program: end that first", device->address);
    }
    if (!done) return tl::unexpected(done.error());

    done = rebind(host, *device, driver);
    auto after = find(host, address);
    if (!after || after->driver == driver) return after;
    const std::string why = done ? "`dmesg` may tell why" : done.error().message;
    if (rebind(host, *after, "")) after = find(host, address);
    return base::fail("the driver {} did not take {} ({}); {} has it", driver, device->address, why,
                      after && !after->driver.empty() ? after->driver : "no driver");
}

base::Result<Device> unbind(const Host& host, const std::string& address) {
    auto device = find(host, address);
    if (!device || (!device->driver.empty() && !is_for_programs(device->driver))) return device;
    if (is_open_elsewhere(host, *device)) {
        return base::fail("{} is in use by a program: end that first", device->address);
    }
    const auto done = rebind(host, *device, "");
    auto after = find(host, address);
    if (!after || (!after->driver.empty() && !is_for_programs(after->driver))) return after;
    if (!done) return tl::unexpected(done.error());
    return base::fail(
        "the kernel has no driver for {} ({}): `modprobe $(cat /sys/bus/pci/devices/{}/modalias)` "
        "loads it if there is one",
        device->address, device->id, device->address);
}

}  // namespace sluice::port::pci
