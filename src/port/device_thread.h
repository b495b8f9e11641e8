// DPDK's list of devices is changed on one thread of its own: to make a device may take seconds (a NIC's firmware,
// a program at the other end of a socket that doesn't answer), and clients would wait for it. The order is kept: a
// device that was removed is gone before one of the same name is made.
//
// Why another thread may do it: rte_dev_probe() and rte_dev_remove() work on the buses' lists of devices, which
// nothing locks and which nobody else touches here. What they share with the control thread (the table of Ethernet
// devices, memory, interrupts) DPDK locks. A device is configured, started, stopped and closed by the control
// thread, as before.
//
// Control thread, but for the jobs themselves.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

struct rte_device;

namespace sluice::port {

// How long the control thread waits for devices at a time: nearly all are there in a few milliseconds.
inline constexpr std::chrono::milliseconds kDevicePatience{500};

// A device that is being made.
class DeviceMaking {
 public:
    struct State;

    // `arguments` as rte_dev_probe() takes them.
    explicit DeviceMaking(const std::string& arguments);
    DeviceMaking(const DeviceMaking&) = delete;
    // One that isn't made yet is removed when it is.
    ~DeviceMaking();

    // True if it is over, successful or not. Waits the first time, for what is left of kDevicePatience: together
    // all of them and remove_device() wait for a tenth of the time at most.
    bool is_over();
    // Of one that is over: 0, or what rte_dev_probe() has said, and what DPDK's log has.
    int status() const;
    std::string words() const;

 private:
    std::shared_ptr<State> state_;
    bool has_waited_ = false;
};

// Removes what an Ethernet device was made of; that is closed. Waits likewise.
void remove_device(rte_device* device);

// False if the thread is still busy after so long: then DPDK can't be cleaned up.
bool devices_are_idle(std::chrono::milliseconds patience);

// For tests: any job, in the order of all.
void run_on_device_thread(std::function<void()> job);

}  // namespace sluice::port
