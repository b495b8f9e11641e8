#include "port/port.h"

#include "port/ethdev.h"
#include "port/tap.h"

namespace sluice::port {

std::unique_ptr<Port> make_port(path::PortId id, const PortConfig& config, const Context& context) {
    if (config.kind() == Kind::kDevice) return std::make_unique<Ethdev>(id, config, context);
    return std::make_unique<Tap>(id, config, context);
}

bool same_device(const PortConfig& a, const PortConfig& b) {
    if (a.kind() == Kind::kDevice && a.mtu != b.mtu) return false;
    return a.kind() == b.kind() && a.netns == b.netns && a.device == b.device &&
           a.interface_name() == b.interface_name() && a.queues == b.queues;
}

}  // namespace sluice::port
