#include "control/rpc.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "sluice/protocol.h"

namespace sluice::control {
namespace {

using nlohmann::json;

class Rpc : public testing::Test {
 protected:
    json ask(std::string_view line, Access access = Access::kWrite) {
        const std::string text = answer(commands_, {.peer = {.access = access}}, line);
        return text.empty() ? json("nothing") : json::parse(text);
    }
    int code(std::string_view line) { return ask(line)["error"]["code"]; }

    int changes_ = 0;
    static constexpr auto kRead = protocol::Effect::kReads;
    static constexpr protocol::Parameter kEcho[] = {
        {"x", protocol::Type::kList, protocol::Need::kOptional, "", "", "", 0, 10},
        {"a", protocol::Type::kContent, protocol::Need::kOptional, "", "", ""}};
    const std::vector<Command> commands_ = {
        {{"echo", kRead, "", kEcho}, [](const json& params) { return params; }},
        {{"change", protocol::Effect::kChanges}, [this](const json&) { return json(++changes_); }},
        {{"refuse", kRead},
         [](const json&) -> tl::expected<json, RpcError> {
             return tl::unexpected(RpcError{
                 protocol::kFailed, "no", {{"errors", json::array({{{"message", "why"}}})}}});
         }},
        {{"throw", kRead},
         [](const json&) -> tl::expected<json, RpcError> { throw std::runtime_error("boo"); }},
        {{"broken", kRead}, [](const json&) { return json("a\xff\xfe"); }},
        {{"large", kRead}, [](const json&) { return json(std::string(1 << 20, 'x')); }},
    };
};

TEST_F(Rpc, AnswersWithTheResultAndTheId) {
    const auto expected = R"({"jsonrpc":"2.0","id":"a","result":{"x":[1]}})"_json;
    EXPECT_EQ(ask(R"({"jsonrpc":"2.0","id":"a","method":"echo","params":{"x":[1]}})"), expected);
    EXPECT_EQ(ask(R"({"jsonrpc":"2.0","id":1,"method":"echo"})")["result"], json::object());
}

TEST_F(Rpc, ACommandMayBeToldWhoAsks) {
    const auto client = std::make_shared<int>();
    const std::vector<Command> commands{{{"who", kRead}, nullptr, [&](const json&, const Caller& caller) {
        return json(caller.lock() == client ? "client" : "somebody");
    }}};
    const std::string line = R"({"jsonrpc":"2.0","id":1,"method":"who"})";
    EXPECT_EQ(json::parse(answer(commands, {.caller = client}, line))["result"], "client");
    EXPECT_EQ(json::parse(answer(commands, {}, line))["result"], "somebody");
    EXPECT_EQ(json::parse(answer(commands, {.caller = client}, "[" + line + "]"))[0]["result"], "client");
}

TEST_F(Rpc, FaultsHaveTheirCodes) {
    struct Row {
        std::string line;
        int code;
    };
    const Row rows[] = {
        {"{", protocol::kParseError},
        {"hello", protocol::kParseError},
        {"{} {}", protocol::kParseError},
        {std::string("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"echo\"}\0", 41),
         protocol::kParseError},
        {"{\"a\":\"\xff\"}", protocol::kParseError},
        {"1", protocol::kInvalidRequest},
        {"{}", protocol::kInvalidRequest},
        {"[]", protocol::kInvalidRequest},
        {R"({"id":1,"method":"echo"})", protocol::kInvalidRequest},
        {R"({"jsonrpc":"2.0","id":1,"method":7})", protocol::kInvalidRequest},
        {R"({"jsonrpc":"2.0","id":{},"method":"echo"})", protocol::kInvalidRequest},
        {R"({"jsonrpc":"2.0","id":1,"method":"echo","params":3})", protocol::kInvalidRequest},
        {R"({"jsonrpc":"2.0","id":1,"method":"echo","params":[3]})", protocol::kInvalidParams},
        {R"({"jsonrpc":"2.0","id":1,"method":"ehco"})", protocol::kMethodNotFound},
        {R"({"jsonrpc":"2.0","id":1,"method":"throw"})", protocol::kInternalError},
        {R"({"jsonrpc":"2.0","id":1,"method":"refuse"})", protocol::kFailed},
    };
    for (const Row& row : rows) EXPECT_EQ(code(row.line), row.code) << row.line;
}

TEST_F(Rpc, AKeyThatIsGivenTwiceIsRefused) {
    for (const char* line : {R"({"jsonrpc":"2.0","id":1,"method":"change","method":"echo"})",
                             R"({"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":"1","\u0061":"2"}})",
                             R"({"jsonrpc":"2.0","id":1,"method":"echo","params":{"x":[{"b":{"c":1},"b":2}]}})",
                             R"([{"jsonrpc":"2.0","id":1,"method":"change"},{"id":1,"id":2}])"}) {
        EXPECT_EQ(code(line), protocol::kInvalidRequest) << line;
    }
    EXPECT_EQ(ask(R"({"id":1,"id":2})")["error"]["message"], "invalid request: the key 'id' is given twice");
    EXPECT_EQ(changes_, 0);
    // Objects beside each other, and in each other, have keys of their own.
    EXPECT_TRUE(ask(R"({"jsonrpc":"2.0","id":1,"method":"echo","params":{"x":[{"x":1},{"x":{"x":2}}]}})")
                    .contains("result"));
}

// With a callback json::parse takes minutes for this line, and the whole test more than its time limit.
TEST_F(Rpc, ALongArrayIsReadInOnePass) {
    std::string line = "[{}";
    while (line.size() < 1 << 20) line += ",{}";
    EXPECT_EQ(code(line + "]"), protocol::kInvalidRequest);
    EXPECT_EQ(code(line + R"(,{"a":1,"a":2}])"), protocol::kInvalidRequest);
    EXPECT_EQ(code(line), protocol::kParseError);
    EXPECT_EQ(code(R"({"a":1,"a":2)"), protocol::kParseError);
}

TEST_F(Rpc, ParseErrorsHaveNoIdAndAShortMessage) {
    const json error = ask("\"" + std::string(1 << 20, 'a'));
    EXPECT_TRUE(error["id"].is_null());
    EXPECT_LE(error["error"]["message"].get<std::string>().size(), 200u);
}

TEST_F(Rpc, UnknownMethodSuggestsTheNearest) {
    EXPECT_EQ(ask(R"({"jsonrpc":"2.0","id":1,"method":"chnage"})")["error"]["message"],
              "there is no method 'chnage'; did you mean 'change'?");
}

TEST_F(Rpc, AnUnknownMemberOfARequestIsRefused) {
    const json answer = ask(R"({"jsonrpc":"2.0","id":1,"method":"change","extra":1})");
    EXPECT_EQ(answer["id"], 1);
    EXPECT_EQ(answer["error"]["code"], protocol::kInvalidRequest);
    EXPECT_EQ(answer["error"]["message"],
              "invalid request: unknown member 'extra'; a request has jsonrpc, method, params and id");
    EXPECT_EQ(changes_, 0);
}

TEST_F(Rpc, NotificationsAreCarriedOutAndNotAnswered) {
    EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"change"})"), "nothing");
    EXPECT_EQ(changes_, 1);
    EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"no such"})"), "nothing");
}

