// One connected client: reads its lines and sends the answers in order. It never blocks. Its input is bounded by
// the longest request. While answers wait for a slow client, it reads no more. Its lines are served in turn with
// those of other clients (turns.h). Control thread.
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

// The session's pending operations own it, until the client leaves or close() ends them.
class Session : public std::enable_shared_from_this<Session> {
 public:
    using Socket = boost::asio::local::stream_protocol::socket;

    using Callback = std::function<void(const std::shared_ptr<Session>&)>;

    struct Listeners {
        Callback on_line;    // a line has come: the session waits for take_turn()
        Callback on_unsent;  // a large answer waits to be sent; the listener may end this session or others
        Callback on_end;     // the client has left; called once, and not by close()
    };

    // The socket is non-blocking.
    Session(Socket socket, Requester requester, Commands commands, uint64_t max_request, Listeners listeners);

    void start();
    void close();
    // Does one step of a line. True: the line isn't finished and needs another turn.
    bool take_turn();
    // Ends the session in favor of another client. Sends the answer first, unless another one is being sent.
    void let_go(std::string answer);

    const Peer& peer() const { return requester_.peer; }
    // The time of the client's last request, or of its connection.
    std::chrono::steady_clock::time_point idle_since() const { return idle_since_; }
    // Bytes of answers that wait for the client to read them.
    size_t unsent() const { return output_.size() + sending_.size(); }
    // Ends the session at once and discards its unsent answers.
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
    std::string input_;  // received bytes: served up to begin_, searched for a newline up to seen_
    size_t begin_ = 0;
    size_t seen_ = 0;
    std::optional<Request> request_;  // the line that is being served
    std::string output_;   // to be sent after sending_
    std::string sending_;  // not empty: the pending write uses it

    bool reading_ = false;
    bool waits_ = false;  // for a turn, or has its turn
    bool scheduled_ = false;
    bool hung_up_ = false;  // the client sends no more
    bool last_ = false;     // serve no more lines: send what is left, then end
    bool closed_ = false;
};

}  // namespace sluice::control
