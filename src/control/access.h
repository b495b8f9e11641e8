// Who may use the control socket, and for what. Decided once a connection, from the credentials
// that the kernel noted when the client connected. Control thread.
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
    pid_t pid = 0;              // when it connected; 0 where this process can't see it
};

// Who is let in, besides root. A group that doesn't exist lets nobody in.
struct Grants {
    uid_t owner;  // the daemon's own user
    std::optional<gid_t> group;
    std::optional<gid_t> read_only_group;
};

// A client as it was when it connected.
struct Peer {
    Access access = Access::kRead;
    bool is_owner = false;  // root, or the daemon's own user
    uid_t uid = 0;
    pid_t pid = 0;
    std::string program = {};  // what the kernel calls its process; chosen by that process
};

// Root and the daemon's own user come before those who may change the switch, and these before readers.
constexpr int kRanks = 3;
inline int rank_of(const Peer& peer) {
    return peer.is_owner ? 2 : peer.access == Access::kWrite ? 1 : 0;
}

// A short name of the process; empty where it can't be read.
std::string program_of(pid_t pid);

// Nothing for a stranger.
std::optional<Access> access_of(const Credentials& peer, const Grants& grants);

base::Result<Credentials> credentials_of(int connection);

// The number of a group, nothing where it doesn't exist. May ask the network (NSS): at start only.
base::Result<std::optional<gid_t>> group_named(const std::string& name);

// Lets the group connect to the socket at this path, beside its owner and owning group, by a POSIX
// ACL, for a file has only one group.
base::Result<void> grant_connect(const std::string& path, gid_t group);

}  // namespace sluice::control
