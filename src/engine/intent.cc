#include "engine/intent.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/file.h"
#include "base/log.h"

namespace sluice::engine {
namespace {

tl::unexpected<base::Errors> refuse(std::string message, std::string path = {}) {
    return tl::unexpected(base::Errors{{std::move(message), std::move(path), {}}});
}

// Where a file says that what was added beside it is kept. The file may name that (an ACL at an added port), so
// its mistakes are told when both are put together.
std::string state_of(const ReadFile& file) {
    return file.config.state.starts_with('/') ? file.config.state : std::string();
}

bool contains(const std::vector<std::string>& list, const std::string& text) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

tl::expected<Intent, base::Errors> Intent::load(const std::string& file) {
    Intent intent;
    intent.file_ = file;
    auto text = base::read_file(file);
    if (!text) return tl::unexpected(text.error());
    auto read = read_config(std::move(*text), file);
    if (!read) return tl::unexpected(read.error());
    intent.read_ = std::move(*read);
    const std::string path = state_of(*intent.read_);
    State state = path.empty() ? State{} : load_state(path);
    intent.faults_ = std::move(state.faults);
    intent.lost_ = state.has_lost;
    auto combined = combine(*intent.read_, state.ports, intent.lost_);
    if (!combined) return tl::unexpected(combined.error());
    intent.routes_ = router::AddedRoutes::load(combined->config.state);
    intent.added_ = std::move(combined->added);
    intent.is_saved_ = intent.added_ == state.ports;
    intent.waiting_ = std::move(combined->waiting);
    intent.declared_ = std::move(combined->declared);
    intent.left_out_ = std::move(combined->left_out);
    intent.config_ = std::move(combined->config);
    intent.index_ = PortIndex(intent.config_.ports, intent.config_.control.socket);
    return intent;
}

const WaitingPort* Intent::find_waiting(std::string_view name) const {
    const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](const auto& waiting) { return waiting.port.name() == name; });
    return found == waiting_.end() ? nullptr : &*found;
}

bool Intent::is_in_force(std::string_view name) const {
    return std::any_of(config_.ports.begin(), config_.ports.end(),
                       [&](const auto& port) { return port.name == name && is_added(port.place); });
}

std::vector<std::string> Intent::remarks() const {
    std::vector<std::string> remarks;
    for (const auto& fault : faults_) remarks.push_back(fault.text());
    for (const auto& waiting : waiting_) {
        remarks.push_back(fmt::format("port {}, which was added while running, would wait: {}",
                                      waiting.port.name(), waiting.reason()));
    }
    for (const auto& name : declared_) {
        remarks.push_back(fmt::format("port {}, which was added while running, would be the file's", name));
    }
    for (const auto& text : left_out_) remarks.push_back(text);
    for (const auto& text : routes_.remarks(config_)) remarks.push_back(text);
    return remarks;
}

Changes Intent::start(Switch& running, Clock::time_point now) {
    for (const auto& fault : faults_) base::log::error("state", "{}", fault.text());
    // What rewriting it keeps need not be kept twice.
    if (!lost_) faults_.clear();
    const auto writable = config_.state.empty() ? base::Result<void>{} : base::expect_writable(config_.state);
    if (!writable) {
        base::log::warning("state", "{}: no port can be added, and no route if {}.routes is not there yet",
                           writable.error().text(), config_.state);
    } else if (auto done = put_aside(); !done) {
        base::log::error("state", "{}", done.error().text());
    }
    auto changes = running.apply(config_, now);
    if (!changes) return changes;
    Combined next{.config = config_, .added = std::move(added_), .waiting = std::exchange(waiting_, {}),
                  .declared = std::exchange(declared_, {}), .left_out = std::exchange(left_out_, {})};
    if (writable && (lost_ || !is_saved_)) {
        if (auto done = save(next.added); !done) base::log::error("state", "{}", done.error().text());
    }
    take_over(std::move(next));
    routes_.restore(running.routing());
    return changes;
}

