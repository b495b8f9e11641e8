#include "sluicectl/run.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <optional>
#include <ostream>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "sluice/client.h"
#include "sluice/protocol.h"
#include "sluicectl/command_line.h"
#include "sluicectl/help.h"
#include "sluicectl/params.h"
#include "sluicectl/print.h"
#include "sluicectl/rates.h"
#include "sluicectl/wrap.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

// Moves the cursor home and erases the screen below it (ECMA-48).
constexpr const char* kClear = "\033[H\033[J";

// The destinations of answers and errors, and their format.
struct Outputs {
    std::ostream& out;
    std::ostream& err;
    bool json = false;
    bool one_line = false;  // write each JSON answer as one line, as several follow each other
    Screen screen = {};
};

void write_json(const json& value, const Outputs& to) {
    to.out << value.dump(to.one_line ? -1 : 2, ' ', false, json::error_handler_t::replace) << "\n";
}

// A parameter's name on the command line: --domain for an option, PREFIX for a word. A path that is no parameter
// stays as it is.
std::string written_name(const Verb& verb, const std::string& path) {
    std::istringstream words{std::string(verb.arguments)};
    for (std::string word; words >> word;) {
        const protocol::Parameter* parameter = parameter_of(verb, word);
        if (parameter != nullptr && parameter->name == path) {
            return word.starts_with("--") ? word : std::string(parameter->placeholder);
        }
    }
    return path;
}

// Prints each error of data.errors on a line. False: there is none.
bool print_errors(const json& data, const Verb* verb, std::ostream& err,
                  const json& code = nullptr) {
    const auto errors = data.is_object() ? data.find("errors") : data.end();
    if (errors == data.end() || !errors->is_array() || errors->empty()) return false;
    for (const json& error : *errors) {
        const auto path = error.find("path");
        // The message about a parameter has the parameter's name in it.
        const bool has_path = path != error.end() && path->is_string() && code != protocol::kInvalidParams;
        std::string name = has_path ? path->get<std::string>() : "";
        if (verb != nullptr) name = written_name(*verb, name);
        const base::Error one{error.at("message"), std::move(name), place_of(error)};
        err << base::escaped(one.text()) << "\n";
    }
    return true;
}

const char* kind_of(int status) {
    switch (status) {
        case kUsage: return "usage";
        case kNotReached: return "not-reached";
        default: return "failed";
    }
}

// `data`: that of the error answer to the verb's request.
int complain(int status, const std::string& message, const Outputs& to, const Verb* verb = nullptr,
             const json& data = nullptr, const json& code = nullptr) {
    if (to.json) {
        const bool has_errors = data.is_object() && data.contains("errors");
        write_json({{"error",
                     {{"kind", kind_of(status)},
                      {"message", message},
                      {"code", code},
                      {"errors", has_errors ? data.at("errors") : json::array()}}}},
                   to);
    } else if (!print_errors(data, verb, to.err, code)) {
        to.err << "sluicectl: " << base::escaped(message) << "\n";
    }
    return status;
}

int complain(const CallError& error, const Verb& verb, const Outputs& to) {
    return complain(error.kind == CallError::Kind::kNotReached ? kNotReached : kFailed,
                    error.message, to, &verb, error.data,
                    error.code == 0 ? json() : json(error.code));
}

// An answer and the time when it came, with which --watch compares the next answer.
struct Earlier {
    json answer;
    std::chrono::steady_clock::time_point time;
};

