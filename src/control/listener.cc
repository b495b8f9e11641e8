#include "control/listener.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace sluice::control {
namespace {

base::Result<void> make_parent(const std::string& path) {
    const std::filesystem::path parent = std::filesystem::path(path).parent_path();
    std::error_code error;
    if (parent.empty() || std::filesystem::is_directory(parent, error)) return {};
    // create_directories() obeys the umask, so set the mode afterwards.
    if (!std::filesystem::create_directories(parent, error) && error)
        return base::fail("making {} for the control socket: {}", parent.string(), error.message());
    if (chmod(parent.c_str(), 0755) < 0) return base::fail_errno("chmod of " + parent.string());
    return {};
}

base::Result<base::Fd> lock(const std::string& path) {
    const std::string name = path + ".lock";
    // 0600: a user that can open the file could lock it and keep the daemon from starting.
    base::Fd file(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (file.get() < 0) return base::fail_errno("opening " + name);
    if (flock(file.get(), LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK) return base::fail_errno("locking " + name);
        char pid[32] = {};
        if (pread(file.get(), pid, sizeof(pid) - 1, 0) <= 0) strcpy(pid, "not known");
        pid[strcspn(pid, "\n")] = '\0';
        return base::fail(
            "another sluiced (process {}) serves {}: stop it, or give this one "
            "another control socket",
            pid, path);
    }
    const std::string pid = std::to_string(getpid()) + "\n";
    if (ftruncate(file.get(), 0) < 0 || pwrite(file.get(), pid.data(), pid.size(), 0) < 0)
        return base::fail_errno("writing " + name);
    return file;
}

}  // namespace

base::Result<Listener> listen_at(const std::string& path, const Grants& grants) {
    // Prepares the socket under this name, then renames it. So no client sees it with the wrong mode, and the
    // rename replaces a stale socket.
    const std::string fresh = path + ".new";
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (path.empty() || fresh.size() >= sizeof(address.sun_path))
        return base::fail(
            "\"{}\" can't be the control socket: its path must have 1 to {} "
            "characters",
            path, sizeof(address.sun_path) - 1 - strlen(".new"));
    fresh.copy(address.sun_path, fresh.size());

    Listener listener;
    if (auto made = make_parent(path); !made) return tl::unexpected(made.error());
    if (auto locked = lock(path); locked)
        listener.lock = std::move(*locked);
    else
        return tl::unexpected(locked.error());

    struct stat old {};
    if (lstat(path.c_str(), &old) == 0 && !S_ISSOCK(old.st_mode))
        return base::fail(
            "{} is in the way of the control socket and no socket: move it, or "
            "choose another path",
            path);

    unlink(fresh.c_str());
    listener.socket = base::Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int number = listener.socket.get();
    if (number < 0) return base::fail_errno("opening the control socket");
    if (bind(number, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) < 0)
        return base::fail_errno("binding the control socket " + path);

    const auto finish = [&]() -> base::Result<void> {
        if (grants.group && chown(fresh.c_str(), static_cast<uid_t>(-1), *grants.group) < 0)
            return base::fail_errno(
                "giving the control socket to its group (sluiced must be root "
                "or a member)");
        if (chmod(fresh.c_str(), 0660) < 0)
            return base::fail_errno("setting the mode of the control socket");
        if (grants.read_only_group)
            if (auto granted = grant_connect(fresh, *grants.read_only_group); !granted)
                return granted;
        if (listen(number, SOMAXCONN) < 0)
            return base::fail_errno("listening on the control socket");
        if (rename(fresh.c_str(), path.c_str()) < 0)
            return base::fail_errno("putting the control socket at " + path);
        return {};
    };
    if (auto finished = finish(); !finished) {
        unlink(fresh.c_str());
        return tl::unexpected(finished.error());
    }
    return listener;
}

}  // namespace sluice::control
