// Every change that a client makes leaves a line in the log: who, what, and what came of it. So does every
// request for a change that was refused, but of one user no more than a few at once: the rest are counted, and
// their number stands in the next line. Control thread.
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

// Lets a few through at once, then one each kInterval; counts the others.
class Throttle {
 public:
    using Clock = std::chrono::steady_clock;
    static constexpr int kAtOnce = 10;
    static constexpr auto kInterval = std::chrono::seconds(6);

    // How many were held back since the last that was let through; nothing: this one is held back too.
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
    std::map<uid_t, Throttle> failures_;  // of users who are let in, so they are few
};

// "uid 0 pid 4711 (sluicectl)"
std::string who_text(const Peer& who);

// "port.add web {"netns":"web"}": of a bounded length, whatever the parameters hold.
std::string request_text(const protocol::Method& method, const nlohmann::json& params);

}  // namespace sluice::control
