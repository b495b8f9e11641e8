// Starts DPDK's environment for this switch: its cores, its memory, its log. If the start fails, the error names
// what the host lacks and the command that provides it. Control thread, once a process.
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
