#include "engine/loop_watch.h"

#include <algorithm>
#include <map>
#include <utility>

namespace sluice::engine {
namespace {

using bridge::MacTable;
using path::PortId;
using Pair = std::pair<PortId, PortId>;

// A station that fails over to another port and back moves twice. In a loop, addresses move again and again, at
// the limit of what the table records.
constexpr uint64_t kLeastMotions = 10;

struct Suspicion {
    uint64_t mac = 0;
    uint64_t to_and_fro[2]{};
    bool is_certain = false;

    uint64_t count() const noexcept { return to_and_fro[0] + to_and_fro[1]; }
    bool is_loop() const noexcept {
        return is_certain || (count() >= kLeastMotions && to_and_fro[0] != 0 && to_and_fro[1] != 0);
    }
};

Pair pair_of(PortId a, PortId b) { return {std::min(a, b), std::max(a, b)}; }

// Frames with one port's own address came from two other ports: a frame that was flooded to one of them came back
// by the other.
void add_foreign(const std::vector<MacTable::Motion>& motions, std::map<Pair, Suspicion>& suspicions) {
    for (size_t i = 0; i < motions.size(); ++i) {
        if (motions[i].foreign == 0) continue;
        for (size_t j = i + 1; j < motions.size(); ++j) {
            if (motions[j].foreign == 0 || motions[j].from != motions[i].from) continue;
            Suspicion& suspicion = suspicions[pair_of(motions[i].to, motions[j].to)];
            suspicion.mac = motions[i].mac;
            suspicion.is_certain = true;
            suspicion.to_and_fro[0] += motions[i].foreign;
            suspicion.to_and_fro[1] += motions[j].foreign;
        }
    }
}

void add_moves(const std::vector<MacTable::Motion>& motions, std::map<Pair, Suspicion>& suspicions) {
    for (const MacTable::Motion& motion : motions) {
        const uint64_t count = uint64_t{motion.moves} + motion.flaps;
        if (count == 0) continue;
        Suspicion& suspicion = suspicions[pair_of(motion.from, motion.to)];
        if (suspicion.mac == 0) suspicion.mac = motion.mac;
        suspicion.to_and_fro[motion.from < motion.to ? 0 : 1] += count;
    }
}

}  // namespace

std::vector<LoopWatch::Loop> LoopWatch::look(path::NetworkId network,
                                             const std::vector<MacTable::Motion>& motions, path::Seconds now) {
    std::map<Pair, Suspicion> suspicions;
    add_foreign(motions, suspicions);
    add_moves(motions, suspicions);
    std::vector<Loop> begun;
    for (const auto& [pair, suspicion] : suspicions) {
        if (!suspicion.is_loop()) continue;
        const auto known = std::find_if(loops_.begin(), loops_.end(), [&](const Loop& loop) {
            return loop.network == network && loop.a == pair.first && loop.b == pair.second;
        });
        if (known != loops_.end()) {
            known->count += suspicion.count();
            known->seen = now;
            continue;
        }
        begun.push_back({network, pair.first, pair.second, suspicion.mac, suspicion.count(), now, now});
        loops_.push_back(begun.back());
    }
    return begun;
}

bool LoopWatch::has(path::NetworkId network, PortId a, PortId b) const {
    return std::any_of(loops_.begin(), loops_.end(), [&](const Loop& loop) {
        return loop.network == network && Pair(loop.a, loop.b) == pair_of(a, b);
    });
}

}  // namespace sluice::engine
