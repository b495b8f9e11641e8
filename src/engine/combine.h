// Combines the file with the objects that were added while running, and finds out which of these are in force. The
// file has precedence. An added object is never a reason to refuse the file:
//
//   - If the file declares an added object with the same settings, the object is the file's from now on.
//   - If an added object conflicts with the file or with another object, it waits until the conflict is over.
//     Examples: the network of a port doesn't exist, another port has its interface or its name, this version
//     doesn't know one of its keys.
//   - The file may name added ports, and no other added objects. While such a port waits, the parts of the file
//     that name it are left out.
//   - An added ACL, mirror or static entry may name ports and networks that don't exist. Such parts are left out.
//     If nothing is left of an ACL or a mirror, it waits.
//   - An ACL that waits denies everything where it is applied: an ACL of its name without rules is there.
//
// Control thread; changes nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/added_object.h"
#include "engine/config.h"
#include "engine/manifests.h"

namespace sluice::engine {

struct WaitingObject {
    SharedObject object;
    base::Errors errors;  // its mistakes if it were in force; paths are those of the object's own keys
    // Where an ACL that waits denies everything. If it isn't empty, the configuration has an ACL of this name.
    std::vector<acl::ApplyConfig> closes = {};

    // A sentence: "network: there is no network "blue"".
    std::string errors_text() const;
    // The same, and what is denied meanwhile.
    std::string reason() const;
};

// A part of an object that names another object, which doesn't exist.
struct LeftOut {
    ObjectName object;
    bool is_added = false;  // the object was added; otherwise the file declares it
    std::string text;       // a sentence
    base::Error error;      // the same as a mistake in the object's own keys
};

struct Combined {
    Config config;                        // to be in force
    SharedObjects added;                  // first the objects in force, then the waiting ones
    std::vector<WaitingObject> waiting;
    std::vector<ObjectName> declared;     // objects that the file declares by now: they are no longer added ones
    std::vector<LeftOut> left_out;
};

// A configuration file that was read. It may have mistakes.
struct ReadFile {
    std::string text;
    ManifestTexts manifests;  // that it names
    base::Document document;
    Config config;        // of the file alone
    base::Errors errors;  // of the reader
};
// Whether the manifests that it names are read as well. A client may name files that it may not read itself.
enum class WithManifests : bool { kNo, kYes };
tl::expected<std::shared_ptr<const ReadFile>, base::Errors> read_config(std::string text, std::string_view file,
                                                                        WithManifests with_manifests);

// Errors are the file's own mistakes. `has_lost_state`: the state file could not be read, so the file may name
// ports that are unknown. Such a port waits, and only its name is known.
tl::expected<Combined, base::Errors> combine(const ReadFile& file, const SharedObjects& added,
                                             bool has_lost_state = false);

// Objects that a command wants to add, or to give other keys, held against the file, the objects in force and each
// other. Unlike combine() it sets nothing aside and takes objects with faults too, as far as they could be read.
// So it finds all mistakes of a request at once, and none that only follows from another one.
struct Considered {
    Config config;                       // with all of them; valid only if there are no mistakes
    std::vector<base::Errors> mistakes;  // of each; paths are those of its own keys
    base::Errors of_file;                // mistakes of the file that follow
};
// `asked`: their names are others than those in force.
Considered consider(const ReadFile& file, const SharedObjects& in_force, const SharedObjects& asked);

}  // namespace sluice::engine
