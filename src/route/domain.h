// A routing domain: its table, and the routes in it that follow from the configuration. The control thread writes
// it; workers read the table.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/error.h"
#include "route/table.h"
#include "sluice/address.h"

namespace sluice::route {

// The origin of a route.
enum class Origin { kBuiltIn, kNetwork, kConfigured, kAdded };

struct Domain {
    struct Derived {
        Origin origin = Origin::kNetwork;
        base::Place place;
    };

    std::string name;
    Table table;                   // prefix to HopId
    std::map<IpPrefix, Derived> derived;  // routes from the configuration; all others were added at run time

    size_t size() const noexcept {
        return table.size(Family::kIpv4) + table.size(Family::kIpv6);
    }
};

using Domains = std::map<std::string, std::shared_ptr<Domain>, std::less<>>;

}  // namespace sluice::route
