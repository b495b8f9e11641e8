#include "control/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

#include "base/counted.h"
#include "base/log.h"
#include "sluice/protocol.h"

namespace sluice::control {
namespace {

using Protocol = boost::asio::local::stream_protocol;
using boost::system::error_code;

// If the group doesn't exist, the switch starts nevertheless. The log says why the group's members can't connect.
base::Result<std::optional<gid_t>> wanted_group(const std::string& name, const char* consequence) {
    if (name.empty()) return std::nullopt;
    auto group = group_named(name);
    if (group && !*group)
        base::log::warning("control",
                           "there is no group {}, so {}: make it with `groupadd --system {}` and "
                           "restart sluiced",
                           name, consequence, name);
    return group;
}

// "3 MiB"; below 1 MiB "70 KiB".
std::string size_text(uint64_t bytes) {
    return bytes < 1 << 20 ? fmt::format("{} KiB", bytes >> 10) : fmt::format("{} MiB", bytes >> 20);
}

std::string departures_text(uint64_t held_back) {
    if (held_back == 0) return {};
    return fmt::format(" ({} {} not logged)", base::counted(held_back, "earlier client"),
                       held_back == 1 ? "was" : "were");
}

// The connection is new and its buffer is empty, so send() neither blocks nor sends only a part.
void refuse(Session::Socket& socket, int code, const std::string& message) {
    const std::string line = error_answer(code, message) + "\n";
    error_code ignored;  // the client is gone already
    socket.send(boost::asio::buffer(line), 0, ignored);
}

}  // namespace

Server::Server(boost::asio::io_context& context, ServerConfig config, std::vector<Command> commands)
    : context_(context),
      config_(std::move(config)),
      commands_(std::make_shared<const std::vector<Command>>(std::move(commands))),
      waiting_(context),
      retry_(context) {}

base::Result<void> Server::listen() {
    grants_.owner = geteuid();
    auto group = wanted_group(config_.group, "only root can use the control socket");
    if (!group) return tl::unexpected(group.error());
    auto read_only_group = wanted_group(config_.read_only_group, "it can't be let in to read");
    if (!read_only_group) return tl::unexpected(read_only_group.error());
    grants_.group = *group;
    grants_.read_only_group = *read_only_group;

    auto listener = listen_at(config_.socket, grants_);
    if (!listener) return tl::unexpected(listener.error());
    error_code error;
    if (waiting_.assign(listener->socket.get(), error); error)
        return base::fail("waiting for clients of the control socket: {}", error.message());
    listener_ = std::move(*listener);
    open_ = std::make_shared<char>();
    accept();
    return {};
}

void Server::close() {
    if (!open_) return;
    open_.reset();
    // While we hold the lock, the path is ours.
    unlink(config_.socket.c_str());
    waiting_.release();
    error_code ignored;
    retry_.cancel(ignored);
    for (const auto& session : sessions_) session->close();
    sessions_.clear();
    turns_.clear();
    serving_ = false;
    listener_ = {};
}

void Server::accept() {
    waiting_.async_wait(waiting_.wait_read, [this, open = std::weak_ptr(open_)](error_code error) {
        if (open.expired() || error) return;
        // Asio's accept can't set SOCK_CLOEXEC.
        const int connection =
            accept4(listener_.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (connection >= 0) {
            admit(connection);
            return accept();
        }
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
            return accept();
        // The waiting client would wake us again at once, so pause.
        retry_.expires_after(std::chrono::milliseconds(100));
        retry_.async_wait([this, open](error_code cancelled) {
            if (!open.expired() && !cancelled) accept();
        });
    });
}

// Posts one turn at a time, so that timers and device events are handled between two turns.
void Server::serve() {
    if (turns_.empty() || std::exchange(serving_, true)) return;
    boost::asio::post(context_, [this, open = std::weak_ptr(open_)] {
        if (open.expired()) return;
        serving_ = false;
        const auto session = turns_.take();
        if (session->take_turn() && !open.expired()) turns_.put_back(session->peer(), session);
        serve();
    });
}

void Server::admit(int connection) {
    Session::Socket socket(context_);
    error_code error;
    if (socket.assign(Protocol(), connection, error); error) {
        ::close(connection);
        return;
    }
    if (socket.non_blocking(true, error); error) return;
    const auto peer = credentials_of(connection);
    if (!peer) return refuse(socket, protocol::kInternalError, peer.error().text());
    const auto access = access_of(*peer, grants_);
    if (!access)
        return refuse(socket, protocol::kDenied,
                      fmt::format("user {} may not use sluiced: become root, or join the group {} "
                                  "and log in again",
                                  peer->uid, config_.group));

    const Peer client{.access = *access,
                      .is_owner = peer->uid == 0 || peer->uid == grants_.owner,
                      .uid = peer->uid,
                      .pid = peer->pid,
                      .program = program_of(peer->pid)};
    if (!make_room(client))
        return refuse(socket, protocol::kBusy,
                      fmt::format("sluiced serves {} clients already, and none that may go for you: "
                                  "try again when one has gone",
                                  sessions_.size()));

    const uint64_t max_request = client.access == Access::kRead
                                     ? std::min<uint64_t>(config_.max_request, protocol::kMaxReadRequest)
                                     : config_.max_request;
    const auto session = std::make_shared<Session>(
        std::move(socket), Requester{.peer = client, .log = &changes_}, commands_, max_request,
        Session::Listeners{
            .on_line =
                [this](const std::shared_ptr<Session>& session) {
                    turns_.add(session->peer(), session);
                    serve();
                },
            .on_unsent = [this](const std::shared_ptr<Session>& latest) { limit_unsent(latest); },
            .on_end = [this](const std::shared_ptr<Session>& ended) { sessions_.erase(ended); },
        });
    sessions_.insert(session);
    session->start();
}

// False: clients of a higher rank have all the places that the new client could get.
bool Server::make_room(const Peer& newcomer) {
    // Clients below the highest rank share this many places.
    const auto has_room = [&](size_t places, const auto& is_one_of_these) {
        std::shared_ptr<Session> longest;
        size_t taken = 0;
        for (const auto& session : sessions_) {
            const Peer& peer = session->peer();
            if (!is_one_of_these(peer)) continue;
            ++taken;
            if (rank_of(peer) > rank_of(newcomer)) continue;
            if (!longest || std::pair(rank_of(peer), session->idle_since()) <
                                std::pair(rank_of(longest->peer()), longest->idle_since()))
                longest = session;
        }
        if (taken < places) return true;
        if (!longest) return false;
        let_go(longest);
        return true;
    };
    if (!newcomer.is_owner) {
        if (!has_room(protocol::kMaxUserClients, [&](const Peer& peer) { return peer.uid == newcomer.uid; }))
            return false;
        if (newcomer.access == Access::kRead &&
            !has_room(protocol::kMaxReadClients, [](const Peer& peer) { return peer.access == Access::kRead; }))
            return false;
        if (!has_room(protocol::kMaxClients - protocol::kReservedClients,
                      [](const Peer& peer) { return !peer.is_owner; }))
            return false;
    }
    return has_room(protocol::kMaxClients, [](const Peer&) { return true; });
}

void Server::let_go(const std::shared_ptr<Session>& session) {
    using std::chrono::steady_clock;
    const auto now = steady_clock::now();
    if (const auto held_back = departures_.let_through(now))
        base::log::notice("control", "{} was disconnected, idle for {} s: another client needs its place{}",
                          who_text(session->peer()),
                          std::chrono::duration_cast<std::chrono::seconds>(now - session->idle_since()).count(),
                          departures_text(*held_back));
    session->let_go(error_answer(protocol::kBusy,
                                 "sluiced needs your place for another client, and you were idle longest: "
                                 "connect again"));
}

// Disconnects clients that ask much and read nothing, beginning with the lowest rank, and none of a higher rank
// than the latest one's.
void Server::limit_unsent(const std::shared_ptr<Session>& latest) {
    constexpr size_t kLarge = 64 << 10;  // disconnecting a client with less unread would free too little
    size_t sum = 0;
    for (const auto& session : sessions_) sum += session->unsent();
    while (sum > config_.max_unsent) {
        std::shared_ptr<Session> longest;
        bool has_higher = false;
        for (const auto& session : sessions_) {
            if (session == latest || session->unsent() <= kLarge) continue;
            if (rank_of(session->peer()) > rank_of(latest->peer())) {
                has_higher = true;
                continue;
            }
            if (!longest || std::pair(rank_of(session->peer()), session->idle_since()) <
                                std::pair(rank_of(longest->peer()), longest->idle_since()))
                longest = session;
        }
        // A single answer may exceed the limit, but not beside large answers for clients of a higher rank.
        if (!longest && !has_higher) return;
        const std::shared_ptr<Session>& leaves = longest ? longest : latest;
        sum -= leaves->unsent();
        if (const auto held_back = departures_.let_through(std::chrono::steady_clock::now()))
            base::log::notice("control",
                              "{} was disconnected: {} of unread answers, and all clients together exceed {}{}",
                              who_text(leaves->peer()), size_text(leaves->unsent()),
                              size_text(config_.max_unsent), departures_text(*held_back));
        leaves->end();
        if (!longest) return;
    }
}

}  // namespace sluice::control
