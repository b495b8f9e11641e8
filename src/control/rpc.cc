#include "control/rpc.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "base/text.h"
#include "control/check.h"
#include "sluice/protocol.h"

namespace sluice::control {
namespace {

using nlohmann::json;

// Strings from outside (interface names, file contents) may not be UTF-8; an answer always is.
std::string text(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json error_object(const json& id, const RpcError& error) {
    json object = {{"code", error.code}, {"message", error.message}};
    if (!error.data.is_null()) object["data"] = error.data;
    return {{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(object)}};
}

// What the JSON library would get wrong: it takes a NUL byte for the end of the text, and it
// recurses, so a line of brackets could exhaust the stack. Empty: fine.
std::string scan(std::string_view line) {
    size_t depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < line.size(); i++) {
        const char c = line[i];
        if (c == '\0') return fmt::format("a NUL byte at column {}", i + 1);
        if (quoted) {
            if (c == '\\' && i + 1 < line.size() && line[i + 1] != '\0') i++;
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '[' || c == '{') {
            if (++depth > protocol::kMaxDepth)
                return fmt::format("nested more than {} deep at column {}", protocol::kMaxDepth,
                                   i + 1);
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return {};
}

// Reads a text and finds the first key that one object has twice. Stops at that key, at a syntax error, and where
// the text is nested too deep. json::parse with a callback would do the same in one pass, but its time grows with
// the square of an array's size (nlohmann-json 3.11.2). The sets are ordered, because a client that chooses its keys
// can fill one bucket of a hash table.
class KeyCheck : public nlohmann::json_sax<json> {
 public:
    const std::optional<std::string>& twice() const { return twice_; }

    bool null() override { return true; }
    bool boolean(bool) override { return true; }
    bool number_integer(number_integer_t) override { return true; }
    bool number_unsigned(number_unsigned_t) override { return true; }
    bool number_float(number_float_t, const string_t&) override { return true; }
    bool string(string_t&) override { return true; }
    bool binary(binary_t&) override { return true; }
    bool start_array(std::size_t) override { return true; }
    bool end_array() override { return true; }
    bool start_object(std::size_t) override {
        open_.emplace_back();
        return open_.size() <= protocol::kMaxDepth;
    }
    bool end_object() override {
        open_.pop_back();
        return true;
    }
    bool key(string_t& name) override {
        if (open_.back().contains(name)) {
            twice_ = std::move(name);
            return false;
        }
        open_.back().insert(std::move(name));
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const json::exception&) override { return false; }

 private:
    std::vector<std::set<std::string, std::less<>>> open_;  // the keys of the objects that aren't closed
    std::optional<std::string> twice_;
};

// A text that has a key twice is ambiguous, and the library would keep the last value. Names the first such key.
std::optional<std::string> repeated_key(std::string_view line) {
    KeyCheck check;
    (void)json::sax_parse(line, &check);
    return check.twice();
}

// The library's message without its class in brackets; it quotes what it read, however long.
std::string sentence(std::string_view message) {
    if (const size_t end = message.find("] "); end != message.npos) message.remove_prefix(end + 2);
    return std::string(message.substr(0, 200));
}

RpcError unknown_method(const std::vector<Command>& commands, std::string_view method) {
    // Comparing megabytes would be work that anyone can order.
    method = method.substr(0, 64);
    std::vector<std::string_view> names;
    for (const Command& command : commands) names.push_back(command.method.name);
    const auto near = base::nearest(method, names);
    return {
        protocol::kMethodNotFound,
        near ? fmt::format("there is no method {}; did you mean '{}'?", base::shown(method), *near)
             : fmt::format("there is no method {}", base::shown(method)),
        {}};
}

RpcError invalid_params(std::string_view method, const std::vector<ParameterMistake>& mistakes) {
    std::string message = fmt::format("{}: ", method);
    json errors = json::array();
    for (const auto& [parameter, text] : mistakes) {
        message += (errors.empty() ? "" : "; ") + text;
        errors.push_back({{"message", text}, {"path", parameter}});
    }
    return {protocol::kInvalidParams, std::move(message), {{"errors", std::move(errors)}}};
}

tl::expected<json, RpcError> run(const Command& command, const Requester& requester, const json& params) {
    const protocol::Method& method = command.method;
    if (method.effect != protocol::Effect::kReads && requester.peer.access == Access::kRead)
        return tl::unexpected(RpcError{
            protocol::kDenied,
            fmt::format("{} {}, and you may only read: use root or a member of the "
                        "group that owns the socket",
                        method.name,
                        method.effect == protocol::Effect::kChanges ? "changes the switch" : "shows packets"),
            {}});
    if (!params.is_object())
        return tl::unexpected(
            RpcError{protocol::kInvalidParams, "params go by name: an object is expected", {}});
    if (auto mistakes = mistakes_in(params, method.parameters); !mistakes.empty())
        return tl::unexpected(invalid_params(method.name, mistakes));
    try {
        return command.run_for ? command.run_for(params, requester.caller) : command.run(params);
    } catch (const std::exception& error) {
        return tl::unexpected(RpcError{
            protocol::kInternalError,
            fmt::format("{} failed unexpectedly, please report it: {}", method.name, error.what()),
            {}});
    }
}

// For the log: "2 errors" alone says nothing, so the first ones follow.
std::string with_errors(const RpcError& error) {
    constexpr size_t kTold = 3;
    const auto errors = error.data.is_object() ? error.data.find("errors") : error.data.end();
    if (error.code != protocol::kFailed || errors == error.data.end() || errors->size() < 2)
        return error.message;
    std::string text = error.message;
    for (size_t i = 0; i < std::min(errors->size(), kTold); ++i) {
        const json& one = (*errors)[i];
        const auto path = one.find("path");
        const bool has_path = path != one.end() && path->is_string() && *path != "";
        text +=
            fmt::format("{}{}{}", i == 0 ? ": " : "; ",
                        has_path ? path->get<std::string>() + ": " : "", one.value("message", ""));
    }
    return text;
}

tl::expected<json, RpcError> run_and_log(const std::vector<Command>& commands, const Requester& requester,
                                         const std::string& method, const json& params) {
    const auto command = std::ranges::find_if(
        commands, [&](const Command& one) { return one.method.name == method; });
    if (command == commands.end()) return tl::unexpected(unknown_method(commands, method));
    auto result = run(*command, requester, params);
    if (requester.log != nullptr) {
        if (result)
            requester.log->done(requester.peer, command->method, params, *result);
        else
            requester.log->failed(requester.peer, command->method, params,
                                  with_errors(result.error()));
    }
    return result;
}

std::string fault_of(const json& request) {
    if (!request.is_object()) return "a request is an object";
    if (!request.contains("jsonrpc") || request["jsonrpc"] != "2.0")
        return "\"jsonrpc\": \"2.0\" is missing";
    if (!request.contains("method") || !request["method"].is_string())
        return "\"method\" is missing or no string";
    if (request.contains("params") && !request["params"].is_structured())
        return "\"params\" is no object";
    return {};
}

// A usable id: JSON-RPC allows strings, numbers and null.
bool is_id(const json& id) {
    return id.is_string() || id.is_number() || id.is_null();
}

// Nothing for a notification.
std::optional<json> answer_one(const std::vector<Command>& commands, const Requester& requester,
                               const json& request) {
    std::string fault = fault_of(request);
    const bool has_id = request.is_object() && request.contains("id");
    if (has_id && !is_id(request["id"])) fault = "\"id\" is no string and no number";
    const json id = has_id && is_id(request["id"]) ? request["id"] : json();
    if (!fault.empty())
        return error_object(id, {protocol::kInvalidRequest, "invalid request: " + fault, {}});

    static const json kNone = json::object();
    const auto params = request.find("params");
    auto result = run_and_log(commands, requester, request["method"].get_ref<const std::string&>(),
                              params == request.end() ? kNone : *params);
    if (!has_id) return std::nullopt;
    if (!result) return error_object(id, result.error());
    return json{{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(*result)}};
}

// In place of the rest of a batch, once its answers have grown too large. Notifications are
// answered too, for their sender would otherwise believe them done.
std::optional<json> not_run(const json& request) {
    const bool has_id = request.is_object() && request.contains("id") && is_id(request["id"]);
    return error_object(has_id ? request["id"] : json(),
                        {protocol::kInvalidRequest,
                         fmt::format("not carried out: the answers of this batch exceed {} bytes; "
                                     "ask one by one",
                                     protocol::kMaxUnsent),
                         {}});
}

std::string answer_batch(const std::vector<Command>& commands, const Requester& requester, const json& batch) {
    if (batch.empty())
        return error_answer(protocol::kInvalidRequest, "invalid request: an empty batch");
    if (batch.size() > protocol::kMaxBatch)
        return error_answer(protocol::kInvalidRequest,
                            fmt::format("invalid request: a batch of {} (at most {})", batch.size(),
                                        protocol::kMaxBatch));
    std::string answers;
    for (const json& request : batch) {
        // The bound on a connection's output acts between lines, so a batch needs its own.
        const auto one = answers.size() <= protocol::kMaxUnsent
                             ? answer_one(commands, requester, request)
                             : not_run(request);
        if (one) answers += (answers.empty() ? "[" : ",") + text(*one);
    }
    return answers.empty() ? answers : answers + "]";
}

}  // namespace

std::string error_answer(int code, std::string_view message) {
    return text(error_object(nullptr, {code, std::string(message), {}}));
}

std::string answer(const std::vector<Command>& commands, const Requester& requester, std::string_view line) {
    if (const std::string fault = scan(line); !fault.empty())
        return error_answer(protocol::kParseError, "parse error: " + fault);
    json request;
    const std::optional<std::string> twice = repeated_key(line);
    try {
        request = json::parse(line);
    } catch (const json::exception& error) {
        return error_answer(protocol::kParseError, sentence(error.what()));
    }
    if (twice)
        return error_answer(protocol::kInvalidRequest,
                            fmt::format("invalid request: the key {} is given twice", base::shown(*twice)));
    if (request.is_array()) return answer_batch(commands, requester, request);
    const auto one = answer_one(commands, requester, request);
    return one ? text(*one) : std::string();
}

}  // namespace sluice::control
