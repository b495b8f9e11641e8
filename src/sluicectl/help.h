// What sluicectl says about itself, in lines of at most 80 columns, and about the socket's protocol. All of it
// is made from the tables of verbs (verbs.h) and of methods (sluice/methods.h).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

// "sluicectl port show PORT", and what follows in further lines where it is long.
std::string usage_of(const Verb& verb, size_t indent = 0);

std::string help();  // everything
std::string help_of(const Verb& verb);

// The reference of the socket's methods.
std::string help_of_protocol();
nlohmann::json describe_protocol();

// For the shell's completion: "words<TAB>arguments" a line. What one of several words can be is spelled out.
std::string list_verbs();

}  // namespace sluice::sluicectl
