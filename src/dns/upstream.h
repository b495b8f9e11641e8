// Asks other servers for names that aren't ours: by UDP, each time from another port and with another ID, and by
// TCP if the answer doesn't fit. If a server doesn't answer in time, or fails, the next one is asked. One question
// that several ask at once is asked once, and its answer is kept for a while (no longer than its TTL).
//
// What may be outstanding is limited, in total and for each port of the switch. The protocol thread; only states()
// may be called by any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dns/dns_config.h"
#include "dns/message.h"
#include "dns/resolv_conf.h"
#include "path/ids.h"

namespace boost::asio {
class io_context;
}

namespace sluice::dns {

struct UpstreamLimits {
    std::chrono::milliseconds timeout{2000};  // of one attempt
    unsigned tries = 3;
    size_t outstanding = 512;
    size_t outstanding_of_port = 64;
    size_t kept_answers = 4096;
    uint32_t most_ttl = 300;  // seconds
    std::string resolv_conf = "/etc/resolv.conf";
};

// One server as it has done so far. Written by the protocol thread, read by any.
struct UpstreamCounters {
    std::atomic<uint64_t> asked{0};
    std::atomic<uint64_t> answered{0};
    std::atomic<uint64_t> failed{0};     // it said so, or its answer was malformed
    std::atomic<uint64_t> timed_out{0};  // or it was not reached
    std::atomic<uint64_t> by_tcp{0};
    std::atomic<bool> is_failing{false};  // it was no use when it was asked last
};

struct UpstreamState {
    UpstreamConfig server;
    std::shared_ptr<const UpstreamCounters> counters;
};

class Upstreams {
 public:
    using Clock = std::chrono::steady_clock;
    // The answer and its age in seconds. Null: no server has answered.
    using Done = std::function<void(const SharedMessage& answer, uint32_t age)>;

    explicit Upstreams(boost::asio::io_context& context, UpstreamLimits limits = {});
    Upstreams(const Upstreams&) = delete;
    // Calls nobody any more.
    ~Upstreams();

    // `servers`: none: those of resolv.conf. Those that are addresses of our own are left out.
    void set(const std::vector<UpstreamConfig>& servers, const std::vector<IpAddress>& own);
    // Calls back once, at once or later. False: too many questions are outstanding, and nobody is called.
    bool ask(const Question& question, path::PortId asker, Done done);

    size_t outstanding() const noexcept { return outstanding_; }
    std::vector<UpstreamState> states() const;

    struct Server {
        UpstreamConfig config;
        std::shared_ptr<UpstreamCounters> counters;
    };

 private:
    class Lookup;
    struct Kept {
        SharedMessage answer;
        Clock::time_point since;
    };
    struct Waiter {
        path::PortId asker;
        Done done;
    };
    struct Running {
        std::shared_ptr<Lookup> lookup;
        std::vector<Waiter> waiters;
    };

    void arrange(const std::vector<UpstreamConfig>& configs);
    std::vector<Server> in_order();
    const Kept* find_kept(const Question& question);
    void keep(const Question& question, const SharedMessage& answer);
    void finish(const Question& question, const SharedMessage& answer);

    boost::asio::io_context& context_;
    const UpstreamLimits limits_;
    ResolvConf resolv_conf_;
    std::vector<UpstreamConfig> configured_;
    std::vector<IpAddress> own_;
    std::vector<UpstreamConfig> arranged_;  // what servers_ was made from
    std::vector<Server> servers_;
    mutable std::mutex mutex_;  // guards servers_ against states(): this thread writes it
    std::map<Question, Running> running_;
    std::map<Question, Kept> kept_;
    std::map<path::PortId, size_t> of_port_;
    size_t outstanding_ = 0;
};

}  // namespace sluice::dns
