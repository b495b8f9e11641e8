// sluicectl from its command line to its exit status.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace sluice::sluicectl {

// `socket_variable` is the environment's SLUICE_SOCKET, null where it isn't set.
int run(const std::vector<std::string>& words, const char* socket_variable, std::ostream& out,
        std::ostream& err);

}  // namespace sluice::sluicectl
