// Answers load balancers that ask whether this host has pods of a Service (healthCheckNodePort): HTTP on TCP ports
// of the host's kernel, on all of its addresses. The answers are those of kube-proxy: 200 while the Service has
// endpoints on this host, else 503, and in either case a JSON object with their number.
//
// The connections are served by a thread of the server's own, which begins with the first check and ends with the
// server. A client may be anybody. So a request has kMaxHeader bytes at most and no body, each connection carries
// one request and ends after kTimeout, and of kMaxConnections connections the oldest is closed for a new one.
//
// The control thread calls set() and tick(). A port that can't be bound is tried again each kRetry, and troubles()
// says why it isn't answered.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sluice::health {

inline constexpr size_t kMaxHeader = 4096;
inline constexpr size_t kMaxConnections = 64;
inline constexpr std::chrono::seconds kTimeout{5};
inline constexpr std::chrono::seconds kRetry{5};

struct Check {
    uint16_t port = 0;
    std::string name_space;
    std::string name;
    uint32_t local_endpoints = 0;

    bool operator==(const Check&) const = default;
};

class Server {
 public:
    Server();
    Server(const Server&) = delete;
    ~Server();

    // Answers for these, each with a port of its own, and for no others.
    void set(std::vector<Check> checks);
    // Logs which ports can't be bound, and which can be by now. To be called about once a second.
    void tick();
    // Why a port is not answered; empty: it is, or there is no such check.
    std::string trouble_of(uint16_t port) const;

 private:
    class Loop;

    std::vector<Check> checks_;
    std::map<uint16_t, std::string> told_;  // troubles in the log
    std::unique_ptr<Loop> loop_;            // null: there has been no check
};

// The body of an answer, as kube-proxy formats it.
std::string answer_of(const Check& check);

}  // namespace sluice::health
