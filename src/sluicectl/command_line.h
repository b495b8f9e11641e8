// Reads sluicectl's command line: the verb, its arguments, and mistakes. Options may stand anywhere: users like to
// repeat a command with --json at its end.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

struct CommandLine {
    std::optional<std::string> socket;
    bool json = false;
    bool help = false;
    bool protocol = false;  // show the reference of the socket's protocol as help
    bool version = false;
    std::optional<double> timeout;  // seconds to wait for an answer; 0: no limit; nothing: the verb's own limit
    std::optional<double> watch;    // repeat the request every so many seconds
    bool verbs = false;             // list the verbs for the shell's completion
    const Verb* verb = nullptr;     // null only with `help`, `version` or `verbs`
    Arguments arguments;
};

struct UsageError {
    std::string message;
    std::string usage;  // the lines of help about it
};

tl::expected<CommandLine, UsageError> parse(const std::vector<std::string>& words);

}  // namespace sluice::sluicectl
