// The routes that were added while running. They are in force in the switch's route tables, and a file beside the
// state, STATE.routes, keeps them: one line a route, in the words of `ip route` (route/route_text.h). Each change
// is appended to the file, as a line that sets or deletes, before it takes effect. The file is rewritten without
// void lines at the start, and when more than half of its lines are void.
//
// Routes that change together with objects have to be kept together with them, in one write. So the state file
// holds the lines of such a change (its journal) until the routes' own file has them. After a crash in between,
// load() and restore() append them.
//
// A change of the configuration can put an added route out of force: it removes the route's network, or it
// declares a route to the same destination. The added route then waits, in memory and in the file, until another
// change of the configuration makes room for it. The log reports both. Control thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "route/route_text.h"
#include "router/router.h"
#include "router/sections.h"

namespace sluice::router {

// The parts of a running switch that added routes need. Valid for one call: the configuration is borrowed.
struct Running {
    Sections config;
    Router& router;
    std::function<base::Result<void>(const route::Changes&)> change;  // all are in force when it returns, or none
};

class AddedRoutes {
 public:
    // The number of lines that a load carried out, by what they did.
    struct Loaded {
        size_t set = 0;
        size_t deleted = 0;
        size_t missing = 0;  // deletions of routes that don't exist
    };
    struct Waiting {
        route::RouteConfig route;
        std::string reason;
    };
    using WaitingRoutes = std::map<std::pair<std::string, IpPrefix>, Waiting>;  // by domain

    AddedRoutes() = default;
    // Reads the file that belongs to a state. Puts nothing in force and writes nothing. A last line without a
    // newline counts as unreadable, whatever it says: a crash or a full disk has cut it off. The journal's lines
    // follow those of the file.
    static AddedRoutes load(const std::string& state, std::string journal = {});
    // Sentences about the routes that a start would not put in force. To be called between load() and restore().
    std::vector<std::string> remarks(const Sections& config) const;

    // Puts the file's routes in force, at the start. If the file has lines that can't be read, logs them and keeps
    // the file under another name before it writes a new one without them.
    void restore(const Running& running);
    // Whether the file still lacks the journal's lines, as it can't be written. No route can be changed then.
    bool has_journal() const noexcept { return !journal_.empty(); }
    // To be called after a change of the configuration. Routes that it put out of force wait, and waiting routes
    // that it allows again are in force: the same routes as after a restart.
    void review(const Running& running, const Sections& before);

    enum class Existing { kRefuse, kReplace };
    base::Result<void> add(const Running& running, const route::RouteConfig& route, Existing existing);
    base::Result<void> remove(const Running& running, const IpPrefix& to, const std::string& domain);
    // Several together: all or none. mistakes() answers what is against which of them, by index, under a
    // configuration that may not be in force yet. add() is for routes without mistakes.
    std::map<size_t, std::string> mistakes(const Running& running, const Sections& config,
                                           const std::vector<route::RouteConfig>& routes) const;
    base::Result<void> add(const Running& running, const std::vector<route::RouteConfig>& routes);
    base::Result<void> remove(const Running& running, const std::vector<route::RouteConfig>& routes);
    // The lines that add() or remove() of these routes appends to the file, for the journal. `config`: the one
    // that will be in force then.
    static std::string lines_to_add(const Sections& config, const std::vector<route::RouteConfig>& routes);
    static std::string lines_to_remove(const std::vector<route::RouteConfig>& routes);
    // Empty: there is such an added route.
    std::string why_not_removed(const Running& running, const IpPrefix& to, const std::string& domain) const;
    // load() carries out all lines, or none if one is wrong. check() only reports the mistakes.
    tl::expected<Loaded, route::Mistakes> load(const Running& running, const route::Text& text);
    tl::expected<Loaded, route::Mistakes> check(const Running& running, const route::Text& text) const;

    // Sentences about the lines of the file that can't be read. To be called between load() and restore().
    std::vector<std::string> unreadable() const;
    const WaitingRoutes& waiting() const noexcept { return waiting_; }
    const std::string& file() const noexcept { return file_; }

 private:
    // Whether it was added already, in force or waiting.
    bool is_known(const Running& running, const route::RouteConfig& route) const;
    // What is against an added route; empty: nothing. `existing`: whether it may be there already.
    std::string why_not_added(const Running& running, const route::RouteConfig& route, Existing existing) const;
    // Reads the whole lines of the file into text_. Returns the last line if it has no newline.
    std::string read();
    route::Changes read(const Running& running, const route::Text& text, route::Mistakes& mistakes) const;
    void restore(const Running& running, std::string_view lines);
    bool put_aside();
    // `whole`: the size of the file's lines without the one that is cut.
    base::Result<void> append_journal(bool is_cut, uint64_t whole);
    // Counts what the changes would do, carried out in order.
    Loaded count(const Running& running, const route::Changes& changes) const;
    base::Result<Loaded> commit(const Running& running, const route::Changes& changes);
    void wait(const route::RouteConfig& route, std::string reason);
    void tidy(const Running& running);
    base::Result<void> compact(const Running& running);

    std::string file_;
    std::string text_;      // of the file and the journal, between load() and restore()
    std::string journal_;   // lines that the file doesn't have
    bool is_cut_ = false;   // the file's last line has no newline
    route::Mistakes faults_;  // lines of the file that can't be read
    size_t lines_ = 0;      // in the file
    WaitingRoutes waiting_;
};

}  // namespace sluice::router
