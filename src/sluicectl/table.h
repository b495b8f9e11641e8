// JSON as text for people: aligned tables, and indented keys and values. Nothing is cut off, and
// text that may come from a guest or a file is escaped before it reaches the terminal.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::sluicectl {

enum class Format {
    kText,     // left; lists with commas, booleans as yes and no, nothing as "-"
    kNumber,   // right, as is
    kPercent,  // right, of a share of 1
    kSeconds,  // right, "1h 2m 3s"
    kBytes,    // right, "2.0 MiB"
};

// Seconds since the epoch, by the clock on this machine's wall: "16:04:05.000123".
std::string time_of_day(double seconds);
// The same with date and zone: "2026-11-29 16:04:05.000123 +01:00", which a narrow table breaks at
// the blanks.
std::string date_and_time(double seconds);

struct Column {
    std::string header;
    std::string pointer;  // RFC 6901, "/rx/packets", from the row
    Format format = Format::kText;
    // Where a terminal is too narrow the column of the highest rank is left out first; of rank 0 none is.
    int rank = 0;
};

std::string format(const nlohmann::json& value, Format format);

// Whether an object says something under the key: it is there, and not null.
bool has(const nlohmann::json& object, const char* key);

// One line a row below the headers. In a width, other than 0, columns are left out by their rank,
// which a last line tells, and then texts are broken between their words; then paths, and the words
// of the last text.
std::string table(std::span<const Column> columns, const nlohmann::json& rows, size_t width = 0);

// A column for each key of the rows with a plain value: the named ones first, numbers to the right.
std::vector<Column> columns_of(const nlohmann::json& rows, const std::vector<std::string_view>& first);

// An object of any shape: a key and its value a line, objects indented below their key, lists of
// objects as tables.
std::string indented(const nlohmann::json& object, size_t width = 0, size_t indent = 0);

}  // namespace sluice::sluicectl
