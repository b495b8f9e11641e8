// The state of a remote tunnel end point, learned while the switch runs: whether it answers. RFC 7348 has no
// request for that, so its host is pinged, but only while no tunnel packets come from it. Workers note events;
// the control thread looks once a second and requests pings.
#pragma once

#include <atomic>
#include <cstdint>

#include "vxlan/path_mtu.h"

namespace sluice::vxlan {

// The identifier of the pings.
inline constexpr uint16_t kPingId = 4789;

enum class RemoteState : uint8_t {
    kProbe,        // nothing was received lately: it is being pinged
    kReachable,    // a tunnel packet or a ping reply was received lately
    kSilent,       // pings remain unanswered
    kUnreachable,  // a router on the path reports it as unreachable
    kRefused,      // its host is up but reports the VXLAN port as closed
};

class Remote {
 public:
    using Seconds = PathMtu::Seconds;

    // After this time without a sign of life it is pinged, once a second.
    static constexpr Seconds kQuiet = 3;
    // After so many unanswered pings it is silent. From then on it is pinged less often.
    static constexpr uint32_t kTries = 3;
    static constexpr Seconds kSilentInterval = 5;
    // An error about our packets counts for this time; while we send, further errors follow.
    static constexpr Seconds kErrorLifetime = 10;

    enum class Error : uint8_t { kNone, kUnreachable, kPortUnreachable };

    PathMtu path_mtu;

    // --- workers ---

    void answered(Seconds now) noexcept { answered_.store(now, std::memory_order_relaxed); }
    void failed(Error error, Seconds now) noexcept {
        error_.store(uint64_t{now} << 8 | static_cast<uint8_t>(error), std::memory_order_relaxed);
    }

    // --- control thread ---

    // Call it once a second with the number of packets received from it so far. True: send a ping.
    bool look(uint64_t received, Seconds now) noexcept;
    RemoteState state(Seconds now) const noexcept;
    // It has not answered a ping, so the path to it may have changed.
    bool is_doubtful() const noexcept { return unanswered_ > 1; }

 private:
    std::atomic<Seconds> answered_{0};  // when a ping was answered
    std::atomic<uint64_t> error_{0};    // the last error; in the upper bits, when it came
    uint64_t received_ = 0;             // packets, as of the last look
    Seconds heard_ = 0;                 // when that number last rose
    Seconds asked_ = 0;
    uint32_t unanswered_ = 0;           // pings since the last sign of life
};

}  // namespace sluice::vxlan
