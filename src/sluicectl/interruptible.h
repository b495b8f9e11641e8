// For verbs that run until the user interrupts them.
#pragma once

#include <csignal>

namespace sluice::sluicectl {

// During its life, counts SIGINT and SIGTERM, which also interrupt a sleep. Only one may exist at a time.
class Interruptible {
 public:
    Interruptible();
    Interruptible(const Interruptible&) = delete;
    ~Interruptible();

    int count() const;

 private:
    struct sigaction before_int_ {};
    struct sigaction before_term_ {};
};

// The pause between two requests while there are no packets: too short for a user to notice, long enough to cost
// the switch little.
void pause_briefly();

}  // namespace sluice::sluicectl
