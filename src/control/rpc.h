// JSON-RPC 2.0 without the socket: a line in, a line out. Stateless, so that everything that a
// client can get wrong is tested as text. The control thread calls it; a command's own exceptions
// end here, as an error to the client.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
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

struct Command {
    protocol::Method method;
    // Given an object, empty where the request has no params, that the method's description allows.
    std::function<tl::expected<nlohmann::json, RpcError>(const nlohmann::json& params)> run;
    // In place of run, of a command that keeps something for its caller.
    std::function<tl::expected<nlohmann::json, RpcError>(const nlohmann::json& params, const Caller& caller)>
        run_for = nullptr;
};

// The answer to one line, without its newline; empty where there is nothing to say (notifications).
std::string answer(const std::vector<Command>& commands, const Requester& requester, std::string_view line);

// An answer for a client whose request can't be read, or who isn't heard.
std::string error_answer(int code, std::string_view message);

}  // namespace sluice::control
