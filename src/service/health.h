// Health checks of the configuration's Services: when each is due, and what the results make of its back end. A
// back end that fails `fall` checks in a row is failing, and gets no connections until it passes `rise` in a row.
//
// A back end counts as healthy before its first check, so that a restart refuses no client; but one failure is
// enough then. It keeps its state while the configuration changes, as long as its Service names it.
//
// Probes (service/probes.h) carry the checks out; the engine connects the two. Time is the caller's. Control
// thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "service/probes.h"
#include "service/service_config.h"

namespace sluice::service {

// The port at which this back end is checked for that port of the Service.
inline uint16_t checked_port(const HealthConfig& health, const PortConfig& port) {
    return health.port.value_or(port.to.value_or(port.port));
}

class HealthChecks {
 public:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;

    struct Key {
        std::string service;
        IpAddress address;
        uint16_t port = 0;  // that is checked

        bool operator<(const Key& other) const {
            return std::tie(service, address, port) < std::tie(other.service, other.address, other.port);
        }
    };
    struct Check {
        Key key;
        HealthConfig config;
        bool is_failing = false;
        uint32_t streak = 0;        // results in a row that contradict the state
        Outcome last{};             // the last one that failed
        bool is_running = false;    // its probe is outstanding
        std::optional<Time> began;  // its last probe; none: it is new

        Time deadline() const { return *began + std::chrono::milliseconds(config.patience()); }
    };
    // A back end that is failing from now on, or no longer.
    struct Change {
        Key key;
        bool is_failing;
        Outcome last;  // of a failing one
    };

    // From now on checks what these Services want. Returns the numbers of checks that are gone, or check something
    // else: their probes count no more.
    std::vector<uint32_t> arrange(const std::vector<ServiceConfig>& services);
    // By number.
    std::vector<ProbeTarget> targets() const;
    bool empty() const { return by_key_.empty(); }

    // The checks to begin now, by number. To be called every few milliseconds.
    std::vector<uint32_t> due(Time now);
    void begin(uint32_t number, Time now);
    // Those whose probe is outstanding.
    std::vector<uint32_t> running() const;
    const Check& check(uint32_t number) const { return *checks_[number]; }
    // The result of its probe. Nothing: it was not sent, and is due again.
    void take(uint32_t number, const std::optional<Outcome>& outcome);
    std::vector<Change> take_changes() { return std::exchange(changes_, {}); }

    // Null: it is not checked.
    const Check* find(const Key& key) const {
        const auto known = by_key_.find(key);
        return known == by_key_.end() ? nullptr : &*checks_[known->second];
    }

 private:
    std::vector<std::optional<Check>> checks_;  // by number
    std::map<Key, uint32_t> by_key_;
    std::vector<Change> changes_;
};

}  // namespace sluice::service
