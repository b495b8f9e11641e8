// Routes as text: any lines are read or refused, and a route that is read is written as a line that is read as
// the same route.
#include "fuzz/target.h"
#include "route/route_text.h"

namespace sluice::fuzz {
namespace {

using route::RouteConfig;

void check_line(const RouteConfig& route) {
    const std::string line = route::to_line(route);
    must(line.find('\n') == line.npos, "a line of several: {}", line);
    route::Mistakes mistakes;
    const route::Changes again = route::read_changes({.lines = line}, mistakes);
    must(mistakes.count == 0, "a written line is refused: {}: {}", line,
         mistakes.errors.empty() ? "" : mistakes.errors[0].text());
    must(again.changes.size() == 1 && !again.changes[0].deletes, "a written line is no route: {}", line);
    RouteConfig read = again.ways.at(again.changes[0].way);
    read.to = again.changes[0].to;
    must(read == route, "a written line is another route: {} and {}", line, route::to_line(read));
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    const bool customer = input.flag();
    const std::string_view text = text_of(input.rest());
    route::Mistakes mistakes;
    const route::Changes changes = route::read_changes(
        {.lines = text, .file = "fuzz", .domain = customer ? "customer" : std::string(route::kMainDomain)},
        mistakes);
    must(mistakes.errors.size() == std::min(mistakes.count, route::Mistakes::kKept), "{} mistakes and {} errors",
         mistakes.count, mistakes.errors.size());
    for (const base::Error& error : mistakes.errors) must(!error.text().empty(), "refused without a word");
    const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    must(changes.changes.size() + mistakes.count <= lines, "more than the lines");
    for (const auto& change : changes.changes) {
        RouteConfig route = changes.ways.at(change.way);
        route.to = change.to;
        if (!change.deletes) check_line(route);
    }
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> seeds;
    for (const char* text :
         {"10.1.0.0/16 via 10.0.0.1\n10.1.0.0/16 via 10.0.0.2\n", "10.2.0.0/16 via 10.0.0.1 via 10.0.0.2\n",
          "10.3.0.0/16 network blue # on the link\n", "10.4.0.1 via 10.0.0.1 network red\n",
          "default via fd00::1 domain customer\n", "blackhole 10.5.0.0/16\nunreachable fd00:1::/64\n",
          "delete 10.1.0.0/16\n", "default nexthop via 10.0.0.1 nexthop via 10.0.0.2 port web\r\n\n"}) {
        seeds.push_back(Output().byte(0).add(bytes_of(text)));
    }
    return seeds;
}

std::vector<std::string> words() {
    return {"via ", "network ", "port ", "nexthop ", "domain ", "default ", "blackhole ", "unreachable ",
            "delete ", "10.0.0.0/8", "fd00::/8", "::ffff:10.0.0.1", "\n", "#"};
}

}  // namespace sluice::fuzz
