// An SCTP association as somebody between its ends sees it (RFC 9260), by the chunks that set it up and end
// it. What would end one counts only with the right verification tag (8.5). Workers follow it; any thread
// asks.
#pragma once

#include <rte_mbuf.h>

#include "flow/record.h"
#include "flow/state.h"
#include "flow/tcp.h"
#include "path/tuple.h"

namespace sluice::flow {

// Takes note of a packet of `own`'s direction.
Progress follow_sctp(Record& own, Record& peer, const rte_mbuf* m,
                     const path::Connection& connection) noexcept;

State sctp_state(const Record& initiator, const Record& responder) noexcept;

// By its first chunk: an INIT is alone in its packet (RFC 9260, 6.10).
Beginning sctp_beginning(const rte_mbuf* m, const path::Connection& connection) noexcept;

}  // namespace sluice::flow
