// Loading a file of routes, in pieces that keep sluiced from nothing else for long: first all of them are
// checked, then all are carried out. So a file with a mistake changes nothing, and every mistake is told
// with its line.
#pragma once

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include "sluice/client.h"

namespace sluice::sluicectl {

// `params` are those of route.load, with the text of the whole file.
tl::expected<nlohmann::json, CallError> load_routes(Client& client, const nlohmann::json& params);

}  // namespace sluice::sluicectl
