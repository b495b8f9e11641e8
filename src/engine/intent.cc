#include "engine/intent.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "base/counted.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"

namespace sluice::engine {
namespace {

constexpr std::string_view kAdded = "added";  // the origin of an added object

tl::unexpected<base::Errors> refuse(std::string message, std::string path = {}) {
    return tl::unexpected(base::Errors{{std::move(message), std::move(path), {}}});
}

// The state file that a configuration file names. The configuration file may name added ports, so its mistakes are
// reported after both are combined.
std::string state_of(const ReadFile& file) {
    return file.config.state.starts_with('/') ? file.config.state : std::string();
}

bool contains(const std::vector<LeftOut>& list, const LeftOut& other) {
    return std::any_of(list.begin(), list.end(), [&](const LeftOut& left) { return left.text == other.text; });
}

bool equal(const SharedObjects& a, const SharedObjects& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const SharedObject& x, const SharedObject& y) { return x == y || *x == *y; });
}

Change change_of(Change::Action action, const route::RouteConfig& route) {
    const bool is_main = route.domain == route::kMainDomain;
    return {.action = action,
            .object = fmt::format("route {}{}", route.to.text(), is_main ? "" : " of " + route.domain),
            .origin = "added",
            .effect = Effect::kFlows};
}

std::vector<route::RouteConfig> routes_in(const std::vector<Batch::Route>& batch) {
    std::vector<route::RouteConfig> routes;
    for (const Batch::Route& each : batch) routes.push_back(each.route);
    return routes;
}

// Whether a mistake in a network's keys may make its routes look wrong.
bool hides_routes(const AddedObject& object) {
    if (object.kind() != ObjectKind::kNetwork) return false;
    static constexpr std::array<std::string_view, 3> kKeys{"subnets", "gateway", "domain"};
    const auto is_wrong = [](const base::Error& fault) {
        return std::any_of(kKeys.begin(), kKeys.end(),
                           [&](std::string_view key) { return fault.path.starts_with(key); });
    };
    const auto is_misspelt = [](const base::Tree::Entry& entry) {
        const auto meant = base::nearest(entry.key.text, kKeys);
        return meant && *meant != entry.key.text;
    };
    return std::any_of(object.faults.begin(), object.faults.end(), is_wrong) ||
           std::any_of(object.keys.entries.begin(), object.keys.entries.end(), is_misspelt);
}

// Whether one of these denies everything in its places, under its name.
bool closes(const std::vector<WaitingObject>& waiting, const ObjectName& name) {
    return std::any_of(waiting.begin(), waiting.end(), [&](const WaitingObject& each) {
        return !each.closes.empty() && each.object->id() == name;
    });
}

// The keys with those of the patch in their place (RFC 7396, JSON Merge Patch).
base::Tree merged(const base::Tree& keys, const base::Tree& patch) {
    using Kind = base::Tree::Kind;
    if (patch.kind != Kind::kMap) return patch;
    base::Tree result = keys.kind == Kind::kMap ? keys : base::Tree::map();
    for (const auto& [key, value] : patch.entries) {
        const auto has_key = [&name = key.text](const auto& entry) { return entry.key.text == name; };
        const auto old = std::find_if(result.entries.begin(), result.entries.end(), has_key);
        if (value.kind == Kind::kNull) {
            if (old != result.entries.end()) result.entries.erase(old);
        } else if (old != result.entries.end()) {
            old->value = merged(old->value, value);
        } else {
            result.add(key.text, merged({}, value));
        }
    }
    return result;
}

// Mistakes of `set` must not name lines of the state file or of an earlier request.
void clear_places(base::Tree& tree) {
    tree.line = tree.column = 0;
    for (base::Tree& item : tree.items) clear_places(item);
    for (auto& [key, value] : tree.entries) {
        clear_places(key);
        clear_places(value);
    }
}

}  // namespace

