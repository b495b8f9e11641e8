// The commands that add, change and delete objects of the configuration while the switch runs, and those that list
// objects without counters. Control thread.
#pragma once

#include "control/answer.h"
#include "control/commands.h"

namespace sluice::control {

// The object is the parameter that has the kind's name: {"port": {"name": "web"}}.
Answer object_add(Running& daemon, engine::ObjectKind kind, const nlohmann::json& params);
Answer object_set(Running& daemon, engine::ObjectKind kind, const nlohmann::json& params);
Answer object_delete(Running& daemon, engine::ObjectKind kind, const nlohmann::json& params);

// Adds or deletes all objects and routes of a document, or none.
Answer batch_add(Running& daemon, const nlohmann::json& params);
Answer batch_delete(Running& daemon, const nlohmann::json& params);

Answer address_set_list(const Running& daemon);
Answer mirror_list(const Running& daemon);

// Rows of a list for the added objects of a kind that wait: {"name", "origin", "state", "reason"}.
nlohmann::json waiting_rows(const engine::Intent& intent, engine::ObjectKind kind);

// The answer to a change: what it changed, or its errors.
Answer changed(Running& daemon, const engine::Changes& changes);
nlohmann::json changes_json(const std::vector<engine::Change>& changes);

}  // namespace sluice::control
