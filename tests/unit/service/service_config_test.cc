#include "service/service_config.h"

#include <gtest/gtest.h>

namespace sluice::service {
namespace {

struct Sections {
    std::vector<ServiceConfig> services;
};

template <class V>
void fields(V& v, Sections& s) {
    v.optional("services", s.services);
}

struct Loaded {
    std::vector<ServiceConfig> services;
    std::vector<std::string> errors;
};

// A Service with these keys beside its name and address.
Loaded load(const std::string& keys) {
    Loaded loaded;
    const auto document = base::parse_yaml("services: [{name: shop, address: [10.96.0.1], " + keys + "}]", "f");
    if (!document) {
        ADD_FAILURE() << document.error()[0].text();
        return loaded;
    }
    Sections sections;
    const base::Errors read = base::read(*document, sections);
    for (const auto& error : read) loaded.errors.push_back(error.text());
    base::Mistakes mistakes(&*document, read, {}, {});
    check(sections.services, mistakes);
    for (const auto& error : std::move(mistakes).found().errors) loaded.errors.push_back(error.text());
    loaded.services = sections.services;
    return loaded;
}

std::string error_of(const std::string& keys) {
    const Loaded loaded = load(keys);
    EXPECT_EQ(loaded.errors.size(), 1U) << keys;
    return loaded.errors.empty() ? "" : loaded.errors[0];
}

void expect_error(const std::string& health, const std::string& part) {
    EXPECT_NE(error_of("ports: [{port: 80}], health: " + health).find(part), std::string::npos)
        << error_of("ports: [{port: 80}], health: " + health);
}

TEST(HealthConfig, HasDefaults) {
    const Loaded loaded = load("ports: [{port: 80}], health: {}");
    EXPECT_TRUE(loaded.errors.empty());
    ASSERT_TRUE(loaded.services.at(0).health);
    EXPECT_EQ(*loaded.services[0].health, HealthConfig{});
    EXPECT_EQ(loaded.services[0].health->patience(), 250U);
    EXPECT_FALSE(load("ports: [{port: 80}]").services.at(0).health);
}

TEST(HealthConfig, IsRead) {
    const Loaded loaded = load(
        "ports: [{port: 80}], backends: [{address: 10.0.0.1, drain: true}], health: {type: http, port: 9000, "
        "path: /healthz, host: shop, interval: 1000, timeout: 500, rise: 3, fall: 4}");
    EXPECT_TRUE(loaded.errors.empty());
    EXPECT_EQ(*loaded.services.at(0).health, (HealthConfig{.type = CheckType::kHttp,
                                                           .port = 9000,
                                                           .path = "/healthz",
                                                           .host = "shop",
                                                           .interval = 1000,
                                                           .timeout = 500,
                                                           .rise = 3,
                                                           .fall = 4}));
    EXPECT_TRUE(loaded.services[0].backends.at(0).drain);
}

TEST(HealthConfig, ItsMistakesAreNamed) {
    expect_error("{type: udp}", "udp");
    expect_error("{type: http, path: healthz}", "begins with /");
    expect_error("{type: http, path: \"/a\\r\\nX: y\"}", "control character");
    expect_error("{type: http, path: /ä}", "begins with /");
    expect_error("{type: http, path: \"/a b\"}", "begins with /");
    expect_error("{type: http, path: /" + std::string(255, 'a') + "}", "up to 255");
    expect_error("{type: http, host: \"a b\"}", "name of a host");
    expect_error("{path: /healthz}", "`type: http`");
    expect_error("{host: shop}", "`type: http`");
    expect_error("{interval: 200, timeout: 201}", "longer than `interval`");
    expect_error("{interval: 99}", "100");
    expect_error("{rise: 0}", "1");
    expect_error("{fall: 0}", "1");
    expect_error("{port: 0}", "1");
}

// A UDP port answers no SYN.
TEST(HealthConfig, AServiceOfUdpNamesAPortOfTcp) {
    EXPECT_NE(error_of("ports: [{port: 80}, {port: 53, proto: udp}], health: {}")
                  .find("f:1:100): checks by TCP, and port 53 of the service is udp: give the back ends' port "
                        "that answers "
                        "checks, as in `health: {port: 8080}`"),
              std::string::npos)
        << error_of("ports: [{port: 80}, {port: 53, proto: udp}], health: {}");
    EXPECT_TRUE(load("ports: [{port: 53, proto: udp}], health: {port: 8080}").errors.empty());
}

TEST(HealthConfig, ChecksAreLimited) {
    std::string ports;
    for (int i = 1; i <= 64; ++i) ports += fmt::format("{}{{port: {}}}", i == 1 ? "" : ", ", i);
    std::string backends;
    for (int i = 0; i < 64; ++i) backends += fmt::format("{}{{address: 10.0.0.{}}}", i == 0 ? "" : ", ", i);
    const std::string most = "ports: [" + ports + "], backends: [" + backends;
    EXPECT_TRUE(load(most + "], health: {}").errors.empty());
    EXPECT_NE(error_of(most + ", {address: 10.0.1.1}], health: {}").find("at most 4096"), std::string::npos);
    EXPECT_TRUE(load(most + ", {address: 10.0.1.1}], health: {port: 80}").errors.empty());
}

}  // namespace
}  // namespace sluice::service
