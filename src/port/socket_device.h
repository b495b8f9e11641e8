// Devices that meet another program at a socket, net_memif and net_virtio_user, and steps that they need beyond
// their drivers. Control thread.
#pragma once

#include <string_view>

namespace sluice::port {

// Whether it connects to a socket that another program serves. It connects only once: when that program restarts,
// the device must be opened again.
bool connects_once(std::string_view device) noexcept;

// Whether opening it would wait until another program connects.
bool waits_for_peer(std::string_view device) noexcept;

// Removes a socket that a dead server left at the path that this memif will serve. The driver would fail because
// the path exists.
void remove_stale_memif_socket(std::string_view device);

}  // namespace sluice::port
