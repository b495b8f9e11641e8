#include "docker/pools.h"

#include <algorithm>
#include <array>

#include "base/subnets.h"
#include "docker/request.h"

namespace sluice::docker {
namespace {

using base::AddressRange;
using nlohmann::json;

constexpr std::string_view kNetworkOption = "network";
constexpr std::array kPoolOptions{kNetworkOption};
// Addresses in a row that are no host's, beside those that are taken.
constexpr size_t kMostUnusable = 1024;
constexpr const char* kGatewayData = "com.docker.network.gateway";

bool overlap(const IpPrefix& a, const IpPrefix& b) {
    return a.contains(b.address) || b.contains(a.address);
}

// Whether hosts can have addresses of it.
bool is_of_hosts(const IpPrefix& subnet) {
    const bool is_loopback = subnet.address.is_v4() && subnet.address.v4() >> 24 == 127;
    return !subnet.address.is_multicast() && !is_loopback;
}

bool lies_in(const IpPrefix& inner, const IpPrefix& outer) {
    return inner.length >= outer.length && outer.contains(inner.address);
}

// The subnets that are given to networks without one: 10.213.0.0/24 and on, fd73:6c75:6963:0::/64 and on.
IpPrefix own_subnet(uint8_t number, bool is_v6) {
    if (!is_v6) return {IpAddress::from_v4(0x0ad5'0000 + (uint32_t{number} << 8)), 24};
    return {IpAddress{{0xfd, 0x73, 0x6c, 0x75, 0x69, 0x63, 0, number}}, 64};
}

std::string text_of(const IpAddress& address, const Pool& pool) {
    return InterfaceAddress{address, pool.subnet.length}.text();
}

}  // namespace

std::string Pools::new_id(const IpPrefix& subnet) const {
    for (size_t number = 1;; ++number) {
        std::string id = fmt::format("pool-{}-{}", number, subnet.text());
        if (book_.find_pool(id) == nullptr) return id;
    }
}

Answer<Pool> Pools::pool_of_network(const std::string& network, std::optional<IpPrefix> subnet, bool is_v6) const {
    const auto found = switch_.find_network(network);
    if (!found) return refuse("option sluice.network: the switch has no network {}", base::shown(network));
    for (const IpPrefix& own : found->subnets) {
        if (own.address.is_v4() == is_v6 || (subnet && *subnet != own)) continue;
        return Pool{.id = {}, .subnet = own, .range = {}, .network = network, .addresses = {}};
    }
    if (subnet) return refuse("{} is no subnet of the switch's network {}", subnet->text(), network);
    return refuse("the switch's network {} has no {} subnet", network, is_v6 ? "IPv6" : "IPv4");
}

Answer<Pool> Pools::pool_of_its_own(std::optional<IpPrefix> subnet, bool is_v6) const {
    std::vector<IpPrefix> others;
    for (const Pool& pool : book_.entries().pools) others.push_back(pool.subnet);
    const auto find_overlap = [&](const IpPrefix& wanted) {
        return std::ranges::find_if(others, [&](const IpPrefix& other) { return overlap(wanted, other); });
    };
    if (subnet) {
        const auto other = find_overlap(*subnet);
        if (other != others.end())
            return refuse("{} overlaps {}, which another network has", subnet->text(), other->text());
        return Pool{.id = {}, .subnet = *subnet, .range = {}, .network = {}, .addresses = {}};
    }
    const std::vector<IpPrefix> networks = switch_.subnets();
    others.insert(others.end(), networks.begin(), networks.end());
    for (unsigned number = 0; number < 256; ++number) {
        const IpPrefix candidate = own_subnet(static_cast<uint8_t>(number), is_v6);
        if (find_overlap(candidate) != others.end()) continue;
        return Pool{.id = {}, .subnet = candidate, .range = {}, .network = {}, .addresses = {}};
    }
    return refuse("no {} subnet is left to choose: give the network a --subnet", is_v6 ? "IPv6" : "IPv4");
}

// The pool of an earlier request whose answer was lost: nothing was taken from it yet.
const Pool* Pools::find_unused(const Pool& like) const {
    const auto found = std::ranges::find_if(book_.entries().pools, [&](const Pool& pool) {
        return pool.subnet == like.subnet && pool.range == like.range && pool.network == like.network &&
               pool.addresses.empty();
    });
    return found == book_.entries().pools.end() ? nullptr : &*found;
}

Answer<json> Pools::request_pool(const json& body) {
    Request request(body);
    const auto subnet = request.parsed<IpPrefix>("Pool");
    const auto range = request.parsed<IpPrefix>("SubPool");
    const bool is_v6 = request.flag("V6") || (subnet && !subnet->address.is_v4());
    const auto options = Options::read(request.object("Options"), kPoolOptions);
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    if (!options) return tl::unexpected(options.error());
    const std::string& network = options->text(kNetworkOption);

    if (subnet && network.empty()) {
        if (const Pool* known =
                find_unused({.id = {}, .subnet = *subnet, .range = range, .network = {}, .addresses = {}}))
            return json{{"PoolID", known->id}, {"Pool", known->subnet.text()}, {"Data", json::object()}};
    }
    auto pool = network.empty() ? pool_of_its_own(subnet, is_v6) : pool_of_network(network, subnet, is_v6);
    if (!pool) return tl::unexpected(pool.error());
    if (!is_of_hosts(pool->subnet)) return refuse("{} has no addresses of hosts", pool->subnet.text());
    if (range && !lies_in(*range, pool->subnet))
        return refuse("the range {} is not inside of {}", range->text(), pool->subnet.text());
    pool->range = range;
    pool->id = new_id(pool->subnet);
    json data = json::object();
    if (const auto gateway = gateway_of(*pool)) data[kGatewayData] = text_of(*gateway, *pool);
    json answer{{"PoolID", pool->id}, {"Pool", pool->subnet.text()}, {"Data", std::move(data)}};
    if (auto done = book_.put(std::move(*pool)); !done) return tl::unexpected(done.error().text());
    return answer;
}

Answer<json> Pools::release_pool(const json& body) {
    Request request(body);
    const std::string id = request.required("PoolID");
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    if (auto done = book_.remove_pool(id); !done) return tl::unexpected(done.error().text());
    last_.erase(id);
    return json::object();
}

// The switch's own address in the network.
std::optional<IpAddress> Pools::gateway_of(const Pool& pool) const {
    if (pool.network.empty()) return std::nullopt;
    const auto network = switch_.find_network(pool.network);
    if (!network) return std::nullopt;
    const auto own = std::ranges::find_if(network->gateway,
                                          [&](const IpAddress& address) { return pool.subnet.contains(address); });
    return own == network->gateway.end() ? std::nullopt : std::optional(*own);
}

std::set<IpAddress> Pools::taken_in(const Pool& pool) const {
    if (pool.network.empty()) return {pool.addresses.begin(), pool.addresses.end()};
    std::set<IpAddress> taken = switch_.addresses_in_use(pool.network);
    taken.merge(book_.addresses_in(pool.network));
    return taken;
}

// The next free address behind the one that was chosen last, so that an address stays unused for long after its
// container is gone.
std::optional<IpAddress> Pools::choose(const Pool& pool) {
    if (!pool.network.empty()) return switch_.choose_address(pool.network, pool.subnet, pool.range);
    const AddressRange range = base::range_of(pool.range.value_or(pool.subnet));
    const std::set<IpAddress> taken = taken_in(pool);
    const auto last = last_.find(pool.id);
    const IpAddress begin = last == last_.end() || !range.contains(last->second) || last->second == range.high
                                ? range.low
                                : base::next(last->second);
    IpAddress at = begin;
    // Each step passes an address that is taken, or one of the few that no station can have.
    for (size_t steps = 0; steps <= taken.size() + kMostUnusable; ++steps) {
        if (!taken.contains(at) && base::why_unusable(at, {pool.subnet}).empty()) {
            last_[pool.id] = at;
            return at;
        }
        at = at == range.high ? range.low : base::next(at);
        if (at == begin) return std::nullopt;
    }
    return std::nullopt;
}

Answer<json> Pools::request_address(const json& body) {
    Request request(body);
    const std::string id = request.required("PoolID");
    const auto asked = request.parsed<IpAddress>("Address");
    Request options(request.object("Options"), "Options.");
    const bool is_gateway = options.text("RequestAddressType") == kGatewayData;
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    if (!options.mistake().empty()) return tl::unexpected(options.mistake());
    const Pool* pool = book_.find_pool(id);
    if (pool == nullptr) return refuse("there is no pool {}", base::shown(id));

    const auto answer = [&](const IpAddress& address) {
        return json{{"Address", text_of(address, *pool)}, {"Data", json::object()}};
    };
    const auto gateway = gateway_of(*pool);
    if (gateway && is_gateway && (!asked || asked == gateway)) return answer(*gateway);
    std::optional<IpAddress> address = asked;
    if (asked) {
        if (!pool->subnet.contains(*asked)) return refuse("{} is not in {}", asked->text(), pool->subnet.text());
        if (const std::string why = base::why_unusable(*asked, {pool->subnet}); !why.empty())
            return refuse("{} {}", asked->text(), why);
        if (taken_in(*pool).contains(*asked)) return refuse("{} is in use already", asked->text());
    } else {
        address = choose(*pool);
        if (!address) return refuse("no address is left in {}", pool->range.value_or(pool->subnet).text());
    }
    const json given = answer(*address);
    Pool changed = *pool;
    changed.addresses.push_back(*address);
    if (auto done = book_.put(std::move(changed)); !done) return tl::unexpected(done.error().text());
    return given;
}

Answer<json> Pools::release_address(const json& body) {
    Request request(body);
    const std::string id = request.required("PoolID");
    const auto address = request.parsed<IpAddress>("Address");
    if (!request.mistake().empty()) return tl::unexpected(request.mistake());
    const Pool* pool = book_.find_pool(id);
    if (pool == nullptr || !address) return json::object();
    Pool changed = *pool;
    std::erase(changed.addresses, *address);
    if (auto done = book_.put(std::move(changed)); !done) return tl::unexpected(done.error().text());
    return json::object();
}

}  // namespace sluice::docker
