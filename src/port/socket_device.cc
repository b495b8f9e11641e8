#include "port/socket_device.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "base/fd.h"
#include "port/device_option.h"

namespace sluice::port {

namespace {

bool is_memif_server(std::string_view device) noexcept {
    const std::string_view role = device_option(device, "role");
    return device.starts_with("net_memif") && (role == "server" || role == "master");
}

}  // namespace

bool connects_once(std::string_view device) noexcept {
    if (device.starts_with("net_memif")) return !is_memif_server(device);
    // The kernel's vhost (/dev/vhost-net) does not count: its link is that of a TAP.
    return device.starts_with("net_virtio_user") && device_option(device, "server") != "1" &&
           !device_option(device, "path").starts_with("/dev/");
}

bool waits_for_peer(std::string_view device) noexcept {
    return device.starts_with("net_virtio_user") && device_option(device, "server") == "1";
}

void remove_stale_memif_socket(std::string_view device) {
    if (!is_memif_server(device) || device_option(device, "socket-abstract") != "no") return;
    const std::string path(device_option(device, "socket"));
    sockaddr_un address{.sun_family = AF_UNIX};
    struct stat found {};
    if (path.empty() || path.size() >= sizeof address.sun_path || lstat(path.c_str(), &found) != 0 ||
        !S_ISSOCK(found.st_mode)) {
        return;
    }
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    // A program that hangs accepts no connections, and a blocking connect() would wait for it.
    const base::Fd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int status =
        connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    // Several memifs with different ids may share a socket: a live one stays.
    if (status != 0 && errno == ECONNREFUSED) unlink(path.c_str());
}

}  // namespace sluice::port
