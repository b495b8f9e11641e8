#include "support/eal.h"

// If the socket of a net_af_xdp device can't be made, libxdp leaks a buffer. LeakSanitizer reads this function.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:xsk_umem__create\n"; }

int main(int argc, char** argv) {
    return sluice::test::run_tests(argc, argv);
}
