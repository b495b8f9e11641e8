// From a verb's arguments to the parameters of its request.
#pragma once

#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

using Params = tl::expected<nlohmann::json, Problem>;

// Of any verb: by its own function, or from the description of its method's parameters.
Params params_of(const Verb& verb, const Arguments& arguments);

Params trace_params(const Arguments& arguments);
Params file_params(const Arguments& arguments);    // [FILE]: its absolute path and its text
Params params_of_file(const std::string& name);

// [--last] [COUNT] [--port PORT] [--reason REASON]
Params drop_params(const Arguments& arguments);

// Seconds that a verb waits, where none are given.
inline constexpr double kDefaultWait = 30;
// Of an option: 0 to 86400, with a fraction if need be; the default where it has no value.
tl::expected<double, Problem> seconds_of(const std::string& option, const std::string& text);

Params wait_params(const Arguments& arguments);  // [PORT] [--timeout S]

// NAME KEY=VALUE... [--wait[=S]]: VALUE is YAML in flow syntax, and the dots of KEY nest.
Params port_params(const Arguments& arguments);
// The same of any object: it is the parameter of this name.
Params object_params(const char* parameter, const Arguments& arguments);
Params set_params(const Arguments& arguments);    // NAME KEY=VALUE...
Params batch_params(const Arguments& arguments);  // -f FILE, or - for standard input

// PORT|drops [-f FILTER] [-c COUNT]; "count" is sluicectl's own
Params capture_params(const Arguments& arguments);

// TO KEY=VALUE... [--replace]: as NAME KEY=VALUE..., but `via` may be given several times.
Params route_add_params(const Arguments& arguments);
Params route_load_params(const Arguments& arguments);    // FILE [--domain DOMAIN]

}  // namespace sluice::sluicectl
