#include "kube/object.h"

#include <algorithm>

namespace sluice::kube {

bool IpBlock::contains(const IpAddress& address) const {
    return cidr.contains(address) && std::none_of(except.begin(), except.end(), [&](const IpPrefix& prefix) {
               return prefix.contains(address);
           });
}

}  // namespace sluice::kube
