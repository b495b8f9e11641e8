// What the switch tells about itself, as JSON: the answers to queries. Reads counters that workers are
// writing meanwhile; each number is right by itself, and the sums are once no packet is in flight.
// Control thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/eal.h"
#include "engine/switch.h"

namespace sluice::control {

nlohmann::json report_status(const engine::Switch& running, const engine::Eal& eal,
                             const std::string& file, engine::Clock::time_point started);
nlohmann::json report_ports(const engine::Switch& running);
nlohmann::json report_port(const engine::Switch& running, const engine::HeldPort& held);
nlohmann::json report_networks(const engine::Switch& running);
// Of one network, or of all where the name is empty.
nlohmann::json report_macs(const engine::Switch& running, const std::string& network);
nlohmann::json report_stats(const engine::Switch& running, const engine::Eal& eal);
nlohmann::json report_drops(const engine::Switch& running);

}  // namespace sluice::control
