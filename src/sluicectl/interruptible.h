// For verbs that go on until somebody has seen enough.
#pragma once

#include <csignal>

namespace sluice::sluicectl {

// While it lives SIGINT and SIGTERM are counted, and interrupt a sleep. One at a time.
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

// Between two askings of sluiced, while nothing comes: short for who looks at lines, long for the switch.
void pause_briefly();

}  // namespace sluice::sluicectl
