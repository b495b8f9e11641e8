// The answers to queries about the switch, as JSON (about routing: report_routing.h, about drops: report_drops.h).
// Workers write the counters while these functions read them: each number is right by itself, but sums agree with
// each other only when no packet is in flight. Control thread.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "control/rpc.h"
#include "engine/eal.h"
#include "engine/intent.h"
#include "engine/switch.h"

namespace sluice::control {

// The traffic of a port or a tunnel, summed over all workers.
struct Sum {
    uint64_t packets = 0;
    uint64_t bytes = 0;

    void add(const path::Traffic& traffic) {
        packets += traffic.packets.get();
        bytes += traffic.bytes.get();
    }
    nlohmann::json to_json() const { return {{"packets", packets}, {"bytes", bytes}}; }
};
Sum received(const engine::Switch& running, path::PortId id);
Sum transmitted(const engine::Switch& running, path::PortId id);
// Without expected background, which is counted under a reason of its own.
uint64_t dropped(const engine::Switch& running, path::PortId id);
uint64_t dropped(const engine::Switch& running, path::PortId id, path::Drop reason);

// The name of a port, or "tunnel 192.0.2.2" for a tunnel.
std::string place_name(const engine::Switch& running, path::PortId id);
std::map<path::PortId, std::string> place_names(const engine::Switch& running);
MacAddress mac_of(uint64_t key);  // path::mac_key()

nlohmann::json report_status(const engine::Switch& running, const engine::Intent& intent, const engine::Eal& eal,
                             engine::Clock::time_point started);
// Selects ports: all conditions that are given must hold. An empty text is no condition.
struct PortQuery {
    std::string name;  // a pattern with * and ?
    std::string network;
    std::string state;
};
nlohmann::json report_ports(const engine::Switch& running, const std::vector<engine::WaitingObject>& waiting,
                            const PortQuery& query);
nlohmann::json report_port(const engine::Switch& running, const engine::HeldPort& held);
nlohmann::json report_port(const engine::WaitingObject& waiting);
nlohmann::json report_networks(const engine::Switch& running, const engine::Intent& intent);
// The MAC addresses of one network; of all networks if the name is empty. The switch outlives the steps.
Steps report_macs(const engine::Switch& running, const std::string& network);
nlohmann::json report_stats(const engine::Switch& running, const engine::Eal& eal);

}  // namespace sluice::control