tl::expected<Intent, base::Errors> Intent::load(const std::string& file) {
    Intent intent;
    intent.file_ = file;
    auto text = base::read_file(file);
    if (!text) return tl::unexpected(text.error());
    auto read = read_config(std::move(*text), file, WithManifests::kYes);
    if (!read) return tl::unexpected(read.error());
    intent.read_ = std::move(*read);
    const std::string path = state_of(*intent.read_);
    State state = path.empty() ? State{} : load_state(path);
    intent.faults_ = std::move(state.faults);
    intent.has_lost_state_ = state.has_lost;
    auto combined = combine(*intent.read_, state.objects, intent.has_lost_state_);
    if (!combined) return tl::unexpected(combined.error());
    intent.journal_ = std::move(state.journal);
    intent.routes_ = router::AddedRoutes::load(combined->config.state, intent.journal_);
    intent.applied_ = AppliedObjects::load(combined->config.state);
    intent.added_ = std::move(combined->added);
    intent.is_saved_ = equal(intent.added_, state.objects);
    intent.waiting_ = std::move(combined->waiting);
    intent.declared_ = std::move(combined->declared);
    intent.left_out_ = std::move(combined->left_out);
    intent.config_ = std::move(combined->config);
    intent.index_ = PortIndex(intent.config_.ports, intent.config_.control.socket);
    return intent;
}

const WaitingObject* Intent::find_waiting(ObjectKind kind, std::string_view name) const {
    const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const WaitingObject& waiting) {
        return waiting.object->kind() == kind && waiting.object->name() == name;
    });
    return found == waiting_.end() ? nullptr : &*found;
}

bool Intent::is_in_force(const ObjectName& name) const {
    const base::Place* place = find_object(config_, name);
    return place != nullptr && is_added(*place) && !is_closed(name);
}

bool Intent::is_closed(const ObjectName& name) const {
    return closes(waiting_, name);
}

std::vector<std::string> Intent::remarks() const {
    std::vector<std::string> remarks;
    for (const auto& fault : faults_) remarks.push_back(fault.text());
    for (const auto& waiting : waiting_) {
        remarks.push_back(fmt::format("{}, which was added while running, would wait: {}",
                                      waiting.object->id().text(), waiting.reason()));
    }
    for (const auto& name : declared_) {
        remarks.push_back(fmt::format("{}, which was added while running, would be the file's", name.text()));
    }
    for (const auto& left : left_out_) remarks.push_back(left.text);
    for (const auto& text : routes_.remarks(config_)) remarks.push_back(text);
    for (const auto& fault : applied_.faults()) remarks.push_back(fault.text());
    return remarks;
}

Changes Intent::start(Switch& running, Clock::time_point now) {
    lost_ = routes_.unreadable();
    if (has_lost_state_) {
        for (const auto& fault : faults_) lost_.push_back(fault.text());
    }
    for (const auto& fault : applied_.lost()) lost_.push_back(fault.text());
    for (const auto& fault : faults_) base::log::error("state", "{}", fault.text());
    // If no object was lost, the state file is written again with all of them: no copy is needed.
    if (!has_lost_state_) faults_.clear();
    const auto writable = config_.state.empty() ? base::Result<void>{} : base::expect_writable(config_.state);
    if (!writable) {
        base::log::warning("state", "{}: no object can be added, and no route if {}.routes is not there yet",
                           writable.error().text(), config_.state);
    } else if (auto done = put_aside(); !done) {
        base::log::error("state", "{}", done.error().text());
    }
    running.restore_objects(applied_.restore());
    auto changes = running.apply(config_, now);
    if (!changes) return changes;
    Combined next{.config = config_, .added = std::move(added_), .waiting = std::exchange(waiting_, {}),
                  .declared = std::exchange(declared_, {}), .left_out = std::exchange(left_out_, {})};
    if (writable && (has_lost_state_ || !is_saved_)) {
        if (auto done = save(next.added); !done) base::log::error("state", "{}", done.error().text());
    }
    replace_and_log(std::move(next));
    routes_.restore(running.routing());
    if (!journal_.empty() && !routes_.has_journal()) clear_journal();
    return changes;
}

// Keeps a state file that can't be read under another name, for people to read.
base::Result<void> Intent::put_aside() {
    if (faults_.empty()) return {};
    // The file has been removed since.
    if (struct stat status {}; lstat(config_.state.c_str(), &status) != 0 && errno == ENOENT) {
        faults_.clear();
        return {};
    }
    auto name = base::put_aside(config_.state);
    if (!name) return tl::unexpected(name.error());
    base::log::error("state", "{} can't be read as a whole: it is kept as {}, and {} of it is in force",
                     config_.state, *name, added_.empty() && waiting_.empty() ? "nothing" : "the rest");
    faults_.clear();
    return {};
}

