// Checks what a configuration asks of the machine: cores that exist, no more devices than DPDK opens, and each
// interface, device and socket for one port only. Control thread.
#pragma once

#include <set>
#include <string>
#include <unordered_map>

#include "base/mistakes.h"
#include "engine/config.h"
#include "engine/machine.h"

namespace sluice::engine {

class MachineUse {
 public:
    MachineUse(const Config& config, const Machine& machine, base::Mistakes& mistakes);

    // False: there are too many objects to look for other mistakes.
    bool check_counts();
    void check_cores();
    // To be called for all ports, in order.
    void check_port(size_t i);
    // Frees what the port uses, for the ports behind it: it was added while running, and has mistakes.
    void release(size_t i);

 private:
    void check_claims(size_t i);
    void check_devices(size_t i);

    const Config& config_;
    const Machine& machine_;
    base::Mistakes& mistakes_;
    std::unordered_map<std::string, size_t> owners_;  // ports by what they use (port::Claim::identity)
    std::set<std::string> early_;  // devices that `dpdk: args:` makes; a port may use them
    size_t devices_ = 0;
    bool has_too_many_devices_ = false;
    size_t most_ports_ = 0;
    size_t ports_ = 0;
};

}  // namespace sluice::engine
