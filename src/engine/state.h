// The state file: the objects that were added while the switch runs. A change writes the file before it takes
// effect, and the start reads it. The file is JSON. For each object it has only the keys that the user gave. It
// has the section `ports`, and each other section of the configuration that has an added object:
//
//     {"version": 1, "ports": [{"name": "web", "netns": "web", "network": "blue"}]}
//
// An earlier version of sluiced wrote files without a version and with the defaults of all keys; load_state()
// removes these defaults. Routes have a file of their own (added_routes.h), because there may be a million. While
// a change of both objects and routes is being carried out, `journal` has the lines that will be appended to that
// file.
//
// A state file never prevents the start. Its unreadable parts are faults, which the caller reports; the caller
// also keeps a copy of such a file. All other parts count. Control thread.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "engine/added_object.h"

namespace sluice::engine {

struct State {
    SharedObjects objects;
    std::string journal;    // lines of the routes' file
    base::Errors faults;    // of the file and of its objects
    bool has_lost = false;  // an unreadable part belongs to no object, so rewriting the file would lose it
};

// A missing file is an empty state. Writes nothing.
State load_state(const std::string& file);

// Replaces the whole file (writes a new one beside it, syncs, renames), so that a crash at any moment leaves the
// old state or the new one. Creates the folder if needed.
base::Result<void> save_state(const std::string& file, const SharedObjects& objects,
                              std::string_view journal = {});

}  // namespace sluice::engine
