// Keeps the device thread from its jobs, as a device does that isn't made for a long time. Main thread.
#pragma once

#include <future>

#include "port/device_thread.h"

namespace sluice::test {

// The thread is inside of a job for as long as this lives.
class BlockedDeviceThread {
 public:
    BlockedDeviceThread() {
        std::promise<void> begun;
        port::run_on_device_thread([&begun, gate = gate_.get_future().share()] {
            begun.set_value();
            gate.wait();
        });
        begun.get_future().wait();
    }
    ~BlockedDeviceThread() { gate_.set_value(); }

 private:
    std::promise<void> gate_;
};

}  // namespace sluice::test
