// Verbs that wait until sluiced answers, or until a port is up.
#pragma once

#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

// [PORT] [--timeout S]: connects repeatedly. Returns the exit status.
tl::expected<int, CallError> wait_until(const std::string& socket, const nlohmann::json& params, Output& output);

// port add --wait: adds the port, then waits until it is up.
tl::expected<int, CallError> add_and_wait(Client& client, const nlohmann::json& params, const Arguments& arguments,
                                          Output& output);

}  // namespace sluice::sluicectl
