// The kernel's answer to one netlink request, which comes out of the socket in pieces. Control thread.
//
// If objects change during a dump (NLM_F_DUMP_INTR), it may lack objects that existed all the time. It must be
// discarded and requested again. Its rest still arrives before the next answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

struct nlmsghdr;

namespace sluice::port {

class NetlinkReply {
 public:
    enum class State {
        kMore,         // more pieces follow
        kComplete,     // the whole answer has arrived
        kInterrupted,  // the whole answer has arrived but must be discarded: send the request again
        kFailed        // error() is set
    };
    using Visit = std::function<void(const nlmsghdr*)>;

    // The answer to this request, by its sequence number.
    explicit NetlinkReply(const nlmsghdr* request);

    // Visits the objects in a piece, up to an interruption.
    State take(std::span<const char> piece, const Visit& visit);
    int error() const noexcept { return error_; }  // errno

 private:
    State end() const noexcept;

    uint32_t sequence_;
    bool awaits_acknowledgment_;
    bool interrupted_ = false;
    int error_ = 0;
};

}  // namespace sluice::port
