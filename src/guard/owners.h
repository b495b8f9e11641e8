// Whose address an IP address of a network is: the switch's own as a router, or that of the port (or of the remote
// end point) that the configuration declares it for. Nobody else may say that it has it, in ARP (RFC 826) or
// Neighbor Discovery (RFC 4861), or open a connection from it where connections are followed. Guards (guard.h)
// hold a port to its own addresses; this holds ports that declare none, and tunnels, off those of others.
//
// Asking for an address claims nothing. A station that probes for one (RFC 5227, 2.1.1; RFC 4862, 5.4) wants to
// have it, and if the owner probes at that moment too, it gives the address up: of a port's address that is
// refused as well. Probes for the router's pass: the router answers them. Built with a snapshot, read by workers.
#pragma once

#include <bitset>
#include <memory>
#include <optional>
#include <vector>

#include "path/ids.h"
#include "path/parse.h"
#include "sluice/address.h"

namespace sluice::guard {

// What a frame of ARP or Neighbor Discovery says that its sender has.
struct Claim {
    IpAddress address;
    uint64_t mac = 0;  // path::mac_key() of where it is said to be; 0: the message doesn't say
    bool is_probe = false;  // the sender asks whether anybody has it
    // It stands behind more tags, extension headers or options than anybody needs: nothing is known of it.
    bool is_hidden = false;
};
// Of a frame that claims nothing, nothing.
std::optional<Claim> find_claim(const rte_mbuf* packet) noexcept;

class Owners {
 public:
    static constexpr path::PortId kRouter = path::kNoPort;

    struct Entry {
        path::NetworkId network;
        path::PortId port;  // or kRouter
        IpAddress address;
        uint64_t mac = 0;  // path::mac_key() of the port; 0: not known, or the router's

        bool operator==(const Entry&) const = default;
    };
    using Entries = std::vector<Entry>;

    Owners() = default;
    // An address that two ports have in one network is nobody's, unless the router has it as well. `trusted` ports
    // may use the addresses of other ports (`spoofing: allow`), and never the router's.
    Owners(const Entries& entries, const std::vector<path::PortId>& trusted);

    // Copies share the networks that don't change. Control thread.
    const Entries& entries(path::NetworkId network) const noexcept;
    void replace(path::NetworkId network, Entries entries);
    void set_trusted(path::PortId port, bool is_trusted) { trusted_.set(path::index(port), is_trusted); }

    bool trusts(path::PortId port) const noexcept { return trusted_[path::index(port)]; }
    bool empty() const noexcept { return count_ == 0; }
    // Whether the port may send as if the address was its own. `is_router`: the frame came by a tunnel from
    // the router's MAC address, which the routers of all hosts of an overlay have.
    bool may_use(path::NetworkId network, const IpAddress& address, path::PortId port,
                 bool is_router) const noexcept;
    // Whether the port may probe for the address.
    bool may_probe_for(path::NetworkId network, const IpAddress& address, path::PortId port) const noexcept;
    // Null if it is nobody's.
    const Entry* find(path::NetworkId network, const IpAddress& address) const noexcept;

 private:
    // The entries of one network.
    struct Table {
        explicit Table(Entries all);
        const Entry* find(const IpAddress& address) const noexcept;

        Entries entries;              // ordered, each once
        std::vector<uint32_t> slots;  // indices in `entries` by hash, with linear probing; UINT32_MAX: free
        size_t count = 0;             // of addresses that have an owner
    };

    size_t count_ = 0;
    std::vector<std::shared_ptr<const Table>> tables_;  // by NetworkId; null: nobody has an address there
    std::bitset<path::kMaxPorts> trusted_;
};

}  // namespace sluice::guard