// Copies the state file before save() rewrites it. The replaced object has keys that this sluiced does not
// understand, and perhaps only the state file has them.
base::Result<void> Intent::keep_replaced(const ObjectName& object) const {
    if (access(config_.state.c_str(), F_OK) != 0 && errno == ENOENT) return {};
    auto name = base::put_aside(config_.state);
    if (!name) return tl::unexpected(name.error());
    base::log::notice("state",
                      "{} replaces one whose keys could not be read: {}, which has them, is kept as {}",
                      object.text(), config_.state, *name);
    return {};
}

base::Result<void> Intent::save(const SharedObjects& added, const std::string& journal) {
    if (auto done = put_aside(); !done) return done;
    auto done = save_state(config_.state, added, journal_ + journal);
    // After a failure the file has what it had before.
    if (done) is_saved_ = true;
    return done;
}

// The routes' file has the lines of the journal.
void Intent::clear_journal() {
    journal_.clear();
    if (auto done = save(added_); !done) base::log::warning("state", "{}", done.error().text());
}

Changes Intent::reload(Switch& running, Clock::time_point now) {
    auto text = base::read_file(file_, base::Reading::kAgain);
    if (!text) return tl::unexpected(text.error());
    const bool is_same =
        *text == read_->text && have_texts(read_->config.manifests, file_, read_->manifests);
    if (is_same && is_settled() && is_saved_) return std::vector<Change>{};
    std::shared_ptr<const ReadFile> file = read_;
    if (!is_same) {
        auto read = read_config(std::move(*text), file_, WithManifests::kYes);
        if (!read) return tl::unexpected(read.error());
        file = std::move(*read);
    }
    auto next = combine(*file, added_);
    if (!next) return tl::unexpected(next.error());
    return commit(running, std::move(file), std::move(*next), now);
}

bool Intent::is_settled() const {
    return waiting_.empty() && left_out_.empty() && faults_.empty() && routes_.waiting().empty();
}

base::Errors Intent::losses(const Combined& next, const std::set<ObjectName>& deleted) const {
    base::Errors errors;
    for (const WaitingObject& waiting : next.waiting) {
        const ObjectName name = waiting.object->id();
        if (!is_in_force(name) || deleted.contains(name)) continue;
        // The state file was edited: it has two objects of this name, and one of them waited before.
        if (find_waiting(name.kind, name.name) != nullptr) continue;
        errors.push_back({fmt::format("{} (added) would wait: {}", name.text(), waiting.errors_text()), {}, {}});
    }
    for (const LeftOut& left : next.left_out) {
        if (!left.is_added || contains(left_out_, left) || !is_in_force(left.object)) continue;
        if (deleted.contains(left.object)) continue;
        errors.push_back({fmt::format("{} (added) names it: {}", left.object.text(), left.error.text()), {}, {}});
    }
    base::limit(errors);
    return errors;
}

base::Errors Intent::mistakes_of(const Combined& next, std::span<const Batch::Object> own) const {
    base::Errors errors;
    std::set<ObjectName> names;
    for (const Batch::Object& each : own) names.insert(each.object->id());
    const auto tell = [&](const ObjectName& name, const base::Errors& mistakes) {
        const auto is_it = [&](const Batch::Object& each) { return each.object->id() == name; };
        const auto object = std::find_if(own.begin(), own.end(), is_it);
        for (const base::Error& mistake : mistakes) errors.push_back(object->located(mistake));
    };
    for (const WaitingObject& unfit : next.waiting) {
        if (names.contains(unfit.object->id())) tell(unfit.object->id(), unfit.errors);
        if (base::is_full(errors)) break;
    }
    for (const LeftOut& left : next.left_out) {
        if (left.is_added && names.contains(left.object)) tell(left.object, {left.error});
    }
    if (errors.empty()) return losses(next, names);
    sort_by_place(errors);
    base::limit(errors);
    return errors;
}

base::Errors Intent::route_mistakes(Switch& running, const Config& config,
                                    const std::vector<Batch::Route>& routes) const {
    base::Errors errors;
    if (routes.empty()) return errors;
    for (auto& [i, why] : routes_.mistakes(running.routing(), config, routes_in(routes))) {
        errors.push_back(routes[i].located(std::move(why)));
    }
    return errors;
}

