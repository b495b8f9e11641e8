#include "sluicectl/wrap.h"

#include <algorithm>

namespace sluice::sluicectl {

size_t width_of(std::string_view text) {
    return static_cast<size_t>(
        std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

std::vector<std::string> wrap(std::string_view text, size_t width) {
    std::vector<std::string> lines(1);
    while (!text.empty()) {
        const size_t space = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, space);
        text.remove_prefix(std::min(space + 1, text.size()));
        std::string& line = lines.back();
        if (line.empty()) {
            line = word;
        } else if (width_of(line) + 1 + width_of(word) <= width) {
            line.append(" ").append(word);
        } else {
            lines.emplace_back(word);
        }
    }
    return lines;
}

std::vector<std::string> fold(std::string_view text, size_t width) {
    std::vector<std::string> lines;
    for (const std::string& line : wrap(text, width)) {
        std::string_view left = line;
        do {
            size_t size = 0;
            for (size_t characters = 0;
                 size < left.size() && characters < std::max<size_t>(width, 1); ++characters) {
                do {
                    ++size;
                } while (size < left.size() && (left[size] & 0xc0) == 0x80);
            }
            if (size < left.size()) {
                const size_t slash = left.substr(0, size).find_last_of('/');
                if (slash != left.npos && slash > 1) size = slash + 1;
            }
            lines.emplace_back(left.substr(0, size));
            left.remove_prefix(size);
        } while (!left.empty());
    }
    return lines;
}

std::string hang(std::string_view text, size_t margin, size_t width) {
    std::string all;
    for (const std::string& line : wrap(text, width > margin ? width - margin : 1)) {
        if (!all.empty()) all += "\n" + std::string(margin, ' ');
        all += line;
    }
    return all;
}

}  // namespace sluice::sluicectl
