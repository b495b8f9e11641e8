// Which clients may use the control socket, and for what. The server decides once a connection, by the credentials
// that the kernel recorded when the client connected. Control thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace sluice::control {

enum class Access {
    kRead,   // queries
    kWrite,  // queries and changes
};

// A connected process.
struct Credentials {
    uid_t uid;
    std::vector<gid_t> groups;  // its primary group and its supplementary ones
    pid_t pid = 0;              // when it connected; 0: it is in a PID namespace that sluiced can't see
};

// The users that may connect, besides root. A group that doesn't exist has no members.
struct Grants {
    uid_t owner;  // the daemon's own user
    std::optional<gid_t> group;
    std::optional<gid_t> read_only_group;
};

// The client of a connection, as of the moment when it connected.
struct Peer {
    Access access = Access::kRead;
    bool is_owner = false;  // root, or the daemon's own user
    uid_t uid = 0;
    pid_t pid = 0;
    std::string program = {};  // the name of its process, which the process itself may have changed
};

// The highest rank has root and the daemon's own user. Then come clients that may change the switch, then those
// that may only read.
constexpr int kRanks = 3;
inline int rank_of(const Peer& peer) {
    return peer.is_owner ? 2 : peer.access == Access::kWrite ? 1 : 0;
}

// The process's name in /proc; empty: it can't be read.
std::string program_of(pid_t pid);

// Nothing: the client may not connect.
std::optional<Access> access_of(const Credentials& peer, const Grants& grants);

base::Result<Credentials> credentials_of(int connection);

// The number of a group; nothing: there is no such group. The look-up (NSS) may go over the network, so call it at
// the start only.
base::Result<std::optional<gid_t>> group_named(const std::string& name);

// Lets a second group connect to the socket at this path. A file has only one group, so this adds a POSIX ACL.
base::Result<void> grant_connect(const std::string& path, gid_t group);

}  // namespace sluice::control
