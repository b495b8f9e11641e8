#include "control/change_log.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/counted.h"
#include "base/log.h"
#include "base/text.h"

namespace sluice::control {
namespace {

using nlohmann::json;
using protocol::Type;

constexpr size_t kLongest = 300;  // bytes of a request, and of its result

// Shortens a text without cutting a UTF-8 character in two. (The log escapes control characters.)
std::string cut(std::string text) {
    if (text.size() <= kLongest) return text;
    size_t size = kLongest;
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
    text.resize(size);
    return text + "…";
}

std::string dumped(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// An object's name, then its other keys: web {"netns":"web"}.
std::string object_text(json object) {
    std::string text;
    for (const char* key : {"name", "to"}) {
        const auto found = object.find(key);
        if (found == object.end() || !found->is_string()) continue;
        text = found->get<std::string>() + " ";
        object.erase(found);
        break;
    }
    return text + dumped(object);
}

// Of manifests, whose texts may be long.
std::string file_names(const json& files) {
    std::string text;
    for (const json& file : files) {
        if (text.size() > kLongest) break;
        const auto name = file.is_object() ? file.find("file") : file.end();
        if (!file.is_object() || name == file.end() || !name->is_string()) continue;
        text += (text.empty() ? "" : " ") + name->get<std::string>();
    }
    return text;
}

std::string value_text(const protocol::Parameter& parameter, const json& value) {
    if (parameter.type == Type::kContent && value.is_string()) {
        return fmt::format("{}=({} bytes)", parameter.name, value.get_ref<const std::string&>().size());
    }
    if (value.is_object()) return object_text(value);
    if (parameter.name == "files" && value.is_array()) return file_names(value);
    std::string text = value.is_string() ? value.get<std::string>() : dumped(value);
    // A required parameter needs no name: "port.delete web".
    if (parameter.need == protocol::Need::kRequired) return text;
    return fmt::format("{}={}", parameter.name, text);
}

// The part of the answer that the request doesn't say already.
std::string outcome(const protocol::Method& method, const json& result) {
    if (!result.is_object()) return {};
    std::string text;
    const auto add = [&](std::string_view what) { text += (text.empty() ? "" : ", ") + std::string(what); };
    // The requests of these methods don't name the changed objects.
    const bool changes_many = method.name == protocol::kConfigReload || method.name == protocol::kAdd ||
                              method.name == protocol::kDelete;
    if (const auto changes = result.find("changes");
        changes_many && changes != result.end() && changes->is_array()) {
        add(base::counted(changes->size(), "change"));
        for (const json& change : *changes) {
            if (text.size() > kLongest) break;
            add(fmt::format("{} {}", change.value("action", ""), change.value("object", "")));
        }
    }
    if (const auto objects = result.find("objects"); objects != result.end() && objects->is_array()) {
        add(base::counted(objects->size(), "object"));
        for (const json& object : *objects) {
            if (text.size() > kLongest) break;
            const json space = object.value("namespace", json());
            add(fmt::format("{} {}{} {}", object.value("kind", ""),
                            space.is_string() ? space.get<std::string>() + "/" : "", object.value("name", ""),
                            object.value("change", "")));
        }
    }
    if (const auto flushed = result.find("flushed"); flushed != result.end()) {
        add(fmt::format("{} flushed", dumped(*flushed)));
    }
    if (const auto routes = result.find("routes"); routes != result.end() && routes->is_object()) {
        for (const auto& [what, count] : routes->items()) {
            if (what != "missing" || count != 0) add(fmt::format("{} {}", dumped(count), what));
        }
    }
    return text;
}

bool leaves_line(const protocol::Method& method, const json& params) {
    if (method.effect != protocol::Effect::kChanges) return false;
    // A request with `check` or `dry-run` changes nothing. A method without that parameter has carried the request
    // out or refused it.
    for (const char* flag : {"check", "dry-run"}) {
        if (protocol::find_parameter(method.parameters, flag) == nullptr) continue;
        if (params.is_object() && params.contains(flag) && params[flag] == true) return false;
    }
    return true;
}

}  // namespace

std::optional<uint64_t> Throttle::let_through(Clock::time_point now) {
    if (left_ < kAtOnce && now >= refilled_ + kInterval) {
        const auto intervals = (now - refilled_) / kInterval;
        left_ = static_cast<int>(std::min<int64_t>(kAtOnce, left_ + intervals));
        refilled_ += intervals * kInterval;
    }
    if (left_ == 0) {
        ++held_back_;
        return std::nullopt;
    }
    if (left_ == kAtOnce) refilled_ = now;
    --left_;
    return std::exchange(held_back_, 0);
}

std::string who_text(const Peer& who) {
    return fmt::format("uid {} pid {} ({})", who.uid, who.pid, who.program.empty() ? "?" : who.program);
}

std::string request_text(const protocol::Method& method, const json& params) {
    std::string text(method.name);
    if (!params.is_object()) return text;
    for (const protocol::Parameter& parameter : method.parameters) {
        const auto found = params.find(parameter.name);
        if (found != params.end()) text += " " + cut(value_text(parameter, *found));
    }
    return cut(std::move(text));
}

void ChangeLog::done(const Peer& who, const protocol::Method& method, const json& params, const json& result) {
    if (!leaves_line(method, params)) return;
    const std::string came = cut(outcome(method, result));
    base::log::notice("control", "{}: {}{}{}", who_text(who), request_text(method, params),
                      came.empty() ? "" : ": ", came);
}

void ChangeLog::failed(const Peer& who, const protocol::Method& method, const json& params,
                       std::string_view error) {
    if (!leaves_line(method, params)) return;
    const auto held_back = failures_[who.uid].let_through(now_());
    if (!held_back) return;
    base::log::notice("control", "{}: {}: failed: {}{}", who_text(who), request_text(method, params),
                      cut(std::string(error.substr(0, 2 * kLongest))),
                      *held_back == 0
                          ? ""
                          : fmt::format(" ({} {} not logged)", base::counted(*held_back, "earlier failure"),
                                        *held_back == 1 ? "was" : "were"));
}

}  // namespace sluice::control
