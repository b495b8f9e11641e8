// What the bench's own programs begin with: errors end them, and they stay on one core.
#pragma once

#include <sched.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

[[noreturn]] inline void fail(const char* what) {
    std::perror(what);
    std::exit(1);
}

// The result of a system call, unless that has failed.
inline int checked(int result, const char* what) {
    if (result < 0) fail(what);
    return result;
}

inline void pin(int core) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    checked(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

// In nanoseconds, from the TSC: the same on all cores.
inline uint64_t now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(time.tv_nsec);
}
