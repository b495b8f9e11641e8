// The answers to queries about dropped packets: counts by port and reason, and the most recent drops, each with
// the object that decided it. Control thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "control/answer.h"
#include "control/commands.h"
#include "engine/switch.h"
#include "explain/decider.h"

namespace sluice::control {

struct DropQuery {
    std::string port;    // the port whose drops are meant; empty: any
    std::string reason;  // empty: any
    size_t last = 0;     // of report_last_drops()
    bool all = false;    // of report_last_drops(): expected background too
};
nlohmann::json report_drops(const engine::Switch& running, const DropQuery& query);
// The last `query.last` drops, the oldest first.
nlohmann::json report_last_drops(const engine::Switch& running, const DropQuery& query);

// The command: {"last"?, "all"?, "port"?, "reason"?}.
Answer drops(Running& daemon, const nlohmann::json& params);

}  // namespace sluice::control
