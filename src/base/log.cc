#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>

namespace sluice::base::log {
namespace {

std::atomic<Level> current_level{Level::kNotice};

// syslog(3)'s severities.
constexpr std::array kPriorities = {"<3>", "<4>", "<5>", "<6>", "<7>"};

}  // namespace

void set_level(Level level) {
    current_level.store(level, std::memory_order_relaxed);
}

bool is_enabled(Level level) {
    return level <= current_level.load(std::memory_order_relaxed);
}

void write_line(Level level, std::string_view component, std::string_view message) {
    static const bool under_journal = std::getenv("JOURNAL_STREAM") != nullptr;
    const auto index = static_cast<std::size_t>(level);
    const std::string line = fmt::format("{}{} {}: {}\n", under_journal ? kPriorities[index] : "",
                                         names(level)[index].word, component, escaped(message));
    // If the log cannot be written, there is nowhere to report it.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace sluice::base::log
