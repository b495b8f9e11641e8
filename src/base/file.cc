#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
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
    std::error_code error;  // told by the open that follows
    std::filesystem::create_directories(std::filesystem::path(file).parent_path(), error);
}

// A new name in a folder is on the disk when the folder is.
void sync_folder(const std::string& file) {
    const Fd folder(open(std::filesystem::path(file).parent_path().c_str(),
                         O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder) fsync(folder.get());
}

constexpr size_t kKeptAside = 5;

// FILE.bad-*, the oldest first.
std::vector<std::string> kept_aside(const std::string& file) {
    const std::filesystem::path path(file);
    const std::string prefix = path.filename().string() + ".bad-";
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(path.parent_path(), error), end; !error && entry != end;
         entry.increment(error)) {
        if (entry->path().filename().string().starts_with(prefix)) names.push_back(entry->path().string());
    }
    std::sort(names.begin(), names.end());
    return names;
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

Result<std::string> put_aside(const std::string& file) {
    std::vector<std::string> kept = kept_aside(file);
    for (const std::string& name : kept) {
        if (same_text(name, file)) return name;
    }
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    char date[32];
    std::strftime(date, sizeof date, "%Y%m%d-%H%M%S", &parts);
    std::string name = fmt::format("{}.bad-{}", file, date);
    // Several in one second are in order too.
    for (int i = 2; !kept.empty() && name <= kept.back() && i < 100; ++i) {
        name = fmt::format("{}.bad-{}.{:02}", file, date, i);
    }
    if (link(file.c_str(), name.c_str()) != 0 && rename(file.c_str(), name.c_str()) != 0) {
        return fail_errno(fmt::format("cannot keep {} as {}", file, name));
    }
    sync_folder(file);
    kept.push_back(name);
    for (size_t i = 0; i + kKeptAside < kept.size(); ++i) {
        std::error_code error;  // one too many is no harm
        std::filesystem::remove_all(kept[i], error);
    }
    return name;
}

}  // namespace sluice::base
