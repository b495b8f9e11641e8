// Every method's requests against their description: each row of sluice/methods.h is its own test.
#include "control/check.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "base/fields.h"
#include "base/tree.h"
#include "control/rpc.h"
#include "flow/state.h"
#include "mirror/mirror_config.h"
#include "port/port_config.h"
#include "route/route_config.h"
#include "sluice/protocol.h"

namespace sluice::control {
namespace {

using nlohmann::json;
using protocol::Method;
using protocol::Need;
using protocol::Parameter;
using protocol::Type;

// All methods, each of which only counts that it was called.
class Requests : public testing::Test {
 protected:
    Requests() {
        for (const Method& method : protocol::kMethods) {
            commands_.push_back({method, [this](const json&) { return json(++calls_); }});
        }
    }
    json ask(const Method& method, const json& params, Access access = Access::kWrite) {
        const json request{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method.name}, {"params", params}};
        return json::parse(answer(commands_, {.peer = {.access = access}}, request.dump()));
    }
    void expect_carried_out(const Method& method, const json& params) {
        const int before = calls_;
        const json answer = ask(method, params);
        EXPECT_TRUE(answer.contains("result")) << method.name << params << answer;
        EXPECT_EQ(calls_, before + 1);
    }
    // Refused with the mistake's parameter, and not carried out.
    void expect_refused(const Method& method, const json& params, std::string_view parameter) {
        const int before = calls_;
        const json answer = ask(method, params);
        ASSERT_TRUE(answer.contains("error")) << method.name << params << answer;
        const json& error = answer["error"];
        EXPECT_EQ(error["code"], protocol::kInvalidParams) << error;
        EXPECT_EQ(error["data"]["errors"][0]["path"], parameter) << method.name << params << error;
        const std::string message = error["message"];
        EXPECT_TRUE(message.starts_with(std::string(method.name) + ": ")) << message;
        EXPECT_NE(message.find(parameter), std::string::npos) << message;
        EXPECT_EQ(calls_, before) << method.name << params;
    }
    static json example(const Parameter& parameter) { return json::parse(parameter.example); }
    // What the method needs, and nothing else.
    static json least(const Method& method) {
        json params = json::object();
        for (const Parameter& parameter : method.parameters) {
            if (parameter.need == Need::kRequired) params[std::string(parameter.name)] = example(parameter);
        }
        return params;
    }
    static void put(json& params, const Parameter& parameter, json value) {
        for (const std::string_view replaced : parameter.in_place_of) params.erase(std::string(replaced));
        params[std::string(parameter.name)] = std::move(value);
    }

