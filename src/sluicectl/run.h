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

// `socket_variable` is the environment's SLUICE_SOCKET, null where it isn't set.
int run(const std::vector<std::string>& words, const char* socket_variable, std::ostream& out,
        std::ostream& err, const Pause& pause = sleep_for);

}  // namespace sluice::sluicectl
