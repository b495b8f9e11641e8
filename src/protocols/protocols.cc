#include "protocols/protocols.h"

#include <boost/asio/post.hpp>
#include <random>

namespace sluice::protocols {
namespace {

using punt::TcpPart;
using punt::TcpPeer;
using punt::TcpServer;
using punt::TcpWay;

constexpr uint16_t kDnsPort = 53;
constexpr std::chrono::milliseconds kTick{50};

std::vector<punt::Thread::Wake> wakes_of(engine::Switch& running) {
    std::vector<punt::Thread::Wake> wakes;
    for (const auto& worker : running.workers()) wakes.emplace_back([&worker = *worker] { worker.wake(); });
    return wakes;
}

std::span<const uint8_t> octets(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

dns::Asker asker_of(const TcpPeer& peer) noexcept {
    return {.network = peer.network, .port = peer.port, .address = peer.station};
}

punt::Head head_of(const TcpPeer& peer, const TcpWay& way, const TcpPart& part) noexcept {
    return {.kind = punt::Kind::kTcp,
            .worker = way.worker,
            .network = peer.network,
            .port = peer.port,
            .serial = peer.serial,
            .mac = way.mac,
            .station = peer.station,
            .own = peer.own,
            .station_port = peer.station_port,
            .own_port = peer.own_port,
            .sequence = part.sequence,
            .acknowledgement = part.acknowledgement,
            .window = part.window,
            .flags = part.flags};
}

}  // namespace

Protocols::Protocols(engine::Switch& running)
    : running_(running),
      thread_(wakes_of(running)),
      dns_(thread_.io()),
      tcp_(tcp_calls()),
      tick_(thread_.io()) {
    for (size_t i = 0; i < running.workers().size(); ++i) running.workers()[i]->connect(&thread_.line(i));
    running.tell_names([this](const std::shared_ptr<const dns::Names>& names) { dns_.set(names); });
}

Protocols::~Protocols() {
    stop();
    running_.tell_names(nullptr);
    for (const auto& worker : running_.workers()) worker->connect(nullptr);
}

void Protocols::start(Take take_dhcp) {
    take_dhcp_ = std::move(take_dhcp);
    thread_.start([this](const punt::Message& message) { take(message); });
}

void Protocols::stop() {
    thread_.stop();
}

void Protocols::send(const punt::Head& to, std::vector<std::byte> payload) {
    boost::asio::post(thread_.io(), [this, to, payload = std::move(payload)] { thread_.send(to, payload); });
}

// --- the protocol thread ---

void Protocols::take(const punt::Message& message) {
    const bool is_dns = message.head.kind != punt::Kind::kIcmpv6 && message.head.own_port == kDnsPort;
    if (!is_dns) return take_dhcp_(message);
    if (message.head.kind == punt::Kind::kTcp) return take_segment(message);
    take_query(message);
}

void Protocols::take_query(const punt::Message& message) {
    const dns::Asker asker{
        .network = message.head.network, .port = message.head.port, .address = message.head.station};
    dns_.ask(octets(message.payload()), asker, dns::Transport::kUdp,
             [this, head = message.head](std::span<const uint8_t> answer) {
                 if (!answer.empty()) thread_.send(head, std::as_bytes(answer));
             });
}

void Protocols::take_segment(const punt::Message& message) {
    const punt::Head& head = message.head;
    tcp_.take({.network = head.network,
               .port = head.port,
               .serial = head.serial,
               .station = head.station,
               .own = head.own,
               .station_port = head.station_port,
               .own_port = head.own_port},
              {.worker = head.worker, .mac = head.mac},
              {.sequence = head.sequence,
               .acknowledgement = head.acknowledgement,
               .flags = head.flags,
               .window = head.window,
               .payload = message.payload()},
              TcpServer::Clock::now());
    if (tcp_.connections() != 0 && !std::exchange(is_ticking_, true)) await_tick();
}

// As long as there are connections.
void Protocols::await_tick() {
    tick_.expires_after(kTick);
    tick_.async_wait([this](const boost::system::error_code& error) {
        if (error) return;
        tcp_.tick(TcpServer::Clock::now());
        is_ticking_ = tcp_.connections() != 0;
        if (is_ticking_) await_tick();
    });
}

TcpServer::Calls Protocols::tcp_calls() {
    return {.send =
                [this](const TcpPeer& peer, const TcpWay& way, const TcpPart& part) {
                    thread_.send(head_of(peer, way, part), part.payload);
                },
            .receive =
                [this](const TcpPeer& peer, TcpServer::Id id, std::span<const std::byte> message) {
                    dns_.ask(octets(message), asker_of(peer), dns::Transport::kTcp,
                             [this, id](std::span<const uint8_t> answer) {
                                 tcp_.reply(id, std::as_bytes(answer), TcpServer::Clock::now());
                             });
                },
            .random = [device = std::make_shared<std::random_device>()] { return (*device)(); }};
}

}  // namespace sluice::protocols
