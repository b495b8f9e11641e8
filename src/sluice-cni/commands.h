// Carries out the commands of CNI. The switch does the work, one transaction a container. This code calls it, runs
// a delegated plugin if the configuration names one, and makes the result. Its caller provides the access to the
// switch, to other programs and to namespaces (Outside). One thread; blocks.
//
// If an ADD is killed at any point, the runtime's DEL removes what the ADD has made. DEL first deletes the port
// and then frees the addresses, so that no address is free while a port uses it.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "sluice-cni/configuration.h"
#include "sluice-cni/delegate.h"
#include "sluice-cni/environment.h"
#include "sluice-cni/failure.h"
#include "sluice-cni/inside.h"
#include "sluice/client.h"

namespace sluice::cni {

struct Outside {
    // One request to the switch at that control socket.
    std::function<tl::expected<nlohmann::json, CallError>(const std::string& socket, std::string_view method,
                                                          const nlohmann::json& params)>
        call;
    // delegate.h
    std::function<tl::expected<std::string, Failure>(const std::string& name, const std::string& path)>
        find_plugin;
    std::function<tl::expected<Executed, std::string>(const std::string& program, std::string_view command,
                                                      std::string_view input)>
        execute;
    // inside.h
    std::function<tl::expected<Inside, std::string>(const std::string& netns, const std::string& interface)>
        look_inside;
};

// What the runtime asks for. `text` is the configuration as it came: a delegated plugin gets the same.
struct Request {
    Environment environment;
    Configuration configuration;
    std::string text;
};

// The result, or null for a command that has none.
tl::expected<nlohmann::json, Failure> carry_out(const Request& request, const Outside& outside);

}  // namespace sluice::cni
