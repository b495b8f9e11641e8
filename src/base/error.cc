#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace sluice::base {

std::string origin(const Place& place) {
    if (is_added(place)) return "added";
    return fmt::format("{}:{}:{}", place.file, place.line, place.column);
}

std::string Error::text() const {
    std::string where = place.file;  // all of it, if there is no line
    if (place.line > 0) {
        where = fmt::format("{}{}{}:{}", place.file, place.file.empty() ? "" : ":", place.line,
                            place.column);
    }
    if (path.empty() && where.empty()) return message;
    if (path.empty()) return fmt::format("{}: {}", where, message);
    if (where.empty()) return fmt::format("{}: {}", path, message);
    return fmt::format("{} ({}): {}", path, where, message);
}

void limit(Errors& errors) {
    if (!is_full(errors)) return;
    errors.resize(kMaxErrors);
    errors.push_back({fmt::format("there are more mistakes: these are {} of them", kMaxErrors),
                      {},
                      {errors.front().place.file, 0, 0}});
}

tl::unexpected<Error> fail_errno(std::string_view what) {
    // Read errno first: formatting may allocate and so change it.
    const int number = errno;
    return fail("{}: {}", what, std::generic_category().message(number));
}

}  // namespace sluice::base
