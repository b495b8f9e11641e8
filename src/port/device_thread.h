// DPDK's list of devices is changed on one thread of its own: to make a device may take seconds (a NIC's firmware,
// a program at the other end of a socket that doesn't answer), and clients would wait for it. The order is kept: a
// device that was removed is gone before one of the same name is looked for or made.
//
// A device that was made has one owner: the DeviceMaking until take(), then its caller, who starts it and ends it
// by jobs of the same thread (device_start.h).
//
// Why another thread may do it: rte_dev_probe() and rte_dev_remove() work on the buses' lists of devices, which
// nothing locks and which nobody else touches here. What they share with the control thread (the table of Ethernet
// devices, memory, interrupts) DPDK locks. Of a device that is started the control thread asks what it likes.
//
// Control thread, but for the jobs themselves.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"

struct rte_device;

namespace sluice::port {

// How long the control thread waits for devices at a time: nearly all are there in a few milliseconds.
inline constexpr std::chrono::milliseconds kDevicePatience{500};

struct MadeDevice {
    uint16_t port;  // DPDK's number of it
    bool is_ours;   // made now, so ours to remove; else it was there already
};

// A job of the thread's, which runs after all that came before it, also where nobody asks for it any more.
class DeviceJob {
 public:
    struct State;

    explicit DeviceJob(std::function<void()> job);

    // True if it is done. Waits the first time, for what is left of kDevicePatience: together all that waits for
    // the thread does so for a tenth of the time at most.
    bool is_over();
    // The same without a wait.
    bool is_over_by_now() const;
    // Of one that is over: its time on the thread, without what it has waited there for others.
    std::chrono::steady_clock::duration took() const;

 private:
    std::shared_ptr<State> state_;
    bool has_waited_ = false;
};

// An Ethernet device that is being made, or found where it is there already.
class DeviceMaking {
 public:
    struct State;

    // `arguments` as rte_dev_probe() takes them.
    explicit DeviceMaking(const std::string& arguments);
    DeviceMaking(const DeviceMaking&) = delete;
    // A device that was made and not taken is removed, also where it is made only later.
    ~DeviceMaking();

    // True if it is over, successful or not. Waits as a DeviceJob does.
    bool is_over();
    bool is_over_by_now() const;
    // Of a making that is over: the device, which belongs to the caller now, or why there is none.
    base::Result<MadeDevice> take();
    // Of a making that is over: its time on the thread, without what it has waited there for others.
    std::chrono::steady_clock::duration took() const;

 private:
    std::shared_ptr<State> state_;
    bool has_waited_ = false;
};

// How long the control thread has waited for the device thread by now, all in all.
std::chrono::steady_clock::duration waited_for_devices();

// False if the thread is still busy after so long: then DPDK can't be cleaned up.
bool devices_are_idle(std::chrono::milliseconds patience);

// For tests: any job, in the order of all.
void run_on_device_thread(std::function<void()> job);

}  // namespace sluice::port
