// One connected client: lines in, answers out, in order. Never blocks and never trusts: input is
// bounded by the longest request, reading stops while answers wait for a slow client, and lines are served in turn
// with the other clients' (turns.h). Control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/rpc.h"

namespace sluice::control {

using Commands = std::shared_ptr<const std::vector<Command>>;

// Its pending operations own it, until the client leaves or close() ends them.
class Session : public std::enable_shared_from_this<Session> {
 public:
    using Socket = boost::asio::local::stream_protocol::socket;

    using Told = std::function<void(const std::shared_ptr<Session>&)>;

    struct Listeners {
        Told on_line;    // a line has come: it wants a turn, and waits for one until take_turn()
        Told on_unsent;  // a large answer waits to be sent; the listener may end this session or others
        Told on_end;     // the client has left: called once, and not by close()
    };

    // The socket is non-blocking.
    Session(Socket socket, Requester requester, Commands commands, uint64_t max_request, Listeners listeners);

    void start();
    void close();
    // Serves a line, or some of it. True: some of it is left, which wants another turn.
    bool take_turn();
    // Ends it in favor of another client: with the answer, where none is on its way.
    void let_go(std::string answer);

    const Peer& peer() const { return requester_.peer; }
    // Since its last request, or since it connected.
    std::chrono::steady_clock::time_point idle_since() const { return idle_since_; }
    // Bytes of answers that wait for the client to read them.
    size_t unsent() const { return output_.size() + sending_.size(); }
    // Ends it at once, with what it has not been sent.
    void end();

 private:
    void advance();
    void schedule();
    bool find_line();
    bool is_gone();
    void say(std::string answer);
    void read();
    void receive();
    void write();

    Socket socket_;
    Requester requester_;
    const Commands commands_;
    const uint64_t max_request_;
    Listeners listeners_;

    std::chrono::steady_clock::time_point idle_since_ = std::chrono::steady_clock::now();
    std::string input_;  // received; served up to begin_, without a newline up to seen_
    size_t begin_ = 0;
    size_t seen_ = 0;
    std::optional<Request> request_;  // that has begun
    std::string output_;   // to be sent after sending_
    std::string sending_;  // owned by the pending write while it isn't empty

    bool reading_ = false;
    bool waits_ = false;  // for a turn, or has it
    bool scheduled_ = false;
    bool hung_up_ = false;  // the client sends no more
    bool last_ = false;     // no line is served any more: send what is left and end
    bool closed_ = false;
};

}  // namespace sluice::control
