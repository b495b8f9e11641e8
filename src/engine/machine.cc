#include "engine/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

namespace sluice::engine {
namespace {

std::optional<uint16_t> number(std::string_view text) {
    uint16_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace

std::optional<std::set<uint16_t>> parse_cores(std::string_view text) {
    std::set<uint16_t> cores;
    while (!text.empty()) {
        const std::string_view range = text.substr(0, text.find(','));
        text.remove_prefix(std::min(range.size() + 1, text.size()));
        const size_t dash = range.find('-');
        const auto first = number(range.substr(0, dash));
        const auto last = dash == range.npos ? first : number(range.substr(dash + 1));
        if (!first || !last || *last < *first) return std::nullopt;
        for (unsigned core = *first; core <= *last; ++core) cores.insert(static_cast<uint16_t>(core));
    }
    return cores;
}

std::string Machine::cores_text() const {
    std::string text;
    for (auto first = cores.begin(); first != cores.end();) {
        auto last = first;
        for (auto next = std::next(first); next != cores.end() && *next == *last + 1; ++next) last = next;
        text += fmt::format("{}{}", text.empty() ? "" : ",", *first);
        if (last != first) text += fmt::format("-{}", *last);
        first = std::next(last);
    }
    return text;
}

const Machine& this_machine() {
    static const Machine machine = [] {
        std::string text;
        std::ifstream("/sys/devices/system/cpu/present") >> text;
        return Machine{.cores = parse_cores(text).value_or(std::set<uint16_t>{})};
    }();
    return machine;
}

}  // namespace sluice::engine
