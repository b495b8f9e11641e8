#include "port/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/log.h"

namespace sluice::port {
namespace {

constexpr const char* kOwn = "/proc/self/ns/net";

base::Result<base::Fd> open_netns(const std::string& netns) {
    std::string path = netns_path(netns);
    // If the path is a pipe's, a blocking open() would wait for a writer.
    base::Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) {
        if (errno == ENOENT && netns.starts_with("pid:")) {
            return base::fail("process {} is not running", netns.substr(4));
        }
        if (errno == ENOENT) {
            return base::fail("network namespace {} does not exist ({} is not there)", netns, path);
        }
        return base::fail_errno(fmt::format("network namespace {}: cannot open {}", netns, path));
    }
    struct statfs file_system;
    if (fstatfs(fd.get(), &file_system) != 0 || file_system.f_type != NSFS_MAGIC ||
        ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
        return base::fail("{} is not a network namespace", path);
    }
    return fd;
}

}  // namespace

std::string netns_path(const std::string& netns) {
    if (netns.empty()) return kOwn;
    if (netns.starts_with("/")) return netns;
    if (netns.starts_with("pid:")) return "/proc/" + netns.substr(4) + "/ns/net";
    return "/run/netns/" + netns;
}

base::Result<NetnsId> identify_netns(const base::Fd& file) {
    struct stat status;
    if (fstat(file.get(), &status) != 0) return base::fail_errno("network namespace: fstat");
    return NetnsId{status.st_dev, status.st_ino};
}

base::Result<NetnsId> identify_netns(const std::string& netns) {
    return open_netns(netns).and_then([](const base::Fd& file) { return identify_netns(file); });
}

// No other file has the device and inode of an existing namespace.
bool is_netns(const std::string& netns, const NetnsId& id) {
    struct stat status {};
    return stat(netns_path(netns).c_str(), &status) == 0 && NetnsId{status.st_dev, status.st_ino} == id;
}

std::vector<std::string> all_netns() {
    std::vector<std::string> candidates{kOwn};
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/run/netns", ignored)) {
        candidates.push_back(entry.path());
    }
    for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
        if (std::isdigit(static_cast<unsigned char>(entry.path().filename().c_str()[0])) != 0) {
            candidates.push_back(entry.path() / "ns/net");
        }
    }
    std::vector<std::string> paths;
    std::set<NetnsId> seen;
    for (const auto& path : candidates) {
        auto id = identify_netns(path);
        if (id && seen.insert(*id).second) paths.push_back(path);
    }
    return paths;
}

base::Result<InNetns> InNetns::enter(const std::string& netns) {
    base::Fd home(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    if (!home) return base::fail_errno("cannot open the switch's own network namespace");
    auto there = open_netns(netns);
    if (!there) return tl::unexpected(there.error());
    auto id = identify_netns(*there);
    if (!id) return tl::unexpected(id.error());
    if (setns(there->get(), CLONE_NEWNET) != 0) {
        return base::fail_errno(fmt::format(
            "cannot enter network namespace {} (needs root, or CAP_SYS_ADMIN)", netns));
    }
    return InNetns(std::move(home), *id);
}

InNetns::~InNetns() {
    if (home_ && setns(home_.get(), CLONE_NEWNET) != 0) {
        base::log::error("port", "cannot return from a container's network namespace: stopping");
        std::abort();
    }
}

}  // namespace sluice::port
