// Runs sluicectl: from the command line to the exit status.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace sluice::sluicectl {

// Waits between two requests of --watch; false ends the watch.
using Pause = std::function<bool(double seconds)>;
bool sleep_for(double seconds);

// The terminal or file that the output goes to.
struct Screen {
    bool is_terminal = false;  // escape codes work
    size_t width = 0;          // in columns; 0: no limit
};
Screen screen_of(int descriptor);

// `socket_variable`: the environment variable SLUICE_SOCKET; null if it isn't set. With --json, errors are JSON
// and go to `out` too.
int run(const std::vector<std::string>& words, const char* socket_variable, std::ostream& out,
        std::ostream& err, const Pause& pause = sleep_for, Screen screen = {});

}  // namespace sluice::sluicectl
