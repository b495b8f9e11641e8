// What was added while running, on disk: written before it takes effect, read at start. The file holds
// the same keys as the configuration (`ports:`), in JSON. Routes, of which there may be a million, have a
// file of their own (added_routes.h). Control thread.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "port/port_config.h"

namespace sluice::engine {

// An absent file is an empty state.
tl::expected<std::vector<port::PortConfig>, base::Errors> load_state(const std::string& file);

// Replaces the file as a whole (written beside it, synced, renamed), so that a crash at any moment
// leaves the old state or the new one. Makes the folder.
base::Result<void> save_state(const std::string& file, const std::vector<port::PortConfig>& ports);

}  // namespace sluice::engine
