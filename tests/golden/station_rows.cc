// Whom the switch answers.
#include "golden/row.h"

namespace sluice::golden {
namespace {

Packet arp(std::string_view mac, std::string_view to = kBroadcast) { return Packet().eth(mac, to); }

void add_answers(std::vector<Row>& rows) {
    auto add = [&](Row row) { rows.push_back(std::move(row)); };
    const std::string kRouted = "networks: [{name: blue, subnets: [10.0.0.0/24, 'fd00::/64'], "
                                "gateway: [10.0.0.254, 'fd00::fe']}]\nports:\n" + port("a");
    const std::string kToBlue = router_of("blue");
    const auto question = [](std::string_view sender_mac, std::string_view sender) {
        return arp(kA).arp_request(sender_mac, sender, "10.0.0.254");
    };
    add({.name = "NoArpAnswerToAGroup",
         .configuration = kRouted,
         .in = {{"a", question(kA, "10.0.0.255")},
                {"a", question(kA, "10.0.0.0")},
                {"a", question(kA, "224.0.0.1")},
                {"a", question(kA, "255.255.255.255")},
                {"a", question(kA, "0.0.0.1")},
                {"a", question(kBroadcast, "10.0.0.1")}},
         .drops = {{"a", Drop::kMalformedNeighbor, 4}, {"a", Drop::kNoMember, 2}}});
    add({.name = "WhoProbesForTheGatewaysAddressIsToldThatItIsTaken",
         .configuration = kRouted,
         .in = {{"a", question(kA, "0.0.0.0")}},
         .out = {{"a", padded(Packet().eth(kToBlue, kA).arp_reply(kToBlue, "10.0.0.254", kA, "0.0.0.0"))}}});
    const auto echo = [&](std::string_view source) {
        return Packet().eth(kA, kToBlue).ipv4(source, "10.0.0.254").icmp_echo(5, 6).payload(56);
    };
    const auto udp = [&](std::string_view source) {
        return Packet().eth(kA, kToBlue).ipv4(source, "10.0.0.254").udp(5, 6).payload(56);
    };
    add({.name = "NoEchoReplyAndNoErrorToAGroup",
         .configuration = kRouted,
         .in = {{"a", echo("10.0.0.255")}, {"a", echo("10.0.0.0")}, {"a", udp("10.0.0.255")},
                {"a", echo("224.0.0.1")}, {"a", echo("255.255.255.255")}},
         .drops = {{"a", Drop::kNoListener, 3}, {"a", Drop::kMartian, 2}}});
}

}  // namespace

std::vector<Row> station_rows() {
    std::vector<Row> rows;
    add_answers(rows);
    return rows;
}

}  // namespace sluice::golden
