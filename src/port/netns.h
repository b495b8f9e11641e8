// Network namespaces: names that users give them, whether a name still means the same namespace, and how to work
// inside one. Control thread only (setns() moves only the calling thread, so workers are not affected).
//
// The functions here keep no namespace open: an open descriptor pins a namespace, and a namespace without a name
// or process must be able to go away.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace sluice::port {

// The identity of a namespace: the device and inode of its nsfs file.
struct NetnsId {
    dev_t device = 0;
    ino_t inode = 0;

    bool operator==(const NetnsId&) const = default;
    auto operator<=>(const NetnsId&) const = default;
};

// The file of a namespace: /run/netns/web for `web`, /proc/7/ns/net for `pid:7`, an absolute path for itself, and
// the switch's own namespace for the empty string.
std::string netns_path(const std::string& netns);

// The namespace that the name means now. An error if it means none.
base::Result<NetnsId> identify_netns(const std::string& netns);
// The same for an open file.
base::Result<NetnsId> identify_netns(const base::Fd& file);

// Whether the name means this namespace; one system call.
bool is_netns(const std::string& netns, const NetnsId& id);

// Every network namespace that has a name in /run/netns or a process, the switch's own included: one path for
// each namespace.
std::vector<std::string> all_netns();

// The calling thread is inside a namespace while the object lives. Leaving cannot fail: if the kernel refuses,
// the process ends, since a control thread must not continue in another namespace.
class InNetns {
 public:
    static base::Result<InNetns> enter(const std::string& netns);
    InNetns(InNetns&&) = default;
    ~InNetns();

    const NetnsId& id() const noexcept { return id_; }

 private:
    InNetns(base::Fd home, NetnsId id) : home_(std::move(home)), id_(id) {}
    base::Fd home_;
    NetnsId id_;
};

}  // namespace sluice::port
