// From the configuration and the ports as they are to the tables that workers read. Control thread.
#include <algorithm>
#include <map>

#include "engine/switch.h"

namespace sluice::engine {
namespace {

class Compiler {
 public:
    Compiler(const Config& config, const Ports& ports, const MacTables& macs, size_t workers)
        : config_(config), ports_(ports), snapshot_(std::make_unique<Snapshot>()) {
        snapshot_->idle = config.workers.idle;
        snapshot_->queues.resize(workers);
        for (const auto& network : config.networks) {
            ids_[network.name] = path::NetworkId(static_cast<uint16_t>(snapshot_->networks.size()));
            snapshot_->networks.push_back({macs.at(network.name), {}});
            snapshot_->macs.push_back(macs.at(network.name).get());
        }
    }

    std::unique_ptr<Snapshot> run() {
        for (const auto& [name, held] : ports_) {
            if (held.up) add_port(held);
        }
        add_mirrors();
        for (const auto& [name, held] : ports_) {
            if (!held.up) continue;
            share_out_queues(slot_of(*held.port));
            if (held.port->has_link()) join_networks(slot_of(*held.port));
        }
        return std::move(snapshot_);
    }

 private:
    PortSlot& slot_of(const port::Port& port) { return snapshot_->slots[path::index(port.id())]; }

    void add_port(const HeldPort& held) {
        port::Port& port = *held.port;
        const port::PortConfig& config = port.config();
        PortSlot& slot = slot_of(port);
        slot.port = &port;
        slot.mac_limit = config.mac_limit;
        slot.horizon = group(config.split_horizon);
        if (config.flood_limit != port::FloodLimitConfig{}) slot.floods = held.floods.get();
        slot.guard = guard_of(port);
        if (config.trunk) {
            slot.trunk = trunk_of(*config.trunk);
        } else if (auto network = ids_.find(config.network); network != ids_.end()) {
            slot.network = network->second;
        }
    }

    // Last, when the slots are complete: a queue holds what its port's slot says.
    void share_out_queues(const PortSlot& slot) {
        const auto workers = static_cast<uint16_t>(snapshot_->queues.size());
        for (uint16_t queue = 0; queue < slot.port->receive_queues(); ++queue) {
            snapshot_->queues[worker_of(slot.port->id(), queue, workers)].push_back(
                slot.queue(queue, slot.port->wake(queue)));
        }
    }

    const vlan::Trunk* trunk_of(const port::TrunkConfig& config) {
        auto trunk = std::make_unique<vlan::Trunk>();
        trunk->network_of.fill(path::kNoNetworkId);
        trunk->id_of.assign(snapshot_->networks.size(), vlan::kNotCarried);
        auto carry = [&](const std::string& name, bool native) {
            // Half-way through a change a port may name what is gone already.
            const auto network = ids_.find(name);
            if (network == ids_.end()) return;
            const path::NetworkId id = network->second;
            const uint16_t vlan =
                native ? vlan::kUntagged : config_.networks[path::index(id)].vlan;
            if (!native && vlan == 0) return;
            trunk->network_of[vlan] = id;
            trunk->id_of[path::index(id)] = vlan;
        };
        for (const auto& name : config.networks) carry(name, false);
        if (!config.native.empty()) carry(config.native, true);
        return snapshot_->trunks.emplace_back(std::move(trunk)).get();
    }

    const guard::Guard* guard_of(const port::Port& port) {
        const port::PortConfig& config = port.config();
        auto guard = std::make_unique<guard::Guard>();
        guard->serves_dhcp = config.may_serve(port::Service::kDhcp);
        guard->serves_ra = config.may_serve(port::Service::kRa);
        if (config.is_guarded()) {
            guard->check_addresses = true;
            for (const auto& address : config.address) guard->addresses.push_back(address.address);
            if (auto mac = port.mac()) guard->mac = path::mac_key(*mac);
        }
        if (guard->allows_all()) return nullptr;
        return snapshot_->guards.emplace_back(std::move(guard)).get();
    }

    // A group's number; 0 for none.
    uint16_t group(const std::string& name) {
        if (name.empty()) return 0;
        return groups_.emplace(name, static_cast<uint16_t>(groups_.size() + 1)).first->second;
    }

    void add_mirrors() {
        std::map<std::string, std::vector<port::Mirror>> in;
        std::map<std::string, std::vector<port::Mirror>> out;
        for (const MirrorConfig& config : config_.mirrors) {
            const port::Port* to = up(config.to);
            auto filter = wire::Filter::compile(config.filter);
            if (to == nullptr || !filter) continue;
            const auto& kept = snapshot_->filters.emplace_back(
                std::make_unique<wire::Filter>(std::move(*filter)));
            const port::Mirror mirror{slot_of(*to).port, kept.get()};
            for (const auto& from : config.from) {
                if (config.direction != Direction::kEgress) in[from].push_back(mirror);
                if (config.direction != Direction::kIngress) out[from].push_back(mirror);
            }
        }
        for (auto& [name, mirrors] : in) {
            if (const auto* port = up(name)) slot_of(*port).mirrors_in = keep(std::move(mirrors));
        }
        for (auto& [name, mirrors] : out) {
            if (const auto* port = up(name)) slot_of(*port).mirrors_out = keep(std::move(mirrors));
        }
    }

    const std::vector<port::Mirror>* keep(std::vector<port::Mirror> mirrors) {
        return snapshot_->mirrors
            .emplace_back(std::make_unique<std::vector<port::Mirror>>(std::move(mirrors)))
            .get();
    }

    const port::Port* up(const std::string& name) const {
        auto held = ports_.find(name);
        return held != ports_.end() && held->second.up ? held->second.port.get() : nullptr;
    }

    void join_networks(const PortSlot& slot) {
        for (size_t i = 0; i < snapshot_->networks.size(); ++i) {
            const path::NetworkId id{static_cast<uint16_t>(i)};
            if (slot.carries(id)) snapshot_->networks[i].members.push_back(slot.exit(id));
        }
    }

    const Config& config_;
    const Ports& ports_;
    std::unique_ptr<Snapshot> snapshot_;
    std::map<std::string, path::NetworkId> ids_;
    std::map<std::string, uint16_t> groups_;
};

}  // namespace

std::unique_ptr<Snapshot> compile(const Config& config, const Ports& ports, const MacTables& macs,
                                  size_t workers) {
    return Compiler(config, ports, macs, workers).run();
}

}  // namespace sluice::engine
