#include "engine/move_log.h"

#include "base/log.h"

namespace sluice::engine {

void MoveLog::note(const Move& move, bridge::Seconds now) {
    const auto known = told_.find(move);
    if (known != told_.end()) {
        ++known->second.more;
        return;
    }
    if (told_.size() == kMost) {
        ++untold_;
        return;
    }
    told_[move] = {now};
    base::log::notice("mac", "network {}: {} has moved from {} to {}", move.network, move.mac.text(), move.from,
                      move.to);
}

void MoveLog::flush(bridge::Seconds now) {
    if (untold_ != 0) base::log::notice("mac", "{} more stations have moved", untold_);
    untold_ = 0;
    for (auto told = told_.begin(); told != told_.end();) {
        const auto& [move, state] = *told;
        if (now - state.since < kPause) {
            ++told;
            continue;
        }
        if (state.more != 0) {
            base::log::notice("mac", "network {}: {} has moved from {} to {} {} more times in {} s", move.network,
                              move.mac.text(), move.from, move.to, state.more, now - state.since);
        }
        told = told_.erase(told);
    }
}

}  // namespace sluice::engine
