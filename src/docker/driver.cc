#include "docker/driver.h"

#include <array>
#include <functional>

#include "base/log.h"
#include "base/text.h"

namespace sluice::docker {
namespace {

using nlohmann::json;

std::string dump(const json& value) {
    return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Calls with the same answer for every body. The discoveries are of a swarm's nodes, which a driver of scope
// `local` has no use for; docker allocates a network for itself alone where the scope is `global`.
struct Constant {
    std::string_view call;
    const char* answer;
};
constexpr std::array kConstants{
    Constant{"Plugin.Activate", R"({"Implements": ["NetworkDriver", "IpamDriver"]})"},
    Constant{"NetworkDriver.GetCapabilities", R"({"Scope": "local", "ConnectivityScope": "local"})"},
    Constant{"NetworkDriver.AllocateNetwork", R"({"Options": {}})"},
    Constant{"NetworkDriver.FreeNetwork", "{}"},
    Constant{"NetworkDriver.DiscoverNew", "{}"},
    Constant{"NetworkDriver.DiscoverDelete", "{}"},
    Constant{"IpamDriver.GetCapabilities", R"({"RequiresMACAddress": false, "RequiresRequestReplay": false})"},
    Constant{"IpamDriver.GetDefaultAddressSpaces",
             R"({"LocalDefaultAddressSpace": "sluice", "GlobalDefaultAddressSpace": "sluice-global"})"},
};

template <class T>
struct Call {
    std::string_view name;
    Answer<json> (T::*carry_out)(const json& body);
};
constexpr std::array kNetworkCalls{
    Call<Networks>{"NetworkDriver.CreateNetwork", &Networks::create_network},
    Call<Networks>{"NetworkDriver.DeleteNetwork", &Networks::delete_network},
    Call<Networks>{"NetworkDriver.CreateEndpoint", &Networks::create_endpoint},
    Call<Networks>{"NetworkDriver.DeleteEndpoint", &Networks::delete_endpoint},
    Call<Networks>{"NetworkDriver.EndpointOperInfo", &Networks::endpoint_info},
    Call<Networks>{"NetworkDriver.Join", &Networks::join},
    Call<Networks>{"NetworkDriver.Leave", &Networks::leave},
    Call<Networks>{"NetworkDriver.ProgramExternalConnectivity", &Networks::publish},
    Call<Networks>{"NetworkDriver.RevokeExternalConnectivity", &Networks::unpublish},
};
constexpr std::array kPoolCalls{
    Call<Pools>{"IpamDriver.RequestPool", &Pools::request_pool},
    Call<Pools>{"IpamDriver.ReleasePool", &Pools::release_pool},
    Call<Pools>{"IpamDriver.RequestAddress", &Pools::request_address},
    Call<Pools>{"IpamDriver.ReleaseAddress", &Pools::release_address},
};

}  // namespace

Answer<json> Driver::carry_out(std::string_view call, const json& body) {
    for (const auto& each : kConstants) {
        if (each.call == call) return json::parse(each.answer);
    }
    for (const auto& each : kNetworkCalls) {
        if (each.name == call) return std::invoke(each.carry_out, networks_, body);
    }
    for (const auto& each : kPoolCalls) {
        if (each.name == call) return std::invoke(each.carry_out, pools_, body);
    }
    return refuse("there is no call {}", base::shown(call));
}

std::string Driver::answer(std::string_view call, std::string_view text) {
    json body = json::object();
    if (text.find_first_not_of(" \t\r\n") != text.npos) {
        body = json::parse(text, nullptr, false);
        if (body.is_discarded()) return dump({{"Err", "the body is no JSON"}});
    }
    const auto answer = carry_out(call, body);
    if (answer) return dump(*answer);
    base::log::warning("docker", "{} was refused: {}", base::escaped(call), base::escaped(answer.error()));
    return dump({{"Err", answer.error()}});
}

}  // namespace sluice::docker
