#include "docker/server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <mutex>

#include "base/fd.h"
#include "support/directory.h"

namespace sluice::docker {
namespace {

class DockerServer : public testing::Test {
 protected:
    base::Fd connect_once() const {
        base::Fd connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
        if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
            return {};
        return connection;
    }
    // The server's thread may not have made the socket yet.
    base::Fd connect() const {
        for (int i = 0; i < 1000; ++i) {
            if (base::Fd connection = connect_once(); connection.get() >= 0) return connection;
            usleep(10'000);
        }
        ADD_FAILURE() << "nobody listens at " << path_;
        return {};
    }
    static void send_text(const base::Fd& connection, const std::string& text) {
        (void)!::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL);
    }
    // Up to these words, or to the end of the connection.
    static std::string read_until(const base::Fd& connection, const std::string& end) {
        std::string all;
        char part[4096];
        while (end.empty() || all.find(end) == all.npos) {
            const ssize_t size = recv(connection.get(), part, sizeof(part), 0);
            if (size <= 0) break;
            all.append(part, static_cast<size_t>(size));
        }
        return all;
    }
    static std::string call(const std::string& name, const std::string& body) {
        return "POST /" + name + " HTTP/1.1\r\nHost: plugin\r\nContent-Length: " + std::to_string(body.size()) +
               "\r\n\r\n" + body;
    }
    std::string ask(const std::string& request, const std::string& end = "") const {
        const base::Fd connection = connect();
        send_text(connection, request);
        return read_until(connection, end);
    }

    test::Directory directory_;
    const std::string path_ = directory_ / "plugins/sluice.sock";
    std::mutex mutex_;
    std::vector<Server::Reply> kept_;  // replies to the call "wait"; guarded by mutex_
    std::unique_ptr<Server> server_ =
        std::make_unique<Server>([this](const std::string& name, const std::string& body, Server::Reply reply) {
            if (name != "wait") return reply("{\"" + name + "\": " + (body.empty() ? "null" : body) + "}");
            const std::lock_guard lock(mutex_);
            kept_.push_back(std::move(reply));
        });
};

TEST_F(DockerServer, AnswersCallsOnOneConnection) {
    server_->set(path_);
    const base::Fd connection = connect();
    for (const std::string body : {"1", "[2]"}) {
        send_text(connection, call("Plugin.Activate", body));
        const std::string answer = read_until(connection, "}");
        EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
        EXPECT_NE(answer.find("Content-Type: application/vnd.docker.plugins"), answer.npos) << answer;
        EXPECT_TRUE(answer.ends_with("\r\n\r\n{\"Plugin.Activate\": " + body + "}")) << answer;
    }
}

TEST_F(DockerServer, TakesChunks) {
    server_->set(path_);
    const std::string answer = ask(
        "POST /A HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n2\r\n7]\r\n0\r\n\r\n", "}");
    EXPECT_TRUE(answer.ends_with("{\"A\": [7]}")) << answer;
}

TEST_F(DockerServer, OnlyItsOwnUserCanConnect) {
    server_->set(path_);
    connect();
    struct stat there {};
    ASSERT_EQ(stat(path_.c_str(), &there), 0);
    EXPECT_EQ(there.st_mode & 0777, 0600u);
}

TEST_F(DockerServer, RefusesOtherMethodsAndLongRequests) {
    server_->set(path_);
    const std::string other = ask("GET /A HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_TRUE(other.starts_with("HTTP/1.1 405 ")) << other;
    const std::string length = std::to_string(kMaxBody + 1);
    const std::string longest = ask("POST /A HTTP/1.1\r\nHost: h\r\nContent-Length: " + length + "\r\n\r\n");
    EXPECT_TRUE(longest.starts_with("HTTP/1.1 413 ")) << longest;
    EXPECT_EQ(ask("no HTTP at all\r\n\r\n"), "");
}

TEST_F(DockerServer, ClosesTheOldestConnectionForANewOne) {
    server_->set(path_);
    const base::Fd oldest = connect();
    std::vector<base::Fd> others;
    for (size_t i = 0; i < kMaxConnections; ++i) others.push_back(connect());
    EXPECT_EQ(read_until(oldest, ""), "");
    send_text(others.back(), call("A", "1"));
    EXPECT_TRUE(read_until(others.back(), "}").ends_with("{\"A\": 1}"));
}

TEST_F(DockerServer, TakesThePlaceOfASocketThatWasLeft) {
    {
        std::filesystem::create_directory(directory_ / "plugins");
        const base::Fd left(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
        ASSERT_EQ(bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    }
    server_->set(path_);
    EXPECT_TRUE(ask(call("A", "1"), "}").ends_with("{\"A\": 1}"));
    EXPECT_EQ(server_->trouble(), "");
}

TEST_F(DockerServer, TellsWhyThereIsNoSocketAndTriesAgain) {
    std::filesystem::create_directories(path_);
    server_->set(path_);
    for (int i = 0; i < 1000 && server_->trouble().empty(); ++i) usleep(10'000);
    EXPECT_EQ(server_->trouble(), path_ + " is in the way, and no socket");
    server_->tick();
    std::filesystem::remove(path_);
    EXPECT_TRUE(ask(call("A", "1"), "}").ends_with("{\"A\": 1}"));
    EXPECT_EQ(server_->trouble(), "");
    server_->tick();
}

TEST_F(DockerServer, LeavesAnotherProcessItsSocket) {
    server_->set(path_);
    connect();
    Server second([](const std::string&, const std::string&, const Server::Reply& reply) { reply("{}"); });
    second.set(path_);
    for (int i = 0; i < 1000 && second.trouble().empty(); ++i) usleep(10'000);
    EXPECT_EQ(second.trouble(), "another process serves " + path_);
    EXPECT_TRUE(ask(call("A", "1"), "}").ends_with("{\"A\": 1}"));
}

TEST_F(DockerServer, ServesNowhereAnyMore) {
    server_->set(path_);
    const base::Fd connection = connect();
    server_->set("");
    EXPECT_EQ(read_until(connection, ""), "");
    server_.reset();
    EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(DockerServer, AReplyMayComeAfterTheServersEnd) {
    server_->set(path_);
    const base::Fd connection = connect();
    send_text(connection, call("wait", ""));
    const auto count = [&] {
        const std::lock_guard lock(mutex_);
        return kept_.size();
    };
    for (int i = 0; i < 1000 && count() == 0; ++i) usleep(10'000);
    ASSERT_EQ(count(), 1u);
    server_.reset();
    kept_[0]("{}");
    EXPECT_EQ(read_until(connection, ""), "");
}

}  // namespace
}  // namespace sluice::docker
