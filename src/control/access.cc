#include "control/access.h"

#include <grp.h>
#include <sys/acl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>

namespace sluice::control {
namespace {

struct FreeAcl {
    void operator()(acl_t acl) const { acl_free(acl); }
};
using Acl = std::unique_ptr<std::remove_pointer_t<acl_t>, FreeAcl>;

}  // namespace

std::optional<Access> access_of(const Credentials& peer, const Grants& grants) {
    const auto in = [&](const std::optional<gid_t>& group) {
        return group && std::ranges::find(peer.groups, *group) != peer.groups.end();
    };
    if (peer.uid == 0 || peer.uid == grants.owner || in(grants.group)) return Access::kWrite;
    if (in(grants.read_only_group)) return Access::kRead;
    return std::nullopt;
}

base::Result<Credentials> credentials_of(int connection) {
    ucred user{};
    socklen_t size = sizeof(user);
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &user, &size) < 0)
        return base::fail_errno("asking for a client's user");
    Credentials peer{user.uid, std::vector<gid_t>(64), user.pid};
    for (;;) {
        size = static_cast<socklen_t>(peer.groups.size() * sizeof(gid_t));
        if (getsockopt(connection, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) == 0)
            break;
        if (errno != ERANGE) return base::fail_errno("asking for a client's groups");
        peer.groups.resize(size / sizeof(gid_t));  // the kernel has set the size that it needs
    }
    peer.groups.resize(size / sizeof(gid_t));
    peer.groups.push_back(user.gid);
    return peer;
}

std::string program_of(pid_t pid) {
    std::string name;
    if (pid > 0) std::getline(std::ifstream(fmt::format("/proc/{}/comm", pid)), name);
    return name;
}

base::Result<std::optional<gid_t>> group_named(const std::string& name) {
    std::vector<char> buffer(4096);
    for (;;) {
        group entry{};
        group* found = nullptr;
        const int error = getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
        if (found) return entry.gr_gid;
        switch (error) {
            case ERANGE:
                buffer.resize(buffer.size() * 2);
                continue;
            case EINTR:
                continue;
            // Each of these errors can mean "not found": getgrnam(3).
            case 0:
            case ENOENT:
            case ESRCH:
            case EBADF:
            case EPERM:
                return std::nullopt;
            default:
                return base::fail("looking up the group {}: {}", name, strerror(error));
        }
    }
}

base::Result<void> grant_connect(const std::string& path, gid_t group) {
    const std::string text =
        fmt::format("user::rw-,group::rw-,group:{}:rw-,mask::rw-,other::---", group);
    const Acl acl(acl_from_text(text.c_str()));
    if (!acl) return base::fail_errno("making the access list " + text);
    if (acl_set_file(path.c_str(), ACL_TYPE_ACCESS, acl.get()) == 0) return {};
    if (errno == ENOTSUP)
        return base::fail(
            "the file system of {} has no access lists (ACL): put the control socket "
            "on a tmpfs such as /run, or configure no read-only group",
            path);
    return base::fail_errno("letting the read-only group connect to " + path);
}

}  // namespace sluice::control
