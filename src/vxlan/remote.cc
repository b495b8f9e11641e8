#include "vxlan/remote.h"

#include <algorithm>

namespace sluice::vxlan {
namespace {

// A worker's clock may be slightly ahead.
Remote::Seconds age(Remote::Seconds now, Remote::Seconds then) noexcept { return now > then ? now - then : 0; }

}  // namespace

bool Remote::look(uint64_t received, Seconds now) noexcept {
    if (received != received_) heard_ = now;
    received_ = received;
    const Seconds sign = std::max(heard_, answered_.load(std::memory_order_relaxed));
    bool asks = false;
    if (sign != 0 && age(now, sign) < kQuiet) {
        unanswered_ = 0;
    } else {
        const Seconds interval = unanswered_ < kTries ? 1 : kSilentInterval;
        asks = unanswered_ == 0 || age(now, asked_) >= interval;
    }
    if (!asks) return false;
    asked_ = now;
    unanswered_ = std::min(unanswered_ + 1, kTries + 1);
    return true;
}

RemoteState Remote::state(Seconds now) const noexcept {
    const Seconds sign = std::max(heard_, answered_.load(std::memory_order_relaxed));
    const uint64_t word = error_.load(std::memory_order_relaxed);
    const auto error = static_cast<Error>(word & 0xff);
    const auto when = static_cast<Seconds>(word >> 8);
    if (error != Error::kNone && age(now, when) < kErrorLifetime) {
        // A host that answers pings may still refuse tunnel packets.
        if (error == Error::kPortUnreachable && when > heard_) return RemoteState::kRefused;
        if (error == Error::kUnreachable && when > sign) return RemoteState::kUnreachable;
    }
    // The last ping was sent in this second and may still be answered in it.
    if (sign != 0 && age(now, sign) <= kQuiet) return RemoteState::kReachable;
    const bool was_asked = unanswered_ > kTries || (unanswered_ == kTries && age(now, asked_) != 0);
    return was_asked ? RemoteState::kSilent : RemoteState::kProbe;
}

}  // namespace sluice::vxlan
