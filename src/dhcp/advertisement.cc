#include "dhcp/advertisement.h"

#include "dhcp/domain_name.h"

namespace sluice::dhcp {
namespace {

constexpr size_t kUnit = 8;              // bytes; the length of an option is a number of these
constexpr uint32_t kValid = 30 * 86400;  // seconds (RFC 4861, 6.2.1)
constexpr uint32_t kPreferred = 7 * 86400;
constexpr size_t kMostPrefixes = 16;
constexpr size_t kMostUnits = 31;  // of one option of ours, so that a message fits the least MTU of IPv6

namespace neighbor_option {
enum Type : uint8_t { kSourceAddress = 1, kPrefix = 3, kMtu = 5, kNameServers = 25, kSearch = 31 };
}  // namespace neighbor_option

// Behind the option's type and length come these bytes, filled up with zeros.
void add_in_units(ByteWriter& writer, uint8_t type, const Bytes& value) {
    const size_t units = (value.size() + 2 + kUnit - 1) / kUnit;
    writer.number(type, 1)
        .number(static_cast<uint32_t>(units), 1)
        .add(value)
        .zeros(units * kUnit - value.size() - 2);
}

// On the link, and with addresses from the switch only, unless stations may make their own.
Bytes prefix_option(const IpPrefix& prefix, const Facts& facts) {
    const uint32_t flags = (facts.is_on_link ? 0x80 : 0) | (facts.is_autonomous ? 0x40 : 0);
    return ByteWriter()
        .number(prefix.length, 1)
        .number(flags, 1)
        .number(kValid, 4)
        .number(kPreferred, 4)
        .zeros(4)
        .add(prefix.address)
        .take();
}

}  // namespace

Bytes router_advertisement(const Facts& facts) {
    constexpr uint32_t kType = 134;
    constexpr uint32_t kHopLimit = 64;
    constexpr uint32_t kManagedAndOther = 0xc0;
    ByteWriter writer;
    writer.number(kType, 1).number(0, 1).number(0, 2);
    writer.number(kHopLimit, 1).number(kManagedAndOther, 1).number(kRouterLifetime, 2).number(0, 4).number(0, 4);
    add_in_units(writer, neighbor_option::kSourceAddress, ByteWriter().add(facts.router_mac).take());
    add_in_units(writer, neighbor_option::kMtu, ByteWriter().number(0, 2).number(facts.mtu, 4).take());
    for (const IpPrefix& prefix :
         std::span(facts.prefixes6).first(std::min(facts.prefixes6.size(), kMostPrefixes)))
        add_in_units(writer, neighbor_option::kPrefix, prefix_option(prefix, facts));
    ByteWriter servers;
    servers.number(0, 2).number(kRouterLifetime, 4);
    const size_t without = servers.size();
    for (const IpAddress& server : facts.name_servers) {
        if (!server.is_v4() && servers.size() + 2 < kMostUnits * kUnit) servers.add(server);
    }
    if (servers.size() != without) add_in_units(writer, neighbor_option::kNameServers, servers.bytes());
    ByteWriter domains;
    domains.number(0, 2).number(kRouterLifetime, 4);
    for (const std::string& name : facts.search) {
        const Bytes encoded = encode_name(name);
        if (domains.size() + 2 + encoded.size() <= kMostUnits * kUnit) domains.add(encoded);
    }
    if (domains.size() != without) add_in_units(writer, neighbor_option::kSearch, domains.bytes());
    return writer.take();
}

}  // namespace sluice::dhcp
