#include "port/claims.h"

#include <fmt/format.h>
#include <rte_build_config.h>

#include <filesystem>

#include "port/af_packet.h"
#include "port/device_option.h"
#include "port/netns.h"
#include "port/pci.h"

namespace sluice::port {
namespace {

std::string normal(const std::string& path) { return std::filesystem::path(path).lexically_normal(); }

// The namespace's file name as its identity. With systemd, /var/run is /run.
std::string identity_of_netns(const std::string& netns) {
    std::string path = normal(netns_path(netns));
    if (path.starts_with("/var/run/")) path.erase(0, 4);
    return path;
}

Claim interface_claim(const std::string& netns, const std::string& interface, std::string key) {
    return {.what = netns.empty() ? fmt::format("interface {} of the host", interface)
                                  : fmt::format("interface {} in {}", interface, netns),
            .identity = fmt::format("interface {} in {}", interface, identity_of_netns(netns)),
            .key = std::move(key)};
}

// The option `iface` is a socket's path for DPDK's vhost driver, and an interface for the others. Several memifs
// with different ids may share a socket.
void add_device(std::vector<Claim>& claims, const std::string& arguments, const std::string& key,
                std::optional<size_t> member) {
    auto add = [&](Claim claim) {
        claim.member = member;
        claims.push_back(std::move(claim));
    };
    const std::string name = device_name(arguments);
    add({.what = name, .identity = "device " + name, .key = key});
    const std::string interface(device_option(arguments, "iface"));
    if (interface.starts_with('/')) {
        add({.what = interface, .identity = "socket " + normal(interface), .key = key});
    } else if (!interface.empty()) {
        add(interface_claim("", interface, key));
    }
    const std::string path(device_option(arguments, "path"));
    if (name.starts_with("net_virtio_user") && path.starts_with('/') && !path.starts_with("/dev/")) {
        add({.what = path, .identity = "socket " + normal(path), .key = key});
    }
    const std::string socket(device_option(arguments, "socket"));
    if (name.starts_with("net_memif") && !socket.empty()) {
        const std::string_view id = device_option(arguments, "id");
        const std::string memif = fmt::format("{} (id {})", normal(socket), id.empty() ? "0" : id);
        add({.what = memif, .identity = "memif " + memif, .key = key});
    }
}

}  // namespace

std::string namespace_of(const PortConfig& config) { return identity_of_netns(config.netns); }

const size_t kMostDevices = RTE_MAX_ETHPORTS;

std::string device_name(const std::string& arguments) {
    return pci::address_of(arguments).value_or(arguments.substr(0, arguments.find(',')));
}

std::vector<Claim> claims(const PortConfig& config) {
    std::vector<Claim> claims;
    switch (config.kind()) {
        case Kind::kDevice: add_device(claims, config.device, "device", {}); break;
        case Kind::kBond:
            for (size_t i = 0; i < config.bond->members.size(); ++i) {
                add_device(claims, config.bond->members[i], "bond", i);
            }
            break;
        case Kind::kVhostUser: {
            const std::string& path = config.vhost_user->path;
            claims.push_back({.what = path, .identity = "socket " + normal(path), .key = "vhost-user"});
            break;
        }
        case Kind::kHost:
        case Kind::kNetns: {
            if (config.netns.empty() && !config.host)
                break;  // no kind is given; validation reports that
            const std::string key = !config.interface.empty() ? "interface" : config.host ? "host" : "netns";
            // It has that name only where it is made.
            const std::string netns = config.handover ? "" : config.netns;
            claims.push_back(interface_claim(netns, config.interface_name(), key));
            break;
        }
    }
    return claims;
}

size_t dpdk_devices(const PortConfig& config) noexcept {
    if (config.bond) return 1 + config.bond->members.size();
    return config.kind() == Kind::kDevice && !AfPacket::takes(config) ? 1 : 0;
}

}  // namespace sluice::port
