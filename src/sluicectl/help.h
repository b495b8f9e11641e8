// The help texts about sluicectl and about the socket's protocol, in lines of at most 80 columns. They are made
// from the tables of verbs (verbs.h) and of methods (sluice/methods.h).
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "sluicectl/verbs.h"

namespace sluice::sluicectl {

// "sluicectl port show PORT", on several lines if it is long.
std::string usage_of(const Verb& verb, size_t indent = 0);

std::string help();  // the overview of all verbs
std::string help_of(const Verb& verb);

// The reference of the socket's methods.
std::string help_of_protocol();
nlohmann::json describe_protocol();

// For the shell's completion: a line "words<TAB>arguments" for each verb. If an argument is one of several words,
// the line lists these.
std::string list_verbs();

}  // namespace sluice::sluicectl
