#include "mirror/mirror_config.h"

#include <map>

#include "wire/filter.h"

namespace sluice::mirror {

// To compile a filter is work, and anyone who may ask can send a text of filters.
bool check(const std::vector<MirrorConfig>& mirrors, base::Mistakes& mistakes) {
    constexpr size_t kMostMirrors = 64;
    const auto report_excess = [&](size_t i) {
        mistakes.report({"mirrors", i}, mirrors[i].place, "is one mirror too many: there may be {}", kMostMirrors);
    };
    if (mirrors.size() > kMostMirrors && !mistakes.is_added("mirrors", kMostMirrors)) {
        report_excess(kMostMirrors);
        return false;
    }
    std::map<std::string_view, const MirrorConfig*> named;
    for (size_t i = 0; i < mirrors.size() && !mistakes.is_full(); ++i) {
        const MirrorConfig& mirror = mirrors[i];
        if (i >= kMostMirrors) {
            report_excess(i);
            continue;
        }
        if (auto [first, fresh] = named.emplace(mirror.name, &mirror); !fresh && !mirror.name.empty()) {
            mistakes.report({"mirrors", i, "name"}, mirror.place,
                            "mirror {} is declared already, at {}: give one another name", mirror.name,
                            origin(first->second->place));
        }
        for (size_t f = 0; f < mirror.from.size(); ++f) {
            if (mirror.from[f] != mirror.to) continue;
            mistakes.report({"mirrors", i, "from", f}, mirror.place, "{} would be mirrored to itself", mirror.to);
        }
        if (auto filter = wire::Filter::compile(mirror.filter); !filter) {
            mistakes.report({"mirrors", i, "filter"}, mirror.place, "{}", filter.error().message);
        }
    }
    return true;
}

}  // namespace sluice::mirror
