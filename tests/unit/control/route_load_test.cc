// How sluicectl sends a long file of routes, to a server that keeps what it is sent.
#include "sluicectl/route_load.h"

#include <fmt/format.h>

#include <algorithm>

#include "serving.h"
#include "sluice/protocol.h"

namespace sluice::sluicectl {
namespace {

using control::RpcError;
using nlohmann::json;
using Answer = tl::expected<json, RpcError>;

class RouteLoad : public testing::Test {
 protected:
    Answer serve(const json& params) {
        const auto& text = params.at("text").get_ref<const std::string&>();
        const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
        if (params.contains("check")) {
            checked_ += text;
            json errors = json::array();
            for (size_t i = 0; i < std::min<size_t>(mistakes_, 20); ++i) {
                errors.push_back({{"message", "no"}, {"line", params.at("line")}});
            }
            return json{{"errors", errors}, {"error-count", mistakes_}};
        }
        first_lines_.push_back(params.at("line"));
        if (first_lines_.size() == fails_at_) {
            return tl::unexpected(
                RpcError{protocol::kFailed, "full", R"({"errors": [{"message": "full"}]})"_json});
        }
        loaded_ += text;
        EXPECT_EQ(params.at("file"), "/f");
        return json{{"routes", {{"set", lines}, {"deleted", 1}}}};
    }
    tl::expected<json, CallError> load(const std::string& text) {
        auto client = Client::connect(path_);
        EXPECT_TRUE(client);
        return load_routes(*client, {{"file", "/f"}, {"text", text}});
    }
    static std::string lines(size_t count) {
        std::string text;
        for (size_t i = 0; i < count; ++i) {
            text += fmt::format("10.{}.{}.0/24 via 10.0.0.1\n", i / 256, i % 256);
        }
        return text;
    }

    control::Directory directory_;
    const std::string path_ = directory_ / "control.sock";
    std::string checked_;
    std::string loaded_;
    std::vector<size_t> first_lines_;
    size_t mistakes_ = 0;  // in each piece
    size_t fails_at_ = 0;  // this piece, from 1
    control::Serving serving_{
        {.socket = path_},
        {{protocol::method(protocol::kRouteLoad), [this](const json& params) { return serve(params); }}}};
};

TEST_F(RouteLoad, AllPiecesAreCheckedBeforeTheFirstIsCarriedOut) {
    const std::string text = lines(100'000);
    ASSERT_GT(text.size(), 2 * protocol::kRoutePiece);
    const auto loaded = load(text);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(checked_, text);
    EXPECT_EQ(loaded_, text);
    ASSERT_EQ(first_lines_.size(), 3u);
    EXPECT_EQ(loaded->at("routes"), (json{{"set", 100'000}, {"deleted", 3}, {"missing", 0}}));
    // Each piece says where it begins: with a whole line.
    EXPECT_EQ(first_lines_[0], 1u);
    for (const size_t line : first_lines_) {
        size_t at = 0;
        for (size_t i = 1; i < line; ++i) at = text.find('\n', at) + 1;
        EXPECT_TRUE(line == 1 || text[at - 1] == '\n');
    }
    EXPECT_GT(first_lines_[2], first_lines_[1]);
}

TEST_F(RouteLoad, AMistakeKeepsAllFromBeingCarriedOut) {
    mistakes_ = 15;
    const auto loaded = load(lines(100'000));
    ASSERT_TRUE(loaded);
    EXPECT_EQ(loaded->at("errors").size(), 21u);
    EXPECT_EQ(loaded->at("errors").back().at("message"), "and 25 mistakes more");
    EXPECT_EQ(loaded_, "");
}

TEST_F(RouteLoad, WhatIsInForceWhenItFailsIsSaid) {
    fails_at_ = 2;
    const auto loaded = load(lines(100'000));
    ASSERT_FALSE(loaded);
    const json& errors = loaded.error().data.at("errors");
    ASSERT_EQ(errors.size(), 2u);
    EXPECT_EQ(errors[1].at("message"), fmt::format("the lines before {} are in force already: load the file "
                                                   "again when this is mended", first_lines_[1]));
    fails_at_ = 1;
    first_lines_.clear();
    EXPECT_EQ(load(lines(10)).error().data.at("errors").size(), 1u);
}

TEST_F(RouteLoad, ALineLongerThanAPieceStaysWhole) {
    const std::string text = "#" + std::string(2 * protocol::kRoutePiece, 'x') + "\n" + lines(2) + "#" +
                             std::string(2 * protocol::kRoutePiece, 'y');
    ASSERT_TRUE(load(text));
    EXPECT_EQ(loaded_, text);
    ASSERT_EQ(first_lines_.size(), 3u);
    EXPECT_EQ(first_lines_[2], 4u);
    EXPECT_TRUE(load(""));
}

}  // namespace
}  // namespace sluice::sluicectl
