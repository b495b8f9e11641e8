// Messages of guests, put together for tests, and the facts of a network.
#pragma once

#include <initializer_list>
#include <map>
#include <string>

#include "dhcp/facts.h"
#include "dhcp/v4.h"
#include "dhcp/v6.h"

namespace sluice::dhcp {

inline IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}
inline const MacAddress kGuest = MacAddress::from_uint64(0x0200'0000'0005);

inline Facts blue() {
    Facts facts;
    facts.router_mac = MacAddress::from_uint64(0x0200'0000'0001);
    facts.gateways = {ip("10.0.0.1"), ip("fd00::1")};
    facts.address = InterfaceAddress::parse("10.0.0.5/24").value();
    facts.addresses6 = {ip("fd00::5")};
    facts.prefixes6 = {IpPrefix::parse("fd00::/64").value()};
    facts.mtu = 1450;
    facts.name_servers = {ip("10.0.0.1"), ip("fd00::1"), ip("10.0.0.53")};
    facts.time_servers = {ip("10.0.0.123"), ip("fd00::123")};
    facts.domain = "blue.test";
    facts.search = {"blue.test", "test"};
    facts.host_name = "vm1";
    facts.lease = 3600;
    return facts;
}

using Options4 = std::initializer_list<std::pair<uint8_t, Bytes>>;
inline Bytes options4(Options4 options) {
    ByteWriter writer;
    for (const auto& [code, value] : options)
        writer.number(code, 1).number(static_cast<uint32_t>(value.size()), 1).add(value);
    return writer.number(255, 1).take();
}

struct Fields4 {
    uint32_t operation = 1;
    bool wants_broadcast = false;
    const char* own = "0.0.0.0";
    const char* relay = "0.0.0.0";
    MacAddress mac = kGuest;
    Bytes name = {};
    Bytes file = {};
    uint32_t magic = 0x6382'5363;
};

inline Bytes message4(const Bytes& options, const Fields4& fields = {}) {
    ByteWriter writer;
    writer.number(fields.operation, 1).number(1, 1).number(6, 1).number(0, 1).number(0x1234'5678, 4);
    writer.number(0, 2).number(fields.wants_broadcast ? 0x8000 : 0, 2).add(ip(fields.own)).zeros(8);
    writer.add(ip(fields.relay)).add(fields.mac).zeros(10);
    writer.add(fields.name).zeros(64 - fields.name.size()).add(fields.file).zeros(128 - fields.file.size());
    return writer.number(fields.magic, 4).add(options).take();
}

inline Bytes address4(const char* address) {
    return ByteWriter().add(ip(address)).take();
}

// An answer's options by code, those of the names' fields too.
inline std::map<uint8_t, Bytes> read_answer4(const Bytes& answer) {
    std::map<uint8_t, Bytes> options;
    const auto read = [&](std::span<const uint8_t> field) {
        ByteReader reader(field);
        while (!reader.empty()) {
            const auto code = static_cast<uint8_t>(reader.number(1));
            if (code == 255) return;
            if (code == 0) continue;
            const auto value = reader.take(reader.number(1));
            options[code].insert(options[code].end(), value.begin(), value.end());
        }
    };
    const std::span all(answer);
    read(all.subspan(240));
    const auto overload = options.contains(52) ? options[52].at(0) : 0;
    if ((overload & 1) != 0) read(all.subspan(108, 128));
    if ((overload & 2) != 0) read(all.subspan(44, 64));
    return options;
}

inline IpAddress yours4(const Bytes& answer) {
    return ByteReader(std::span(answer).subspan(16)).ipv4();
}

using Options6 = std::initializer_list<std::pair<uint16_t, Bytes>>;
inline Bytes options6(Options6 options) {
    ByteWriter writer;
    for (const auto& [code, value] : options)
        writer.number(code, 2).number(static_cast<uint32_t>(value.size()), 2).add(value);
    return writer.take();
}
inline Bytes message6(Type6 type, Options6 options) {
    return ByteWriter().number(static_cast<uint32_t>(type), 1).number(0xabcdef, 3).add(options6(options)).take();
}
inline const Bytes kDuid{0, 3, 0, 1, 2, 0, 0, 0, 0, 5};
inline Bytes association6(uint32_t id, std::initializer_list<const char*> addresses) {
    ByteWriter writer;
    writer.number(id, 4).zeros(8);
    for (const char* address : addresses) {
        const Bytes value = ByteWriter().add(ip(address)).zeros(8).take();
        writer.add(options6({{5, value}}));
    }
    return writer.take();
}

}  // namespace sluice::dhcp
