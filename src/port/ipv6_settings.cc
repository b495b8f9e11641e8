#include "port/ipv6_settings.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "base/fd.h"

namespace sluice::port {
namespace {

std::string path_of(const std::string& interface, std::string_view setting) {
    return fmt::format("/proc/sys/net/ipv6/conf/{}/{}", interface, setting);
}

base::Result<void> set(const std::string& interface, std::string_view setting, char value) {
    const std::string path = path_of(interface, setting);
    const base::Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file && errno == ENOENT) return {};
    if (!file || write(file.get(), &value, 1) != 1) {
        return base::fail_errno(fmt::format("cannot set net.ipv6.conf.{}.{}", interface, setting));
    }
    return {};
}

base::Result<void> set_all(const std::string& interface, char accept_ra, char others) {
    auto done = set(interface, "accept_ra", accept_ra);
    for (const std::string_view setting : {"autoconf", "accept_redirects"}) {
        auto next = set(interface, setting, others);
        if (done) done = std::move(next);
    }
    return done;
}

}  // namespace

base::Result<void> refuse_router_advertisements(const std::string& interface) {
    return set_all(interface, '0', '0');
}

base::Result<void> accept_router_advertisements(const std::string& interface) {
    return set_all(interface, '2', '1');
}

base::Result<void> reset_router_advertisements(const std::string& interface) {
    return set_all(interface, '1', '1');
}

LinkLocal link_local_of(const std::string& interface) {
    const base::Fd file(open(path_of(interface, "addr_gen_mode").c_str(), O_RDONLY | O_CLOEXEC));
    char value = 0;
    if (!file || read(file.get(), &value, 1) != 1 || !why_no_ipv6(interface).empty()) return LinkLocal::kNone;
    return value >= '0' && value <= '3' ? static_cast<LinkLocal>(value) : LinkLocal::kNone;
}

// The kernel creates the address when the mode changes.
base::Result<void> make_link_local(const std::string& interface, LinkLocal how) {
    if (how == LinkLocal::kNone) return {};
    auto done = set(interface, "addr_gen_mode", static_cast<char>(LinkLocal::kNone));
    if (done) done = set(interface, "addr_gen_mode", static_cast<char>(how));
    // Don't leave the mode at kNone: the interface would then count as one that wants no address.
    if (!done) (void)set(interface, "addr_gen_mode", static_cast<char>(LinkLocal::kOfMac));
    return done;
}

std::string why_no_ipv6(const std::string& interface) {
    const base::Fd file(open(path_of(interface, "disable_ipv6").c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return "its kernel has no IPv6, or the MTU is below 1280";
    char value = '0';
    if (read(file.get(), &value, 1) != 1 || value == '0') return {};
    return fmt::format("IPv6 is switched off there (net.ipv6.conf.{}.disable_ipv6)", interface);
}

}  // namespace sluice::port
