#include "sluicectl/wait.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ostream>
#include <thread>
#include <utility>

#include "base/text.h"
#include "sluice/protocol.h"
#include "sluicectl/params.h"
#include "sluicectl/print.h"
#include "sluicectl/table.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kPause{50};
constexpr milliseconds kLeastWait{100};  // to wait for an answer, even at the end of the time

milliseconds in_milliseconds(double seconds) {
    return milliseconds(static_cast<int64_t>(seconds * 1000));
}

bool is_up(const json& port) {
    return port.at("state") == "up";
}

// "down, its network namespace does not exist"
std::string state_of(const json& port) {
    return port.at("state").get<std::string>() +
           (has(port, "reason") ? ", " + port.at("reason").get<std::string>() : "");
}

// An error of our own in the form of one from the daemon.
tl::unexpected<CallError> not_in_time(CallError::Kind kind, std::string message) {
    return tl::unexpected(CallError{kind, std::move(message)});
}

void print(Output& output, const json& result, const std::string& text) {
    if (output.json) {
        output.out << result.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
    } else {
        output.out << text << "\n";
    }
}

// Whether a later attempt may succeed: the daemon may be busy, or the port may be added meanwhile.
bool may_succeed_later(const CallError& error) {
    return error.kind == CallError::Kind::kNotReached || error.code == protocol::kFailed ||
           error.code == protocol::kBusy;
}

// Sends one request and returns sluiced's answer.
tl::expected<json, CallError> request(const std::string& socket, const json& params, milliseconds limit) {
    auto client = Client::connect(socket, limit);
    if (!client) return tl::unexpected(client.error());
    if (params.contains("name")) return client->call(protocol::kPortShow, {{"name", params.at("name")}});
    return client->call(protocol::kStatus, json::object());
}

}  // namespace

tl::expected<int, CallError> wait_until(const std::string& socket, const json& params, Output& output) {
    const double seconds = params.at("timeout");
    const auto end = Clock::now() + in_milliseconds(seconds);
    const bool is_port = params.contains("name");
    bool is_told = output.json;
    for (;;) {
        const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
        const auto answer = request(socket, params, std::max(left, kLeastWait));
        if (answer && !is_port) {
            print(output, *answer, fmt::format("sluiced answers (process {})", answer->at("pid").get<int64_t>()));
            return kDone;
        }
        if (answer && is_up(answer->at("port"))) {
            print(output, *answer,
                  fmt::format("port {} is up", base::escaped(params.at("name").get<std::string>())));
            return kDone;
        }
        if (!answer && !may_succeed_later(answer.error())) return tl::unexpected(answer.error());
        if (Clock::now() >= end) {
            if (answer) {
                return not_in_time(CallError::Kind::kDaemon, fmt::format("port {} is not up after {} s: {}",
                                                                         params.at("name").get<std::string>(),
                                                                         seconds, state_of(answer->at("port"))));
            }
            return not_in_time(answer.error().kind,
                               fmt::format("after {} s: {}", seconds, answer.error().message));
        }
        // The port's name or the socket may be misspelt, so tell the user at once.
        if (!answer && !std::exchange(is_told, true)) {
            output.err << fmt::format("waiting up to {} s: {}\n", seconds, base::escaped(answer.error().message))
                       << std::flush;
        }
        std::this_thread::sleep_for(kPause);
    }
}

tl::expected<int, CallError> add_and_wait(Client& client, const json& params, const Arguments& arguments,
                                          Output& output) {
    auto added = client.call(protocol::kPortAdd, params);
    if (!added) return tl::unexpected(added.error());
    json& port = added->at("port");
    const double seconds = seconds_of("--wait", arguments.options.at("wait")).value_or(kDefaultWait);
    const auto end = Clock::now() + in_milliseconds(seconds);
    while (!is_up(port) && Clock::now() < end) {
        std::this_thread::sleep_for(kPause);
        auto shown = client.call(protocol::kPortShow, {{"name", port.at("name")}});
        if (!shown) return tl::unexpected(shown.error());
        port = shown->at("port");
    }
    if (output.json) {
        print(output, *added, "");
    } else {
        output.out << print_added(*added, arguments);
    }
    if (is_up(port)) return kDone;
    if (output.json) return kFailed;  // the answer has the state and the reason
    return not_in_time(CallError::Kind::kDaemon,
                       fmt::format("port {} is not up after {} s: {}", port.at("name").get<std::string>(), seconds,
                                   state_of(port)));
}

}  // namespace sluice::sluicectl
