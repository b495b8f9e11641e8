// What a dry run of a frame may not change, which is all that a switch counts, learns and remembers.
#pragma once

#include <string>

#include "golden/harness.h"

namespace sluice::golden {

std::string digest(test::Harness& harness);

// Runs the frame dry, as one that comes from that port, and checks that nothing has changed. Takes the frame.
void run_dry(test::Harness& harness, const std::string& port, rte_mbuf* frame);

}  // namespace sluice::golden
