#include "nat/nat_config.h"

#include <fmt/format.h>

#include <map>

#include "base/text.h"

namespace sluice::nat {
namespace {

using base::shown;

constexpr size_t kMostEntries = 256;
constexpr size_t kMostPublished = 4096;

// At most `most`, plus 1.
size_t count_addresses(const AddressRange& range, size_t most) {
    size_t count = 1;
    for (IpAddress at = range.low; at != range.high && count <= most; at = base::next(at)) ++count;
    return count;
}

}  // namespace

tl::expected<AddressRange, std::string> parse_value(std::string_view text, AddressRange*) {
    const auto range = base::parse_value(text, static_cast<base::AddressRange*>(nullptr));
    if (!range) return tl::unexpected(range.error());
    if (count_addresses({*range}, kMaxPoolAddresses) > kMaxPoolAddresses) {
        return tl::unexpected(fmt::format("{} has more than {} addresses", shown(text), kMaxPoolAddresses));
    }
    return AddressRange{*range};
}

void add_addresses(const AddressRange& range, std::vector<IpAddress>& addresses) {
    addresses.push_back(range.low);
    while (addresses.back() != range.high) addresses.push_back(base::next(addresses.back()));
}

tl::expected<Target, std::string> parse_value(std::string_view text, Target*) {
    const auto colon = text.rfind(':');
    const std::string_view host = text.substr(0, colon);
    if (colon == text.npos || host.empty()) {
        return tl::unexpected(fmt::format(
            "{} is not a target: write a port of the switch or an address, and the number of the port there, "
            "such as web:80 or 10.0.0.3:80",
            shown(text)));
    }
    const auto ports = parse_value(text.substr(colon + 1), static_cast<PortRange*>(nullptr));
    if (!ports) return tl::unexpected(ports.error());
    const bool is_bracketed = host.starts_with('[') && host.ends_with(']');
    const auto address = IpAddress::parse(is_bracketed ? host.substr(1, host.size() - 2) : host);
    if (is_bracketed && !address) return tl::unexpected(address.error());
    if (address && is_bracketed == address->is_v4()) {
        return tl::unexpected(
            fmt::format("{} is unclear: write {}", shown(text), to_text(Target{{}, *address, *ports})));
    }
    if (!address && !base::is_object_name(host)) {
        return tl::unexpected(fmt::format("{} is neither an address nor the name of a port", shown(host)));
    }
    Target target{{}, std::nullopt, *ports};
    if (address) {
        target.address = *address;
    } else {
        target.port = host;
    }
    return target;
}

std::string to_text(const Target& target) {
    const std::string ports = to_text(target.ports);
    if (!target.address) return fmt::format("{}:{}", target.port, ports);
    return fmt::format(fmt::runtime(target.address->is_v4() ? "{}:{}" : "[{}]:{}"), target.address->text(), ports);
}

namespace {

// Finds ranges of ports that overlap at one address. Ranges come in the order of their low ends.
template <class Entry>
class Overlaps {
 public:
    // The range that ends last among those that began before and are at the address, or at all; null: none reaches
    // this one.
    const Entry* add(const std::optional<IpAddress>& address, const PortRange& ports, const Entry* entry) {
        const Last own{ports.high, entry};
        const Last before = address ? std::max(everywhere_, at_[*address]) : any_;
        any_ = std::max(any_, own);
        Last& place = address ? at_[*address] : everywhere_;
        place = std::max(place, own);
        return before.entry != nullptr && before.port >= ports.low ? before.entry : nullptr;
    }

 private:
    struct Last {
        uint16_t port = 0;
        const Entry* entry = nullptr;

        bool operator<(const Last& other) const {
            return entry == nullptr ? other.entry != nullptr : other.entry != nullptr && port < other.port;
        }
    };
    std::map<IpAddress, Last> at_;
    Last everywhere_;  // ranges at all addresses
    Last any_;         // all ranges
};

std::string described(const NatConfig& entry) {
    const std::string place = origin(entry.place);
    return entry.name.empty() ? fmt::format("the entry at {}", place) : fmt::format("{} ({})", entry.name, place);
}

class Checker {
 public:
    Checker(const std::vector<NatConfig>& nat, const std::vector<PublishConfig>& published,
            base::Mistakes& mistakes)
        : nat_(nat), published_(published), mistakes_(mistakes) {}

