// Logs each request of a client that changes the switch: the client, the request and its result. Failed requests
// are logged too, but the rate is limited by user: the log counts the others, and the user's next line has their
// number. Control thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "control/access.h"
#include "sluice/methods.h"

namespace sluice::control {

// A rate limit: lets kAtOnce events through at once, then one each kInterval. Counts the others.
class Throttle {
 public:
    using Clock = std::chrono::steady_clock;
    static constexpr int kAtOnce = 10;
    static constexpr auto kInterval = std::chrono::seconds(6);

    // The number of events held back since the last one that was let through; nothing: this event is held back.
    std::optional<uint64_t> let_through(Clock::time_point now);

 private:
    int left_ = kAtOnce;
    Clock::time_point refilled_{};
    uint64_t held_back_ = 0;
};

class ChangeLog {
 public:
    explicit ChangeLog(std::function<Throttle::Clock::time_point()> now = Throttle::Clock::now)
        : now_(std::move(now)) {}

    // Does nothing for a method that changes nothing.
    void done(const Peer& who, const protocol::Method& method, const nlohmann::json& params,
              const nlohmann::json& result);
    void failed(const Peer& who, const protocol::Method& method, const nlohmann::json& params,
                std::string_view error);

 private:
    std::function<Throttle::Clock::time_point()> now_;
    std::map<uid_t, Throttle> failures_;  // by user; only a few users may connect
};

// "uid 0 pid 4711 (sluicectl)"
std::string who_text(const Peer& who);

// "port.add web {"netns":"web"}". Its length is bounded, however long the parameters are.
std::string request_text(const protocol::Method& method, const nlohmann::json& params);

}  // namespace sluice::control
