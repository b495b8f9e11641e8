#include "service/health.h"

#include <gtest/gtest.h>

#include "base/tree.h"

namespace sluice::service {
namespace {

using namespace std::chrono_literals;
using Time = HealthChecks::Time;

constexpr Time kStart{1000s};
constexpr Outcome kGood{ProbeResult::kConnected};
constexpr Outcome kBad{ProbeResult::kRefused};

IpAddress ip(const char* text) {
    return IpAddress::parse(text).value();
}

ServiceConfig service(const std::string& name, std::vector<const char*> backends, HealthConfig health = {},
                      std::vector<PortConfig> ports = {{.port = 80}}) {
    ServiceConfig config{.name = name, .ports = std::move(ports), .health = health};
    for (const char* backend : backends) config.backends.push_back({.address = ip(backend)});
    return config;
}

class Health : public testing::Test {
 protected:
    // One check with that outcome.
    void check(uint32_t number, std::optional<Outcome> outcome) {
        checks_.begin(number, now_);
        checks_.take(number, outcome);
    }
    // "10.0.0.1 fails: connection refused", for each change.
    std::string changes() {
        std::string text;
        for (const HealthChecks::Change& change : checks_.take_changes()) {
            text += fmt::format("{} {}{};", change.key.address.text(), change.is_failing ? "fails: " : "passes",
                                change.is_failing ? service::text(change.last) : "");
        }
        return text;
    }
    bool is_failing(const char* backend, uint16_t port = 80, const char* name = "shop") {
        const auto* check = checks_.find({name, ip(backend), port});
        EXPECT_NE(check, nullptr);
        return check != nullptr && check->is_failing;
    }

