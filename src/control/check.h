// Checks a request's parameters against the description of its method (sluice/methods.h). Reports all mistakes at
// once, each with its parameter's name. Whether an object exists is for the command to check. Any thread; keeps
// nothing.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "control/access.h"
#include "sluice/methods.h"

namespace sluice::control {

struct ParameterMistake {
    std::string parameter;
    std::string message;  // names the parameter, too
};

// `params` is an object. The number of mistakes is bounded. For a client that may only read, some parameters have
// smaller limits.
std::vector<ParameterMistake> mistakes_in(const nlohmann::json& params,
                                          std::span<const protocol::Parameter> parameters,
                                          Access access = Access::kWrite);

}  // namespace sluice::control
