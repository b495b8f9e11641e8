#include "support/eal.h"

// libxdp keeps a buffer of a net_af_xdp device whose socket can't be made. LeakSanitizer asks for this by name.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:xsk_umem__create\n"; }

int main(int argc, char** argv) {
    return sluice::test::run_tests(argc, argv);
}
