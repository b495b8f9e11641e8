#include "engine/intent.h"

#include <algorithm>

#include "engine/state.h"

namespace sluice::engine {
namespace {

tl::unexpected<base::Errors> refuse(std::string message, std::string path = {}) {
    return tl::unexpected(base::Errors{{std::move(message), std::move(path), {}}});
}

// What was added while running, beside this file. The file says where that is kept, and may name it (an ACL at an
// added port): so it is only read here, and its mistakes are told when both are put together.
tl::expected<std::vector<port::PortConfig>, base::Errors> load_added(std::string_view text,
                                                                     std::string_view file) {
    auto document = base::parse_yaml(text, file);
    if (!document) return tl::unexpected(document.error());
    Config alone;
    (void)base::read(*document, alone);
    if (!alone.state.starts_with('/')) return std::vector<port::PortConfig>{};
    return load_state(alone.state);
}

}  // namespace

tl::expected<Intent, base::Errors> Intent::load(const std::string& file) {
    Intent intent;
    intent.file_ = file;
    auto text = read_file(file);
    if (!text) return tl::unexpected(text.error());
    intent.text_ = std::move(*text);
    auto added = load_added(intent.text_, file);
    if (!added) return tl::unexpected(added.error());
    intent.added_ = std::move(*added);
    auto config = load_config(intent.text_, file, intent.added_);
    if (!config) return tl::unexpected(config.error());
    intent.config_ = std::move(*config);
    auto routes = AddedRoutes::load(intent.config_.state);
    if (!routes) return tl::unexpected(routes.error());
    intent.routes_ = std::move(*routes);
    return intent;
}

base::Errors Intent::mistakes(const std::string& file) {
    auto text = read_file(file);
    if (!text) return text.error();
    // What `config show` wrote has the added ports itself.
    if (load_config(*text, file, {})) return {};
    auto added = load_added(*text, file);
    auto config = load_config(*text, file, added ? *added : std::vector<port::PortConfig>{});
    return config ? base::Errors{} : config.error();
}

Changes Intent::start(Switch& running, Clock::time_point now) {
    auto changes = running.apply(config_, now);
    if (changes) routes_.restore(running);
    return changes;
}

Changes Intent::reload(Switch& running, Clock::time_point now) {
    auto text = read_file(file_);
    if (!text) return tl::unexpected(text.error());
    return commit(running, std::move(*text), added_, now);
}

Changes Intent::add_port(Switch& running, const port::PortConfig& port, Clock::time_point now) {
    for (const auto& known : config_.ports) {
        if (known.name != port.name) continue;
        return refuse(fmt::format("port {} exists already ({})", port.name, origin(known.place)),
                      "name");
    }
    auto added = added_;
    added.push_back(port);
    return commit(running, text_, std::move(added), now);
}

Changes Intent::delete_port(Switch& running, const std::string& name, Clock::time_point now) {
    auto found = std::find_if(config_.ports.begin(), config_.ports.end(),
                              [&](const auto& port) { return port.name == name; });
    if (found == config_.ports.end()) return refuse(fmt::format("there is no port {}", name));
    if (!is_added(found->place)) {
        return refuse(fmt::format("port {} is declared in {}: remove it there and `config reload`",
                                  name, origin(found->place)));
    }
    auto added = added_;
    std::erase_if(added, [&](const auto& port) { return port.name == name; });
    return commit(running, text_, std::move(added), now);
}

tl::expected<Config, base::Errors> Intent::consider(std::string_view text,
                                                    std::string_view file) const {
    return load_config(text, file, added_);
}

Changes Intent::commit(Switch& running, std::string text, std::vector<port::PortConfig> added,
                       Clock::time_point now) {
    auto next = load_config(text, file_, added);
    if (!next) return tl::unexpected(next.error());
    const bool state_changes = added != added_;
    if (state_changes) {
        if (auto saved = save_state(config_.state, added); !saved) {
            return tl::unexpected(base::Errors{saved.error()});
        }
    }
    auto changes = running.apply(*next, now);
    if (!changes) {
        if (state_changes) (void)save_state(config_.state, added_);
        return changes;
    }
    text_ = std::move(text);
    added_ = std::move(added);
    config_ = std::move(*next);
    routes_.review(running);
    return changes;
}

}  // namespace sluice::engine
