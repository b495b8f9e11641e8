#include "control/server.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <list>

#include "serving.h"
#include "sluice/protocol.h"

namespace sluice::control {
namespace {

using nlohmann::json;

std::string request(const char* method, int id = 1) {
    return json{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}}.dump() + "\n";
}

Caller kept;  // of the command "keep"

std::atomic<int> under_way = 0;      // of the command "endless"
std::atomic<bool> may_end = false;   // it ends then

// In steps, until it may end or is given up.
Steps endless(const json&) {
    ++under_way;
    const std::shared_ptr<void> end(nullptr, [](void*) { --under_way; });
    return [end]() -> std::optional<Outcome> {
        if (!may_end) return std::nullopt;
        return json("ended");
    };
}

std::vector<Command> commands() {
    return {
        {{"ping", protocol::Effect::kReads}, [](const json&) { return json("pong"); }},
        {{"change", protocol::Effect::kChanges}, [](const json&) { return json("done"); }},
        {{"keep", protocol::Effect::kReads}, nullptr,
         [](const json&, const Caller& caller) {
             kept = caller;
             return json("kept");
         }},
        {{"kept", protocol::Effect::kReads}, [](const json&) { return json(!kept.expired()); }},
        {{"large", protocol::Effect::kReads}, [](const json&) { return json(std::string(3 << 20, 'x')); }},
        {{"endless", protocol::Effect::kReads}, nullptr, nullptr, endless},
    };
}

class ServerTest : public testing::Test {
 protected:
    void start(ServerConfig config = {}) {
        config.socket = path_;
        serving_.emplace(config, commands());
        ASSERT_TRUE(serving_->result()) << serving_->result().error().text();
    }
    void expect_served() {
        RawClient client(path_);
        ASSERT_TRUE(client.send(request("ping")));
        EXPECT_EQ(client.answer()["result"], "pong");
    }

