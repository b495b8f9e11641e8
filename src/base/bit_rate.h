// A rate in bits a second, as users write it: "100M", "2.5G", "64k" or "800000". The letters are powers of 1000,
// as in tc(8), iperf3 and Kubernetes' bandwidth annotations. Any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace sluice::base {

struct BitRate {
    uint64_t bits = 0;  // a second

    auto operator<=>(const BitRate&) const = default;
};
tl::expected<BitRate, std::string> parse_value(std::string_view text, BitRate*);
std::string to_text(const BitRate& rate);
constexpr std::string_view type_name(const BitRate*) {
    return "rate in bits a second (such as 100M)";
}

}  // namespace sluice::base
