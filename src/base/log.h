// The switch's log: lines on stderr about events that an operator should know of and that no command has asked
// for, such as "warning port: web: the container has deleted its interface". Under systemd (JOURNAL_STREAM) a
// line begins with the journal's priority. Any thread but a worker. A line is one write(2), so lines of several
// threads never mix. Control characters are escaped, so a guest cannot forge a line.
#pragma once

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace sluice::base::log {

// A notice is an event that an operator will look for in the log later although nothing is wrong: a link that
// came back, a change that a user made.
enum class Level { kError, kWarning, kNotice, kInfo, kDebug };

constexpr auto names(Level) {
    return std::array{Name{Level::kError, "error"}, Name{Level::kWarning, "warning"},
                      Name{Level::kNotice, "notice"}, Name{Level::kInfo, "info"}, Name{Level::kDebug, "debug"}};
}

// Lines above this level are not written. Default: kNotice, with which a healthy, unchanged switch logs nothing.
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
