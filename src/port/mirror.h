// A mirror: copies of a port's packets, sent to another port or to a capture.
#pragma once

#include "path/capture.h"
#include "wire/filter.h"

namespace sluice::port {

class Port;

struct Mirror {
    Port* to;                    // up, and in the same snapshot; null for a capture
    const wire::Filter* filter;  // never null
    path::Capture* capture = nullptr;
    path::Captured what = path::Captured::kFromPort;  // of a capture
};

}  // namespace sluice::port
