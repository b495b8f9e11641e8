// sluicectl against a server that answers what the test wants.
#include "sluicectl/run.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <regex>
#include <sstream>

#include "base/base64.h"
#include "serving.h"
#include "sluice/client.h"
#include "sluice/protocol.h"
#include "sluicectl/verbs.h"

namespace sluice::sluicectl {
namespace {

using control::RpcError;
using nlohmann::json;
using Answer = tl::expected<json, RpcError>;

class Run : public testing::Test {
 protected:
    int run(std::vector<std::string> words) {
        out_.str("");
        err_.str("");
        return sluicectl::run(
            words, path_.c_str(), out_, err_,
            [this](double seconds) {
                pause_ = seconds;
                return --watched_ > 0;
            },
            screen_);
    }
    // The output without the clock at the head of each page.
    std::string pages() const {
        static const std::regex kClock("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}");
        return std::regex_replace(out_.str(), kClock, "CLOCK");
    }
    std::string out() const { return out_.str(); }
    std::string err() const { return err_.str(); }

    control::Directory directory_;
    const std::string path_ = directory_ / "control.sock";
    json asked_;
    uint64_t dropped_ = 0;
    control::Serving serving_{
        {.socket = path_},
        {{protocol::method(protocol::kDrops),
          [this](const json& params) {
              asked_ = params;
              if (params.value("port", "") != "counting") return R"({"drops": []})"_json;
              dropped_ += 10;
              return json{{"drops", {{{"port", "p"}, {"reason", "runt"}, {"packets", dropped_}, {"background", false}, {"meaning", "m"}}}}};
          }},
         {protocol::method(protocol::kStatus), [](const json&) { return json("strange"); }},
         {protocol::method(protocol::kMacList),
          [this](const json& params) {
              asked_ = params;
              return R"({"macs": []})"_json;
          }},
         {protocol::method(protocol::kConfigCheck),
          [](const json&) {
              return R"({"file": "/x", "errors": [{"message": "no", "path": "ports[1]"}]})"_json;
          }},
         {protocol::method(protocol::kConfigReload),
          [](const json&) -> Answer {
              return tl::unexpected(RpcError{protocol::kFailed, "2 errors", R"({"errors": [
                  {"message": "5000 is no VLAN id", "path": "ports[2].vlan", "file": "host.yaml",
                   "line": 41, "column": 11}, {"message": "too\u001bmany"}]})"_json});
          }},
         {protocol::method(protocol::kRouteList),
          [](const json&) -> Answer {
              return tl::unexpected(RpcError{protocol::kFailed, "2 errors", R"({"errors": [
                  {"message": "no prefix", "path": "within"},
                  {"message": "no domain", "path": "domain"}]})"_json});
          }},
         {protocol::method(protocol::kPortDelete), [](const json&) -> Answer {
              return tl::unexpected(RpcError{protocol::kFailed, "there is no port web", {}});
          }}}};
    std::ostringstream out_, err_;
    int watched_ = 0;   // how often, for --watch
    double pause_ = 0;  // between
    Screen screen_;
};

TEST_F(Run, Watches) {
    watched_ = 3;
    EXPECT_EQ(run({"drops", "--watch"}), kDone);
    EXPECT_EQ(pause_, 1);
    const std::string page = "CLOCK  sluicectl drops  (every 1 s)\n\nnothing was dropped\n";
    EXPECT_EQ(pages(), page + "\n" + page + "\n" + page + "\n") << "without escape codes";
    watched_ = 2;
    screen_ = {.is_terminal = true, .width = 80};
    EXPECT_EQ(run({"drops", "--watch"}), kDone);
    EXPECT_EQ(pages(), "\033[H\033[J" + page + "\033[H\033[J" + page);
    screen_ = {};
    watched_ = 2;
    EXPECT_EQ(run({"--watch=0.5", "drops", "--json"}), kDone);
    EXPECT_EQ(pause_, 0.5);
    EXPECT_EQ(out(), "{\"drops\":[]}\n{\"drops\":[]}\n");
    EXPECT_EQ(run({"drops", "--watch=x"}), kUsage);
    EXPECT_EQ(run({"drops", "--watch=0"}), kUsage);
    EXPECT_EQ(run({"port", "delete", "web", "--watch"}), kUsage);
    EXPECT_NE(err().find("changes something"), std::string::npos);
}

