#include "dns/upstream.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <utility>

#include "dns/counters.h"

namespace sluice::dns {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using boost::system::error_code;

constexpr size_t kUdpBufferBytes = 4096;
// A forged answer costs no more than its reading, until there are very many.
constexpr unsigned kMostForeign = 64;

asio::ip::address address_of(const IpAddress& address) {
    if (address.is_v4()) return asio::ip::address_v4(address.v4());
    return asio::ip::address_v6(address.bytes);
}

uint16_t random_id() {
    uint16_t id = 0;
    while (getrandom(&id, sizeof id, 0) != sizeof id) {
    }
    return id;
}

}  // namespace

// One question on its way: an attempt after the other. It holds itself while a socket or timer waits.
class Upstreams::Lookup : public std::enable_shared_from_this<Lookup> {
 public:
    Lookup(Upstreams& upstreams, Question question, std::vector<Server> servers)
        : upstreams_(&upstreams),
          question_(std::move(question)),
          servers_(std::move(servers)),
          udp_(upstreams.context_),
          tcp_(upstreams.context_),
          timer_(upstreams.context_) {}

    void start() {
        if (attempts_ == upstreams_->limits_.tries || servers_.empty()) return finish(nullptr);
        server_ = &servers_[attempts_++ % servers_.size()];
        foreign_ = 0;
        id_ = random_id();
        sent_ = write_question(question_, id_);
        count(server_->counters->asked);
        start_timer();
        send_by_udp();
    }
    // Nobody waits any more.
    void abandon() {
        upstreams_ = nullptr;
        close();
    }

 private:
    // Handlers of an attempt that has ended must not touch the next one.
    bool is_stale(unsigned attempt) const { return upstreams_ == nullptr || attempt != attempt_; }

    void close() {
        ++attempt_;
        error_code ignored;
        udp_.close(ignored);
        tcp_.close(ignored);
        timer_.cancel(ignored);
    }

    void start_timer() {
        timer_.expires_after(upstreams_->limits_.timeout);
        timer_.async_wait([self = shared_from_this(), attempt = attempt_](const error_code& error) {
            if (self->is_stale(attempt) || error) return;
            self->give_up(self->server_->counters->timed_out);
        });
    }

    void give_up(std::atomic<uint64_t>& why) {
        count(why);
        server_->counters->is_failing.store(true, std::memory_order_relaxed);
        close();
        start();
    }
    // From a handler of its own, so that a server that can't be reached doesn't call back within ask().
    void give_up_later() {
        asio::post(upstreams_->context_, [self = shared_from_this(), attempt = attempt_] {
            if (!self->is_stale(attempt)) self->give_up(self->server_->counters->timed_out);
        });
    }

    void finish(const SharedMessage& answer) {
        close();
        Upstreams& upstreams = *std::exchange(upstreams_, nullptr);
        upstreams.finish(question_, answer);
    }

    void take(const SharedMessage& answer) {
        count(server_->counters->answered);
        server_->counters->is_failing.store(false, std::memory_order_relaxed);
        finish(answer);
    }

    // --- UDP ---

    // A connected socket takes packets of that server alone, and the kernel chooses its port at random.
    void send_by_udp() {
        const udp::endpoint server(address_of(server_->config.address), server_->config.port);
        error_code error;
        udp_.open(server.protocol(), error);
        if (!error) udp_.connect(server, error);
        if (!error) udp_.send(asio::buffer(sent_), 0, error);
        if (error) return give_up_later();
        receive_by_udp();
    }

    void receive_by_udp() {
        received_.resize(kUdpBufferBytes);
        udp_.async_receive(asio::buffer(received_),
                           [self = shared_from_this(), attempt = attempt_](const error_code& error, size_t size) {
                               if (self->is_stale(attempt)) return;
                               if (error) return self->give_up(self->server_->counters->timed_out);
                               self->read_udp(std::span(self->received_).first(size));
                           });
    }

    void read_udp(std::span<const uint8_t> bytes) {
        const auto answer = read_answer(bytes, question_, id_);
        if (answer) return take(*answer);
        if (answer.error() == Fault::kForeign && ++foreign_ < kMostForeign) return receive_by_udp();
        if (answer.error() == Fault::kTruncated) return send_by_tcp();
        give_up(server_->counters->failed);
    }

    // --- TCP ---

    // A handler that goes on with this step.
    auto next(void (Lookup::*step)()) {
        return [self = shared_from_this(), attempt = attempt_, step](const error_code& error, size_t) {
            if (self->is_stale(attempt)) return;
            if (error) return self->give_up(self->server_->counters->timed_out);
            (self.get()->*step)();
        };
    }

    void send_by_tcp() {
        close();
        count(server_->counters->by_tcp);
        start_timer();
        const tcp::endpoint server(address_of(server_->config.address), server_->config.port);
        tcp_.async_connect(server, [self = shared_from_this(), attempt = attempt_](const error_code& error) {
            if (self->is_stale(attempt)) return;
            if (error) return self->give_up(self->server_->counters->timed_out);
            self->write_tcp();
        });
    }

