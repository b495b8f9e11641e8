#include "service/health.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace sluice::service {
namespace {

// New checks begin spread over their interval.
constexpr uint32_t kSpread = 16;

std::string request_of(const HealthConfig& config, const IpAddress& address, uint16_t port) {
    if (config.type != CheckType::kHttp) return {};
    const std::string host =
        !config.host.empty()
            ? config.host
            : fmt::format(fmt::runtime(address.is_v4() ? "{}:{}" : "[{}]:{}"), address.text(), port);
    return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: sluice\r\nConnection: close\r\n\r\n",
                       config.path, host);
}

ProbeTarget target_of(const HealthChecks::Key& key, const HealthConfig& config) {
    return {key.address, key.port, request_of(config, key.address, key.port)};
}

bool checks_the_same(const HealthConfig& a, const HealthConfig& b) {
    return a.type == b.type && a.path == b.path && a.host == b.host;
}

}  // namespace

std::vector<uint32_t> HealthChecks::arrange(const std::vector<ServiceConfig>& services) {
    std::map<Key, HealthConfig> wanted;
    for (const ServiceConfig& service : services) {
        if (!service.health) continue;
        for (const BackendConfig& backend : service.backends) {
            for (const PortConfig& port : service.ports) {
                wanted.emplace(Key{service.name, backend.address, checked_port(*service.health, port)},
                               *service.health);
            }
        }
    }
    std::vector<uint32_t> cancelled;
    std::erase_if(by_key_, [&](const auto& known) {
        const auto& [key, number] = known;
        const auto stays = wanted.find(key);
        Check& check = *checks_[number];
        if (stays != wanted.end() && checks_the_same(stays->second, check.config)) {
            check.config = stays->second;
            wanted.erase(stays);
            return false;
        }
        cancelled.push_back(number);
        if (stays != wanted.end()) {
            check.config = stays->second;
            check.is_running = false;
            check.streak = 0;
            wanted.erase(stays);
            return false;
        }
        checks_[number].reset();
        return true;
    });
    uint32_t next = 0;
    for (const auto& [key, config] : wanted) {
        while (next < checks_.size() && checks_[next]) ++next;
        if (next == checks_.size()) checks_.emplace_back();
        // The first failure is the last one of `fall`.
        checks_[next] = Check{.key = key, .config = config, .streak = config.fall - 1U};
        by_key_.emplace(key, next);
    }
    while (!checks_.empty() && !checks_.back()) checks_.pop_back();
    return cancelled;
}

std::vector<ProbeTarget> HealthChecks::targets() const {
    std::vector<ProbeTarget> targets;
    targets.reserve(checks_.size());
    for (const auto& check : checks_)
        targets.push_back(check ? target_of(check->key, check->config) : ProbeTarget{});
    return targets;
}

std::vector<uint32_t> HealthChecks::due(Time now) {
    std::vector<uint32_t> numbers;
    for (uint32_t number = 0; number < checks_.size(); ++number) {
        if (!checks_[number] || checks_[number]->is_running) continue;
        Check& check = *checks_[number];
        const std::chrono::milliseconds interval(check.config.interval);
        if (!check.began) check.began = now - interval + interval * (number % kSpread) / kSpread;
        if (now >= *check.began + interval) numbers.push_back(number);
    }
    return numbers;
}

void HealthChecks::begin(uint32_t number, Time now) {
    checks_[number]->is_running = true;
    checks_[number]->began = now;
}

std::vector<uint32_t> HealthChecks::running() const {
    std::vector<uint32_t> numbers;
    for (uint32_t number = 0; number < checks_.size(); ++number) {
        if (checks_[number] && checks_[number]->is_running) numbers.push_back(number);
    }
    return numbers;
}

void HealthChecks::take(uint32_t number, const std::optional<Outcome>& outcome) {
    Check& check = *checks_[number];
    check.is_running = false;
    if (!outcome) return;
    if (!outcome->passed()) check.last = *outcome;
    if (outcome->passed() != check.is_failing) {
        check.streak = 0;
        return;
    }
    if (++check.streak < (check.is_failing ? check.config.rise : check.config.fall)) return;
    check.streak = 0;
    check.is_failing = !check.is_failing;
    changes_.push_back({check.key, check.is_failing, check.last});
}

}  // namespace sluice::service
