// What sluicectl can do, one row a verb: parsing, help, completion and printing all read this
// table. A verb's arguments are parameters of its method, by their names in sluice/methods.h, which says what
// they are and what they mean:
//
//     name                 a word
//     --network            an option
//
// or arguments that sluicectl itself reads, written as people see them and explained in the verb's row:
//
//     NAME                 one word
//     [FILE]               one word, or none
//     KEY=VALUE...         one word or more
//     [--live FILTER]      an option with a value
//     [--last]             an option without
//     [--wait[=S]]         an option with a value or without
//     [-f FILTER]          a short option, with a value
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

// What follows the verb.
struct Arguments {
    std::vector<std::string> words;
    // Without the dashes, but "-f" for a short one; "" for one without a value.
    std::map<std::string, std::string> options;
    size_t width = 0;  // of the terminal that is printed on; 0: lines as long as they come
};

// Where a verb that does more than print one answer writes to.
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
    std::string_view example;  // what follows "sluicectl"
    const char* method;
    // The request's parameters; null: the arguments are all parameters.
    tl::expected<nlohmann::json, Problem> (*params)(const Arguments& arguments);
    std::string (*print)(const nlohmann::json& result, const Arguments& arguments);
    bool changes = false;  // something: not to be done again and again (--watch)
    // In place of one request with these parameters.
    tl::expected<nlohmann::json, CallError> (*call)(Client& client, const nlohmann::json& params) = nullptr;
    // In place of a request and of print, which is null if it always does; answers the exit status.
    tl::expected<int, CallError> (*stream)(Client& client, const nlohmann::json& params,
                                           const Arguments& arguments, Output& output) = nullptr;
    const char* stream_option = nullptr;  // with which alone it does that; null: always
    std::span<const OwnArgument> own = {};
    // In place of all that: connects by itself, as sluiced may not be there yet; answers the exit status.
    tl::expected<int, CallError> (*connects)(const std::string& socket, const nlohmann::json& params,
                                             Output& output) = nullptr;

    bool streams(const Arguments& given) const {
        return stream != nullptr && (stream_option == nullptr || given.options.contains(stream_option));
    }
};

std::span<const Verb> verbs();

// For the overview: the verbs from this one on, up to the next group's.
struct Group {
    std::string_view title;
    std::string_view first;
};
std::span<const Group> groups();

// A verb's arguments with its parameters as people see them: "NAME [--network NETWORK]".
std::string arguments_of(const Verb& verb);

// The method's parameter that this word of a verb's arguments is; null for sluicectl's own.
const protocol::Parameter* parameter_of(const Verb& verb, std::string_view word);

// How many words a verb takes, and its options.
struct Shape {
    size_t min = 0;
    size_t max = 0;
    std::vector<std::string> options;  // with a value
    std::vector<std::string> flags;    // without
    std::vector<std::string> either;   // with or without
};
Shape shape_of(const Verb& verb);

}  // namespace sluice::sluicectl
