// What a configuration asks of the machine: cores that are there, no more devices than DPDK opens, and each
// interface, device and socket for one port.
#include <map>

#include "engine/machine.h"
#include "engine/mistakes.h"
#include "port/claims.h"

namespace sluice::engine {
namespace {

void check_cores(const Config& config, const Machine& machine, Mistakes& mistakes) {
    std::set<uint16_t> seen;
    for (size_t i = 0; i < config.workers.cores.size(); ++i) {
        const uint16_t core = config.workers.cores[i];
        if (!seen.insert(core).second) {
            mistakes.report({"workers", "cores", i}, {}, "core {} has a worker already", core);
        } else if (!machine.cores.empty() && !machine.cores.contains(core)) {
            mistakes.report({"workers", "cores", i}, {}, "there is no core {}: this machine has {}", core,
                            machine.cores_text());
        }
    }
}

void check_claims(const Config& config, Mistakes& mistakes) {
    std::map<std::string, std::string> owners;  // by identity
    for (size_t i = 0; i < config.ports.size(); ++i) {
        const port::PortConfig& port = config.ports[i];
        for (const port::Claim& claim : port::claims(port)) {
            const auto [owner, fresh] = owners.emplace(claim.identity, port.name);
            if (fresh) continue;
            if (claim.member) {
                mistakes.report({"ports", i, "bond", "members", *claim.member}, port.place, "{} is port {}'s already",
                                claim.what, owner->second);
            } else {
                mistakes.report({"ports", i, std::string_view(claim.key)}, port.place, "{} is port {}'s already", claim.what,
                                owner->second);
            }
            break;  // the device's name and its interface are one mistake
        }
    }
}

// The names of the devices that `dpdk: args:` makes, which a port may use or not.
std::set<std::string> early_devices(const Config& config) {
    std::set<std::string> names;
    const auto& args = config.dpdk.args;
    for (size_t i = 0; i < args.size(); ++i) {
        if (args[i].starts_with("--vdev=")) names.insert(port::device_name(args[i].substr(7)));
        if (args[i] == "--vdev" && i + 1 < args.size()) names.insert(port::device_name(args[++i]));
    }
    return names;
}

void check_devices(const Config& config, Mistakes& mistakes) {
    const std::set<std::string> early = early_devices(config);
    size_t count = early.size();
    for (size_t i = 0; i < config.ports.size(); ++i) {
        const port::PortConfig& port = config.ports[i];
        size_t devices = port::dpdk_devices(port);
        if (devices == 0) continue;
        for (const port::Claim& claim : port::claims(port)) {
            if (claim.identity.starts_with("device ") && early.contains(claim.what)) --devices;
        }
        count += devices;
        if (count <= port::kMostDevices) continue;
        mistakes.report({"ports", i, port.bond ? "bond" : "device"}, port.place,
                        "is more than the {} devices that DPDK opens (RTE_MAX_ETHPORTS; a bond is one beside its "
                        "members): containers, guests and net_af_packet need none of them",
                        port::kMostDevices);
        return;
    }
}

void check_counts(const Config& config, Mistakes& mistakes) {
    const size_t remotes = remotes_of(config).size();
    const size_t most = path::kMaxPorts - std::min<size_t>(remotes, path::kMaxPorts);
    if (config.ports.size() > most) {
        mistakes.report({"ports", most}, config.ports[most].place,
                        "is one port too many: with {} remote end points there may be {}", remotes, most);
    }
    if (config.networks.size() >= path::kMaxNetworks) {
        mistakes.report({"networks", path::kMaxNetworks - 1}, config.networks[path::kMaxNetworks - 1].place,
                        "is one network too many: there may be {}", path::kMaxNetworks - 1);
    }
}

}  // namespace

void validate_machine(const Config& config, const Machine& machine, Mistakes& mistakes) {
    check_cores(config, machine, mistakes);
    check_claims(config, mistakes);
    check_devices(config, mistakes);
    check_counts(config, mistakes);
}

}  // namespace sluice::engine