TEST_F(Rpc, BatchIsAnsweredInOrderWithoutItsNotifications) {
    const json answers = ask(R"([{"jsonrpc":"2.0","id":1,"method":"change"},
        {"jsonrpc":"2.0","method":"change"}, 7, {"jsonrpc":"2.0","id":2,"method":"change"}])");
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0]["result"], 1);
    EXPECT_EQ(answers[1]["error"]["code"], protocol::kInvalidRequest);
    EXPECT_EQ(answers[2]["result"], 3);
    EXPECT_EQ(ask(R"([{"jsonrpc":"2.0","method":"change"}])"), "nothing");
}

TEST_F(Rpc, BatchIsBoundedInCountAndAnswer) {
    json batch(protocol::kMaxBatch + 1, R"({"jsonrpc":"2.0","id":1,"method":"change"})"_json);
    EXPECT_EQ(code(batch.dump()), protocol::kInvalidRequest);
    EXPECT_EQ(changes_, 0);

    batch = json(20, R"({"jsonrpc":"2.0","id":1,"method":"large"})"_json);
    batch[19] = R"({"jsonrpc":"2.0","id":"last","method":"change"})"_json;
    const json answers = ask(batch.dump());
    ASSERT_EQ(answers.size(), 20u);
    EXPECT_EQ(answers[19]["error"]["code"], protocol::kInvalidRequest);
    EXPECT_EQ(answers[19]["id"], "last");
    EXPECT_EQ(changes_, 0);
}

// A command that takes as many steps as "steps" says.
class RpcSteps : public testing::Test {
 protected:
    static constexpr protocol::Parameter kSteps[] = {
        {"steps", protocol::Type::kNumber, protocol::Need::kRequired, "", "", "", 1, 10}};
    static Steps begin(const json& params) {
        return [&params, left = params["steps"].get<int>()]() mutable -> std::optional<Outcome> {
            if (--left > 0) return std::nullopt;
            return params;
        };
    }
    // The answer, and how many steps it took.
    std::pair<std::string, int> ask(std::string_view line, bool is_gone = false) {
        Request request(commands_, requester_, line);
        for (int steps = 1;; ++steps) {
            if (auto done = request.step(is_gone)) return {*done, steps};
        }
    }

