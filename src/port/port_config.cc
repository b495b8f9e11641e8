#include "port/port_config.h"

#include <algorithm>
#include <cctype>

#include "port/socket_device.h"

namespace sluice::port {

std::string_view kind_name(Kind kind) noexcept {
    switch (kind) {
        case Kind::kNetns: return "netns";
        case Kind::kHost: return "host";
        case Kind::kVhostUser: return "vhost-user";
        case Kind::kDevice: return "device";
        case Kind::kBond: return "bond";
    }
    return "";
}

PortConfig PortConfig::in_force() const {
    PortConfig config = *this;
    config.mtu = frame_mtu();
    if (is_tap()) {
        config.interface = interface_name();
        // Only a refusal is filled in. Otherwise the namespace's own settings stay.
        if (!accepts_ra()) config.accept_ra = false;
    }
    if (!serves) {
        config.serves.emplace();
        for (const auto& [service, word] : names(Service{})) {
            if (may_serve(service)) config.serves->push_back(service);
        }
    }
    for (auto* limit : {&config.rate_limit.ingress, &config.rate_limit.egress}) {
        if (*limit) (*limit)->burst = base::Bytes{(*limit)->burst_size()};
    }
    const FloodLimits limits = flood_limits();
    config.flood_limit = {limits.broadcast, limits.multicast, limits.unknown};
    return config;
}

bool has_waiting_device(const PortConfig& config) noexcept {
    if (!config.bond) return waits_for_peer(config.device);
    return std::any_of(config.bond->members.begin(), config.bond->members.end(), waits_for_peer);
}

bool has_unfit_member(const PortConfig& config) noexcept {
    if (!config.bond) return false;
    return std::any_of(config.bond->members.begin(), config.bond->members.end(),
                       [](const std::string& member) { return member.starts_with("net_af_xdp"); });
}

bool is_interface_name(std::string_view name) noexcept {
    // The kernel's dev_valid_name(): IFNAMSIZ counts the terminating zero.
    return !name.empty() && name.size() < 16 && name != "." && name != ".." &&
           std::none_of(name.begin(), name.end(), [](unsigned char c) {
               return c == '/' || c == ':' || std::isspace(c) != 0 || std::iscntrl(c) != 0;
           });
}

bool is_netns(std::string_view netns) noexcept {
    if (netns.starts_with("pid:")) {
        std::string_view number = netns.substr(4);
        return !number.empty() && number.size() <= 9 && number[0] != '0' &&
               std::all_of(number.begin(), number.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    }
    if (netns.starts_with("/")) return true;
    return netns != "." && netns != ".." && netns.find('/') == std::string_view::npos;
}

bool is_pod_name(std::string_view pod) noexcept {
    const size_t slash = pod.find('/');
    return slash != pod.npos && kube::why_no_dns_label(pod.substr(0, slash)).empty() &&
           kube::why_no_dns_subdomain(pod.substr(slash + 1)).empty();
}

bool is_alias(std::string_view name) noexcept {
    constexpr size_t kMostCharacters = 253;  // RFC 1035, 2.3.4
    constexpr size_t kMostInLabel = 63;
    if (name.empty() || name.size() > kMostCharacters) return false;
    size_t label = 0;
    for (const char c : name) {
        const bool is_character = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
        if (c == '.' ? label == 0 : !is_character || label == kMostInLabel) return false;
        label = c == '.' ? 0 : label + 1;
    }
    return label != 0;
}

}  // namespace sluice::port
