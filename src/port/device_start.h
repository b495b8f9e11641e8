// Setting up, starting and closing a device, on the device thread. Most drivers take some milliseconds for each;
// net_af_xdp takes 30 to set up and 70 to start, a NIC seconds.
//
// From the constructor of a DeviceStart until it is over, only the device thread uses the device: the control
// thread makes no DPDK calls about it. The thread runs its jobs in order, so a device may be closed while it is
// being started.
//
// Control thread, except for the parts that run on the device thread.
#pragma once

#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "port/device_thread.h"
#include "port/kernel_device.h"
#include "port/pools.h"
#include "port/port.h"

namespace sluice::port {

// A Toeplitz key with which both directions of a connection have the same hash, and so the same worker. Its
// period is 16 bits, so the order of the two addresses, or ports, does not matter (Woo and Park, "Scalable TCP
// Session Monitoring with Symmetric Receive-side Scaling", 2012).
std::span<const uint8_t> symmetric_key(size_t size) noexcept;

struct StartWish {
    uint16_t device;
    std::string arguments;          // of a device
    std::vector<uint16_t> members;  // of a bond
    uint16_t queues;                // as configured; 0: one for each worker
    uint16_t workers;
    uint16_t mtu;
    Pools pools;
    std::shared_ptr<KernelDevice> kernel;  // of net_af_xdp, else null
};

struct StartedDevice {
    uint16_t receive_queues = 0;
    uint16_t transmit_queues = 0;
    Capabilities capabilities{};
    bool verifies_checksums = false;
    bool has_interrupts = false;  // receive queues may have descriptors
};

class DeviceStart {
 public:
    explicit DeviceStart(StartWish wish);

    // As in DeviceMaking.
    bool is_over() { return job_.is_over(); }
    bool is_over_by_now() const { return job_.is_over_by_now(); }
    // Only after it is over.
    const base::Result<StartedDevice>& result() const { return *result_; }
    std::chrono::steady_clock::duration took() const { return job_.took(); }

 private:
    std::shared_ptr<base::Result<StartedDevice>> result_;
    DeviceJob job_;
};

// Closes a device in whatever state it is: the device, then a bond's members, then its state in the kernel.
// Devices that were made for the port are removed.
DeviceJob close_device(const MadeDevice& device, std::vector<MadeDevice> members,
                       std::shared_ptr<KernelDevice> kernel);

}  // namespace sluice::port
