#include "sluicectl/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <sstream>

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

// The headers, then the rows.
using Cells = std::vector<std::vector<std::string>>;

struct Layout {
    std::vector<size_t> shown;   // columns
    std::vector<size_t> widths;  // of all columns
    std::string left_out;        // headers

    size_t width() const {
        size_t sum = shown.empty() ? 0 : 2 * (shown.size() - 1);
        for (const size_t i : shown) sum += widths[i];
        return sum;
    }
};

// Leaves out columns until the table fits: first those without any value, then those of the highest rank.
void leave_out(std::span<const Column> columns, const Cells& cells, size_t width, Layout& layout) {
    const auto weight = [&](size_t i) {
        if (columns[i].rank == 0) return 0;
        const bool says_nothing = std::all_of(cells.begin() + 1, cells.end(), [&](const auto& line) {
            return line[i] == "-";
        });
        return columns[i].rank + (says_nothing ? 1000 : 0);
    };
    while (layout.width() > width) {
        // Of columns with the same rank the last one.
        const auto last = std::max_element(layout.shown.begin(), layout.shown.end(), [&](size_t a, size_t b) {
            return std::pair(weight(a), a) < std::pair(weight(b), b);
        });
        if (last == layout.shown.end() || weight(*last) == 0) return;
        layout.left_out += (layout.left_out.empty() ? "" : ", ") + columns[*last].header;
        layout.shown.erase(last);
    }
}

// The least width of a column if words stay whole, or if paths may be broken too.
enum class Breaking { kWords, kPaths };
size_t least_width(size_t column, const Cells& cells, Breaking breaking) {
    size_t longest = 0;
    for (const auto& line : cells) {
        for (const std::string& word : wrap(line[column], 1)) {
            const bool is_path = word.starts_with("/") || word.starts_with("(/");
            if (breaking == Breaking::kWords || !is_path) {
                longest = std::max(longest, width_of(word));
                continue;
            }
            std::istringstream pieces(word);
            for (std::string piece; std::getline(pieces, piece, '/');)
                longest = std::max(longest, width_of(piece) + 1);
        }
    }
    return longest;
}

// Makes the widest texts narrower until the table fits, as far as their words allow. Then breaks paths at their
// slashes, and at last the words of the last text, which is a reason. Names and addresses stay whole.
void narrow(std::span<const Column> columns, const Cells& cells, size_t width, Layout& layout) {
    std::vector<size_t> texts;
    for (const size_t i : layout.shown) {
        if (columns[i].format == Format::kText) texts.push_back(i);
    }
    if (texts.empty()) return;
    const size_t last = texts.back();
    std::ranges::stable_sort(texts, [&](size_t a, size_t b) { return layout.widths[a] > layout.widths[b]; });
    const auto shorten = [&](size_t i, size_t least) {
        const size_t all = layout.width();
        if (all <= width) return;
        const size_t spare = layout.widths[i] - std::min(layout.widths[i], least);
        layout.widths[i] -= std::min(spare, all - width);
    };
    for (const auto breaking : {Breaking::kWords, Breaking::kPaths}) {
        for (const size_t i : texts) shorten(i, least_width(i, cells, breaking));
    }
    constexpr size_t kLeastOfLast = 12;
    shorten(last, kLeastOfLast);
}

