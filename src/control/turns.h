// The order in which requests are carried out. Ranks (access.h) alternate: the highest rank with a waiting session
// gets every second turn, the next rank every second of the remaining turns. Within a rank, users take turns. The
// sessions of one user are served one after the other, so that there are never more unfinished long requests than
// users. Control thread.
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
    // Adds a session behind the user's other sessions.
    void add(const Peer& peer, std::shared_ptr<Session> session);
    // Adds a session before them: its request isn't finished.
    void put_back(const Peer& peer, std::shared_ptr<Session> session);
    bool empty() const;
    // Takes out the session that has the next turn. There must be one.
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