TEST_F(Run, WatchTellsRates) {
    watched_ = 2;
    EXPECT_EQ(run({"drops", "--watch", "--port", "counting"}), kDone);
    EXPECT_NE(out().find("PACKETS  MEANING"), std::string::npos) << out();
    EXPECT_NE(out().find("PACKETS  PER-SECOND  MEANING"), std::string::npos) << out();
}

TEST_F(Run, ErrorsAreJsonUnderJson) {
    EXPECT_EQ(run({"config", "reload", "--json"}), kFailed);
    EXPECT_EQ(json::parse(out())["error"]["message"], "2 errors");
    EXPECT_EQ(json::parse(out())["error"]["errors"][0]["path"], "ports[2].vlan");
    EXPECT_EQ(json::parse(out())["error"]["code"], protocol::kFailed);
    EXPECT_EQ(err(), "");
    EXPECT_EQ(run({"port", "delete", "web", "--json"}), kFailed);
    EXPECT_EQ(json::parse(out()),
              R"({"error": {"kind": "failed", "message": "there is no port web", "code": 1, "errors": []}})"_json);
    EXPECT_EQ(run({"--json", "stauts"}), kUsage);
    EXPECT_EQ(json::parse(out())["error"]["kind"], "usage");
    EXPECT_EQ(run({"--json", "drops", "--all"}), kUsage);
    EXPECT_EQ(json::parse(out())["error"]["message"], "--all goes with --last");
    EXPECT_EQ(run({"drops", "--json", "--socket", path_ + ".none"}), kNotReached);
    EXPECT_EQ(json::parse(out())["error"]["kind"], "not-reached");
    EXPECT_EQ(err(), "");
    // Watched, each is a line.
    watched_ = 2;
    EXPECT_EQ(run({"drops", "--json", "--watch", "--socket", path_ + ".none"}), kNotReached);
    std::istringstream lines(out());
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) EXPECT_TRUE(json::parse(line).contains("error"));
    EXPECT_EQ(count, 2);
}

TEST_F(Run, PrintsForPeopleOrAsJson) {
    EXPECT_EQ(run({"drops"}), kDone);
    EXPECT_EQ(out(), "nothing was dropped\n");
    EXPECT_EQ(run({"drops", "--json"}), kDone);
    EXPECT_EQ(json::parse(out()), R"({"drops": []})"_json);
    EXPECT_EQ(err(), "");
}

TEST_F(Run, SendsItsParameters) {
    EXPECT_EQ(run({"mac", "list", "--network", "blue"}), kDone);
    EXPECT_EQ(asked_, R"({"network": "blue"})"_json);
    EXPECT_EQ(run({"mac", "list"}), kDone);
    EXPECT_EQ(asked_, json::object());
    EXPECT_EQ(run({"drops"}), kDone);
    EXPECT_EQ(asked_, json::object());
    EXPECT_EQ(run({"drops", "--last", "--port", "web", "--reason", "runt"}), kDone);
    EXPECT_EQ(asked_, R"({"last": 20, "port": "web", "reason": "runt"})"_json);
    EXPECT_EQ(run({"drops", "--last", "5"}), kDone);
    EXPECT_EQ(asked_, R"({"last": 5})"_json);
    EXPECT_EQ(run({"drops", "5"}), kDone);
    EXPECT_EQ(asked_, R"({"last": 5})"_json);
    EXPECT_EQ(run({"drops", "--last", "--all"}), kDone);
    EXPECT_EQ(asked_, R"({"last": 20, "all": true})"_json);
}

