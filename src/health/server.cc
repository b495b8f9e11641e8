#include "health/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <list>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "base/log.h"

namespace sluice::health {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

// One connection: reads a request, answers it, and closes. It lives while an operation or the list of connections
// has it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
    using Closed = std::function<void(Connection*)>;

    Connection(tcp::socket socket, Check check, Closed closed)
        : stream_(std::move(socket)), check_(std::move(check)), closed_(std::move(closed)) {
        request_.header_limit(kMaxHeader);
        request_.body_limit(0);
    }
    Connection(const Connection&) = delete;

    void start() {
        stream_.expires_after(kTimeout);
        http::async_read(stream_, buffer_, request_, [self = shared_from_this()](error_code error, size_t) {
            if (error) return self->close();
            self->answer();
        });
    }
    void close() {
        error_code ignored;
        stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
        stream_.close();
        if (const Closed closed = std::exchange(closed_, nullptr)) closed(this);
    }

 private:
    void answer() {
        const bool is_healthy = check_.local_endpoints != 0;
        response_.result(is_healthy ? http::status::ok : http::status::service_unavailable);
        response_.version(request_.get().version());
        response_.keep_alive(false);
        response_.set(http::field::content_type, "application/json");
        response_.set("X-Content-Type-Options", "nosniff");
        response_.set("X-Load-Balancing-Endpoint-Weight", std::to_string(check_.local_endpoints));
        const std::string body = answer_of(check_);
        const bool has_body = request_.get().method() != http::verb::head;
        if (has_body) response_.body() = body;
        response_.content_length(body.size());
        http::async_write(stream_, response_, [self = shared_from_this()](error_code, size_t) { self->close(); });
    }

    boost::beast::tcp_stream stream_;
    boost::beast::flat_buffer buffer_{kMaxHeader + 1};
    http::request_parser<http::empty_body> request_;
    http::response<http::string_body> response_;
    const Check check_;
    Closed closed_;
};

}  // namespace

std::string answer_of(const Check& check) {
    const auto quoted = [](const std::string& text) { return nlohmann::json(text).dump(); };
    return fmt::format(
        "{{\n\t\"service\": {{\n\t\t\"namespace\": {},\n\t\t\"name\": {}\n\t}},\n\t\"localEndpoints\": {},\n"
        "\t\"serviceProxyHealthy\": true\n}}",
        quoted(check.name_space), quoted(check.name), check.local_endpoints);
}

// The thread, and what belongs to it. The control thread posts the checks, and reads the troubles.
class Server::Loop {
 public:
    Loop() : retry_(context_), thread_([this] { context_.run(); }) {}
    Loop(const Loop&) = delete;
    ~Loop() {
        asio::post(context_, [this] {
            ports_.clear();
            retry_.cancel();
            for (const auto& connection : std::exchange(connections_, {})) connection->close();
            work_.reset();
        });
        thread_.join();
    }

    void set(std::vector<Check> checks) {
        asio::post(context_, [this, checks = std::move(checks)] { arrange(checks); });
    }
    std::map<uint16_t, std::string> troubles() const {
        const std::lock_guard lock(mutex_);
        return troubles_;
    }

 private:
    struct Port {
        Check check;
        std::optional<tcp::acceptor> acceptor;  // none: it isn't bound
        std::shared_ptr<char> open = std::make_shared<char>();
    };

    void arrange(const std::vector<Check>& checks) {
        std::map<uint16_t, Port> before = std::exchange(ports_, {});
        for (const Check& check : checks) {
            const auto known = before.find(check.port);
            if (known != before.end()) ports_.insert(before.extract(known));
            ports_[check.port].check = check;
        }
        before.clear();
        bind_all();
    }

