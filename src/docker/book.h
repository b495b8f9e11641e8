// What docker has told the plug-in and doesn't tell again: pools of addresses, networks, endpoints. The book is
// written to its file at each change, before docker gets the answer, so that docker and its containers go on after
// a restart of either side. Ports and networks of the switch are kept in the switch's own state file.
// Control thread.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/address_range.h"
#include "base/error.h"
#include "base/fields.h"
#include "sluice/address.h"

namespace sluice::docker {

// Addresses that `--ipam-driver sluice` gives.
struct Pool {
    std::string id;
    IpPrefix subnet;
    std::optional<IpPrefix> range;  // that addresses are chosen from; none: the subnet
    std::string network;            // of the switch, whose subnet it is; empty: the pool is a network's to be made
    std::vector<IpAddress> addresses;  // that were given

    bool operator==(const Pool&) const = default;
};

template <class V>
void fields(V& v, Pool& p) {
    v.required("id", p.id);
    v.required("subnet", p.subnet);
    v.optional("range", p.range);
    v.optional("network", p.network);
    v.optional("addresses", p.addresses);
}

struct Network {
    std::string id;
    std::string name;                // in the switch
    bool is_made = false;            // for docker: it is removed with the last of docker's networks that is in it
    bool is_confirmed = false;       // docker has got, or gets, the answer that it exists
    std::vector<IpAddress> gateway;  // of its containers
    std::optional<uint16_t> mtu;
    std::string prefix = "eth";  // of its interfaces' names
    std::string name_space;      // of its containers, as of here
    base::Words labels;

    bool operator==(const Network&) const = default;
};

template <class V>
void fields(V& v, Network& n) {
    v.required("id", n.id);
    v.required("name", n.name);
    v.optional("made", n.is_made);
    v.optional("confirmed", n.is_confirmed);
    v.optional("gateway", n.gateway);
    v.optional("mtu", n.mtu);
    v.optional("prefix", n.prefix);
    v.optional("namespace", n.name_space);
    v.optional("labels", n.labels);
}

struct Endpoint {
    std::string id;
    std::string network;  // docker's id
    std::vector<IpAddress> addresses;
    MacAddress mac;
    std::string pod;
    std::string name_space;
    base::Words labels;

    bool operator==(const Endpoint&) const = default;
};

template <class V>
void fields(V& v, Endpoint& e) {
    v.required("id", e.id);
    v.required("network", e.network);
    v.optional("addresses", e.addresses);
    v.required("mac", e.mac);
    v.optional("pod", e.pod);
    v.optional("namespace", e.name_space);
    v.optional("labels", e.labels);
}

struct Entries {
    uint32_t version = 1;
    std::vector<Pool> pools;
    std::vector<Network> networks;
    std::vector<Endpoint> endpoints;

    bool operator==(const Entries&) const = default;
};

template <class V>
void fields(V& v, Entries& e) {
    v.required("version", e.version, base::Range{1, 1});
    v.optional("pools", e.pools);
    v.optional("networks", e.networks);
    v.optional("endpoints", e.endpoints);
}

class Book {
 public:
    // Empty, and kept nowhere.
    Book() = default;
    // A file that can't be read is put aside, and the book is empty.
    static Book load(const std::string& file);

    const Entries& entries() const noexcept { return entries_; }
    const Pool* find_pool(std::string_view id) const;
    const Network* find_network(std::string_view id) const;
    const Endpoint* find_endpoint(std::string_view id) const;

    // Each replaces the entry of the same id. After an error nothing has changed.
    base::Result<void> put(Pool pool);
    base::Result<void> put(Network network);
    base::Result<void> put(Endpoint endpoint);
    // Success if there is none.
    base::Result<void> remove_pool(std::string_view id);
    base::Result<void> remove_network(std::string_view id);
    base::Result<void> remove_endpoint(std::string_view id);

    // The addresses in a network of the switch that docker has, or will give to its next containers.
    std::set<IpAddress> addresses_in(std::string_view network) const;

 private:
    base::Result<void> change_to(Entries next);

    std::string file_;
    Entries entries_;
};

}  // namespace sluice::docker
