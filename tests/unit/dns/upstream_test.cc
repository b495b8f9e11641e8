#include "dns/upstream.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <fstream>
#include <functional>

#include "dns/server.h"
#include "unit/dns/ask.h"

namespace sluice::dns {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using namespace std::chrono_literals;

constexpr path::PortId kWeb{5};
constexpr path::PortId kOther{6};

// The answer to a query of ours, with one address.
Bytes answer_to(const Bytes& query, std::initializer_list<int> address = {192, 0, 2, 1}, uint8_t ttl = 60) {
    Bytes answer(query.begin(), query.end() - 11);  // without the OPT record
    answer[2] |= 0x80;
    answer[3] |= 0x80;
    answer[7] = 1;
    answer[11] = 0;
    put(answer, {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4});
    put(answer, address);
    return answer;
}
Bytes error_to(const Bytes& query, uint8_t rcode) {
    Bytes answer(query.begin(), query.end() - 11);
    answer[2] |= 0x80;
    answer[3] = rcode;
    answer[11] = 0;
    return answer;
}

// A server on the loopback interface, by UDP and TCP on one port.
class FakeServer {
 public:
    using Answer = std::function<std::vector<Bytes>(const Bytes& query)>;

    explicit FakeServer(asio::io_context& context)
        : udp_(context, udp::endpoint(asio::ip::address_v4::loopback(), 0)),
          acceptor_(context, tcp::endpoint(asio::ip::address_v4::loopback(), udp_.local_endpoint().port())) {
        receive();
        accept();
    }
    UpstreamConfig config() const { return {ip("127.0.0.1"), udp_.local_endpoint().port()}; }

    Answer by_udp = [](const Bytes& query) { return std::vector<Bytes>{answer_to(query)}; };
    Answer by_tcp = [](const Bytes& query) { return std::vector<Bytes>{answer_to(query)}; };
    int asked = 0;
    int asked_by_tcp = 0;
    std::vector<Bytes> queries;

 private:
    void receive() {
        buffer_.resize(4096);
        udp_.async_receive_from(asio::buffer(buffer_), from_, [this](auto error, size_t size) {
            if (error) return;
            ++asked;
            const Bytes query(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size));
            queries.push_back(query);
            for (const Bytes& answer : by_udp(query)) udp_.send_to(asio::buffer(answer), from_);
            receive();
        });
    }
    void accept() {
        acceptor_.async_accept([this](auto error, tcp::socket socket) {
            if (error) return;
            ++asked_by_tcp;
            uint8_t size[2];
            asio::read(socket, asio::buffer(size));
            Bytes query(static_cast<size_t>(size[0] << 8 | size[1]));
            asio::read(socket, asio::buffer(query));
            for (const Bytes& answer : by_tcp(query)) {
                const uint8_t length[2] = {static_cast<uint8_t>(answer.size() >> 8),
                                           static_cast<uint8_t>(answer.size())};
                asio::write(socket, std::array{asio::buffer(length), asio::buffer(answer)});
            }
            accept();
        });
    }

    udp::socket udp_;
    tcp::acceptor acceptor_;
    udp::endpoint from_;
    Bytes buffer_;
};

class DnsUpstream : public ::testing::Test {
 protected:
    void start(std::vector<UpstreamConfig> servers, UpstreamLimits limits = {}) {
        upstreams_.emplace(context_, std::move(limits));
        upstreams_->set(servers, own_);
    }
    // Until as many questions as were asked have been answered.
    bool ask(std::string_view name, path::PortId port = kWeb, Type type = Type::kA) {
        ++waiting_;
        const bool is_asked = upstreams_->ask({.name = wire_name(name), .type = type}, port,
                                              [this](const SharedMessage& answer, uint32_t) {
                                                  answers_.push_back(answer);
                                                  --waiting_;
                                              });
        if (!is_asked) --waiting_;
        return is_asked;
    }
    void wait() {
        while (waiting_ != 0) ASSERT_NE(context_.run_one_for(60s), 0U) << "no answer";
    }
    std::string ask_and_wait(std::string_view name) {
        answers_.clear();
        EXPECT_TRUE(ask(name));
        wait();
        return answers_.size() == 1 && answers_[0] != nullptr ? reply_text(answers_[0]->wire) : "none";
    }
    const UpstreamCounters& counters(size_t server) { return *upstreams_->states()[server].counters; }

    asio::io_context context_;
    std::vector<IpAddress> own_;
    std::optional<Upstreams> upstreams_;
    std::vector<SharedMessage> answers_;
    int waiting_ = 0;
};

