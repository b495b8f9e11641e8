#include "engine/flow_generations.h"

namespace sluice::engine {
namespace {

size_t index(path::FlowDomain domain) {
    return static_cast<uint16_t>(domain);
}

}  // namespace

void FlowGenerations::outdate(const std::set<path::FlowDomain>& domains) {
    if (domains.empty()) return;
    newest_ = flow::next_generation(newest_);
    for (const path::FlowDomain domain : domains) at(domain) = newest_;
    renew_old();
}

void FlowGenerations::outdate_all() {
    newest_ = flow::next_generation(newest_);
    for (uint32_t& generation : of_domain_) generation = newest_;
}

uint32_t FlowGenerations::of(path::FlowDomain domain) const {
    return index(domain) < of_domain_.size() ? of_domain_[index(domain)] : newest_;
}

flow::Generations FlowGenerations::tell(const std::vector<view::Network>& networks) {
    flow::Generations generations;
    generations.serial = ++told_;
    generations.of_network.fill(newest_);
    for (size_t i = 0; i < networks.size(); ++i) {
        if (networks[i].table == nullptr) continue;
        generations.of_network[i] = at(networks[i].flow_domain);
    }
    return generations;
}

uint32_t& FlowGenerations::at(path::FlowDomain domain) {
    if (index(domain) >= of_domain_.size()) of_domain_.resize(index(domain) + 1, newest_);
    return of_domain_[index(domain)];
}

void FlowGenerations::renew_old() {
    for (uint32_t& generation : of_domain_) {
        if (!flow::is_as_new(generation, newest_ - furthest_)) generation = newest_;
    }
}

}  // namespace sluice::engine
