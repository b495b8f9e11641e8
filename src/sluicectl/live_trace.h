// `sluicectl trace --live`: fetches traces of arriving packets until it has enough or is interrupted.
#pragma once

#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

// Ends after the given count of packets, or by SIGINT or SIGTERM. Returns the exit status.
tl::expected<int, CallError> live_trace(Client& client, const nlohmann::json& params,
                                        const Arguments& arguments, Output& output);

}  // namespace sluice::sluicectl
