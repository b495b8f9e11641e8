// sluicectl against a server that answers what the test wants.
#include "sluicectl/run.h"

#include <cstring>
#include <sstream>

#include "serving.h"
#include "sluice/client.h"
#include "sluice/protocol.h"
#include "sluicectl/verbs.h"

namespace sluice::sluicectl {
namespace {

using control::Access;
using control::RpcError;
using nlohmann::json;
using Answer = tl::expected<json, RpcError>;

class Run : public testing::Test {
 protected:
    int run(std::vector<std::string> words) {
        out_.str("");
        err_.str("");
        return sluicectl::run(words, path_.c_str(), out_, err_, [this](double seconds) {
            pause_ = seconds;
            return --watched_ > 0;
        });
    }
    std::string out() const { return out_.str(); }
    std::string err() const { return err_.str(); }

    control::Directory directory_;
    const std::string path_ = directory_ / "control.sock";
    json asked_;
    control::Serving serving_{
        {.socket = path_},
        {{protocol::kDrops, Access::kRead, [](const json&) { return R"({"drops": []})"_json; }},
         {protocol::kStatus, Access::kRead, [](const json&) { return json("strange"); }},
         {protocol::kMacList, Access::kRead,
          [this](const json& params) {
              asked_ = params;
              return R"({"macs": []})"_json;
          }},
         {protocol::kConfigCheck, Access::kRead,
          [](const json&) {
              return R"({"file": "/x", "errors": [{"message": "no", "path": "ports[1]"}]})"_json;
          }},
         {protocol::kConfigReload, Access::kWrite,
          [](const json&) -> Answer {
              return tl::unexpected(RpcError{protocol::kFailed, "2 errors", R"({"errors": [
                  {"message": "5000 is no VLAN id", "path": "ports[2].vlan", "file": "host.yaml",
                   "line": 41, "column": 11}, {"message": "too\u001bmany"}]})"_json});
          }},
         {protocol::kPortDelete, Access::kWrite, [](const json&) -> Answer {
              return tl::unexpected(RpcError{protocol::kFailed, "there is no port web", {}});
          }}}};
    std::ostringstream out_, err_;
    int watched_ = 0;   // how often, for --watch
    double pause_ = 0;  // between
};

TEST_F(Run, Watches) {
    watched_ = 3;
    EXPECT_EQ(run({"drops", "--watch"}), kDone);
    EXPECT_EQ(pause_, 1);
    const std::string page = "\033[H\033[Jnothing was dropped\n";
    EXPECT_EQ(out(), page + page + page);
    watched_ = 2;
    EXPECT_EQ(run({"--watch=0.5", "drops", "--json"}), kDone);
    EXPECT_EQ(pause_, 0.5);
    EXPECT_EQ(out(), "{\"drops\":[]}\n{\"drops\":[]}\n");
    EXPECT_EQ(run({"drops", "--watch=x"}), kUsage);
    EXPECT_EQ(run({"drops", "--watch=0"}), kUsage);
    EXPECT_EQ(run({"port", "delete", "web", "--watch"}), kUsage);
    EXPECT_NE(err().find("changes something"), std::string::npos);
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
    EXPECT_EQ(run({"drops", "--socket", path_ + ".none"}), kNotReached);
    EXPECT_NE(err().find("there is no socket"), std::string::npos);
    EXPECT_EQ(run({"--help"}), kDone);
    EXPECT_EQ(run({"--version"}), kDone);
    EXPECT_EQ(out(), "sluicectl " SLUICE_VERSION "\n");
}

TEST_F(Run, UnwritableOutputIsAFailure) {
    out_.setstate(std::ios::badbit);
    EXPECT_EQ(run({"drops"}), kFailed);
}

TEST_F(Run, ClientReadsWhyItWasCutOff) {
    auto client = Client::connect(path_);
    ASSERT_TRUE(client);
    EXPECT_TRUE(client->call(protocol::kDrops, json::object()));
    const auto result = client->call(protocol::kDrops, {{"x", std::string(65 << 20, 'x')}});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, CallError::Kind::kDaemon);
    EXPECT_EQ(result.error().code, protocol::kInvalidRequest);
    EXPECT_EQ(client->call(protocol::kDrops, json::object()).error().kind,
              CallError::Kind::kNotReached);
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
