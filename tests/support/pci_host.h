// A host with PCI network functions in a directory: a sysfs, and a simulated kernel that reacts to writes as far
// as drivers go. Any thread.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "port/pci.h"
#include "support/directory.h"

namespace sluice::test {

namespace fs = std::filesystem;

class PciHost {
 public:
    PciHost() {
        for (const char* driver : {"ixgbe", "vfio-pci"}) driver_is_loaded(driver);
        fs::create_directories(sys_ / "class/net");
        fs::create_directories(sys_ / "module/vfio/parameters");
        host_.sys = sys_;
        host_.dev = directory_ / "dev";
        host_.write = [this](const std::string& file, const std::string& text) {
            return written(file, text);
        };
        host_.default_routes = [this]() -> base::Result<std::set<int>> { return ways_out_; };
    }

    fs::path folder(const std::string& address) const { return sys_ / "devices/pci0" / address; }
    void write(const fs::path& file, const std::string& text) {
        fs::create_directories(file.parent_path());
        write_file(file, text + "\n");
    }
    void link(const fs::path& to, const fs::path& at) {
        fs::create_directories(at.parent_path());
        fs::create_directory_symlink(to, at);
    }

    void driver_is_loaded(const std::string& driver) {
        fs::create_directories(sys_ / "bus/pci/drivers" / driver);
    }
    void add_function(const std::string& address, const std::string& driver,
                      const std::string& type = "0x020000") {
        write(folder(address) / "class", type);
        write(folder(address) / "vendor", "0x8086");
        write(folder(address) / "device", "0x1572");
        write(folder(address) / "numa_node", "1");
        link(folder(address), sys_ / "bus/pci/devices" / address);
        if (!driver.empty()) link(sys_ / "bus/pci/drivers" / driver, folder(address) / "driver");
    }
    void add_interface(const std::string& address, const std::string& name, int index,
                       const std::string& between = "") {
        const fs::path place = folder(address) / between / "net" / name;
        write(place / "ifindex", std::to_string(index));
        write(place / "operstate", "up");
        write(place / "speed", "10000");
        link(place, sys_ / "class/net" / name);
    }
    void put_in_group(const std::string& address, const std::string& group) {
        const fs::path place = sys_ / "kernel/iommu_groups" / group;
        link(folder(address), place / "devices" / address);
        link(place, folder(address) / "iommu_group");
    }
    std::string driver_of(const std::string& address) {
        const auto device = port::pci::find(host_, address);
        return device ? device->driver : device.error().message;
    }
    Directory directory_;
    const fs::path sys_ = directory_ / "sys";
    port::pci::Host host_;
    std::set<int> ways_out_;
    std::string natural_driver_ = "ixgbe";
    std::string broken_driver_ = "none";
    std::vector<std::string> writes_;

 private:
    // Does what Linux does (drivers/pci/pci-driver.c, drivers/base/dd.c).
    base::Result<void> written(const std::string& file, const std::string& text) {
        writes_.push_back(fs::path(file).lexically_relative(sys_).string());
        const fs::path path(file);
        if (path.filename() == "driver_override") {
            write_file(file, text);
        } else if (path.filename() == "unbind") {
            fs::remove(folder(text) / "driver");
            fs::remove_all(folder(text) / "net");
            for (const auto& entry : fs::directory_iterator(sys_ / "class/net")) {
                if (!fs::exists(entry.path())) fs::remove(entry.path());
            }
        } else if (path.filename() == "drivers_probe") {
            std::string driver = file_text(folder(text) / "driver_override");
            driver.pop_back();
            if (driver.empty()) driver = natural_driver_;
            if (driver == broken_driver_) return base::fail("writing to it: Invalid argument");
            if (!driver.empty()) link(sys_ / "bus/pci/drivers" / driver, folder(text) / "driver");
        } else {
            ADD_FAILURE() << file;
        }
        return {};
    }
};

}  // namespace sluice::test
