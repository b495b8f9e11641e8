// What net_memif wants beyond what its driver does. Control thread.
#pragma once

#include <string_view>

namespace sluice::port {

bool is_memif(std::string_view device) noexcept;

// Removes the socket that a server's death has left at the path which this device is to serve, for the
// driver would find the place taken.
void remove_stale_memif_socket(std::string_view device);

// A client, which is the driver's default, connects once, when it is started.
bool is_memif_client(std::string_view device) noexcept;

}  // namespace sluice::port
