// Guests' questions for their addresses (DHCP, DHCPv6) and for their router, answered from the configuration and
// the leases. Knows no packets: leases.h receives questions and sends answers, after it has saved the leases.
// Control thread.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/counted_log.h"
#include "dhcp/facts.h"
#include "dhcp/leases.h"
#include "dhcp/v4.h"
#include "dhcp/v6.h"
#include "engine/ipam.h"
#include "engine/switch.h"

namespace sluice::control {

enum class Asking : uint8_t { kDhcp, kDhcpv6, kRouter };

// Who asks, as the switch knows it.
struct Asker {
    const engine::NetworkConfig& network;
    const port::PortConfig& port;
    std::optional<MacAddress> port_mac;  // none: of a guest that is declared without one
    MacAddress router_mac;
    MacAddress mac;
    IpAddress source;
    uint16_t network_mtu = 1500;  // of router advertisements
};

class Guests {
 public:
    // More guests behind a port get no address of the pool. A device may lead to a whole network.
    static constexpr size_t kMostOfPort = 16;
    static constexpr size_t kMostOfDevice = 4096;

    struct Reply {
        MacAddress to_mac;
        IpAddress to;
        IpAddress from;
        dhcp::Bytes payload;
        bool needs_lease = false;  // it says that the guest has an address: only after the leases are saved
    };
    // Whether a station with another MAC address was heard of with the address.
    using InUse = std::function<bool(const engine::NetworkConfig&, const IpAddress&, const MacAddress&)>;
    using HoldersIn = std::function<engine::Holders(const engine::NetworkConfig&)>;  // without leases

    Guests(engine::Ipam& ipam, std::string file) : ipam_(ipam), leases_(std::move(file)) {}

    // Seconds of the clock of leases.
    static int64_t now();

    dhcp::Leases& leases() noexcept { return leases_; }
    const dhcp::Leases& leases() const noexcept { return leases_; }

    // Nothing: the message gets no answer.
    std::optional<Reply> answer(Asking asking, std::span<const uint8_t> payload, const Asker& asker,
                                const HoldersIn& holders_in, int64_t now);
    // For all stations of a network; nothing: it isn't a router of IPv6.
    static std::optional<Reply> advertise(const engine::NetworkConfig& network, MacAddress router_mac,
                                          uint16_t mtu);

    // Takes back leases whose address a port, a Service or the gateway has by now, and those of ports that declare
    // addresses. Those of ports that are gone, or in another network, end: the guest may come back.
    void reconcile(const engine::Config& config, const HoldersIn& holders_in, int64_t now);
    // What guests have of the pools of networks that give addresses.
    engine::LentAddresses lent(const engine::Config& config) const;

    void set_in_use(InUse in_use) { in_use_ = std::move(in_use); }
    void tick() { log_.tick(base::CountedLog::Clock::now()); }

 private:
    enum class Wish { kNew, kAsked, kOwn };  // which address: any, the one that is asked for, what the guest has
    std::optional<IpAddress> address_of(const Asker& asker, bool v4, const std::optional<IpAddress>& asked,
                                        Wish wish, const HoldersIn& holders_in);
    bool is_full(const Asker& asker, bool v4);
    std::optional<IpAddress> choose_unused(const Asker& asker, engine::Holders& holders, bool v4,
                                           std::string& why);
    std::optional<IpAddress> choose(const Asker& asker, const dhcp::Guest& guest, bool v4,
                                    const std::optional<IpAddress>& asked, Wish wish, const HoldersIn& holders_in);
    void note(const Asker& asker, const IpAddress& address, dhcp::Outcome outcome, const std::string& host_name,
              int64_t now);
    std::optional<Reply> answer_v4(std::span<const uint8_t> payload, const Asker& asker,
                                   const HoldersIn& holders_in, int64_t now);
    std::optional<Reply> answer_v6(std::span<const uint8_t> payload, const Asker& asker,
                                   const HoldersIn& holders_in, int64_t now);
    void tell(base::log::Level level, const Asker& asker, std::string_view what);

    engine::Ipam& ipam_;
    dhcp::Leases leases_;
    InUse in_use_ = [](const engine::NetworkConfig&, const IpAddress&, const MacAddress&) { return false; };
    base::CountedLog log_;
};

// Adds the holders of leases to others: those that have an address or are offered one.
void add_leases(const dhcp::Leases& leases, const std::string& network, engine::Holders& holders);

}  // namespace sluice::control
