// What Kubernetes Services take on the control thread, printed: so many Services with ten endpoints each, from
// their JSON to workers' tables, and one endpoint that changes. Not a test. The machine has other work: of the
// small changes the fastest counts.
//
// usage: service-figures [SERVICES]
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <limits>

#include "engine/switch.h"
#include "kube/manifest.h"
#include "support/pools.h"

namespace sluice::engine {
namespace {

template <class F>
double milliseconds(F&& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

std::string slice_json(size_t i, const char* last_is_ready) {
    std::string endpoints;
    for (size_t n = 0; n < 10; ++n) {
        endpoints +=
            fmt::format(R"({}{{"addresses":["10.{}.{}.{}"],"conditions":{{"ready":{}}}}})", n == 0 ? "" : ",",
                        i / 250 / 25 + 1, i / 25 % 250, i % 25 * 10 + n, n == 9 ? last_is_ready : "true");
    }
    return fmt::format(
        R"({{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{{"name":"web-{0}-x","namespace":"shop",)"
        R"("labels":{{"kubernetes.io/service-name":"web-{0}"}}}},"addressType":"IPv4",)"
        R"("ports":[{{"name":"http","port":8080,"protocol":"TCP"}}],"endpoints":[{1}]}})",
        i, endpoints);
}

std::string list_json(size_t count) {
    std::string items;
    for (size_t i = 0; i < count; ++i) {
        items += fmt::format(
            R"({}{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"web-{}","namespace":"shop"}},)"
            R"("spec":{{"selector":{{"app":"web-{}"}},"ports":[{{"name":"http","port":80,"targetPort":8080}}]}}}},)",
            i == 0 ? "" : ",", i, i);
        items += slice_json(i, "true");
    }
    return R"({"apiVersion":"v1","kind":"List","items":[)" + items + "]}";
}

void apply(Switch& running, const std::string& text) {
    auto manifest = kube::parse_manifest(text, "f", kube::UnknownKinds::kRefuse);
    if (!manifest || !running.complete_objects(manifest->objects).empty()) std::exit(1);
    running.apply_objects(std::move(manifest->objects), 0);
}

void measure(size_t count) {
    constexpr int kRuns = 20;
    Switch running(1, test::switch_pools(), "figures");
    auto config = load_config(
        "networks: [{name: blue}]\nports: [{name: a, device: 'net_null0,no-rx=1', network: blue}]\n", "f", {});
    config->service_ranges.cluster_ips = {*IpPrefix::parse("10.96.0.0/12")};
    if (!running.apply(*config, Clock::now())) std::exit(1);
    const std::string text = list_json(count);
    const double all = milliseconds([&] { apply(running, text); });
    double one = std::numeric_limits<double>::max();
    for (int i = 0; i < kRuns; ++i) {
        const std::string slice = slice_json(count / 2, i % 2 == 0 ? "false" : "true");
        one = std::min(one, milliseconds([&] { apply(running, slice); }));
    }
    fmt::print("{:6} Services, {} endpoints, {} front ends, {} MiB of JSON: {:.0f} ms; one endpoint {:.2f} ms\n",
               count, 10 * count, running.translation().fronts().size(), text.size() >> 20, all, one);
    if (!running.apply(*load_config("ports: []", "f", {}), Clock::now())) std::exit(1);
}

}  // namespace
}  // namespace sluice::engine

int main(int argc, char** argv) {
    sluice::engine::measure(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10'000);
}
