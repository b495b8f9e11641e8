// What the classifier costs, printed: time to build, to compile a list, and to compile it anew with one rule
// changed; memory; time of a look-up, each beginning after the one before has answered; for lists of several
// shapes. Not a test. The fastest of several runs, since the machine has other work.
//
// usage: acl-figures [RULES]
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <limits>
#include <thread>

#include "acl/acl.h"
#include "unit/acl/rule_sets.h"

namespace sluice::acl {
namespace {

using Clock = std::chrono::steady_clock;

template <class F>
double best_of(int runs, F f) {  // ns
    double best = std::numeric_limits<double>::max();
    for (int i = 0; i < runs; ++i) {
        const auto start = Clock::now();
        f();
        best = std::min(best, std::chrono::duration<double, std::nano>(Clock::now() - start).count());
    }
    return best;
}

volatile uint32_t sink;
volatile uint32_t zero = 0;

template <class Look>
double look_up_cost(const std::vector<Subject>& subjects, Look look) {  // ns each
    return best_of(20, [&] {
               const uint32_t nothing = zero;
               uint32_t sum = 0;
               for (size_t i = 0; i < subjects.size(); ++i) sum += look(subjects[i + (sum & nothing)]);
               sink = sum;
           }) / static_cast<double>(subjects.size());
}

void measure(testing::Shape shape, const char* name, size_t count) {
    testing::Maker maker(1);
    const testing::RuleSet set = maker.make(shape, count);
    std::vector<Subject> subjects, misses;
    for (int i = 0; i < 20000; ++i) subjects.push_back(maker.subject(set));
    const double build = best_of(5, [&] { Classifier(set.rules, set.sets); });
    const Classifier classifier(set.rules, set.sets);
    size_t found = 0;
    for (const Subject& subject : subjects) {
        found += classifier.find(subject) != kNoRule;
        if (classifier.find(subject) == kNoRule) misses.push_back(subject);
    }
    const auto find = [&](const Subject& subject) { return classifier.find(subject); };
    const double look_up = look_up_cost(subjects, find);
    const double miss = misses.empty() ? 0 : look_up_cost(misses, find);

    // One rule in the middle becomes another.
    AclConfig config{.name = "acl", .rules = set.rules};
    uint32_t next = 1;
    const auto first = compile(config, set.sets, nullptr, next);
    const double compiled = best_of(3, [&] { compile(config, set.sets, nullptr, next); });
    config.rules[count / 2].match.dscp = 63;
    std::shared_ptr<const List> list = first;
    const double recompiled = best_of(5, [&] { list = compile(config, set.sets, first.get(), next); });
    const double judged = look_up_cost(subjects, [&](const Subject& s) { return list->judge(s).object; });
    fmt::print("{:10} {:6} rules  build {:7.2f} ms  compile {:7.2f} ms  one changed {:7.2f} ms  {:7.2f} MB  "
               "look-up {:5.0f} ns ({:3.0f} % match), without a match {:5.0f} ns, judge {:5.0f} ns\n",
               name, count, build / 1e6, compiled / 1e6, recompiled / 1e6,
               static_cast<double>(classifier.memory()) / 1e6, look_up,
               100.0 * static_cast<double>(found) / static_cast<double>(subjects.size()), miss, judged);
}

// What a worker's hit costs while another hits the same rule, another rule, or nothing.
void measure_contention() {
    AclConfig config{.name = "acl", .rules = std::vector<RuleConfig>(64)};
    for (size_t i = 0; i < 64; ++i) config.rules[i].match.dscp = static_cast<uint8_t>(i);
    uint32_t next = 1;
    const auto list = compile(config, {}, nullptr, next);
    struct alignas(128) Alone {  // on a cache line that nobody else uses
        std::atomic<bool> stop = false;
    };
    for (const auto& [words, other] :
         {std::pair{"idle", -1}, {"on the same rule", 0}, {"on the next rule", 1}, {"on a far rule", 40}}) {
        const auto alone = std::make_unique<Alone>();
        std::atomic<bool>& stop = alone->stop;
        std::thread worker([&list, &stop, other = other] {
            Subject subject;
            subject.dscp = static_cast<uint8_t>(other);
            while (other >= 0 && !stop.load(std::memory_order_relaxed)) list->judge(subject);
        });
        constexpr int kHits = 1'000'000;
        const Subject subject;
        std::vector<double> costs;
        for (int run = 0; run < 11; ++run) {
            costs.push_back(best_of(1, [&] {
                for (int i = 0; i < kHits; ++i) list->judge(subject);
            }));
        }
        std::sort(costs.begin(), costs.end());
        stop = true;
        worker.join();
        fmt::print("judge of 64 rules, another worker {}: {:.1f} ns (median)\n", words,
                   costs[costs.size() / 2] / kHits);
    }
}

}  // namespace
}  // namespace sluice::acl

int main(int argc, char** argv) {
    const size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 10000;
    for (const auto& [shape, name] : sluice::acl::testing::kShapes) sluice::acl::measure(shape, name, count);
    sluice::acl::measure_contention();
}
