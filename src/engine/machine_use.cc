#include "engine/machine_use.h"

#include <map>

#include "port/claims.h"

namespace sluice::engine {
namespace {

// The names of the devices that `dpdk: args:` makes.
std::set<std::string> early_devices(const Config& config) {
    std::set<std::string> names;
    const auto& args = config.dpdk.args;
    for (size_t i = 0; i < args.size(); ++i) {
        if (args[i].starts_with("--vdev=")) names.insert(port::device_name(args[i].substr(7)));
        if (args[i] == "--vdev" && i + 1 < args.size()) names.insert(port::device_name(args[++i]));
    }
    return names;
}

// The number of devices that DPDK opens for a port. DPDK has made the `early` ones at its start: they don't count.
size_t devices_of(const port::PortConfig& port, const std::set<std::string>& early) {
    size_t devices = port::dpdk_devices(port);
    if (devices == 0 || early.empty()) return devices;
    for (const port::Claim& claim : port::claims(port)) {
        if (claim.identity.starts_with("device ") && early.contains(claim.what)) --devices;
    }
    return devices;
}

}  // namespace

MachineUse::MachineUse(const Config& config, const Machine& machine, base::Mistakes& mistakes)
    : config_(config),
      machine_(machine),
      mistakes_(mistakes),
      early_(early_devices(config)),
      devices_(early_.size()) {}

bool MachineUse::check_counts() {
    const size_t remotes = remotes_of(config_).size();
    most_ports_ = path::kMaxPorts - std::min<size_t>(remotes, path::kMaxPorts);
    bool holds = true;
    if (remotes > path::kMaxPorts) {
        mistakes_.report({"underlay"}, config_.underlay ? config_.underlay->place : base::Place{},
                         "has {} remote end points: there may be {}", remotes, path::kMaxPorts);
        holds = false;
    }
    if (config_.ports.size() > most_ports_ && !mistakes_.is_added("ports", most_ports_)) {
        mistakes_.report({"ports", most_ports_}, config_.ports[most_ports_].place,
                         "is one port too many: with {} remote end points there may be {}", remotes, most_ports_);
        holds = false;
    }
    for (size_t i = path::kMaxNetworks - 1; i < config_.networks.size(); ++i) {
        mistakes_.report({"networks", i}, config_.networks[i].place, "is one network too many: there may be {}",
                         path::kMaxNetworks - 1);
        if (mistakes_.is_added("networks", i)) continue;
        holds = false;
        break;
    }
    return holds;
}

void MachineUse::check_cores() {
    std::set<uint16_t> seen;
    for (size_t i = 0; i < config_.workers.cores.size(); ++i) {
        const uint16_t core = config_.workers.cores[i];
        if (!seen.insert(core).second) {
            mistakes_.report({"workers", "cores", i}, {}, "core {} has a worker already", core);
        } else if (!machine_.cores.empty() && !machine_.cores.contains(core)) {
            mistakes_.report({"workers", "cores", i}, {}, "there is no core {}: this machine has {}", core,
                             machine_.cores_text());
        }
    }
}

void MachineUse::check_port(size_t i) {
    check_claims(i);
    check_devices(i);
    if (++ports_ > most_ports_) {
        mistakes_.report({"ports", i}, config_.ports[i].place, "is one port too many: there may be {}",
                         most_ports_);
    }
}

void MachineUse::check_claims(size_t i) {
    const port::PortConfig& port = config_.ports[i];
    for (const port::Claim& claim : port::claims(port)) {
        const auto [owner, fresh] = owners_.emplace(claim.identity, i);
        if (fresh) continue;
        const std::string& name = config_.ports[owner->second].name;
        if (claim.member) {
            mistakes_.report({"ports", i, "bond", "members", *claim.member}, port.place, "{} is port {}'s already",
                             claim.what, name);
        } else {
            mistakes_.report({"ports", i, std::string_view(claim.key)}, port.place, "{} is port {}'s already",
                             claim.what, name);
        }
        break;  // the device's name and its interface are one mistake
    }
}

void MachineUse::check_devices(size_t i) {
    const port::PortConfig& port = config_.ports[i];
    const size_t devices = devices_of(port, early_);
    devices_ += devices;
    if (devices == 0 || devices_ <= port::kMostDevices) return;
    // Report the first of the file's ports, and each of the added ones.
    if (!mistakes_.is_added("ports", i) && std::exchange(has_too_many_devices_, true)) return;
    mistakes_.report({"ports", i, port.bond ? "bond" : "device"}, port.place,
                     "is more than the {} devices that DPDK opens (RTE_MAX_ETHPORTS; a bond is one beside its "
                     "members): containers, guests and net_af_packet need none of them",
                     port::kMostDevices);
}

void MachineUse::release(size_t i) {
    const port::PortConfig& port = config_.ports[i];
    for (const port::Claim& claim : port::claims(port)) {
        const auto owner = owners_.find(claim.identity);
        if (owner != owners_.end() && owner->second == i) owners_.erase(owner);
    }
    devices_ -= devices_of(port, early_);
    --ports_;
}

}  // namespace sluice::engine
