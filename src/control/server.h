// The server of the control socket. It accepts clients, determines what each may do (access.h), and passes their
// requests (rpc.h) to the commands that it was given. It knows no command itself.
//
// The server runs on the control thread, which runs the io_context. Commands run one after the other, so a client
// waits while another client's command runs. Clients take turns (turns.h), and the io_context's other handlers run
// between two turns. The io_context must outlive the server.
//
// The number of clients is bounded. If a new client would be one too many, the server disconnects the client that
// has been idle longest, beginning with the lowest rank (readers; the group; root and the daemon's own user), and
// never one of a higher rank than the new client's. Some places are reserved for the highest rank. The memory for
// unread answers is bounded in the same way: if it is exceeded, the server disconnects the client that has left
// its answers unread longest.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "control/access.h"
#include "control/listener.h"
#include "control/rpc.h"
#include "control/session.h"
#include "control/turns.h"
#include "sluice/protocol.h"

namespace sluice::control {

struct ServerConfig {
    std::string socket = {};
    std::string group = {};            // may do everything; empty: root only
    std::string read_only_group = {};  // may ask; empty: none
    uint64_t max_request = 64 << 20;   // bytes
    uint64_t max_unsent = protocol::kMaxUnsentOfAll;
};

class Server {
 public:
    Server(boost::asio::io_context& context, ServerConfig config, std::vector<Command> commands);
    ~Server() { close(); }
    Server(const Server&) = delete;

    // Takes the socket's path and serves from the io_context's next turn on. Fails if another daemon has the path.
    base::Result<void> listen();

    // Removes the socket and disconnects every client. A command may call it; the command's answer is lost then.
    void close();

 private:
    void accept();
    void serve();
    void admit(int connection);
    bool make_room(const Peer& newcomer);
    void let_go(const std::shared_ptr<Session>& session);
    void limit_unsent(const std::shared_ptr<Session>& latest);

    boost::asio::io_context& context_;
    const ServerConfig config_;
    const Commands commands_;
    Grants grants_{};
    Listener listener_;
    boost::asio::posix::stream_descriptor waiting_;  // the socket of listener_, which owns it
    boost::asio::steady_timer retry_;
    ChangeLog changes_;
    Throttle departures_;  // limits log lines about disconnected clients
    std::set<std::shared_ptr<Session>> sessions_;
    Turns turns_;
    bool serving_ = false;  // a turn is posted
    std::shared_ptr<void> open_;  // since listen(); expired: a handler belongs to an earlier listen()
};

}  // namespace sluice::control
