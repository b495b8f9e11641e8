// The kernel's IPv6 settings of one of its interfaces: net.ipv6.conf.INTERFACE. Control thread, in the
// interface's namespace (InNetns): /proc/sys/net shows each thread the settings of the thread's own namespace.
#pragma once

#include <string>

#include "base/error.h"

namespace sluice::port {

// Whether the kernel accepts addresses and routes from router advertisements and redirects (RFC 4861). Without
// IPv6 in the kernel, or with an MTU too small for IPv6, there is nothing to set, which is no error.
base::Result<void> refuse_router_advertisements(const std::string& interface);
// Also in a namespace that forwards, where the kernel would refuse them by default.
base::Result<void> accept_router_advertisements(const std::string& interface);
// Back to the kernel's default.
base::Result<void> reset_router_advertisements(const std::string& interface);

// How the kernel makes an interface's link-local address: the values of net.ipv6.conf.INTERFACE.addr_gen_mode.
enum class LinkLocal : char {
    kOfMac = '0',   // from its MAC address (RFC 4291, appendix A)
    kNone = '1',    // makes none; also used if IPv6 is off
    kOfSecret = '2',
    kRandom = '3'
};
LinkLocal link_local_of(const std::string& interface);
// Makes the kernel create the link-local address again, for a running interface that lacks it.
base::Result<void> make_link_local(const std::string& interface, LinkLocal how);

// The reason why the interface can have no IPv6 address; empty if it can.
std::string why_no_ipv6(const std::string& interface);

}  // namespace sluice::port
