// The control socket: sluiced's only door. Accepts clients, decides what each may do (access.h),
// and hands their requests (rpc.h) to the commands that it was given. It knows no command itself.
//
// Everything runs on the thread that runs the io_context, the control thread: commands are called
// one after the other, and a client waits while another's command runs. Clients take turns (turns.h), and the
// io_context's other handlers run between two turns. The io_context must outlive the server.
//
// The places for clients are bounded, but nobody can occupy them: where a newcomer would be one too many, the
// client that has been idle longest goes, one of a lower rank first (readers; the group; root and the daemon's own
// user), never one of a higher rank. Some places are for the highest rank alone. The memory for answers that wait
// to be read is bounded in the same way: where they are too many bytes together, the client that has left its own
// unread longest goes.
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

    // Takes the socket's path, or says who has it, and serves from the io_context's next turn on.
    base::Result<void> listen();

    // Removes the socket and hangs up on every client. A command may call it; its answer is lost.
    void close();

 private:
    void accept();
    void serve();
    void admit(int connection);
    bool make_room(const Peer& newcomer);
    void let_go(const std::shared_ptr<Session>& session);
    void bound_unsent(const std::shared_ptr<Session>& latest);

    boost::asio::io_context& context_;
    const ServerConfig config_;
    const Commands commands_;
    Grants grants_{};
    Listener listener_;
    boost::asio::posix::stream_descriptor waiting_;  // for clients of listener_, which owns it
    boost::asio::steady_timer retry_;
    ChangeLog changes_;
    Throttle departures_;  // in the log
    std::set<std::shared_ptr<Session>> sessions_;
    Turns turns_;
    bool serving_ = false;  // a turn is posted
    std::shared_ptr<void> open_;  // handlers of an earlier listen() find theirs gone
};

}  // namespace sluice::control
