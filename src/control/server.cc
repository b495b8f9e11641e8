#include "control/server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <cerrno>
#include <chrono>

#include "base/log.h"
#include "sluice/protocol.h"

namespace sluice::control {
namespace {

using Protocol = boost::asio::local::stream_protocol;
using boost::system::error_code;

// A group that is missing must not keep the switch from starting, but its members must learn why
// they are kept out.
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

// The connection is new and its buffer empty, so this neither blocks nor falls short.
void refuse(Session::Socket& socket, int code, const std::string& message) {
    const std::string line = error_answer(code, message) + "\n";
    error_code ignored;  // it has gone already
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
    // While the lock is held, the path is ours to remove.
    unlink(config_.socket.c_str());
    waiting_.release();
    error_code ignored;
    retry_.cancel(ignored);
    for (const auto& session : sessions_) session->close();
    sessions_.clear();
    listener_ = {};
}

void Server::accept() {
    waiting_.async_wait(waiting_.wait_read, [this, open = std::weak_ptr(open_)](error_code error) {
        if (open.expired() || error) return;
        // Not Asio's accept: it knows no SOCK_CLOEXEC.
        const int connection =
            accept4(listener_.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (connection >= 0) {
            admit(connection);
            return accept();
        }
        if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
            return accept();
        // The client keeps waiting and would wake us at once, again and again.
        retry_.expires_after(std::chrono::milliseconds(100));
        retry_.async_wait([this, open](error_code cancelled) {
            if (!open.expired() && !cancelled) accept();
        });
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

    const bool reader = *access == Access::kRead;
    const size_t readers =
        static_cast<size_t>(std::ranges::count(sessions_, Access::kRead, &Session::access));
    if (sessions_.size() >= protocol::kMaxClients ||
        (reader && readers >= protocol::kMaxReadClients))
        return refuse(socket, protocol::kBusy,
                      fmt::format("sluiced serves {} clients already, {} of them readers: try "
                                  "again when one has gone",
                                  sessions_.size(), readers));

    const uint64_t max_request =
        reader ? std::min<uint64_t>(config_.max_request, protocol::kMaxReadRequest)
               : config_.max_request;
    const auto session = std::make_shared<Session>(
        std::move(socket), *access, commands_, max_request,
        [this](const std::shared_ptr<Session>& ended) { sessions_.erase(ended); });
    sessions_.insert(session);
    session->start();
}

}  // namespace sluice::control