    void check_nat(size_t i) {
        const NatConfig& entry = nat_[i];
        if (!entry.name.empty()) {
            if (auto [first, fresh] = named_.emplace(entry.name, &entry); !fresh) {
                mistakes_.report({"nat", i, "name"}, entry.place,
                                 "{} is declared already, at {}: give one another name", entry.name,
                                 origin(first->second->place));
            }
        }
        check_networks(i);
        if (entry.one_to_one) {
            check_static(i, *entry.one_to_one);
        } else if (entry.addresses) {
            check_addresses(i);
        } else {
            check_gateways(i);
        }
    }

    // Behind all entries of `nat`.
    void check_published() {
        for (const auto& [entry, other] : find_overlaps(published_)) {
            if (mistakes_.is_full()) return;
            mistakes_.report({"publish", entry, "port"}, published_[entry].place,
                             "{} overlaps {}, which is published at {} already", to_text(published_[entry].ports),
                             to_text(published_[other].ports), origin(published_[other].place));
        }
        for (size_t i = 0; i < published_.size() && !mistakes_.is_full(); ++i) {
            const PublishConfig& entry = published_[i];
            const auto found = entry.address ? outside_.find(*entry.address) : outside_.end();
            if (found == outside_.end()) continue;
            mistakes_.report({"publish", i, "address"}, entry.place,
                             "has all of its ports translated to one address, by {}", described(*found->second));
        }
    }

 private:
    void check_networks(size_t i) {
        const auto& networks = nat_[i].masquerade;
        std::map<std::string_view, size_t> named;
        for (size_t n = 0; n < networks.size() && !mistakes_.is_full(); ++n) {
            if (named.emplace(networks[n], n).second) continue;
            mistakes_.report({"nat", i, "masquerade", n}, nat_[i].place, "{} is in the list already", networks[n]);
        }
    }

    void check_static(size_t i, const StaticConfig& addresses) {
        const NatConfig& entry = nat_[i];
        if (auto [first, fresh] = outside_.emplace(addresses.outside, &entry); !fresh) {
            mistakes_.report({"nat", i, "static", "outside"}, entry.place,
                             "{} has another inside address already, by {}", addresses.outside.text(),
                             described(*first->second));
        } else if (const auto pool = pools_.find(addresses.outside); pool != pools_.end()) {
            report_pool_of_static(i, {"nat", i, "static", "outside"}, addresses.outside, *pool->second[0]);
        }
        const std::pair<IpAddress, std::string_view> inside{addresses.inside, entry.out};
        if (auto [first, fresh] = inside_.emplace(inside, &entry); !fresh) {
            mistakes_.report({"nat", i, "static", "inside"}, entry.place,
                             "{} has another outside address in {} already, by {}", addresses.inside.text(),
                             entry.out, described(*first->second));
        }
    }

    void check_addresses(size_t i) {
        const NatConfig& entry = nat_[i];
        size_t count = 0;
        for (size_t r = 0; r < entry.addresses->size() && !mistakes_.is_full(); ++r) {
            std::vector<IpAddress> addresses;
            add_addresses((*entry.addresses)[r], addresses);
            count += addresses.size();
            if (count > kMaxPoolAddresses) {
                mistakes_.report({"nat", i, "addresses"}, entry.place, "has more than {} addresses",
                                 kMaxPoolAddresses);
                return;
            }
            for (const IpAddress& address : addresses) {
                if (!check_address(i, r, address)) break;
            }
        }
    }

