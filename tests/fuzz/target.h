// What the fuzz targets have in common. A target is one file that defines run() and seeds(); libFuzzer calls
// run() with one input after the other and keeps those that reach code which no input has reached before.
//
// An input is a fault if run() ends the process: by a sanitizer, by an exception that nothing catches, or by
// must(), which says what has to be true whatever comes in. What an input does depends on its bytes alone, so
// target.cc sets the clock back before each one, and nothing is kept from one run() to the next.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::fuzz {

using Bytes = std::vector<uint8_t>;

// --- what a target defines ---

void run(std::span<const uint8_t> input);
// Inputs to begin with.
std::vector<Bytes> seeds();
// Words of the input's language, which mutations paste into it; may be empty.
std::vector<std::string> words();

// --- what a target uses ---

// Seconds pass.
void pass(uint32_t seconds);

[[noreturn]] void fail(std::string_view what);

template <class... Args>
void must(bool fact, fmt::format_string<Args...> format, Args&&... args) {
    if (!fact) fail(fmt::format(format, std::forward<Args>(args)...));
}

inline Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }
inline std::string_view text_of(std::span<const uint8_t> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// An input that is read from the left. Past its end it holds zeros.
class Input {
 public:
    explicit Input(std::span<const uint8_t> bytes) : bytes_(bytes) {}

    bool at_end() const { return bytes_.empty(); }
    size_t size() const { return bytes_.size(); }
    uint8_t byte() {
        if (bytes_.empty()) return 0;
        const uint8_t value = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return value;
    }
    uint16_t word() {
        const uint16_t high = byte();
        return static_cast<uint16_t>(high << 8 | byte());
    }
    uint32_t below(uint32_t n) { return byte() % n; }  // n up to 256
    bool flag() { return (byte() & 1) != 0; }
    // As many bytes as that, or all that are left.
    std::span<const uint8_t> take(size_t size) {
        const auto taken = bytes_.first(std::min(size, bytes_.size()));
        bytes_ = bytes_.subspan(taken.size());
        return taken;
    }
    std::span<const uint8_t> rest() { return take(bytes_.size()); }
    // Up to the next zero byte, which is skipped, or to the end.
    std::string_view line() {
        const auto zero = std::find(bytes_.begin(), bytes_.end(), uint8_t{0});
        const auto taken = take(static_cast<size_t>(zero - bytes_.begin()));
        if (!bytes_.empty()) byte();
        return text_of(taken);
    }

 private:
    std::span<const uint8_t> bytes_;
};

// The counterpart of Input, for seeds.
class Output {
 public:
    Output& byte(uint32_t value) {
        bytes_.push_back(static_cast<uint8_t>(value));
        return *this;
    }
    Output& word(uint32_t value) { return byte(value >> 8).byte(value); }
    Output& add(std::span<const uint8_t> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return *this;
    }
    Output& line(std::string_view text) {
        bytes_.insert(bytes_.end(), text.begin(), text.end());
        return byte(0);
    }
    operator Bytes() const { return bytes_; }

 private:
    Bytes bytes_;
};

}  // namespace sluice::fuzz
