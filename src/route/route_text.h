// Routes as text, one per line, in the syntax of `ip route`. `sluicectl route load` sends them, and the state
// file keeps routes in this form that were added at run time.
//
//     10.1.0.0/16 via 10.0.0.1
//     10.2.0.0/16 via 10.0.0.1 via 10.0.0.2      several next hops, by a hash of the flow (ECMP)
//     10.3.0.0/16 network blue                   on the network's link
//     10.4.0.1 via 10.0.0.1 network red          of another network than that whose subnet 10.0.0.1 is in
//     default via fd00::1 domain customer        0.0.0.0/0, or ::/0 if the gateway is IPv6
//     blackhole 10.5.0.0/16                      dropped; `unreachable`: the sender is told as well
//     delete 10.1.0.0/16                         deletes the route, if there is one
//
// `port NAME` stands for the network of the port. `nexthop` may precede each next hop. Text after a # is ignored.
// Lines are executed in order: the last one for a destination counts.
//
// Nearly all of a million routes use a few ways (next hops and options), so each way is read and checked once. A
// line is kept as its destination and the number of its way. Control thread; 0.1 us per line or more.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "route/route_config.h"

namespace sluice::route {

// Route changes that are applied together.
struct Changes {
    struct Change {
        IpPrefix to;
        bool deletes = false;
        uint32_t way = 0;   // index in `ways`
        uint32_t line = 0;  // from 1; 0: unknown
    };

    // The part of a line after the destination. `to` of a way is the destination of its first route; all its
    // routes are of that family. A way for deletions has a domain and no next hops (kBlackhole).
    std::vector<RouteConfig> ways;
    std::vector<Change> changes;

    // Changes with a single route.
    static Changes set(const RouteConfig& route);
    static Changes remove(const IpPrefix& to, const std::string& domain);
};

struct Text {
    std::string_view lines;
    std::string file = {};                       // for errors
    uint32_t first_line = 1;                     // of `lines`, in the file
    std::string domain = std::string(kMainDomain);  // of lines without a domain
};

// The mistakes of a file, of which there may be a million: the first ones, and the number of all.
struct Mistakes {
    static constexpr size_t kKept = 20;

    base::Errors errors;
    size_t count = 0;

    void add(base::Error error) {
        if (++count <= kKept) errors.push_back(std::move(error));
    }
};

// Reads every line, even after lines with mistakes.
Changes read_changes(const Text& text, Mistakes& mistakes);

// The route as a line (without line end), which reads back as the same route.
std::string to_line(const RouteConfig& route);
// The part after the destination, with a leading space; empty if there is none.
std::string way_text(const RouteConfig& route);
// The part before the destination, with a trailing space.
std::string_view kind_text(Kind kind);

}  // namespace sluice::route
