// The verb that asks what would become of a packet. Control thread.
#pragma once

#include "control/answer.h"
#include "control/commands.h"

namespace sluice::control {

// One question, or a list of them ("questions"), whose answers then are a list too ("traces").
Answer trace(Running& daemon, const nlohmann::json& params);

}  // namespace sluice::control
