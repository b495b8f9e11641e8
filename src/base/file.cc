#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

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
    std::error_code error;  // the open that follows reports it
    std::filesystem::create_directories(std::filesystem::path(file).parent_path(), error);
}

// The target of a chain of symbolic links; it need not exist. If the links form a circle, one of them.
std::string target_of(const std::string& file) {
    std::filesystem::path path(file);
    for (int links = 0; links < 40; ++links) {
        std::error_code error;
        const auto next = std::filesystem::read_symlink(path, error);
        if (error) break;
        path = next.is_absolute() ? next : path.parent_path() / next;
    }
    return path.string();
}

// A file that does not exist is fine.
Result<void> expect_regular(const std::string& file) {
    struct stat status {};
    if (lstat(file.c_str(), &status) != 0 || S_ISREG(status.st_mode)) return {};
    return fail("{} is {}, and no file", file,
                S_ISDIR(status.st_mode)   ? "a folder"
                : S_ISLNK(status.st_mode) ? "a symbolic link that leads back to itself"
                                          : "a device, a socket or a pipe");
}

// If a pipe is in place of the file, open() fails rather than waits.
constexpr int kOpen = O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// Creates a new, empty file. A file of that name (left by a crash) loses this name but keeps its text, since it
// may have another name (a hard link).
Fd make_new(const std::string& file) {
    const auto make = [&] {
        return open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | kOpen, kMode);
    };
    Fd fd(make());
    if (fd || errno != EEXIST) return fd;
    struct stat status {};
    const bool is_regular = lstat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode);
    if (is_regular && unlink(file.c_str()) == 0) return Fd(make());
    errno = EEXIST;
    return fd;
}

// A new name in a folder is on the disk only after the folder is synced.
void sync_folder(const std::string& file) {
    const Fd folder(open(std::filesystem::path(file).parent_path().c_str(),
                         O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder) fsync(folder.get());
}

constexpr size_t kKeptAside = 5;

// Whether put_aside() chose this end of a name: DATE-TIME, or DATE-TIME.NUMBER with two digits. Other files whose
// names begin with FILE.bad- belong to the user.
bool is_stamp(std::string_view text) {
    constexpr std::string_view kPattern = "00000000-000000.00";
    constexpr size_t kShort = kPattern.find('.');
    if (text.size() != kShort && text.size() != kPattern.size()) return false;
    return std::equal(text.begin(), text.end(), kPattern.begin(), [](char c, char pattern) {
        return pattern == '0' ? c >= '0' && c <= '9' : c == pattern;
    });
}

// The copies that put_aside() made of FILE, oldest first.
std::vector<std::string> kept_aside(const std::string& file) {
    const std::filesystem::path path(file);
    const std::string prefix = path.filename().string() + ".bad-";
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(path.parent_path(), error), end; !error && entry != end;
         entry.increment(error)) {
        std::error_code unknown;  // the file has gone
        if (entry->symlink_status(unknown).type() != std::filesystem::file_type::regular) continue;
        const std::string name = entry->path().filename().string();
        if (!name.starts_with(prefix) || !is_stamp(std::string_view(name).substr(prefix.size()))) continue;
        names.push_back(entry->path().string());
    }
    std::sort(names.begin(), names.end());
    return names;
}

// Gives the file a second name, which must be free. If its file system has no hard links, renames the file.
bool link_or_move(const std::string& file, const std::string& name) {
    if (link(file.c_str(), name.c_str()) == 0) return true;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS && errno != EMLINK) return false;
    return renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, name.c_str(), RENAME_NOREPLACE) == 0;
}

bool same_text(const std::string& a, const std::string& b) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(a, error) || !std::filesystem::is_regular_file(b, error)) return false;
    if (std::filesystem::file_size(a, error) != std::filesystem::file_size(b, error)) return false;
    std::ifstream first(a, std::ios::binary);
    std::ifstream second(b, std::ios::binary);
    if (!first || !second) return false;
    using Bytes = std::istreambuf_iterator<char>;
    return std::equal(Bytes(first), Bytes(), Bytes(second), Bytes());
}

}  // namespace

Result<void> replace_file(const std::string& file, std::string_view text) {
    const std::string target = target_of(file);
    if (auto regular = expect_regular(target); !regular) return regular;
    const std::string beside = target + ".new";
    make_folder(target);
    const Fd fd = make_new(beside);
    if (!fd) return fail_errno(fmt::format("cannot write {}", beside));
    auto done = write_all(fd.get(), text, beside);
    if (done && (fsync(fd.get()) != 0 || rename(beside.c_str(), target.c_str()) != 0)) {
        done = fail_errno(fmt::format("cannot replace {}", target));
    }
    if (!done) {
        (void)unlink(beside.c_str());  // on a full disk it would keep the last space
        return done;
    }
    sync_folder(target);
    return {};
}