constexpr const char* kAnswer = "NOERROR\n? example.com. IN A\n= example.com. 60 IN A 192.0.2.1\n";

TEST_F(DnsUpstream, AnswersByUdp) {
    FakeServer server(context_);
    start({server.config()});
    EXPECT_EQ(ask_and_wait("example.com"), kAnswer);
    EXPECT_EQ(counters(0).asked, 1U);
    EXPECT_EQ(counters(0).answered, 1U);
    EXPECT_EQ(upstreams_->outstanding(), 0U);
    EXPECT_EQ(reply_text(server.queries.at(0)), "NOERROR rd edns:1232\n? example.com. IN A\n");
}

TEST_F(DnsUpstream, IdsAndPortsChangeFromQuestionToQuestion) {
    FakeServer server(context_);
    start({server.config()});
    std::set<std::pair<uint8_t, uint8_t>> ids;
    for (int i = 0; i < 8; ++i) {
        ask_and_wait("example" + std::to_string(i) + ".com");
        ids.emplace(server.queries.back()[0], server.queries.back()[1]);
    }
    EXPECT_GT(ids.size(), 4U);
}

TEST_F(DnsUpstream, AnAnswerIsKeptForItsTtl) {
    FakeServer server(context_);
    start({server.config()});
    ask_and_wait("example.com");
    EXPECT_EQ(ask_and_wait("example.com"), kAnswer);
    EXPECT_EQ(server.asked, 1);
    server.by_udp = [](const Bytes& query) { return std::vector<Bytes>{answer_to(query, {192, 0, 2, 1}, 0)}; };
    ask_and_wait("other.com");
    ask_and_wait("other.com");
    EXPECT_EQ(server.asked, 3) << "a TTL of 0";
}

TEST_F(DnsUpstream, OneQuestionOfManyIsAskedOnce) {
    FakeServer server(context_);
    start({server.config()});
    for (int i = 0; i < 5; ++i) ask("example.com", i % 2 == 0 ? kWeb : kOther);
    EXPECT_EQ(upstreams_->outstanding(), 5U);
    wait();
    EXPECT_EQ(answers_.size(), 5U);
    EXPECT_EQ(server.asked, 1);
}

TEST_F(DnsUpstream, ATruncatedAnswerIsAskedForByTcp) {
    FakeServer server(context_);
    server.by_udp = [](const Bytes& query) {
        Bytes answer = error_to(query, 0);
        answer[2] |= 0x02;
        return std::vector<Bytes>{answer};
    };
    start({server.config()});
    EXPECT_EQ(ask_and_wait("example.com"), kAnswer);
    EXPECT_EQ(server.asked_by_tcp, 1);
    EXPECT_EQ(counters(0).by_tcp, 1U);
}

TEST_F(DnsUpstream, TheNextServerIsAskedWhereOneIsSilent) {
    FakeServer silent(context_);
    FakeServer server(context_);
    silent.by_udp = [](const Bytes&) { return std::vector<Bytes>{}; };
    start({silent.config(), server.config()}, {.timeout = 20ms});
    EXPECT_EQ(ask_and_wait("example.com"), kAnswer);
    EXPECT_EQ(counters(0).timed_out, 1U);
    EXPECT_TRUE(counters(0).is_failing);
    ask_and_wait("other.com");
    EXPECT_EQ(silent.asked, 1) << "it comes last now";
}

TEST_F(DnsUpstream, TheNextServerIsAskedWhereOneFails) {
    FakeServer failing(context_);
    FakeServer server(context_);
    failing.by_udp = [](const Bytes& query) { return std::vector<Bytes>{error_to(query, 2)}; };
    start({failing.config(), server.config()});
    EXPECT_EQ(ask_and_wait("example.com"), kAnswer);
    EXPECT_EQ(counters(0).failed, 1U);
}

TEST_F(DnsUpstream, TheNextServerIsAskedWhereNobodyListens) {
    FakeServer server(context_);
    UpstreamConfig closed{ip("127.0.0.1"), 0};
    {
        FakeServer gone(context_);
        closed = gone.config();
    }
    start({closed, server.config()});
    EXPECT_EQ(ask_and_wait("example.com"), kAnswer);
}

TEST_F(DnsUpstream, AfterThreeTriesThereIsNoAnswer) {
    FakeServer silent(context_);
    silent.by_udp = [](const Bytes&) { return std::vector<Bytes>{}; };
    start({silent.config()}, {.timeout = 10ms});
    EXPECT_EQ(ask_and_wait("example.com"), "none");
    EXPECT_EQ(silent.asked, 3);
    EXPECT_EQ(upstreams_->outstanding(), 0U);
}

