// An index of what only one port may have: its name, its MAC and IP addresses in a network, its interfaces and
// devices. With it a port can be added without comparing it with all others. Control thread.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/config.h"

namespace sluice::engine {

class PortIndex {
 public:
    PortIndex() = default;
    // The ports must be valid. `instance` names the switch: derived MAC addresses follow from it.
    PortIndex(const std::vector<port::PortConfig>& ports, std::string instance);

    void add(const port::PortConfig& port);
    void remove(const port::PortConfig& port);
    // Whether the port has nothing in common with a port in the index.
    bool is_free_for(const port::PortConfig& port) const;

    // Whether a port of the index is in the namespace of this one.
    bool shares_namespace(const port::PortConfig& port) const;

    size_t ports() const noexcept { return ports_; }
    size_t devices() const noexcept { return devices_; }  // that DPDK opens for them

 private:
    std::string instance_;
    std::unordered_set<std::string> taken_;
    std::unordered_map<std::string, size_t> in_namespaces_;  // the number of ports
    size_t ports_ = 0;
    size_t devices_ = 0;
};

// Whether something else in the configuration names the port: a list, a mirror, a static entry, a route, a
// published port, the underlay.
bool names_port(const Config& config, const std::string& port);

// Whether validating the whole configuration with the port would find nothing, and whether nothing else follows
// from the port. `index` is of the configuration's ports, which are valid. False: only the whole can tell.
bool may_stand_alone(const Config& config, const PortIndex& index, const port::PortConfig& port);

}  // namespace sluice::engine