TEST_F(Run, TellsEachErrorOnItsLine) {
    EXPECT_EQ(run({"config", "reload"}), kFailed);
    EXPECT_EQ(err(),
              "ports[2].vlan (host.yaml:41:11): 5000 is no VLAN id\n"
              "too\\x1bmany\n");
    EXPECT_EQ(run({"port", "delete", "web"}), kFailed);
    EXPECT_EQ(err(), "sluicectl: there is no port web\n");
    EXPECT_EQ(out(), "");
}

TEST_F(Run, AnErrorNamesWhatItsUserHasWritten) {
    EXPECT_EQ(run({"route", "list", "foo", "--domain", "x"}), kFailed);
    EXPECT_EQ(err(), "PREFIX: no prefix\n--domain: no domain\n");
}

TEST_F(Run, AFileWithErrorsFailsItsCheck) {
    EXPECT_EQ(run({"config", "check"}), kFailed);
    EXPECT_EQ(err(), "ports[1]: no\n");
    EXPECT_EQ(out(), "");
    EXPECT_EQ(run({"config", "check", "--json"}), kFailed);
    EXPECT_EQ(json::parse(out())["file"], "/x");
}

TEST_F(Run, AStrangeAnswerIsAFailureUnlessJsonIsWanted) {
    EXPECT_EQ(run({"status"}), kFailed);
    EXPECT_NE(err().find("of one version"), std::string::npos);
    EXPECT_EQ(run({"status", "--json"}), kDone);
    EXPECT_EQ(out(), "\"strange\"\n");
}

TEST_F(Run, ExitStatusTellsUsageFromNotReached) {
    EXPECT_EQ(run({"stauts"}), kUsage);
    EXPECT_EQ(run({"port", "add", "web", "x"}), kUsage);
    EXPECT_EQ(run({"drops", "--all"}), kUsage);
    EXPECT_EQ(err(), "sluicectl: --all goes with --last\n");
    EXPECT_EQ(run({"drops", "--last", "0"}), kUsage);
    EXPECT_EQ(run({"drops", "--last", "many"}), kUsage);
    EXPECT_EQ(run({"drops", "--socket", path_ + ".none"}), kNotReached);
    EXPECT_NE(err().find("there is no socket"), std::string::npos);
    std::ofstream(path_ + ".yaml") << "state: /x\n";
    EXPECT_EQ(run({"drops", "--socket", path_ + ".yaml"}), kNotReached);
    EXPECT_NE(err().find(path_ + ".yaml is not a socket; give the path"), std::string::npos) << err();
    EXPECT_EQ(run({"--help"}), kDone);
    EXPECT_EQ(run({"--version"}), kDone);
    EXPECT_EQ(out(), "sluicectl " SLUICE_VERSION "\n");
}

// One that takes connections and doesn't answer keeps nobody waiting for ever.
TEST_F(Run, AnAnswerHasALimit) {
    auto listener = control::listen_at(directory_ / "silent", {});
    ASSERT_TRUE(listener) << listener.error().text();
    for (const char* verb : {"status", "stats"}) {
        EXPECT_EQ(run({verb, "--timeout", "0.2", "--socket", directory_ / "silent"}), kNotReached);
        EXPECT_NE(err().find("doesn't answer within 0.2 s"), std::string::npos) << err();
    }
    EXPECT_EQ(run({"capture", "drops", "--timeout=0.2", "--socket", directory_ / "silent"}), kNotReached);
    EXPECT_EQ(run({"config", "reload", "--timeout=0.2", "--socket", directory_ / "silent"}), kNotReached);
    // Less than a millisecond is not 0, which would be no limit.
    EXPECT_EQ(run({"status", "--timeout=0.0004", "--socket", directory_ / "silent"}), kNotReached);
    EXPECT_EQ(run({"status", "--timeout", "soon"}), kUsage);
    EXPECT_EQ(run({"mac", "list", "--timeout", "0"}), kDone);
}

TEST_F(Run, UnwritableOutputIsAFailure) {
    out_.setstate(std::ios::badbit);
    EXPECT_EQ(run({"drops"}), kFailed);
}

