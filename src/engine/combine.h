// The file and the objects that were added while running, put together: which of these are in force beside the
// file. The file always wins, and is never refused for what was added:
//
//   an object  that the file declares as well, with the same settings, is the file's from now on
//   one        that can't be beside the file or beside another object waits, with the reason, until it can: the
//              network of a port is gone, its interface or its name is another port's, this version doesn't know
//              one of its keys
//   the file   may name ports that were added. While such a port waits, what the file says of it is left out. It
//              may name nothing else that was added.
//   an ACL,    a mirror or a static entry that was added may name ports and networks that aren't there: that is
//              left out, and the ACL or the mirror waits if nothing of it is left
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
    base::Errors errors;  // what would be wrong if it were in force; paths are those of the object's own keys

    // In words: "network: there is no network "blue"".
    std::string reason() const;
};

// What an object says of another one that isn't there.
struct LeftOut {
    ObjectName object;
    bool is_added = false;  // the object; else it is the file's
    std::string text;       // a sentence
    base::Error error;      // the same as a mistake in the object's own keys
};

struct Combined {
    Config config;                        // what is to be in force
    SharedObjects added;                  // those in force, then those that wait
    std::vector<WaitingObject> waiting;
    std::vector<ObjectName> declared;     // added objects that the file has taken over: they are added no more
    std::vector<LeftOut> left_out;
};

// A configuration file as it was read. It may hold mistakes.
struct ReadFile {
    std::string text;
    ManifestTexts manifests;  // that it names
    base::Document document;
    Config config;        // what the file says, and nothing else
    base::Errors errors;  // that reading it has found
};
// Whether the manifests that it names are read as well. A client may name files that it may not read itself.
enum class WithManifests : bool { kNo, kYes };
tl::expected<std::shared_ptr<const ReadFile>, base::Errors> read_config(std::string text, std::string_view file,
                                                                        WithManifests with_manifests);

// Errors are the file's own mistakes. `has_lost_state`: the file may name ports that nobody knows any more, which
// wait then under their bare names.
tl::expected<Combined, base::Errors> combine(const ReadFile& file, const SharedObjects& added,
                                             bool has_lost_state = false);

}  // namespace sluice::engine
