#include "sluicectl/rates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <string_view>

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 10> kCounters = {
    "packets", "bytes", "drops", "hits", "received", "made", "transmitted", "dropped", "background", "consumed"};

// The identity of a row in its list: its texts, and the number of a worker or a queue.
std::string identity_of(const json& row) {
    std::string identity;
    for (const auto& [key, value] : row.items()) {
        if (value.is_string() || key == "worker" || key == "queue" || key == "rule") {
            identity += key + "=" + value.dump(-1, ' ', false, json::error_handler_t::replace) + " ";
        }
    }
    return identity;
}

}  // namespace

void add_rates(json& now, const json& before, double seconds) {
    if (seconds <= 0) return;
    if (now.is_array() && before.is_array()) {
        std::map<std::string, const json*> earlier;
        for (const json& row : before) {
            if (row.is_object()) earlier[identity_of(row)] = &row;
        }
        for (json& row : now) {
            if (!row.is_object()) continue;
            const auto found = earlier.find(identity_of(row));
            if (found != earlier.end()) add_rates(row, *found->second, seconds);
        }
        return;
    }
    if (!now.is_object() || !before.is_object()) return;
    json rates = json::object();
    for (auto& [key, value] : now.items()) {
        const auto old = before.find(key);
        if (old == before.end()) continue;
        if (value.is_structured()) {
            add_rates(value, *old, seconds);
        } else if (value.is_number_unsigned() && old->is_number_unsigned() &&
                   std::ranges::find(kCounters, key) != kCounters.end() && value >= *old) {
            rates[key + "-per-second"] =
                std::llround(static_cast<double>(value.get<uint64_t>() - old->get<uint64_t>()) / seconds);
        }
    }
    now.update(rates);
}

}  // namespace sluice::sluicectl