    void write_tcp() {
        const auto size = static_cast<uint16_t>(sent_.size());
        size_ = {static_cast<uint8_t>(size >> 8), static_cast<uint8_t>(size & 0xff)};
        const std::array<asio::const_buffer, 2> parts{asio::buffer(size_), asio::buffer(sent_)};
        asio::async_write(tcp_, parts, next(&Lookup::read_tcp_size));
    }
    void read_tcp_size() { asio::async_read(tcp_, asio::buffer(size_), next(&Lookup::read_tcp_message)); }
    void read_tcp_message() {
        received_.resize(static_cast<size_t>(size_[0] << 8 | size_[1]));
        asio::async_read(tcp_, asio::buffer(received_), next(&Lookup::read_tcp));
    }
    void read_tcp() {
        const auto answer = read_answer(received_, question_, id_);
        if (answer) return take(*answer);
        give_up(server_->counters->failed);
    }

    Upstreams* upstreams_;  // null: nobody waits any more
    const Question question_;
    std::vector<Server> servers_;
    Server* server_ = nullptr;
    unsigned attempts_ = 0;
    unsigned attempt_ = 0;  // changes with each socket
    unsigned foreign_ = 0;
    uint16_t id_ = 0;
    udp::socket udp_;
    tcp::socket tcp_;
    asio::steady_timer timer_;
    std::vector<uint8_t> sent_;
    std::vector<uint8_t> received_;
    std::array<uint8_t, 2> size_{};
};

Upstreams::Upstreams(asio::io_context& context, UpstreamLimits limits)
    : context_(context), limits_(std::move(limits)), resolv_conf_(limits_.resolv_conf) {}

Upstreams::~Upstreams() {
    for (const auto& [question, running] : running_) running.lookup->abandon();
}

void Upstreams::set(const std::vector<UpstreamConfig>& servers, const std::vector<IpAddress>& own) {
    if (servers == configured_ && own == own_) return;
    configured_ = servers;
    own_ = own;
    kept_.clear();
    arrange(configured_.empty() ? resolv_conf_.servers(Clock::now()) : configured_);
}

// A server that stays keeps its counters.
void Upstreams::arrange(const std::vector<UpstreamConfig>& configs) {
    arranged_ = configs;
    std::vector<Server> servers;
    for (const UpstreamConfig& config : configs) {
        if (std::ranges::find(own_, config.address) != own_.end()) continue;
        const auto known = std::ranges::find(servers_, config, &Server::config);
        servers.push_back(known != servers_.end() ? *known : Server{config, std::make_shared<UpstreamCounters>()});
    }
    const std::lock_guard lock(mutex_);
    servers_ = std::move(servers);
}

std::vector<UpstreamState> Upstreams::states() const {
    const std::lock_guard lock(mutex_);
    std::vector<UpstreamState> states;
    for (const Server& server : servers_) states.push_back({server.config, server.counters});
    return states;
}

// Those that were of use last first, each part in the configured order.
std::vector<Upstreams::Server> Upstreams::in_order() {
    if (configured_.empty()) {
        const auto& configs = resolv_conf_.servers(Clock::now());
        if (configs != arranged_) arrange(configs);
    }
    std::vector<Server> servers = servers_;
    std::ranges::stable_partition(servers, [](const Server& server) {
        return !server.counters->is_failing.load(std::memory_order_relaxed);
    });
    return servers;
}

const Upstreams::Kept* Upstreams::find_kept(const Question& question) {
    const auto kept = kept_.find(question);
    if (kept == kept_.end()) return nullptr;
    const uint32_t ttl = std::min(kept->second.answer->ttl, limits_.most_ttl);
    if (Clock::now() - kept->second.since < std::chrono::seconds(ttl)) return &kept->second;
    kept_.erase(kept);
    return nullptr;
}

void Upstreams::keep(const Question& question, const SharedMessage& answer) {
    if (answer->ttl == 0 || answer->wire.size() > kUdpBufferBytes) return;
    if (kept_.size() >= limits_.kept_answers) kept_.clear();
    kept_[question] = {answer, Clock::now()};
}

bool Upstreams::ask(const Question& question, path::PortId asker, Done done) {
    if (const Kept* kept = find_kept(question)) {
        const auto age = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - kept->since);
        const SharedMessage answer = kept->answer;
        done(answer, static_cast<uint32_t>(age.count()));
        return true;
    }
    size_t& of_port = of_port_[asker];
    if (outstanding_ >= limits_.outstanding || of_port >= limits_.outstanding_of_port) {
        if (of_port == 0) of_port_.erase(asker);
        return false;
    }
    ++of_port;
    ++outstanding_;
    const auto [running, is_new] = running_.try_emplace(question);
    running->second.waiters.push_back({asker, std::move(done)});
    if (!is_new) return true;
    const auto lookup = std::make_shared<Lookup>(*this, question, in_order());
    running->second.lookup = lookup;
    lookup->start();
    return true;
}

void Upstreams::finish(const Question& question, const SharedMessage& answer) {
    const auto running = running_.find(question);
    const std::vector<Waiter> waiters = std::move(running->second.waiters);
    running_.erase(running);
    if (answer != nullptr) keep(question, answer);
    outstanding_ -= waiters.size();
    for (const Waiter& waiter : waiters) {
        const auto of_port = of_port_.find(waiter.asker);
        if (--of_port->second == 0) of_port_.erase(of_port);
    }
    for (const Waiter& waiter : waiters) waiter.done(answer, 0);
}

}  // namespace sluice::dns