    int changes_ = 0;
    const Requester requester_{.peer = {.access = Access::kWrite}};
    const std::vector<Command> commands_ = {
        {{"long", protocol::Effect::kReads, "", kSteps}, nullptr, nullptr, begin},
        {{"fail", protocol::Effect::kReads}, nullptr, nullptr,
         [](const json&) -> Steps {
             return [first = true]() mutable -> std::optional<Outcome> {
                 if (std::exchange(first, false)) return std::nullopt;
                 throw std::runtime_error("boo");
             };
         }},
        {{"change", protocol::Effect::kChanges}, [this](const json&) { return json(++changes_); }},
    };
};

TEST_F(RpcSteps, ALongCommandIsCarriedOutInSteps) {
    const auto [answer, steps] = ask(R"({"jsonrpc":"2.0","id":7,"method":"long","params":{"steps":3}})");
    EXPECT_EQ(json::parse(answer), R"({"jsonrpc":"2.0","id":7,"result":{"steps":3}})"_json);
    EXPECT_EQ(steps, 3);
    EXPECT_EQ(ask(R"({"jsonrpc":"2.0","method":"long","params":{"steps":3}})"), (std::pair{std::string(), 3}));
    const auto failed = ask(R"({"jsonrpc":"2.0","id":7,"method":"fail"})");
    EXPECT_EQ(json::parse(failed.first)["error"]["code"], protocol::kInternalError);
    EXPECT_EQ(failed.second, 2);
}

TEST_F(RpcSteps, EachRequestOfABatchIsAStep) {
    const auto [answer, steps] = ask(R"([{"jsonrpc":"2.0","id":1,"method":"change"},
        {"jsonrpc":"2.0","id":2,"method":"long","params":{"steps":2}},{"jsonrpc":"2.0","method":"change"},
        {"jsonrpc":"2.0","id":3,"method":"long","params":{"steps":3}}])");
    const json answers = json::parse(answer);
    ASSERT_EQ(answers.size(), 3u) << answer;
    EXPECT_EQ(answers[1]["result"], R"({"steps":2})"_json);
    EXPECT_EQ(answers[2]["id"], 3);
    EXPECT_EQ(steps, 1 + 2 + 1 + 3);
}

TEST_F(RpcSteps, OfAClientThatIsGoneOnlyChangesAreCarriedOut) {
    EXPECT_EQ(ask(R"([{"jsonrpc":"2.0","id":2,"method":"long","params":{"steps":9}},
        {"jsonrpc":"2.0","method":"change"}])", true),
              (std::pair{std::string(), 2}));
    EXPECT_EQ(changes_, 1);
    const std::string line = R"([{"jsonrpc":"2.0","id":2,"method":"long","params":{"steps":9}},
        {"jsonrpc":"2.0","id":3,"method":"change"}])";
    Request request(commands_, requester_, line);
    EXPECT_FALSE(request.step());
    EXPECT_FALSE(request.step(true)) << "it goes while the first is under way";
    EXPECT_EQ(json::parse(request.step(true).value()).size(), 1u);
    EXPECT_EQ(changes_, 2);
}

TEST_F(Rpc, NestingIsBoundedAndBracketsInStringsDoNotNest) {
    const auto nested = [](size_t depth) {
        return R"({"jsonrpc":"2.0","id":1,"method":"echo","params":{"x":)" +
               std::string(depth - 2, '[') + std::string(depth - 2, ']') + "}}";
    };
    EXPECT_TRUE(ask(nested(protocol::kMaxDepth)).contains("result"));
    EXPECT_EQ(code(nested(protocol::kMaxDepth + 1)), protocol::kParseError);
    EXPECT_EQ(code(std::string(10'000'000, '[')), protocol::kParseError);
    const std::string text = R"(\")" + std::string(1000, '[');
    EXPECT_TRUE(ask(R"({"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":")" + text + "\"}}")
                    .contains("result"));
}

TEST_F(Rpc, ReadersMayNotChange) {
    const char change[] = R"({"jsonrpc":"2.0","id":1,"method":"change"})";
    EXPECT_EQ(ask(change, Access::kRead)["error"]["code"], protocol::kDenied);
    EXPECT_EQ(changes_, 0);
    const char echo[] = R"({"jsonrpc":"2.0","id":1,"method":"echo"})";
    EXPECT_TRUE(ask(echo, Access::kRead).contains("result"));
}

TEST_F(Rpc, AnswersAreUtf8WhateverACommandSays) {
    EXPECT_EQ(ask(R"({"jsonrpc":"2.0","id":1,"method":"broken"})")["result"], "a\ufffd\ufffd");
}

}  // namespace
}  // namespace sluice::control
