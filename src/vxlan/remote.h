// What is learned of a remote tunnel end point while the switch runs: how long a packet to it may be, and
// whether it is there. RFC 7348 has nothing to ask an end point by, so its host is pinged, and only while
// nothing comes from it in the tunnel. Workers take notes, the control thread looks once a second and asks
// for pings.
#pragma once

#include <atomic>
#include <cstdint>

#include "vxlan/path_mtu.h"

namespace sluice::vxlan {

enum class RemoteState : uint8_t {
    kProbe,        // nothing has come lately: it is being asked
    kReachable,    // a tunnel packet or an answer has come lately
    kSilent,       // neither comes
    kUnreachable,  // a router on the way says so
    kRefused,      // its host is there, and says that nobody takes VXLAN
};

class Remote {
 public:
    using Seconds = PathMtu::Seconds;

    // Without a sign of life for so long it is asked, once a second.
    static constexpr Seconds kQuiet = 3;
    // So many questions without an answer, and it is silent. From then on it is asked less often.
    static constexpr uint32_t kTries = 3;
    static constexpr Seconds kSilentInterval = 5;
    // An error about our packets counts for as long; there are more while we send.
    static constexpr Seconds kErrorLifetime = 10;

    enum class Error : uint8_t { kNone, kUnreachable, kPortUnreachable };

    PathMtu path_mtu;

    // --- workers ---

    void answered(Seconds now) noexcept { answered_.store(now, std::memory_order_relaxed); }
    void failed(Error error, Seconds now) noexcept {
        error_.store(uint64_t{now} << 8 | static_cast<uint8_t>(error), std::memory_order_relaxed);
    }

    // --- control thread ---

    // Once a second, with the packets that have come from it so far. True: ask it.
    bool look(uint64_t received, Seconds now) noexcept;
    RemoteState state(Seconds now) const noexcept;
    // It has left a question unanswered: the way to it may be another than it was.
    bool is_doubtful() const noexcept { return unanswered_ > 1; }

 private:
    std::atomic<Seconds> answered_{0};  // a ping
    std::atomic<uint64_t> error_{0};    // the last one, and above it when it came
    uint64_t received_ = 0;             // packets, at the last look
    Seconds heard_ = 0;                 // when those became more
    Seconds asked_ = 0;
    uint32_t unanswered_ = 0;           // questions since the last sign of life
};

}  // namespace sluice::vxlan
