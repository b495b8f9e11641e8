// Computes rates from two answers to the same request (--watch).
#pragma once

#include <nlohmann/json.hpp>

namespace sluice::sluicectl {

// For each counter such as "packets" that both answers have, adds "packets-per-second" to `now`. Rows of lists are
// matched by their texts.
void add_rates(nlohmann::json& now, const nlohmann::json& before, double seconds);

}  // namespace sluice::sluicectl
