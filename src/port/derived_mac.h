// MAC addresses for which none is configured: always the same for the same words, so that neighbors' caches
// stay right over restarts. Locally administered (IEEE 802, 8.4). Any thread.
#pragma once

#include <string_view>

#include "sluice/address.h"

namespace sluice::port {

// The same on every host.
MacAddress derived_mac(std::string_view words);
// Another on every host (/etc/machine-id).
MacAddress host_mac(std::string_view words);

}  // namespace sluice::port