TEST_F(Run, ClientReadsWhyItWasCutOff) {
    auto client = Client::connect(path_);
    ASSERT_TRUE(client);
    EXPECT_TRUE(client->call(protocol::kDrops, json::object()));
    const auto result = client->call(protocol::kDrops, {{"port", std::string(65 << 20, 'x')}});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, CallError::Kind::kDaemon);
    EXPECT_EQ(result.error().code, protocol::kInvalidRequest);
    EXPECT_EQ(client->call(protocol::kDrops, json::object()).error().kind,
              CallError::Kind::kNotReached);
}

// A port that is up when it was asked for a few times, if ever.
class Wait : public testing::Test {
 protected:
    int run(std::vector<std::string> words) {
        out_.str("");
        err_.str("");
        asked_ = 0;
        return sluicectl::run(words, path_.c_str(), out_, err_);
    }
    json port() const {
        if (asked_ >= up_after_) return {{"name", "web"}, {"state", "up"}, {"reason", nullptr}};
        return {{"name", "web"}, {"state", "down"}, {"reason", "there is no such container"}};
    }

    control::Directory directory_;
    const std::string path_ = directory_ / "control.sock";
    std::atomic<int> asked_ = 0;
    std::atomic<int> up_after_ = 3;
    std::atomic<bool> is_there_ = true;
    control::Serving serving_{
        {.socket = path_},
        {{protocol::method(protocol::kStatus), [](const json&) { return json{{"pid", 7}}; }},
         {protocol::method(protocol::kPortAdd), [this](const json&) { return json{{"port", port()}}; }},
         {protocol::method(protocol::kPortShow), [this](const json&) -> Answer {
              ++asked_;
              if (!is_there_) return tl::unexpected(RpcError{protocol::kFailed, "there is no port \"web\"", {}});
              return json{{"port", port()}};
          }}}};
    std::ostringstream out_, err_;
};

TEST_F(Wait, AnAddedPortNeedNotBeUp) {
    EXPECT_EQ(run({"port", "add", "web", "netns=w"}), kDone);
    EXPECT_EQ(out_.str(), "port web added: down, there is no such container\n");
    up_after_ = 0;
    EXPECT_EQ(run({"port", "add", "web", "netns=w"}), kDone);
    EXPECT_EQ(out_.str(), "port web added: up\n");
    EXPECT_EQ(asked_, 0);
}

TEST_F(Wait, AnAddedPortIsWaitedFor) {
    EXPECT_EQ(run({"port", "add", "web", "netns=w", "--wait"}), kDone);
    EXPECT_EQ(out_.str(), "port web added: up\n");
    EXPECT_EQ(asked_, 3);
    up_after_ = 1'000'000;
    EXPECT_EQ(run({"port", "add", "web", "netns=w", "--wait=0"}), kFailed);
    EXPECT_EQ(out_.str(), "port web added: down, there is no such container\n");
    EXPECT_EQ(err_.str(), "sluicectl: port web is not up after 0 s: down, there is no such container\n");
    EXPECT_EQ(run({"port", "add", "web", "netns=w", "--wait=0", "--json"}), kFailed);
    EXPECT_EQ(json::parse(out_.str())["port"]["state"], "down");
}

TEST_F(Wait, APortIsWaitedForUntilItIsThereAndUp) {
    EXPECT_EQ(run({"wait", "port", "web"}), kDone);
    EXPECT_EQ(out_.str(), "port web is up\n");
    EXPECT_EQ(asked_, 3);
    EXPECT_EQ(err_.str(), "");
    is_there_ = false;
    EXPECT_EQ(run({"wait", "port", "web", "--timeout", "0.1"}), kFailed);
    EXPECT_EQ(
        err_.str(),
        "waiting up to 0.1 s: there is no port \"web\"\nsluicectl: after 0.1 s: there is no port "
        "\"web\"\n");
    EXPECT_EQ(run({"wait", "port", "web", "--timeout", "0"}), kFailed);
    EXPECT_EQ(err_.str(), "sluicectl: after 0 s: there is no port \"web\"\n");
}

