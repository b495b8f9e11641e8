// The file and the ports that were added while running, put together: which of these are in force beside the file.
// The file always wins, and is never refused for what was added:
//
//   a port    that the file declares as well, with the same settings, is the file's from now on
//   one       that can't be beside the file or beside another port waits, with the reason, until it can: its
//             network is gone, its interface or its name is another port's, this version doesn't know one of
//             its keys
//   the file  may name ports that were added. While such a port waits, what the file says of it is left out.
//
// Control thread; changes nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/config.h"
#include "engine/state.h"

namespace sluice::engine {

struct WaitingPort {
    AddedPort port;
    base::Errors errors;  // what would be wrong if it were in force; paths are those of the port's own keys

    // In words: "network: there is no network "blue"".
    std::string reason() const;
};

struct Combined {
    Config config;                      // what is to be in force
    std::vector<AddedPort> added;       // those in force, then those that wait
    std::vector<WaitingPort> waiting;
    std::vector<std::string> declared;  // added ports that the file has taken over: they are added no more
    std::vector<std::string> left_out;  // what the file says of ports that wait, in sentences
};

// A configuration file as it was read. It may hold mistakes.
struct ReadFile {
    std::string text;
    base::Document document;
    Config config;        // what the file says, and nothing else
    base::Errors errors;  // that reading it has found
};
tl::expected<std::shared_ptr<const ReadFile>, base::Errors> read_config(std::string text, std::string_view file);

// Errors are the file's own mistakes. `has_lost_state`: the file may name ports that nobody knows any more, which
// wait then under their bare names.
tl::expected<Combined, base::Errors> combine(const ReadFile& file, const std::vector<AddedPort>& added,
                                             bool has_lost_state = false);

}  // namespace sluice::engine
