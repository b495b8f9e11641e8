// A switch that adds, lists and deletes containers in memory, with the answers of the real one's methods, and a
// delegated plugin that hands out addresses. Both remember what they were asked.
#pragma once

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "sluice-cni/commands.h"
#include "sluice-cni/container.h"
#include "sluice/protocol.h"

namespace sluice::cni {

class FakeSwitch {
 public:
    std::map<std::pair<std::string, std::string>, nlohmann::json>
        rows;                          // of container.list, by container, interface
    std::vector<std::string> methods;  // that were called
    nlohmann::json last_add;           // its parameters
    std::optional<CallError> error;    // of each request
    std::string failing_method;        // `error` is of this one; empty: of all
    nlohmann::json dns = nlohmann::json::object();  // what the networks' containers resolve with
    nlohmann::json networks = nlohmann::json::array({{{"name", "blue"}, {"state", "in-force"}}});

    tl::expected<nlohmann::json, CallError> call(std::string_view method, const nlohmann::json& params) {
        methods.emplace_back(method);
        if (error && (failing_method.empty() || failing_method == method)) return tl::unexpected(*error);
        if (method == kContainerAdd) return add(params);
        if (method == kContainerDelete) return nlohmann::json{{"deleted", rows.erase(key(params)) != 0}};
        if (method == kContainerList) return list(params);
        if (method == protocol::kNetworkList) return nlohmann::json{{"networks", networks}};
        return tl::unexpected(CallError{CallError::Kind::kDaemon, "no such method", protocol::kMethodNotFound});
    }

 private:
    // A socket has none.
    static nlohmann::json routes_of(const nlohmann::json& row) {
        if (row.at("netns").is_null()) return nlohmann::json::array();
        return {{{"to", "0.0.0.0/0"}, {"via", "10.0.0.254"}}};
    }
    static std::pair<std::string, std::string> key(const nlohmann::json& params) {
        return {params.at("container"), params.at("interface")};
    }
    nlohmann::json add(const nlohmann::json& params) {
        last_add = params;
        if (!rows.contains(key(params))) {
            nlohmann::json row = params;
            const nlohmann::json address =
                params.value("address", nlohmann::json{"10.0.0." + std::to_string(++last_)});
            row["address"] = nlohmann::json::array();
            for (const std::string text : address) {
                row["address"].push_back(text.find('/') == text.npos ? text + "/24" : text);
            }
            row["port"] = "port" + std::to_string(last_);
            row["mac"] = params.value("mac", "02:00:00:00:00:0" + std::to_string(last_));
            row["mtu"] = params.value("mtu", 1500);
            row["state"] = "up";
            const bool is_socket = params.contains("vhost-user");
            row["netns"] = is_socket ? nlohmann::json() : params.at("netns");
            row["socket-path"] = is_socket ? params.at("vhost-user").at("path") : nlohmann::json();
            if (is_socket) row["mac"] = params.value("mac", nlohmann::json());
            row["rate-limit"] = {{"ingress", nullptr}, {"egress", nullptr}};
            const auto limits = params.value("rate-limit", nlohmann::json::object());
            for (const auto& [direction, asked] : limits.items())
                row["rate-limit"][direction] = {{"rate", asked.at("rate")},
                                                {"burst", asked.value("burst", 65536U)}};
            rows[key(params)] = row;
        }
        const nlohmann::json& row = rows[key(params)];
        auto addresses = nlohmann::json::array();
        for (const auto& address : row.at("address")) {
            addresses.push_back({{"address", address}, {"gateway", "10.0.0.254"}});
        }
        return {{"port", {{"name", row.at("port")}, {"state", "up"}}},
                {"interface", row.at("interface")},
                {"socket-path", row.at("socket-path")},
                {"mac", row.at("mac")},
                {"mtu", row.at("mtu")},
                {"address", addresses},
                {"routes", routes_of(row)},
                {"dns", dns}};
    }
    nlohmann::json list(const nlohmann::json& params) const {
        auto containers = nlohmann::json::array();
        for (const auto& [_, row] : rows) {
            if (row.at("by") == params.at("by")) containers.push_back(row);
        }
        return {{"containers", containers}};
    }

    int last_ = 0;
};

// Gives the address 10.0.0.77, once, unless it is told what to answer.
class FakeIpam {
 public:
    std::vector<std::string> commands;        // that it was run with
    std::map<std::string, Executed> answers;  // by command, instead of the usual ones
    bool is_taken = false;                    // the address

    tl::expected<Executed, std::string> execute(const std::string& program, std::string_view command,
                                                std::string_view input) {
        commands.emplace_back(command);
        program_ = program;
        input_ = input;
        if (const auto answer = answers.find(std::string(command)); answer != answers.end()) return answer->second;
        if (command == "DEL") is_taken = false;
        if (command != "ADD") return Executed{};
        if (std::exchange(is_taken, true)) return Executed{1, R"({"code": 11, "msg": "taken already"})"};
        return Executed{0,
                        R"({"cniVersion": "1.1.0", "ips": [{"address": "10.0.0.77/24", "gateway": "10.0.0.254"}],
            "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.0.0.3"}],
            "dns": {"nameservers": ["10.0.0.53"]}})"};
    }
    const std::string& program() const { return program_; }
    const std::string& input() const { return input_; }

 private:
    std::string program_;
    std::string input_;
};

// All that the plugin needs of the outside.
struct World {
    FakeSwitch sluice;
    FakeIpam ipam;
    tl::expected<Inside, std::string> inside;
    std::string socket;  // of the last request

    Outside outside() {
        return {.call =
                    [this](const std::string& path, std::string_view method, const nlohmann::json& params) {
                        socket = path;
                        return sluice.call(method, params);
                    },
                .find_plugin = [](const std::string& name, const std::string& path)
                    -> tl::expected<std::string, Failure> { return path + "/" + name; },
                .execute = [this](const std::string& program, std::string_view command,
                                  std::string_view input) { return ipam.execute(program, command, input); },
                .look_inside = [this](const std::string&, const std::string&) { return inside; }};
    }
};

}  // namespace sluice::cni
