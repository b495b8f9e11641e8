#include "control/guests.h"

#include <algorithm>
#include <chrono>

#include "dhcp/advertisement.h"
#include "dhcp/domain_name.h"
#include "engine/dns_names.h"
#include "wire/address.h"

namespace sluice::control {
namespace {

using engine::NetworkConfig;

IpAddress all_nodes() {
    return IpAddress::parse("ff02::1").value();
}
MacAddress all_nodes_mac() {
    return MacAddress::from_uint64(0x3333'0000'0001);
}

bool carries(const engine::Config& config, const port::PortConfig& port, const std::string& network) {
    const auto networks = engine::networks_of(config, port);
    return std::ranges::find(networks, network) != networks.end();
}

bool is_in(const NetworkConfig& network, const IpAddress& address) {
    return std::ranges::any_of(network.subnets, [&](const IpPrefix& it) { return it.contains(address); });
}

bool has_family(const std::vector<IpAddress>& addresses, bool v4) {
    return std::ranges::find(addresses, v4, &IpAddress::is_v4) != addresses.end();
}

// The addresses of the network that the port declares.
std::vector<InterfaceAddress> declared_in(const NetworkConfig& network, const port::PortConfig& port) {
    std::vector<InterfaceAddress> own;
    std::ranges::copy_if(port.address, std::back_inserter(own),
                         [&](const InterfaceAddress& it) { return is_in(network, it.address); });
    return own;
}

std::vector<IpAddress> name_servers_of(const NetworkConfig& network) {
    return network.dns.nameserver.empty() ? engine::dns_addresses(network) : network.dns.nameserver;
}

// As the network's guests are told, else as its containers are.
std::vector<std::string> search_of(const NetworkConfig& network) {
    const dhcp::DhcpConfig& config = *network.dhcp;
    if (!config.search.empty()) return config.search;
    std::vector<std::string> search;
    std::ranges::copy_if(network.dns.search, std::back_inserter(search), dhcp::is_domain_name);
    if (search.empty() && !config.domain.empty()) search = {config.domain};
    return search;
}

// What all guests of the network are offered.
dhcp::Facts facts_of(const NetworkConfig& network, const MacAddress& router_mac, uint16_t mtu) {
    const dhcp::DhcpConfig& config = *network.dhcp;
    dhcp::Facts facts;
    facts.router_mac = router_mac;
    facts.gateways = network.gateway;
    std::ranges::copy_if(network.subnets, std::back_inserter(facts.prefixes6),
                         [](const IpPrefix& subnet) { return !subnet.address.is_v4(); });
    facts.is_on_link = !network.flat;
    facts.is_autonomous = config.autonomous;
    for (const dhcp::RouteConfig& route : config.routes) facts.routes.push_back({route.to, route.via});
    facts.mtu = mtu;
    facts.name_servers = name_servers_of(network);
    facts.time_servers = config.ntp;
    facts.domain = config.domain;
    facts.search = search_of(network);
    facts.lease = config.lease.seconds;
    return facts;
}

dhcp::Facts facts_of(const Asker& asker) {
    dhcp::Facts facts = facts_of(asker.network, asker.router_mac, asker.port.frame_mtu());
    facts.host_name = dhcp::host_label(asker.port.name);
    return facts;
}

// With the length of its subnet.
InterfaceAddress on_link(const NetworkConfig& network, const IpAddress& address) {
    for (const IpPrefix& subnet : network.subnets) {
        if (subnet.contains(address) && !network.flat) return {address, subnet.length};
    }
    return {address, static_cast<uint8_t>(address.bits())};
}

dhcp::Guest guest_of(const Asker& asker) {
    return {asker.network.name, asker.port.name, asker.mac};
}

bool gets_new(dhcp::Type6 type) {
    return type == dhcp::Type6::kSolicit || type == dhcp::Type6::kRequest || type == dhcp::Type6::kRenew ||
           type == dhcp::Type6::kRebind;
}

}  // namespace

void add_leases(const dhcp::Leases& leases, const std::string& network, engine::Holders& holders) {
    for (const auto& [key, lease] : leases.entries()) {
        const auto& [guest, v4] = key;
        if (guest.network != network || lease.is_declared || lease.state == dhcp::LeaseState::kFree) continue;
        holders.emplace(lease.address,
                        engine::Holder{fmt::format("guest {} at port {}", guest.mac.text(), guest.port)});
    }
}

int64_t Guests::now() {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

void Guests::tell(base::log::Level level, const Asker& asker, std::string_view what) {
    const std::string key = fmt::format("{} {} {}", asker.network.name, asker.port.name, what);
    log_.tell(base::CountedLog::Clock::now(), level, "dhcp", key,
              fmt::format("guest {} at port {} of network {}: {}", asker.mac.text(), asker.port.name,
                          asker.network.name, what));
}

// Whether the port has as many guests as it may have. An address that one of them has declined counts as one.
bool Guests::is_full(const Asker& asker, bool v4) {
    const size_t most = asker.port.is_ethdev() ? kMostOfDevice : kMostOfPort;
    const std::string& network = asker.network.name;
    const std::string& port = asker.port.name;
    if (leases_.guests_of(network, port, v4) + leases_.declined_of(network, port) < most) return false;
    tell(base::log::Level::kWarning, asker,
         fmt::format("there are {} guests with addresses behind the port: this one gets none", most));
    return true;
}

// The next free address that no station was heard of with; stations may have chosen theirs themselves.
std::optional<IpAddress> Guests::choose_unused(const Asker& asker, engine::Holders& holders, bool v4,
                                               std::string& why) {
    constexpr int kMostTries = 64;
    for (int i = 0; i < kMostTries; ++i) {
        const auto found = ipam_.choose(asker.network, holders, v4);
        if (!found) {
            why = found.error().message;
            return std::nullopt;
        }
        if (!in_use_(asker.network, *found, asker.mac)) return *found;
        holders.emplace(*found, engine::Holder{"a station"});
    }
    why = "stations use the next free addresses themselves";
    return std::nullopt;
}

// A free address of the pool: the one that the guest asks for, if it may have that. What other guests had before
// is taken last.
std::optional<IpAddress> Guests::choose(const Asker& asker, const dhcp::Guest& guest, bool v4,
                                        const std::optional<IpAddress>& asked, Wish wish,
                                        const HoldersIn& holders_in) {
    const NetworkConfig& network = asker.network;
    if (is_full(asker, v4)) return std::nullopt;
    engine::Holders holders = holders_in(network);
    for (const auto& [key, lease] : leases_.entries()) {
        if (key.first.network == network.name && key.first != guest && !lease.is_declared)
            holders.emplace(lease.address, engine::Holder{"another guest"});
    }
    for (const auto& [declined, until] : leases_.declined()) {
        if (declined.network == network.name) holders.emplace(declined.address, engine::Holder{"a station"});
    }
    const bool may_have_asked = asked && asked->is_v4() == v4 && engine::is_free(network, holders, *asked) &&
                                !in_use_(network, *asked, asker.mac);
    if (may_have_asked) return asked;
    if (wish == Wish::kAsked) return std::nullopt;
    std::string why;
    auto found = choose_unused(asker, holders, v4, why);
    if (!found && leases_.forget_free(network.name, v4)) {
        holders = holders_in(network);
        add_leases(leases_, network.name, holders);
        for (const auto& [declined, until] : leases_.declined()) {
            if (declined.network == network.name) holders.emplace(declined.address, engine::Holder{"a station"});
        }
        found = choose_unused(asker, holders, v4, why);
    }
    if (!found) tell(base::log::Level::kWarning, asker, why);
    return found;
}

// The guest's address: what its port declares; behind a port that declares none, what it has or had, else a new
// one.
std::optional<IpAddress> Guests::address_of(const Asker& asker, bool v4, const std::optional<IpAddress>& asked,
                                            Wish wish, const HoldersIn& holders_in) {
    if (const auto own = declared_in(asker.network, asker.port); !own.empty()) {
        const auto found = std::ranges::find(own, v4, [](const auto& it) { return it.address.is_v4(); });
        const bool is_other = asker.port_mac && *asker.port_mac != asker.mac;
        if (leases_.find(guest_of(asker), v4) == nullptr && is_full(asker, v4)) return std::nullopt;
        return found == own.end() || is_other ? std::nullopt : std::optional(found->address);
    }
    const dhcp::Guest guest = guest_of(asker);
    const dhcp::Lease* lease = leases_.find(guest, v4);
    const bool is_used = lease != nullptr && lease->state != dhcp::LeaseState::kFree;
    if (is_used && is_in(asker.network, lease->address)) return lease->address;
    if (wish == Wish::kOwn) return std::nullopt;
    const bool has_subnet = std::ranges::any_of(
        asker.network.subnets, [&](const IpPrefix& subnet) { return subnet.address.is_v4() == v4; });
    if (!has_subnet) return std::nullopt;
    return choose(asker, guest, v4, lease != nullptr ? std::optional(lease->address) : asked, wish, holders_in);
}

void Guests::note(const Asker& asker, const IpAddress& address, dhcp::Outcome outcome,
                  const std::string& host_name, int64_t now) {
    const dhcp::Guest guest = guest_of(asker);
    const bool is_declared = !declared_in(asker.network, asker.port).empty();
    switch (outcome) {
        case dhcp::Outcome::kNone:
            return;
        case dhcp::Outcome::kOffered:
            return leases_.offer(guest, address, is_declared, now);
        case dhcp::Outcome::kBound:
            return leases_.bind(guest, address, is_declared, host_name, asker.network.dhcp->lease.seconds, now);
        case dhcp::Outcome::kReleased:
            return leases_.release(guest, address.is_v4(), now);
        case dhcp::Outcome::kDeclined:
            tell(base::log::Level::kWarning, asker,
                 fmt::format("declines {}, which another station uses{}", address.text(),
                             is_declared ? "" : ": nobody gets it for 10 minutes"));
            return leases_.decline(guest, address.is_v4(), now);
    }
}

std::optional<Guests::Reply> Guests::answer_v4(std::span<const uint8_t> payload, const Asker& asker,
                                               const HoldersIn& holders_in, int64_t now) {
    const auto message = dhcp::read_v4(payload);
    if (!message) {
        tell(base::log::Level::kInfo, asker,
             fmt::format("a DHCP message is not answered: it {}", message.error()));
        return std::nullopt;
    }
    if (message->mac != asker.mac) {
        tell(base::log::Level::kInfo, asker, "a DHCP message is not answered: it is for another MAC address");
        return std::nullopt;
    }
    dhcp::Facts facts = facts_of(asker);
    const auto server = facts.server();
    if (!server || (message->server && *message->server != *server)) {
        // Another server's offer was taken: ours is free again.
        const dhcp::Lease* lease = leases_.find(guest_of(asker), true);
        if (server && lease != nullptr && lease->state == dhcp::LeaseState::kOffered)
            leases_.release(guest_of(asker), true, now);
        return std::nullopt;
    }
    const auto asked = message->own.is_unspecified() ? message->requested : std::optional(message->own);
    Wish wish = Wish::kOwn;
    if (message->type == dhcp::Type4::kDiscover) wish = Wish::kNew;
    if (message->type == dhcp::Type4::kRequest) wish = Wish::kAsked;
    const auto address = address_of(asker, true, asked, wish, holders_in);
    if (address) facts.address = on_link(asker.network, *address);
    dhcp::Answer4 answer = dhcp::answer_v4(*message, facts);
    if (address) note(asker, *address, answer.outcome, message->host_name, now);
    if (answer.message.empty()) return std::nullopt;
    return Reply{answer.to_mac, answer.to, *server, std::move(answer.message),
                 answer.outcome == dhcp::Outcome::kBound};
}

std::optional<Guests::Reply> Guests::answer_v6(std::span<const uint8_t> payload, const Asker& asker,
                                               const HoldersIn& holders_in, int64_t now) {
    const auto message = dhcp::read_v6(payload);
    if (!message) {
        tell(base::log::Level::kInfo, asker,
             fmt::format("a DHCPv6 message is not answered: it {}", message.error()));
        return std::nullopt;
    }
    dhcp::Facts facts = facts_of(asker);
    if (facts.prefixes6.empty()) return std::nullopt;
    const auto association = std::ranges::find(message->associations, false, &dhcp::Association::is_of_prefixes);
    const bool has_association = association != message->associations.end();
    const bool is_for_us = message->server.empty() || message->server == dhcp::server_id(facts);
    const Wish wish = gets_new(message->type) && has_association && is_for_us ? Wish::kNew : Wish::kOwn;
    std::optional<IpAddress> asked;
    if (has_association && !association->addresses.empty()) asked = association->addresses.front();
    const auto address = address_of(asker, false, asked, wish, holders_in);
    if (address) facts.addresses6 = {*address};
    // A port may declare several, and then its guest has them all.
    for (const InterfaceAddress& own : declared_in(asker.network, asker.port)) {
        if (address && !own.address.is_v4() && own.address != *address) facts.addresses6.push_back(own.address);
    }
    dhcp::Answer6 answer = dhcp::answer_v6(*message, facts);
    if (address) note(asker, *address, answer.outcome, message->host_name, now);
    if (answer.message.empty()) return std::nullopt;
    return Reply{asker.mac, asker.source, wire::link_local_of(asker.router_mac.bytes), std::move(answer.message),
                 answer.outcome == dhcp::Outcome::kBound};
}

std::optional<Guests::Reply> Guests::advertise(const NetworkConfig& network, MacAddress router_mac, uint16_t mtu) {
    const dhcp::Facts facts = facts_of(network, router_mac, mtu);
    if (facts.prefixes6.empty() || !has_family(network.gateway, false)) return std::nullopt;
    return Reply{all_nodes_mac(), all_nodes(), wire::link_local_of(router_mac.bytes),
                 dhcp::router_advertisement(facts)};
}

std::optional<Guests::Reply> Guests::answer(Asking asking, std::span<const uint8_t> payload, const Asker& asker,
                                            const HoldersIn& holders_in, int64_t now) {
    if (!asker.network.dhcp) return std::nullopt;
    if (asking == Asking::kDhcp) return answer_v4(payload, asker, holders_in, now);
    if (asking == Asking::kDhcpv6) return answer_v6(payload, asker, holders_in, now);
    auto reply = advertise(asker.network, asker.router_mac, asker.network_mtu);
    // To the guest alone; without an address it hears it as one of all.
    if (reply && !asker.source.is_unspecified()) {
        reply->to_mac = asker.mac;
        reply->to = asker.source;
    }
    return reply;
}

void Guests::reconcile(const engine::Config& config, const HoldersIn& holders_in, int64_t now) {
    std::map<std::string, engine::Holders> holders;
    for (const NetworkConfig& network : config.networks) {
        if (network.dhcp) holders.emplace(network.name, holders_in(network));
    }
    std::vector<std::pair<dhcp::Leases::Key, std::string>> taken;
    std::vector<dhcp::Leases::Key> gone;  // with their ports
    for (const auto& [key, lease] : leases_.entries()) {
        const dhcp::Guest& guest = key.first;
        const auto in = holders.find(guest.network);
        if (in == holders.end()) continue;
        const port::PortConfig* port = engine::find_port(config, guest.port);
        if (port == nullptr || !carries(config, *port, guest.network)) {
            gone.push_back(key);
            continue;
        }
        const NetworkConfig& network = *engine::find_network(config, guest.network);
        const bool declares = !declared_in(network, *port).empty();
        const auto holder = in->second.find(lease.address);
        if (lease.is_declared) {
            // The holders' ports may be of another copy of the configuration.
            const bool is_its = holder != in->second.end() && holder->second.port != nullptr &&
                                holder->second.port->name == port->name;
            if (!is_its) taken.emplace_back(key, "the port does not declare it any more");
        } else if (declares) {
            taken.emplace_back(key, "the port declares addresses of its own");
        } else if (holder != in->second.end()) {
            taken.emplace_back(key, fmt::format("it is {}'s by now", holder->second.name));
        }
    }
    for (const auto& [guest, v4] : gone) leases_.release(guest, v4, now);
    for (const auto& [key, why] : taken) {
        const dhcp::Lease* lease = leases_.find(key.first, key.second);
        if (lease->state == dhcp::LeaseState::kBound) {
            base::log::notice("dhcp", "the lease of {} by {} at port {} ends: {}", lease->address.text(),
                              key.first.mac.text(), key.first.port, why);
        }
        leases_.remove(key.first, key.second);
    }
}

engine::LentAddresses Guests::lent(const engine::Config& config) const {
    engine::LentAddresses lent;
    for (const auto& [key, lease] : leases_.entries()) {
        const dhcp::Guest& guest = key.first;
        if (lease.is_declared || lease.state != dhcp::LeaseState::kBound) continue;
        const NetworkConfig* network = engine::find_network(config, guest.network);
        if (network == nullptr || !network->dhcp || !is_in(*network, lease.address)) continue;
        const port::PortConfig* port = engine::find_port(config, guest.port);
        if (port == nullptr || !carries(config, *port, guest.network)) continue;
        lent[guest.port].push_back({guest.network, lease.address, guest.mac});
    }
    return lent;
}

}  // namespace sluice::control
