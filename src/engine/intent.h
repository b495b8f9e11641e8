// What the user wants, from both its sources: the file, and what was added while running (the state
// file). Every way of changing the switch (start, reload, an object added, deleted or set) is the same step here:
// put both together (combine.h), write the state, apply. An error leaves file, state and switch as they
// were. Routes that are added while running don't go through the configuration, as there may be a
// million (added_routes.h).
//
// A command takes no object out of force but those it names: where another added object would have to wait, or
// would lose a part, it is refused. Of added routes it tells how many wait from then on. The file alone makes
// objects wait.
//
// What was added never keeps the switch down: what can't be in force waits, and what can't be read is put aside.
// Where the state is no file (a folder, a pipe, a link that leads nowhere), that stays as it is, and nothing can
// be added. Control thread.
#pragma once

#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/batch.h"
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
    // Added objects that aren't in force.
    const std::vector<WaitingObject>& waiting() const noexcept { return waiting_; }
    const WaitingObject* find_waiting(ObjectKind kind, std::string_view name) const;
    // Objects may have been lost with the state: what they left on the host is to stay.
    bool has_lost_state() const noexcept { return lost_; }
    // What a start would tell of the state, in sentences.
    std::vector<std::string> remarks() const;

    Changes start(Switch& running, Clock::time_point now);
    Changes reload(Switch& running, Clock::time_point now);
    // All objects and routes of a request, or none. Errors name its keys, and their places where it has any.
    Changes add(Switch& running, const Batch& batch, Clock::time_point now);
    Changes remove(Switch& running, const Batch& batch, Clock::time_point now);
    // Of one object: the request is its keys.
    Changes add(Switch& running, ObjectKind kind, const base::Document& request, Clock::time_point now);
    Changes remove(Switch& running, const ObjectName& name, Clock::time_point now);
    // Gives an added object these keys, and leaves it the others; a key that is null has its default again (RFC
    // 7396). What depends on the object goes on.
    Changes set(Switch& running, const ObjectName& name, const base::Tree& keys, Clock::time_point now);
    // Routes change one by one or in bulk, beside the configuration.
    router::AddedRoutes& routes() noexcept { return routes_; }
    const router::AddedRoutes& routes() const noexcept { return routes_; }

    // What another text for the file would give, beside what was added while running.
    tl::expected<Combined, base::Errors> consider(std::string_view text, std::string_view file) const;
    // What would change if that were in force.
    std::vector<Change> changes_to(const Combined& next) const;

 private:
    // Of an added object.
    bool is_in_force(const ObjectName& name) const;
    // Whether nothing waits for an object to come or to go.
    bool is_settled() const;
    // Errors where a command would take other added objects out of force, or parts of them.
    base::Errors losses(const Combined& next, const std::set<ObjectName>& deleted) const;
    // One port that nothing else depends on: the rest isn't looked at.
    Changes add_alone(Switch& running, SharedObject object, Clock::time_point now);
    Changes delete_alone(Switch& running, const std::string& name);
    Changes add_to(Switch& running, const Batch& batch, Clock::time_point now);
    // `own`: the objects of the request, which must be in force.
    base::Errors mistakes_of(const Combined& next, std::span<const Batch::Object> own) const;
    Changes commit(Switch& running, std::shared_ptr<const ReadFile> file, Combined next, Clock::time_point now);
    // The same, and routes of the request that come with it.
    Changes commit_with(Switch& running, Combined next, const std::vector<Batch::Route>& routes,
                        Clock::time_point now);
    std::vector<Change> with_added(std::vector<Change> changes, const Combined& next) const;
    Config take_over(Combined next);
    Config take_quietly(Combined next);
    base::Result<void> save(const SharedObjects& added);
    base::Result<void> put_aside();
    base::Result<void> keep_replaced(const ObjectName& name) const;

    std::string file_;
    std::shared_ptr<const ReadFile> read_;  // the file as it was last accepted
    SharedObjects added_;  // those in force, then those that wait
    bool is_saved_ = false;         // the state file has them
    base::Errors faults_;           // of the state file, until it was put aside
    bool lost_ = false;
    std::vector<WaitingObject> waiting_;
    std::vector<ObjectName> declared_;  // by the file by now
    std::vector<LeftOut> left_out_;
    router::AddedRoutes routes_;
    Config config_;
    PortIndex index_;  // of its ports
};

}  // namespace sluice::engine