Result<void> expect_writable(const std::string& file) {
    const std::string target = target_of(file);
    if (auto regular = expect_regular(target); !regular) return regular;
    const std::filesystem::path folder = std::filesystem::path(target).parent_path();
    // If the folder does not exist, check the folder that it would be created in.
    for (std::filesystem::path at = folder;; at = at.parent_path()) {
        if (faccessat(AT_FDCWD, at.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return {};
        if (errno != ENOENT || at == at.parent_path()) {
            return fail_errno(fmt::format("the folder {} can't be written", folder.string()));
        }
    }
}

Result<uint64_t> append_to_file(const std::string& file, std::string_view text) {
    if (auto regular = expect_regular(target_of(file)); !regular) return tl::unexpected(regular.error());
    make_folder(target_of(file));
    const Fd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | kOpen, kMode));
    struct stat status {};
    if (!fd || fstat(fd.get(), &status) != 0) return fail_errno(fmt::format("cannot write {}", file));
    const auto before = static_cast<uint64_t>(status.st_size);
    auto done = write_all(fd.get(), text, file);
    if (done && fdatasync(fd.get()) != 0) done = fail_errno(fmt::format("cannot write {}", file));
    if (!done) {
        (void)ftruncate(fd.get(), status.st_size);
        return tl::unexpected(done.error());
    }
    if (before == 0) sync_folder(target_of(file));
    return before;
}

Result<void> cut_file(const std::string& file, uint64_t size) {
    if (auto regular = expect_regular(target_of(file)); !regular) return regular;
    const Fd fd(open(file.c_str(), O_WRONLY | kOpen));
    if (!fd || ftruncate(fd.get(), static_cast<off_t>(size)) != 0 || fdatasync(fd.get()) != 0) {
        return fail_errno(fmt::format("cannot shorten {}", file));
    }
    return {};
}

tl::expected<std::string, Errors> read_file(const std::string& file, Reading reading) {
    auto failed = [&](int error) {
        const char* fix = error == ENOENT ? "; is the path right?" : "";
        return tl::unexpected(Errors{
            {fmt::format("cannot be read: {}{}", std::strerror(error), fix), "", {file, 0, 0}}});
    };
    auto refused = [&](std::string why) {
        return tl::unexpected(Errors{{std::move(why), "", {file, 0, 0}}});
    };
    struct stat status {};
    // Opening a pipe waits for who writes to it, so what it is comes first, and again when it is open.
    auto fault = [&]() -> const char* {
        if (S_ISREG(status.st_mode)) return nullptr;
        if (S_ISDIR(status.st_mode)) return "cannot be read: Is a directory";
        if (reading == Reading::kAgain && S_ISFIFO(status.st_mode)) return "is a pipe, which can't be read again";
        if (reading == Reading::kOnce && (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode))) return nullptr;
        return "is no file, but a device, a socket or a pipe";
    };
    if (stat(file.c_str(), &status) != 0) return failed(errno);
    if (const char* why = fault()) return refused(why);
    const Fd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!fd || fstat(fd.get(), &status) != 0) return failed(errno);
    if (const char* why = fault()) return refused(why);
    if (S_ISCHR(status.st_mode) && isatty(fd.get()) == 0) return refused("is a device, and no file");
    std::string text;
    std::array<char, 64 << 10> piece;
    for (;;) {
        const ssize_t count = ::read(fd.get(), piece.data(), piece.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return failed(errno);
        if (count == 0) return text;
        text.append(piece.data(), static_cast<size_t>(count));
        if (reading != Reading::kState && text.size() > kMaxFile) {
            return refused(fmt::format("is larger than {} MiB", kMaxFile >> 20));
        }
    }
}

Result<std::vector<std::string>> files_in(const std::string& folder, std::span<const std::string_view> endings) {
    namespace fs = std::filesystem;
    std::vector<std::string> files;
    std::error_code error;
    for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::directory_iterator();
         entry.increment(error)) {
        const std::string ending = entry->path().extension().string();
        std::error_code ignored;
        const bool is_meant = std::find(endings.begin(), endings.end(), ending) != endings.end();
        if (is_meant && !fs::is_directory(entry->path(), ignored)) files.push_back(entry->path().string());
    }
    if (error) return fail("the folder {} can't be read: {}", folder, error.message());
    std::sort(files.begin(), files.end());
    return files;
}

Result<std::string> put_aside(const std::string& file) {
    const std::string target = target_of(file);
    if (auto regular = expect_regular(target); !regular) return tl::unexpected(regular.error());
    std::vector<std::string> kept = kept_aside(target);
    for (const std::string& name : kept) {
        if (same_text(name, target)) return name;
    }
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    char date[32];
    std::strftime(date, sizeof date, "%Y%m%d-%H%M%S", &parts);
    std::string name = fmt::format("{}.bad-{}", target, date);
    // The number keeps the names of one second in order.
    for (int i = 2; !kept.empty() && name <= kept.back() && i < 100; ++i) {
        name = fmt::format("{}.bad-{}.{:02}", target, date, i);
    }
    if (!link_or_move(target, name)) return fail_errno(fmt::format("cannot keep {} as {}", target, name));
    sync_folder(target);
    kept.push_back(name);
    for (size_t i = 0; i + kKeptAside < kept.size(); ++i) {
        (void)unlink(kept[i].c_str());  // if it fails, one copy too many does no harm
    }
    return name;
}

}  // namespace sluice::base
