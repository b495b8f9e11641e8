#include "dhcp/domain_name.h"

#include <algorithm>

#include "base/text.h"

namespace sluice::dhcp {
namespace {

constexpr size_t kMostInLabel = 63;
constexpr size_t kMostInName = 253;

bool is_letter_or_digit(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_label(std::string_view label) noexcept {
    if (label.empty() || label.size() > kMostInLabel || label.front() == '-' || label.back() == '-') return false;
    return std::all_of(label.begin(), label.end(),
                       [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_'; });
}

std::string_view take_label(std::string_view& name) noexcept {
    const size_t dot = std::min(name.find('.'), name.size());
    const std::string_view label = name.substr(0, dot);
    name.remove_prefix(std::min(dot + 1, name.size()));
    return label;
}

}  // namespace

bool is_domain_name(std::string_view text) noexcept {
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.empty() || text.size() > kMostInName || text.ends_with('.')) return false;
    while (!text.empty()) {
        if (!is_label(take_label(text))) return false;
    }
    return true;
}

Bytes encode_name(std::string_view name) {
    ByteWriter writer;
    while (!name.empty()) {
        const std::string_view label = take_label(name);
        writer.number(static_cast<uint32_t>(label.size()), 1).add(label);
    }
    return writer.number(0, 1).take();
}

Bytes encode_names(std::span<const std::string> names) {
    ByteWriter writer;
    for (const std::string& name : names) writer.add(encode_name(name));
    return writer.take();
}

std::string host_label(std::string_view text) {
    while (text.ends_with('\0')) text.remove_suffix(1);
    const std::string_view label = take_label(text);
    if (!is_label(label) || label.find('_') != std::string_view::npos) return {};
    return base::lower(label);
}

}  // namespace sluice::dhcp