base::Errors Intent::all_mistakes(Switch& running, const Batch& batch) const {
    SharedObjects asked;
    std::set<ObjectName> names;
    for (const Batch::Object& each : batch.objects) {
        asked.push_back(each.object);
        names.insert(each.object->id());
    }
    SharedObjects in_force(added_.begin(), added_.end() - static_cast<ptrdiff_t>(waiting_.size()));
    std::erase_if(in_force, [&](const SharedObject& object) { return names.contains(object->id()); });
    const Considered considered = engine::consider(*read_, in_force, asked);
    base::Errors errors = batch.errors;
    for (size_t i = 0; i < asked.size(); ++i) {
        const base::Errors own = batch.objects[i].located(considered.mistakes[i]);
        errors.insert(errors.end(), own.begin(), own.end());
    }
    errors.insert(errors.end(), considered.of_file.begin(), considered.of_file.end());
    const bool is_known =
        std::none_of(asked.begin(), asked.end(), [](const SharedObject& object) { return hides_routes(*object); });
    if (is_known) {
        const base::Errors own = route_mistakes(running, considered.config, batch.routes);
        errors.insert(errors.end(), own.begin(), own.end());
    }
    sort_by_place(errors);
    base::limit(errors);
    return errors;
}

Changes Intent::add(Switch& running, ObjectKind kind, const base::Document& request, Clock::time_point now) {
    SharedObject object = read_object(kind, request);
    base::Errors faults = object->faults;
    return add(running, {.objects = {{std::move(object)}}, .routes = {}, .errors = std::move(faults)}, now);
}

Changes Intent::add(Switch& running, const Batch& batch, Clock::time_point now) {
    Batch right{.objects = {}, .routes = batch.routes, .errors = batch.errors};
    std::set<ObjectName> names;
    for (const Batch::Object& each : batch.objects) {
        const ObjectName name = each.object->id();
        std::string why;
        if (const auto* place = find_object(config_, name); place != nullptr && !is_closed(name)) {
            why = fmt::format("{} exists already ({})", name.text(), origin(*place));
        } else if (const auto* waiting = find_waiting(name.kind, name.name);
                   waiting != nullptr && waiting->object->faults.empty()) {
            why = fmt::format("{} exists already (added, and it waits: {})", name.text(), waiting->reason());
        } else if (!names.insert(name).second) {
            why = fmt::format("{} stands here already", name.text());
        }
        if (why.empty()) {
            right.objects.push_back(each);
        } else {
            right.errors.push_back(each.located({std::move(why), "name", {}}));
        }
        if (base::is_full(right.errors)) break;
    }
    if (!right.errors.empty()) return tl::unexpected(all_mistakes(running, right));
    if (batch.objects.size() == 1 && batch.routes.empty()) {
        const SharedObject& object = batch.objects[0].object;
        const auto* port = object->as_port();
        if (port != nullptr && is_settled() && may_stand_alone(config_, index_, *port))
            return add_alone(running, object, now);
    }
    return add_to(running, batch, now);
}

Changes Intent::add_to(Switch& running, const Batch& batch, Clock::time_point now) {
    SharedObjects added(added_.begin(), added_.end() - static_cast<ptrdiff_t>(waiting_.size()));
    for (const Batch::Object& each : batch.objects) added.push_back(each.object);
    std::vector<ObjectName> replaced;  // waiting objects whose keys can't be read
    for (const WaitingObject& waiting : waiting_) {
        const ObjectName name = waiting.object->id();
        const auto has_name = [&](const Batch::Object& each) { return each.object->id() == name; };
        const bool is_replaced = std::any_of(batch.objects.begin(), batch.objects.end(), has_name);
        if (is_replaced) replaced.push_back(name);
        if (!is_replaced) added.push_back(waiting.object);
    }
    auto next = combine(*read_, added);
    if (!next) return tl::unexpected(next.error());
    base::Errors errors = mistakes_of(*next, batch.objects);
    if (errors.empty()) errors = route_mistakes(running, next->config, batch.routes);
    if (!errors.empty()) {
        base::Errors all = all_mistakes(running, batch);
        return tl::unexpected(all.empty() ? std::move(errors) : std::move(all));
    }
    for (const ObjectName& name : replaced) {
        if (auto kept = keep_replaced(name); !kept) return tl::unexpected(base::Errors{kept.error()});
    }
    if (batch.routes.empty()) return commit(running, read_, std::move(*next), now);
    return commit_with(running, std::move(*next), batch.routes, now);
}

