// Allocate, the last step before a flow is committed: the source of a new connection becomes the outside address
// and port that NAT gives it. Worker side.
#pragma once

#include <optional>

#include "policy/candidate.h"
#include "view/tables.h"

namespace sluice::policy {

enum class Dry : bool { kNo, kYes };  // a dry run takes no port

// Gives `candidate.translated` its source, where a rule asks for that. `attempt`: how often the flow table has
// refused the answers before. The reason to drop its packet, where there is no address or port to be had; kCount:
// there is.
path::Drop allocate(Candidate& candidate, unsigned attempt, Dry dry, const view::Tables& tables) noexcept;

// The NAT rule by which a connection that this packet began would get another source, as the number of its object.
// None: it would keep its own, or Balance has given it another one.
std::optional<uint32_t> find_rule(const Candidate& candidate, const view::Tables& tables) noexcept;

// Whether a connection may keep its source: of the initiator's candidate, whose `translated` the flow has.
bool keeps_source(const Candidate& candidate, Dry dry, const view::Tables& tables) noexcept;

}  // namespace sluice::policy
