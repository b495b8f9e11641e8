// IP address management: which addresses of a network are in use, and by whom; and a free one for a container that
// asks for none. What is in use follows from the configuration and from the objects that wait, which the state
// file keeps: no address is given twice, also after a crash. Control thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "base/error.h"
#include "engine/combine.h"
#include "engine/config.h"

namespace sluice::engine {

// Who has an address: "port web", "the gateway".
struct Holder {
    std::string name;
    const port::PortConfig* port = nullptr;  // null: it is none; borrowed
};
using Holders = std::map<IpAddress, Holder>;

// All addresses of the network that are in use.
Holders holders_in(const Config& config, const std::vector<WaitingObject>& waiting, const NetworkConfig& network);

// Whether the network would give this address to anybody: it is in its ranges, and nobody has it.
bool is_free(const NetworkConfig& network, const Holders& holders, const IpAddress& address);

class Ipam {
 public:
    // A free address of each family that the network has subnets of, without their lengths: the next ones behind
    // those that were chosen last, so that an address stays unused for long after its container is gone. An error
    // says who has them all.
    tl::expected<std::vector<InterfaceAddress>, base::Error> choose(const NetworkConfig& network,
                                                                    const Holders& holders);
    // The same for one family.
    base::Result<IpAddress> choose(const NetworkConfig& network, const Holders& holders, bool v4);

 private:
    struct Last {
        std::optional<IpAddress> v4;
        std::optional<IpAddress> v6;
    };
    std::map<std::string, Last> last_;  // by network
};

}  // namespace sluice::engine
