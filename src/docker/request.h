// A call's body, read key by key. Keys that are not asked for are passed over, as each version of docker has
// others. The first key of a wrong type is the request's mistake, and every value after it is empty. Control
// thread.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/text.h"
#include "docker/switch.h"

namespace sluice::docker {

class Request {
 public:
    // The body outlives it. `where` stands before the key in a mistake: "Interface.".
    explicit Request(const nlohmann::json& body, std::string where = {});

    // A string that is not empty.
    std::string required(const char* key);
    // The same of a string that may be missing, null or empty.
    std::string text(const char* key);
    bool flag(const char* key);
    // A whole number up to `most`; missing: 0.
    uint32_t number(const char* key, uint32_t most);
    // Missing or null: an empty one.
    const nlohmann::json& object(const char* key);
    const nlohmann::json& list(const char* key);
    // A value that is written as text: an address, a prefix. Missing or empty: none.
    template <class T>
    std::optional<T> parsed(const char* key) {
        const std::string given = text(key);
        if (given.empty()) return std::nullopt;
        auto value = T::parse(given);
        if (value) return *value;
        fail(key, value.error());
        return std::nullopt;
    }

    // Empty: none.
    const std::string& mistake() const noexcept { return mistake_; }

 private:
    // Null: there is nothing under the key.
    const nlohmann::json* find(const char* key);
    void fail(const char* key, const std::string& why);

    const nlohmann::json& body_;
    std::string where_;
    std::string mistake_;
};

// The options of a network or an endpoint (`-o`, `--driver-opt`) whose names begin with "sluice.", by their names
// without that, and docker's own that count here.
class Options {
 public:
    // A mistake if a value is no string, or if an option that begins with "sluice." is not in `known`. "label." at
    // the end of `known` stands for all options that begin so.
    static Answer<Options> read(const nlohmann::json& options, std::span<const std::string_view> known);

    const std::string& text(std::string_view name) const;
    bool has(std::string_view name) const { return values_.contains(name); }
    Answer<std::optional<uint32_t>> number(std::string_view name, uint32_t least, uint32_t most) const;
    // "label.app": "web" as app: web.
    base::Words labels() const;

 private:
    std::map<std::string, std::string, std::less<>> values_;
};

}  // namespace sluice::docker
