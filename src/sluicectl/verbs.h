// The table of sluicectl's verbs. Parsing, help, completion and printing all read it. An argument of a verb is
// either a parameter of its method, by its name in sluice/methods.h, which has its type and meaning:
//
//     name                 a word
//     --network            an option
//
// or an argument that sluicectl itself reads, written as in the help and explained in the verb's row:
//
//     NAME                 one word
//     [FILE]               one word, or none
//     KEY=VALUE...         one word or more
//     [--live FILTER]      an option with a value
//     [--last]             an option without
//     [--wait[=S]]         an option with a value or without
//     [-f FILTER]          a short option, with a value
//     [-A]                 a short option without
#pragma once

#include <iosfwd>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "sluice/client.h"
#include "sluice/methods.h"

namespace sluice::sluicectl {

// Exit statuses.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;  // refused or failed
inline constexpr int kUsage = 2;
inline constexpr int kNotReached = 3;

struct Problem {
    int status;
    std::string message;
};

// The words and options behind the verb.
struct Arguments {
    std::vector<std::string> words;
    // Values by option. Names have no dashes, but short ones do: "-f". An option without a value has "".
    std::map<std::string, std::string> options;
    std::vector<std::string> files = {};  // of each -f
    size_t width = 0;  // of the terminal; 0: don't break lines
};

// The output of a verb that does more than print one answer.
struct Output {
    std::ostream& out;
    std::ostream& err;
    bool json;
};

// An argument that sluicectl itself reads.
struct OwnArgument {
    std::string_view argument;  // "--live FILTER"
    std::string_view meaning;
};

struct Verb {
    std::string_view words;  // "port list"
    std::string_view arguments;
    std::string_view summary;
    std::string_view example;  // the command line behind "sluicectl"
    const char* method;
    // The request's parameters; null: the arguments are all parameters.
    tl::expected<nlohmann::json, Problem> (*params)(const Arguments& arguments);
    std::string (*print)(const nlohmann::json& result, const Arguments& arguments);
    bool changes = false;  // the switch: --watch doesn't repeat it
    // In place of the one request, if the verb needs several.
    tl::expected<nlohmann::json, CallError> (*call)(Client& client, const nlohmann::json& params) = nullptr;
    // In place of the request and of print(), for a verb that runs on. Returns the exit status.
    tl::expected<int, CallError> (*stream)(Client& client, const nlohmann::json& params,
                                           const Arguments& arguments, Output& output) = nullptr;
    const char* stream_option = nullptr;  // the option that asks for stream(); null: the verb always streams
    std::span<const OwnArgument> own = {};
    // In place of all these: connects by itself, because sluiced may not be running yet. Returns the exit status.
    tl::expected<int, CallError> (*connects)(const std::string& socket, const nlohmann::json& params,
                                             Output& output) = nullptr;

    bool streams(const Arguments& given) const {
        return stream != nullptr && (stream_option == nullptr || given.options.contains(stream_option));
    }
};

std::span<const Verb> verbs();

// A group of verbs in the overview: from its first verb up to the next group's first.
struct Group {
    std::string_view title;
    std::string_view first;
};
std::span<const Group> groups();

// A verb's arguments as the help shows them: "NAME [--network NETWORK]".
std::string arguments_of(const Verb& verb);

// The method's parameter that this word of a verb's arguments means; null: sluicectl reads it itself.
const protocol::Parameter* parameter_of(const Verb& verb, std::string_view word);

// The number of words that a verb takes, and its options.
struct Shape {
    size_t min = 0;
    size_t max = 0;
    std::vector<std::string> options;  // with a value
    std::vector<std::string> flags;    // without
    std::vector<std::string> either;   // with or without
};
Shape shape_of(const Verb& verb);

}  // namespace sluice::sluicectl
