// Formats JSON as text for people: aligned tables, and indented keys and values. It cuts off no text. It escapes
// text before it reaches the terminal, because the text may come from a guest or a file.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::sluicectl {

enum class Format {
    kText,     // to the left; lists with commas, booleans as yes and no, null as "-"
    kNumber,   // to the right, unchanged
    kPercent,  // to the right; the value is a share of 1
    kSeconds,  // to the right, "1h 2m 3s"
    kBytes,    // to the right, "2.0 MiB"
};

// Seconds since the epoch as local time: "16:04:05.000123".
std::string time_of_day(double seconds);
// The same with date and zone: "2026-11-29 16:04:05.000123 +01:00". A narrow table breaks it at the blanks.
std::string date_and_time(double seconds);

struct Column {
    std::string header;
    std::string pointer;  // a JSON pointer into the row (RFC 6901): "/rx/packets"
    Format format = Format::kText;
    // If the terminal is too narrow, the column of the highest rank is left out first. Rank 0 always stays.
    int rank = 0;
};

std::string format(const nlohmann::json& value, Format format);

// Whether the object has the key with a value other than null.
bool has(const nlohmann::json& object, const char* key);

// A table with headers and a line a row. If it is wider than `width` (0: no limit), it leaves out columns by their
// rank, and a last line names these. Then it breaks texts between their words, then paths, then the words of the
// last text.
std::string table(std::span<const Column> columns, const nlohmann::json& rows, size_t width = 0);
// The same, or `none` if there are no rows.
std::string rows_or(const nlohmann::json& rows, std::initializer_list<Column> columns, const char* none,
                    size_t width);

// A column for each key of the rows that has a plain value: the keys in `first` come first, then the others.
std::vector<Column> columns_of(const nlohmann::json& rows, const std::vector<std::string_view>& first);

// Formats any object: a line for each key and its value, objects indented below their key, lists of objects as
// tables.
std::string indented(const nlohmann::json& object, size_t width = 0, size_t indent = 0);

}  // namespace sluice::sluicectl
