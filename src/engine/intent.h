// What the user wants, from both its sources: the file, and what was added while running (the state
// file). Every way of changing the switch (start, reload, port add, port delete) is the same step here:
// put both together (combine.h), write the state, apply. An error leaves file, state and switch as they
// were. Routes that are added while running don't go through the configuration, as there may be a
// million (added_routes.h).
//
// What was added never keeps the switch down: what can't be in force waits, and what can't be read is put aside.
// Where the state is no file (a folder, a pipe, a link that leads nowhere), that stays as it is, and nothing can
// be added. Control thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/combine.h"
#include "engine/config.h"
#include "engine/port_index.h"
#include "engine/state.h"
#include "engine/switch.h"

namespace sluice::engine {

using Changes = tl::expected<std::vector<Change>, base::Errors>;

class Intent {
 public:
    // Reads the file and the state that it names. Nothing is applied nor written yet; errors are the file's.
    static tl::expected<Intent, base::Errors> load(const std::string& file);

    const Config& config() const noexcept { return config_; }
    const std::string& file() const noexcept { return file_; }
    // Added ports that aren't in force.
    const std::vector<WaitingPort>& waiting() const noexcept { return waiting_; }
    const WaitingPort* find_waiting(std::string_view name) const;
    // Ports may have been lost with the state: what they left on the host is to stay.
    bool has_lost_state() const noexcept { return lost_; }
    // What a start would tell of the state, in sentences.
    std::vector<std::string> remarks() const;

    Changes start(Switch& running, Clock::time_point now);
    Changes reload(Switch& running, Clock::time_point now);
    // The port of a request, as its keys. Errors name those keys.
    Changes add_port(Switch& running, const base::Document& request, Clock::time_point now);
    Changes delete_port(Switch& running, const std::string& name, Clock::time_point now);
    // Routes change one by one or in bulk, beside the configuration.
    router::AddedRoutes& routes() noexcept { return routes_; }
    const router::AddedRoutes& routes() const noexcept { return routes_; }

    // What another text for the file would give, beside what was added while running.
    tl::expected<Combined, base::Errors> consider(std::string_view text, std::string_view file) const;
    // What would change if that were in force.
    std::vector<Change> changes_to(const Combined& next) const;

 private:
    bool is_in_force(std::string_view name) const;
    // Whether nothing waits for a port to come or to go.
    bool is_settled() const;
    // One port that nothing else depends on: the rest isn't looked at.
    Changes add_alone(Switch& running, AddedPort port, Clock::time_point now);
    Changes delete_alone(Switch& running, const std::string& name);
    Changes commit(Switch& running, std::shared_ptr<const ReadFile> file, Combined next, Clock::time_point now);
    void take_over(Combined next);
    base::Result<void> save(const std::vector<AddedPort>& added);
    base::Result<void> put_aside();
    base::Result<void> keep_replaced(const std::string& port) const;

    std::string file_;
    std::shared_ptr<const ReadFile> read_;  // the file as it was last accepted
    std::vector<AddedPort> added_;  // those in force, then those that wait
    bool is_saved_ = false;         // the state file has them
    base::Errors faults_;           // of the state file, until it was put aside
    bool lost_ = false;
    std::vector<WaitingPort> waiting_;
    std::vector<std::string> declared_;  // by the file by now
    std::vector<std::string> left_out_;
    router::AddedRoutes routes_;
    Config config_;
    PortIndex index_;  // of its ports
};

}  // namespace sluice::engine
