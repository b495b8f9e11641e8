// sluicectl from its command line to its exit status.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace sluice::sluicectl {

// Waits between two askings of --watch; false ends it.
using Pause = std::function<bool(double seconds)>;
bool sleep_for(double seconds);

// What the output goes to.
struct Screen {
    bool is_terminal = false;  // it obeys escape codes
    size_t width = 0;          // in columns; 0 for what has none
};
Screen screen_of(int descriptor);

// `socket_variable` is the environment's SLUICE_SOCKET, null where it isn't set. With --json errors go to `out`
// as well, as JSON.
int run(const std::vector<std::string>& words, const char* socket_variable, std::ostream& out,
        std::ostream& err, const Pause& pause = sleep_for, Screen screen = {});

}  // namespace sluice::sluicectl
