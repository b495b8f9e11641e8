#include "health/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/fd.h"

namespace sluice::health {
namespace {

sockaddr_in local(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// A socket that holds a port which was free.
struct Held {
    base::Fd socket;
    uint16_t port = 0;
};
Held hold_port() {
    Held held{base::Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), 0};
    sockaddr_in address = local(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(held.socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(held.socket.get(), 1), 0);
    EXPECT_EQ(getsockname(held.socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    held.port = ntohs(address.sin_port);
    return held;
}
uint16_t free_port() {
    return hold_port().port;
}

// Invalid: it is refused.
base::Fd connect_once(uint16_t port) {
    base::Fd connection(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = local(port);
    if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return {};
    return connection;
}
// The server's thread may not have bound the port yet.
base::Fd connect_to(uint16_t port) {
    for (int i = 0; i < 1000; ++i) {
        if (base::Fd connection = connect_once(port); connection.get() >= 0) return connection;
        usleep(10'000);
    }
    ADD_FAILURE() << "nobody listens at " << port;
    return {};
}
void send_text(const base::Fd& connection, const std::string& text) {
    (void)!::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL);
}
// To the end of the connection.
std::string read_all(const base::Fd& connection) {
    std::string all;
    char part[4096];
    for (ssize_t size = 0; (size = recv(connection.get(), part, sizeof(part), 0)) > 0;)
        all.append(part, static_cast<size_t>(size));
    return all;
}
std::string ask(uint16_t port, const std::string& request = "GET /any/path HTTP/1.1\r\nHost: node\r\n\r\n") {
    const base::Fd connection = connect_to(port);
    send_text(connection, request);
    return read_all(connection);
}
std::string body_of(const std::string& answer) {
    const size_t end = answer.find("\r\n\r\n");
    return end == answer.npos ? std::string() : answer.substr(end + 4);
}
// What the server says by and by.
void expect_answer(uint16_t port, const std::string& status) {
    std::string answer;
    for (int i = 0; i < 1000; ++i) {
        answer = ask(port);
        if (answer.starts_with("HTTP/1.1 " + status)) return;
        usleep(10'000);
    }
    ADD_FAILURE() << answer;
}

TEST(HealthServer, AnswersAsKubeProxyDoes) {
    Server server;
    const uint16_t port = free_port();
    const uint16_t other = free_port();
    server.set({{port, "shop", "web", 2}, {other, "shop", "api", 0}});
    const std::string answer = ask(port);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
    EXPECT_NE(answer.find("Content-Type: application/json\r\n"), answer.npos);
    EXPECT_NE(answer.find("X-Load-Balancing-Endpoint-Weight: 2\r\n"), answer.npos);
    EXPECT_EQ(nlohmann::json::parse(body_of(answer)),
              (nlohmann::json{{"service", {{"namespace", "shop"}, {"name", "web"}}},
                              {"localEndpoints", 2},
                              {"serviceProxyHealthy", true}}));
    const std::string none = ask(other);
    EXPECT_TRUE(none.starts_with("HTTP/1.1 503 ")) << none;
    EXPECT_EQ(nlohmann::json::parse(body_of(none)).at("localEndpoints"), 0);
    const std::string head = ask(port, "HEAD / HTTP/1.0\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.0 200 OK\r\n")) << head;
    EXPECT_EQ(body_of(head), "");
}

TEST(HealthServer, FollowsTheChecks) {
    Server server;
    const uint16_t port = free_port();
    server.set({{port, "shop", "web", 1}});
    expect_answer(port, "200");
    server.set({{port, "shop", "web", 0}});
    expect_answer(port, "503");
    const uint16_t next = free_port();
    server.set({{next, "shop", "web", 3}});
    expect_answer(next, "200");
    EXPECT_LT(connect_once(port).get(), 0);
}

TEST(HealthServer, StrangersGetNoMoreThanOneShortRequest) {
    Server server;
    const uint16_t port = free_port();
    server.set({{port, "shop", "web", 1}});
    EXPECT_EQ(ask(port, "GET / HTTP/1.1\r\nX: " + std::string(2 * kMaxHeader, 'x') + "\r\n\r\n"), "");
    EXPECT_EQ(ask(port, "\x16\x03\x01 no HTTP\r\n\r\n"), "");
    const std::string twice = ask(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(twice.find("HTTP/1.1", 1), twice.npos) << twice;
    // Those that say nothing make room for others, the oldest first.
    std::vector<base::Fd> idle;
    for (size_t i = 0; i < kMaxConnections; ++i) idle.push_back(connect_to(port));
    expect_answer(port, "200");
    EXPECT_EQ(read_all(idle.front()), "");
}

TEST(HealthServer, APortInUseIsToldOf) {
    Server server;
    std::optional<Held> held = hold_port();
    const uint16_t port = held->port;
    server.set({{port, "shop", "web", 1}});
    for (int i = 0; i < 1000 && server.trouble_of(port).empty(); ++i) usleep(10'000);
    EXPECT_EQ(server.trouble_of(port), "Address already in use");
    server.tick();
    held.reset();
    // Any change tries again.
    server.set({{port, "shop", "web", 2}});
    expect_answer(port, "200");
    EXPECT_EQ(server.trouble_of(port), "");
}

}  // namespace
}  // namespace sluice::health
