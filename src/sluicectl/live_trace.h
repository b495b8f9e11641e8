// `sluicectl trace --live`: fetches what becomes of the packets that come, until it has seen enough or is
// interrupted.
#pragma once

#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

// Until the count that is wanted, or SIGINT or SIGTERM. Answers the exit status.
tl::expected<int, CallError> live_trace(Client& client, const nlohmann::json& params,
                                        const Arguments& arguments, Output& output);

}  // namespace sluice::sluicectl
