// Network namespaces: what the user calls one, whether that still names the same one, and how to work
// inside it. Control thread only (setns() moves the calling thread alone, so workers never notice).
//
// Nothing here keeps a namespace open: an open descriptor pins a namespace, and one whose name or
// process is gone must be allowed to die.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace sluice::port {

// Which namespace it is, whatever it is called: the device and inode of its nsfs file.
struct NetnsId {
    dev_t device = 0;
    ino_t inode = 0;

    bool operator==(const NetnsId&) const = default;
    auto operator<=>(const NetnsId&) const = default;
};

// The file that stands for a namespace: `web` is /run/netns/web, `pid:7` is /proc/7/ns/net, an
// absolute path is itself; the empty string is the switch's own namespace.
std::string netns_path(const std::string& netns);

// What the name stands for now; an error if it names nothing or no network namespace.
base::Result<NetnsId> identify_netns(const std::string& netns);
// The same of an open file.
base::Result<NetnsId> identify_netns(const base::Fd& file);

// Whether the name stands for this one, in one system call.
bool is_netns(const std::string& netns, const NetnsId& id);

// Every network namespace that has a name in /run/netns or a process, the switch's own included: a
// path for each, no namespace twice.
std::vector<std::string> all_netns();

// Inside a namespace for as long as it lives. Leaving can't fail (the process ends if the kernel says
// otherwise: a control thread in a stranger's namespace must not go on).
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
