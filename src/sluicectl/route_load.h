// Loads a file of routes in pieces, so that sluiced is never busy with it for long. It first checks all pieces,
// then carries them out. So a file with a mistake changes nothing, and every mistake is reported with its line.
#pragma once

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

#include "sluice/client.h"

namespace sluice::sluicectl {

// `params`: those of the method route.load, with the text of the whole file.
tl::expected<nlohmann::json, CallError> load_routes(Client& client, const nlohmann::json& params);

}  // namespace sluice::sluicectl
