#include "control/objects.h"

#include <algorithm>

#include "base/none.h"
#include "control/answer.h"
#include "sluice/methods.h"

namespace sluice::control {
namespace {

using engine::ObjectKind;
using nlohmann::json;

tl::expected<engine::Batch, RpcError> batch_of(const json& params, engine::Wanted wanted) {
    const std::string file = text_of(params, "file");
    const auto document = base::parse_yaml(params.at("text").get_ref<const std::string&>(), file);
    if (!document) return refused(document.error());
    return engine::read_batch(*document, wanted);
}

// Adds the columns that every list of objects has.
json listed(json row, const base::Place& place) {
    row.update(json{{"origin", base::origin(place)}, {"state", "in-force"}, {"reason", nullptr}});
    return row;
}

void append(json& list, json rows) {
    for (json& row : rows) list.push_back(std::move(row));
}

}  // namespace

json changes_json(const std::vector<engine::Change>& changes) {
    json list = json::array();
    for (const auto& change : changes) {
        json keys = json::array();
        for (const auto& key : change.keys) {
            keys.push_back({{"key", key.key}, {"from", base::to_json(key.from)}, {"to", base::to_json(key.to)}});
        }
        list.push_back({{"action", word_of(change.action)},
                        {"object", change.object},
                        {"origin", base::or_none(change.origin)},
                        {"detail", base::or_none(change.detail)},
                        {"effect", word_of(change.effect)},
                        {"keys", std::move(keys)}});
    }
    return list;
}

Answer changed(Running& daemon, const engine::Changes& changes) {
    if (!changes) return refused(changes.error());
    return json{{"changes", changes_json(*changes)}, {"generation", daemon.running.generation()}};
}

Answer object_add(Running& daemon, ObjectKind kind, const json& params) {
    const base::Document object = base::from_json(params.at(std::string(engine::section_of(kind).word)));
    return changed(daemon, daemon.intent.add(daemon.running, kind, object, engine::Clock::now()));
}

Answer object_set(Running& daemon, ObjectKind kind, const json& params) {
    const base::Document keys = base::from_json(params.at("keys"));
    return changed(daemon, daemon.intent.set(daemon.running, {kind, text_of(params, "name")}, keys.root,
                                             engine::Clock::now()));
}

Answer object_delete(Running& daemon, ObjectKind kind, const json& params) {
    return changed(
        daemon, daemon.intent.remove(daemon.running, {kind, text_of(params, "name")}, engine::Clock::now()));
}

Answer batch_add(Running& daemon, const json& params) {
    const auto batch = batch_of(params, engine::Wanted::kObjects);
    if (!batch) return tl::unexpected(batch.error());
    return changed(daemon, daemon.intent.add(daemon.running, *batch, engine::Clock::now()));
}

Answer batch_delete(Running& daemon, const json& params) {
    const auto batch = batch_of(params, engine::Wanted::kNames);
    if (!batch) return tl::unexpected(batch.error());
    return changed(daemon, daemon.intent.remove(daemon.running, *batch, engine::Clock::now()));
}

json waiting_rows(const engine::Intent& intent, ObjectKind kind) {
    json rows = json::array();
    for (const auto& waiting : intent.waiting()) {
        if (waiting.object->kind() != kind) continue;
        rows.push_back({{"name", waiting.object->name()},
                        {"origin", "added"},
                        {"state", "waiting"},
                        {"reason", waiting.reason()}});
    }
    return rows;
}

Answer address_set_list(const Running& daemon) {
    json sets = json::array();
    for (const auto& set : daemon.running.config().address_sets) {
        json addresses = json::array();
        for (const auto& block : set.addresses) addresses.push_back(to_text(block));
        sets.push_back(listed({{"name", set.name}, {"addresses", std::move(addresses)}}, set.place));
    }
    json waiting = waiting_rows(daemon.intent, ObjectKind::kAddressSet);
    for (json& row : waiting) row["addresses"] = json::array();
    append(sets, std::move(waiting));
    return json{{"address-sets", std::move(sets)}};
}

Answer mirror_list(const Running& daemon) {
    json mirrors = json::array();
    for (const auto& mirror : daemon.running.config().mirrors) {
        mirrors.push_back(listed({{"name", mirror.name},
                                  {"from", mirror.from},
                                  {"to", mirror.to},
                                  {"direction", word_of(mirror.direction)},
                                  {"filter", base::or_none(mirror.filter)}},
                                 mirror.place));
    }
    json waiting = waiting_rows(daemon.intent, ObjectKind::kMirror);
    for (json& row : waiting) {
        row.update(json{{"from", json::array()}, {"to", nullptr}, {"direction", nullptr}, {"filter", nullptr}});
    }
    append(mirrors, std::move(waiting));
    return json{{"mirrors", std::move(mirrors)}};
}

}  // namespace sluice::control
