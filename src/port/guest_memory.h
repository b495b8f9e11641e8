// Whether a guest shares its memory with us. QEMU gives away the file of the memory even where the guest has it
// mapped for itself (share=off), so that the guest's rings, as we see them, stay empty for ever. The process at
// the other end of the socket tells by its mappings. Any thread.
#pragma once

#include <sys/types.h>

#include <istream>
#include <optional>
#include <string>

namespace sluice::port {

// The process at the other end of a connection of ours, by the path of its socket; none: there is no such
// connection, or the process is of another PID namespace.
std::optional<pid_t> peer_process(const std::string& socket_path);

// Whether a file is mapped, and by nobody's choice shared: `maps` is as of proc(5), /proc/PID/maps.
bool is_mapped_privately(std::istream& maps, dev_t device, ino_t inode);
bool is_mapped_privately(pid_t process, int file);

}  // namespace sluice::port
