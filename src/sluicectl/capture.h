// `sluicectl capture`: fetches captured packets from sluiced until it has enough or is interrupted. Writes a
// pcapng file, or a line a packet. sluicectl writes the file itself, with the rights of its user; the daemon never
// does.
#pragma once

#include <iosfwd>

#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

// Ends after the given count of packets, at the capture's end, or by SIGINT or SIGTERM. `output.out` gets the
// lines, or a file that is called "-"; `output.err` gets messages about the capture. Returns the exit status.
tl::expected<int, CallError> capture(Client& client, const nlohmann::json& params,
                                     const Arguments& arguments, Output& output);

}  // namespace sluice::sluicectl
