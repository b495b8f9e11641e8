#include "sluicectl/run.h"

#include <chrono>
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

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

// Cursor home, and erase what is below (ECMA-48).
constexpr const char* kClear = "\033[H\033[J";

// What each error of data.errors says, one a line; false where there is none.
bool print_errors(const json& data, std::ostream& err) {
    const auto errors = data.is_object() ? data.find("errors") : data.end();
    if (errors == data.end() || !errors->is_array() || errors->empty()) return false;
    for (const json& error : *errors) {
        const base::Error one{
            error.at("message"),
            error.value("path", ""),
            {error.value("file", ""), error.value("line", 0), error.value("column", 0)}};
        err << base::escaped(one.text()) << "\n";
    }
    return true;
}

int complain(int status, const std::string& message, std::ostream& err) {
    err << "sluicectl: " << base::escaped(message) << "\n";
    return status;
}

int complain(const CallError& error, std::ostream& err) {
    if (print_errors(error.data, err)) return kFailed;
    return complain(error.kind == CallError::Kind::kNotReached ? kNotReached : kFailed,
                    error.message, err);
}

int call(const CommandLine& line, const char* socket_variable, std::ostream& out,
         std::ostream& err) {
    const auto params = params_of(*line.verb, line.arguments);
    if (!params) return complain(params.error().status, params.error().message, err);

    const bool from_environment = socket_variable && *socket_variable;
    const std::string socket = line.socket.value_or(from_environment ? socket_variable : protocol::kDefaultSocket);
    if (line.verb->connects != nullptr) {
        Output output{out, err, line.json};
        const auto status = line.verb->connects(socket, *params, output);
        return status ? *status : complain(status.error(), err);
    }
    auto client = Client::connect(socket);
    if (!client) return complain(client.error(), err);
    if (line.verb->streams(line.arguments)) {
        Output output{out, err, line.json};
        const auto status = line.verb->stream(*client, *params, line.arguments, output);
        return status ? *status : complain(status.error(), err);
    }
    const auto result = line.verb->call != nullptr ? line.verb->call(*client, *params)
                                                   : client->call(line.verb->method, *params);
    if (!result) return complain(result.error(), err);

    // Errors can be a result too: those that a check was asked to find.
    const bool erroneous = print_errors(*result, err);
    if (line.json)
        // Watched, one answer is one line.
        out << result->dump(line.watch ? -1 : 2, ' ', false, json::error_handler_t::replace) << "\n";
    else if (!erroneous)
        out << line.verb->print(*result, line.arguments);
    return erroneous ? kFailed : kDone;
}

// The same again and again. What can't be answered now (sluiced restarts) may be the next time.
int watch(const CommandLine& line, const char* socket_variable, std::ostream& out, std::ostream& err,
          const Pause& pause) {
    int status = kDone;
    do {
        std::ostringstream page;
        status = call(line, socket_variable, page, line.json ? err : page);
        if (!line.json) out << kClear;
        if (!(out << page.str()).flush()) return kFailed;
    } while (pause(*line.watch));
    return status;
}

}  // namespace

bool sleep_for(double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    return true;
}

int run(const std::vector<std::string>& words, const char* socket_variable, std::ostream& out,
        std::ostream& err, const Pause& pause) {
    const auto line = parse(words);
    if (!line) {
        err << "sluicectl: " << line.error().message << "\n" << line.error().usage;
        return kUsage;
    }
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
            status = line->watch ? watch(*line, socket_variable, out, err, pause)
                                 : call(*line, socket_variable, out, err);
        } catch (const json::exception& error) {
            return complain(kFailed,
                            "the answer isn't what this sluicectl expects (are both of one "
                            "version? --json shows it as it is): " +
                                std::string(error.what()),
                            err);
        }
    }
    if (!out.flush()) return complain(kFailed, "the output can't be written", err);
    return status;
}

}  // namespace sluice::sluicectl
