// DPDK's environment, started for this switch: which cores, which memory, whose log. A start that
// fails says what the host lacks and the command that mends it. Control thread, once a process.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "engine/config.h"

namespace sluice::engine {

struct Eal {
    bool hugepages;
    std::vector<uint16_t> cores;     // of the workers, in order
    std::vector<unsigned> lcores;    // DPDK's numbers for them
};

base::Result<Eal> start_eal(const Config& config);
void stop_eal() noexcept;

}  // namespace sluice::engine
