#include "dns/name.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <vector>

namespace sluice::dns {
namespace {

// The name of the last `count` bytes or half-bytes of an address, beginning with the last one.
std::string reverse_text(const IpAddress& address, size_t skipped) {
    std::string text;
    if (address.is_v4()) {
        for (size_t i = 4 - skipped; i-- > 0;) text += fmt::format("{}.", address.bytes[12 + i]);
        return text + "in-addr.arpa";
    }
    for (size_t i = 32 - skipped; i-- > 0;) {
        const uint8_t byte = address.bytes[i / 2];
        text += fmt::format("{:x}.", i % 2 == 0 ? byte >> 4 : byte & 0xf);
    }
    return text + "ip6.arpa";
}

// The labels before the suffix of so many labels, the last one first.
std::vector<std::string_view> labels_reversed(std::string_view name) {
    std::vector<std::string_view> labels;
    while (name.size() > 1) {
        labels.push_back(name.substr(1, static_cast<uint8_t>(name[0])));
        name = parent_of(name);
    }
    return {labels.rbegin(), labels.rend()};
}

std::optional<uint8_t> octet(std::string_view text, int base, unsigned most) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    const bool is_canonical = text.size() == 1 || (!text.empty() && text[0] != '0');
    if (error != std::errc{} || end != text.data() + text.size() || value > most || !is_canonical)
        return std::nullopt;
    return static_cast<uint8_t>(value);
}

}  // namespace

std::string wire_name(std::string_view text) {
    if (text == ".") return std::string(kRoot);
    if (text.ends_with('.')) text.remove_suffix(1);
    std::string name;
    while (true) {
        const size_t dot = text.find('.');
        const std::string_view label = text.substr(0, dot);
        if (label.empty() || label.size() > kMostLabelBytes) return "";
        name += static_cast<char>(label.size());
        for (const char c : label) name += lower(c);
        if (dot == text.npos) break;
        text.remove_prefix(dot + 1);
    }
    name += '\0';
    return name.size() <= kMostNameBytes ? name : "";
}

std::string text_of(std::string_view name) {
    if (name.size() <= 1) return ".";
    std::string text;
    for (; name.size() > 1; name = parent_of(name)) {
        if (!text.empty()) text += '.';
        for (const char c : name.substr(1, static_cast<uint8_t>(name[0]))) {
            if (c == '.' || c == '\\') {
                text += {'\\', c};
            } else if (c <= ' ' || c > '~') {
                text += fmt::format("\\{:03}", static_cast<uint8_t>(c));
            } else {
                text += c;
            }
        }
    }
    return text;
}

bool is_in(std::string_view name, std::string_view zone) noexcept {
    while (name.size() > zone.size()) name = parent_of(name);
    return name == zone;
}

std::string_view parent_of(std::string_view name) noexcept {
    if (name.size() <= 1) return name;
    return name.substr(1 + static_cast<uint8_t>(name[0]));
}

size_t label_count(std::string_view name) noexcept {
    size_t count = 0;
    for (; name.size() > 1; name = parent_of(name)) ++count;
    return count;
}

std::string reverse_name(const IpAddress& address) {
    return wire_name(reverse_text(address, 0));
}

std::string reverse_zone(const IpAddress& address) {
    return wire_name(reverse_text(address, address.is_v4() ? 1 : 16));
}

std::optional<IpAddress> reversed(std::string_view name) {
    const auto labels = labels_reversed(name);
    if (labels.size() < 2 || labels[0] != "arpa") return std::nullopt;
    if (labels[1] == "in-addr" && labels.size() == 6) {
        uint32_t address = 0;
        for (size_t i = 2; i < 6; ++i) {
            const auto byte = octet(labels[i], 10, 255);
            if (!byte) return std::nullopt;
            address = address << 8 | *byte;
        }
        return IpAddress::from_v4(address);
    }
    if (labels[1] != "ip6" || labels.size() != 34) return std::nullopt;
    IpAddress address;
    for (size_t i = 0; i < 32; ++i) {
        const auto half = octet(labels[2 + i], 16, 15);
        if (!half) return std::nullopt;
        address.bytes[i / 2] = static_cast<uint8_t>(address.bytes[i / 2] | (i % 2 == 0 ? *half << 4 : *half));
    }
    return address;
}

}  // namespace sluice::dns
