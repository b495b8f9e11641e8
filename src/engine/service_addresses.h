// The addresses and node ports of Kubernetes Services: which Service has which, and which ones a Service gets that
// leaves them open (as the API server chooses them).
//
// The choice begins at a hash of the Service's namespace and name, and goes on to the next one that is free. So a
// Service that is made again gets what it had, as a rule. What was chosen is filled into the object, its JSON too,
// and is kept with it. Control thread; a plain value, which may be copied to try a change.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "engine/config.h"
#include "kube/object.h"
#include "kube/store.h"

namespace sluice::engine {

class ServiceAddresses {
 public:
    // What the configuration gives to others: its own Services, gateways and stations in the domain of Services.
    void reserve(const Config& config);
    // What a Service has. Several may have one address, where it was not asked before.
    void hold(const kube::Key& key, const kube::Service& service);
    void release(const kube::Key& key, const kube::Service& service);

    // Completes the Services among these objects, which are to replace what `find` knows by their keys, and holds
    // what they have then. Errors: another Service has what one asks for, or a range is used up. Then the objects
    // are not to be applied.
    using Find = std::function<kube::SharedStored(const kube::Key&)>;
    base::Errors complete(std::vector<kube::Object>& objects, const service::RangesConfig& ranges,
                          const Find& find);

 private:
    class Completion;

    template <class T>
    static const kube::Key* owner(const std::set<std::pair<T, kube::Key>>& taken, const T& what) {
        const auto at = taken.lower_bound({what, kube::Key{}});
        return at != taken.end() && at->first == what ? &at->second : nullptr;
    }

    std::set<std::pair<IpAddress, kube::Key>> addresses_;  // cluster IPs and load balancer IPs
    std::set<std::pair<uint16_t, kube::Key>> node_ports_;
    std::map<IpAddress, std::string> stations_;  // whose address it is: "port web"
    std::map<IpAddress, std::string> gateways_;
};

// The families that a Service shall have addresses of, in their order. The first range is the host's first family.
std::vector<kube::IpFamily> families_of(const kube::Service& service, const service::RangesConfig& ranges);

}  // namespace sluice::engine