    HealthChecks checks_;
    Time now_ = kStart;
};

TEST_F(Health, ABackEndCountsAsHealthyUntilItsFirstCheck) {
    EXPECT_TRUE(checks_.arrange({service("shop", {"10.0.0.1"})}).empty());
    EXPECT_FALSE(is_failing("10.0.0.1"));
    check(0, kBad);
    EXPECT_EQ(changes(), "10.0.0.1 fails: connection refused;") << "the first failure is enough";
    EXPECT_TRUE(is_failing("10.0.0.1"));
}

TEST_F(Health, FailsAfterFallAndPassesAfterRise) {
    checks_.arrange({service("shop", {"10.0.0.1"}, {.rise = 2, .fall = 3})});
    check(0, kGood);
    for (const Outcome& outcome : {kBad, kBad, kGood, kBad, kBad}) check(0, outcome);
    EXPECT_EQ(changes(), "") << "never three in a row";
    check(0, Outcome{ProbeResult::kStatus, 503});
    EXPECT_EQ(changes(), "10.0.0.1 fails: HTTP 503;");
    for (const Outcome& outcome : {kGood, kBad, kGood}) check(0, outcome);
    EXPECT_EQ(changes(), "");
    check(0, kGood);
    EXPECT_EQ(changes(), "10.0.0.1 passes;");
}

TEST_F(Health, AProbeThatWasNotSentSaysNothing) {
    checks_.arrange({service("shop", {"10.0.0.1"})});
    check(0, std::nullopt);
    EXPECT_FALSE(is_failing("10.0.0.1"));
    check(0, kBad);
    EXPECT_TRUE(is_failing("10.0.0.1"));
}

TEST_F(Health, AnHttpStatusFrom200To399Passes) {
    for (const auto& [status, passes] : std::vector<std::pair<uint16_t, bool>>{
             {100, false}, {199, false}, {200, true}, {399, true}, {400, false}})
        EXPECT_EQ((Outcome{ProbeResult::kStatus, status}.passed()), passes) << status;
}

TEST_F(Health, AChecksIsDueOnceInItsIntervalAndNotWhileItRuns) {
    checks_.arrange({service("shop", {"10.0.0.1"}, {.interval = 250})});
    EXPECT_EQ(checks_.due(now_), std::vector<uint32_t>{0});
    checks_.begin(0, now_);
    EXPECT_EQ(checks_.running(), std::vector<uint32_t>{0});
    EXPECT_EQ(checks_.check(0).deadline(), now_ + 250ms);
    EXPECT_TRUE(checks_.due(now_ + 1s).empty());
    checks_.take(0, kGood);
    EXPECT_TRUE(checks_.running().empty());
    EXPECT_TRUE(checks_.due(now_ + 249ms).empty());
    EXPECT_EQ(checks_.due(now_ + 250ms), std::vector<uint32_t>{0});
}

TEST_F(Health, NewChecksAreSpreadOverTheirInterval) {
    std::vector<std::string> texts;
    std::vector<const char*> backends;
    for (int i = 0; i < 64; ++i) texts.push_back(fmt::format("10.0.0.{}", i + 1));
    for (const std::string& text : texts) backends.push_back(text.c_str());
    checks_.arrange({service("shop", backends, {.interval = 160})});
    size_t begun = 0;
    for (Time at = now_; at < now_ + 160ms; at += 10ms) {
        const auto due = checks_.due(at);
        EXPECT_LE(due.size(), 4U);
        for (const uint32_t number : due) checks_.begin(number, at);
        begun += due.size();
    }
    EXPECT_EQ(begun, 64U);
}

TEST_F(Health, KeepsItsStateWhileTheServiceNamesTheBackEnd) {
    checks_.arrange({service("shop", {"10.0.0.1", "10.0.0.2"})});
    check(0, kBad);
    checks_.begin(1, now_);
    // A check that is gone has its probe cancelled; another interval is no other check.
    EXPECT_EQ(checks_.arrange({service("shop", {"10.0.0.1"}, {.interval = 1000})}), std::vector<uint32_t>{1});
    EXPECT_TRUE(is_failing("10.0.0.1"));
    EXPECT_EQ(checks_.check(0).config.interval, 1000U);
    EXPECT_EQ(checks_.find({"shop", ip("10.0.0.2"), 80}), nullptr);
    // One that comes back is new.
    checks_.arrange({service("shop", {"10.0.0.2"})});
    checks_.arrange({service("shop", {"10.0.0.1", "10.0.0.2"})});
    EXPECT_FALSE(is_failing("10.0.0.1"));
    EXPECT_TRUE(checks_.arrange({}) == (std::vector<uint32_t>{1, 0}) || checks_.empty());
    EXPECT_TRUE(checks_.empty());
    EXPECT_TRUE(checks_.targets().empty());
}

TEST_F(Health, AnotherRequestIsAnotherProbeOfTheSameBackEnd) {
    checks_.arrange({service("shop", {"10.0.0.1"})});
    check(0, kBad);
    checks_.begin(0, now_);
    EXPECT_EQ(checks_.arrange({service("shop", {"10.0.0.1"}, {.type = CheckType::kHttp})}),
              std::vector<uint32_t>{0});
    EXPECT_TRUE(is_failing("10.0.0.1")) << "until it passes the new one";
    EXPECT_TRUE(checks_.running().empty());
    EXPECT_EQ(checks_.targets()[0].request,
              "GET / HTTP/1.1\r\nHost: 10.0.0.1:80\r\nUser-Agent: sluice\r\nConnection: close\r\n\r\n");
}

TEST_F(Health, EachPortOfABackEndHasACheckUnlessOneAnswersForAll) {
    const std::vector<PortConfig> ports{{.port = 80, .to = 8080}, {.port = 443}, {.port = 81, .to = 8080}};
    checks_.arrange({service("shop", {"10.0.0.1", "fd00::1"}, {}, ports)});
    EXPECT_EQ(checks_.targets().size(), 4U);
    EXPECT_NE(checks_.find({"shop", ip("10.0.0.1"), 8080}), nullptr);
    EXPECT_NE(checks_.find({"shop", ip("fd00::1"), 443}), nullptr);
    const HealthConfig one{.type = CheckType::kHttp, .port = 9000, .path = "/ready", .host = "shop"};
    checks_.arrange({service("shop", {"10.0.0.1", "fd00::1"}, one, ports)});
    ASSERT_EQ(checks_.targets().size(), 2U);
    for (const ProbeTarget& target : checks_.targets()) {
        EXPECT_EQ(target.port, 9000);
        EXPECT_TRUE(target.request.starts_with("GET /ready HTTP/1.1\r\nHost: shop\r\n")) << target.request;
    }
    for (const PortConfig& port : ports) EXPECT_EQ(checked_port(one, port), 9000);
    checks_.arrange({service("shop", {"fd00::1"}, {.type = CheckType::kHttp}, {{.port = 80}})});
    EXPECT_TRUE(checks_.targets()[0].request.find("Host: [fd00::1]:80\r\n") != std::string::npos);
}

}  // namespace
}  // namespace sluice::service
