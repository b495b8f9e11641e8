#include "engine/applied_objects.h"

#include <unistd.h>

#include <cerrno>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "kube/manifest.h"

namespace sluice::engine {
namespace {

using kube::Key;
using kube::Object;
using kube::Stored;
using nlohmann::json;

// The file is not rewritten for up to so many bytes that are void.
constexpr uint64_t kMostVoid = 4 << 20;

std::string dump(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json places_of(const std::vector<kube::PolicyRule>& rules) {
    json places = json::array();
    for (const kube::PolicyRule& rule : rules) places.push_back({rule.place.line, rule.place.column});
    return places;
}

// {"file": …, "object": …}. The object's own text is put in as it is.
std::string text_of(const Object& object) {
    json about{{"file", object.place.file}, {"line", object.place.line}, {"column", object.place.column}};
    if (object.key.kind == kube::Kind::kNetworkPolicy) {
        about["rules"] = {{"ingress", places_of(object.policy().ingress)},
                          {"egress", places_of(object.policy().egress)}};
    }
    std::string text = dump(about);
    text.pop_back();
    return text + ",\"object\":" + object.json + "}";
}

json json_of(const Key& key) {
    return {{"kind", base::word_of(key.kind)}, {"namespace", key.name_space}, {"name", key.name}};
}

int number_of(const json& value) {
    return value.is_number_integer() ? value.get<int>() : 0;
}

void set_places(std::vector<kube::PolicyRule>& rules, const json& places, const base::Place& of_object) {
    for (size_t i = 0; i < rules.size(); ++i) {
        rules[i].place = of_object;
        const bool has_place =
            places.is_array() && i < places.size() && places[i].is_array() && places[i].size() == 2;
        if (!has_place) continue;
        rules[i].place.line = number_of(places[i][0]);
        rules[i].place.column = number_of(places[i][1]);
    }
}

// As nlohmann's value(), but null for what is not an object at all.
const json& field(const json& value, const char* name) {
    static const json kNull;
    const auto found = value.is_object() ? value.find(name) : value.end();
    return value.is_object() && found != value.end() ? *found : kNull;
}

std::string string_of(const json& value) {
    return value.is_string() ? value.get<std::string>() : std::string();
}

// "the NetworkPolicy 'api' of namespace 'shop'", as far as the object says so.
std::string named(const json& object) {
    const json& metadata = field(object, "metadata");
    const std::string kind = string_of(field(object, "kind"));
    const std::string space = string_of(field(metadata, "namespace"));
    return fmt::format("the {} {}{}", kind.empty() ? "object" : base::escaped(kind.substr(0, 64)),
                       base::shown(string_of(field(metadata, "name"))),
                       space.empty() ? "" : " of namespace " + base::shown(space));
}

}  // namespace

class AppliedObjects::Loader {
 public:
    explicit Loader(AppliedObjects& to) : to_(to) {}

    void load(std::string_view text) {
        for (int line = 1; !text.empty(); ++line) {
            const size_t end = text.find('\n');
            if (end == text.npos) {
                to_.cut_ = {"is cut off: the line has no end, and is not in force", {}, {to_.file_, line, 1}};
                break;
            }
            read(text.substr(0, end), line);
            text.remove_prefix(end + 1);
        }
        for (auto& [key, stored] : objects_) to_.objects_.push_back(std::move(stored));
    }

 private:
    void read(std::string_view text, int line) {
        const json change = json::parse(text, nullptr, false);
        const json& applied = field(change, "apply");
        const json& deleted = field(change, "delete");
        if (!applied.is_array() && !deleted.is_array()) {
            if (!text.empty()) report(line, "is no change of objects that this sluiced writes");
            return;
        }
        for (const json& each : deleted) remove(each, line);
        const json& time = field(change, "time");
        for (const json& each : applied) {
            apply(each, time.is_number_integer() ? time.get<int64_t>() : 0, line);
        }
    }

    void apply(const json& each, int64_t time, int line) {
        const json& text = field(each, "object");
        auto read = object_of(text);
        if (!read) {
            auto closed = closed_policy(text);
            report(line, fmt::format("{} {}: {}", named(text),
                                     closed ? "allows nothing until it is applied again" : "is not in force",
                                     read.error()));
            if (!closed) return;
            read = std::move(*closed);
        }
        Object object = std::move(*read);
        object.place = {string_of(field(each, "file")), number_of(field(each, "line")),
                        number_of(field(each, "column"))};
        if (object.key.kind == kube::Kind::kNetworkPolicy) {
            auto& policy = std::get<kube::NetworkPolicy>(object.spec);
            const json& rules = field(each, "rules");
            set_places(policy.ingress, field(rules, "ingress"), object.place);
            set_places(policy.egress, field(rules, "egress"), object.place);
        }
        const Key key = object.key;
        to_.has_void_ =
            !objects_.insert_or_assign(key, Stored{std::move(object), false, time}).second || to_.has_void_;
    }

    static tl::expected<Object, std::string> object_of(const json& text) {
        auto read = kube::parse_manifest(dump(text), {}, kube::UnknownKinds::kRefuse);
        if (!read) return tl::unexpected(read.error().front().message);
        if (read->objects.size() != 1) return tl::unexpected(std::string("is no object"));
        return std::move(read->objects.front());
    }

