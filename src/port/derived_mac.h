// MAC addresses for ports without a configured one. The same words always give the same address, so that
// neighbors' caches stay right over restarts. Locally administered (IEEE 802, 8.4). Any thread.
#pragma once

#include <string_view>

#include "sluice/address.h"

namespace sluice::port {

// The same address on every host.
MacAddress derived_mac(std::string_view words);
// A different address on every host (by /etc/machine-id).
MacAddress host_mac(std::string_view words);

}  // namespace sluice::port
