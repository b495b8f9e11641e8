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

// Answers are UTF-8. Strings from outside (interface names, file contents) may not be, so replace their bad bytes.
std::string text(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json error_object(const json& id, const RpcError& error) {
    json object = {{"code", error.code}, {"message", error.message}};
    if (!error.data.is_null()) object["data"] = error.data;
    return {{"jsonrpc", "2.0"}, {"id", id}, {"error", std::move(object)}};
}

// Finds what the JSON library can't cope with: it takes a NUL byte for the end of the text, and it recurses, so a
// line of brackets could exhaust the stack. Empty: the line has neither.
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
// the square of an array's size (nlohmann-json 3.11.2). The sets are ordered, because a client that chooses its
// keys can fill one bucket of a hash table.
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

// Names the first key that an object has twice. Such a text is ambiguous, and the library would silently keep the
// last value.
std::optional<std::string> repeated_key(std::string_view line) {
    KeyCheck check;
    (void)json::sax_parse(line, &check);
    return check.twice();
}

// The library's message, without the class in brackets, and shortened: it quotes what it has read.
std::string sentence(std::string_view message) {
    if (const size_t end = message.find("] "); end != message.npos) message.remove_prefix(end + 2);
    return std::string(message.substr(0, 200));
}

RpcError unknown_method(const std::vector<Command>& commands, std::string_view method) {
    // Without the limit any client could make us compare megabytes.
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

// Why the requester may not use this command; nothing: it may.
std::optional<RpcError> refusal(const Command& command, const Requester& requester, const json& params) {
    const protocol::Method& method = command.method;
    if (method.effect != protocol::Effect::kReads && requester.peer.access == Access::kRead)
        return RpcError{
            protocol::kDenied,
            fmt::format("{} {}, and you may only read: use root or a member of the "
                        "group that owns the socket",
                        method.name,
                        method.effect == protocol::Effect::kChanges ? "changes the switch" : "shows packets"),
            {}};
    if (!params.is_object())
        return RpcError{protocol::kInvalidParams, "params go by name: an object is expected", {}};
    if (auto mistakes = mistakes_in(params, method.parameters, requester.peer.access); !mistakes.empty())
        return invalid_params(method.name, mistakes);
    return std::nullopt;
}

Outcome unexpected(const protocol::Method& method, const std::exception& error) {
    return tl::unexpected(
        RpcError{protocol::kInternalError,
                 fmt::format("{} failed unexpectedly, please report it: {}", method.name, error.what()),
                 {}});
}

// The error for the log. The message "2 errors" says too little, so the first errors follow it.
std::string with_errors(const RpcError& error) {
    constexpr size_t kTold = 3;
    const auto errors = error.data.is_object() ? error.data.find("errors") : error.data.end();
    if (error.code != protocol::kFailed || errors == error.data.end() || errors->size() < 2)
        return error.message;
    std::string text = error.message;
    for (size_t i = 0; i < std::min(errors->size(), kTold); ++i) {
        const json& one = (*errors)[i];
        const auto text_at = [&](const char* key) {
            const auto value = one.find(key);
            return value != one.end() && value->is_string() ? value->get<std::string>() : std::string();
        };
        const auto number_at = [&](const char* key) {
            const auto value = one.find(key);
            return value != one.end() && value->is_number_integer() ? value->get<int>() : 0;
        };
        const base::Error told{text_at("message"), text_at("path"),
                               {text_at("file"), number_at("line"), number_at("column")}};
        text += (i == 0 ? ": " : "; ") + told.text();
    }
    return text;
}

const Command* find_command(const std::vector<Command>& commands, std::string_view method) {
    const auto found =
        std::ranges::find_if(commands, [&](const Command& one) { return one.method.name == method; });
    return found == commands.end() ? nullptr : &*found;
}

const json& params_of(const json& request) {
    static const json kNone = json::object();
    const auto params = request.find("params");
    return params == request.end() ? kNone : *params;
}

std::string fault_of(const json& request) {
    if (!request.is_object()) return "a request is an object";
    for (const auto& [name, value] : request.items()) {
        if (name == "jsonrpc" || name == "method" || name == "params" || name == "id") continue;
        return fmt::format("unknown member {}; a request has jsonrpc, method, params and id", base::shown(name));
    }
    if (!request.contains("jsonrpc") || request["jsonrpc"] != "2.0")
        return "\"jsonrpc\": \"2.0\" is missing";
    if (!request.contains("method") || !request["method"].is_string())
        return "\"method\" is missing or no string";
    if (request.contains("params") && !request["params"].is_structured())
        return "\"params\" is no object";
    return {};
}

// Whether this may be a request's id: JSON-RPC allows strings, numbers and null.
bool is_id(const json& id) {
    return id.is_string() || id.is_number() || id.is_null();
}

// The answers to the rest of a batch whose answers have become too large. Notifications get one too, because their
// sender would otherwise believe that they were carried out.
json not_run(const json& request) {
    const bool has_id = request.is_object() && request.contains("id") && is_id(request["id"]);
    return error_object(has_id ? request["id"] : json(),
                        {protocol::kInvalidRequest,
                         fmt::format("not carried out: the answers of this batch exceed {} bytes; "
                                     "ask one by one",
                                     protocol::kMaxUnsent),
                         {}});
}

// Why this is no batch; empty: it is one.
std::string fault_of_batch(const json& batch) {
    if (batch.empty()) return "an empty batch";
    if (batch.size() <= protocol::kMaxBatch) return {};
    return fmt::format("a batch of {} (at most {})", batch.size(), protocol::kMaxBatch);
}

}  // namespace

std::string error_answer(int code, std::string_view message) {
    return text(error_object(nullptr, {code, std::string(message), {}}));
}

Request::Request(const std::vector<Command>& commands, const Requester& requester, std::string_view line)
    : commands_(commands), requester_(requester) {
    if (const std::string fault = scan(line); !fault.empty()) {
        fault_ = error_answer(protocol::kParseError, "parse error: " + fault);
        return;
    }
    const std::optional<std::string> twice = repeated_key(line);
    try {
        content_ = json::parse(line);
    } catch (const json::exception& error) {
        fault_ = error_answer(protocol::kParseError, sentence(error.what()));
        return;
    }
    std::string fault;
    if (twice)
        fault = fmt::format("the key {} is given twice", base::shown(*twice));
    else if (content_.is_array())
        fault = fault_of_batch(content_);
    if (!fault.empty()) fault_ = error_answer(protocol::kInvalidRequest, "invalid request: " + fault);
}

std::optional<std::string> Request::step(bool is_gone) {
    if (!fault_.empty()) return fault_;
    if (!content_.is_array()) {
        const auto done = carry_out(content_, is_gone);
        if (!done) return std::nullopt;
        return done->is_null() ? std::string() : text(*done);
    }
    const json& one = content_[next_];
    // The limit of a connection's output is checked between lines, so a batch needs a limit of its own.
    const bool is_too_much = answers_.size() > protocol::kMaxUnsent;
    const auto done = is_too_much ? not_run(one) : carry_out(one, is_gone);
    if (!done) return std::nullopt;
    if (!done->is_null()) answers_ += (answers_.empty() ? "[" : ",") + text(*done);
    if (++next_ < content_.size()) return std::nullopt;
    return answers_.empty() ? std::string() : answers_ + "]";
}

// The answer; null for a notification; nothing: the request isn't finished.
std::optional<json> Request::carry_out(const json& request, bool is_gone) {
    std::string fault = fault_of(request);
    const bool has_id = request.is_object() && request.contains("id");
    if (has_id && !is_id(request["id"])) fault = "\"id\" is no string and no number";
    const json id = has_id && is_id(request["id"]) ? request["id"] : json();
    if (!fault.empty())
        return error_object(id, {protocol::kInvalidRequest, "invalid request: " + fault, {}});

    const auto& name = request["method"].get_ref<const std::string&>();
    const Command* command = find_command(commands_, name);
    const bool is_change = command != nullptr && command->method.effect == protocol::Effect::kChanges;
    if (is_gone && !is_change) {
        steps_ = nullptr;
        return json();
    }
    Outcome outcome;
    if (command == nullptr) {
        outcome = tl::unexpected(unknown_method(commands_, name));
    } else {
        auto some = steps_ ? go_on(*command) : begin(*command, params_of(request));
        if (!some) return std::nullopt;
        steps_ = nullptr;
        outcome = std::move(*some);
        log(*command, params_of(request), outcome);
    }
    if (!has_id) return json();
    if (!outcome) return error_object(id, outcome.error());
    return json{{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(*outcome)}};
}

std::optional<Outcome> Request::begin(const Command& command, const json& params) {
    if (auto refused = refusal(command, requester_, params)) return Outcome(tl::unexpected(std::move(*refused)));
    try {
        if (command.run_for) return command.run_for(params, requester_.caller);
        if (command.run) return command.run(params);
        steps_ = command.begin(params);
    } catch (const std::exception& error) {
        return unexpected(command.method, error);
    }
    return go_on(command);
}

std::optional<Outcome> Request::go_on(const Command& command) {
    try {
        return steps_();
    } catch (const std::exception& error) {
        return unexpected(command.method, error);
    }
}

void Request::log(const Command& command, const json& params, const Outcome& outcome) const {
    if (requester_.log == nullptr) return;
    if (outcome)
        requester_.log->done(requester_.peer, command.method, params, *outcome);
    else
        requester_.log->failed(requester_.peer, command.method, params, with_errors(outcome.error()));
}

std::string answer(const std::vector<Command>& commands, const Requester& requester, std::string_view line) {
    Request request(commands, requester, line);
    for (;;) {
        if (auto done = request.step()) return *done;
    }
}

}  // namespace sluice::control