// What can't be read stays readable for people.
base::Result<void> Intent::put_aside() {
    if (faults_.empty()) return {};
    // Somebody has taken away what was in the file's place.
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

// The port that a new one replaces has keys that this sluiced does not understand, and perhaps only the state file
// has them. Copies the file, before save() rewrites it.
base::Result<void> Intent::keep_replaced(const std::string& port) const {
    if (access(config_.state.c_str(), F_OK) != 0 && errno == ENOENT) return {};
    auto name = base::put_aside(config_.state);
    if (!name) return tl::unexpected(name.error());
    base::log::notice("state",
                      "port {} replaces one whose keys could not be read: {}, which has them, is kept as {}", port,
                      config_.state, *name);
    return {};
}

base::Result<void> Intent::save(const std::vector<AddedPort>& added) {
    if (auto done = put_aside(); !done) return done;
    auto done = save_state(config_.state, added);
    is_saved_ = done.has_value();
    return done;
}

Changes Intent::reload(Switch& running, Clock::time_point now) {
    auto text = base::read_file(file_, base::Reading::kAgain);
    if (!text) return tl::unexpected(text.error());
    if (*text == read_->text && is_settled() && is_saved_) return std::vector<Change>{};
    auto read = read_config(std::move(*text), file_);
    if (!read) return tl::unexpected(read.error());
    auto next = combine(**read, added_);
    if (!next) return tl::unexpected(next.error());
    return commit(running, std::move(*read), std::move(*next), now);
}

bool Intent::is_settled() const {
    return waiting_.empty() && left_out_.empty() && faults_.empty() && routes_.waiting().empty();
}

Changes Intent::add_port(Switch& running, const base::Document& request, Clock::time_point now) {
    AddedPort port = read_added_port(request);
    if (!port.faults.empty()) return tl::unexpected(port.faults);
    const std::string name = port.name();
    if (const auto* known = find_port(config_, name)) {
        return refuse(fmt::format("port {} exists already ({})", name, origin(known->place)), "name");
    }
    if (is_settled() && may_stand_alone(config_, index_, port.config))
        return add_alone(running, std::move(port), now);
    auto added = added_;
    const auto* waiting = find_waiting(name);
    if (waiting != nullptr) {
        if (waiting->port.faults.empty()) {
            return refuse(fmt::format("port {} exists already (added, and it waits: {})", name, waiting->reason()),
                          "name");
        }
        std::erase_if(added, [&](const auto& known) { return known.name() == name; });
    }
    const auto first_waiting = std::find_if(added.begin(), added.end(),
                                            [&](const auto& known) { return !is_in_force(known.name()); });
    added.insert(first_waiting, std::move(port));
    auto next = combine(*read_, added);
    if (!next) return tl::unexpected(next.error());
    for (const auto& unfit : next->waiting) {
        if (unfit.port.name() == name) return tl::unexpected(unfit.errors);
    }
    if (waiting != nullptr) {
        if (auto kept = keep_replaced(name); !kept) return tl::unexpected(base::Errors{kept.error()});
    }
    return commit(running, read_, std::move(*next), now);
}

Changes Intent::add_alone(Switch& running, AddedPort port, Clock::time_point now) {
    port::PortConfig config = port.config;
    complete(config_, config);
    added_.push_back(std::move(port));
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
    const auto added = std::find_if(added_.begin(), added_.end(), [&](const auto& a) { return a.name() == name; });
    const auto at = added - added_.begin();
    AddedPort deleted = std::move(*added);
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

Changes Intent::delete_port(Switch& running, const std::string& name, Clock::time_point now) {
    if (is_settled() && is_in_force(name) && !names_port(config_, name)) return delete_alone(running, name);
    auto added = added_;
    if (std::erase_if(added, [&](const auto& port) { return port.name() == name; }) == 0) {
        const auto* declared = find_port(config_, name);
        if (declared == nullptr) return refuse(fmt::format("there is no port {}", name));
        return refuse(fmt::format("port {} is declared in {}: remove it there and `config reload`", name,
                                  origin(declared->place)));
    }
    auto next = combine(*read_, added);
    if (!next) return tl::unexpected(next.error());
    const bool waited = !is_in_force(name);
    auto changes = commit(running, read_, std::move(*next), now);
    if (changes && waited) {
        changes->push_back({.action = Change::Action::kRemove, .object = "port " + name, .origin = "added",
                            .detail = "it waited"});
    }
    return changes;
}

tl::expected<Combined, base::Errors> Intent::consider(std::string_view text, std::string_view file) const {
    auto read = read_config(std::string(text), file);
    if (!read) return tl::unexpected(read.error());
    return combine(**read, added_);
}

std::vector<Change> Intent::changes_to(const Combined& next) const {
    std::vector<Change> changes = diff(config_, next.config);
    for (const auto& waiting : next.waiting) {
        const std::string object = "port " + waiting.port.name();
        for (Change& change : changes) {
            if (change.object == object && change.origin == "added")
                change.detail = "it waits: " + waiting.reason();
        }
    }
    for (const auto& name : next.declared) {
        const auto* port = find_port(next.config, name);
        changes.push_back({.action = Change::Action::kChange,
                           .object = "port " + name,
                           .origin = origin(port->place),
                           .detail = "origin: added -> " + origin(port->place)});
    }
    return changes;
}

// What is told of added ports when it changes.
void Intent::take_over(Combined next) {
    for (const auto& waiting : next.waiting) {
        const auto* before = find_waiting(waiting.port.name());
        if (before != nullptr && before->reason() == waiting.reason()) continue;
        base::log::warning("port", "{}, which was added while running, waits: {}", waiting.port.name(),
                           waiting.reason());
    }
    for (const auto& before : waiting_) {
        const auto* port = find_port(next.config, before.port.name());
        if (port == nullptr || !is_added(port->place)) continue;
        base::log::notice("port", "{}, which was added while running, is in force again", port->name);
    }
    for (const auto& name : next.declared) {
        base::log::notice("port",
                          "{}, which was added while running, is declared by now ({}): it is kept there alone",
                          name, origin(find_port(next.config, name)->place));
    }
    for (const auto& text : next.left_out) {
        if (!contains(left_out_, text)) base::log::warning("config", "{}", text);
    }
    added_ = std::move(next.added);
    waiting_ = std::move(next.waiting);
    left_out_ = std::move(next.left_out);
    config_ = std::move(next.config);
    index_ = PortIndex(config_.ports, config_.control.socket);
}

Changes Intent::commit(Switch& running, std::shared_ptr<const ReadFile> file, Combined next,
                       Clock::time_point now) {
    std::vector<Change> changes = changes_to(next);
    const bool state_changes = !is_saved_ || next.added != added_;
    if (state_changes) {
        if (auto saved = save(next.added); !saved) return tl::unexpected(base::Errors{saved.error()});
    }
    if (auto applied = running.apply(next.config, now); !applied) {
        if (state_changes) (void)save(added_);
        return applied;
    }
    read_ = std::move(file);
    const Config config_before = config_;
    take_over(std::move(next));
    routes_.review(running.routing(), config_before);
    return changes;
}

}  // namespace sluice::engine
