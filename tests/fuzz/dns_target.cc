// What an asker sends to the DNS responder, and what an upstream answers. Every query gets an answer that parses,
// repeats what it must and is no longer than the asker takes; every answer of an upstream is refused, or becomes a
// message that goes to an asker as any other. The first byte chooses between the two.
#include <boost/asio/io_context.hpp>
#include <memory>

#include "dns/server.h"
#include "fuzz/target.h"

// Last: it brings <stdbool.h>, after which clang can't read the C++ library's headers any more.
#include <ldns/ldns.h>

namespace sluice::fuzz {
namespace {

using dns::Type;
using dns::wire_name;

constexpr path::NetworkId kNetwork{0};
constexpr path::PortId kPort{1};

std::shared_ptr<const dns::Names> names() {
    dns::NamesTable table;
    const dns::Scope network = table.scope_of_network("blue");
    const dns::Scope domain = table.scope_of_domain("main");
    dns::Settings settings;
    settings.zone = wire_name("cluster.local");
    settings.views = {{"blue", network, domain}};
    settings.subnets = {{domain, *IpPrefix::parse("10.0.0.0/24")}};
    settings.insiders.set(path::index(kPort));
    table.set(settings);
    std::vector<dns::NamesTable::Named> records;
    for (uint32_t i = 0; i < 100; ++i) {
        records.push_back({wire_name("many.ns.svc.cluster.local"),
                           dns::address_record(IpAddress::from_v4(0x0a000001 + i), domain)});
    }
    records.push_back({wire_name("web"), dns::address_record(IpAddress::from_v4(0x0a000002), network)});
    records.push_back({wire_name("_h._tcp.a.ns.svc.cluster.local"),
                       dns::service_record(80, wire_name("many.ns.svc.cluster.local"), domain)});
    records.push_back(
        {wire_name("ext.ns.svc.cluster.local"), dns::name_record(Type::kCname, wire_name("example.com"), domain)});
    records.push_back({wire_name("dns-version.cluster.local"), dns::text_record("1.1.0", domain)});
    records.push_back({dns::reverse_name(IpAddress::from_v4(0x0a000002)),
                       dns::name_record(Type::kPtr, wire_name("web.blue"), domain)});
    table.set({"service", "a", {}}, std::move(records));
    return table.take();
}

bool parses(std::span<const uint8_t> message) {
    ldns_pkt* packet = nullptr;
    const bool is_read = ldns_wire2pkt(&packet, message.data(), message.size()) == LDNS_STATUS_OK;
    if (is_read) ldns_pkt_free(packet);
    return is_read;
}

void check_reply(std::span<const uint8_t> query, std::span<const uint8_t> reply, dns::Transport transport) {
    const bool is_for_us = query.size() >= dns::kHeaderBytes && (query[2] & 0x80) == 0;
    must(reply.empty() == !is_for_us, "{} bytes of answer", reply.size());
    if (reply.empty()) return;
    must(transport == dns::Transport::kTcp || reply.size() <= dns::kUdpBytes, "{} bytes by UDP", reply.size());
    must(reply[0] == query[0] && reply[1] == query[1] && (reply[2] & 0x80) != 0, "no response to this query");
    must(parses(reply), "the answer does not parse");
}

void check_query(std::span<const uint8_t> query) {
    boost::asio::io_context context;
    dns::Server server(context, {.resolv_conf = "/nonexistent/resolv.conf"});
    server.set(names());
    for (const auto transport : {dns::Transport::kUdp, dns::Transport::kTcp, dns::Transport::kUdp}) {
        int replies = 0;
        server.ask(query, {kNetwork, kPort, {}}, transport, [&](std::span<const uint8_t> reply) {
            ++replies;
            check_reply(query, reply, transport);
        });
        must(replies == 1, "{} answers", replies);
    }
}

void check_answer(std::span<const uint8_t> bytes) {
    const dns::Question question{.name = wire_name("example.com"), .type = Type::kA};
    const auto answer = dns::read_answer(bytes, question, 0x1234);
    if (!answer) return;
    const auto asked = dns::write_question(question, 0x1234);
    dns::Query query;
    must(dns::read_query(asked, query) == dns::Readable::kYes, "our own question is malformed");
    const auto buffer = std::make_unique<dns::Buffer>();
    const auto sent =
        dns::send(**answer, query, {.most_bytes = dns::kMostBytes, .age = 7, .rotation = 1}, *buffer);
    must(parses(sent), "what goes on does not parse");
    const auto small = dns::send(**answer, query, {.most_bytes = 512}, *buffer);
    must(small.size() <= 512 && parses(small), "what goes on does not fit");
}

Bytes question(std::string_view name, Type type, uint8_t flags) {
    Bytes bytes{flags, 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    const std::string wire = wire_name(name);
    bytes.insert(bytes.end(), wire.begin(), wire.end());
    for (const int value : {0, static_cast<int>(type), 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0})
        bytes.push_back(static_cast<uint8_t>(value));
    return bytes;
}

}  // namespace

void run(std::span<const uint8_t> input) {
    if (input.empty()) return;
    if (input[0] % 2 == 0) {
        check_query(input.subspan(1));
    } else {
        check_answer(input.subspan(1));
    }
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> seeds;
    for (const char* name :
         {"web", "many.ns.svc.cluster.local", "_h._tcp.a.ns.svc.cluster.local", "ext.ns.svc.cluster.local",
          "dns-version.cluster.local", "2.0.0.10.in-addr.arpa", "example.com", "nobody"}) {
        for (const Type type : {Type::kA, Type::kAaaa, Type::kSrv, Type::kPtr, Type::kTxt, Type::kAny})
            seeds.push_back(question(name, type, 0));
    }
    Bytes answer = question("example.com", Type::kA, 1);
    answer[3] = 0x81;
    answer[8] = 2;
    answer.resize(answer.size() - 11);
    answer[12] = 0;
    for (const int value : {0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1,   0x61, 0xc0, 12,
                            0xc0, 41, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0,    2,    1})
        answer.push_back(static_cast<uint8_t>(value));
    seeds.push_back(std::move(answer));
    return seeds;
}

std::vector<std::string> words() {
    return {std::string("\300\14", 2), std::string("\0\6\0\1", 4), std::string("\0\41\0\1", 4),
            std::string("\0\0\51", 3)};
}

}  // namespace sluice::fuzz
