// Turns a verb's arguments into the parameters of its request.
#pragma once

#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

using Params = tl::expected<nlohmann::json, Problem>;

// The parameters of any verb's request: by the verb's own function, or by the description of the method's
// parameters.
Params params_of(const Verb& verb, const Arguments& arguments);

Params trace_params(const Arguments& arguments);
Params file_params(const Arguments& arguments);    // [FILE]: its absolute path and its text
Params params_of_file(const std::string& name);

// [--last] [COUNT] [--port PORT] [--reason REASON]
Params drop_params(const Arguments& arguments);

// The seconds that a verb waits by default.
inline constexpr double kDefaultWait = 30;
// The value of an option in seconds: 0 to 86400, fractions allowed. Without a value it is the default.
tl::expected<double, Problem> seconds_of(const std::string& option, const std::string& text);

Params wait_params(const Arguments& arguments);  // [PORT] [--timeout S]

// NAME KEY=VALUE... [--wait[=S]]: VALUE is YAML in flow syntax, and the dots of KEY nest.
Params port_params(const Arguments& arguments);
// The same for an object of any kind, which becomes the parameter of this name.
Params object_params(const char* parameter, const Arguments& arguments);
Params set_params(const Arguments& arguments);    // NAME KEY=VALUE...
Params batch_params(const Arguments& arguments);  // -f FILE, or - for standard input

// PORT|drops [-f FILTER] [-c COUNT]; only sluicectl uses "count"
Params capture_params(const Arguments& arguments);

// TO KEY=VALUE... [--replace]: as NAME KEY=VALUE..., but `via` may be given several times.
Params route_add_params(const Arguments& arguments);
Params route_load_params(const Arguments& arguments);    // FILE [--domain DOMAIN]

}  // namespace sluice::sluicectl
