// What the switch serves to its stations by other protocols than those of packets: names (DNS, over UDP and TCP),
// and addresses (DHCP, router advertisements). Questions come to the protocol thread (punt/thread.h). It answers
// DNS itself; what changes the switch, as a lease does, is the control thread's, which answers by send().
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "dns/server.h"
#include "engine/switch.h"
#include "punt/tcp_server.h"
#include "punt/thread.h"

namespace sluice::protocols {

class Protocols {
 public:
    // Called on the protocol thread, with questions about addresses. It must not wait.
    using Take = std::function<void(const punt::Message&)>;

    // The control thread, as all but send(). The workers are connected to it as long as it lives, and don't run
    // when that begins or ends.
    explicit Protocols(engine::Switch& running);
    Protocols(const Protocols&) = delete;
    ~Protocols();

    void start(Take take_dhcp);
    void stop();

    // Any thread.
    dns::Server& dns() noexcept { return dns_; }
    void send(const punt::Head& to, std::vector<std::byte> payload);
    uint64_t lost_answers() const noexcept { return thread_.lost_answers(); }

 private:
    void take(const punt::Message& message);
    void take_query(const punt::Message& message);
    void take_segment(const punt::Message& message);
    void await_tick();
    punt::TcpServer::Calls tcp_calls();

    engine::Switch& running_;
    punt::Thread thread_;
    dns::Server dns_;
    punt::TcpServer tcp_;
    boost::asio::steady_timer tick_;
    bool is_ticking_ = false;
    Take take_dhcp_;
};

}  // namespace sluice::protocols
