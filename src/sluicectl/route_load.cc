#include "sluicectl/route_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "sluice/protocol.h"

namespace sluice::sluicectl {
namespace {

using nlohmann::json;

// The number of mistakes that are shown, of all pieces together.
constexpr size_t kShown = 20;

// Calls use(params, first line) for each piece until that returns false. A piece has whole lines.
template <class Use>
void each_piece(const json& params, Use use) {
    std::string_view left = params.at("text").get_ref<const std::string&>();
    size_t line = 1;
    while (!left.empty()) {
        size_t size = left.size();
        if (size > protocol::kRoutePiece) {
            size = left.rfind('\n', protocol::kRoutePiece - 1) + 1;
            if (size == 0) size = std::min(left.find('\n'), left.size() - 1) + 1;
        }
        json piece = json::object();
        for (const auto& [key, value] : params.items()) {
            if (key != "text") piece[key] = value;
        }
        piece["line"] = line;
        piece["text"] = std::string(left.substr(0, size));
        if (!use(piece, line)) return;
        const std::string_view sent = left.substr(0, size);
        line += static_cast<size_t>(std::count(sent.begin(), sent.end(), '\n'));
        left.remove_prefix(size);
    }
}

// Checks all pieces; returns their mistakes.
tl::expected<json, CallError> check(Client& client, const json& params) {
    tl::expected<json, CallError> mistakes = json::array();
    size_t count = 0;
    each_piece(params, [&](json piece, size_t) {
        piece["check"] = true;
        auto checked = client.call(protocol::kRouteLoad, piece);
        if (!checked) {
            mistakes = tl::unexpected(checked.error());
            return false;
        }
        count += checked->at("error-count").get<size_t>();
        for (json& error : checked->at("errors")) {
            if (mistakes->size() < kShown) mistakes->push_back(std::move(error));
        }
        return true;
    });
    if (mistakes && count > mistakes->size()) {
        mistakes->push_back({{"message", fmt::format("and {} mistakes more", count - mistakes->size())}});
    }
    return mistakes;
}

// The routes before the piece that failed are in force. Adds that to the error.
void tell_progress(CallError& error, size_t line) {
    if (line == 1) return;
    const std::string told = fmt::format("the lines before {} are in force already: load the file again "
                                         "when this is mended", line);
    if (error.data.is_object() && error.data.contains("errors")) {
        error.data["errors"].push_back({{"message", told}});
    } else {
        error.message += "; " + told;
    }
}

}  // namespace

tl::expected<json, CallError> load_routes(Client& client, const json& params) {
    auto mistakes = check(client, params);
    if (!mistakes) return mistakes;
    if (!mistakes->empty()) return json{{"errors", std::move(*mistakes)}};

    tl::expected<json, CallError> sum = json{{"set", 0}, {"deleted", 0}, {"missing", 0}};
    each_piece(params, [&](const json& piece, size_t line) {
        auto loaded = client.call(protocol::kRouteLoad, piece);
        if (!loaded) {
            sum = tl::unexpected(loaded.error());
            tell_progress(sum.error(), line);
            return false;
        }
        for (const char* key : {"set", "deleted", "missing"}) {
            (*sum)[key] = (*sum)[key].get<size_t>() + loaded->at("routes").value(key, size_t{0});
        }
        return true;
    });
    if (!sum) return sum;
    return json{{"routes", std::move(*sum)}};
}

}  // namespace sluice::sluicectl
