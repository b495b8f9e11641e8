#include "port/guest_memory.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sluice::port {
namespace {

using NameOf = int (*)(int, sockaddr*, socklen_t*) noexcept;

// The path that getsockname() or getpeername() returns for a Unix socket; empty for others.
std::string path_of(int socket, NameOf name_of) {
    sockaddr_un address{};
    socklen_t size = sizeof address;
    if (name_of(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0 || address.sun_family != AF_UNIX)
        return {};
    return {address.sun_path, strnlen(address.sun_path, sizeof address.sun_path)};
}

}  // namespace

std::optional<pid_t> peer_process(const std::string& socket_path) {
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
        const std::string name = entry.path().filename();
        int socket = -1;
        std::from_chars(name.data(), name.data() + name.size(), socket);
        sockaddr_un peer{};
        socklen_t size = sizeof peer;
        // A listening socket has a path as well, but no peer.
        if (getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) continue;
        if (path_of(socket, getpeername) != socket_path && path_of(socket, getsockname) != socket_path) continue;
        ucred credentials{};
        size = sizeof credentials;
        if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0 || credentials.pid <= 0)
            continue;
        return credentials.pid;
    }
    return std::nullopt;
}

bool is_mapped_privately(std::istream& maps, dev_t device, ino_t inode) {
    const std::string wanted = fmt::format("{:02x}:{:02x}", major(device), minor(device));
    bool is_private = false;
    for (std::string line; std::getline(maps, line);) {
        std::istringstream words(line);
        std::string range, rights, offset, of_device;
        ino_t of_inode = 0;
        words >> range >> rights >> offset >> of_device >> of_inode;
        if (!words || of_device != wanted || of_inode != inode || rights.size() != 4) continue;
        if (rights[3] == 's') return false;
        is_private = true;
    }
    return is_private;
}

bool is_mapped_privately(pid_t process, int file) {
    struct stat status {};
    if (fstat(file, &status) != 0) return false;
    std::ifstream maps(fmt::format("/proc/{}/maps", process));
    return is_mapped_privately(maps, status.st_dev, status.st_ino);
}

}  // namespace sluice::port
