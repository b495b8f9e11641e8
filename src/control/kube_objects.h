// The commands about Kubernetes objects: apply, delete, list. Control thread.
#pragma once

#include "control/answer.h"
#include "control/commands.h"

namespace sluice::control {

Answer object_apply(Running& daemon, const nlohmann::json& params);
Answer kube_object_delete(Running& daemon, const nlohmann::json& params);
Steps object_list(Running& daemon, const nlohmann::json& params);

}  // namespace sluice::control
