#include "dns/server.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <string>

#include "unit/dns/ask.h"

namespace sluice::dns {
namespace {

constexpr path::NetworkId kBlue{1};
constexpr path::NetworkId kRed{2};      // of the same routing domain
constexpr path::NetworkId kForeign{3};  // of another
constexpr path::NetworkId kUnknown{9};
constexpr path::PortId kWeb{5};
constexpr path::PortId kUplink{6};

// Containers web (blue), db (red) and far (foreign), and a zone. There are no upstreams.
class DnsServer : public ::testing::Test {
 protected:
    DnsServer() : server_(context_, {.resolv_conf = "/nonexistent/resolv.conf"}) {
        const Scope domain = table_.scope_of_domain("main");
        const Scope other = table_.scope_of_domain("other");
        settings_.zone = wire_name("cluster.local");
        settings_.views = {{},
                           {"blue", table_.scope_of_network("blue"), domain},
                           {"red", table_.scope_of_network("red"), domain},
                           {"foreign", table_.scope_of_network("foreign"), other}};
        settings_.subnets = {{domain, *IpPrefix::parse("10.0.0.0/24")}, {domain, *IpPrefix::parse("fd00::/64")}};
        settings_.insiders.set(path::index(kWeb));
        table_.set(settings_);
        container("blue", "main", "web", {"10.0.0.2", "fd00::2"});
        container("red", "main", "db", {"10.0.1.2"});
        container("foreign", "other", "far", {"10.9.0.2"});
        publish();
    }

    void container(const std::string& network, const std::string& domain, const std::string& name,
                   const std::vector<std::string>& addresses) {
        std::vector<NamesTable::Named> records;
        for (const std::string& text : addresses) {
            records.push_back({wire_name(name), address_record(ip(text), table_.scope_of_network(network))});
            records.push_back(
                {wire_name(name + "." + network), address_record(ip(text), table_.scope_of_domain(domain))});
            records.push_back({reverse_name(ip(text)), name_record(Type::kPtr, wire_name(name + "." + network),
                                                                   table_.scope_of_domain(domain))});
        }
        table_.set({"port", name, {}}, std::move(records));
    }
    void give(const std::string& object, std::vector<NamesTable::Named> records) {
        table_.set({"service", object, {}}, std::move(records));
        publish();
    }
    NamesTable::Named address(std::string_view name, std::string_view address) {
        return {wire_name(name), address_record(ip(address), table_.scope_of_domain("main"))};
    }
    NamesTable::Named alias(std::string_view name, std::string_view target) {
        return {wire_name(name), name_record(Type::kCname, wire_name(target), table_.scope_of_domain("main"))};
    }
    void publish() { server_.set(table_.take()); }

    Bytes ask_bytes(const Bytes& query, path::NetworkId network = kBlue, path::PortId port = kWeb,
                    Transport transport = Transport::kUdp) {
        Bytes reply;
        int calls = 0;
        server_.ask(query, {network, port, ip("10.0.0.9")}, transport, [&](std::span<const uint8_t> bytes) {
            reply.assign(bytes.begin(), bytes.end());
            ++calls;
        });
        EXPECT_EQ(calls, 1) << "at once, and once";
        return reply;
    }
    std::string ask(std::string_view name, Type type, path::NetworkId network = kBlue, path::PortId port = kWeb) {
        // What is asked again is answered from what is ready.
        const std::string first = reply_text(ask_bytes(query_bytes(name, type), network, port));
        EXPECT_EQ(reply_text(ask_bytes(query_bytes(name, type), network, port)), first);
        return first;
    }

