// DPDK's list of devices is changed on one thread of its own. Making a device may take seconds (a NIC's firmware,
// a program at the other end of a socket that does not answer), and clients would have to wait. The order is
// kept: a removed device is gone before one of the same name is looked for or made.
//
// A made device has one owner: the DeviceMaking until take(), then its caller. The caller starts and closes it by
// jobs of the same thread (device_start.h).
//
// Why another thread may do this: rte_dev_probe() and rte_dev_remove() work on the buses' lists of devices. These
// have no lock, and no other thread uses them here. DPDK locks the parts that are shared with the control thread
// (the table of Ethernet devices, memory, interrupts). The control thread may query a device that is started.
//
// Control thread, except for the jobs themselves.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"

struct rte_device;

namespace sluice::port {

// How long the control thread waits for devices at a time. Nearly all are made within a few milliseconds.
inline constexpr std::chrono::milliseconds kDevicePatience{500};

struct MadeDevice {
    uint16_t port;  // DPDK's number of the device
    bool is_ours;   // made for us, so to be removed; false: it existed before
};

// A job of the thread. It runs after all earlier jobs, even if its owner has dropped it.
class DeviceJob {
 public:
    struct State;

    explicit DeviceJob(std::function<void()> job);

    // True if it is done. The first call waits for the rest of kDevicePatience. All such waits together take at
    // most a tenth of the control thread's time.
    bool is_over();
    // The same without waiting.
    bool is_over_by_now() const;
    // After it is over: its time on the thread, without the time in the queue.
    std::chrono::steady_clock::duration took() const;

 private:
    std::shared_ptr<State> state_;
    bool has_waited_ = false;
};

// An Ethernet device that is being made, or found if it exists already.
class DeviceMaking {
 public:
    struct State;

    // `arguments` as rte_dev_probe() takes them.
    explicit DeviceMaking(const std::string& arguments);
    DeviceMaking(const DeviceMaking&) = delete;
    // Removes a device that was made and not taken, even if it is made only later.
    ~DeviceMaking();

    // True if it is over, whether it succeeded or failed. Waits like DeviceJob::is_over().
    bool is_over();
    bool is_over_by_now() const;
    // After it is over: the device, which then belongs to the caller, or the error.
    base::Result<MadeDevice> take();
    // After it is over: its time on the thread, without the time in the queue.
    std::chrono::steady_clock::duration took() const;

 private:
    std::shared_ptr<State> state_;
    bool has_waited_ = false;
};

// How long the control thread has waited for the device thread since the start.
std::chrono::steady_clock::duration waited_for_devices();

// False if the thread is still busy after that time; then DPDK cannot be cleaned up.
bool devices_are_idle(std::chrono::milliseconds patience);

// For tests: runs any job, in the order of all jobs.
void run_on_device_thread(std::function<void()> job);

}  // namespace sluice::port