TEST_F(Wait, TheDaemonIsWaitedFor) {
    EXPECT_EQ(run({"wait"}), kDone);
    EXPECT_EQ(out_.str(), "sluiced answers (process 7)\n");
    EXPECT_EQ(run({"wait", "--timeout", "0.2", "--socket", path_ + ".none"}), kNotReached);
    EXPECT_NE(err_.str().find("after 0.2 s: there is no socket"), std::string::npos) << err_.str();
    // One that takes connections and doesn't answer.
    auto listener = control::listen_at(directory_ / "silent", {});
    ASSERT_TRUE(listener) << listener.error().text();
    EXPECT_EQ(run({"wait", "--timeout", "0.2", "--socket", directory_ / "silent"}), kNotReached);
    EXPECT_NE(err_.str().find("doesn't answer"), std::string::npos) << err_.str();
}

// A capture of three portions, the last of which ends it unless it is stopped before.
class Capture : public testing::Test {
 protected:
    int run(std::vector<std::string> words) {
        out_.str("");
        err_.str("");
        asked_ = json::array();
        reads_ = 0;
        return sluicectl::run(words, path_.c_str(), out_, err_);
    }
    json read(const json& params) {
        asked_.push_back(params);
        static const char* const kParts[] = {"first", "", "last"};
        const size_t part = reads_++;
        if (part == 0 && interrupts_) kill(getpid(), SIGINT);
        json answer{{"count", part == 1 ? 0 : 1}, {"more", false}, {"lost", 4}, {"ended", nullptr}};
        if (part == 2) answer["ended"] = "port web was deleted";
        if (params.at("pcapng") == true) {
            answer["pcapng"] = base::to_base64(std::string(kParts[part]) + '\0');
            return answer;
        }
        answer["packets"] = json::array();
        if (part == 1) return answer;
        json packet{{"time", 1700000000.25}, {"port", "web"}, {"direction", "from"}, {"packet", kParts[part]}};
        if (part == 2) {
            packet["reason"] = "runt";
            packet["decided-by"] = R"([{"kind": "port", "name": "web", "file": "f", "line": 2, "column": 3}])"_json;
        }
        answer["packets"].push_back(packet);
        return answer;
    }

    control::Directory directory_;
    const std::string path_ = directory_ / "control.sock";
    json asked_;
    size_t reads_ = 0;
    bool interrupts_ = false;  // while it is first read
    control::Serving serving_{
        {.socket = path_},
        {{protocol::method(protocol::kCaptureStart),
          [this](const json& params) -> Answer {
              asked_.push_back(params);
              if (params.value("port", "") == "nobody") {
                  return tl::unexpected(RpcError{protocol::kFailed, "there is no port nobody", {}});
              }
              return json{{"capture", 7}};
          }},
         {protocol::method(protocol::kCaptureRead), [this](const json& params) { return read(params); }},
         {protocol::method(protocol::kCaptureStop), [this](const json& params) {
              asked_.push_back("stop");
              return json::object();
          }}}};
    std::ostringstream out_, err_;
};

TEST_F(Capture, PrintsALineAPacketUntilItEnds) {
    setenv("TZ", "UTC", 1);
    tzset();
    EXPECT_EQ(run({"capture", "web", "-f", "icmp"}), kDone);
    EXPECT_EQ(out_.str(),
              "22:13:20.250000 from web  first\n"
              "22:13:20.250000 from web  last  dropped: runt, decided by port web (f:2:3)\n");
    EXPECT_EQ(err_.str(),
              "capturing web; Ctrl-C ends it\n"
              "the capture has ended: port web was deleted\n"
              "2 packets captured, 4 lost\n");
    EXPECT_EQ(asked_[0], R"({"port": "web", "filter": "icmp"})"_json);
    EXPECT_EQ(asked_[1], R"({"capture": 7, "pcapng": false})"_json);
    EXPECT_EQ(run({"capture", "drops", "--json"}), kDone);
    EXPECT_EQ(asked_[0], R"({"drops": true})"_json);
    EXPECT_EQ(json::parse(out_.str().substr(0, out_.str().find('\n')))["packet"], "first");
}

