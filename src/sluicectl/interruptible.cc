#include "sluicectl/interruptible.h"

#include <ctime>

namespace sluice::sluicectl {
namespace {

constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 50'000'000};

volatile sig_atomic_t interruptions = 0;

}  // namespace

Interruptible::Interruptible() {
    interruptions = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { interruptions = interruptions + 1; };
    sigaction(SIGINT, &action, &before_int_);
    sigaction(SIGTERM, &action, &before_term_);
}

Interruptible::~Interruptible() {
    sigaction(SIGINT, &before_int_, nullptr);
    sigaction(SIGTERM, &before_term_, nullptr);
}

int Interruptible::count() const { return interruptions; }

void pause_briefly() { nanosleep(&kPause, nullptr); }

}  // namespace sluice::sluicectl