    // What stands for a policy that can't be read, so that its pods don't lie open: it allows nothing in both
    // directions, to the pods that the policy selects, or to all pods of its namespace if that can't be read.
    static std::optional<Object> closed_policy(const json& text) {
        if (string_of(field(text, "kind")) != base::word_of(kube::Kind::kNetworkPolicy)) return std::nullopt;
        for (const json& selector : {field(field(text, "spec"), "podSelector"), json::object()}) {
            const json closed{{"apiVersion", "networking.k8s.io/v1"},
                              {"kind", base::word_of(kube::Kind::kNetworkPolicy)},
                              {"metadata",
                               {{"name", field(field(text, "metadata"), "name")},
                                {"namespace", field(field(text, "metadata"), "namespace")}}},
                              {"spec", {{"podSelector", selector}, {"policyTypes", {"Ingress", "Egress"}}}}};
            if (auto object = object_of(closed)) return std::move(*object);
        }
        return std::nullopt;
    }

    void remove(const json& each, int line) {
        to_.has_void_ = true;
        const auto kind = kube::find_kind(string_of(field(each, "kind")));
        if (!kind) return report(line, "deletes an object of a kind that this sluiced doesn't know");
        objects_.erase({*kind, string_of(field(each, "namespace")), string_of(field(each, "name"))});
    }

    void report(int line, std::string message) {
        if (to_.lost_.size() < base::kMaxErrors) {
            to_.lost_.push_back({std::move(message), {}, {to_.file_, line, 1}});
        }
    }

    AppliedObjects& to_;
    std::map<Key, Stored> objects_;
};

AppliedObjects AppliedObjects::load(const std::string& state) {
    AppliedObjects objects;
    if (state.empty()) return objects;
    objects.file_ = state + ".objects";
    if (access(objects.file_.c_str(), F_OK) != 0 && errno == ENOENT) return objects;
    const auto text = base::read_file(objects.file_, base::Reading::kState);
    if (!text) {
        objects.lost_ = text.error();
        return objects;
    }
    objects.size_ = text->size();
    Loader(objects).load(*text);
    return objects;
}

base::Errors AppliedObjects::faults() const {
    base::Errors faults = lost_;
    if (cut_) faults.push_back(*cut_);
    return faults;
}

std::vector<Stored> AppliedObjects::restore() {
    std::vector<Stored> objects = std::exchange(objects_, {});
    const base::Errors faults = this->faults();
    if (!faults.empty()) {
        for (const base::Error& fault : faults) base::log::error("state", "{}", fault.text());
        if (auto name = base::put_aside(file_); !name) {
            base::log::error("state", "{}: no object can be applied", name.error().text());
            is_blocked_ = true;
            return objects;
        } else {
            base::log::error("state",
                             "{} can't be read as a whole: it is kept as {}, and the rest of it is in force",
                             file_, *name);
        }
    }
    lost_.clear();
    cut_.reset();
    if (!faults.empty() || has_void_) {
        std::vector<const Stored*> kept;
        for (const Stored& stored : objects) kept.push_back(&stored);
        if (auto done = compact(kept); !done) {
            base::log::warning("state", "{}", done.error().text());
            is_blocked_ = !faults.empty();  // a line would continue one that is cut off
        }
    }
    valid_ = size_;
    return objects;
}

base::Result<void> AppliedObjects::apply(const std::vector<Object>& objects, int64_t now) {
    std::string line = fmt::format("{{\"time\":{},\"apply\":[", now);
    for (const Object& object : objects) {
        if (line.back() != '[') line += ',';
        line += text_of(object);
    }
    return append(line + "]}\n");
}

base::Result<void> AppliedObjects::remove(const std::vector<Key>& keys) {
    json list = json::array();
    for (const Key& key : keys) list.push_back(json_of(key));
    return append(dump({{"delete", list}}) + "\n");
}

base::Result<void> AppliedObjects::append(const std::string& line) {
    if (file_.empty()) return {};
    if (is_blocked_) {
        return base::fail(
            "{} has lines that can't be read, and can't be written anew: correct or remove it, and "
            "restart sluiced",
            file_);
    }
    const auto before = base::append_to_file(file_, line);
    if (!before) return tl::unexpected(before.error().within("keeping the objects"));
    is_foreign_ = is_foreign_ || *before != size_;
    size_ = *before + line.size();
    return {};
}

void AppliedObjects::tidy(const kube::Store& store) {
    if (is_blocked_) return;
    if (is_foreign_) {
        base::log::warning("state", "{} was changed or removed by another program: it is written anew", file_);
    } else if (size_ <= 2 * valid_ + kMostVoid) {
        return;
    }
    const auto applied = store.applied();
    std::vector<const Stored*> kept;
    for (const kube::SharedStored& stored : applied) kept.push_back(stored.get());
    if (auto done = compact(kept); !done) base::log::warning("state", "{}", done.error().text());
}

base::Result<void> AppliedObjects::compact(const std::vector<const Stored*>& objects) {
    std::string text;
    for (const Stored* stored : objects) {
        text += fmt::format("{{\"time\":{},\"apply\":[{}]}}\n", stored->applied_at, text_of(stored->object));
    }
    auto done = base::replace_file(file_, text);
    if (done) {
        size_ = valid_ = text.size();
        is_foreign_ = false;
    }
    return done;
}

}  // namespace sluice::engine