    std::vector<Command> commands_;
    int calls_ = 0;
};

TEST_F(Requests, ExamplesAreCarriedOut) {
    for (const Method& method : protocol::kMethods) {
        expect_carried_out(method, least(method));
        for (const Parameter& parameter : method.parameters) {
            json params = least(method);
            put(params, parameter, example(parameter));
            expect_carried_out(method, params);
        }
    }
}

TEST_F(Requests, UnknownParametersAreRefused) {
    for (const Method& method : protocol::kMethods) {
        json params = least(method);
        params["frobnicate"] = 1;
        expect_refused(method, params, "frobnicate");
        for (const Parameter& parameter : method.parameters) {
            // One letter too many.
            json slip = least(method);
            slip.erase(std::string(parameter.name));
            slip[std::string(parameter.name) + "x"] = example(parameter);
            expect_refused(method, slip, std::string(parameter.name) + "x");
            const std::string message = ask(method, slip)["error"]["message"];
            EXPECT_NE(message.find(fmt::format("did you mean '{}'?", parameter.name)), std::string::npos) << message;
        }
    }
}

TEST_F(Requests, MissingParametersAreRefused) {
    for (const Method& method : protocol::kMethods) {
        for (const Parameter& parameter : method.parameters) {
            if (parameter.need != Need::kRequired) continue;
            json params = least(method);
            params.erase(std::string(parameter.name));
            expect_refused(method, params, parameter.name);
        }
    }
}

TEST_F(Requests, WrongTypesAreRefused) {
    const json values[] = {nullptr, true, 1, 1.5, -1, "text", json::array(), json::object()};
    const auto fits = [](const Parameter& parameter, const json& value) {
        switch (parameter.type) {
            case Type::kText:
            case Type::kContent: return value.is_string();
            case Type::kWord: return false;
            case Type::kNumber: return value == 1 && value.is_number_integer() && parameter.low <= 1;
            case Type::kPort: return value == "text" || (value == 1 && value.is_number_integer());
            case Type::kFlag: return value.is_boolean();
            case Type::kObject: return value.is_object();
            case Type::kList: return value.is_array();
        }
        return false;
    };
    for (const Method& method : protocol::kMethods) {
        for (const Parameter& parameter : method.parameters) {
            for (const json& value : values) {
                json params = least(method);
                put(params, parameter, value);
                if (fits(parameter, value)) {
                    expect_carried_out(method, params);
                } else {
                    expect_refused(method, params, parameter.name);
                }
            }
        }
    }
}

TEST_F(Requests, ValuesOutOfRangeAreRefused) {
    for (const Method& method : protocol::kMethods) {
        for (const Parameter& parameter : method.parameters) {
            const auto check = [&](json value, bool right) {
                json params = least(method);
                put(params, parameter, std::move(value));
                right ? expect_carried_out(method, params) : expect_refused(method, params, parameter.name);
            };
            if (parameter.type == Type::kNumber || parameter.type == Type::kPort) {
                ASSERT_LT(parameter.low, parameter.high) << parameter.name;
                check(parameter.low, true);
                check(parameter.high, true);
                check(parameter.high + 1, false);
                if (parameter.low > 0) check(parameter.low - 1, false);
            }
            if (parameter.type == Type::kPort) {
                for (const char* name : {"http", "h2-web", "8443-tls"}) check(name, true);
                for (const char* name : {"", "80", "HTTP", "a b", "a\n", "a-name-of-16-let"}) check(name, false);
            }
            if (parameter.type == Type::kWord) {
                for (const std::string_view word : parameter.words) check(word, true);
                check(std::string(parameter.words[0]) + "x", false);
                check("", false);
            }
            if (parameter.type == Type::kText) {
                check("", false);
                check("a\nb", false);
                check(std::string("a\0b", 3), false);
            }
        }
    }
}

TEST_F(Requests, ParametersInPlaceOfOthersExcludeThem) {
    int count = 0;
    for (const Method& method : protocol::kMethods) {
        for (const Parameter& parameter : method.parameters) {
            for (const std::string_view replaced : parameter.in_place_of) {
                const Parameter* other = protocol::find_parameter(method.parameters, replaced);
                ASSERT_NE(other, nullptr) << replaced;
                json params = json::object();
                put(params, parameter, example(parameter));
                expect_carried_out(method, params);
                params[std::string(replaced)] = example(*other);
                expect_refused(method, params, replaced);
                ++count;
            }
        }
    }
    EXPECT_GT(count, 1);
    // A flag that is false asks for nothing.
    expect_refused(protocol::method(protocol::kCaptureStart), {{"drops", false}}, "port");
    expect_carried_out(protocol::method(protocol::kCaptureStart), {{"drops", false}, {"port", "web"}});
}

TEST_F(Requests, TellAllMistakesAndABoundedNumber) {
    const auto& trace = protocol::method(protocol::kTrace);
    const json error = ask(trace, {{"form", "web"}, {"dport", "X"}})["error"];
    ASSERT_EQ(error["data"]["errors"].size(), 4u) << error;
    EXPECT_EQ(error["message"],
              "trace: the parameter 'dport' must be an integer from 0 to 65535 or a port's name, not the string 'X'; "
              "unknown parameter 'form'; did you mean 'from'?; "
              "the parameter 'from' is missing: the pod (NAMESPACE/NAME), the port or the IP address that sends the "
              "packet; "
              "the parameter 'to' is missing: the pod, the IP address, the port or the MAC address that it is for");
    EXPECT_EQ(ask(trace, {{"from", "web"}, {"form", "web"}, {"to", "10.0.0.1"}})["error"]["message"].dump().find("mean"),
              std::string::npos) << "what is given already isn't meant";
    json many = json::object();
    for (int i = 0; i < 100'000; ++i) many[std::to_string(i)] = i;
    EXPECT_LT(ask(trace, many).dump().size(), 10'000u);
    EXPECT_EQ(ask(trace, many)["error"]["data"]["errors"].size(), 20u);
    EXPECT_LT(ask(trace, {{std::string(100'000, 'x'), 1}}).dump().size(), 2'000u);
}

// A value of so many rows, items or bytes.
json value_of(const Parameter& parameter, uint64_t amount) {
    if (parameter.type == Type::kNumber) return amount;
    if (parameter.type == Type::kList) return std::vector<int>(amount);
    return std::string(amount, 'x');
}

TEST_F(Requests, ReadersGetNarrowerBounds) {
    size_t bounded = 0;
    for (const Method& method : protocol::kMethods) {
        for (const Parameter& parameter : method.parameters) {
            const uint64_t most = parameter.high_for_readers;
            if (most == 0) continue;
            ++bounded;
            const json params{{parameter.name, value_of(parameter, most)}};
            EXPECT_TRUE(ask(method, params, Access::kRead).contains("result")) << method.name;
            const json more{{parameter.name, value_of(parameter, most + 1)}};
            expect_carried_out(method, more);
            const json answer = ask(method, more, Access::kRead);
            ASSERT_TRUE(answer.contains("error")) << method.name;
            EXPECT_EQ(answer["error"]["code"], protocol::kInvalidParams);
            const std::string message = answer["error"]["message"];
            const std::string bound = fmt::format("a client that may only read gets {} at most", most);
            EXPECT_TRUE(message.ends_with(bound)) << message;
        }
    }
    EXPECT_GE(bounded, 6u);
}

TEST_F(Requests, FlowFlushWithASlipFlushesNothing) {
    expect_refused(protocol::method(protocol::kFlowFlush), {{"adress", "10.0.0.2"}}, "adress");
    expect_refused(protocol::method(protocol::kFlowFlush), {{"address", ""}}, "address");
}

TEST(Methods, AreDescribedInWholeSentencesOnce) {
    std::set<std::string_view> names;
    for (const Method& method : protocol::kMethods) {
        EXPECT_TRUE(names.insert(method.name).second) << method.name;
        EXPECT_FALSE(method.meaning.empty()) << method.name;
        std::set<std::string_view> parameters;
        for (const Parameter& parameter : method.parameters) {
            EXPECT_TRUE(parameters.insert(parameter.name).second) << method.name << parameter.name;
            EXPECT_FALSE(parameter.meaning.empty()) << method.name << parameter.name;
            EXPECT_EQ(parameter.placeholder.empty(), parameter.type == Type::kFlag) << method.name << parameter.name;
        }
    }
}

// What sluicectl sends as text is what the readers of ports, routes and mirrors want as text; networks and lists
// have no other such keys.
TEST(Methods, KnowTheKeysOfText) {
    const json port = R"({"name": 1, "netns": 1, "interface": 1, "network": 1, "split-horizon": 1, "device": 1,
        "trunk": {"networks": [1], "native": 1}, "vhost-user": {"path": 1}, "bond": {"members": [1]}})"_json;
    const json route = R"({"to": "10.0.0.0/8", "via": "10.0.0.1", "network": 1, "port": 1, "domain": 1})"_json;
    std::set<std::string> text;
    const auto collect = [&](const base::Errors& errors) {
        for (const auto& error : errors) {
            if (error.message != "expected a string, found 1") continue;
            std::string key = error.path.substr(error.path.rfind('.') + 1);
            text.insert(key.substr(0, key.find('[')));
        }
    };
    for (const auto& [key, value] : port.items()) {
        port::PortConfig config;
        collect(base::read(base::from_json({{key, value}}), config));
    }
    route::RouteConfig config;
    collect(base::read(base::from_json(route), config));
    mirror::MirrorConfig mirror;
    collect(base::read(base::from_json(R"({"name": 1, "from": [1], "to": 1, "filter": 1})"_json), mirror));
    const auto& known = protocol::kTextKeys;
    EXPECT_EQ(text, std::set<std::string>(std::begin(known), std::end(known)));
}

TEST(Methods, KnowTheStatesOfFlows) {
    const auto states = names(flow::State{});
    ASSERT_EQ(std::size(protocol::described::kFlowStates), states.size());
    for (size_t i = 0; i < states.size(); ++i) EXPECT_EQ(protocol::described::kFlowStates[i], states[i].word);
}

}  // namespace
}  // namespace sluice::control
