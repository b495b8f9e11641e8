#include "engine/state.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/fields.h"
#include "base/file.h"
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
    const std::string text = base::to_json(base::write(State{ports})).dump(2) + "\n";
    auto done = base::replace_file(file, text);
    if (!done) return tl::unexpected(done.error().within("the state file"));
    return done;
}

}  // namespace sluice::engine
