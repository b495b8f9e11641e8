#include "base/bit_rate.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <utility>

#include "base/text.h"

namespace sluice::base {
namespace {

constexpr std::array<std::pair<char, uint64_t>, 4> kPowers{
    {{'T', 1'000'000'000'000}, {'G', 1'000'000'000}, {'M', 1'000'000}, {'k', 1000}}};

constexpr uint64_t kMostWhole = 1'000'000'000'000'000;

// 0: no such unit.
uint64_t factor_of(std::string_view unit) {
    if (unit.empty()) return 1;
    for (const auto& [letter, factor] : kPowers) {
        const bool is_it = unit.size() == 1 && (unit[0] == letter || (letter == 'k' && unit[0] == 'K'));
        if (is_it) return factor;
    }
    return 0;
}

}  // namespace

tl::expected<BitRate, std::string> parse_value(std::string_view text, BitRate*) {
    const auto wrong = [&] {
        return tl::unexpected(
            fmt::format("{} is not a rate in bits a second (such as 100M, 2.5G or 800000)", shown(text)));
    };
    uint64_t whole = 0;
    const char* end = text.data() + text.size();
    auto [stop, problem] = std::from_chars(text.data(), end, whole);
    if (problem != std::errc{} || whole > kMostWhole) return wrong();
    // The fraction as a count of its last digit's unit: "2.5" has 5 of 10.
    uint64_t part = 0;
    uint64_t parts = 1;
    if (stop != end && *stop == '.') {
        for (++stop; stop != end && *stop >= '0' && *stop <= '9'; ++stop) {
            if (parts == 1'000'000'000) return wrong();
            part = part * 10 + static_cast<uint64_t>(*stop - '0');
            parts *= 10;
        }
        if (parts == 1) return wrong();
    }
    const uint64_t factor = factor_of({stop, end});
    if (factor == 0 || whole > kMostWhole / factor) return wrong();
    const uint64_t fraction = part * (factor / parts) + part * (factor % parts) / parts;
    if (part != 0 && factor == 1) return wrong();
    return BitRate{whole * factor + fraction};
}

std::string to_text(const BitRate& rate) {
    for (const auto& [letter, factor] : kPowers) {
        if (rate.bits != 0 && rate.bits % factor == 0) return fmt::format("{}{}", rate.bits / factor, letter);
    }
    return fmt::format("{}", rate.bits);
}

}  // namespace sluice::base
