// What the kernel answers to one netlink request, as it comes out of the socket in pieces. Control thread.
//
// A dump that is changed while it is made (NLM_F_DUMP_INTR) may lack what was there all the time: it is worth
// nothing, and has to be asked for again. Its rest still comes, and stands between us and the next answer.
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
        kMore,         // there is more to come
        kComplete,     // all has come
        kInterrupted,  // all has come, and is worth nothing: ask again
        kFailed        // error() says why
    };
    using Visit = std::function<void(const nlmsghdr*)>;

    // Of a request that was sent under this number.
    explicit NetlinkReply(const nlmsghdr* request);

    // Visits the objects in a piece; those that come after an interruption are left out.
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