Changes Intent::add_alone(Switch& running, SharedObject object, Clock::time_point now) {
    port::PortConfig config = *object->as_port();
    if (index_.shares_namespace(config)) {
        complete(config_, config);
    } else {
        complete_first(config_, config);
    }
    added_.push_back(std::move(object));
    if (auto saved = save(added_); !saved) {
        added_.pop_back();
        return tl::unexpected(base::Errors{saved.error()});
    }
    running.add_port(config, now);
    index_.add(config);
    std::vector<Change> changes{addition_of(config)};
    config_.ports.push_back(std::move(config));
    return changes;
}

Changes Intent::delete_alone(Switch& running, const std::string& name) {
    const auto is_it = [&](const auto& port) { return port.name == name; };
    const auto port = std::find_if(config_.ports.begin(), config_.ports.end(), is_it);
    const auto added = std::find_if(added_.begin(), added_.end(), [&](const SharedObject& object) {
        return object->as_port() != nullptr && object->name() == name;
    });
    const auto at = added - added_.begin();
    SharedObject deleted = std::move(*added);
    added_.erase(added);
    if (auto saved = save(added_); !saved) {
        added_.insert(added_.begin() + at, std::move(deleted));
        return tl::unexpected(base::Errors{saved.error()});
    }
    running.delete_port(name);
    index_.remove(*port);
    std::vector<Change> changes{removal_of(*port)};
    config_.ports.erase(port);
    return changes;
}

Changes Intent::remove(Switch& running, const ObjectName& name, Clock::time_point now) {
    base::Tree keys = base::Tree::map();
    keys.add("name", base::Tree::string(name.name));
    return remove(running, {.objects = {{read_object(name.kind, {{}, std::move(keys)})}}, .routes = {}}, now);
}

Changes Intent::remove(Switch& running, const Batch& batch, Clock::time_point now) {
    if (batch.objects.size() == 1 && batch.routes.empty() && batch.errors.empty()) {
        const ObjectName name = batch.objects[0].object->id();
        const bool is_port = name.kind == ObjectKind::kPort;
        if (is_port && is_settled() && is_in_force(name) && !names_port(config_, name.name))
            return delete_alone(running, name.name);
    }
    base::Errors errors = batch.errors;
    std::set<ObjectName> known;
    for (const SharedObject& object : added_) known.insert(object->id());
    std::set<ObjectName> names;
    for (const Batch::Object& each : batch.objects) {
        const ObjectName name = each.object->id();
        names.insert(name);
        if (known.contains(name)) continue;
        const auto* declared = find_object(config_, name);
        std::string why =
            declared == nullptr
                ? fmt::format("there is no {}", name.text())
                : fmt::format("{} is declared in {}: remove it there and `config reload`", name.text(),
                              origin(*declared));
        base::Error error = each.located({std::move(why), "name", {}});
        if (each.path.empty()) error.path.clear();  // the request is only a name
        errors.push_back(std::move(error));
        if (base::is_full(errors)) break;
    }
    for (const Batch::Route& each : batch.routes) {
        const std::string why = routes_.why_not_removed(running.routing(), each.route.to, each.route.domain);
        if (!why.empty()) errors.push_back(each.located(why));
        if (base::is_full(errors)) break;
    }
    sort_by_place(errors);
    base::limit(errors);
    if (!errors.empty()) return tl::unexpected(errors);
    SharedObjects added = added_;
    std::erase_if(added, [&](const SharedObject& object) { return names.contains(object->id()); });
    auto next = combine(*read_, added);
    if (!next) return tl::unexpected(next.error());
    if (errors = losses(*next, names); !errors.empty()) return tl::unexpected(errors);
    std::vector<Change> more;
    for (const WaitingObject& waiting : waiting_) {
        if (!names.contains(waiting.object->id())) continue;
        more.push_back({.action = Change::Action::kRemove,
                        .object = waiting.object->id().text(),
                        .origin = "added",
                        .detail = "it waited"});
    }
    // Remove routes before their networks. From here on only writing the state file can fail.
    std::string journal;
    if (!batch.routes.empty()) {
        journal = router::AddedRoutes::lines_to_remove(routes_in(batch.routes));
        if (auto saved = save(next->added, journal); !saved) return tl::unexpected(base::Errors{saved.error()});
        if (auto done = routes_.remove(running.routing(), routes_in(batch.routes)); !done) {
            is_saved_ = save(added_).has_value();
            return tl::unexpected(base::Errors{done.error()});
        }
        for (const Batch::Route& each : batch.routes) {
            more.push_back(change_of(Change::Action::kRemove, each.route));
        }
    }
    auto changes = commit(running, read_, std::move(*next), now, journal);
    if (!changes) return changes;
    if (!journal.empty()) clear_journal();
    std::move(more.begin(), more.end(), std::back_inserter(*changes));
    return changes;
}

