// sluiced from start to end: EAL, pools, switch, control socket, signals, timers. The calling thread becomes the
// control thread; workers run on DPDK's lcores.
#pragma once

#include <string>

namespace sluice {

// Runs until SIGTERM or SIGINT. Returns the exit status: 0; 1 if the start failed; 2 if the configuration is
// wrong. Reports errors on stderr.
int run_daemon(const std::string& config_file);

// Validates without starting: returns 0, or 2 with every error on stderr. Objects that were added at run time and
// would have to wait, or cannot be read, are reported too, but are no error, because they do not prevent a start.
int check_config(const std::string& config_file);

}  // namespace sluice
