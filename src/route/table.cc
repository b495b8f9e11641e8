#include "route/table.h"

namespace sluice::route {
namespace {

template <class Address, class Fib>
std::optional<uint32_t> set_in(Rib<Address>& rib, Fib& fib, Address prefix, uint8_t length,
                               uint32_t next_hop) {
    const auto before = rib.set(prefix, length, next_hop);
    if (before != next_hop) fib.set(prefix, length, next_hop);
    return before;
}

template <class Address, class Fib>
std::optional<uint32_t> remove_from(Rib<Address>& rib, Fib& fib, Address prefix, uint8_t length) {
    const auto before = rib.remove(prefix, length);
    if (!before) return before;
    Covering covering;
    if (length > 0) {
        const auto route = rib.longest(prefix, static_cast<uint8_t>(length - 1));
        if (route) covering = {route->next_hop, route->length};
    }
    fib.remove(prefix, length, covering);
    return before;
}

Number number_of(const IpAddress& address) {
    return route::number_of(address.bytes.data());
}

}  // namespace

std::optional<uint32_t> Table::set(const IpPrefix& prefix, uint32_t next_hop) {
    const IpAddress& address = prefix.address;
    return address.is_v4() ? set_in(rib4_, fib4_, address.v4(), prefix.length, next_hop)
                           : set_in(rib6_, fib6_, number_of(address), prefix.length, next_hop);
}

std::optional<uint32_t> Table::remove(const IpPrefix& prefix) {
    const IpAddress& address = prefix.address;
    return address.is_v4() ? remove_from(rib4_, fib4_, address.v4(), prefix.length)
                           : remove_from(rib6_, fib6_, number_of(address), prefix.length);
}

std::optional<uint32_t> Table::exact(const IpPrefix& prefix) const {
    const IpAddress& address = prefix.address;
    return address.is_v4() ? rib4_.exact(address.v4(), prefix.length)
                           : rib6_.exact(number_of(address), prefix.length);
}

std::optional<std::pair<IpPrefix, uint32_t>> Table::longest(const IpAddress& address) const {
    if (address.is_v4()) {
        const auto route = rib4_.longest(address.v4(), 32);
        if (!route) return std::nullopt;
        return std::pair(prefix_of(*route), route->next_hop);
    }
    const auto route = rib6_.longest(number_of(address), 128);
    if (!route) return std::nullopt;
    return std::pair(prefix_of(*route), route->next_hop);
}

Table::Listed Table::first(const IpPrefix& within, size_t most) const {
    Listed listed;
    auto add = [&](const auto& rib, auto address) {
        for (const auto& route : rib.first(address, within.length, most, listed.count)) {
            listed.routes.emplace_back(prefix_of(route), route.next_hop);
        }
    };
    if (within.address.is_v4()) {
        add(rib4_, within.address.v4());
    } else {
        add(rib6_, number_of(within.address));
    }
    return listed;
}

size_t Table::memory() const noexcept {
    return fib4_.memory() + fib6_.memory() + rib4_.memory() + rib6_.memory();
}

void Table::reclaim() {
    fib4_.reclaim();
    fib6_.reclaim();
}

IpPrefix Table::prefix_of(const Rib<uint32_t>::Route& route) {
    return {IpAddress::from_v4(route.prefix), route.length};
}

IpPrefix Table::prefix_of(const Rib<Number>::Route& route) {
    IpPrefix prefix{{}, route.length};
    for (size_t i = 0; i < prefix.address.bytes.size(); ++i) {
        prefix.address.bytes[i] = static_cast<uint8_t>(route.prefix >> (120 - 8 * i));
    }
    return prefix;
}

}  // namespace sluice::route