TEST_F(DnsUpstream, AnAnswerToAnotherQuestionIsNotTaken) {
    FakeServer server(context_);
    server.by_udp = [](const Bytes& query) {
        Bytes other_id = answer_to(query, {6, 6, 6, 6});
        other_id[0] ^= 1;
        Bytes other_name = answer_to(query, {6, 6, 6, 6});
        other_name[13] = 'x';
        Bytes no_response = answer_to(query, {6, 6, 6, 6});
        no_response[2] &= 0x7f;
        return std::vector<Bytes>{Bytes{1, 2, 3}, other_id, other_name, no_response, answer_to(query)};
    };
    start({server.config()});
    EXPECT_EQ(ask_and_wait("example.com"), kAnswer);
    EXPECT_EQ(server.asked, 1);
}

TEST_F(DnsUpstream, AMalformedAnswerIsAFailure) {
    FakeServer server(context_);
    server.by_udp = [](const Bytes& query) {
        Bytes answer = answer_to(query);
        answer.resize(answer.size() - 2);
        return std::vector<Bytes>{answer};
    };
    start({server.config()});
    EXPECT_EQ(ask_and_wait("example.com"), "none");
    EXPECT_EQ(counters(0).failed, 3U);
}

TEST_F(DnsUpstream, WhatIsOutstandingIsBoundedForAPortAndInTotal) {
    FakeServer silent(context_);
    silent.by_udp = [](const Bytes&) { return std::vector<Bytes>{}; };
    start({silent.config()}, {.timeout = 10ms, .outstanding = 3, .outstanding_of_port = 2});
    EXPECT_TRUE(ask("a.com"));
    EXPECT_TRUE(ask("a.com"));
    EXPECT_FALSE(ask("b.com")) << "the port's third";
    EXPECT_TRUE(ask("b.com", kOther));
    EXPECT_FALSE(ask("c.com", kOther)) << "the fourth of all";
    wait();
    EXPECT_TRUE(ask("b.com")) << "the others are done";
    wait();
}

TEST_F(DnsUpstream, WithoutServersThereIsNoAnswer) {
    start({}, {.resolv_conf = "/nonexistent/resolv.conf"});
    EXPECT_EQ(ask_and_wait("example.com"), "none");
}

TEST_F(DnsUpstream, OurOwnAddressesAreNotAsked) {
    own_ = {ip("127.0.0.1")};
    FakeServer server(context_);
    start({server.config()});
    EXPECT_TRUE(upstreams_->states().empty());
    EXPECT_EQ(ask_and_wait("example.com"), "none");
    EXPECT_EQ(server.asked, 0);
}

TEST_F(DnsUpstream, NobodyIsCalledAfterItsEnd) {
    FakeServer silent(context_);
    silent.by_udp = [](const Bytes&) { return std::vector<Bytes>{}; };
    start({silent.config()}, {.timeout = 10ms});
    ask("example.com");
    upstreams_.reset();
    context_.run_for(50ms);
    EXPECT_TRUE(answers_.empty());
}

// --- through the server ---

class DnsForwarding : public ::testing::Test {
 protected:
    DnsForwarding() : fake_(context_), server_(context_) {
        Settings settings;
        settings.zone = wire_name("cluster.local");
        settings.views = {{"blue", table_.scope_of_network("blue"), table_.scope_of_domain("main")}};
        settings.insiders.set(path::index(kWeb));
        settings.upstreams = {fake_.config()};
        table_.set(settings);
        table_.set({"service", "ext", {}},
                   {{wire_name("ext.cluster.local"),
                     name_record(Type::kCname, wire_name("example.com"), table_.scope_of_domain("main"))}});
        server_.set(table_.take());
    }
    std::string ask(const Bytes& query) {
        std::string text;
        server_.ask(query, {path::NetworkId{0}, kWeb, {}}, Transport::kUdp,
                    [&](std::span<const uint8_t> bytes) { text = reply_text(bytes); });
        while (text.empty() && context_.run_one_for(60s) != 0) {
        }
        return text;
    }

    asio::io_context context_;
    FakeServer fake_;
    NamesTable table_;
    Server server_;
};

TEST_F(DnsForwarding, AnAnswerGoesOnInTheCaseOfTheQuestion) {
    EXPECT_EQ(ask(query_bytes("ExAmple.com", Type::kA, nullptr, 7)),
              "NOERROR rd ra\n? ExAmple.com. IN A\n= ExAmple.com. 60 IN A 192.0.2.1\n");
    const Edns edns;
    EXPECT_EQ(ask(query_bytes("example.COM", Type::kA, &edns)),
              "NOERROR rd ra edns:1232\n? example.COM. IN A\n= example.COM. 60 IN A 192.0.2.1\n");
    EXPECT_EQ(fake_.asked, 1);
    EXPECT_EQ(server_.counters().forwarded, 2U);
}

