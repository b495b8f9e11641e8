#include "engine/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "base/log.h"
#include "port/dpdk_log.h"
#include "port/pools.h"

namespace sluice::engine {
namespace {

std::vector<uint16_t> allowed_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    std::vector<uint16_t> cores;
    for (uint16_t core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(core, &set)) cores.push_back(core);
    }
    return cores;
}

std::string list(const std::vector<uint16_t>& cores) {
    std::string text;
    for (uint16_t core : cores) text += fmt::format("{}{}", text.empty() ? "" : ",", core);
    return text;
}

}  // namespace

base::Result<Eal> start_eal(const Config& config) {
    const std::vector<uint16_t> allowed = allowed_cores();
    Eal eal{};
    eal.cores = config.workers.cores;
    if (eal.cores.empty()) eal.cores.push_back(allowed.back());
    std::vector<uint16_t> taken = eal.cores;
    std::sort(taken.begin(), taken.end());
    for (uint16_t core : eal.cores) {
        if (std::find(allowed.begin(), allowed.end(), core) != allowed.end()) continue;
        return base::fail(
            "workers.cores: this process may not run on core {} (it may on {}): name others, or widen "
            "CPUAffinity= or the cpuset",
            core, list(allowed));
    }

    const uint64_t wanted = config.memory.size.value;
    const uint64_t free = port::free_hugepage_bytes();
    eal.hugepages = free >= wanted;
    if (!eal.hugepages) {
        base::log::warning(
            "memory",
            "running without hugepages, which is slower: {} MiB are free and {} MiB are wanted "
            "({} reserves them)",
            free >> 20, wanted >> 20,
            port::hugepages_command(std::to_string(wanted >> 21), port::default_hugepage_size()));
    }

    // A worker stays on its core and the main thread off it, if there is another: one reload on a
    // worker's core would hold its packets up for as long as it takes.
    std::vector<uint16_t> others;
    std::set_difference(allowed.begin(), allowed.end(), taken.begin(), taken.end(),
                        std::back_inserter(others));
    std::string lcores = fmt::format("0@({})", list(others.empty() ? allowed : others));
    for (size_t i = 0; i < eal.cores.size(); ++i) {
        eal.lcores.push_back(static_cast<unsigned>(i + 1));
        lcores += fmt::format(",{}@{}", i + 1, eal.cores[i]);
    }
    std::vector<std::string> args{"sluiced", "--lcores", lcores, "--main-lcore", "0",
                                  "--no-telemetry",
                                  // Take no PCI device but those that a port names: allowing one
                                  // that has no driver turns probing all of them off.
                                  "-a", "0000:00:00.0"};
    if (eal.hugepages) {
        args.emplace_back("--in-memory");
    } else {
        // --no-huge and --in-memory exclude each other in DPDK 22.11; this keeps it private as well.
        args.insert(args.end(), {"--no-huge", "--no-shconf", "-m", std::to_string(wanted >> 20),
                                 "--file-prefix", fmt::format("sluice-{}", getpid())});
    }
    args.insert(args.end(), config.dpdk.args.begin(), config.dpdk.args.end());

    std::vector<char*> argv;
    for (auto& arg : args) argv.push_back(arg.data());
    port::redirect_dpdk_log();
    if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
        const char* hint = geteuid() != 0 ? "run sluiced as root"
                           : !config.dpdk.args.empty()
                               ? "are the arguments in dpdk.args right?"
                               : "log.level: debug shows all that DPDK says";
        return base::fail("DPDK does not start: {}{}; {}", rte_strerror(rte_errno),
                          port::take_dpdk_words(), hint);
    }
    port::redirect_bpf_logs();
    return eal;
}

void stop_eal() noexcept { rte_eal_cleanup(); }

}  // namespace sluice::engine
