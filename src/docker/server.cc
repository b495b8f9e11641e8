#include "docker/server.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.h"

namespace sluice::docker {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::local::stream_protocol;
using boost::system::error_code;
using Stream = boost::beast::basic_stream<stream_protocol>;

// Where replies go, while the server is there.
struct Mailbox {
    std::mutex mutex;
    asio::io_context* context;  // null: the server has ended; guarded by mutex
};

// Reads a request, has it handled, answers, and so on. The list of connections owns it; so do its operations.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
    using Closed = std::function<void(Connection*)>;

    Connection(stream_protocol::socket socket, const Server::Handler& handler, std::shared_ptr<Mailbox> mailbox,
               Closed closed)
        : stream_(std::move(socket)),
          handler_(handler),
          mailbox_(std::move(mailbox)),
          closed_(std::move(closed)) {}
    Connection(const Connection&) = delete;

    void read() {
        request_.emplace();
        request_->header_limit(kMaxHeader);
        request_->body_limit(kMaxBody);
        stream_.expires_after(kPatience);
        http::async_read(stream_, buffer_, *request_, [self = shared_from_this()](error_code error, size_t) {
            if (error == http::error::body_limit || error == http::error::header_limit)
                return self->answer(http::status::payload_too_large, R"({"Err": "the request is too long"})");
            if (error) return self->close();
            self->handle();
        });
    }
    void close() {
        error_code ignored;
        stream_.socket().shutdown(stream_protocol::socket::shutdown_both, ignored);
        stream_.close();
        if (const Closed closed = std::exchange(closed_, nullptr)) closed(this);
    }

 private:
    void handle() {
        auto& message = request_->get();
        const std::string target(message.target());
        if (message.method() != http::verb::post || !target.starts_with('/'))
            return answer(http::status::method_not_allowed, R"({"Err": "calls are POST /NAME"})");
        stream_.expires_never();
        handler_(target.substr(1), std::move(message.body()),
                 [mailbox = mailbox_, weak = weak_from_this()](std::string body) {
                     const std::lock_guard lock(mailbox->mutex);
                     if (mailbox->context == nullptr) return;
                     asio::post(*mailbox->context, [weak, body = std::move(body)]() mutable {
                         if (const auto self = weak.lock()) self->answer(http::status::ok, std::move(body));
                     });
                 });
    }

    void answer(http::status status, std::string body) {
        if (!closed_) return;
        const bool stays = status == http::status::ok && request_->get().keep_alive();
        response_ = {};
        response_.result(status);
        response_.version(11);
        response_.set(http::field::content_type, "application/vnd.docker.plugins.v1.2+json");
        response_.body() = std::move(body);
        response_.keep_alive(stays);
        response_.prepare_payload();
        stream_.expires_after(kPatience);
        http::async_write(stream_, response_, [self = shared_from_this(), stays](error_code error, size_t) {
            if (error || !stays) return self->close();
            self->read();
        });
    }

    Stream stream_;
    boost::beast::flat_buffer buffer_{kMaxHeader + kMaxBody};
    std::optional<http::request_parser<http::string_body>> request_;
    http::response<http::string_body> response_;
    const Server::Handler& handler_;
    const std::shared_ptr<Mailbox> mailbox_;
    Closed closed_;  // empty: it is closed
};

namespace {

std::string make_folder(const std::string& path) {
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    return error ? fmt::format("cannot make {}: {}", folder.string(), error.message()) : "";
}

}  // namespace

// The thread, and what belongs to it. The control thread posts the path, and reads the trouble.
class Server::Loop {
 public:
    explicit Loop(const Handler& handler)
        : handler_(handler), retry_(context_), thread_([this] { context_.run(); }) {
        mailbox_->context = &context_;
    }
    Loop(const Loop&) = delete;
    ~Loop() {
        {
            const std::lock_guard lock(mailbox_->mutex);
            mailbox_->context = nullptr;
        }
        asio::post(context_, [this] {
            serve("");
            work_.reset();
        });
        thread_.join();
    }

    void set(const std::string& path) {
        asio::post(context_, [this, path] { serve(path); });
    }
    std::string trouble() const {
        const std::lock_guard lock(mutex_);
        return trouble_;
    }