TEST_F(DnsForwarding, AnExternalNameIsAnsweredWithWhatItLeadsTo) {
    EXPECT_EQ(ask(query_bytes("ext.cluster.local", Type::kA)),
              "NOERROR rd ra\n? ext.cluster.local. IN A\n= ext.cluster.local. 5 IN CNAME example.com.\n"
              "= example.com. 60 IN A 192.0.2.1\n");
    EXPECT_EQ(reply_text(fake_.queries.at(0)), "NOERROR rd edns:1232\n? example.com. IN A\n");
}

TEST_F(DnsForwarding, AMissingNameIsPassedOn) {
    fake_.by_udp = [](const Bytes& query) { return std::vector<Bytes>{error_to(query, 3)}; };
    EXPECT_EQ(ask(query_bytes("nobody.example.com", Type::kA)), "NXDOMAIN rd ra\n? nobody.example.com. IN A\n");
}

TEST_F(DnsForwarding, NoAnswerIsAServerFailure) {
    fake_.by_udp = [](const Bytes& query) { return std::vector<Bytes>{error_to(query, 2)}; };
    EXPECT_EQ(ask(query_bytes("example.com", Type::kA)), "SERVFAIL rd ra\n? example.com. IN A\n");
    EXPECT_EQ(server_.counters().failed, 1U);
}

TEST_F(DnsForwarding, ALargeAnswerIsTruncatedForAskersWithoutEdns) {
    fake_.by_udp = [](const Bytes& query) {
        Bytes answer = answer_to(query);
        answer[7] = 60;
        for (int i = 1; i < 60; ++i) {
            put(answer, {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, i});
        }
        return std::vector<Bytes>{answer};
    };
    EXPECT_EQ(ask(query_bytes("example.com", Type::kA)), "NOERROR tc rd ra\n? example.com. IN A\n");
}

// --- resolv.conf ---

TEST(ResolvConf, ReadsNameservers) {
    const auto servers = read_resolv_conf(
        "# c\nnameserver 10.0.0.1\n  nameserver\t fd00::1 # x\nnameserver 10.0.0.1\n"
        "search a b\nnameserver fe80::1%eth0\nnameserver\nnameserverx 10.0.0.2\n"
        "nameserver 10.0.0.300\nnameserver 0.0.0.0\nnameserver 10.0.0.3");
    ASSERT_EQ(servers.size(), 3U);
    EXPECT_EQ(servers[0].text(), "10.0.0.1");
    EXPECT_EQ(servers[1].text(), "fd00::1");
    EXPECT_EQ(servers[2].text(), "10.0.0.3");
}

TEST(ResolvConf, IsReadAgainWhenItHasChanged) {
    const std::string path = ::testing::TempDir() + "/sluice-resolv.conf";
    const auto write = [&](const char* text) { std::ofstream(path, std::ios::trunc) << text; };
    ResolvConf file(path);
    const auto begin = std::chrono::steady_clock::now();
    write("nameserver 10.0.0.1\n");
    EXPECT_EQ(file.servers(begin).size(), 1U);
    write("nameserver 10.0.0.1\nnameserver 10.0.0.2\n");
    EXPECT_EQ(file.servers(begin + 500ms).size(), 1U) << "at most once a second";
    EXPECT_EQ(file.servers(begin + 1s).size(), 2U);
    std::remove(path.c_str());
    EXPECT_EQ(file.servers(begin + 3s).size(), 2U) << "the file is being replaced";
}

// --- configuration ---

TEST(UpstreamConfig, ReadsBack) {
    for (const char* text : {"10.0.0.1", "10.0.0.1:5353", "fd00::1", "[fd00::1]:5353"}) {
        const auto upstream = parse_value(text, static_cast<UpstreamConfig*>(nullptr));
        ASSERT_TRUE(upstream) << text;
        EXPECT_EQ(upstream->text(), text);
    }
}

TEST(UpstreamConfig, OtherTextIsRefused) {
    for (const char* text : {"", "ns.example.com", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:65536", "[fd00::1]x",
                             "[fd00::1]:", "0.0.0.0", "ff02::1", "224.0.0.1"}) {
        EXPECT_FALSE(parse_value(text, static_cast<UpstreamConfig*>(nullptr))) << text;
    }
}

}  // namespace
}  // namespace sluice::dns
