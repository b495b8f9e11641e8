// Rates of what the daemon counts, from two answers to one question (--watch).
#pragma once

#include <nlohmann/json.hpp>

namespace sluice::sluicectl {

// Beside each counter of `now`, as "packets", that `before` has too: "packets-per-second". Rows of lists are the
// same where their texts are.
void add_rates(nlohmann::json& now, const nlohmann::json& before, double seconds);

}  // namespace sluice::sluicectl
