// sluicectl's command line: which verb, which arguments, and what is wrong with it. Options may
// stand anywhere, for people add --json at the end of the line that they have just run.
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
    bool protocol = false;  // the help that is asked for is the socket's reference
    bool version = false;
    std::optional<double> timeout;  // seconds that an answer may take; 0: any; none: the verb's own limit
    std::optional<double> watch;  // seconds between one asking and the next
    bool verbs = false;          // list them for the shell's completion
    const Verb* verb = nullptr;  // always there, unless one of the last three is asked for
    Arguments arguments;
};

struct UsageError {
    std::string message;
    std::string usage;  // the lines of help that would have prevented it
};

tl::expected<CommandLine, UsageError> parse(const std::vector<std::string>& words);

}  // namespace sluice::sluicectl
