// The objects that were added while running, on disk: written before they take effect, read at start. The file
// holds what was said and nothing else: the keys that were given, not those that were left out, in JSON. It has
// `ports`, and those other sections of the configuration that have an object:
//
//     {"version": 1, "ports": [{"name": "web", "netns": "web", "network": "blue"}]}
//
// Files without a version are of earlier switches, which wrote every key with its default; such defaults are
// taken out again. Routes, of which there may be a million, have a file of their own (added_routes.h). Only while
// a change of objects and routes together is under way, `journal` has the lines that are to be appended there.
//
// A state file never keeps the switch down. What can't be read of it is a fault, to be told and put aside; the
// rest counts. Control thread.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "engine/added_object.h"

namespace sluice::engine {

struct State {
    SharedObjects objects;
    std::string journal;  // lines of the routes' file
    base::Errors faults;  // of the file, those of its objects too
    bool has_lost = false;  // something that is in no object: it would be lost if the file were written again
};

// An absent file is an empty state. Changes nothing.
State load_state(const std::string& file);

// Replaces the file as a whole (written beside it, synced, renamed), so that a crash at any moment
// leaves the old state or the new one. Makes the folder.
base::Result<void> save_state(const std::string& file, const SharedObjects& objects,
                              std::string_view journal = {});

}  // namespace sluice::engine
