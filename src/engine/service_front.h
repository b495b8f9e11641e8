// A front end with what people know it by. Control thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "service/frontend.h"

namespace sluice::engine {

struct ServiceFront {
    std::string name;       // of the Service; of a published port its address and port
    std::string_view kind;  // "service", "publish"; of a Kubernetes Service "cluster-ip", "node-port", ...
    base::Place place;
    service::SharedFrontend frontend;
};

struct ServiceFrontChanges {
    std::vector<service::FrontendKey> removed;
    std::vector<ServiceFront> added;  // replaces what has the same key

    bool empty() const { return removed.empty() && added.empty(); }
};

// Whether workers would do the same with both.
bool is_same(const service::Frontend& a, const service::Frontend& b);

}  // namespace sluice::engine
