// Checks what a configuration says of the underlay against its networks, ports, routes, NAT and Services: tunnels
// must have a way to their remote end points that leads into no tunnel, and the VXLAN port of this host's end
// points must be theirs. Control thread.
#pragma once

#include "base/mistakes.h"
#include "engine/config.h"

namespace sluice::engine {

// Of a configuration with an underlay.
void check_underlay(const Config& config, base::Mistakes& mistakes);

}  // namespace sluice::engine
