// sluiced between its start and its end: EAL, pools, switch, control socket, signals, timers. The
// calling thread becomes the control thread; workers run on DPDK's lcores.
#pragma once

#include <string>

namespace sluice {

// Runs until SIGTERM or SIGINT. Returns the exit status: 0, 1 the start failed, 2 the configuration
// is wrong. Says why on stderr.
int run_daemon(const std::string& config_file);

// Validates and starts nothing: 0, or 2 with every error on stderr. What was added while running and would wait,
// or can't be read, is told there too, and no error: a start isn't kept up by it.
int check_config(const std::string& config_file);

}  // namespace sluice
