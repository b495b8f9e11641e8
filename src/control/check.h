// Whether a request's parameters are those that its method takes (sluice/methods.h): every mistake at once,
// each of which names its parameter. What only the switch can know (a port that isn't there) is the
// command's. Any thread; nothing is kept.
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

// Of an object. A bounded number of mistakes. A client that may only read has narrower bounds.
std::vector<ParameterMistake> mistakes_in(const nlohmann::json& params,
                                          std::span<const protocol::Parameter> parameters,
                                          Access access = Access::kWrite);

}  // namespace sluice::control
