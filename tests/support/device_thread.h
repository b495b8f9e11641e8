// Blocks the device thread, as a device does that takes long to be made. Main thread.
#pragma once

#include <future>

#include "port/device_thread.h"

namespace sluice::test {

// The thread is inside a job as long as this object lives.
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
