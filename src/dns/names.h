// What names mean here: an immutable table of records, and the settings that answers need. The control thread
// makes a new table for each change (NamesTable), and the protocol thread answers from the last one.
//
// A record is for those askers only that its address is of use to: those of one network, or those of all networks
// in one routing domain. Names that are asked by others don't exist for them.
//
// A table of ten thousand Services is many small shards. A change copies those of its own names, and shares all
// others with the table before: one of 10,000 Services costs about 100 µs.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "dns/dns_config.h"
#include "dns/query.h"
#include "path/ids.h"
#include "sluice/address.h"

namespace sluice::dns {

// The askers that a record is for. NamesTable gives the numbers.
enum class Scope : uint32_t {};
inline constexpr Scope kNobody{0};

// The object that gives a record, for queries of the operator.
struct Source {
    std::string kind;  // "port", "service", "pod", "network"
    std::string name;
    base::Place place;
};
using SharedSource = std::shared_ptr<const Source>;

struct Record {
    Type type{};
    Scope scope = kNobody;
    std::string rdata;  // in wire form, without compression
    SharedSource source;
};

Record address_record(const IpAddress& address, Scope scope);  // A or AAAA
Record name_record(Type type, std::string_view target, Scope scope);
Record service_record(uint16_t port, std::string_view target, Scope scope);
Record text_record(std::string_view text, Scope scope);
// The name in a record's data; empty: records of its type have none.
std::string_view target_of(const Record& record);
// As in a zone's file: "10.0.0.1", "0 100 80 web.default.svc.cluster.local.".
std::string data_text(const Record& record);

// All records of one name.
struct Entry {
    std::vector<Record> records;
    uint32_t names_below = 0;  // those of a zone of ours: with any the name exists, without records too
};
using Shard = std::unordered_map<std::string, std::shared_ptr<const Entry>>;

// What is known of a network whose gateway answers.
struct View {
    std::string network;  // empty: there is no such network, or it has no DNS
    Scope own = kNobody;
    Scope domain = kNobody;

    bool shows(Scope scope) const noexcept { return scope != kNobody && (scope == own || scope == domain); }

    bool operator==(const View&) const = default;
};

struct Settings {
    struct Subnet {
        Scope domain = kNobody;
        IpPrefix prefix;

        bool operator==(const Subnet&) const = default;
    };

    std::string zone;  // the cluster's domain, in wire form
    uint32_t ttl = 5;
    std::vector<UpstreamConfig> upstreams;  // empty: those of resolv.conf
    std::vector<View> views;                // by NetworkId
    std::vector<Subnet> subnets;            // whose addresses have no names but those here
    std::vector<IpAddress> own;             // where we answer ourselves
    // Ports of this host: containers, guests, and the host itself. Askers behind other ports get no recursion.
    std::bitset<path::kMaxPorts> insiders;

    bool operator==(const Settings&) const = default;
};

class Names {
 public:
    static constexpr size_t kShards = 1024;

    // Null: there is no such name.
    const Entry* find(std::string_view name) const;
    // Null: the network has no DNS.
    const View* view(path::NetworkId network) const noexcept {
        const size_t at = path::index(network);
        return at < settings_->views.size() && !settings_->views[at].network.empty() ? &settings_->views[at]
                                                                                     : nullptr;
    }
    bool is_insider(path::PortId port) const noexcept {
        return path::index(port) < path::kMaxPorts && settings_->insiders[path::index(port)];
    }
    // Whether the address is one of the domain's networks or Services, whose names nobody else knows.
    bool owns(Scope domain, const IpAddress& address) const noexcept;
    const Settings& settings() const noexcept { return *settings_; }
    size_t count() const;

 private:
    friend class NamesTable;

    std::array<std::shared_ptr<const Shard>, kShards> shards_;  // null: empty
    std::shared_ptr<const Settings> settings_ = std::make_shared<const Settings>();
};

// Follows changes on the control thread.
class NamesTable {
 public:
    struct Named {
        std::string name;  // in wire form
        Record record;
    };

    // The scopes' numbers stay the same for the table's life.
    Scope scope_of_network(const std::string& name) { return scope_of("network " + name); }
    Scope scope_of_domain(const std::string& name) { return scope_of("domain " + name); }

    void set(const Settings& settings);
    // All records that this object gives; those that it gave before are gone. Without any: it gives none.
    void set(const Source& object, std::vector<Named> records);

    // The table as it is by now. Null: nothing has changed since the last call.
    std::shared_ptr<const Names> take();

 private:
    struct Given {
        SharedSource source;
        std::vector<std::string> names;  // each once
    };

    Scope scope_of(const std::string& what);
    Entry& writable(const std::string& name);
    void count_below(const std::string& name, int by);
    void remove(const Given& given);

    std::unordered_map<std::string, Scope> scopes_;
    std::unordered_map<std::string, Given> objects_;  // by kind and name
    Settings settings_;
    bool has_new_settings_ = true;
    std::unordered_map<std::string, Entry> changed_;  // names that are other ones than in `names_`
    std::shared_ptr<const Names> names_ = std::make_shared<const Names>();
};

}  // namespace sluice::dns
