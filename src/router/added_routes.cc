#include "router/added_routes.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "router/route_check.h"

namespace sluice::router {
namespace {

// The file is not rewritten for up to this many void lines.
constexpr size_t kVoidLines = 100'000;
// Bytes of the file that restore() puts in force at a time.
constexpr size_t kStep = 4 << 20;
// The log names this many of the routes that start to wait: there may be a million.
constexpr size_t kTold = 10;

size_t count_added(const Running& running) {
    size_t count = 0;
    for (const auto& [name, domain] : running.router.domains()) {
        count += domain->size() - domain->derived.size();
    }
    return count;
}

std::string taken(const IpPrefix& to, const route::Domain::Derived& derived) {
    if (derived.origin == route::Origin::kBuiltIn) return fmt::format("{} is never routed", to.text());
    const char* fix = derived.origin == route::Origin::kNetwork
                          ? "it is the network's own: choose another destination"
                          : "change it there and `config reload`";
    return fmt::format("{} has a route already, at {}: {}", to.text(), origin(derived.place), fix);
}

std::string exists_already(const IpPrefix& to) {
    return fmt::format(
        "{} has a route already (added): delete it, add it with `route add --replace`, or give several next hops "
        "to one",
        to.text());
}

// Replaces each port by its network, so that the route stays when the port is deleted.
route::RouteConfig settled(const Sections& config, const route::RouteConfig& route) {
    route::RouteConfig settled = route;
    auto settle = [&](route::HopConfig& hop) {
        if (hop.port.empty()) return;
        hop.network = resolve_network(config, hop, route.domain);
        hop.port.clear();
    };
    settle(settled.hop);
    for (auto& hop : settled.hops) settle(hop);
    return settled;
}

// Leaves out each network that follows from the next hop's address.
route::RouteConfig brief(const Sections& config, route::RouteConfig route) {
    auto shorten = [&](route::HopConfig& hop) {
        if (hop.via && resolve_network(config, {.via = hop.via}, route.domain) == hop.network) {
            hop.network.clear();
        }
    };
    shorten(route.hop);
    for (auto& hop : route.hops) shorten(hop);
    return route;
}

std::pair<std::string, IpPrefix> key_of(const route::RouteConfig& route) {
    return {route.domain, route.to};
}

route::Changes addition_of(const std::vector<route::RouteConfig>& routes) {
    route::Changes changes;
    for (const route::RouteConfig& route : routes) {
        const auto way = static_cast<uint32_t>(changes.ways.size());
        changes.ways.push_back(route);
        changes.changes.push_back({.to = route.to, .way = way});
    }
    return changes;
}

route::Changes removal_of(const std::vector<route::RouteConfig>& routes) {
    route::Changes changes;
    for (const route::RouteConfig& route : routes) {
        const route::Changes one = route::Changes::remove(route.to, route.domain);
        changes.changes.push_back(one.changes[0]);
        changes.changes.back().way = static_cast<uint32_t>(changes.ways.size());
        changes.ways.push_back(one.ways[0]);
    }
    return changes;
}

// The changes as lines of the file. `texts`: of each way.
std::string lines_of(const route::Changes& changes, const std::vector<std::string>& texts) {
    std::string lines;
    for (const auto& change : changes.changes) {
        const route::RouteConfig& way = changes.ways[change.way];
        if (change.deletes) {
            lines += "delete ";
        } else {
            lines += kind_text(way.kind);
        }
        lines += change.to.text();
        lines += texts[change.way];
        lines += '\n';
    }
    return lines;
}

std::string lines_of(const Sections& config, const route::Changes& changes) {
    std::vector<std::string> texts;
    for (const auto& way : changes.ways) texts.push_back(way_text(brief(config, settled(config, way))));
    return lines_of(changes, texts);
}

}  // namespace

AddedRoutes AddedRoutes::load(const std::string& state, std::string journal) {
    AddedRoutes routes;
    routes.file_ = state + ".routes";
    routes.journal_ = std::move(journal);
    const std::string cut = routes.read();
    const auto line = static_cast<int>(std::count(routes.text_.begin(), routes.text_.end(), '\n')) + 1;
    routes.text_ += routes.journal_;
    routes.lines_ =
        route::read_changes({.lines = routes.text_, .file = routes.file_}, routes.faults_).changes.size();
    routes.is_cut_ = !cut.empty();
    // The journal has as a whole what a crash has cut off.
    if (cut.empty() || !routes.journal_.empty()) return routes;
    const std::string fault =
        fmt::format("{} is cut off: the line has no end, and is not in force", base::shown(cut));
    routes.faults_.add({fault, {}, {routes.file_, line, 1}});
    return routes;
}

// The file may have some of the lines already, and a part of one: setting or deleting a route twice does no harm.
base::Result<void> AddedRoutes::append_journal(bool is_cut, uint64_t whole) {
    if (is_cut) {
        if (auto done = base::cut_file(file_, whole); !done) return done;
    }
    auto done = base::append_to_file(file_, journal_);
    if (!done) return tl::unexpected(done.error());
    journal_.clear();
    return {};
}

std::string AddedRoutes::read() {
    if (access(file_.c_str(), F_OK) != 0 && errno == ENOENT) return {};
    auto text = base::read_file(file_, base::Reading::kState);
    if (!text) {
        for (const auto& error : text.error()) faults_.add(error);
        return {};
    }
    const size_t end = text->rfind('\n') + 1;
    std::string cut = text->substr(end);
    text->resize(end);
    text_ = std::move(*text);
    return cut;
}

std::vector<std::string> AddedRoutes::unreadable() const {
    std::vector<std::string> texts;
    for (const auto& fault : faults_.errors) texts.push_back(fault.text());
    if (faults_.count > faults_.errors.size())
        texts.push_back(fmt::format("and {} lines more of {}", faults_.count - faults_.errors.size(), file_));
    return texts;
}

std::vector<std::string> AddedRoutes::remarks(const Sections& config) const {
    std::vector<std::string> remarks = unreadable();
    std::set<std::pair<std::string, IpPrefix>> taken;
    for (const auto& route : config.routes) taken.emplace(route.domain, route.to);
    for (const auto& network : config.networks) {
        if (!network.is_routed()) continue;
        for (const auto& subnet : network.subnets) taken.emplace(network.domain, subnet);
    }
    route::Mistakes known;
    const route::Changes changes = route::read_changes({.lines = text_, .file = file_}, known);
    const auto mistakes = route_mistakes(config, changes.ways);
    std::set<std::pair<std::string, IpPrefix>> waiting;
    for (const auto& change : changes.changes) {
        const std::string& domain = changes.ways[change.way].domain;
        const bool waits =
            !change.deletes && (!mistakes[change.way].empty() || taken.contains({domain, change.to}));
        if (waits) {
            waiting.emplace(domain, change.to);
        } else {
            waiting.erase({domain, change.to});
        }
    }
    if (!waiting.empty()) {
        remarks.push_back(
            fmt::format("{} added routes of {} would wait, as the configuration has no place for them, "
                        "such as {}",
                        waiting.size(), file_, waiting.begin()->second.text()));
    }
    return remarks;
}

// True: the file may be written again.
bool AddedRoutes::put_aside() {
    for (const auto& fault : faults_.errors) base::log::error("route", "{}", fault.text());
    auto name = base::put_aside(file_);
    if (!name) {
        base::log::error("route", "{}", name.error().text());
        return false;
    }
    base::log::error("route", "{} can't be read as a whole: it is kept as {}, and the rest of it is in force",
                     file_, *name);
    faults_ = {};
    return true;
}

void AddedRoutes::restore(const Running& running) {
    const std::string text = std::exchange(text_, {});
    const bool has_lost = faults_.count != 0 && put_aside();
    const bool is_cut = std::exchange(is_cut_, false);
    if (is_cut && !has_lost && journal_.empty()) {
        // The file keeps its cut line. End that line, so that an appended line doesn't continue it.
        auto ended = base::append_to_file(file_, "\n");
        if (!ended) base::log::error("route", "{}", ended.error().text());
    }
    if (!journal_.empty() && !has_lost) {
        if (auto done = append_journal(is_cut, text.size() - journal_.size()); !done)
            base::log::error("route", "{}", done.error().text());
    }
    for (std::string_view left = text; !left.empty();) {
        const size_t end = left.find('\n', std::min(kStep, left.size() - 1)) + 1;
        restore(running, left.substr(0, end));
        left.remove_prefix(end);
    }
    if (!waiting_.empty()) {
        base::log::warning("route", "{} added routes of {} wait, as the configuration has no place for them",
                           waiting_.size(), file_);
    }
    if (faults_.count != 0) return;  // nothing else has the text of the lines at fault
    if (!has_lost && lines_ == count_added(running) + waiting_.size()) return;
    if (auto done = compact(running); !done) base::log::warning("route", "{}", done.error().text());
}

void AddedRoutes::restore(const Running& running, std::string_view lines) {
    route::Mistakes known;  // load() has reported them
    route::Changes changes = route::read_changes({.lines = lines, .file = file_}, known);
    const auto mistakes = route_mistakes(running.config, changes.ways);
    for (auto& change : changes.changes) {
        route::RouteConfig route = changes.ways[change.way];
        route.to = change.to;
        if (!waiting_.empty()) waiting_.erase(key_of(route));
        const auto* derived = running.router.declared(route.domain, change.to);
        if (change.deletes || (mistakes[change.way].empty() && derived == nullptr)) continue;
        wait(route, derived != nullptr ? taken(change.to, *derived) : mistakes[change.way]);
        change.deletes = true;  // an earlier line may have set the route
    }
    if (auto done = running.change(changes); !done) {
        base::log::error("route", "{} routes of {} are not in force, and wait: {}", changes.changes.size(), file_,
                         done.error().text());
        const std::string reason = done.error().text();
        for (const auto& change : changes.changes) {
            route::RouteConfig route = changes.ways[change.way];
            route.to = change.to;
            const auto waiting = waiting_.find(key_of(route));
            if (!change.deletes) {
                waiting_[key_of(route)] = {route, reason};
            } else if (waiting != waiting_.end() && waiting->second.reason == reason) {
                waiting_.erase(waiting);  // a later line deletes what an earlier one has set
            }
        }
    }
}

void AddedRoutes::wait(const route::RouteConfig& route, std::string reason) {
    if (waiting_.size() < kTold && !reason.empty()) {
        base::log::warning("route", "{}, which was added while running, is not in force: {}",
                           route::to_line(route), reason);
    }
    waiting_[key_of(route)] = {route, std::move(reason)};
}

void AddedRoutes::review(const Running& running, const Sections& before) {
    const Sections& config = running.config;
    auto reason_of = [&](const route::RouteConfig& route) {
        const auto* derived = running.router.declared(route.domain, route.to);
        return derived != nullptr ? taken(route.to, *derived) : route_mistake(config, route);
    };
    route::Changes back;
    // Judge each route in the words of the file, which may name no network: its next hop's address may now lie in
    // another network.
    for (const auto& displaced : running.router.take_displaced()) {
        const auto route = brief(before, displaced);
        wait(route, reason_of(route));
    }
    for (auto& [name, waiting] : waiting_) {
        waiting.reason = reason_of(waiting.route);
        if (!waiting.reason.empty()) continue;
        const auto way = static_cast<uint32_t>(back.ways.size());
        back.ways.push_back(waiting.route);
        back.changes.push_back({.to = waiting.route.to, .way = way});
    }
    if (back.changes.empty()) return;
    if (auto done = running.change(back); !done) {
        base::log::error("route", "{} added routes stay out of force: {}", back.changes.size(),
                         done.error().text());
        return;
    }
    for (const auto& route : back.ways) waiting_.erase(key_of(route));
    base::log::info("route", "{} added routes are in force again", back.changes.size());
}

std::string AddedRoutes::why_not_added(const Running& running, const route::RouteConfig& route,
                                       Existing existing) const {
    if (auto mistake = route_mistake(running.config, route); !mistake.empty()) return mistake;
    if (const auto* derived = running.router.declared(route.domain, route.to)) return taken(route.to, *derived);
    if (existing == Existing::kReplace || !is_known(running, route)) return {};
    return exists_already(route.to);
}

bool AddedRoutes::is_known(const Running& running, const route::RouteConfig& route) const {
    return running.router.has_added(route.domain, route.to) || waiting_.contains(key_of(route));
}

base::Result<void> AddedRoutes::add(const Running& running, const route::RouteConfig& route, Existing existing) {
    const std::string why = why_not_added(running, route, existing);
    if (!why.empty()) return base::fail("{}", why);
    auto done = commit(running, route::Changes::set(route));
    if (!done) return tl::unexpected(done.error());
    return {};
}

std::map<size_t, std::string> AddedRoutes::mistakes(const Running& running, const Sections& config,
                                                    const std::vector<route::RouteConfig>& routes) const {
    std::map<size_t, std::string> mistakes;
    std::set<std::pair<std::string, IpPrefix>> seen;
    const auto derived = Router::derived_from(config);
    std::vector<std::string> found = route_mistakes(config, routes);
    for (size_t i = 0; i < routes.size() && mistakes.size() <= base::kMaxErrors; ++i) {
        const route::RouteConfig& route = routes[i];
        std::string& why = found[i];
        const auto domain = derived.find(route.domain);
        if (why.empty() && domain != derived.end()) {
            const auto declared = domain->second.find(route.to);
            if (declared != domain->second.end()) why = taken(route.to, declared->second);
        }
        if (why.empty() && is_known(running, route)) why = exists_already(route.to);
        if (!seen.insert(key_of(route)).second && why.empty())
            why = fmt::format("{} stands here already: give several next hops to one", route.to.text());
        if (!why.empty()) mistakes.emplace(i, std::move(why));
    }
    return mistakes;
}

base::Result<void> AddedRoutes::add(const Running& running, const std::vector<route::RouteConfig>& routes) {
    auto done = commit(running, addition_of(routes));
    if (!done) return tl::unexpected(done.error());
    return {};
}

std::string AddedRoutes::why_not_removed(const Running& running, const IpPrefix& to,
                                         const std::string& domain) const {
    const bool waits = waiting_.contains({domain, to});
    if (const auto* derived = running.router.declared(domain, to); derived != nullptr && !waits) {
        if (derived->origin != route::Origin::kConfigured) {
            return fmt::format("the route to {} follows from the networks: it goes with them", to.text());
        }
        return fmt::format("the route to {} is declared in {}: remove it there and `config reload`", to.text(),
                           origin(derived->place));
    }
    if (running.router.has_added(domain, to) || waits) return {};
    return fmt::format("there is no route to {} in domain {}", to.text(), domain);
}

base::Result<void> AddedRoutes::remove(const Running& running, const IpPrefix& to, const std::string& domain) {
    if (const std::string why = why_not_removed(running, to, domain); !why.empty()) return base::fail("{}", why);
    auto done = commit(running, route::Changes::remove(to, domain));
    if (!done) return tl::unexpected(done.error());
    return {};
}

base::Result<void> AddedRoutes::remove(const Running& running, const std::vector<route::RouteConfig>& routes) {
    auto done = commit(running, removal_of(routes));
    if (!done) return tl::unexpected(done.error());
    return {};
}

std::string AddedRoutes::lines_to_add(const Sections& config, const std::vector<route::RouteConfig>& routes) {
    return lines_of(config, addition_of(routes));
}

std::string AddedRoutes::lines_to_remove(const std::vector<route::RouteConfig>& routes) {
    const route::Changes changes = removal_of(routes);
    std::vector<std::string> texts;
    for (const auto& way : changes.ways) texts.push_back(way_text(way));
    return lines_of(changes, texts);
}

route::Changes AddedRoutes::read(const Running& running, const route::Text& text,
                                 route::Mistakes& mistakes) const {
    route::Changes changes = route::read_changes(text, mistakes);
    const auto faults = route_mistakes(running.config, changes.ways);
    for (const auto& change : changes.changes) {
        const route::RouteConfig& way = changes.ways[change.way];
        auto report = [&](std::string message) {
            mistakes.add({std::move(message), {}, {text.file, static_cast<int>(change.line), 1}});
        };
        const auto* derived = running.router.declared(way.domain, change.to);
        if (change.deletes) {
            // Deleting a route that doesn't exist is no mistake; deleting one that the file declares is.
            if (derived != nullptr && !waiting_.contains({way.domain, change.to}))
                report(taken(change.to, *derived));
        } else if (derived != nullptr) {
            report(taken(change.to, *derived));
        } else if (!faults[change.way].empty()) {
            // The mistake's sentence may name the destination, which differs from line to line.
            route::RouteConfig route = way;
            route.to = change.to;
            report(mistakes.count < route::Mistakes::kKept ? route_mistake(running.config, route) : "");
        }
    }
    std::stable_sort(mistakes.errors.begin(), mistakes.errors.end(), [](const auto& a, const auto& b) {
        return a.place.line < b.place.line;
    });
    return changes;
}

AddedRoutes::Loaded AddedRoutes::count(const Running& running, const route::Changes& changes) const {
    Loaded loaded;
    std::map<std::pair<std::string_view, IpPrefix>, bool>
        is_there;  // by earlier lines, where there are deletions
    const bool has_deletions = std::any_of(changes.changes.begin(), changes.changes.end(),
                                           [](const auto& change) { return change.deletes; });
    for (const auto& change : changes.changes) {
        const std::string& domain = changes.ways[change.way].domain;
        if (!change.deletes) {
            ++loaded.set;
            if (has_deletions) is_there[{domain, change.to}] = true;
            continue;
        }
        const auto [earlier, fresh] = is_there.try_emplace({domain, change.to}, false);
        const bool was_there = fresh ? running.router.has_added(domain, change.to) ||
                                           waiting_.contains({domain, change.to})
                                     : earlier->second;
        earlier->second = false;
        ++(was_there ? loaded.deleted : loaded.missing);
    }
    return loaded;
}

tl::expected<AddedRoutes::Loaded, route::Mistakes> AddedRoutes::check(const Running& running,
                                                                      const route::Text& text) const {
    route::Mistakes mistakes;
    const route::Changes changes = read(running, text, mistakes);
    if (mistakes.count != 0) return tl::unexpected(mistakes);
    return count(running, changes);
}

tl::expected<AddedRoutes::Loaded, route::Mistakes> AddedRoutes::load(const Running& running,
                                                                     const route::Text& text) {
    route::Mistakes mistakes;
    const route::Changes changes = read(running, text, mistakes);
    if (mistakes.count == 0) {
        auto done = commit(running, changes);
        if (done) return *done;
        mistakes.add(done.error());
    }
    return tl::unexpected(mistakes);
}

// Appends the valid changes to the file before they take effect, and cuts them off again if the switch refuses
// them.
base::Result<AddedRoutes::Loaded> AddedRoutes::commit(const Running& running, const route::Changes& changes) {
    if (changes.changes.empty()) return Loaded{};
    // The journal would undo this change at the next start.
    if (has_journal())
        return base::fail("{} lacks routes of an earlier change: restart sluiced once it can be written", file_);
    const Loaded loaded = count(running, changes);
    auto before = base::append_to_file(file_, lines_of(running.config, changes));
    if (!before) return tl::unexpected(before.error().within("keeping the routes"));
    if (auto done = running.change(changes); !done) {
        (void)base::cut_file(file_, *before);
        return tl::unexpected(done.error());
    }
    lines_ += changes.changes.size();
    for (const auto& change : changes.changes) {
        if (waiting_.empty()) break;
        waiting_.erase({changes.ways[change.way].domain, change.to});
    }
    tidy(running);
    return loaded;
}

void AddedRoutes::tidy(const Running& running) {
    if (faults_.count != 0) return;
    const size_t valid = count_added(running) + waiting_.size();
    if (lines_ <= 2 * valid + kVoidLines) return;
    if (auto done = compact(running); !done) base::log::warning("route", "{}", done.error().text());
}

base::Result<void> AddedRoutes::compact(const Running& running) {
    struct Words {
        std::string_view kind;
        std::string text;
    };
    std::map<std::pair<const route::Domain*, route::HopId>, Words> ways;
    std::string lines;
    size_t count = 0;
    for (const auto& [name, domain] : running.router.domains()) {
        domain->table.each([&, &domain = *domain](const IpPrefix& to, route::HopId hop) {
            if (domain.derived.contains(to)) return;
            auto [known, fresh] = ways.try_emplace({&domain, hop});
            Words& way = known->second;
            if (fresh) {
                const auto route = brief(running.config, running.router.added_route(domain, to, hop));
                way = {kind_text(route.kind), way_text(route)};
            }
            lines += way.kind;
            lines += to.text();
            lines += way.text;
            lines += '\n';
            ++count;
        });
    }
    for (const auto& [name, waiting] : waiting_) {
        lines += to_line(waiting.route) + "\n";
        ++count;
    }
    auto done = base::replace_file(file_, lines);
    if (!done) return done;
    lines_ = count;
    journal_.clear();
    return done;
}

}  // namespace sluice::router
