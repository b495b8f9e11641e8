// Devices that meet another program at a socket, net_memif and net_virtio_user, and what they want
// beyond what their drivers do. Control thread.
#pragma once

#include <string_view>

namespace sluice::port {

// Whether it connects to a socket that another program serves, which it does once: to one that comes
// back it must be opened again.
bool connects_once(std::string_view device) noexcept;

// Whether opening it would wait until another program connects.
bool waits_for_peer(std::string_view device) noexcept;

// Removes the socket that a server's death has left at the path which this memif is to serve, for the
// driver would find the place taken.
void remove_stale_memif_socket(std::string_view device);

}  // namespace sluice::port
