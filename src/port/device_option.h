// DPDK device arguments, such as "net_memif0,role=server,id=7". Any thread.
#pragma once

#include <string_view>

namespace sluice::port {

// The value of a driver's option; empty if it is not given.
constexpr std::string_view device_option(std::string_view arguments, std::string_view key) noexcept {
    size_t at = arguments.find(',');
    while (at != arguments.npos) {
        const size_t begin = at + 1;
        at = arguments.find(',', begin);
        const std::string_view word =
            arguments.substr(begin, at == arguments.npos ? at : at - begin);
        if (word.size() > key.size() && word.starts_with(key) && word[key.size()] == '=') {
            return word.substr(key.size() + 1);
        }
    }
    return {};
}

static_assert(device_option("net_x0,iface=eth0,queues=2", "iface") == "eth0");
static_assert(device_option("net_x0,iface=eth0,queues=2", "queues") == "2");
static_assert(device_option("net_x0,xiface=eth0", "iface").empty());
static_assert(device_option("iface=eth0", "iface").empty());

}  // namespace sluice::port
