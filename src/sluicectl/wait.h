// Verbs that wait: for sluiced to answer, and for a port to be up.
#pragma once

#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

// [PORT] [--timeout S]: connects again and again; answers the exit status.
tl::expected<int, CallError> wait_until(const std::string& socket, const nlohmann::json& params, Output& output);

// port add --wait: adds the port, and waits until it is up.
tl::expected<int, CallError> add_and_wait(Client& client, const nlohmann::json& params, const Arguments& arguments,
                                          Output& output);

}  // namespace sluice::sluicectl
