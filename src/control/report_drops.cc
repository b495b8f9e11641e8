#include "control/report_drops.h"

#include <algorithm>

#include "base/none.h"
#include "base/text.h"
#include "control/report.h"
#include "explain/wall_clock.h"
#include "wire/summary.h"

namespace sluice::control {
namespace {

using nlohmann::json;
using path::DropRecord;

struct Noted {
    size_t worker;
    DropRecord record;
};

json record_json(const engine::Switch& running, const explain::WallClock& clock, const Noted& noted) {
    const DropRecord& record = noted.record;
    json decided_by = json::array();
    for (const auto& object : explain::deciders_of(running, record)) decided_by.push_back(to_json(object));
    const auto neighbor = explain::neighbor_of(running, record);
    return {{"time", clock.seconds(record.time)},
            {"worker", noted.worker},
            {"port", base::or_none(explain::place_name(running, record.port, record.time))},
            {"ingress", base::or_none(explain::place_name(running, record.ingress, record.time))},
            {"egress", base::or_none(explain::place_name(running, record.egress, record.time))},
            {"neighbor", neighbor ? json(neighbor->text()) : json()},
            {"network", base::or_none(explain::network_name(running, record.network, record.time))},
            {"reason", text(record.reason).name},
            {"decided-by", decided_by},
            {"packets", record.count},
            {"length", record.length},
            {"packet", record.length == 0
                           ? json()
                           : json(wire::summary({record.bytes.data(), record.size}, record.length))}};
}

base::Errors mistakes(const engine::Switch& running, const DropQuery& query) {
    base::Errors errors;
    const auto names = place_names(running);
    const bool is_place = std::any_of(names.begin(), names.end(),
                                      [&](const auto& place) { return place.second == query.port; });
    if (!query.port.empty() && !is_place) {
        errors.push_back({fmt::format("there is no port {}", base::shown(query.port)), {}, {}});
    }
    std::vector<std::string_view> reasons;
    for (const path::DropText& reason : path::kDropTexts) reasons.push_back(reason.name);
    if (!query.reason.empty() && std::find(reasons.begin(), reasons.end(), query.reason) == reasons.end()) {
        const auto near = base::nearest(query.reason, reasons);
        errors.push_back({fmt::format("there is no reason {}{}", base::shown(query.reason),
                                      near ? fmt::format("; did you mean '{}'?", *near) : ""),
                          {},
                          {}});
    }
    return errors;
}

}  // namespace

json report_drops(const engine::Switch& running, const DropQuery& query) {
    json drops = json::array();
    for (const auto& [id, name] : place_names(running)) {
        if (!query.port.empty() && name != query.port) continue;
        for (size_t reason = 0; reason < path::kDropCount; ++reason) {
            if (!query.reason.empty() && path::kDropTexts[reason].name != query.reason) continue;
            const uint64_t count = dropped(running, id, static_cast<path::Drop>(reason));
            if (count == 0) continue;
            drops.push_back({{"port", name},
                             {"reason", path::kDropTexts[reason].name},
                             {"packets", count},
                             {"background", static_cast<path::Drop>(reason) == path::Drop::kBackground},
                             {"meaning", path::kDropTexts[reason].sentence}});
        }
    }
    return {{"drops", drops}};
}

json report_last_drops(const engine::Switch& running, const DropQuery& query) {
    std::vector<Noted> found;
    const auto take = [&](size_t worker, const path::DropLog& log) {
        for (const DropRecord& record : log.recent()) {
            if (!query.reason.empty() && text(record.reason).name != query.reason) continue;
            if (!query.port.empty() &&
                explain::place_name(running, record.port, record.time) != query.port) {
                continue;
            }
            found.push_back({worker, record});
        }
    };
    const bool background = query.all || query.reason == text(path::Drop::kBackground).name;
    for (size_t worker = 0; worker < running.workers().size(); ++worker) {
        const path::Counters& counters = running.workers()[worker]->counters();
        take(worker, counters.log);
        if (background) take(worker, counters.background);
    }
    std::stable_sort(found.begin(), found.end(), [](const Noted& a, const Noted& b) {
        return a.record.time < b.record.time;
    });
    const auto clock = explain::WallClock::now();
    json drops = json::array();
    for (size_t i = found.size() - std::min(found.size(), query.last); i < found.size(); ++i) {
        drops.push_back(record_json(running, clock, found[i]));
    }
    return {{"drops", drops}};
}

Answer drops(Running& daemon, const json& params) {
    const std::string port = text_of(params, "port");
    const std::string reason = text_of(params, "reason");
    const uint64_t last = number_of(params, "last", 0);
    const DropQuery query{port, reason, last, flag_of(params, "all")};
    if (auto waiting = if_waiting(daemon, port)) return *waiting;
    if (auto errors = mistakes(daemon.running, query); !errors.empty()) return refused(errors);
    if (query.all && query.last == 0) {
        return invalid("the parameter 'all' needs 'last'; counts always include background, in its own row");
    }
    if (query.last == 0) return report_drops(daemon.running, query);
    return report_last_drops(daemon.running, query);
}

}  // namespace sluice::control
