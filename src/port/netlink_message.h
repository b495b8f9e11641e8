// A message of the kernel's and its attributes, as bytes: what netlink's readers have in common (netlink_reply.h,
// netlink_objects.h, interface_watch.h). Control thread.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace sluice::port {

// Whether the message ends within what is left of its piece. libmnl compares as int, for which a length beyond
// INT_MAX is less than any.
inline bool is_whole(const nlmsghdr* header, int left) noexcept {
    return mnl_nlmsg_ok(header, left) && header->nlmsg_len <= static_cast<uint32_t>(left);
}

// Visits attributes from `first` while they end before `end` (libmnl's own loops are C only).
template <class Visit>
void for_each_attribute(const nlattr* first, const char* end, Visit visit) {
    for (const nlattr* at = first;
         mnl_attr_ok(at, static_cast<int>(end - reinterpret_cast<const char*>(at)));
         at = mnl_attr_next(at)) {
        visit(at);
    }
}

// The attributes of a message by type. Pointers into the message, valid as long as that is.
template <size_t kCount>
std::array<const nlattr*, kCount> attributes(const nlmsghdr* header, size_t offset) {
    std::array<const nlattr*, kCount> table{};
    const auto* first =
        static_cast<const nlattr*>(mnl_nlmsg_get_payload_offset(header, offset));
    const auto* end = static_cast<const char*>(mnl_nlmsg_get_payload_tail(header));
    for_each_attribute(first, end, [&](const nlattr* attribute) {
        const uint16_t type = mnl_attr_get_type(attribute);
        if (type < kCount) table[type] = attribute;
    });
    return table;
}

inline std::string text_of(const nlattr* attribute) {
    return attribute == nullptr ? "" : mnl_attr_get_str(attribute);
}

}  // namespace sluice::port
