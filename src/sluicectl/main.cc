#include <unistd.h>

#include <cstdlib>
#include <iostream>

#include "sluice/protocol.h"
#include "sluicectl/run.h"

int main(int argc, char** argv) {
    return sluice::sluicectl::run({argv + 1, argv + argc},
                                  std::getenv(sluice::protocol::kSocketVariable), std::cout,
                                  std::cerr, sluice::sluicectl::sleep_for,
                                  sluice::sluicectl::screen_of(STDOUT_FILENO));
}
