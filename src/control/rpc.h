// JSON-RPC 2.0 without the socket: a line in, a line out. Stateless between lines, so that everything that a
// client can get wrong is tested as text. The control thread calls it; a command's own exceptions
// end here, as an error to the client.
//
// A line may be long work: a batch of many requests, or a command with a long answer. It is carried out in steps
// of a few milliseconds, and the control thread does other things between them. Each step sees the switch as it is
// then.
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

// Who asks: it is expired once the connection is gone.
using Caller = std::weak_ptr<const void>;

struct Requester {
    Peer peer = {};
    Caller caller = {};
    ChangeLog* log = nullptr;  // of what it changes; null: none is kept
};

using Outcome = tl::expected<nlohmann::json, RpcError>;

// The rest of a command that takes long: each call does some of it. Nothing: call it again.
using Steps = std::function<std::optional<Outcome>()>;

// How long a step takes, about.
class Slice {
 public:
    bool is_over() const { return std::chrono::steady_clock::now() >= end_; }

 private:
    static constexpr std::chrono::milliseconds kLength{3};
    const std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + kLength;
};

struct Command {
    protocol::Method method;
    // Given an object, empty where the request has no params, that the method's description allows.
    std::function<Outcome(const nlohmann::json& params)> run;
    // In place of run, of a command that keeps something for its caller.
    std::function<Outcome(const nlohmann::json& params, const Caller& caller)> run_for = nullptr;
    // In place of run, of a command that may take long. The parameters outlive the steps.
    std::function<Steps(const nlohmann::json& params)> begin = nullptr;
};

// A line that is being carried out. The commands and the requester outlive it; the line need not.
class Request {
 public:
    Request(const std::vector<Command>& commands, const Requester& requester, std::string_view line);
    Request(const Request&) = delete;

    // Does some of it. The answer without its newline, empty where there is nothing to say (notifications);
    // nothing: it isn't finished, call again. A client that is gone hears no answer: of its requests those are
    // carried out that change the switch, and no others.
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
    size_t next_ = 0;        // of a batch
    std::string answers_;    // of a batch: to the requests before that one
    Steps steps_ = nullptr;  // of a request that has begun
};

// All steps at once.
std::string answer(const std::vector<Command>& commands, const Requester& requester, std::string_view line);

// An answer for a client whose request can't be read, or who isn't heard.
std::string error_answer(int code, std::string_view message);

}  // namespace sluice::control
