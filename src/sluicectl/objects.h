// The verbs about Kubernetes objects: apply, get and delete. `delete` also takes the lists of sluice.yaml, as
// `add` does: it looks at the file.
#pragma once

#include "sluicectl/params.h"

namespace sluice::sluicectl {

// -f FILE|DIR|-: a file, all manifests of a folder, or standard input.
Params apply_params(const Arguments& arguments);
// [KIND [NAME]] or KIND/NAME, [-n NAMESPACE | -A] [-l SELECTOR] [-o FORMAT]
Params get_params(const Arguments& arguments);
// KIND NAME or KIND/NAME, or -f FILE|DIR|-
Params delete_params(const Arguments& arguments);
// -f FILE|-, which is no manifest
Params add_params(const Arguments& arguments);

// By object.delete, or by delete if the parameters have a `text`.
tl::expected<nlohmann::json, CallError> call_delete(Client& client, const nlohmann::json& params);

// A line for each object: "networkpolicy shop/api created".
std::string print_applied(const nlohmann::json& result, const Arguments& arguments);
std::string print_objects(const nlohmann::json& result, const Arguments& arguments);
std::string print_deletions(const nlohmann::json& result, const Arguments& arguments);

}  // namespace sluice::sluicectl