 private:
    void serve(const std::string& path) {
        retry_.cancel();
        if (acceptor_) unlink(path_.c_str());
        acceptor_.reset();
        for (const auto& connection : std::exchange(connections_, {})) connection->close();
        path_ = path;
        tell("");
        if (!path_.empty()) listen();
    }

    void listen() {
        std::string why = bind();
        if (why.empty()) {
            accept();
        } else {
            acceptor_.reset();
            listen_later();
        }
        tell(std::move(why));
    }

    void listen_later() {
        retry_.expires_after(kRetry);
        retry_.async_wait([this](error_code cancelled) {
            if (!cancelled) listen();
        });
    }

    // The socket gets its name when it is ready. It takes the place of one that a killed process left.
    std::string bind() {
        if (std::string why = make_folder(path_); !why.empty()) return why;
        error_code error;
        stream_protocol::socket probe(context_);
        probe.connect(stream_protocol::endpoint(path_), error);
        if (!error) return fmt::format("another process serves {}", path_);
        struct stat there {};
        if (lstat(path_.c_str(), &there) == 0 && !S_ISSOCK(there.st_mode))
            return fmt::format("{} is in the way, and no socket", path_);
        const std::string fresh = path_ + ".new";
        unlink(fresh.c_str());
        acceptor_.emplace(context_);
        acceptor_->open(stream_protocol(), error);
        if (!error) acceptor_->bind(stream_protocol::endpoint(fresh), error);
        if (error) return fmt::format("cannot make {}: {}", fresh, error.message());
        if (chmod(fresh.c_str(), 0600) != 0) return fmt::format("chmod of {}: {}", fresh, std::strerror(errno));
        acceptor_->listen(static_cast<int>(kMaxConnections), error);
        if (error) return fmt::format("cannot listen at {}: {}", fresh, error.message());
        if (rename(fresh.c_str(), path_.c_str()) != 0)
            return fmt::format("cannot rename {} to {}: {}", fresh, path_, std::strerror(errno));
        return {};
    }

    void accept() {
        acceptor_->async_accept([this](error_code error, stream_protocol::socket socket) {
            if (error == asio::error::operation_aborted || !acceptor_) return;
            if (error) {
                // Without descriptors: made again after a pause.
                acceptor_.reset();
                return listen_later();
            }
            admit(std::move(socket));
            accept();
        });
    }

    void admit(stream_protocol::socket socket) {
        if (connections_.size() == kMaxConnections) {
            const auto oldest = connections_.front();
            oldest->close();
        }
        const auto connection =
            std::make_shared<Connection>(std::move(socket), handler_, mailbox_, [this](Connection* it) {
                connections_.remove_if([it](const auto& each) { return each.get() == it; });
            });
        connections_.push_back(connection);
        connection->read();
    }

    void tell(std::string trouble) {
        const std::lock_guard lock(mutex_);
        trouble_ = std::move(trouble);
    }

    const Handler& handler_;
    asio::io_context context_;
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_{context_.get_executor()};
    asio::steady_timer retry_;
    const std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>();
    std::string path_;
    std::optional<stream_protocol::acceptor> acceptor_;   // none: it isn't served
    std::list<std::shared_ptr<Connection>> connections_;  // the oldest first
    mutable std::mutex mutex_;
    std::string trouble_;  // guarded by mutex_
    std::thread thread_;   // the last one: it uses all the others
};

Server::Server(Handler handler) : handler_(std::move(handler)) {}
Server::~Server() = default;

void Server::set(const std::string& path) {
    if (path == path_) return;
    path_ = path;
    if (loop_ == nullptr) loop_ = std::make_unique<Loop>(handler_);
    loop_->set(path_);
}

void Server::tick() {
    const std::string now = trouble();
    if (now == told_) return;
    if (!now.empty()) {
        base::log::warning("docker", "the plug-in can't be reached: {}", now);
    } else {
        base::log::notice("docker", "the plug-in is served at {} now", path_);
    }
    told_ = now;
}

std::string Server::trouble() const {
    return loop_ == nullptr ? std::string() : loop_->trouble();
}

}  // namespace sluice::docker
