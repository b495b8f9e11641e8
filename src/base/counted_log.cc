#include "base/counted_log.h"

#include <fmt/format.h>

namespace sluice::base {
namespace {

std::string hour_minute_second(std::time_t time) {
    std::tm local{};
    localtime_r(&time, &local);
    return fmt::format("{:02}:{:02}:{:02}", local.tm_hour, local.tm_min, local.tm_sec);
}

void write_at(log::Level level, std::string_view component, std::string_view message) {
    if (log::is_enabled(level)) log::write_line(level, component, message);
}

std::string times(uint64_t count) { return count == 1 ? "once more" : fmt::format("{} times", count); }

}  // namespace

void CountedLog::tell(Clock::time_point now, log::Level level, std::string_view component, std::string_view key,
                      std::string message, uint64_t count) {
    if (count == 0) return;
    auto found = told_.find(key);
    if (found == told_.end()) {
        if (told_.size() == kMost) {
            if (untold_ == 0) {
                untold_since_ = std::time(nullptr);
                untold_written_ = now;
            }
            untold_ += count;
            return;
        }
        found =
            told_.emplace(std::string(key), Told{level, std::string(component), std::move(message), now}).first;
        write_at(level, component, found->second.message);
        --count;
    } else {
        found->second.message = std::move(message);
    }
    Told& told = found->second;
    if (count == 0) return;
    if (told.count == 0) told.since = std::time(nullptr);
    told.count += count;
}

void CountedLog::tick(Clock::time_point now) {
    for (auto it = told_.begin(); it != told_.end();) {
        Told& told = it->second;
        if (now - told.written < kWindow) {
            ++it;
        } else if (told.count == 0) {
            it = told_.erase(it);
        } else {
            write_at(
                told.level, told.component,
                fmt::format("{} ({} since {})", told.message, times(told.count), hour_minute_second(told.since)));
            told.count = 0;
            told.written = now;
            ++it;
        }
    }
    if (untold_ == 0 || now - untold_written_ < kWindow) return;
    write_at(log::Level::kWarning, "log",
          fmt::format("{} more events were not logged since {}", untold_, hour_minute_second(untold_since_)));
    untold_ = 0;
}

}  // namespace sluice::base
