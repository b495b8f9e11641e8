#include "control/turns.h"

#include <algorithm>

namespace sluice::control {

Turns::User& Turns::user_of(const Peer& peer) {
    auto& users = ranks_[static_cast<size_t>(rank_of(peer))].users;
    const auto found = std::ranges::find(users, peer.uid, &User::uid);
    return found != users.end() ? *found : users.emplace_back(User{peer.uid, {}});
}

void Turns::add(const Peer& peer, std::shared_ptr<Session> session) {
    user_of(peer).sessions.push_back(std::move(session));
}

void Turns::put_back(const Peer& peer, std::shared_ptr<Session> session) {
    user_of(peer).sessions.push_front(std::move(session));
}

bool Turns::empty() const {
    return std::ranges::all_of(ranks_, [](const Rank& rank) { return rank.users.empty(); });
}

std::shared_ptr<Session> Turns::take() {
    Rank* next = nullptr;
    for (auto rank = ranks_.rbegin(); rank != ranks_.rend(); ++rank) {
        if (rank->users.empty()) continue;
        // The lowest rank that waits gets the turn even if it had the last one.
        next = &*rank;
        if (!std::exchange(rank->had_turn, !rank->had_turn)) break;
    }
    User user = std::move(next->users.front());
    next->users.pop_front();
    std::shared_ptr<Session> session = std::move(user.sessions.front());
    user.sessions.pop_front();
    if (!user.sessions.empty()) next->users.push_back(std::move(user));
    return session;
}

}  // namespace sluice::control
