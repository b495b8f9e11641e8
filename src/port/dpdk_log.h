// DPDK's log, in ours: its errors at info, the rest at debug, since what concerns the operator is told
// by whoever called DPDK, in a sentence that carries DPDK's last words. Control thread.
#pragma once

#include <string>

#include "base/error.h"

namespace sluice::port {

void redirect_dpdk_log();

// " (what DPDK said last)" since the last call of this, or nothing.
std::string take_dpdk_words();

}  // namespace sluice::port
