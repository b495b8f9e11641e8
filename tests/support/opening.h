// Waits for devices, which may take longer to be made than open() waits on a busy machine, or while one of the
// same name is still being closed. Main thread.
#pragma once

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "port/device_thread.h"
#include "port/port.h"

namespace sluice::test {

inline base::Result<void> open_at_last(port::Port& port) {
    auto done = port.open();
    while (!done && port.is_opening()) {
        (void)port::devices_are_idle(std::chrono::minutes(10));
        done = port.open();
    }
    return done;
}

// Ticks until no port of the switch (engine::Switch) waits for its device any more.
template <class Switch, class Time>
void finish_opening(Switch& running, Time now) {
    const auto waits = [](const auto& each) { return each.second.port->is_opening(); };
    while (std::ranges::any_of(running.ports(), waits)) {
        (void)port::devices_are_idle(std::chrono::minutes(10));
        running.tick(now);
    }
}

}  // namespace sluice::test