    void bind_all() {
        std::map<uint16_t, std::string> troubles;
        for (auto& [number, port] : ports_) {
            if (port.acceptor) continue;
            if (const error_code error = bind(number, port)) {
                troubles[number] = error.message();
            } else {
                accept(port);
            }
        }
        retry_.cancel();
        if (!troubles.empty()) {
            retry_.expires_after(kRetry);
            retry_.async_wait([this](error_code error) {
                if (!error) bind_all();
            });
        }
        const std::lock_guard lock(mutex_);
        troubles_ = std::move(troubles);
    }

    // A kernel without IPv6 has IPv4 alone.
    error_code bind(uint16_t number, Port& port) {
        error_code error;
        for (const tcp& family : {tcp::v6(), tcp::v4()}) {
            port.acceptor.emplace(context_);
            port.acceptor->open(family, error);
            if (error) continue;
            if (family == tcp::v6()) port.acceptor->set_option(asio::ip::v6_only(false), error);
            port.acceptor->set_option(tcp::acceptor::reuse_address(true), error);
            port.acceptor->bind({family, number}, error);
            if (!error) port.acceptor->listen(kMaxConnections, error);
            if (!error) return error;
            if (error != asio::error::address_family_not_supported &&
                error != asio::error::make_error_code(static_cast<asio::error::basic_errors>(EADDRNOTAVAIL)))
                break;
        }
        port.acceptor.reset();
        return error;
    }

    void accept(Port& port) {
        port.acceptor->async_accept(
            [this, &port, open = std::weak_ptr(port.open)](error_code error, tcp::socket socket) {
                if (open.expired()) return;
                if (error) {
                    // Without descriptors: bound again after a pause.
                    port.acceptor.reset();
                    retry_.expires_after(kRetry);
                    return retry_.async_wait([this](error_code cancelled) {
                        if (!cancelled) bind_all();
                    });
                }
                serve(std::move(socket), port.check);
                accept(port);
            });
    }

    void serve(tcp::socket socket, const Check& check) {
        if (connections_.size() == kMaxConnections) {
            const auto oldest = connections_.front();
            oldest->close();
        }
        const auto connection = std::make_shared<Connection>(std::move(socket), check, [this](Connection* it) {
            connections_.remove_if([it](const auto& each) { return each.get() == it; });
        });
        connections_.push_back(connection);
        connection->start();
    }

    asio::io_context context_;
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work_{context_.get_executor()};
    asio::steady_timer retry_;
    std::map<uint16_t, Port> ports_;
    std::list<std::shared_ptr<Connection>> connections_;  // the oldest first
    mutable std::mutex mutex_;
    std::map<uint16_t, std::string> troubles_;  // of ports that aren't bound; guarded by mutex_
    std::thread thread_;                        // the last one: it uses all the others
};

Server::Server() = default;
Server::~Server() = default;

void Server::set(std::vector<Check> checks) {
    if (checks == checks_) return;
    checks_ = std::move(checks);
    if (loop_ == nullptr) loop_ = std::make_unique<Loop>();
    loop_->set(checks_);
}

void Server::tick() {
    if (loop_ == nullptr) return;
    std::map<uint16_t, std::string> now = loop_->troubles();
    for (const Check& check : checks_) {
        const auto trouble = now.find(check.port);
        const auto told = told_.find(check.port);
        const bool is_new = trouble != now.end() && (told == told_.end() || told->second != trouble->second);
        if (is_new) {
            base::log::warning("health", "{}/{}: port {} for health checks can't be bound: {}", check.name_space,
                               check.name, check.port, trouble->second);
        } else if (trouble == now.end() && told != told_.end()) {
            base::log::notice("health", "{}/{}: health checks are answered at port {} now", check.name_space,
                              check.name, check.port);
        }
    }
    told_ = std::move(now);
}

std::string Server::trouble_of(uint16_t port) const {
    if (loop_ == nullptr) return {};
    const auto troubles = loop_->troubles();
    const auto trouble = troubles.find(port);
    return trouble == troubles.end() ? std::string() : trouble->second;
}

}  // namespace sluice::health
