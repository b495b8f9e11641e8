// Functions that commands share: they take parameters out of a request, and make answers of errors. Control
// thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <tl/expected.hpp>

#include "base/error.h"
#include "base/none.h"
#include "base/text.h"
#include "control/rpc.h"
#include "sluice/protocol.h"

namespace sluice::control {

using Answer = tl::expected<nlohmann::json, RpcError>;

inline nlohmann::json error_json(const base::Error& error) {
    nlohmann::json row{{"message", error.message}, {"path", base::or_none(error.path)}};
    base::tell_place(row, error.place);
    return row;
}

inline tl::unexpected<RpcError> refused(const base::Errors& errors) {
    nlohmann::json list = nlohmann::json::array();
    for (const auto& error : errors) list.push_back(error_json(error));
    std::string message = errors.size() == 1 ? errors[0].text() : fmt::format("{} errors", errors.size());
    return tl::unexpected(RpcError{protocol::kFailed, std::move(message), {{"errors", list}}});
}

inline tl::unexpected<RpcError> invalid(std::string message) {
    return tl::unexpected(RpcError{protocol::kInvalidParams, std::move(message), {}});
}

using base::word_of;

// Parameters of a request. Request has checked their types, ranges and presence by the method's description.

// Empty: the request doesn't have it.
inline std::string text_of(const nlohmann::json& params, const char* key) {
    return params.value(key, std::string());
}

// False if the request doesn't have it.
inline bool flag_of(const nlohmann::json& params, const char* key) {
    return params.value(key, false);
}

inline uint64_t number_of(const nlohmann::json& params, const char* key, uint64_t otherwise) {
    return params.value(key, otherwise);
}

// The number of a capture or a live trace that the client has started.
inline uint32_t own_number_of(const nlohmann::json& params, const char* key) {
    return params.at(key).get<uint32_t>();
}

inline tl::unexpected<RpcError> not_yours(std::string_view what, uint32_t number) {
    return refused({{fmt::format("you have no {} {}", what, number), {}, {}}});
}

// The steps of a command whose answer is known at once.
inline Steps finished(Answer answer) {
    return [answer = std::move(answer)] { return answer; };
}

// Makes the answer {name: rows} in steps, with a row for each item. The items are copies, because their originals
// may change between two steps. row(item) is null if the original is gone.
template <class Item, class Row>
Steps rows_of(std::string name, std::vector<Item> items, Row row) {
    return [name = std::move(name), items = std::move(items), row = std::move(row), next = size_t{0},
            rows = nlohmann::json::array()]() mutable -> std::optional<Answer> {
        for (const Slice slice; next < items.size();) {
            if (slice.is_over()) return std::nullopt;
            if (nlohmann::json one = row(items[next++]); !one.is_null()) rows.push_back(std::move(one));
        }
        return nlohmann::json{{name, std::move(rows)}};
    };
}

inline Answer answer_of(base::Result<nlohmann::json> result) {
    if (!result) return refused({result.error()});
    return std::move(*result);
}

}  // namespace sluice::control
