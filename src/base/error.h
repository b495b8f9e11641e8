// How the control side reports an error: a sentence for the operator, and the place in the configuration that it
// is about. Any thread; plain values. Data-plane code has verdicts, not errors.
#pragma once

#include <fmt/format.h>

#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace sluice::base {

// A place in a user's document: the file name as the user gave it, line and column from 1. Line 0 means "no
// place" (a command's argument, a default).
struct Place {
    std::string file;
    int line = 0;
    int column = 0;

    // Places do not count when configurations are compared.
    bool operator==(const Place&) const { return true; }
};

// Where an object of the configuration comes from, for people: "host.yaml:12:5", or "added" for what
// was added while running and stands in the state file.
std::string origin(const Place& place);
inline bool is_added(const Place& place) { return place.line == 0; }

struct Error {
    std::string message;  // a sentence without the place: "5000 is not a VLAN id (1 to 4094)"
    std::string path;     // the key's path, "ports[2].vlan"; empty where no key is concerned
    Place place;

    // "ports[2].vlan (host.yaml:41:11): 5000 is not a VLAN id (1 to 4094)"
    std::string text() const;

    // The same error with its context in front: "opening port web: …".
    Error within(std::string_view context) const {
        return {fmt::format("{}: {}", context, message), path, place};
    }
};

using Errors = std::vector<Error>;

// More mistakes than a person reads at a time. A reader stops when it has one more than these, so that a document
// full of mistakes takes no more time and memory than any other.
inline constexpr std::size_t kMaxErrors = 100;
inline bool is_full(const Errors& errors) {
    return errors.size() > kMaxErrors;
}
// If the list is full, keeps kMaxErrors of its errors and adds a line that says that there are more.
void limit(Errors& errors);

template <class T>
using Result = tl::expected<T, Error>;

template <class... Args>
tl::unexpected<Error> fail(fmt::format_string<Args...> format, Args&&... args) {
    return tl::unexpected(Error{fmt::format(format, std::forward<Args>(args)...), {}, {}});
}

// Like fail(), and appends the text of the errno that was set when it was called.
tl::unexpected<Error> fail_errno(std::string_view what);

}  // namespace sluice::base