// Formats one row on as many lines as its longest text needs.
std::string line_text(std::span<const Column> columns, const std::vector<std::string>& cells,
                      const Layout& layout) {
    std::vector<std::vector<std::string>> broken;
    size_t height = 0;
    for (const size_t i : layout.shown) {
        const bool fits = width_of(cells[i]) <= layout.widths[i];
        broken.push_back(fits ? std::vector{cells[i]} : fold(cells[i], layout.widths[i]));
        height = std::max(height, broken.back().size());
    }
    std::string text;
    for (size_t row = 0; row < height; row++) {
        std::string line;
        for (size_t at = 0; at < layout.shown.size(); at++) {
            const size_t i = layout.shown[at];
            const std::string cell = row < broken[at].size() ? broken[at][row] : "";
            const std::string space(layout.widths[i] - std::min(layout.widths[i], width_of(cell)), ' ');
            if (at > 0) line += "  ";
            line += columns[i].format == Format::kText ? cell + space : space + cell;
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text;
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

bool has(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && !found->is_null();
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
    return fmt::format("{:04}-{:02}-{:02} {} {}{:02}:{:02}", time.local.tm_year + 1900,
                       time.local.tm_mon + 1, time.local.tm_mday, time_of_day(seconds),
                       time.local.tm_gmtoff < 0 ? '-' : '+', offset / 60, offset % 60);
}

std::string table(std::span<const Column> columns, const json& rows, size_t width) {
    Cells cells(1);
    for (const Column& column : columns) cells[0].push_back(column.header);
    for (const json& row : rows) {
        auto& line = cells.emplace_back();
        for (const Column& column : columns) {
            const json::json_pointer pointer(column.pointer);
            line.push_back(row.contains(pointer) ? format(row.at(pointer), column.format) : "-");
        }
    }
    Layout layout{.shown = {}, .widths = std::vector<size_t>(columns.size()), .left_out = ""};
    for (size_t i = 0; i < columns.size(); i++) {
        layout.shown.push_back(i);
        for (const auto& line : cells) layout.widths[i] = std::max(layout.widths[i], width_of(line[i]));
    }
    if (width != 0) {
        leave_out(columns, cells, width, layout);
        narrow(columns, cells, width, layout);
    }
    std::string text;
    for (const auto& line : cells) text += line_text(columns, line, layout);
    if (!layout.left_out.empty())
        text += hang(fmt::format("({} in a wider terminal)", layout.left_out), 1, width) + "\n";
    return text;
}

std::vector<Column> columns_of(const json& rows, const std::vector<std::string_view>& first) {
    std::vector<Column> columns;
    const auto add = [&](std::string_view key, const json& value) {
        const std::string header = upper(key);
        if (std::ranges::find(columns, header, &Column::header) == columns.end())
            // Later columns are left out first.
            columns.push_back({header, pointer_to(key), value.is_number() ? Format::kNumber : Format::kText,
                               columns.size() < 2 ? 0 : static_cast<int>(columns.size())});
    };
    for (std::string_view key : first)
        for (const json& row : rows)
            if (auto found = row.find(std::string(key)); found != row.end()) add(key, *found);
    for (const json& row : rows)
        for (const auto& [key, value] : row.items())
            if (!value.is_object() && !is_table(value)) add(key, value);
    return columns;
}

std::string indented(const json& object, size_t screen, size_t indent) {
    const std::string margin(indent, ' ');
    size_t width = 0;
    for (const auto& [key, value] : object.items())
        if (!value.is_object() && !is_table(value))
            width = std::max(width, width_of(base::escaped(key)));

    std::string text;
    for (const auto& [raw, value] : object.items()) {
        const std::string key = base::escaped(raw);
        if (value.is_object() && !value.empty()) {
            text += margin + key + "\n" + indented(value, screen, indent + 2);
        } else if (is_table(value)) {
            text += margin + key + "\n";
            std::string rows = table(columns_of(value, {"name", "queue", "worker"}), value,
                                     screen == 0 ? 0 : screen - std::min(screen, indent + 2));
            for (size_t at = 0; at < rows.size(); at = rows.find('\n', at) + 1)
                rows.insert(at, margin + "  ");
            text += rows;
        } else {
            const std::string space(width > width_of(key) ? width - width_of(key) : 0, ' ');
            const std::string said = value.is_object() ? "-" : plain(value);
            const size_t at = indent + std::max(width, width_of(key)) + 2;
            text += margin + key + space + "  " + (screen == 0 ? said : hang(said, at, screen)) + "\n";
        }
    }
    return text;
}

std::string rows_or(const json& rows, std::initializer_list<Column> columns, const char* none, size_t width) {
    if (rows.empty()) return std::string(none) + "\n";
    return table({columns.begin(), columns.size()}, rows, width);
}

}  // namespace sluice::sluicectl
