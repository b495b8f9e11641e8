// What a dry run of a frame may not change, which is all that a switch counts, learns and remembers.
#pragma once

#include <string>

#include "golden/harness.h"

namespace sluice::golden {

std::string digest(test::Harness& harness);

}  // namespace sluice::golden
