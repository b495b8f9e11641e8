// The routes that were added while running: in force in the switch's route tables, and kept in a file
// beside the state, STATE.routes, a line each in the words of `ip route` (route/route_text.h). A change is
// appended to the file, as a line that sets or deletes, before it takes effect; the file is rewritten
// without what has become void at the start, and when that is more than half of it.
//
// An added route can lose its ground: its network is gone from the configuration, or that declares a route
// to the same destination. It is out of force then and waits, in memory and in the file, until a change of
// the configuration lets it in again; the log tells of it. Control thread.
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

// What the added routes need of a running switch. For one call: the configuration is borrowed.
struct Running {
    Sections config;
    Router& router;
    std::function<base::Result<void>(const route::Changes&)> change;  // all are in force when it returns, or none
};

class AddedRoutes {
 public:
    // What a load did.
    struct Loaded {
        size_t set = 0;
        size_t deleted = 0;
        size_t missing = 0;  // were to be deleted, and weren't there
    };
    struct Waiting {
        route::RouteConfig route;
        std::string reason;
    };
    using WaitingRoutes = std::map<std::pair<std::string, IpPrefix>, Waiting>;  // by domain

    AddedRoutes() = default;
    // Reads the file of a state; nothing is in force yet, and nothing is written. A last line without its end is
    // one that can't be read, whatever it says: a crash or a full disk has cut it off.
    static AddedRoutes load(const std::string& state);
    // Between load() and restore(): what a start would tell, in sentences.
    std::vector<std::string> remarks(const Sections& config) const;

    // Brings what the file has into force, at the start. What can't be read of it is told, and the file is put
    // aside before it is written again without that.
    void restore(const Running& running);
    // After a change of the configuration: what it put out of force waits, what can be again is in force. It comes
    // to what a restart would come to.
    void review(const Running& running, const Sections& before);

    enum class Existing { kRefuse, kReplace };
    base::Result<void> add(const Running& running, const route::RouteConfig& route, Existing existing);
    base::Result<void> remove(const Running& running, const IpPrefix& to, const std::string& domain);
    // All lines or none. check() only looks for what is wrong.
    tl::expected<Loaded, route::Mistakes> load(const Running& running, const route::Text& text);
    tl::expected<Loaded, route::Mistakes> check(const Running& running, const route::Text& text) const;

    const WaitingRoutes& waiting() const noexcept { return waiting_; }
    const std::string& file() const noexcept { return file_; }

 private:
    route::Changes read(const Running& running, const route::Text& text, route::Mistakes& mistakes) const;
    void restore(const Running& running, std::string_view lines);
    bool put_aside();
    // What they will do, one after the other.
    Loaded count(const Running& running, const route::Changes& changes) const;
    base::Result<Loaded> commit(const Running& running, const route::Changes& changes);
    void wait(const route::RouteConfig& route, std::string reason);
    void tidy(const Running& running);
    base::Result<void> compact(const Running& running);

    std::string file_;
    std::string text_;      // of the file, between load() and restore()
    bool is_cut_ = false;   // the file has the beginning of a line behind it
    route::Mistakes faults_;  // lines of the file that can't be read
    size_t lines_ = 0;      // in the file
    WaitingRoutes waiting_;
};

}  // namespace sluice::router
