// What the kernel does about IPv6 on one of its interfaces: net.ipv6.conf.INTERFACE. Control thread, in the
// interface's namespace (InNetns): /proc/sys/net shows each thread the settings of the namespace that the
// thread is in.
#pragma once

#include <string>

#include "base/error.h"

namespace sluice::port {

// Whether the kernel lets router advertisements and redirects (RFC 4861) give the interface addresses and
// routes. A kernel without IPv6, or an interface whose MTU IPv6 can't use, has nothing to set: that is no error.
base::Result<void> refuse_router_advertisements(const std::string& interface);
// Also where the namespace forwards, and the kernel would refuse them.
base::Result<void> accept_router_advertisements(const std::string& interface);
// As the kernel does by itself.
base::Result<void> reset_router_advertisements(const std::string& interface);

// How the kernel makes an interface's link-local address: net.ipv6.conf.INTERFACE.addr_gen_mode, whose values
// these are.
enum class LinkLocal : char {
    kOfMac = '0',   // of its MAC address (RFC 4291, appendix A)
    kNone = '1',    // it makes none, also where IPv6 is off
    kOfSecret = '2',
    kRandom = '3'
};
LinkLocal link_local_of(const std::string& interface);
// Has the kernel make the link-local address again, of an interface that is running and lacks it.
base::Result<void> make_link_local(const std::string& interface, LinkLocal how);

// Why the interface can have no IPv6 address; empty if it can.
std::string why_no_ipv6(const std::string& interface);

}  // namespace sluice::port
