// Reads an interface of a container from the kernel. A new thread enters the container's network namespace; the
// caller's thread stays in its own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "sluice-cni/result.h"
#include "sluice/address.h"

namespace sluice::cni {

struct Inside {
    bool exists = false;
    bool is_up = false;
    std::string mac;
    uint32_t mtu = 0;
    std::vector<InterfaceAddress> addresses;
    std::vector<Route> routes;  // by this interface, of all tables
};

// An error is a sentence: the namespace can't be entered or read.
tl::expected<Inside, std::string> look_inside(const std::string& netns, const std::string& interface);

}  // namespace sluice::cni
