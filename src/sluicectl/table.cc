#include "sluicectl/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

#include "base/text.h"
#include "sluicectl/wrap.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

std::string plain(const json& value) {
    if (value.is_null()) return "-";
    if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
    if (value.is_number_float()) return fmt::format("{:.1f}", value.get<double>());
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        return text.empty() ? "-" : base::escaped(text);
    }
    if (value.is_array()) {
        std::string words;
        for (const json& item : value) words += (words.empty() ? "" : ", ") + plain(item);
        return words.empty() ? "-" : words;
    }
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string duration(uint64_t seconds) {
    struct Unit {
        uint64_t seconds;
        char name;
    };
    std::string text;
    for (const Unit unit : {Unit{86400, 'd'}, Unit{3600, 'h'}, Unit{60, 'm'}}) {
        if (seconds < unit.seconds && text.empty()) continue;
        text += fmt::format("{}{} ", seconds / unit.seconds, unit.name);
        seconds %= unit.seconds;
    }
    return text + fmt::format("{}s", seconds);
}

std::string bytes(double size) {
    constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; size >= 1024 && unit + 1 < kUnits.size(); unit++) size /= 1024;
    return fmt::format("{:.{}f} {}", size, unit == 0 ? 0 : 1, kUnits[unit]);
}

std::string upper(std::string_view text) {
    std::string result = base::escaped(text);
    for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return result;
}

bool is_table(const json& value) {
    return value.is_array() && !value.empty() &&
           std::ranges::all_of(value, [](const json& row) { return row.is_object(); });
}

// A key as a JSON pointer.
std::string pointer_to(std::string_view key) {
    return (json::json_pointer() / std::string(key)).to_string();
}

}  // namespace

std::string format(const json& value, Format format) {
    if (!value.is_number()) return plain(value);
    switch (format) {
        case Format::kPercent:
            return fmt::format("{:.0f}%", value.get<double>() * 100);
        case Format::kSeconds:
            return duration(static_cast<uint64_t>(std::max(0.0, value.get<double>())));
        case Format::kBytes:
            return bytes(value.get<double>());
        case Format::kText:
        case Format::kNumber:
            break;
    }
    return plain(value);
}

namespace {

struct LocalTime {
    tm local{};
    long microseconds;

    explicit LocalTime(double seconds) {
        const auto whole = static_cast<time_t>(seconds);
        microseconds = std::min(static_cast<long>((seconds - static_cast<double>(whole)) * 1e6 + 0.5), 999'999L);
        localtime_r(&whole, &local);
    }
};

}  // namespace

std::string time_of_day(double seconds) {
    const LocalTime time(seconds);
    return fmt::format("{:02}:{:02}:{:02}.{:06}", time.local.tm_hour, time.local.tm_min, time.local.tm_sec,
                       time.microseconds);
}

std::string date_and_time(double seconds) {
    const LocalTime time(seconds);
    const long offset = std::abs(time.local.tm_gmtoff) / 60;
    return fmt::format("{:04}-{:02}-{:02}T{}{}{:02}:{:02}", time.local.tm_year + 1900, time.local.tm_mon + 1,
                       time.local.tm_mday, time_of_day(seconds), time.local.tm_gmtoff < 0 ? '-' : '+', offset / 60,
                       offset % 60);
}

std::string table(std::span<const Column> columns, const json& rows) {
    std::vector<std::vector<std::string>> lines(1);
    for (const Column& column : columns) lines[0].push_back(column.header);
    for (const json& row : rows) {
        auto& line = lines.emplace_back();
        for (const Column& column : columns) {
            const json::json_pointer pointer(column.pointer);
            line.push_back(row.contains(pointer) ? format(row.at(pointer), column.format) : "-");
        }
    }
    std::vector<size_t> widths(columns.size());
    for (const auto& line : lines)
        for (size_t i = 0; i < line.size(); i++) widths[i] = std::max(widths[i], width_of(line[i]));

    std::string text;
    for (const auto& line : lines) {
        for (size_t i = 0; i < line.size(); i++) {
            const std::string space(widths[i] - width_of(line[i]), ' ');
            if (i > 0) text += "  ";
            const bool left = columns[i].format == Format::kText;
            text += left ? line[i] + space : space + line[i];
        }
        text.erase(text.find_last_not_of(' ') + 1);
        text += '\n';
    }
    return text;
}

std::vector<Column> columns_of(const json& rows, std::vector<std::string_view> first) {
    std::vector<Column> columns;
    const auto add = [&](std::string_view key, const json& value) {
        const std::string header = upper(key);
        if (std::ranges::find(columns, header, &Column::header) == columns.end())
            columns.push_back(
                {header, pointer_to(key), value.is_number() ? Format::kNumber : Format::kText});
    };
    for (std::string_view key : first)
        for (const json& row : rows)
            if (auto found = row.find(std::string(key)); found != row.end()) add(key, *found);
    for (const json& row : rows)
        for (const auto& [key, value] : row.items())
            if (!value.is_object() && !is_table(value)) add(key, value);
    return columns;
}

std::string indented(const json& object, size_t indent) {
    const std::string margin(indent, ' ');
    size_t width = 0;
    for (const auto& [key, value] : object.items())
        if (!value.is_object() && !is_table(value))
            width = std::max(width, width_of(base::escaped(key)));

    std::string text;
    for (const auto& [raw, value] : object.items()) {
        const std::string key = base::escaped(raw);
        if (value.is_object() && !value.empty()) {
            text += margin + key + "\n" + indented(value, indent + 2);
        } else if (is_table(value)) {
            text += margin + key + "\n";
            std::string rows = table(columns_of(value, {"name", "queue", "worker"}), value);
            for (size_t at = 0; at < rows.size(); at = rows.find('\n', at) + 1)
                rows.insert(at, margin + "  ");
            text += rows;
        } else {
            const std::string space(width > width_of(key) ? width - width_of(key) : 0, ' ');
            text += margin + key + space + "  " + (value.is_object() ? "-" : plain(value)) + "\n";
        }
    }
    return text;
}

}  // namespace sluice::sluicectl