Changes Intent::set(Switch& running, const ObjectName& name, const base::Tree& keys, Clock::time_point now) {
    const auto is_it = [&](const SharedObject& object) { return object->id() == name; };
    const auto known = std::find_if(added_.begin(), added_.end(), is_it);
    if (known == added_.end()) {
        const auto* declared = find_object(config_, name);
        if (declared == nullptr) return refuse(fmt::format("there is no {}", name.text()));
        return refuse(fmt::format("{} is declared in {}: change it there and `config reload`", name.text(),
                                  origin(*declared)));
    }
    if (keys.find("name") != nullptr) return refuse("is what it is known by, and can't be changed", "name");
    base::Tree all = merged((*known)->keys, keys);
    clear_places(all);
    const Batch::Object changed{read_object(name.kind, {{}, std::move(all)})};
    const Batch request{.objects = {changed}, .routes = {}, .errors = changed.object->faults};
    if (!request.errors.empty()) return tl::unexpected(all_mistakes(running, request));
    SharedObjects added = added_;
    if (is_in_force(name)) {
        added[static_cast<size_t>(known - added_.begin())] = changed.object;
    } else {
        std::erase_if(added, is_it);
        added.insert(added.begin() + static_cast<ptrdiff_t>(added_.size() - waiting_.size()), changed.object);
    }
    auto next = combine(*read_, added);
    if (!next) return tl::unexpected(next.error());
    // An object that waits may be put right step by step: it goes on waiting for what this request doesn't say.
    const auto errors = mistakes_of(*next, {&changed, 1});
    const auto is_about_request = [&](const base::Error& error) {
        const std::string_view path = error.path;
        return keys.find(path.substr(0, path.find_first_of(".["))) != nullptr;
    };
    const bool waits = !is_in_force(name) &&
                       std::any_of(next->waiting.begin(), next->waiting.end(),
                                   [&](const WaitingObject& each) { return each.object->id() == name; }) &&
                       std::none_of(errors.begin(), errors.end(), is_about_request);
    if (!errors.empty() && !waits) return tl::unexpected(errors);
    auto changes = commit(running, read_, std::move(*next), now);
    if (!changes) return changes;
    // For the configuration an object that waited is new, and one that waits isn't there.
    std::erase_if(*changes, [&](const Change& change) { return waits && change.object == name.text(); });
    for (Change& change : *changes) {
        if (change.object == name.text()) change.action = Change::Action::kChange;
    }
    if (waits) {
        const std::string detail = "it waits: " + find_waiting(name.kind, name.name)->reason();
        changes->push_back({.action = Change::Action::kChange,
                            .object = name.text(),
                            .origin = std::string(kAdded),
                            .detail = detail});
    }
    return changes;
}

tl::expected<Combined, base::Errors> Intent::consider(std::string_view text, std::string_view file,
                                                      WithManifests with_manifests) const {
    auto read = read_config(std::string(text), file, with_manifests);
    if (!read) return tl::unexpected(read.error());
    auto combined = combine(**read, added_);
    if (combined && with_manifests == WithManifests::kNo) combined->config.objects = config_.objects;
    return combined;
}

std::vector<Change> Intent::changes_to(const Combined& next) const {
    return with_added(diff(config_, next.config), next);
}

// Adds to the changes of the configuration what they mean for added objects.
std::vector<Change> Intent::with_added(std::vector<Change> changes, const Combined& next) const {
    std::map<std::string_view, Change*> of_added;
    for (Change& change : changes) {
        if (change.origin == kAdded) of_added.emplace(change.object, &change);
    }
    const auto tell = [&](const ObjectName& name, const std::string& detail) {
        const auto change = of_added.find(name.text());
        if (change != of_added.end()) change->second->detail = detail;
    };
    for (const auto& waited : waiting_) tell(waited.object->id(), "it waited, and is in force");
    for (const auto& waiting : next.waiting) tell(waiting.object->id(), "it waits: " + waiting.reason());
    for (const auto& name : next.declared) {
        const std::string place = origin(*find_object(next.config, name));
        changes.push_back({.action = Change::Action::kChange,
                           .object = name.text(),
                           .origin = place,
                           .detail = "origin: added -> " + place});
    }
    return changes;
}

