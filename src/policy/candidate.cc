#include "policy/candidate.h"

namespace sluice::policy {

Candidate Candidate::opened_by(const FirstPacket& packet) const noexcept {
    Candidate other = *this;
    other.first = packet;
    other.subject = subject_of(judged(), packet);
    other.judgement = {};
    return other;
}

Candidate Candidate::opened_by_peer(const FirstPacket& packet) const noexcept {
    Candidate other;
    other.original = translated.reversed();
    other.translated = original.reversed();
    other.first = packet;
    other.subject = subject_of(other.judged(), packet);
    other.from = to;
    other.to = from;
    other.sender = flow::Sender::kResponder;
    other.is_unfinished = is_unfinished;
    return other;
}

}  // namespace sluice::policy
