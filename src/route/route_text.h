// Routes as text, one a line, in the words of `ip route`: what `sluicectl route load` sends, and how the
// state keeps the routes that were added while running.
//
//     10.1.0.0/16 via 10.0.0.1
//     10.2.0.0/16 via 10.0.0.1 via 10.0.0.2      several next hops, by a hash of the flow (ECMP)
//     10.3.0.0/16 network blue                   on the network's link
//     10.4.0.1 via 10.0.0.1 network red          of another network than that whose subnet 10.0.0.1 is in
//     default via fd00::1 domain customer        0.0.0.0/0, or ::/0 where the gateway is of IPv6
//     blackhole 10.5.0.0/16                      dropped; `unreachable`: and the sender is told
//     delete 10.1.0.0/16                         the route to there goes, if there is one
//
// `port NAME` is short for the network that the port is in; `nexthop` may stand before each next hop; what
// follows a # isn't read. Lines are carried out in order: of several for one destination the last counts.
//
// Of a million routes nearly all lead by a few ways, so a way is read and checked once, and what is kept
// of a line is its destination and the number of its way. Control thread; 0.1 us a line and more.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "route/route_config.h"

namespace sluice::route {

// Routes that come and go together.
struct Changes {
    struct Change {
        IpPrefix to;
        bool deletes = false;
        uint32_t way = 0;   // index in `ways`
        uint32_t line = 0;  // from 1; 0: no line
    };

    // What follows the destinations. `to` of a way is that of the first route by it; all are of its
    // family. A way of deletions has a domain and no next hops (kBlackhole).
    std::vector<RouteConfig> ways;
    std::vector<Change> changes;

    // A single route's.
    static Changes set(const RouteConfig& route);
    static Changes remove(const IpPrefix& to, const std::string& domain);
};

struct Text {
    std::string_view lines;
    std::string file = {};                       // for errors
    uint32_t first_line = 1;                     // of `lines`, in the file
    std::string domain = std::string(kMainDomain);  // of lines that name none
};

// Mistakes, of which a file may have a million: the first ones, and how many there are.
struct Mistakes {
    static constexpr size_t kKept = 20;

    base::Errors errors;
    size_t count = 0;

    void add(base::Error error) {
        if (++count <= kKept) errors.push_back(std::move(error));
    }
};

// Every line is read, whether those before were right or not.
Changes read_changes(const Text& text, Mistakes& mistakes);

// The route as a line (without its end) that is read as the same route.
std::string to_line(const RouteConfig& route);
// What follows the destination in it, with a space before; empty: nothing.
std::string way_text(const RouteConfig& route);
// What stands before it, with a space behind.
std::string_view kind_text(Kind kind);

}  // namespace sluice::route
