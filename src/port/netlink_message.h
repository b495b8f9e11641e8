// A message of the kernel and its attributes as bytes: the common part of netlink's readers (netlink_reply.h,
// netlink_objects.h, interface_watch.h). Control thread.
//
// The readers know only that a message is complete. It may be shorter than the header of its type, and an
// attribute may be longer or shorter than its value. The functions here check every length before they read.
// (libmnl's own getters do not, and its end of a message is rounded up, beyond the last received byte.)
#pragma once

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>

namespace sluice::port {

// Whether the message ends within the rest of its piece. libmnl compares as int, in which a length beyond INT_MAX
// is negative.
inline bool is_whole(const nlmsghdr* header, int left) noexcept {
    return mnl_nlmsg_ok(header, left) && header->nlmsg_len <= static_cast<uint32_t>(left);
}

// The header of the message's type, at the start of its payload; null if the message is too short.
template <class T>
const T* header_of(const nlmsghdr* message) noexcept {
    if (message->nlmsg_len < MNL_NLMSG_HDRLEN + sizeof(T)) return nullptr;
    return static_cast<const T*>(mnl_nlmsg_get_payload(message));
}

// Visits attributes from `first` while they end before `end` (libmnl's own loops are for C only).
template <class Visit>
void for_each_attribute(const char* first, const char* end, Visit visit) {
    const auto* at = reinterpret_cast<const nlattr*>(first);
    for (; mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at))); at = mnl_attr_next(at)) {
        visit(at);
    }
}

// The same for attributes that are nested in an attribute.
template <class Visit>
void for_each_nested(const nlattr* attribute, Visit visit) {
    const auto* first = static_cast<const char*>(mnl_attr_get_payload(attribute));
    for_each_attribute(first, first + mnl_attr_get_payload_len(attribute), visit);
}

// The attributes behind the header T, by type. If a type occurs twice, the last one. The pointers are valid as
// long as the message.
template <class T, size_t kCount>
std::array<const nlattr*, kCount> attributes_behind(const T* header, const nlmsghdr* message) {
    std::array<const nlattr*, kCount> table{};
    const auto* first = reinterpret_cast<const char*>(header) + MNL_ALIGN(sizeof(T));
    const auto* end = reinterpret_cast<const char*>(message) + message->nlmsg_len;
    for_each_attribute(first, end, [&](const nlattr* attribute) {
        const uint16_t type = mnl_attr_get_type(attribute);
        if (type < kCount) table[type] = attribute;
    });
    return table;
}

// None if the attribute is missing or too short for the number.
template <class Number>
std::optional<Number> number_of(const nlattr* attribute) noexcept {
    static_assert(std::is_integral_v<Number>);
    if (attribute == nullptr || mnl_attr_get_payload_len(attribute) < sizeof(Number)) return std::nullopt;
    Number number;
    std::memcpy(&number, mnl_attr_get_payload(attribute), sizeof number);
    return number;
}

// The text up to its NUL or to the attribute's end. Empty if the attribute is missing.
inline std::string text_of(const nlattr* attribute) {
    if (attribute == nullptr) return {};
    const auto* text = static_cast<const char*>(mnl_attr_get_payload(attribute));
    return {text, strnlen(text, mnl_attr_get_payload_len(attribute))};
}

}  // namespace sluice::port
