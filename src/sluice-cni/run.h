// Runs the plugin: from the environment and standard input to standard output and the exit status.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <tl/expected.hpp>

#include "sluice-cni/commands.h"
#include "sluice-cni/environment.h"
#include "sluice-cni/failure.h"

namespace sluice::cni {

// All of standard input, or a byte more than kMaxInput of it.
using Input = std::function<tl::expected<std::string, Failure>()>;
tl::expected<std::string, Failure> read_input(int descriptor);

// Results and errors are JSON and go to `out`; the log goes to standard error. Returns the exit status, 0 or 1.
int run(const Variables& variables, const Input& input, const Outside& outside, std::ostream& out);

}  // namespace sluice::cni
