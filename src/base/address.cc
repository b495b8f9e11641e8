#include "sluice/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.h"

namespace sluice {
namespace {

using base::shown;

constexpr std::array<std::uint8_t, 12> kV4Start = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct AddressAndLength {
    IpAddress address;
    std::uint8_t length = 0;
};

// "address/length", the length in plain decimal and no longer than the address.
tl::expected<AddressAndLength, std::string> parse_with_length(std::string_view text) {
    const auto slash = text.find('/');
    const auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return tl::unexpected(address.error());
    const std::string_view digits = text.substr(slash + 1);
    unsigned length = 0;
    const auto end = digits.data() + digits.size();
    const auto [stop, problem] = std::from_chars(digits.data(), end, length);
    const bool leading_zero = digits.size() > 1 && digits[0] == '0';
    if (problem != std::errc{} || stop != end || leading_zero ||
        length > static_cast<unsigned>(address->bits())) {
        return tl::unexpected(
            fmt::format("{} has no valid prefix length (0 to {})", shown(text), address->bits()));
    }
    return AddressAndLength{*address, static_cast<std::uint8_t>(length)};
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<MacAddress> parse_mac(std::string_view text) {
    if (text.size() != 17) return std::nullopt;
    MacAddress mac;
    for (std::size_t i = 0; i < mac.bytes.size(); ++i) {
        const int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        if (i > 0 && text[3 * i - 1] != ':') return std::nullopt;
        mac.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return mac;
}

}  // namespace

tl::expected<MacAddress, std::string> MacAddress::parse(std::string_view text) {
    if (const auto mac = parse_mac(text)) return *mac;
    return tl::unexpected(
        fmt::format("{} is not a MAC address (such as 02:00:00:00:00:01)", shown(text)));
}

MacAddress MacAddress::from_uint64(std::uint64_t value) {
    MacAddress mac;
    for (std::size_t i = 0; i < 6; ++i) {
        mac.bytes[i] = static_cast<std::uint8_t>(value >> (40 - 8 * i));
    }
    return mac;
}

std::string MacAddress::text() const {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2],
                       bytes[3], bytes[4], bytes[5]);
}

std::uint64_t MacAddress::as_uint64() const {
    std::uint64_t value = 0;
    for (const std::uint8_t byte : bytes) value = value << 8 | byte;
    return value;
}

tl::expected<IpAddress, std::string> IpAddress::parse(std::string_view text) {
    // inet_pton() would stop at a NUL and call the rest of the text an address.
    const std::string terminated(text.substr(0, text.find('\0')));
    IpAddress address;
    if (terminated.size() == text.size()) {
        in_addr v4;
        if (::inet_pton(AF_INET, terminated.c_str(), &v4) == 1) return from_v4(ntohl(v4.s_addr));
        if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) {
            if (!address.is_v4()) return address;
            return tl::unexpected(fmt::format("{} is an IPv4 address in IPv6 form; write {}",
                                              shown(text), address.text()));
        }
    }
    if (text.find('/') != text.npos) {
        return tl::unexpected(
            fmt::format("{} is not an IP address: no prefix length belongs here", shown(text)));
    }
    return tl::unexpected(fmt::format("{} is not an IP address", shown(text)));
}

IpAddress IpAddress::from_v4(std::uint32_t host_order) {
    IpAddress address;
    std::copy(kV4Start.begin(), kV4Start.end(), address.bytes.begin());
    for (std::size_t i = 0; i < 4; ++i) {
        address.bytes[12 + i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
    }
    return address;
}

std::string IpAddress::text() const {
    char buffer[INET6_ADDRSTRLEN];
    if (is_v4()) return ::inet_ntop(AF_INET, bytes.data() + 12, buffer, sizeof buffer);
    return ::inet_ntop(AF_INET6, bytes.data(), buffer, sizeof buffer);
}

bool IpAddress::is_v4() const {
    return std::equal(kV4Start.begin(), kV4Start.end(), bytes.begin());
}

std::uint32_t IpAddress::v4() const {
    std::uint32_t value = 0;
    for (std::size_t i = 12; i < 16; ++i) value = value << 8 | bytes[i];
    return value;
}

bool IpAddress::is_multicast() const {
    return is_v4() ? bytes[12] >> 4 == 0xe : bytes[0] == 0xff;
}

bool IpAddress::is_unspecified() const {
    return is_v4() ? v4() == 0 : *this == IpAddress{};
}

tl::expected<IpPrefix, std::string> IpPrefix::parse(std::string_view text) {
    if (text.find('/') == text.npos) {
        const auto address = IpAddress::parse(text);
        if (!address) {
            return tl::unexpected(
                fmt::format("{} is not an IP prefix (such as 10.0.0.0/24)", shown(text)));
        }
        return tl::unexpected(
            fmt::format("{} has no prefix length; {} is the address alone", shown(text),
                        around(*address, static_cast<std::uint8_t>(address->bits())).text()));
    }
    const auto parts = parse_with_length(text);
    if (!parts) return tl::unexpected(parts.error());
    const IpPrefix prefix = around(parts->address, parts->length);
    if (prefix.address != parts->address) {
        return tl::unexpected(fmt::format("{} has bits set beyond its length; did you mean {}?",
                                          shown(text), prefix.text()));
    }
    return prefix;
}

IpPrefix IpPrefix::around(const IpAddress& address, std::uint8_t length) {
    IpPrefix prefix{address, length};
    const int start = 128 - address.bits();
    for (int i = 0; i < 16; ++i) {
        const int kept = std::clamp(start + length - 8 * i, 0, 8);
        prefix.address.bytes[static_cast<std::size_t>(i)] &=
            static_cast<std::uint8_t>(0xff00 >> kept);
    }
    return prefix;
}

std::string IpPrefix::text() const {
    return fmt::format("{}/{}", address.text(), length);
}

bool IpPrefix::contains(const IpAddress& other) const {
    return other.is_v4() == address.is_v4() && around(other, length).address == address;
}

tl::expected<InterfaceAddress, std::string> InterfaceAddress::parse(std::string_view text) {
    if (text.find('/') == text.npos) {
        return IpAddress::parse(text).map([](const IpAddress& alone) {
            return InterfaceAddress{alone, kNoLength};
        });
    }
    return parse_with_length(text).map([](const AddressAndLength& parts) {
        return InterfaceAddress{parts.address, parts.length};
    });
}

std::string InterfaceAddress::text() const {
    return has_length() ? fmt::format("{}/{}", address.text(), length) : address.text();
}

IpPrefix InterfaceAddress::prefix() const {
    return IpPrefix::around(address,
                            has_length() ? length : static_cast<std::uint8_t>(address.bits()));
}

}  // namespace sluice
