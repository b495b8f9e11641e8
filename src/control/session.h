// One connected client: lines in, answers out, in order. Never blocks and never trusts: input is
// bounded by the longest request, reading stops while answers wait for a slow client, and one line
// is served before the other clients have their turn. Control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <functional>
#include <memory>
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

    // The socket is non-blocking. `on_end` is called once, when the client has left, and not by
    // close(). `on_unsent` is called when a large answer waits to be sent; it may end this session or others.
    Session(Socket socket, Requester requester, Commands commands, uint64_t max_request, Told on_end,
            Told on_unsent);

    void start();
    void close();
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
    bool serve_line();
    void say(std::string answer);
    void read();
    void receive();
    void write();

    Socket socket_;
    Requester requester_;
    const Commands commands_;
    const uint64_t max_request_;
    Told on_end_;
    Told on_unsent_;

    std::chrono::steady_clock::time_point idle_since_ = std::chrono::steady_clock::now();
    std::string input_;  // received; served up to begin_, without a newline up to seen_
    size_t begin_ = 0;
    size_t seen_ = 0;
    std::string output_;   // to be sent after sending_
    std::string sending_;  // owned by the pending write while it isn't empty

    bool reading_ = false;
    bool scheduled_ = false;
    bool hung_up_ = false;  // the client sends no more
    bool last_ = false;     // no line is served any more: send what is left and end
    bool closed_ = false;
};

}  // namespace sluice::control
