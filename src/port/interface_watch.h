// What the kernel tells by itself of one of its interfaces: that it was set down or given another MTU, that an
// address or a route of it came or went. Control thread.
//
// The socket belongs to the namespace in which it was opened and pins it, as an open TAP does: close it when the
// port is closed. Nobody is woken: read() is asked a few times a second, and takes a bounded share of what has
// come; the rest comes with the next one.
#pragma once

#include <memory>
#include <vector>

#include "base/error.h"
#include "sluice/address.h"

struct mnl_socket;
struct nlmsghdr;

namespace sluice::port {

// Whether a notification is about the interface, its addresses, or one of these destinations by it.
bool is_about(const nlmsghdr* header, int index, const std::vector<IpPrefix>& destinations) noexcept;

class InterfaceWatch {
 public:
    // Closed.
    InterfaceWatch() = default;
    // In the interface's namespace. Routes to other destinations are none of our business, of which a host may
    // have a million.
    static base::Result<InterfaceWatch> open(int index, std::vector<IpPrefix> destinations);

    // Whether something was told since the last call; also where the kernel had more to tell than it could keep.
    bool read();

 private:
    struct Close {
        void operator()(mnl_socket* socket) const noexcept;
    };
    std::unique_ptr<mnl_socket, Close> socket_;
    int index_ = 0;
    std::vector<IpPrefix> destinations_;
    int rest_ = 0;  // calls of read() until what was lost may make another look worthwhile
    bool lost_ = false;
};

}  // namespace sluice::port
