// `sluicectl capture`: fetches what sluiced catches, until it has enough or is interrupted, and writes a
// pcapng file or a line a packet. The file is written here, as the user who asks, never by the daemon.
#pragma once

#include <iosfwd>

#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

// Until the count that is wanted, the capture's end, or SIGINT or SIGTERM. `out` takes lines, and a file
// that is called "-"; `err` what is said about the capture itself. Answers the exit status.
tl::expected<int, CallError> capture(Client& client, const nlohmann::json& params,
                                     const Arguments& arguments, Output& output);

}  // namespace sluice::sluicectl
