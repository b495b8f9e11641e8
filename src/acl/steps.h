// Ascending numbers from 0, each the start of an interval that ends before the next; find() returns the interval
// of a number. A tree of cache lines: a line says which line of the level below to read, so twenty thousand
// intervals take three lines (of 16 bits) or four (of 32). Within a line all numbers are compared at once,
// without a branch.
//
// Built once on the control thread, then read by any number of workers.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <vector>

namespace sluice::acl {

template <class Key>
class Steps {
 public:
    static constexpr uint32_t kFan = 64 / sizeof(Key);

    Steps() = default;
    // `begins` ascends strictly from 0.
    explicit Steps(const std::vector<Key>& begins) {
        std::vector<Key> level = begins;
        for (;;) {
            levels_[depth_++] = {static_cast<uint32_t>(lines_.size()),
                                 static_cast<uint32_t>(level.size() - 1)};
            std::vector<Key> above;
            for (size_t i = 0; i < level.size(); i += kFan) {
                Line& line = lines_.emplace_back();
                line.fill(std::numeric_limits<Key>::max());
                std::copy_n(&level[i], std::min<size_t>(kFan, level.size() - i), line.begin());
                above.push_back(level[i]);
            }
            if (above.size() == 1) return;
            level = std::move(above);
        }
    }

    // The index of the interval.
    [[gnu::always_inline]] uint32_t find(Key key) const noexcept {
        uint32_t index = 0;
        for (uint32_t level = depth_; level-- > 0;) {
            const Line& line = lines_[levels_[level].first + index];
            Key count = 0;
            for (const Key begin : line) count = static_cast<Key>(count + (begin <= key));
            // Lines are filled up with the highest number, so the result may lie behind the last interval.
            index = std::min(index * kFan + static_cast<uint32_t>(count) - 1, levels_[level].last);
        }
        return index;
    }

 private:
    struct alignas(64) Line : std::array<Key, kFan> {};
    struct Level {
        uint32_t first = 0;  // line
        uint32_t last = 0;   // index
    };

    std::vector<Line> lines_;
    std::array<Level, 8> levels_{};  // the lowest first
    uint32_t depth_ = 0;
};

}  // namespace sluice::acl
