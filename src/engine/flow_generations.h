// The generation under which the flows of each flow domain must have been decided. A change outdates the flows of
// the domains that it concerns: these get the next number, and each of their flows is decided anew on its next
// packet. The numbers are one counter's. A domain that nothing has outdated for long gets a new number before the
// counter comes round to its own. Control thread.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "flow/generations.h"
#include "flow/record.h"
#include "path/tuple.h"
#include "view/snapshot.h"

namespace sluice::engine {

class FlowGenerations {
 public:
    // `furthest`: how many numbers a domain may be behind the newest one.
    explicit FlowGenerations(uint32_t furthest = flow::Decided::kGenerations / 4) : furthest_(furthest) {}

    // Gives these domains the next number.
    void outdate(const std::set<path::FlowDomain>& domains);
    void outdate_all();
    uint32_t of(path::FlowDomain domain) const;
    // What workers are told of these networks; `networks` by NetworkId.
    flow::Generations tell(const std::vector<view::Network>& networks);

 private:
    uint32_t& at(path::FlowDomain domain);
    void renew_old();

    uint32_t furthest_;
    uint32_t newest_ = 1;
    uint64_t told_ = 0;
    std::vector<uint32_t> of_domain_;  // by FlowDomain; a domain beyond its end has no flows
};

}  // namespace sluice::engine
