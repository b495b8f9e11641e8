// Runs the switch's worker by hand, turn by turn, between two net_sluice_replay devices, and has
// callgrind count the instructions of just those turns: a figure that repeats almost to the digit, where
// times are noisy. With "io" for the mode the devices alone are run, without a switch: what is left
// after taking that away is the switch's own. ROUTES has lines like `10.1.0.0/16 via 10.0.0.1`, more than
// one would write into a configuration.
//
//     valgrind --tool=callgrind --instr-atstart=no instructions CONFIG PAGE-A PAGE-B switch|io FRAMES [ROUTES]
//
// Linked with the product's own libraries, so that what is counted is what runs.
#include <fcntl.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "base/file.h"
#include "engine/config.h"
#include "engine/eal.h"
#include "engine/switch.h"
#include "route/route_text.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else  // the tests compile it, so that it keeps up with the switch; they need no figure of it
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#endif

namespace {

using namespace sluice;

constexpr size_t kGo = 3;        // words of net_sluice_replay's page
constexpr size_t kOpening = 4;
constexpr size_t kAnswers = 5;
constexpr size_t kReceived = 8;

constexpr uint64_t kCounted = 20'000;  // callgrind is some 50 times slower than the machine

volatile uint64_t* map_page(const char* path) {
    const int file = open(path, O_RDWR);
    void* page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file < 0 || page == MAP_FAILED) {
        std::perror(path);
        std::exit(1);
    }
    close(file);
    return static_cast<uint64_t*>(page);
}

[[noreturn]] void fail(const base::Errors& errors) {
    for (const auto& error : errors) std::fprintf(stderr, "%s\n", error.text().c_str());
    std::exit(1);
}

void add_routes(engine::Switch& running, const char* path) {
    auto text = base::read_file(path);
    if (!text) fail(text.error());
    route::Mistakes mistakes;
    const route::Changes changes = route::read_changes({.lines = *text, .file = path}, mistakes);
    if (mistakes.count != 0) fail(mistakes.errors);
    if (auto done = running.change_routes(changes); !done) fail({done.error()});
}

// What testpmd's io mode does: a burst from A to B.
void move_burst(uint16_t from, uint16_t to) {
    rte_mbuf* packets[32];
    const uint16_t count = rte_eth_rx_burst(from, 0, packets, 32);
    const uint16_t sent = rte_eth_tx_burst(to, 0, packets, count);
    rte_pktmbuf_free_bulk(packets + sent, count - sent);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6 && argc != 7) return 2;
    auto text = base::read_file(argv[1]);
    if (!text) fail(text.error());
    auto config = engine::load_config(*text, argv[1], {});
    if (!config) fail(config.error());
    volatile uint64_t* a = map_page(argv[2]);
    volatile uint64_t* b = map_page(argv[3]);
    const bool is_switch = std::string(argv[4]) == "switch";
    const uint64_t frames = std::strtoull(argv[5], nullptr, 10);

    auto eal = engine::start_eal(*config);
    if (!eal) fail({eal.error()});
    auto pools = port::Pools::create(config->memory.buffers, config->memory.large_buffers);
    if (!pools) fail({pools.error()});
    engine::Switch running(1, *pools, "instructions");
    if (auto done = running.apply(*config, engine::Clock::now()); !done) fail(done.error());
    // A device that needs longer to start comes up later, and the figure would be that of floods and drops.
    const auto is_up = [](const auto& port) { return port.second.up; };
    while (!std::all_of(running.ports().begin(), running.ports().end(), is_up)) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        running.tick(engine::Clock::now());
    }
    if (argc == 7 && is_switch) add_routes(running, argv[6]);
    engine::Worker& worker = *running.workers()[0];

    const bool opens = a[kOpening] != 0;    // connections, which both ports replay then
    const bool answers = b[kAnswers] != 0;  // B, once A's frames have gone through
    auto turn = [&] {
        if (is_switch) {
            (void)worker.turn();
        } else {
            move_burst(0, 1);
            if (opens || answers) move_burst(1, 0);
        }
    };
    auto received = [&] { return a[kReceived] + (opens || answers ? b[kReceived] : 0); };
    auto run_until = [&](volatile uint64_t* page, uint64_t packets) {
        while (page[kReceived] < packets) turn();
    };
    if (opens) {
        for (volatile uint64_t* page : {a, b}) {
            page[kGo] = 1;
            run_until(page, page[kOpening]);
        }
        a[kGo] = 2;
        b[kGo] = 2;
    } else {
        b[kGo] = 1;
        while (worker.turn()) {
        }
        a[kGo] = 1;
    }
    // Once through all frames, so that everything is learned, then count a part of them.
    run_until(a, a[kReceived] + frames);
    for (volatile uint64_t* page : {a, b}) {
        if (page[kAnswers] == 0) continue;
        page[kGo] = 2;
        run_until(page, page[kReceived] + frames);
    }
    // A flow's first packet in a second costs more than the others. So count in a second in which each flow has
    // had that packet.
    const auto second = [] { return rte_rdtsc() / rte_get_tsc_hz(); };
    for (const uint64_t last = second(); second() == last;) turn();
    run_until(a, a[kReceived] + frames);
    const uint64_t start = received();
    CALLGRIND_START_INSTRUMENTATION;
    run_until(a, a[kReceived] + std::min(frames, kCounted));
    CALLGRIND_STOP_INSTRUMENTATION;
    std::printf("packets %lu\n", static_cast<unsigned long>(received() - start));
    std::fflush(stdout);
    _exit(0);  // nothing of the end is measured
}