int call(const CommandLine& line, const char* socket_variable, const Outputs& to,
         std::optional<Earlier>* earlier = nullptr) {
    const auto params = params_of(*line.verb, line.arguments);
    if (!params) return complain(params.error().status, params.error().message, to);

    const bool from_environment = socket_variable && *socket_variable;
    const std::string socket = line.socket.value_or(from_environment ? socket_variable : protocol::kDefaultSocket);
    if (line.verb->connects != nullptr) {
        Output output{to.out, to.err, line.json};
        const auto status = line.verb->connects(socket, *params, output);
        return status ? *status : complain(status.error(), *line.verb, to);
    }
    // A change may open many ports, or load many routes. The start of a capture or of a live trace waits until
    // such a change is done.
    constexpr double kPatience = 10;
    constexpr double kPatienceForChanges = 300;
    const bool streams = line.verb->streams(line.arguments);
    const double limit = line.timeout.value_or(line.verb->changes || streams ? kPatienceForChanges : kPatience);
    // To Client 0 is no limit, so a limit below a millisecond becomes one millisecond.
    const int64_t milliseconds = std::max<int64_t>(limit > 0, static_cast<int64_t>(limit * 1000));
    auto client = Client::connect(socket, std::chrono::milliseconds(milliseconds));
    if (!client) return complain(client.error(), *line.verb, to);
    if (streams) {
        Output output{to.out, to.err, line.json};
        const auto status = line.verb->stream(*client, *params, line.arguments, output);
        return status ? *status : complain(status.error(), *line.verb, to);
    }
    auto result = line.verb->call != nullptr ? line.verb->call(*client, *params)
                                             : client->call(line.verb->method, *params);
    if (!result) return complain(result.error(), *line.verb, to);
    if (earlier != nullptr) {
        const auto now = std::chrono::steady_clock::now();
        Earlier latest{*result, now};
        if (*earlier)
            add_rates(*result, (*earlier)->answer, std::chrono::duration<double>(now - (*earlier)->time).count());
        *earlier = std::move(latest);
    }

    // The result of a check has the mistakes that the check has found.
    const bool erroneous = result->is_object() && result->contains("errors") && !result->at("errors").empty();
    if (to.json)
        write_json(*result, to);
    else if (erroneous)
        print_errors(*result, line.verb, to.err);
    else
        to.out << line.verb->print(*result, line.arguments);
    return erroneous ? kFailed : kDone;
}

// "2026-11-29 16:04:05  sluicectl port list  (every 1 s)"
std::string heading(const CommandLine& line) {
    const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    tm local{};
    localtime_r(&now, &local);
    char clock[32];
    strftime(clock, sizeof clock, "%F %T", &local);
    return fmt::format("{}  sluicectl {}  (every {} s)\n\n", clock, line.verb->words, *line.watch);
}

// Repeats the request until the user interrupts. After a failure it goes on: sluiced may be restarting.
int watch(const CommandLine& line, const char* socket_variable, const Outputs& to, const Pause& pause) {
    int status = kDone;
    std::optional<Earlier> earlier;
    do {
        std::ostringstream page;
        if (!line.json && to.screen.is_terminal) page << kClear;
        if (!line.json) page << heading(line);
        status =
            call(line, socket_variable,
                 {.out = page, .err = page, .json = line.json, .one_line = true, .screen = to.screen}, &earlier);
        // On a terminal each page replaces the one before; elsewhere an empty line separates them.
        if (!line.json && !to.screen.is_terminal) page << "\n";
        if (!(to.out << page.str()).flush()) return kFailed;
    } while (pause(*line.watch));
    return status;
}

}  // namespace

Screen screen_of(int descriptor) {
    if (isatty(descriptor) == 0) return {};
    winsize size{};
    const bool is_known = ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col != 0;
    return {.is_terminal = true, .width = is_known ? size.ws_col : kScreenWidth};
}

bool sleep_for(double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    return true;
}

int run(const std::vector<std::string>& words, const char* socket_variable, std::ostream& out,
        std::ostream& err, const Pause& pause, Screen screen) {
    Outputs to{
        .out = out, .err = err, .json = std::ranges::find(words, "--json") != words.end(), .screen = screen};
    auto line = parse(words);
    if (!line) {
        complain(kUsage, line.error().message, to);
        if (!to.json) err << line.error().usage;
        return kUsage;
    }
    line->arguments.width = screen.width;
    int status = kDone;
    if (line->help) {
        if (line->protocol && line->json)
            out << describe_protocol().dump(2) << "\n";
        else
            out << (line->protocol ? help_of_protocol() : line->verb ? help_of(*line->verb) : help());
    } else if (line->version) {
        out << "sluicectl " << SLUICE_VERSION << "\n";
    } else if (line->verbs) {
        out << list_verbs();
    } else {
        try {
            status = line->watch ? watch(*line, socket_variable, to, pause) : call(*line, socket_variable, to);
        } catch (const json::exception& error) {
            return complain(kFailed,
                            "the answer isn't what this sluicectl expects (are both of one "
                            "version? --json shows it as it is): " +
                                std::string(error.what()),
                            to);
        }
    }
    if (!out.flush()) return complain(kFailed, "the output can't be written", to);
    return status;
}

}  // namespace sluice::sluicectl
