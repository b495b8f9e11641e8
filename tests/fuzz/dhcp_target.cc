// What guests send to learn their addresses: DHCP and DHCPv6 messages, read and answered. A message is refused
// with a reason, or its answer is of the message, well-formed and within the guest's size, and names no address
// but the guest's own. The first byte chooses among the protocols, the second among facts.
#include <map>

#include "dhcp/advertisement.h"
#include "dhcp/domain_name.h"
#include "dhcp/v4.h"
#include "dhcp/v6.h"
#include "fuzz/target.h"

namespace sluice::fuzz {
namespace {

using dhcp::ByteReader;
using dhcp::ByteWriter;

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

dhcp::Facts facts(uint8_t choice) {
    dhcp::Facts facts;
    facts.router_mac = MacAddress::from_uint64(0x0200'0000'0001);
    facts.gateways = {ip("10.0.0.1"), ip("fd00::1")};
    if ((choice & 1) == 0) facts.address = InterfaceAddress::parse("10.0.0.5/24").value();
    if ((choice & 2) == 0) facts.addresses6 = {ip("fd00::5"), ip("fd00::6")};
    facts.prefixes6 = {IpPrefix::parse("fd00::/64").value()};
    facts.name_servers = {ip("10.0.0.1"), ip("fd00::1")};
    facts.time_servers = {ip("10.0.0.2"), ip("fd00::2")};
    facts.domain = "blue.test";
    facts.host_name = "vm";
    for (int i = 0; i < (choice >> 2); ++i) {
        facts.search.push_back("part-" + std::to_string(i) + ".test");
        facts.routes.push_back({IpPrefix::parse("10.9.0.0/16").value(), ip("10.0.0.254")});
    }
    return facts;
}

void check_options4(std::span<const uint8_t> field) {
    ByteReader reader(field);
    while (!reader.empty()) {
        const uint32_t code = reader.number(1);
        if (code == 255) return;
        if (code != 0) reader.take(reader.number(1));
    }
    must(false, "a field of options without an end");
}

void check_v4(std::span<const uint8_t> bytes, const dhcp::Facts& facts) {
    const auto message = dhcp::read_v4(bytes);
    if (!message) return must(!message.error().empty(), "refused without a reason");
    must(!message->mac.is_multicast() && !message->mac.is_zero(), "the guest {}", message->mac.text());
    must(message->host_name == dhcp::host_label(message->host_name), "the name '{}'", message->host_name);
    const auto [outcome, answer, to, to_mac] = dhcp::answer_v4(*message, facts);
    if (answer.empty()) return;
    must(answer.size() + 28 <= std::max<size_t>({message->most_bytes, 576}), "{} bytes", answer.size());
    must(answer.size() >= 300 && answer[0] == 2, "no answer");
    const std::span all(answer);
    check_options4(all.subspan(240));
    const IpAddress yours = ByteReader(all.subspan(16)).ipv4();
    must(yours.is_unspecified() || (facts.address && yours == facts.address->address), "gives {}", yours.text());
    must(to_mac == message->mac || to_mac.is_multicast(), "to {}", to_mac.text());
    must(ByteReader(all.subspan(4)).number(4) == message->transaction, "another transaction");
    must(outcome != dhcp::Outcome::kBound || facts.address, "nothing is bound");
}

// Each option is whole, and each address that has time left is the guest's.
void check_options6(std::span<const uint8_t> bytes, const dhcp::Facts& facts) {
    ByteReader reader(bytes);
    while (!reader.empty()) {
        const uint32_t code = reader.number(2);
        const auto value = reader.take(reader.number(2));
        must(reader.is_good(), "an option that is cut off");
        if (code == 3 || code == 25) check_options6(value.subspan(12), facts);
        if (code != 5) continue;
        ByteReader fields(value);
        const IpAddress address = fields.ipv6();
        const uint32_t preferred = fields.number(4);
        const uint32_t valid = fields.number(4);
        must(fields.is_good() && fields.empty() && preferred <= valid, "a wrong address option");
        const auto& own = facts.addresses6;
        must(valid == 0 || std::find(own.begin(), own.end(), address) != own.end(), "gives {}", address.text());
    }
}

void check_v6(std::span<const uint8_t> bytes, const dhcp::Facts& facts) {
    const auto message = dhcp::read_v6(bytes);
    if (!message) return must(!message.error().empty(), "refused without a reason");
    must(message->host_name == dhcp::host_label(message->host_name), "the name '{}'", message->host_name);
    const auto [outcome, answer] = dhcp::answer_v6(*message, facts);
    if (answer.empty()) return;
    must(answer.size() >= 4 && (answer[0] == 2 || answer[0] == 7), "no answer");
    must(answer.size() <= 1500 - 48, "{} bytes", answer.size());
    must(ByteReader(std::span(answer).subspan(1)).number(3) == message->transaction, "another transaction");
    check_options6(std::span(answer).subspan(4), facts);
    must(outcome != dhcp::Outcome::kBound || !facts.addresses6.empty(), "nothing is bound");
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    Input input(bytes);
    const bool is_v4 = input.below(2) == 0;
    const auto choice = static_cast<uint8_t>(input.below(64));
    const dhcp::Facts offered = facts(choice);
    must(dhcp::router_advertisement(offered).size() <= 1240, "a long advertisement");
    is_v4 ? check_v4(input.rest(), offered) : check_v6(input.rest(), offered);
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> seeds;
    for (const uint8_t type : {1, 3, 4, 7, 8}) {
        ByteWriter message;
        message.number(0x0101'0600, 4).number(7, 4).number(0x8000, 4).add(ip(type == 3 ? "0.0.0.0" : "10.0.0.5"));
        message.zeros(12).add(MacAddress::from_uint64(0x0200'0000'0005)).zeros(10 + 192).number(0x6382'5363, 4);
        message.number(53, 1).number(1, 1).number(type, 1);
        message.number(50, 1).number(4, 1).add(ip("10.0.0.5")).number(54, 1).number(4, 1).add(ip("10.0.0.1"));
        message.number(55, 1).number(9, 1).add(dhcp::Bytes{1, 3, 6, 12, 15, 26, 42, 119, 121});
        message.number(61, 1).number(3, 1).number(1, 3).number(57, 1).number(2, 1).number(1500, 2).number(255, 1);
        seeds.push_back(Output().byte(0).byte(0).add(message.bytes()));
    }
    for (const uint8_t type : {1, 3, 4, 5, 6, 8, 9, 11}) {
        ByteWriter message;
        message.number(type, 1).number(7, 3).number(1, 2).number(10, 2).number(0x0003'0001, 4);
        message.add(MacAddress::from_uint64(0x0200'0000'0005));
        if (type != 1 && type != 4 && type != 6) {
            message.number(2, 2).number(10, 2).number(0x0003'0001, 4);
            message.add(MacAddress::from_uint64(0x0200'0000'0001));
        }
        message.number(3, 2)
            .number(40, 2)
            .number(1, 4)
            .zeros(8)
            .number(5, 2)
            .number(24, 2)
            .add(ip("fd00::5"))
            .zeros(8);
        message.number(6, 2).number(4, 2).number(23, 2).number(24, 2).number(14, 2).number(0, 2);
        seeds.push_back(Output().byte(1).byte(0).add(message.bytes()));
    }
    return seeds;
}

std::vector<std::string> words() {
    return {std::string("\0\5\0\30", 4), std::string("\0\31\0\14", 4), "\x34\1\3", "\x63\x82\x53\x63"};
}

}  // namespace sluice::fuzz
