// Whether a guest shares its memory with us. QEMU passes on the memory's file even if the guest has it mapped
// privately (share=off); the guest's rings then stay empty for us. The memory mappings of the process at the
// other end of the socket show it. Any thread.
#pragma once

#include <sys/types.h>

#include <istream>
#include <optional>
#include <string>

namespace sluice::port {

// The process at the other end of one of our connections, by the path of its socket. None if there is no such
// connection, or if the process is in another PID namespace.
std::optional<pid_t> peer_process(const std::string& socket_path);

// Whether a file is mapped, and all its mappings are private. `maps` is /proc/PID/maps of proc(5).
bool is_mapped_privately(std::istream& maps, dev_t device, ino_t inode);
bool is_mapped_privately(pid_t process, int file);

}  // namespace sluice::port
