#include "port/derived_mac.h"

#include <fstream>
#include <string>

namespace sluice::port {

MacAddress derived_mac(std::string_view words) {
    uint64_t hash = 0xcbf2'9ce4'8422'2325ULL;  // FNV-1a
    for (const char c : words) {
        hash = (hash ^ static_cast<uint8_t>(c)) * 0x100'0000'01b3ULL;
    }
    MacAddress mac = MacAddress::from_uint64(hash ^ hash >> 48);
    mac.bytes[0] = 0x02;
    return mac;
}

MacAddress host_mac(std::string_view words) {
    static const std::string kHost = [] {
        std::string host;
        std::ifstream("/etc/machine-id") >> host;
        return host;
    }();
    return derived_mac(kHost + std::string(words));
}

}  // namespace sluice::port
