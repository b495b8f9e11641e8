// What the user wants, from both its sources: the file, and what was added while running (the state
// file). Every way of changing the switch (start, reload, port add, port delete) is the same step here:
// put both together, validate the whole, write the state, apply. An error leaves file, state and switch
// as they were. Routes that are added while running don't go through the configuration, as there may be a
// million (added_routes.h). Control thread.
#pragma once

#include <string>
#include <vector>

#include "engine/added_routes.h"
#include "engine/config.h"
#include "engine/switch.h"

namespace sluice::engine {

using Changes = tl::expected<std::vector<Change>, base::Errors>;

class Intent {
 public:
    // Reads the file and the state that it names; nothing is applied yet.
    static tl::expected<Intent, base::Errors> load(const std::string& file);
    // What is wrong with a file, which may name ports that were added beside it. Writes nothing, where load() may
    // cut an unfinished line off the added routes: so it may be asked while another switch runs on these.
    static base::Errors mistakes(const std::string& file);

    const Config& config() const noexcept { return config_; }
    const std::string& file() const noexcept { return file_; }

    Changes start(Switch& running, Clock::time_point now);
    Changes reload(Switch& running, Clock::time_point now);
    Changes add_port(Switch& running, const port::PortConfig& port, Clock::time_point now);
    Changes delete_port(Switch& running, const std::string& name, Clock::time_point now);
    // Routes change one by one or in bulk, beside the configuration.
    AddedRoutes& routes() noexcept { return routes_; }
    const AddedRoutes& routes() const noexcept { return routes_; }

    // What another text for the file would give, beside what was added while running.
    tl::expected<Config, base::Errors> consider(std::string_view text, std::string_view file) const;

 private:
    Changes commit(Switch& running, std::string text, std::vector<port::PortConfig> added,
                   Clock::time_point now);

    std::string file_;
    std::string text_;  // of the file, as it was last accepted
    std::vector<port::PortConfig> added_;
    AddedRoutes routes_;
    Config config_;
};

}  // namespace sluice::engine
