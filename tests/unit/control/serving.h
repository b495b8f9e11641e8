// A server on a thread of its own in a directory of its own, and a client that can misbehave.
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <future>
#include <string>
#include <thread>

#include "base/fd.h"
#include "control/server.h"

namespace sluice::control {

class Directory {
 public:
    Directory() {
        std::string pattern = testing::TempDir() + "sluice-XXXXXX";
        path_ = mkdtemp(pattern.data());
    }
    ~Directory() { std::filesystem::remove_all(path_); }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
    std::string path_;
};

class Serving {
 public:
    Serving(ServerConfig config, std::vector<Command> commands)
        : server_(context_, std::move(config), std::move(commands)),
          result_(server_.listen()),
          thread_([this] { context_.run(); }) {}
    ~Serving() {
        boost::asio::post(context_, [this] {
            server_.close();
            work_.reset();
        });
        thread_.join();
    }
    const base::Result<void>& result() const { return result_; }

 private:
    boost::asio::io_context context_;
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
        context_.get_executor()};
    Server server_;
    base::Result<void> result_;
    std::thread thread_;
};

class RawClient {
 public:
    explicit RawClient(const std::string& path)
        : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        path.copy(address.sun_path, sizeof(address.sun_path) - 1);
        connected_ =
            connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    }
    bool connected() const { return connected_; }

    // False once the server has hung up.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n < 0) return false;
            bytes.remove_prefix(static_cast<size_t>(n));
        }
        return true;
    }
    // As much as goes without waiting.
    size_t push(std::string_view bytes) {
        const ssize_t n =
            ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        return n < 0 ? 0 : static_cast<size_t>(n);
    }
    void finish() { shutdown(fd_.get(), SHUT_WR); }

    // The next line; "(end)" where the server has hung up.
    std::string line() {
        for (;;) {
            if (const size_t end = input_.find('\n'); end != input_.npos) {
                std::string line = input_.substr(0, end);
                input_.erase(0, end + 1);
                return line;
            }
            char buffer[65536];
            const ssize_t n = recv(fd_.get(), buffer, sizeof(buffer), 0);
            if (n <= 0) return "(end)";
            input_.append(buffer, static_cast<size_t>(n));
        }
    }
    nlohmann::json answer() { return nlohmann::json::parse(line()); }

 private:
    base::Fd fd_;
    bool connected_ = false;
    std::string input_;
};

}  // namespace sluice::control
