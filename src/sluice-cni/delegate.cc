#include "sluice-cni/delegate.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/fd.h"
#include "base/text.h"
#include "sluice-cni/configuration.h"

namespace sluice::cni {
namespace {

tl::unexpected<std::string> failed(std::string_view what, int error) {
    return tl::unexpected(fmt::format("{}: {}", what, std::strerror(error)));
}

bool is_program(const std::string& file) {
    struct stat status {};
    return stat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) && access(file.c_str(), X_OK) == 0;
}

// A file that holds the text and has no name, to be the standard input of a program. A pipe would block where the
// program doesn't read.
tl::expected<base::Fd, std::string> file_of(std::string_view text) {
    base::Fd file(memfd_create("sluice-cni", MFD_CLOEXEC));
    if (!file) return failed("memfd_create", errno);
    while (!text.empty()) {
        const ssize_t written = write(file.get(), text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return failed("writing the configuration", errno);
        text.remove_prefix(static_cast<size_t>(written));
    }
    if (lseek(file.get(), 0, SEEK_SET) != 0) return failed("lseek", errno);
    return file;
}

// This process's environment with another CNI_COMMAND.
std::vector<std::string> environment_with(std::string_view command) {
    constexpr std::string_view kName = "CNI_COMMAND=";
    std::vector<std::string> variables;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        if (!std::string_view(*variable).starts_with(kName)) variables.emplace_back(*variable);
    }
    variables.push_back(fmt::format("{}{}", kName, command));
    return variables;
}

// All that comes until the end, up to a byte more than kMaxInput. The rest is read and thrown away, so that the
// program can end.
std::string read_all(const base::Fd& from) {
    std::string text;
    std::array<char, 65536> buffer;
    for (;;) {
        const ssize_t size = read(from.get(), buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size <= 0) return text;
        text.append(buffer.data(), std::min(static_cast<size_t>(size), kMaxInput + 1 - text.size()));
    }
}

int status_of(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

tl::expected<std::string, Failure> find_plugin(const std::string& name, const std::string& path) {
    if (path.empty()) {
        return tl::unexpected(failure(kInvalidEnvironment,
                                      "CNI_PATH is missing: the plugin {} of `ipam` is looked for there",
                                      base::shown(name)));
    }
    for (std::string_view rest = path; !rest.empty();) {
        const std::string_view folder = rest.substr(0, rest.find(':'));
        rest.remove_prefix(std::min(folder.size() + 1, rest.size()));
        std::string file = fmt::format("{}/{}", folder, name);
        if (!folder.empty() && is_program(file)) return file;
    }
    return tl::unexpected(failure(kInvalidConfiguration,
                                  "network configuration: ipam.type: no program {} in CNI_PATH ({}): install that "
                                  "plugin, or leave `ipam` out and the switch chooses",
                                  base::shown(name), path));
}

tl::expected<Executed, std::string> execute(const std::string& program, std::string_view command,
                                            std::string_view input) {
    auto in = file_of(input);
    if (!in) return tl::unexpected(in.error());
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) return failed("pipe", errno);
    base::Fd out(ends[0]), out_of_child(ends[1]);

    std::vector<std::string> variables = environment_with(command);
    std::vector<char*> environment;
    for (std::string& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    std::string name = program;
    std::array<char*, 2> arguments{name.data(), nullptr};

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in->get(), STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out_of_child.get(), STDOUT_FILENO);
    pid_t child = 0;
    const int error =
        posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environment.data());
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return failed(program, error);
    out_of_child.reset();
    Executed executed{.output = read_all(out)};
    executed.status = status_of(child);
    return executed;
}

}  // namespace sluice::cni
