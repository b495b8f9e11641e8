#include "control/session.h"

#include <fmt/format.h>
#include <poll.h>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "sluice/protocol.h"

namespace sluice::control {

namespace asio = boost::asio;
using boost::system::error_code;

Session::Session(Socket socket, Requester requester, Commands commands, uint64_t max_request,
                 Listeners listeners)
    : socket_(std::move(socket)),
      requester_(std::move(requester)),
      commands_(std::move(commands)),
      max_request_(max_request),
      listeners_(std::move(listeners)) {}

void Session::start() {
    requester_.caller = weak_from_this();
    advance();
}

void Session::close() {
    closed_ = true;
    listeners_ = {};
    error_code ignored;
    socket_.close(ignored);
    output_ = {};  // sending_ stays until the pending write's handler has run
}

void Session::let_go(std::string answer) {
    answer += '\n';
    error_code ignored;  // the socket's buffer is full, or the client is gone
    if (sending_.empty() && output_.empty()) socket_.send(asio::buffer(answer), 0, ignored);
    end();
}

void Session::end() {
    const auto on_end = std::move(listeners_.on_end);
    close();
    if (on_end) on_end(shared_from_this());
}

// Decides what the session does next. Every operation that finishes calls it.
void Session::advance() {
    if (closed_) return;
    if (!waits_ && !last_ && unsent() <= protocol::kMaxUnsent) {
        if (find_line()) {
            waits_ = true;
            listeners_.on_line(shared_from_this());
        } else if (hung_up_) {
            last_ = true;  // input_ may have half a line, which is no request
        } else if (!last_) {
            read();
        }
    }
    write();
    if (last_ && sending_.empty()) end();
}

// Asks for a turn, which comes after those of other clients that wait.
void Session::schedule() {
    if (std::exchange(scheduled_, true)) return;
    asio::post(socket_.get_executor(), [self = shared_from_this()] {
        self->scheduled_ = false;
        self->advance();
    });
}

// Finds the next line that isn't empty. False: there is no whole line yet.
bool Session::find_line() {
    for (;;) {
        const size_t end = input_.find('\n', seen_);
        const size_t size = (end == std::string::npos ? input_.size() : end) - begin_;
        if (size > max_request_) {
            say(error_answer(protocol::kInvalidRequest,
                             fmt::format("the request exceeds {} bytes", max_request_)));
            last_ = true;  // nothing says where the next request would begin
            input_ = {};
            return false;
        }
        if (end == std::string::npos) {
            // A new string, so that the memory of a large request is freed.
            if (begin_ > 0) input_ = input_.substr(std::exchange(begin_, 0));
            seen_ = input_.size();
            return false;
        }
        seen_ = end;
        if (std::string_view(input_).substr(begin_, size).find_first_not_of(" \t\r") != std::string::npos)
            return true;
        begin_ = seen_ = end + 1;
    }
}

bool Session::take_turn() {
    const bool gone = !closed_ && is_gone();
    // The client is gone and may only read: nobody would get its answers, so drop its lines.
    if (gone && requester_.peer.access == Access::kRead) end();
    std::optional<std::string> answer;
    if (!closed_) {
        if (!request_) {
            request_.emplace(*commands_, requester_, std::string_view(input_).substr(begin_, seen_ - begin_));
            begin_ = ++seen_;
        }
        answer = request_->step(gone);
        idle_since_ = std::chrono::steady_clock::now();
    }
    if (!answer && !closed_) return true;
    request_.reset();
    waits_ = false;
    if (closed_) {  // by the command, or while the session waited for its turn
        input_ = {};
        return false;
    }
    say(std::move(*answer));
    advance();
    return false;
}

// Whether the client can't read an answer any more. A client that has only ended its sending direction still can.
bool Session::is_gone() {
    pollfd peer{.fd = socket_.native_handle(), .events = 0, .revents = 0};
    return poll(&peer, 1, 0) == 1 && (peer.revents & (POLLHUP | POLLERR)) != 0;
}

void Session::say(std::string answer) {
    if (answer.empty() || closed_) return;
    answer += '\n';
    if (output_.empty())
        output_ = std::move(answer);
    else
        output_ += answer;
    constexpr size_t kSmall = 64 << 10;  // every client may have that much unread
    if (unsent() <= kSmall || !listeners_.on_unsent) return;
    const auto on_unsent = listeners_.on_unsent;  // it may end this session
    on_unsent(shared_from_this());
}

void Session::read() {
    if (std::exchange(reading_, true)) return;
    // Waits for input without a buffer, so that an idle client takes no memory.
    socket_.async_wait(Socket::wait_read, [self = shared_from_this()](error_code error) {
        self->reading_ = false;
        if (self->closed_) return;
        if (error) return self->end();
        self->receive();
    });
}

void Session::receive() {
    static thread_local char buffer[64 << 10];
    error_code error;
    const size_t size = socket_.read_some(asio::buffer(buffer), error);
    if (error == asio::error::eof)
        hung_up_ = true;
    else if (error && error != asio::error::would_block && error != asio::error::interrupted)
        return end();
    input_.append(buffer, size);
    advance();
}

void Session::write() {
    if (!sending_.empty() || output_.empty()) return;
    sending_.swap(output_);
    // Asio sends with MSG_NOSIGNAL: if the client is gone, this is an error and no SIGPIPE.
    asio::async_write(socket_, asio::buffer(sending_),
                      [self = shared_from_this()](error_code error, size_t) {
                          self->sending_ = {};
                          if (self->closed_) return;
                          if (error) return self->end();
                          self->schedule();
                      });
}

}  // namespace sluice::control
