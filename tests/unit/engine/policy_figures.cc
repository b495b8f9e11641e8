// What it takes from a parsed configuration to a published one, printed: with a long ACL at a port, and with one of
// its rules changed. Not a test. The fastest of several runs, since the machine has other work.
//
// usage: policy-figures [RULES]
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <limits>

#include "engine/switch.h"
#include "support/pools.h"
#include "unit/acl/rule_sets.h"

namespace sluice::engine {
namespace {

double apply(Switch& running, const Config& config) {  // ms
    Config next = config;
    const auto start = std::chrono::steady_clock::now();
    const auto done = running.apply(std::move(next), Clock::now());
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (!done) {
        fmt::print(stderr, "{}\n", done.error()[0].text());
        std::exit(1);
    }
    return took.count();
}

void measure(acl::testing::Shape shape, const char* name, size_t count) {
    constexpr int kRuns = 5;
    const auto set = acl::testing::Maker(1).make(shape, count);
    auto bare = load_config("networks: [{name: blue}]\nports: [{name: a, device: 'net_null0,no-rx=1', network: blue}]\n",
                            "f", {});
    Config full = *bare;
    full.address_sets = set.sets;
    full.acls = {{.name = "edge",
                  .apply = {{.port = "a", .direction = acl::Direction::kIngress}},
                  .rules = set.rules}};
    Config changed = full;
    acl::MatchConfig& match = changed.acls[0].rules[count / 2].match;
    match.dscp = match.dscp == 63 ? 62 : 63;
    double whole = std::numeric_limits<double>::max();
    double one = whole;
    Switch running(1, test::switch_pools(), "figures");
    for (int i = 0; i < kRuns; ++i) {
        apply(running, *bare);
        whole = std::min(whole, apply(running, full));
        one = std::min({one, apply(running, changed), apply(running, full)});
    }
    apply(running, *load_config("ports: []", "f", {}));
    fmt::print("{:10} {:6} rules  all new {:7.2f} ms  one changed {:7.2f} ms\n", name, count, whole, one);
}

}  // namespace
}  // namespace sluice::engine

int main(int argc, char** argv) {
    const size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10'000;
    for (const auto& [shape, name] : sluice::acl::testing::kShapes) sluice::engine::measure(shape, name, count);
}
