// Stands before DPDK's header of this name in the build for fuzzing: time passes only when the fuzzer says so,
// so that an input has the same effect whenever it runs. In programs that set no time it is the real one.
#pragma once

#include_next <rte_cycles.h>

#include <cstdint>

namespace sluice::fuzz {

inline uint64_t cycles = 0;  // what the CPU's time-stamp counter (TSC) is said to hold; 0: what it holds

inline uint64_t read_cycles() noexcept { return cycles != 0 ? cycles : rte_rdtsc(); }

}  // namespace sluice::fuzz

#define rte_rdtsc() (::sluice::fuzz::read_cycles())
#define rte_get_tsc_cycles() (::sluice::fuzz::read_cycles())