// Also logs the changes of added objects.
Config Intent::replace_and_log(Combined next) {
    const auto component = [](const ObjectName& name) { return section_of(name.kind).word; };
    for (const auto& waiting : next.waiting) {
        const ObjectName name = waiting.object->id();
        const auto* before = find_waiting(name.kind, name.name);
        if (before != nullptr && before->reason() == waiting.reason()) continue;
        base::log::warning(component(name), "{}, which was added while running, waits: {}", name.name,
                           waiting.reason());
    }
    for (const auto& before : waiting_) {
        const ObjectName name = before.object->id();
        const auto* place = find_object(next.config, name);
        if (place == nullptr || !is_added(*place) || closes(next.waiting, name)) continue;
        base::log::notice(component(name), "{}, which was added while running, is in force again", name.name);
    }
    for (const auto& name : next.declared) {
        base::log::notice(component(name),
                          "{}, which was added while running, is declared by now ({}): it is kept there alone",
                          name.name, origin(*find_object(next.config, name)));
    }
    for (const auto& left : next.left_out) {
        if (!contains(left_out_, left)) base::log::warning("config", "{}", left.text);
    }
    return replace(std::move(next));
}

Config Intent::replace(Combined next) {
    added_ = std::move(next.added);
    waiting_ = std::move(next.waiting);
    left_out_ = std::move(next.left_out);
    Config before = std::exchange(config_, std::move(next.config));
    if (before.ports != config_.ports) index_ = PortIndex(config_.ports, config_.control.socket);
    return before;
}

Changes Intent::commit(Switch& running, std::shared_ptr<const ReadFile> file, Combined next, Clock::time_point now,
                       const std::string& journal) {
    const bool state_changes = !is_saved_ || !journal.empty() || !equal(next.added, added_);
    if (state_changes) {
        if (auto saved = save(next.added, journal); !saved) return tl::unexpected(base::Errors{saved.error()});
    }
    auto changes = running.apply(next.config, now);
    if (!changes) {
        if (state_changes) is_saved_ = save(added_).has_value();
        return changes;
    }
    *changes = with_added(std::move(*changes), next);
    read_ = std::move(file);
    const Config config_before = replace_and_log(std::move(next));
    const size_t waited = routes_.waiting().size();
    routes_.review(running.routing(), config_before);
    // There may be a million added routes: count them.
    if (const size_t wait = routes_.waiting().size(); wait > waited) {
        changes->push_back({.action = Change::Action::kChange,
                            .object = base::counted(wait - waited, "added route"),
                            .origin = "added",
                            .detail = "out of force: see `sluicectl route list`"});
    }
    return changes;
}

// The routes need the networks that are added with them, so they come last. If a route fails, the switch returns
// to the configuration from before.
Changes Intent::commit_with(Switch& running, Combined next, const std::vector<Batch::Route>& routes,
                            Clock::time_point now) {
    const std::shared_ptr<const ReadFile> file = read_;
    Combined before{.config = config_, .added = added_, .waiting = waiting_, .declared = {},
                    .left_out = left_out_};
    const std::string journal = router::AddedRoutes::lines_to_add(next.config, routes_in(routes));
    auto changes = commit(running, file, std::move(next), now, journal);
    if (!changes) return changes;
    base::Errors errors;
    if (auto done = routes_.add(running.routing(), routes_in(routes)); !done) {
        errors.push_back(done.error());
    } else {
        clear_journal();
        for (const Batch::Route& each : routes) changes->push_back(change_of(Change::Action::kAdd, each.route));
        return changes;
    }
    if (auto saved = save(before.added); !saved) {
        is_saved_ = false;
        errors.push_back(saved.error());
    }
    if (auto applied = running.apply(before.config, now); !applied) {
        errors.insert(errors.end(), applied.error().begin(), applied.error().end());
    }
    const Config tried = replace(std::move(before));
    routes_.review(running.routing(), tried);
    return tl::unexpected(errors);
}

}  // namespace sluice::engine
