// From a verb's arguments to the parameters of its request.
#pragma once

#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

using Params = tl::expected<nlohmann::json, Problem>;

Params no_params(const Arguments& arguments);
Params name_param(const Arguments& arguments);     // NAME
Params network_param(const Arguments& arguments);  // [--network NETWORK]
Params device_params(const Arguments& arguments);  // DEVICE [--driver DRIVER] [--force]
Params optional_name_param(const Arguments& arguments);
Params flow_params(const Arguments& arguments);
Params trace_params(const Arguments& arguments);
Params file_params(const Arguments& arguments);    // [FILE]: its absolute path and its text

// [--last] [COUNT] [--port PORT] [--reason REASON]
Params drop_params(const Arguments& arguments);

// NAME KEY=VALUE...: VALUE is YAML in flow syntax, and the dots of KEY nest.
Params port_params(const Arguments& arguments);

// PORT|drops [-f FILTER] [-c COUNT]; "count" is sluicectl's own
Params capture_params(const Arguments& arguments);

Params route_list_params(const Arguments& arguments);    // [PREFIX] [--domain DOMAIN] [--limit COUNT]
Params route_lookup_params(const Arguments& arguments);  // ADDRESS [--domain DOMAIN]
// TO KEY=VALUE... [--replace]: as NAME KEY=VALUE..., but `via` may be given several times.
Params route_add_params(const Arguments& arguments);
Params route_delete_params(const Arguments& arguments);  // TO [--domain DOMAIN]
Params route_load_params(const Arguments& arguments);    // FILE [--domain DOMAIN]

}  // namespace sluice::sluicectl
