// Writes DPDK's log to ours: its errors at level info, the rest at debug. The code that called DPDK reports an
// error to the operator in a sentence that contains DPDK's words. Each thread has the words of its own calls.
// EAL's summaries ("Failed to attach device"), which follow a driver's reasons, are not among them.
#pragma once

#include <string>

#include "base/error.h"

namespace sluice::port {

void redirect_dpdk_log();

// The same for libbpf and libxdp, which net_af_xdp uses and which would write to stderr. If they are installed,
// DPDK loads them when it starts. Returns how many are loaded.
int redirect_bpf_logs();

// " (DPDK's last words)" since the last call of this function, or an empty text.
std::string take_dpdk_words();

// The first errors since the last call of either function: of the lines that a driver logs when it fails, those
// that name the cause. Empty if there were none.
std::string take_dpdk_reasons();

}  // namespace sluice::port
