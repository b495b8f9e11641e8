// The ports that were added while running, on disk: written before they take effect, read at start. The file
// holds what was said and nothing else: the keys that were given, not those that were left out, in JSON:
//
//     {"version": 1, "ports": [{"name": "web", "netns": "web", "network": "blue"}]}
//
// Files without a version are of earlier switches, which wrote every key with its default; such defaults are
// taken out again. Routes, of which there may be a million, have a file of their own (added_routes.h).
//
// A state file never keeps the switch down. What can't be read of it is a fault, to be told and put aside; the
// rest counts. Control thread.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/tree.h"
#include "port/port_config.h"

namespace sluice::engine {

// A port that was added while running.
struct AddedPort {
    base::Tree keys;          // as they were given
    port::PortConfig config;  // what they say
    std::string text = {};    // the keys in the state file; empty: not written yet
    base::Errors faults = {};  // why they can't be read; `config` has the name then, and what could be read

    const std::string& name() const noexcept { return config.name; }
    bool operator==(const AddedPort& other) const { return keys == other.keys; }
};

struct State {
    std::vector<AddedPort> ports;
    base::Errors faults;  // of the file, those of its ports too
    bool has_lost = false;  // something that is in no port: it would be lost if the file were written again
};

// Of a request's document, or of an entry of the state file.
AddedPort read_added_port(const base::Document& document);

// An absent file is an empty state. Changes nothing.
State load_state(const std::string& file);

// Replaces the file as a whole (written beside it, synced, renamed), so that a crash at any moment
// leaves the old state or the new one. Makes the folder.
base::Result<void> save_state(const std::string& file, const std::vector<AddedPort>& ports);

}  // namespace sluice::engine
