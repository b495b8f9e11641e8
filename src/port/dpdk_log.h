// DPDK's log, in ours: its errors at info, the rest at debug, since what concerns the operator is told
// by whoever called DPDK, in a sentence that carries DPDK's words. Each thread has those of its own calls; EAL's
// summaries ("Failed to attach device"), which follow upon a driver's reasons, are not among them.
#pragma once

#include <string>

#include "base/error.h"

namespace sluice::port {

void redirect_dpdk_log();

// The same for libbpf and libxdp, which net_af_xdp uses and which would write to stderr. DPDK loads
// them when it starts, where they are installed. Answers how many there are.
int redirect_bpf_logs();

// " (what DPDK said last)" since the last call of this, or nothing.
std::string take_dpdk_words();

// The first errors since the last call of either: of the lines that a driver logs when it fails, those that name
// the cause. Empty: it said nothing.
std::string take_dpdk_reasons();

}  // namespace sluice::port
