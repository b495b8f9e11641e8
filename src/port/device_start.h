// Setting a device up, starting it and closing it, on the device thread: most drivers take some milliseconds for
// each, net_af_xdp 30 for the one and 70 for the other, a NIC seconds.
//
// From the constructor of a DeviceStart until it is over the device is the device thread's: the control thread
// asks DPDK nothing about it. The thread keeps the order, so a device may be closed while it is being started.
//
// Control thread, but for what runs on the device thread.
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

// A Toeplitz key under which both directions of a connection have one hash, and so one worker: with a
// period of 16 bits it doesn't matter which of two addresses, or ports, comes first (Woo and Park,
// "Scalable TCP Session Monitoring with Symmetric Receive-side Scaling", 2012).
std::span<const uint8_t> symmetric_key(size_t size) noexcept;

struct StartWish {
    uint16_t device;
    std::string arguments;          // of a device
    std::vector<uint16_t> members;  // of a bond
    uint16_t queues;                // as configured; 0: as many as there are workers
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

    // As of DeviceMaking.
    bool is_over() { return job_.is_over(); }
    bool is_over_by_now() const { return job_.is_over_by_now(); }
    // Once it is over.
    const base::Result<StartedDevice>& result() const { return *result_; }
    std::chrono::steady_clock::duration took() const { return job_.took(); }

 private:
    std::shared_ptr<base::Result<StartedDevice>> result_;
    DeviceJob job_;
};

// Closes a device, whatever of it there is: the device, then a bond's members, then what it has in the kernel.
// Those that were made for the port are removed.
DeviceJob close_device(const MadeDevice& device, std::vector<MadeDevice> members,
                       std::shared_ptr<KernelDevice> kernel);

}  // namespace sluice::port
