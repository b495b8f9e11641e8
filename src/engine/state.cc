#include "engine/state.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "base/fields.h"
#include "engine/config.h"

namespace sluice::engine {
namespace {

struct State {
    std::vector<port::PortConfig> ports;
};

template <class V>
void fields(V& v, State& s) {
    v.optional("ports", s.ports);
}

base::Result<void> write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = write(fd, text.data(), text.size());
        if (written < 0) return base::fail_errno("cannot write");
        text.remove_prefix(static_cast<size_t>(written));
    }
    return {};
}

}  // namespace

tl::expected<std::vector<port::PortConfig>, base::Errors> load_state(const std::string& file) {
    if (access(file.c_str(), F_OK) != 0 && errno == ENOENT) return std::vector<port::PortConfig>{};
    auto text = read_file(file);
    if (!text) return tl::unexpected(text.error());
    // JSON is YAML too, and this parser knows lines and columns.
    auto document = base::parse_yaml(*text, file);
    if (!document) return tl::unexpected(document.error());
    State state;
    base::Errors errors = base::read(*document, state);
    if (!errors.empty()) return tl::unexpected(errors);
    for (auto& port : state.ports) port.place = {};
    return std::move(state.ports);
}

base::Result<void> save_state(const std::string& file, const std::vector<port::PortConfig>& ports) {
    const std::filesystem::path path(file);
    const std::string beside = file + ".new";
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    base::Fd fd(open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    if (!fd) return base::fail_errno(fmt::format("cannot write the state file {}", beside));
    const std::string text = base::to_json(base::write(State{ports})).dump(2) + "\n";
    if (auto done = write_all(fd.get(), text); !done) return tl::unexpected(done.error().within(beside));
    if (fsync(fd.get()) != 0 || rename(beside.c_str(), file.c_str()) != 0) {
        return base::fail_errno(fmt::format("cannot replace the state file {}", file));
    }
    base::Fd folder(open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder) fsync(folder.get());
    return {};
}

}  // namespace sluice::engine
