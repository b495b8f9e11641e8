// The ACLs at a port, and at each port of a network. Direction as in Kubernetes: `egress` is traffic from a
// port's guest, `ingress` is traffic to it. All lists on a packet's way must permit it.
#pragma once

#include <memory>
#include <vector>

#include "acl/acl.h"

namespace sluice::acl {

using SharedList = std::shared_ptr<const List>;

struct Policies {
    std::vector<SharedList> egress;   // in the order of the configuration
    std::vector<SharedList> ingress;

    bool empty() const noexcept { return egress.empty() && ingress.empty(); }
};

}  // namespace sluice::acl
