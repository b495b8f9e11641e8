// The order in which the clients' requests are carried out. Ranks (access.h) alternate: the highest that waits has
// every second turn, the next one every second of those that are left. Users of one rank take turns. The sessions
// of one user are served one after the other, so that no more long requests are under way than there are users.
// Control thread.
#pragma once

#include <sys/types.h>

#include <array>
#include <deque>
#include <memory>

#include "control/access.h"

namespace sluice::control {

class Session;

class Turns {
 public:
    // Behind the user's other sessions.
    void add(const Peer& peer, std::shared_ptr<Session> session);
    // Before them: it goes on with what it had begun.
    void put_back(const Peer& peer, std::shared_ptr<Session> session);
    bool empty() const;
    // Whose turn it is; it waits no more. Not of an empty queue.
    std::shared_ptr<Session> take();
    void clear() { *this = {}; }

 private:
    struct User {
        uid_t uid;
        std::deque<std::shared_ptr<Session>> sessions;  // not empty
    };
    struct Rank {
        std::deque<User> users;
        bool had_turn = false;  // while a lower rank waited
    };
    User& user_of(const Peer& peer);

    std::array<Rank, kRanks> ranks_;
};

}  // namespace sluice::control