    // False: it was reported, and those that follow would be alike.
    bool check_address(size_t i, size_t range, const IpAddress& address) {
        const NatConfig& entry = nat_[i];
        if (const auto found = outside_.find(address); found != outside_.end()) {
            report_pool_of_static(i, {"nat", i, "addresses", range}, address, *found->second);
            return false;
        }
        auto& holders = pools_[address];
        for (const NatConfig* other : holders) {
            if (other == &entry) {
                mistakes_.report({"nat", i, "addresses", range}, entry.place,
                                 "has {}, which is in the list already", address.text());
                return false;
            }
            if (!other->ports.overlaps(entry.ports)) continue;
            report_shared_ports(i, {"nat", i, "addresses", range}, address.text(), *other);
            return false;
        }
        holders.push_back(&entry);
        return true;
    }

    void check_gateways(size_t i) {
        auto& holders = by_gateway_[nat_[i].out];
        for (const NatConfig* other : holders) {
            if (!other->ports.overlaps(nat_[i].ports)) continue;
            return report_shared_ports(i, {"nat", i, "out"},
                                       fmt::format("the gateway addresses of {}", nat_[i].out), *other);
        }
        holders.push_back(&nat_[i]);
    }

    void report_shared_ports(size_t i, std::initializer_list<base::Step> steps, const std::string& address,
                             const NatConfig& other) {
        mistakes_.report(steps, nat_[i].place,
                         "gives {} ports that {} has too ({} and {}): give each its own `ports`, or put the "
                         "networks in one entry",
                         address, described(other), to_text(nat_[i].ports), to_text(other.ports));
    }
    void report_pool_of_static(size_t i, std::initializer_list<base::Step> steps, const IpAddress& address,
                               const NatConfig& other) {
        mistakes_.report(steps, nat_[i].place,
                         "uses {}, which {} uses too: a static address has all of its ports for itself",
                         address.text(), described(other));
    }

    const std::vector<NatConfig>& nat_;
    const std::vector<PublishConfig>& published_;
    base::Mistakes& mistakes_;
    std::map<std::string_view, const NatConfig*> named_;
    std::map<IpAddress, const NatConfig*> outside_;  // of static entries
    std::map<std::pair<IpAddress, std::string_view>, const NatConfig*> inside_;
    std::map<IpAddress, std::vector<const NatConfig*>> pools_;
    std::map<std::string_view, std::vector<const NatConfig*>> by_gateway_;  // by network
};

}  // namespace

std::vector<std::pair<size_t, size_t>> find_overlaps(const std::vector<PublishConfig>& published) {
    std::vector<std::pair<size_t, size_t>> found;
    for (const auto& [protocol, word] : names(PublishedProtocol{})) {
        std::vector<const PublishConfig*> sorted;
        for (const PublishConfig& entry : published) {
            if (entry.protocol == protocol) sorted.push_back(&entry);
        }
        const auto begins_before = [](const PublishConfig* one, const PublishConfig* other) {
            return one->ports.low < other->ports.low;
        };
        std::stable_sort(sorted.begin(), sorted.end(), begins_before);
        Overlaps<PublishConfig> overlaps;
        for (const PublishConfig* entry : sorted) {
            const PublishConfig* other = overlaps.add(entry->address, entry->ports, entry);
            if (other != nullptr)
                found.emplace_back(std::max(entry, other) - published.data(),
                                   std::min(entry, other) - published.data());
        }
    }
    return found;
}

void check(const std::vector<NatConfig>& nat, const std::vector<PublishConfig>& published,
           base::Mistakes& mistakes) {
    if (nat.size() > kMostEntries) {
        mistakes.report({"nat", kMostEntries}, nat[kMostEntries].place, "is one entry too many: there may be {}",
                        kMostEntries);
        return;
    }
    if (published.size() > kMostPublished) {
        mistakes.report({"publish", kMostPublished}, published[kMostPublished].place,
                        "is one published port too many: there may be {} (a range counts as one)", kMostPublished);
        return;
    }
    Checker checker(nat, published, mistakes);
    for (size_t i = 0; i < nat.size() && !mistakes.is_full(); ++i) checker.check_nat(i);
    if (!mistakes.is_full()) checker.check_published();
}

}  // namespace sluice::nat
