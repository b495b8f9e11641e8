// What commands have in common: taking parameters out of a request, and errors as an answer. Control
// thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "base/error.h"
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

// How an enumerator is written.
template <class T>
std::string_view word_of(T value) {
    for (const auto& [enumerator, word] : names(value)) {
        if (enumerator == value) return word;
    }
    return {};
}

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

inline Answer answer_of(base::Result<nlohmann::json> result) {
    if (!result) return refused({result.error()});
    return std::move(*result);
}

}  // namespace sluice::control
