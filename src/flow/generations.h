// The generation under which the flows of each network must have been decided. Networks of one flow domain have
// the same. The control thread makes new ones for each change that outdates flows; they never change afterwards. A
// worker takes the newest ones at the start of a turn, before it reads any table that is changed in place, and
// decides by them until the turn's end. So a flow is never taken for newer than the tables that decided it.
#pragma once

#include <array>
#include <cstdint>

#include "path/ids.h"

namespace sluice::flow {

struct Generations {
    uint64_t serial = 0;  // of two, the one that was made later has the larger one
    std::array<uint32_t, path::kMaxNetworks> of_network{};  // by NetworkId

    // 0, which no flow was decided under, where there is no network yet (of a trunk).
    uint32_t of(path::NetworkId network) const noexcept {
        return path::index(network) < of_network.size() ? of_network[path::index(network)] : 0;
    }
};

}  // namespace sluice::flow
