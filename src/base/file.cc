#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/fd.h"

namespace sluice::base {
namespace {

constexpr mode_t kMode = 0640;

Result<void> write_all(int fd, std::string_view text, const std::string& file) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail_errno(fmt::format("cannot write {}", file));
        text.remove_prefix(static_cast<size_t>(written));
    }
    return {};
}

void make_folder(const std::string& file) {
    std::error_code error;  // told by the open that follows
    std::filesystem::create_directories(std::filesystem::path(file).parent_path(), error);
}

// A new name in a folder is on the disk when the folder is.
void sync_folder(const std::string& file) {
    const Fd folder(open(std::filesystem::path(file).parent_path().c_str(),
                         O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder) fsync(folder.get());
}

}  // namespace

Result<void> replace_file(const std::string& file, std::string_view text) {
    const std::string beside = file + ".new";
    make_folder(file);
    const Fd fd(open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kMode));
    if (!fd) return fail_errno(fmt::format("cannot write {}", beside));
    if (auto done = write_all(fd.get(), text, beside); !done) return done;
    if (fsync(fd.get()) != 0 || rename(beside.c_str(), file.c_str()) != 0) {
        return fail_errno(fmt::format("cannot replace {}", file));
    }
    sync_folder(file);
    return {};
}

Result<uint64_t> append_to_file(const std::string& file, std::string_view text) {
    make_folder(file);
    const Fd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode));
    struct stat status {};
    if (!fd || fstat(fd.get(), &status) != 0) return fail_errno(fmt::format("cannot write {}", file));
    const auto before = static_cast<uint64_t>(status.st_size);
    auto done = write_all(fd.get(), text, file);
    if (done && fdatasync(fd.get()) != 0) done = fail_errno(fmt::format("cannot write {}", file));
    if (!done) {
        (void)ftruncate(fd.get(), status.st_size);
        return tl::unexpected(done.error());
    }
    if (before == 0) sync_folder(file);
    return before;
}

Result<void> cut_file(const std::string& file, uint64_t size) {
    const Fd fd(open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd || ftruncate(fd.get(), static_cast<off_t>(size)) != 0 || fdatasync(fd.get()) != 0) {
        return fail_errno(fmt::format("cannot shorten {}", file));
    }
    return {};
}

}  // namespace sluice::base
