// What a mapping costs, printed: map() of a new endpoint and of a known one, on one core and on several at once,
// with a pool that is empty, and one that is nearly full. Not a test. CPU time, waiting for locks included, of the
// fastest of several runs, since the machine has other work.
//
// usage: nat-figures
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "nat/mappings.h"

namespace sluice::nat {
namespace {

constexpr int kRuns = 7;

double cpu_time() {  // ns, of all threads
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <class F>
double time_of(F f) {  // ns
    const double start = cpu_time();
    f();
    return cpu_time() - start;
}

std::vector<Endpoint> endpoints(size_t count, uint32_t hosts) {
    std::vector<Endpoint> all;
    for (uint32_t i = 0; i < count; ++i) {
        all.push_back({IpAddress::from_v4(0x0a000000 + i % hosts), static_cast<uint16_t>(1024 + i / hosts)});
    }
    std::shuffle(all.begin(), all.end(), std::mt19937_64(1));
    return all;
}

// Each of the threads maps its part of the endpoints.
void map_all(Mappings& mappings, const std::vector<Endpoint>& all, size_t threads) {
    const auto map_part = [&](size_t part) {
        for (size_t i = part; i < all.size(); i += threads) mappings.map(Transport::kTcp, all[i], 0);
    };
    std::vector<std::thread> others;
    for (size_t t = 1; t < threads; ++t) others.emplace_back(map_part, t);
    map_part(0);
    for (auto& other : others) other.join();
}

void measure(const char* name, uint32_t addresses, size_t count, uint32_t hosts, size_t threads) {
    MappingsSettings settings{.ports_per_host = 0};
    for (uint32_t i = 0; i < addresses; ++i) settings.pool.addresses.push_back(IpAddress::from_v4(0xc0000201 + i));
    const std::vector<Endpoint> all = endpoints(count, hosts);
    double fresh = std::numeric_limits<double>::max(), known = fresh, sweep = fresh, release = fresh;
    for (int run = 0; run < kRuns; ++run) {
        Mappings mappings(settings);
        map_all(mappings, all, 1);  // so that the memory is there
        for (int i = 0; i < 3; ++i) mappings.sweep();
        fresh = std::min(fresh, time_of([&] { map_all(mappings, all, threads); }));
        known = std::min(known, time_of([&] { map_all(mappings, all, threads); }));
        sweep = std::min(sweep, time_of([&] { mappings.sweep(); }));
        mappings.sweep();
        release = std::min(release, time_of([&] { mappings.sweep(); }));
    }
    const auto n = static_cast<double>(count);
    fmt::print("{:28} {:7} endpoints, {} threads: new {:4.0f} ns, known {:4.0f}; sweep {:4.1f}, release {:4.0f}\n",
               name, count, threads, fresh / n, known / n, sweep / n, release / n);
}

}  // namespace
}  // namespace sluice::nat

int main() {
    using sluice::nat::measure;
    for (const size_t threads : {1, 2}) {
        measure("1 address, few", 1, 10'000, 100, threads);
        measure("1 address, 95 % full", 1, 61'000, 1000, threads);
        measure("16 addresses, many", 16, 500'000, 10'000, threads);
        measure("1 address, shared ports", 1, 120'000, 1000, threads);
    }
}