    Directory directory_;
    const std::string path_ = directory_ / "run/control.sock";
    std::optional<Serving> serving_;
};

TEST_F(ServerTest, MakesItsDirectoryAndSocketWithTheirModes) {
    start();
    struct stat status {};
    ASSERT_EQ(stat(path_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, S_IFSOCK | 0660u);
    ASSERT_EQ(stat((directory_ / "run").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode, S_IFDIR | 0755u);
    EXPECT_FALSE(std::filesystem::exists(path_ + ".new"));
    expect_served();
}

TEST_F(ServerTest, RemovesItsSocketAtTheEnd) {
    start();
    RawClient idle(path_);
    serving_.reset();
    EXPECT_FALSE(std::filesystem::exists(path_));
    EXPECT_EQ(idle.line(), "(end)");
    start();
    expect_served();
}

TEST_F(ServerTest, ServesRequestsThatComeInPiecesAndSeveralAtOnce) {
    start();
    RawClient client(path_);
    for (const char c : request("ping", 7)) ASSERT_TRUE(client.send({&c, 1}));
    EXPECT_EQ(client.answer()["id"], 7);
    ASSERT_TRUE(client.send(request("ping", 1) + "\r\n" + request("ping", 2) + R"({"jsonrpc")"));
    EXPECT_EQ(client.answer()["id"], 1);
    EXPECT_EQ(client.answer()["id"], 2);
    ASSERT_TRUE(client.send(R"(:"2.0","id":3,"method":"ping"})"
                            "\n"));
    EXPECT_EQ(client.answer()["id"], 3);
}

TEST_F(ServerTest, GoesOnAfterAMalformedLine) {
    start();
    RawClient client(path_);
    ASSERT_TRUE(client.send("{nonsense\n" + std::string(1'000'000, '[') + "\n" + request("ping")));
    EXPECT_EQ(client.answer()["error"]["code"], protocol::kParseError);
    EXPECT_EQ(client.answer()["error"]["code"], protocol::kParseError);
    EXPECT_EQ(client.answer()["result"], "pong");
}

TEST_F(ServerTest, AnswersAClientThatHasFinishedSending) {
    start();
    RawClient client(path_);
    ASSERT_TRUE(client.send(request("ping") + request("large") + R"({"half":)"));
    client.finish();
    EXPECT_EQ(client.answer()["result"], "pong");
    EXPECT_TRUE(client.answer().contains("result"));
    EXPECT_EQ(client.line(), "(end)");
}

TEST_F(ServerTest, EndsAConnectionWhoseRequestIsTooLarge) {
    start({.max_request = 1000});
    for (const char* tail : {"", "\n"}) {
        RawClient client(path_);
        client.send(std::string(1001, ' ') + tail);
        const json error = client.answer()["error"];
        EXPECT_EQ(error["code"], protocol::kInvalidRequest);
        EXPECT_EQ(error["message"], "the request exceeds 1000 bytes");
        EXPECT_EQ(client.line(), "(end)");
    }
    RawClient endless(path_);
    while (endless.send(std::string(65536, 'x'))) {
    }
    EXPECT_EQ(endless.answer()["error"]["code"], protocol::kInvalidRequest);
    RawClient exact(path_);
    const std::string ping = request("ping");
    ASSERT_TRUE(exact.send(std::string(1001 - ping.size(), ' ') + ping));
    EXPECT_EQ(exact.answer()["result"], "pong");
}

TEST_F(ServerTest, AClientThatNeverReadsHoldsUpNobodyAndIsReadNoFurther) {
    start();
    RawClient deaf(path_);
    std::string requests;
    for (int i = 0; i < 100'000; i++) requests += request("large", i);
    size_t taken = 0;
    // The server stops reading, so the socket's buffer fills up for good.
    for (int refused = 0; refused < 20 && taken < requests.size();) {
        const size_t n = deaf.push(std::string_view(requests).substr(taken));
        taken += n;
        refused = n == 0 ? refused + 1 : 0;
        expect_served();
    }
    EXPECT_LT(taken, requests.size());
    // Served on once it reads.
    for (int i = 0; i < 20; i++) EXPECT_EQ(deaf.answer()["id"], i);
}

// Answers of 3 MiB, of which six have room.
TEST_F(ServerTest, ClientsThatNeverReadFillABoundedMemory) {
    start({.max_unsent = 20 << 20});
    std::list<RawClient> deaf;
    for (int i = 0; i < 12; i++) {
        deaf.emplace_back(path_);
        ASSERT_TRUE(deaf.back().send(request("large")));
        expect_served();  // after it, as one thread serves both
    }
    size_t answered = 0;
    for (RawClient& client : deaf) {
        client.finish();
        const std::string line = client.line();
        if (line != "(end)" && json::parse(line).contains("result")) ++answered;
    }
    EXPECT_EQ(answered, 6u);
    RawClient late(path_);
    ASSERT_TRUE(late.send(request("large")));
    EXPECT_TRUE(late.answer().contains("result"));
}

TEST_F(ServerTest, OutlivesClientsThatVanish) {
    start();
    for (int i = 0; i < 50; i++) {
        RawClient(path_).send(R"({"jsonrpc":"2.0","id":1,)");
        RawClient(path_).send(request("large") + request("large") + request("ping"));
        RawClient quiet(path_);
    }
    expect_served();
}

bool is_served(RawClient& client) {
    if (!client.send(request("ping"))) return false;
    const std::string line = client.line();
    return line != "(end)" && json::parse(line).contains("result");
}

TEST_F(ServerTest, LetsTheClientGoThatWasIdleLongest) {
    start();
    std::list<RawClient> clients;
    for (size_t i = 0; i < protocol::kMaxClients; i++) {
        clients.emplace_back(path_);
        ASSERT_TRUE(is_served(clients.back()));
    }
    RawClient& first = clients.front();
    RawClient& second = *std::next(clients.begin());
    ASSERT_TRUE(is_served(first));
    RawClient late(path_);
    EXPECT_TRUE(is_served(late));
    EXPECT_EQ(second.answer()["error"]["code"], protocol::kBusy);
    EXPECT_EQ(second.line(), "(end)");
    EXPECT_TRUE(is_served(first));
    for (auto client = std::next(clients.begin(), 2); client != clients.end(); ++client)
        EXPECT_TRUE(is_served(*client));
}

TEST_F(ServerTest, SilentClientsShutOutNobody) {
    start();
    std::list<RawClient> silent;
    for (size_t i = 0; i < protocol::kMaxClients + 50; i++) silent.emplace_back(path_);
    // In the middle of a request is silent too, and so is one that doesn't read.
    for (RawClient& client : silent) client.push(R"({"jsonrpc":)");
    for (size_t i = 0; i < protocol::kMaxClients; i++) expect_served();
}

TEST_F(ServerTest, SurvivesRunningOutOfDescriptors) {
    start();
    RawClient client(path_);
    ASSERT_TRUE(client.send(request("ping")));
    EXPECT_EQ(client.answer()["result"], "pong");

    rlimit old{};
    getrlimit(RLIMIT_NOFILE, &old);
    rlimit few = old;
    few.rlim_cur = 64;
    setrlimit(RLIMIT_NOFILE, &few);
    std::list<base::Fd> hoard;
    for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) hoard.emplace_back(fd);
    hoard.pop_back();
    RawClient waiting(path_);  // has the last descriptor, and the server none to accept it with
    ASSERT_TRUE(waiting.connected());
    ASSERT_TRUE(client.send(request("ping")));
    EXPECT_EQ(client.answer()["result"], "pong");

    hoard.clear();
    setrlimit(RLIMIT_NOFILE, &old);
    ASSERT_TRUE(waiting.send(request("ping")));
    EXPECT_EQ(waiting.answer()["result"], "pong");
}

TEST_F(ServerTest, RefusesASecondInstanceAndNamesTheFirst) {
    start();
    const Serving second({.socket = path_}, commands());
    ASSERT_FALSE(second.result());
    EXPECT_EQ(second.result().error().message,
              fmt::format("another sluiced (process {}) serves {}: stop it, or give this one "
                          "another control socket",
                          getpid(), path_));
    expect_served();
}

TEST_F(ServerTest, ReplacesTheSocketOfAKilledInstance) {
    const pid_t child = fork();
    if (child == 0) {
        const auto listener = listen_at(path_, {});
        raise(SIGKILL);
    }
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    ASSERT_TRUE(std::filesystem::exists(path_));
    ASSERT_FALSE(RawClient(path_).connected());
    start();
    expect_served();
}

TEST_F(ServerTest, SaysWhatIsInTheWay) {
    std::ofstream(directory_ / "file") << "precious";
    const auto in_the_way = listen_at(directory_ / "file", {});
    ASSERT_FALSE(in_the_way);
    EXPECT_NE(in_the_way.error().message.find("no socket"), std::string::npos);
    EXPECT_EQ(std::filesystem::file_size(directory_ / "file"), 8u);

    EXPECT_FALSE(listen_at(directory_ / "file/control.sock", {}));
    EXPECT_FALSE(listen_at("", {}));
    EXPECT_FALSE(listen_at("/" + std::string(200, 'x'), {}));
}

TEST_F(ServerTest, WarnsOfAMissingGroupAndServesRoot) {
    testing::internal::CaptureStderr();
    start({.group = "sluice-no-such-group"});
    EXPECT_NE(
        testing::internal::GetCapturedStderr().find("`groupadd --system sluice-no-such-group`"),
        std::string::npos);
    expect_served();
}

// One request as another user, in a child process, since credentials are the process's.
std::string ask_as(uid_t uid, gid_t gid, const std::string& path, const char* method) {
    int ends[2];
    if (pipe(ends) < 0) return "no pipe";
    const pid_t child = fork();
    if (child == 0) {
        if (setgroups(0, nullptr) < 0 || setgid(gid) < 0 || setuid(uid) < 0) _exit(1);
        RawClient client(path);
        if (!client.connected()) _exit(write(ends[1], "not connected", 13) < 0);
        client.send(request(method));
        const std::string line = client.line();
        _exit(write(ends[1], line.data(), line.size()) < 0);
    }
    close(ends[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t n; (n = read(ends[0], buffer, sizeof(buffer))) > 0;)
        text.append(buffer, static_cast<size_t>(n));
    close(ends[0]);
    waitpid(child, nullptr, 0);
    return text;
}

// Clients of another user in a process of their own, each of which was served when it came.
class Crowd {
 public:
    Crowd(uid_t uid, gid_t gid, const std::string& path, size_t count) {
        if (pipe(orders_) < 0 || pipe(reports_) < 0) return;
        child_ = fork();
        if (child_ == 0) {
            close(orders_[1]);
            if (setgroups(0, nullptr) < 0 || setgid(gid) < 0 || setuid(uid) < 0) _exit(1);
            std::list<RawClient> clients;
            uint32_t served = 0;
            for (size_t i = 0; i < count; i++) {
                clients.emplace_back(path);
                served += is_served(clients.back());
            }
            // How many when they came, then at each order.
            while (write(reports_[1], &served, sizeof served) > 0) {
                if (char order; read(orders_[0], &order, 1) <= 0 || order == 'q') break;
                // The server's end of one that was let go lives on in crowds that were forked later: no
                // second answer will come.
                std::erase_if(clients, [](RawClient& client) { return !is_served(client); });
                served = static_cast<uint32_t>(clients.size());
            }
            _exit(0);
        }
        close(reports_[1]);
        EXPECT_EQ(report(), count);
    }
    ~Crowd() {
        // Crowds that were forked later have copies of the pipe: closing it would tell nothing.
        EXPECT_EQ(write(orders_[1], "q", 1), 1);
        close(orders_[1]);
        waitpid(child_, nullptr, 0);
        close(orders_[0]);
        close(reports_[0]);
    }
    Crowd(const Crowd&) = delete;

    uint32_t served() {
        EXPECT_EQ(write(orders_[1], "?", 1), 1);
        return report();
    }

 private:
    uint32_t report() {
        uint32_t served = 0;
        EXPECT_EQ(read(reports_[0], &served, sizeof served), static_cast<ssize_t>(sizeof served));
        return served;
    }
    int orders_[2] = {-1, -1};
    int reports_[2] = {-1, -1};
    pid_t child_ = -1;
};

class ServerCrowds : public ServerTest {
 protected:
    void SetUp() override {
        if (geteuid() != 0 || !getgrnam("daemon") || !getgrnam("mail"))
            GTEST_SKIP() << "needs root and Debian's groups";
        // Others must get as far as the socket.
        std::filesystem::permissions(directory_ / "", std::filesystem::perms(0755));
        start({.group = "daemon", .read_only_group = "mail"});
        writers_ = getgrnam("daemon")->gr_gid;
        readers_ = getgrnam("mail")->gr_gid;
    }
    gid_t writers_ = 0, readers_ = 0;
};

TEST_F(ServerCrowds, AUserCrowdsOutOnlyItself) {
    RawClient root(path_);
    ASSERT_TRUE(is_served(root));
    Crowd modest(4000, writers_, path_, 1);
    Crowd greedy(4001, writers_, path_, protocol::kMaxUserClients + 6);
    EXPECT_EQ(greedy.served(), protocol::kMaxUserClients);
    EXPECT_EQ(modest.served(), 1u);
    EXPECT_TRUE(is_served(root));
}

TEST_F(ServerCrowds, PlacesAreKeptForRoot) {
    RawClient oldest(path_);
    ASSERT_TRUE(is_served(oldest));
    constexpr size_t kOthers = protocol::kMaxClients - protocol::kReservedClients;
    std::list<Crowd> crowds;
    for (uid_t user = 0; user < 5; user++) crowds.emplace_back(4000 + user, writers_, path_, 50);
    const auto served = [&] {
        size_t sum = 0;
        for (Crowd& crowd : crowds) sum += crowd.served();
        return sum;
    };
    EXPECT_EQ(served(), kOthers);
    std::list<RawClient> roots;
    for (size_t i = 1; i < protocol::kReservedClients; i++) {
        roots.emplace_back(path_);
        EXPECT_TRUE(is_served(roots.back()));
    }
    EXPECT_EQ(served(), kOthers);
    // Beyond its own places root takes those of others, and never the other way around.
    RawClient another(path_);
    EXPECT_TRUE(is_served(another));
    EXPECT_EQ(served(), kOthers - 1);
    EXPECT_TRUE(is_served(oldest));
    EXPECT_EQ(json::parse(ask_as(4000, writers_, path_, "ping"))["result"], "pong");
    EXPECT_TRUE(is_served(oldest));
    for (RawClient& client : roots) EXPECT_TRUE(is_served(client));
}

TEST_F(ServerCrowds, ReadersDoNotTakeThePlacesOfThoseWhoChange) {
    std::list<Crowd> writers;
    for (uid_t user = 0; user < 4; user++) writers.emplace_back(4000 + user, writers_, path_, 60);
    EXPECT_EQ(json::parse(ask_as(4100, readers_, path_, "ping"))["error"]["code"], protocol::kBusy);
    for (Crowd& crowd : writers) EXPECT_EQ(crowd.served(), 60u);
    EXPECT_EQ(json::parse(ask_as(4000, writers_, path_, "ping"))["result"], "pong");
}

TEST_F(ServerTest, GroupsDecideWhoConnectsAndWhoChanges) {
    const group* full = getgrnam("daemon");
    const group* readers = getgrnam("mail");
    if (geteuid() != 0 || !full || !readers) GTEST_SKIP() << "needs root and Debian's groups";
    // Others must get as far as the socket.
    std::filesystem::permissions(directory_ / "", std::filesystem::perms(0755));
    start({.group = "daemon", .read_only_group = "mail"});
    const gid_t daemon = getgrnam("daemon")->gr_gid, mail = getgrnam("mail")->gr_gid;
    EXPECT_EQ(json::parse(ask_as(4000, daemon, path_, "change"))["result"], "done");
    EXPECT_EQ(json::parse(ask_as(4000, mail, path_, "ping"))["result"], "pong");
    EXPECT_EQ(json::parse(ask_as(4000, mail, path_, "change"))["error"]["code"], protocol::kDenied);
    EXPECT_EQ(ask_as(4000, 4000, path_, "ping"), "not connected");
    // Even where the file's mode lets a stranger through.
    ASSERT_EQ(chmod(path_.c_str(), 0666), 0);
    EXPECT_EQ(json::parse(ask_as(4000, 4000, path_, "ping"))["error"]["code"], protocol::kDenied);
}

TEST_F(ServerCrowds, ALongRequestOfOneUserHoldsUpNoOther) {
    may_end = false;
    auto asked = std::async(std::launch::async, [this] { return ask_as(4000, readers_, path_, "endless"); });
    while (under_way == 0) std::this_thread::yield();
    expect_served();
    EXPECT_EQ(json::parse(ask_as(4001, readers_, path_, "ping"))["result"], "pong");
    EXPECT_EQ(json::parse(ask_as(4001, writers_, path_, "change"))["result"], "done");
    EXPECT_EQ(under_way, 1);
    may_end = true;
    EXPECT_EQ(json::parse(asked.get())["result"], "ended");
}

TEST_F(ServerTest, WhatAClientAskedForIsDroppedWhenItIsGone) {
    may_end = false;
    start();
    auto client = std::make_unique<RawClient>(path_);
    std::string requests;
    for (int i = 0; i < 100; ++i) requests += request("endless", i);
    ASSERT_TRUE(client->send(requests));
    while (under_way == 0) std::this_thread::yield();
    client.reset();
    while (under_way != 0) std::this_thread::yield();
    expect_served();
    EXPECT_EQ(under_way, 0) << "the next one isn't begun";
}

// What a command keeps for a client can end with it.
TEST_F(ServerTest, ACallerIsGoneWithItsConnection) {
    start();
    auto client = std::make_unique<RawClient>(path_);
    RawClient other(path_);
    auto is_kept = [&] {
        EXPECT_TRUE(other.send(request("kept")));
        return other.answer()["result"] == true;
    };
    ASSERT_TRUE(client->send(request("keep")));
    EXPECT_EQ(client->answer()["result"], "kept");
    EXPECT_TRUE(is_kept());
    client.reset();
    while (is_kept()) std::this_thread::yield();
}

}  // namespace
}  // namespace sluice::control
