// A copy of what passes a port, for somebody who looks.
#pragma once

#include "wire/filter.h"

namespace sluice::port {

class Port;

struct Mirror {
    Port* to;                    // up, and in the same snapshot
    const wire::Filter* filter;  // never null
};

}  // namespace sluice::port
