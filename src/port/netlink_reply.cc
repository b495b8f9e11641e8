#include "port/netlink_reply.h"

#include <cerrno>
#include <climits>

#include "port/netlink_message.h"

namespace sluice::port {
namespace {

// The number at the start of an error (negative) or an acknowledgment (0). A message that is too short for it
// acknowledges nothing. The end of a list may come without it.
int status_of(const nlmsghdr* header) noexcept {
    if (const int* status = header_of<int>(header)) return *status;
    return header->nlmsg_type == NLMSG_DONE ? 0 : -EPROTO;
}

}  // namespace

NetlinkReply::NetlinkReply(const nlmsghdr* request)
    : sequence_(request->nlmsg_seq), awaits_acknowledgment_((request->nlmsg_flags & NLM_F_ACK) != 0) {}

NetlinkReply::State NetlinkReply::end() const noexcept {
    if (error_ != 0) return State::kFailed;
    return interrupted_ ? State::kInterrupted : State::kComplete;
}

NetlinkReply::State NetlinkReply::take(std::span<const char> piece, const Visit& visit) {
    auto left = static_cast<int>(piece.size());
    const auto* header = reinterpret_cast<const nlmsghdr*>(piece.data());
    for (; is_whole(header, left); header = mnl_nlmsg_next(header, &left)) {
        // Skip the rest of an earlier answer.
        if (header->nlmsg_seq != sequence_) continue;
        interrupted_ |= (header->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        switch (header->nlmsg_type) {
            case NLMSG_NOOP: break;
            case NLMSG_OVERRUN: interrupted_ = true; break;
            case NLMSG_ERROR:
            case NLMSG_DONE: {
                const int status = status_of(header);
                // The kernel returns these for a dump that it gave up because of a change.
                if (status == -EINTR || status == -EAGAIN) {
                    interrupted_ = true;
                } else if (status < 0) {
                    error_ = status == INT_MIN ? EPROTO : -status;
                }
                return end();
            }
            default:
                if (!interrupted_) visit(header);
                // An answer of a single message has no separate end.
                if ((header->nlmsg_flags & NLM_F_MULTI) == 0 && !awaits_acknowledgment_) return end();
        }
    }
    return State::kMore;
}

}  // namespace sluice::port
