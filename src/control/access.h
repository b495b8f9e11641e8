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
};

// Who is let in, besides root. A group that doesn't exist lets nobody in.
struct Grants {
    uid_t owner;  // the daemon's own user
    std::optional<gid_t> group;
    std::optional<gid_t> read_only_group;
};

// Nothing for a stranger.
std::optional<Access> access_of(const Credentials& peer, const Grants& grants);

base::Result<Credentials> credentials_of(int connection);

// The number of a group, nothing where it doesn't exist. May ask the network (NSS): at start only.
base::Result<std::optional<gid_t>> group_named(const std::string& name);

// Lets the group connect to the socket at this path, beside its owner and owning group, by a POSIX
// ACL, for a file has only one group.
base::Result<void> grant_connect(const std::string& path, gid_t group);

}  // namespace sluice::control
