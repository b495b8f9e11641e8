#include "control/change_log.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "control/rpc.h"
#include "sluice/protocol.h"

namespace sluice::control {
namespace {

using nlohmann::json;
using protocol::method;
using std::chrono::seconds;

class Changes : public testing::Test {
 protected:
    // What a request leaves in the log.
    std::string log_of(const protocol::Method& method, const json& params, Peer peer = kRoot) {
        testing::internal::CaptureStderr();
        const json request{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method.name}, {"params", params}};
        answer(commands_, {.peer = std::move(peer), .log = &log_}, request.dump());
        return testing::internal::GetCapturedStderr();
    }

    static inline const Peer kRoot{Access::kWrite, true, 0, 4711, "sluicectl"};
    Throttle::Clock::time_point now_{seconds(1000)};
    ChangeLog log_{[this] { return now_; }};
    tl::expected<json, RpcError> answer_ = json::object();
    std::vector<Command> commands_ = [this] {
        std::vector<Command> commands;
        for (const auto& one : protocol::kMethods) commands.push_back({one, [this](const json&) { return answer_; }});
        return commands;
    }();
};

TEST_F(Changes, LeaveALineThatSaysWhoAndWhat) {
    EXPECT_EQ(log_of(method(protocol::kPortDelete), {{"name", "web"}}),
              "notice control: uid 0 pid 4711 (sluicectl): port.delete web\n");
    EXPECT_EQ(log_of(method(protocol::kPortAdd), {{"port", {{"name", "web"}, {"netns", "w"}}}},
                     {Access::kWrite, false, 1000, 5, ""}),
              "notice control: uid 1000 pid 5 (?): port.add web {\"netns\":\"w\"}\n");
    EXPECT_EQ(log_of(method(protocol::kDeviceBind), {{"address", "03:00.0"}, {"force", true}}),
              "notice control: uid 0 pid 4711 (sluicectl): device.bind 03:00.0 force=true\n");
    answer_ = json{{"flushed", 7}};
    EXPECT_EQ(log_of(method(protocol::kFlowFlush), {{"network", "blue"}, {"port", 80}}),
              "notice control: uid 0 pid 4711 (sluicectl): flow.flush port=80 network=blue: 7 flushed\n");
    answer_ = json{{"routes", {{"set", 2}, {"deleted", 0}}}};
    EXPECT_EQ(log_of(method(protocol::kRouteLoad), {{"text", "x\ny\n"}, {"file", "/f"}}),
              "notice control: uid 0 pid 4711 (sluicectl): route.load text=(4 bytes) file=/f: 0 deleted, 2 set\n");
    answer_ = R"({"changes": [{"action": "add", "object": "port web"}], "generation": 3})"_json;
    EXPECT_EQ(
        log_of(method(protocol::kConfigReload), json::object()),
        "notice control: uid 0 pid 4711 (sluicectl): config.reload: 1 change, add port web\n");
    EXPECT_EQ(
        log_of(method(protocol::kAdd), {{"text", "x\n"}}),
        "notice control: uid 0 pid 4711 (sluicectl): add text=(2 bytes): 1 change, add port web\n");
}

TEST_F(Changes, WhatChangesNothingLeavesNoLine) {
    for (const auto& one : protocol::kMethods) {
        json params = json::object();
        for (const auto& parameter : one.parameters) {
            if (parameter.need == protocol::Need::kRequired)
                params[std::string(parameter.name)] = json::parse(parameter.example);
        }
        EXPECT_EQ(log_of(one, params).empty(), one.effect != protocol::Effect::kChanges) << one.name;
    }
    EXPECT_EQ(log_of(method(protocol::kRouteLoad), {{"text", ""}, {"check", true}}), "");
    // Where there are no trials it is a slip like others.
    EXPECT_NE(log_of(method(protocol::kPortDelete), {{"name", "web"}, {"check", true}}), "");
    answer_ = tl::unexpected(RpcError{protocol::kFailed, "no", {}});
    EXPECT_EQ(log_of(method(protocol::kPortShow), {{"name", "web"}}), "");
}

TEST_F(Changes, LinesAreBoundedAndPrintable) {
    json port{{"name", std::string(1'000'000, 'x')}, {"netns", std::string(1'000'000, 'y')}};
    EXPECT_LT(log_of(method(protocol::kPortAdd), {{"port", port}}).size(), 1000u);
    const std::string line = log_of(method(protocol::kPortAdd), {{"port", {{"name", "a\x1b[31m\nerror control: b"}}}},
                                    {Access::kWrite, true, 0, 1, "e\x1b\n"});
    EXPECT_EQ(std::ranges::count(line, '\n'), 1) << line;
    EXPECT_EQ(line.find('\x1b'), line.npos) << line;
    answer_ = tl::unexpected(RpcError{protocol::kFailed, std::string(1'000'000, 'z'), {}});
    EXPECT_LT(log_of(method(protocol::kPortDelete), {{"name", "web"}}).size(), 1000u);
}

TEST_F(Changes, FailuresLeaveALineAndRepetitionsAreCounted) {
    answer_ = tl::unexpected(RpcError{protocol::kFailed, "there is no port \"web\"", {}});
    const auto fail = [&](uid_t uid = 0) {
        return log_of(method(protocol::kPortDelete), {{"name", "web"}}, {Access::kWrite, true, uid, 9, "cni"});
    };
    const std::string line =
        "notice control: uid 0 pid 9 (cni): port.delete web: failed: there is no port \"web\"";
    for (int i = 0; i < Throttle::kAtOnce; ++i) EXPECT_EQ(fail(), line + "\n");
    for (int i = 0; i < 500; ++i) EXPECT_EQ(fail(), "");
    EXPECT_NE(fail(1000), "") << "another user's";
    now_ += Throttle::kInterval;
    EXPECT_EQ(fail(), line + " (500 earlier failures were not logged)\n");
    EXPECT_EQ(fail(), "");
    now_ += 100 * Throttle::kInterval;
    EXPECT_EQ(fail(), line + " (1 earlier failure was not logged)\n");
    for (int i = 1; i < Throttle::kAtOnce; ++i) EXPECT_EQ(fail(), line + "\n");
    EXPECT_EQ(fail(), "");
}

TEST_F(Changes, AFailureWithManyErrorsNamesTheFirst) {
    json errors = json::array();
    for (int i = 0; i < 5; ++i)
        errors.push_back({{"message", fmt::format("wrong {}", i)}, {"path", "ports"}});
    errors[1]["path"] = "";
    answer_ = tl::unexpected(RpcError{protocol::kFailed, "5 errors", {{"errors", errors}}});
    EXPECT_EQ(log_of(method(protocol::kConfigReload), json::object()),
              "notice control: uid 0 pid 4711 (sluicectl): config.reload: failed: 5 errors: ports: "
              "wrong 0; wrong 1; "
              "ports: wrong 2\n");
}

TEST_F(Changes, RequestsThatAreTurnedAwayAreFailures) {
    EXPECT_EQ(log_of(method(protocol::kPortDelete), {{"name", "web"}}, {Access::kRead, false, 7, 9, "x"}),
              "notice control: uid 7 pid 9 (x): port.delete web: failed: port.delete changes the switch, and you may "
              "only read: use root or a member of the group that owns the socket\n");
    EXPECT_EQ(log_of(method(protocol::kFlowFlush), {{"adress", "10.0.0.1"}}),
              "notice control: uid 0 pid 4711 (sluicectl): flow.flush: failed: flow.flush: unknown parameter 'adress'; "
              "did you mean 'address'?\n");
}

}  // namespace
}  // namespace sluice::control
