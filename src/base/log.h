// The switch's log: one line to stderr for what an operator should know and no command has asked
// for. "warning port: web: the container has deleted its interface". Under systemd (JOURNAL_STREAM)
// a line begins with the journal's priority. Any thread but a worker; a line is one write(2), so
// lines of several threads never mix, and control characters are escaped, so no guest's text forges
// one.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace sluice::base::log {

// A notice is an event that an operator wants to find in the log at 3 AM though nothing is wrong: a link that came
// back, a change that somebody made.
enum class Level { kError, kWarning, kNotice, kInfo, kDebug };

constexpr auto names(Level) {
    return std::array{Name{Level::kError, "error"}, Name{Level::kWarning, "warning"},
                      Name{Level::kNotice, "notice"}, Name{Level::kInfo, "info"}, Name{Level::kDebug, "debug"}};
}

// Lines above this level aren't written. The default is kNotice: a healthy switch that nobody changes is silent.
void set_level(Level level);
bool is_enabled(Level level);

void write_line(Level level, std::string_view component, std::string_view message);

template <class... Args>
void error(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
    if (!is_enabled(Level::kError)) return;
    write_line(Level::kError, component, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void warning(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
    if (!is_enabled(Level::kWarning)) return;
    write_line(Level::kWarning, component, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void notice(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
    if (!is_enabled(Level::kNotice)) return;
    write_line(Level::kNotice, component, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void info(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
    if (!is_enabled(Level::kInfo)) return;
    write_line(Level::kInfo, component, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void debug(std::string_view component, fmt::format_string<Args...> format, Args&&... args) {
    if (!is_enabled(Level::kDebug)) return;
    write_line(Level::kDebug, component, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace sluice::base::log