TEST_F(Capture, StopsAfterItsCount) {
    EXPECT_EQ(run({"capture", "web", "-c", "1"}), kDone);
    EXPECT_EQ(asked_, R"([{"port": "web"}, {"capture": 7, "pcapng": false, "most": 1}, "stop"])"_json);
    EXPECT_EQ(err_.str(), "capturing web; Ctrl-C ends it\n1 packet captured, 4 lost\n");
}

TEST_F(Capture, WritesAFileOrStandardOutput) {
    const std::string whole("first\0\0last\0", 12);
    EXPECT_EQ(run({"capture", "web", "-w", directory_ / "f"}), kDone);
    EXPECT_EQ(out_.str(), "");
    std::ifstream file(directory_ / "f", std::ios::binary);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), whole);
    EXPECT_EQ(run({"capture", "web", "-w", "-"}), kDone);
    EXPECT_EQ(out_.str(), whole);
}

// What is there is fetched still.
TEST_F(Capture, AnInterruptionStopsIt) {
    interrupts_ = true;
    EXPECT_EQ(run({"capture", "web"}), kDone);
    EXPECT_EQ(std::ranges::count(asked_, json("stop")), 1);
    EXPECT_EQ(err_.str(), "capturing web; Ctrl-C ends it\n2 packets captured, 4 lost\n");
}

TEST_F(Capture, FailuresAreTold) {
    EXPECT_EQ(run({"capture", "nobody"}), kFailed);
    EXPECT_EQ(err_.str(), "sluicectl: there is no port nobody\n");
    EXPECT_EQ(run({"capture", "web", "-w", directory_ / "no/f"}), kFailed);
    EXPECT_NE(err_.str().find("No such file"), std::string::npos);
    EXPECT_EQ(asked_.size(), 1u) << "its end is the connection's";
    EXPECT_EQ(run({"capture", "web", "-w", "/dev/full"}), kFailed);
    EXPECT_NE(err_.str().find("can't be written"), std::string::npos);
    EXPECT_EQ(run({"capture", "web", "-c", "0"}), kUsage);
}

// What a peer that isn't sluiced answers, by the kind of error that a client makes of it.
TEST(Client, TellsProtocolFromDaemonErrors) {
    struct Row {
        const char* answer;
        CallError::Kind kind;
    };
    const Row rows[] = {
        {"", CallError::Kind::kNotReached},
        {"{\"id\":1", CallError::Kind::kNotReached},
        {"hello\n", CallError::Kind::kProtocol},
        {"[]\n", CallError::Kind::kProtocol},
        {"{\"id\":2,\"result\":1}\n", CallError::Kind::kProtocol},
        {"{\"id\":1}\n", CallError::Kind::kProtocol},
        {"{\"id\":1,\"error\":7}\n", CallError::Kind::kProtocol},
        {"{\"id\":null,\"error\":{\"code\":-32002,\"message\":\"busy\"}}\n",
         CallError::Kind::kDaemon},
    };
    const control::Directory directory;
    for (const Row& row : rows) {
        auto listener = control::listen_at(directory / "s", {});
        ASSERT_TRUE(listener) << listener.error().text();
        auto client = Client::connect(directory / "s");
        ASSERT_TRUE(client);
        {
            const base::Fd peer(accept(listener->socket.get(), nullptr, nullptr));
            ASSERT_GE(send(peer.get(), row.answer, strlen(row.answer), MSG_NOSIGNAL), 0);
        }
        const auto result = client->call("status", json::object());
        ASSERT_FALSE(result) << row.answer;
        EXPECT_EQ(result.error().kind, row.kind) << row.answer;
    }
}

}  // namespace
}  // namespace sluice::sluicectl