    boost::asio::io_context context_;
    Server server_;
    NamesTable table_;
    Settings settings_;
};

TEST_F(DnsServer, AContainerIsKnownByNameInItsNetwork) {
    EXPECT_EQ(ask("web", Type::kA), "NOERROR aa rd ra\n? web. IN A\n= web. 5 IN A 10.0.0.2\n");
    EXPECT_EQ(ask("web", Type::kAaaa), "NOERROR aa rd ra\n? web. IN AAAA\n= web. 5 IN AAAA fd00::2\n");
}

TEST_F(DnsServer, TheCaseOfTheQuestionIsKept) {
    EXPECT_EQ(ask("wEb.BLUe", Type::kA), "NOERROR aa rd ra\n? wEb.BLUe. IN A\n= wEb.BLUe. 5 IN A 10.0.0.2\n");
    EXPECT_EQ(ask("WEB.blue", Type::kA), "NOERROR aa rd ra\n? WEB.blue. IN A\n= WEB.blue. 5 IN A 10.0.0.2\n");
}

TEST_F(DnsServer, NamesWithTheNetworkAreForTheRoutingDomain) {
    EXPECT_EQ(ask("db.red", Type::kA, kBlue), "NOERROR aa rd ra\n? db.red. IN A\n= db.red. 5 IN A 10.0.1.2\n");
    EXPECT_TRUE(ask("db", Type::kA, kBlue).starts_with("NXDOMAIN")) << "another network's";
    EXPECT_TRUE(ask("db", Type::kA, kRed).starts_with("NOERROR"));
    EXPECT_TRUE(ask("far.foreign", Type::kA, kForeign).starts_with("NOERROR"));
    EXPECT_TRUE(ask("far.foreign", Type::kA, kBlue).starts_with("SERVFAIL")) << "unknown here, and no upstream";
}

TEST_F(DnsServer, AMissingTypeIsNoMissingName) {
    EXPECT_EQ(ask("db.red", Type::kAaaa),
              "NOERROR aa rd ra\n? db.red. IN AAAA\n"
              "^ db.red. 5 IN SOA ns.dns.db.red. hostmaster.db.red. 1 7200 1800 86400 5\n");
}

TEST_F(DnsServer, AMissingNameWithoutADotIsAnsweredHere) {
    EXPECT_EQ(ask("nobody", Type::kA),
              "NXDOMAIN aa rd ra\n? nobody. IN A\n^ . 5 IN SOA ns.dns. hostmaster. 1 7200 1800 86400 5\n");
    EXPECT_TRUE(ask("nobody", Type::kNs).starts_with("SERVFAIL")) << "of a top-level domain: the upstreams'";
}

TEST_F(DnsServer, TheClustersZoneIsNeverAskedElsewhere) {
    const std::string soa =
        "^ cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 "
        "86400 5\n";
    EXPECT_EQ(ask("nobody.cluster.local", Type::kA), "NXDOMAIN aa rd ra\n? nobody.cluster.local. IN A\n" + soa);
    EXPECT_EQ(ask("cluster.local", Type::kA), "NOERROR aa rd ra\n? cluster.local. IN A\n" + soa);
    give("a", {address("a.ns.svc.cluster.local", "10.1.0.1")});
    EXPECT_EQ(ask("ns.svc.cluster.local", Type::kA), "NOERROR aa rd ra\n? ns.svc.cluster.local. IN A\n" + soa);
    EXPECT_TRUE(ask("a.ns.svc.cluster.local", Type::kA).starts_with("NOERROR"));
    EXPECT_TRUE(ask("a.ns.svc.cluster.local", Type::kA, kForeign).starts_with("NXDOMAIN"));
}

TEST_F(DnsServer, AZoneHasItsSoa) {
    EXPECT_EQ(ask("cluster.local", Type::kSoa),
              "NOERROR aa rd ra\n? cluster.local. IN SOA\n= cluster.local. 5 IN SOA ns.dns.cluster.local. "
              "hostmaster.cluster.local. 1 7200 1800 86400 5\n");
}

TEST_F(DnsServer, ReverseNamesOfOurSubnetsAreNeverAskedElsewhere) {
    EXPECT_EQ(ask("2.0.0.10.in-addr.arpa", Type::kPtr),
              "NOERROR aa rd ra\n? 2.0.0.10.in-addr.arpa. IN PTR\n= 2.0.0.10.in-addr.arpa. 5 IN PTR web.blue.\n");
    EXPECT_TRUE(ask("99.0.0.10.in-addr.arpa", Type::kPtr).starts_with("NXDOMAIN aa"));
    EXPECT_TRUE(ask("99.0.77.10.in-addr.arpa", Type::kPtr).starts_with("SERVFAIL")) << "no subnet of ours";
    EXPECT_TRUE(ask("99.0.0.10.in-addr.arpa", Type::kPtr, kForeign).starts_with("SERVFAIL"));
}

TEST_F(DnsServer, AliasesAreFollowed) {
    give("a", {alias("a.cluster.local", "b.cluster.local"), alias("b.cluster.local", "c.cluster.local"),
               address("c.cluster.local", "10.1.0.1")});
    EXPECT_EQ(ask("a.cluster.local", Type::kA),
              "NOERROR aa rd ra\n? a.cluster.local. IN A\n= a.cluster.local. 5 IN CNAME b.cluster.local.\n"
              "= b.cluster.local. 5 IN CNAME c.cluster.local.\n= c.cluster.local. 5 IN A 10.1.0.1\n");
    EXPECT_EQ(ask("a.cluster.local", Type::kCname),
              "NOERROR aa rd ra\n? a.cluster.local. IN CNAME\n= a.cluster.local. 5 IN CNAME b.cluster.local.\n");
}

TEST_F(DnsServer, AliasesInACircleFail) {
    give("a", {alias("a.cluster.local", "b.cluster.local"), alias("b.cluster.local", "a.cluster.local")});
    EXPECT_TRUE(ask("a.cluster.local", Type::kA).starts_with("SERVFAIL"));
}

TEST_F(DnsServer, ServersComeWithTheirAddresses) {
    give("a", {{wire_name("_http._tcp.a.cluster.local"),
                service_record(80, wire_name("h.a.cluster.local"), table_.scope_of_domain("main"))},
               address("h.a.cluster.local", "10.1.0.1"),
               address("h.a.cluster.local", "fd01::1")});
    EXPECT_EQ(ask("_http._tcp.a.cluster.local", Type::kSrv),
              "NOERROR aa rd ra\n? _http._tcp.a.cluster.local. IN SRV\n"
              "= _http._tcp.a.cluster.local. 5 IN SRV 0 100 80 h.a.cluster.local.\n"
              "+ h.a.cluster.local. 5 IN A 10.1.0.1\n+ h.a.cluster.local. 5 IN AAAA fd01::1\n");
}

TEST_F(DnsServer, AllTypesAreAnsweredMinimally) {
    EXPECT_EQ(ask("web", Type::kAny), "NOERROR aa rd ra\n? web. IN ANY\n= web. 5 IN HINFO \"RFC8482\" \"\"\n");
    EXPECT_EQ(ask("example.com", Type::kAny),
              "NOERROR aa rd ra\n? example.com. IN ANY\n= example.com. 5 IN HINFO \"RFC8482\" \"\"\n");
    EXPECT_TRUE(ask("nobody.cluster.local", Type::kAny).starts_with("NXDOMAIN"));
}

TEST_F(DnsServer, ZonesAreNotTransferred) {
    EXPECT_EQ(ask("cluster.local", Type::kAxfr), "REFUSED rd ra\n? cluster.local. IN AXFR\n");
    EXPECT_EQ(ask("cluster.local", Type::kIxfr), "REFUSED rd ra\n? cluster.local. IN IXFR\n");
    EXPECT_EQ(server_.counters().refused, 4U);
}

TEST_F(DnsServer, OutsidersGetNoRecursion) {
    EXPECT_EQ(ask("example.com", Type::kA, kBlue, kUplink), "REFUSED rd\n? example.com. IN A\n");
    EXPECT_EQ(ask("web", Type::kA, kBlue, kUplink), "NOERROR aa rd\n? web. IN A\n= web. 5 IN A 10.0.0.2\n");
    EXPECT_EQ(ask("example.com", Type::kA, kBlue, path::kNoPort), "REFUSED rd\n? example.com. IN A\n");
}

TEST_F(DnsServer, NamesThatAreNotOursNeedTheWishForRecursion) {
    Bytes query = query_bytes("example.com", Type::kA);
    query[2] = 0;
    EXPECT_EQ(reply_text(ask_bytes(query)), "REFUSED ra\n? example.com. IN A\n");
}

TEST_F(DnsServer, ANetworkWithoutDnsIsRefused) {
    EXPECT_TRUE(ask("web", Type::kA, kUnknown).starts_with("REFUSED"));
    EXPECT_TRUE(ask("web", Type::kA, path::NetworkId{0}).starts_with("REFUSED"));
}

TEST_F(DnsServer, ResponsesAndScrapsGetNoAnswer) {
    Bytes response = query_bytes("web", Type::kA);
    response[2] |= 0x80;
    EXPECT_TRUE(ask_bytes(response).empty());
    EXPECT_TRUE(ask_bytes({1, 2, 3}).empty());
    EXPECT_TRUE(ask_bytes({}).empty());
    EXPECT_EQ(server_.counters().ignored, 3U);
}

TEST_F(DnsServer, MalformedQueriesAreAnsweredWithAnError) {
    Bytes query = query_bytes("web", Type::kA);
    query.push_back(1);
    EXPECT_EQ(reply_text(ask_bytes(query)), "FORMERR rd ra\n? web. IN A\n");
    query = query_bytes("web", Type::kA);
    query[5] = 0;
    EXPECT_EQ(reply_text(ask_bytes(query)), "FORMERR rd ra\n");
    query[2] = 5 << 3;
    EXPECT_EQ(reply_text(ask_bytes(query)), "NOTIMPL ra\n");
    EXPECT_EQ(server_.counters().malformed, 3U);
}

TEST_F(DnsServer, OtherClassesAreRefused) {
    EXPECT_TRUE(
        reply_text(ask_bytes(query_bytes("version.bind", Type::kTxt, nullptr, 1, 3))).starts_with("REFUSED"));
}

TEST_F(DnsServer, EdnsIsAnsweredWithEdns) {
    const Edns edns{.udp_bytes = 4096, .dnssec_ok = true};
    EXPECT_EQ(reply_text(ask_bytes(query_bytes("web", Type::kA, &edns))),
              "NOERROR aa rd ra edns:1232 do\n? web. IN A\n= web. 5 IN A 10.0.0.2\n");
}

TEST_F(DnsServer, OtherVersionsOfEdnsAreRefused) {
    const Edns edns{.version = 1};
    EXPECT_EQ(reply_text(ask_bytes(query_bytes("web", Type::kA, &edns))),
              "NOERROR rd ra edns:1232 extended:1\n? web. IN A\n");
}

TEST_F(DnsServer, WhatDoesNotFitIsTruncatedToNothingAndWholeByTcp) {
    std::vector<NamesTable::Named> records;
    for (int i = 1; i <= 60; ++i) records.push_back(address("many.cluster.local", "10.1.0." + std::to_string(i)));
    give("many", std::move(records));
    const Edns edns{.udp_bytes = 4096};
    const Bytes plain = query_bytes("many.cluster.local", Type::kA);
    EXPECT_EQ(reply_text(ask_bytes(plain)), "NOERROR aa tc rd ra\n? many.cluster.local. IN A\n") << "512 bytes";
    const Bytes large = ask_bytes(query_bytes("many.cluster.local", Type::kA, &edns));
    EXPECT_LE(large.size(), 1232U);
    EXPECT_EQ(large[7], 60) << "all addresses, compressed";
    const Bytes by_tcp = ask_bytes(plain, kBlue, kWeb, Transport::kTcp);
    EXPECT_EQ(by_tcp[7], 60);
    EXPECT_EQ(server_.counters().truncated, 1U);
}

TEST_F(DnsServer, AnEdnsAnswerFitsWithItsOwnRecord) {
    for (int count = 70; count <= 80; ++count) {
        std::vector<NamesTable::Named> records;
        for (int i = 1; i <= count; ++i)
            records.push_back(address("many.cluster.local", "10.1.0." + std::to_string(i)));
        give("many", std::move(records));
        const Edns edns{.udp_bytes = 1232};
        EXPECT_LE(ask_bytes(query_bytes("many.cluster.local", Type::kA, &edns)).size(), 1232U) << count;
    }
}

TEST_F(DnsServer, TheOrderOfAddressesChangesFromAnswerToAnswer) {
    give("many", {address("many.cluster.local", "10.1.0.1"), address("many.cluster.local", "10.1.0.2"),
                  address("many.cluster.local", "10.1.0.3")});
    std::set<uint8_t> first;
    for (int i = 0; i < 3; ++i) {
        const Bytes reply = ask_bytes(query_bytes("many.cluster.local", Type::kA));
        EXPECT_EQ(reply_text(reply).size(),
                  reply_text(ask_bytes(query_bytes("many.cluster.local", Type::kA))).size());
        first.insert(reply[reply.size() - 1]);
    }
    EXPECT_GT(first.size(), 1U);
}

TEST_F(DnsServer, OneAddressOfTwoContainersIsGivenOnce) {
    give("a", {address("two.cluster.local", "10.1.0.1")});
    give("b", {address("two.cluster.local", "10.1.0.1")});
    EXPECT_EQ(ask("two.cluster.local", Type::kA),
              "NOERROR aa rd ra\n? two.cluster.local. IN A\n= two.cluster.local. 5 IN A 10.1.0.1\n");
}

TEST_F(DnsServer, AnswersFollowTheNames) {
    EXPECT_TRUE(ask("web", Type::kA).starts_with("NOERROR"));
    container("blue", "main", "web", {"10.0.0.77"});
    publish();
    EXPECT_EQ(ask("web", Type::kA), "NOERROR aa rd ra\n? web. IN A\n= web. 5 IN A 10.0.0.77\n");
    table_.set({"port", "web", {}}, {});
    publish();
    EXPECT_TRUE(ask("web", Type::kA).starts_with("NXDOMAIN"));
}

TEST_F(DnsServer, AnAnswerRepeatsTheIdAndTheFlagsOfItsQuery) {
    ask_bytes(query_bytes("web", Type::kA, nullptr, 1));
    Bytes query = query_bytes("web", Type::kA, nullptr, 0xbeef);
    query[2] = 0;
    query[3] = 0x10;
    const Bytes reply = ask_bytes(query);
    EXPECT_EQ(reply[0], 0xbe);
    EXPECT_EQ(reply[1], 0xef);
    EXPECT_EQ(reply_text(reply), "NOERROR aa ra cd\n? web. IN A\n= web. 5 IN A 10.0.0.2\n");
}

TEST_F(DnsServer, BeforeItKnowsNamesItRefuses) {
    Server fresh(context_, {.resolv_conf = "/nonexistent/resolv.conf"});
    std::string text;
    fresh.ask(query_bytes("web", Type::kA), {kBlue, kWeb, {}}, Transport::kUdp,
              [&](std::span<const uint8_t> bytes) { text = reply_text(bytes); });
    EXPECT_EQ(text, "REFUSED rd\n? web. IN A\n");
}

}  // namespace
}  // namespace sluice::dns
