// JSON-RPC 2.0 without the socket: takes a line, gives a line. It keeps no state between lines, so tests can write
// every mistake of a client as text. An exception of a command ends here and becomes an error answer. Control
// thread.
//
// A line may need long: a batch of many requests, or a command with a long answer. Such a line is carried out in
// steps of a few milliseconds, between which the control thread does other work. Each step sees the switch as it
// is at that moment.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "control/access.h"
#include "control/change_log.h"
#include "sluice/methods.h"

namespace sluice::control {

struct RpcError {
    int code;  // protocol.h
    std::string message;
    nlohmann::json data;  // null: none
};

// Identifies the connection of a request. It expires when the connection ends.
using Caller = std::weak_ptr<const void>;

struct Requester {
    Peer peer = {};
    Caller caller = {};
    ChangeLog* log = nullptr;  // for the requester's changes; null: don't log them
};

using Outcome = tl::expected<nlohmann::json, RpcError>;

// A long command: each call does a part of it and returns nothing, and the last call returns the outcome.
using Steps = std::function<std::optional<Outcome>()>;

// The time that one step should take.
class Slice {
 public:
    bool is_over() const { return std::chrono::steady_clock::now() >= end_; }

 private:
    static constexpr std::chrono::milliseconds kLength{3};
    const std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + kLength;
};

struct Command {
    protocol::Method method;
    // `params` is an object that the method's description allows; empty if the request has no params.
    std::function<Outcome(const nlohmann::json& params)> run;
    // In place of run, for a command that keeps something for its caller, such as a capture.
    std::function<Outcome(const nlohmann::json& params, const Caller& caller)> run_for = nullptr;
    // In place of run, for a command that may take long. The parameters outlive the steps.
    std::function<Steps(const nlohmann::json& params)> begin = nullptr;
};

// A line that is being carried out. The commands and the requester outlive it. The line is copied.
class Request {
 public:
    Request(const std::vector<Command>& commands, const Requester& requester, std::string_view line);
    Request(const Request&) = delete;

    // Does one step. Returns the answer without its newline, which is empty for notifications. Returns nothing if
    // the request isn't finished: call it again. If the client is gone, only requests that change the switch are
    // still carried out, as nobody would get the answers of the others.
    std::optional<std::string> step(bool is_gone = false);

 private:
    std::optional<nlohmann::json> carry_out(const nlohmann::json& request, bool is_gone);
    std::optional<Outcome> begin(const Command& command, const nlohmann::json& params);
    std::optional<Outcome> go_on(const Command& command);
    void log(const Command& command, const nlohmann::json& params, const Outcome& outcome) const;

    const std::vector<Command>& commands_;
    const Requester& requester_;
    std::string fault_;  // the answer to a line that is no request
    nlohmann::json content_;
    size_t next_ = 0;        // index of the batch's next request
    std::string answers_;    // to the batch's requests before that one
    Steps steps_ = nullptr;  // of a long command that has begun
};

// Carries out all steps at once.
std::string answer(const std::vector<Command>& commands, const Requester& requester, std::string_view line);

// The answer to a request that can't be read, or to a client that is turned away.
std::string error_answer(int code, std::string_view message);

}  // namespace sluice::control
