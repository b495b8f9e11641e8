// Addresses as operators write them: MAC addresses, IP addresses of both families, prefixes, and an interface's
// address. The switch and its clients share them; the packet path has big-endian header types of its own. A
// parser accepts one form only, and its error is a sentence for the operator. text() gives the canonical form
// (RFC 5952). Trivially copyable, without padding, so they can be hash keys. Any thread.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>

namespace sluice {

struct MacAddress {
    std::array<std::uint8_t, 6> bytes{};

    // "02:00:00:00:00:01", and no other form.
    static tl::expected<MacAddress, std::string> parse(std::string_view text);
    // 0x020000000001 is 02:00:00:00:00:01; the upper 16 bits are ignored.
    static MacAddress from_uint64(std::uint64_t value);

    std::string text() const;
    std::uint64_t as_uint64() const;
    bool is_multicast() const { return bytes[0] & 1; }  // broadcast too
    bool is_zero() const { return *this == MacAddress{}; }

    auto operator<=>(const MacAddress&) const = default;
};

// An IPv4 address is kept as ::ffff:a.b.c.d, so that both families compare, hash and sort in the same way. The
// parser refuses that form: the address would have two spellings.
struct IpAddress {
    std::array<std::uint8_t, 16> bytes{};

    static tl::expected<IpAddress, std::string> parse(std::string_view text);
    static IpAddress from_v4(std::uint32_t host_order);

    std::string text() const;
    bool is_v4() const;
    std::uint32_t v4() const;  // in host order; only if is_v4()
    bool is_multicast() const;
    bool is_unspecified() const;  // 0.0.0.0 or ::
    int bits() const { return is_v4() ? 32 : 128; }

    auto operator<=>(const IpAddress&) const = default;
};

struct IpPrefix {
    IpAddress address;        // the bits beyond the length are 0
    std::uint8_t length = 0;  // 0 to address.bits()

    // "10.0.0.0/24"; "10.0.0.1/24" is an error that names the prefix.
    static tl::expected<IpPrefix, std::string> parse(std::string_view text);
    // The prefix of this length around an address.
    static IpPrefix around(const IpAddress& address, std::uint8_t length);

    std::string text() const;
    bool contains(const IpAddress& other) const;  // false for the other family

    auto operator<=>(const IpPrefix&) const = default;
};

// An address, optionally with the length of its on-link prefix: "10.0.0.2/24" or "10.0.0.2".
struct InterfaceAddress {
    static constexpr std::uint8_t kNoLength = 255;

    IpAddress address;
    std::uint8_t length = kNoLength;

    static tl::expected<InterfaceAddress, std::string> parse(std::string_view text);

    std::string text() const;
    bool has_length() const { return length != kNoLength; }
    // Without a length, the address alone (/32 or /128).
    IpPrefix prefix() const;

    auto operator<=>(const InterfaceAddress&) const = default;
};

static_assert(sizeof(MacAddress) == 6 && std::is_trivially_copyable_v<MacAddress>);
static_assert(sizeof(IpAddress) == 16 && std::is_trivially_copyable_v<IpAddress>);
static_assert(sizeof(IpPrefix) == 17 && std::is_trivially_copyable_v<IpPrefix>);
static_assert(sizeof(InterfaceAddress) == 17 && std::is_trivially_copyable_v<InterfaceAddress>);

// Functions by which configuration readers and writers (base/fields.h) handle these types.
inline auto parse_value(std::string_view text, MacAddress*) {
    return MacAddress::parse(text);
}
inline auto parse_value(std::string_view text, IpAddress*) {
    return IpAddress::parse(text);
}
inline auto parse_value(std::string_view text, IpPrefix*) {
    return IpPrefix::parse(text);
}
inline auto parse_value(std::string_view text, InterfaceAddress*) {
    return InterfaceAddress::parse(text);
}
inline std::string to_text(const MacAddress& address) {
    return address.text();
}
inline std::string to_text(const IpAddress& address) {
    return address.text();
}
inline std::string to_text(const IpPrefix& prefix) {
    return prefix.text();
}
inline std::string to_text(const InterfaceAddress& address) {
    return address.text();
}
constexpr std::string_view type_name(const MacAddress*) {
    return "MAC address";
}
constexpr std::string_view type_name(const IpAddress*) {
    return "IP address";
}
constexpr std::string_view type_name(const IpPrefix*) {
    return "IP prefix";
}
constexpr std::string_view type_name(const InterfaceAddress*) {
    return "IP address";
}

}  // namespace sluice

template <>
struct std::hash<sluice::MacAddress> {
    std::size_t operator()(const sluice::MacAddress& address) const {
        return std::hash<std::uint64_t>{}(address.as_uint64() * 0x9e3779b97f4a7c15U);
    }
};

template <>
struct std::hash<sluice::IpAddress> {
    std::size_t operator()(const sluice::IpAddress& address) const {
        return std::hash<std::string_view>{}(
            {reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size()});
    }
};
