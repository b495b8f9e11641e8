// What the ports of a configuration ask of the machine. Control thread.
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

    // False: there are so many objects that no further check is worth its time.
    bool check_counts();
    void check_cores();
    // One after the other, in order.
    void check_port(size_t i);
    // An added port that has mistakes takes nothing from those behind it.
    void release(size_t i);

 private:
    void check_claims(size_t i);
    void check_devices(size_t i);

    const Config& config_;
    const Machine& machine_;
    base::Mistakes& mistakes_;
    std::unordered_map<std::string, size_t> owners_;  // ports by what they have, by identity
    std::set<std::string> early_;  // devices that `dpdk: args:` makes, which a port may use or not
    size_t devices_ = 0;
    bool has_too_many_devices_ = false;
    size_t most_ports_ = 0;
    size_t ports_ = 0;
};

}  // namespace sluice::engine
