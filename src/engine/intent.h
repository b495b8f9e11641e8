// The wanted configuration, from both its sources: the file, and the objects that were added while running (the
// state file). Every change of the switch (start, reload, an object added, deleted or set) has the same steps:
// combine both sources (combine.h), write the state file, apply. An error changes nothing. Routes that are added
// while running are not part of the configuration, as there may be a million (added_routes.h).
//
// A command only changes the objects that it names. If another added object would have to wait, or would lose a
// part, the command is refused. Added routes may have to wait: the answer tells how many. A new file may make
// added objects wait.
//
// Kubernetes objects are no part of the configuration either: they come from the manifests that it lists, and from
// commands (applied_objects.h).
//
// Added objects never prevent a start: an object that conflicts with the file waits, and a state file that can't
// be read is kept under another name. If something else is in the state file's place (a folder, a pipe, a broken
// link), it is left alone, and nothing can be added. Control thread.
#pragma once

#include <array>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/applied_objects.h"
#include "engine/batch.h"
#include "engine/combine.h"
#include "engine/config.h"
#include "engine/port_index.h"
#include "engine/state.h"
#include "engine/switch.h"

namespace sluice::engine {

using Changes = tl::expected<std::vector<Change>, base::Errors>;

// What a command did with each Kubernetes object that it named.
struct AppliedChanges {
    enum class What : uint8_t { kCreated, kConfigured, kUnchanged, kDeleted };
    struct Change {
        kube::Key key;
        What what;
    };
    std::vector<Change> changes;
    base::Errors warnings;  // what is allowed and hardly meant
};
constexpr auto names(AppliedChanges::What) {
    using What = AppliedChanges::What;
    return std::array{base::Name{What::kCreated, "created"}, base::Name{What::kConfigured, "configured"},
                      base::Name{What::kUnchanged, "unchanged"}, base::Name{What::kDeleted, "deleted"}};
}

class Intent {
 public:
    // Reads the file and the state file that it names. Applies and writes nothing. Errors are the file's.
    static tl::expected<Intent, base::Errors> load(const std::string& file);

    const Config& config() const noexcept { return config_; }
    const std::string& file() const noexcept { return file_; }
    // Added objects that are not in force.
    const std::vector<WaitingObject>& waiting() const noexcept { return waiting_; }
    const WaitingObject* find_waiting(ObjectKind kind, std::string_view name) const;
    // Objects may have been lost with the state file. Don't remove what they left on the host.
    bool has_lost_state() const noexcept { return has_lost_state_; }
    // What a start would log about the state, in sentences.
    std::vector<std::string> remarks() const;
    // What this start could not read of the state, in sentences.
    const std::vector<std::string>& lost() const noexcept { return lost_; }

    Changes start(Switch& running, Clock::time_point now);
    Changes reload(Switch& running, Clock::time_point now);
    // Adds or removes all objects and routes of a request, or none. Errors name the request's keys and their
    // places.
    Changes add(Switch& running, const Batch& batch, Clock::time_point now);
    Changes remove(Switch& running, const Batch& batch, Clock::time_point now);
    // The same for one object. The request has its keys.
    Changes add(Switch& running, ObjectKind kind, const base::Document& request, Clock::time_point now);
    Changes remove(Switch& running, const ObjectName& name, Clock::time_point now);
    // Sets these keys of an added object and keeps its other keys. Null restores a key's default (RFC 7396).
    // Objects that depend on it stay in force. An object that waits may still wait afterwards, if none of these
    // keys is the reason.
    Changes set(Switch& running, const ObjectName& name, const base::Tree& keys, Clock::time_point now);
    // Routes change one by one or in bulk. They are not part of the configuration.
    router::AddedRoutes& routes() noexcept { return routes_; }
    const router::AddedRoutes& routes() const noexcept { return routes_; }

    // Applies or deletes Kubernetes objects, all or none. The errors name the objects' places.
    enum class Effect { kCommit, kDryRun };
    tl::expected<AppliedChanges, base::Errors> apply_objects(Switch& running, std::vector<kube::Object> objects,
                                                             Effect effect);
    tl::expected<AppliedChanges, base::Errors> remove_objects(Switch& running, const std::vector<kube::Key>& keys,
                                                              kube::Store::Missing if_missing, Effect effect);

    // Combines another text for the file with the added objects.
    tl::expected<Combined, base::Errors> consider(std::string_view text, std::string_view file,
                                                  WithManifests with_manifests) const;
    // The changes that would put it in force.
    std::vector<Change> changes_to(const Combined& next) const;

 private:
    // Whether an added object is in force.
    bool is_in_force(const ObjectName& name) const;
    // Whether the configuration's object of this name only denies what an ACL that waits would judge.
    bool is_closed(const ObjectName& name) const;
    // Whether no object and no route waits.
    bool is_settled() const;
    // Errors where a command would take other added objects out of force, or parts of them.
    base::Errors losses(const Combined& next, const std::set<ObjectName>& deleted) const;
    // For one port on which nothing else depends. The rest of the configuration isn't looked at.
    Changes add_alone(Switch& running, SharedObject object, Clock::time_point now);
    Changes delete_alone(Switch& running, const std::string& name);
    Changes add_to(Switch& running, const Batch& batch, Clock::time_point now);
    // Errors where an object of the request (`own`) would not be in force, or where another one would wait.
    base::Errors mistakes_of(const Combined& next, std::span<const Batch::Object> own) const;
    base::Errors route_mistakes(Switch& running, const Config& config,
                                const std::vector<Batch::Route>& routes) const;
    // The mistakes of a request that can't be carried out: those that it has, and all others.
    base::Errors all_mistakes(Switch& running, const Batch& batch) const;
    // `journal`: the lines of routes that the caller changes together with the objects. The caller clears the
    // journal when the routes' own file has the lines.
    Changes commit(Switch& running, std::shared_ptr<const ReadFile> file, Combined next, Clock::time_point now,
                   const std::string& journal = {});
    // The same with the routes of the request.
    Changes commit_with(Switch& running, Combined next, const std::vector<Batch::Route>& routes,
                        Clock::time_point now);
    std::vector<Change> with_added(std::vector<Change> changes, const Combined& next) const;
    Config replace_and_log(Combined next);
    Config replace(Combined next);
    base::Result<void> save(const SharedObjects& added, const std::string& journal = {});
    void clear_journal();
    base::Result<void> put_aside();
    base::Result<void> keep_replaced(const ObjectName& name) const;

    std::string file_;
    std::shared_ptr<const ReadFile> read_;  // the file as it was last accepted
    SharedObjects added_;                   // first the objects in force, then the waiting ones
    bool is_saved_ = false;                 // the state file has them
    std::string journal_;                   // of the state file, until the routes' file has its lines
    base::Errors faults_;                   // of the state file, until put_aside()
    bool has_lost_state_ = false;
    std::vector<std::string> lost_;
    std::vector<WaitingObject> waiting_;
    std::vector<ObjectName> declared_;  // added objects that the file declares by now
    std::vector<LeftOut> left_out_;
    router::AddedRoutes routes_;
    AppliedObjects applied_;
    Config config_;
    PortIndex index_;  // of its ports
};

}  // namespace sluice::engine
