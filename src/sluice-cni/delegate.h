// Finds and runs another plugin that chooses the addresses (CNI specification, section 4). It gets this plugin's
// environment, standard input and standard error. One thread; blocks until the plugin ends.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "sluice-cni/failure.h"

namespace sluice::cni {

// The file of a plugin in CNI_PATH, a list of folders with ':' between them.
tl::expected<std::string, Failure> find_plugin(const std::string& name, const std::string& path);

struct Executed {
    int status = 0;      // 0: success; else the exit status, or 128 and the signal's number
    std::string output;  // on standard output; cut to a byte more than kMaxInput
};

// Runs the program with CNI_COMMAND set to `command`. An error is a sentence: the program couldn't be run.
tl::expected<Executed, std::string> execute(const std::string& program, std::string_view command,
                                            std::string_view input);

}  // namespace sluice::cni
