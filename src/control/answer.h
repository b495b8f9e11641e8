// What commands have in common: taking parameters out of a request, and errors as an answer. Control
// thread.
#pragma once

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "base/error.h"
#include "base/text.h"
#include "control/rpc.h"
#include "sluice/protocol.h"

namespace sluice::control {

using Answer = tl::expected<nlohmann::json, RpcError>;

inline nlohmann::json error_json(const base::Error& error) {
    return {{"message", error.message},
            {"path", error.path},
            {"file", error.place.file},
            {"line", error.place.line},
            {"column", error.place.column}};
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

// A parameter that must be a string; empty where it is left out.
inline tl::expected<std::string, RpcError> text_param(const nlohmann::json& params, const char* key) {
    auto found = params.find(key);
    if (found == params.end()) return std::string();
    if (!found->is_string()) return invalid(fmt::format("\"{}\" is not a string", key));
    return found->get<std::string>();
}

// A parameter that must be true or false; false where it is left out.
inline tl::expected<bool, RpcError> flag_param(const nlohmann::json& params, const char* key) {
    auto found = params.find(key);
    if (found == params.end()) return false;
    if (!found->is_boolean()) return invalid(fmt::format("\"{}\" is not true or false", key));
    return found->get<bool>();
}

// A parameter that must be an integer in a range.
inline tl::expected<uint64_t, RpcError> number_param(const nlohmann::json& params, const char* key,
                                                     uint64_t otherwise, uint64_t low, uint64_t high) {
    auto found = params.find(key);
    if (found == params.end()) return otherwise;
    const bool is_number = found->is_number_unsigned();
    const uint64_t value = is_number ? found->get<uint64_t>() : 0;
    if (is_number && value >= low && value <= high) return value;
    return invalid(fmt::format("\"{}\" is not an integer from {} to {}", key, low, high));
}

// The number of what the client has started, which must be given.
inline tl::expected<uint32_t, RpcError> own_number_param(const nlohmann::json& params, const char* key) {
    auto number = number_param(params, key, 0, 1, std::numeric_limits<uint32_t>::max());
    if (!number) return tl::unexpected(number.error());
    if (*number == 0) return invalid(fmt::format("\"{}\" is missing", key));
    return static_cast<uint32_t>(*number);
}

inline tl::unexpected<RpcError> not_yours(std::string_view what, uint32_t number) {
    return refused({{fmt::format("you have no {} {}", what, number), {}, {}}});
}

inline Answer answer_of(base::Result<nlohmann::json> result) {
    if (!result) return refused({result.error()});
    return std::move(*result);
}

}  // namespace sluice::control
