#include "control/commands.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "control/answer.h"
#include "control/capture.h"
#include "control/devices.h"
#include "control/policy.h"
#include "control/report.h"
#include "control/report_drops.h"
#include "control/report_routing.h"
#include "control/routing.h"
#include "control/trace.h"

namespace sluice::control {
namespace {

using nlohmann::json;

json changes_json(const std::vector<engine::Change>& changes) {
    json list = json::array();
    for (const auto& change : changes) {
        json keys = json::array();
        for (const auto& key : change.keys) {
            keys.push_back({{"key", key.key}, {"from", base::to_json(key.from)}, {"to", base::to_json(key.to)}});
        }
        list.push_back({{"action", word_of(change.action)},
                        {"object", change.object},
                        {"origin", base::or_none(change.origin)},
                        {"detail", base::or_none(change.detail)},
                        {"effect", word_of(change.effect)},
                        {"keys", std::move(keys)}});
    }
    return list;
}

Answer changed(Running& daemon, const engine::Changes& changes) {
    if (!changes) return refused(changes.error());
    return json{{"changes", changes_json(*changes)}, {"generation", daemon.running.generation()}};
}

Answer port_list(Running& daemon, const json& params) {
    const PortQuery query{text_of(params, "name"), text_of(params, "network"), text_of(params, "state")};
    const auto& networks = daemon.running.config().networks;
    const auto is_wanted = [&](const auto& network) { return network.name == query.network; };
    if (!query.network.empty() && std::none_of(networks.begin(), networks.end(), is_wanted)) {
        return refused({{fmt::format("there is no network \"{}\"", query.network), {}, {}}});
    }
    // Of one name, in which nothing stands for others, nothing is a mistake and not an answer.
    const bool is_pattern = query.name.find_first_of("*?[\\") != query.name.npos;
    if (!query.name.empty() && !is_pattern && !daemon.running.ports().contains(query.name) &&
        daemon.intent.find_waiting(query.name) == nullptr) {
        return no_port(daemon, query.name);
    }
    return report_ports(daemon.running, daemon.intent.waiting(), query);
}

Answer port_show(Running& daemon, const json& params) {
    const std::string name = text_of(params, "name");
    auto found = daemon.running.ports().find(name);
    if (found != daemon.running.ports().end()) return json{{"port", report_port(daemon.running, found->second)}};
    if (const auto* waiting = daemon.intent.find_waiting(name)) return json{{"port", report_port(*waiting)}};
    return no_port(daemon, name);
}

Answer port_add(Running& daemon, const json& params) {
    const base::Document port = base::from_json(params.at("port"));
    Answer answer = changed(daemon, daemon.intent.add_port(daemon.running, port, engine::Clock::now()));
    if (!answer) return answer;
    // Added isn't up: what it waits for is to be seen at once.
    const base::Tree* name = port.root.find("name");
    const auto added = daemon.running.ports().find(name == nullptr ? "" : name->text);
    (*answer)["port"] =
        added == daemon.running.ports().end() ? json() : report_port(daemon.running, added->second);
    return answer;
}

Answer port_delete(Running& daemon, const json& params) {
    const std::string name = text_of(params, "name");
    return changed(daemon,
                   daemon.intent.delete_port(daemon.running, name, engine::Clock::now()));
}

Answer device_bind(Running& daemon, const json& params) {
    const std::string address = text_of(params, "address");
    const std::string driver = text_of(params, "driver");
    const bool force = flag_of(params, "force");
    return answer_of(bind_device(daemon.pci, pci_ports(daemon.running), address,
                                 driver.empty() ? "vfio-pci" : driver,
                                 force ? port::pci::Force::kYes : port::pci::Force::kNo));
}

Answer device_unbind(Running& daemon, const json& params) {
    const std::string address = text_of(params, "address");
    return answer_of(unbind_device(daemon.pci, pci_ports(daemon.running), address));
}

Steps mac_list(Running& daemon, const json& params) {
    const std::string network = text_of(params, "network");
    if (!network.empty() && !daemon.running.macs().contains(network)) {
        return finished(refused({{fmt::format("there is no network \"{}\"", network), {}, {}}}));
    }
    return report_macs(daemon.running, network);
}

// The configuration that a request speaks of: the text in it, or the daemon's own file as it is now.
tl::expected<engine::Combined, RpcError> considered(Running& daemon, const json& params,
                                                  std::string& file) {
    const std::string name = text_of(params, "file");
    std::string text = text_of(params, "text");
    if (!name.empty() && !params.contains("text")) {
        return invalid("the parameter 'file' names where 'text' is from, which is missing");
    }
    file = name.empty() ? daemon.intent.file() : name;
    if (!params.contains("text")) {
        auto content = base::read_file(daemon.intent.file(), base::Reading::kAgain);
        if (!content) return refused(content.error());
        text = std::move(*content);
    }
    auto config = daemon.intent.consider(text, file);
    if (!config) return refused(config.error());
    return std::move(*config);
}

Answer config_check(Running& daemon, const json& params) {
    std::string file;
    auto config = considered(daemon, params, file);
    if (!config) return tl::unexpected(config.error());
    json waiting = json::array();
    for (const auto& port : config->waiting) {
        waiting.push_back({{"port", port.port.name()}, {"reason", port.reason()}});
    }
    return json{{"file", file}, {"errors", json::array()}, {"waiting", waiting}, {"left-out", config->left_out}};
}

Answer config_diff(Running& daemon, const json& params) {
    std::string file;
    auto config = considered(daemon, params, file);
    if (!config) return tl::unexpected(config.error());
    return json{{"changes", changes_json(daemon.intent.changes_to(*config))}};
}

}  // namespace

std::optional<tl::unexpected<RpcError>> if_waiting(const Running& daemon, std::string_view name) {
    if (daemon.running.ports().contains(std::string(name))) return std::nullopt;
    const auto* waiting = daemon.intent.find_waiting(name);
    if (waiting == nullptr) return std::nullopt;
    return refused({{fmt::format("port {} is not in force, it waits: {}", name, waiting->reason()), {}, {}}});
}

tl::unexpected<RpcError> no_port(const Running& daemon, std::string_view name) {
    if (auto waiting = if_waiting(daemon, name)) return *waiting;
    return refused({{fmt::format("there is no port \"{}\"", name), {}, {}}});
}

std::vector<Command> commands(Running& daemon) {
    Running* d = &daemon;
    using protocol::method;
    return {
        {method(protocol::kStatus), [d](const json&) -> Answer {
             return report_status(d->running, d->intent, d->eal, d->started);
         }},
        {method(protocol::kPortList),
         [d](const json& p) { return port_list(*d, p); }},
        {method(protocol::kPortShow), [d](const json& p) { return port_show(*d, p); }},
        {method(protocol::kPortAdd), [d](const json& p) { return port_add(*d, p); }},
        {method(protocol::kPortDelete), [d](const json& p) { return port_delete(*d, p); }},
        {method(protocol::kDeviceList), [d](const json&) {
             return answer_of(list_devices(d->pci, pci_ports(d->running)));
         }},
        {method(protocol::kDeviceBind), [d](const json& p) { return device_bind(*d, p); }},
        {method(protocol::kDeviceUnbind), [d](const json& p) { return device_unbind(*d, p); }},
        {method(protocol::kNetworkList),
         [d](const json&) -> Answer { return report_networks(d->running); }},
        {method(protocol::kMacList), nullptr, nullptr, [d](const json& p) { return mac_list(*d, p); }},
        {method(protocol::kRouteList), [d](const json& p) { return route_list(*d, p); }},
        {method(protocol::kRouteLookup), [d](const json& p) { return route_lookup(*d, p); }},
        {method(protocol::kRouteAdd), [d](const json& p) { return route_add(*d, p); }},
        {method(protocol::kRouteDelete), [d](const json& p) { return route_delete(*d, p); }},
        {method(protocol::kRouteLoad), [d](const json& p) { return route_load(*d, p); }},
        {method(protocol::kNeighborList), nullptr, nullptr, [d](const json& p) { return neighbor_list(*d, p); }},
        {method(protocol::kTunnelList),
         [d](const json&) -> Answer { return report_tunnels(d->running); }},
        {method(protocol::kAclList), [d](const json& p) { return acl_list(*d, p); }},
        {method(protocol::kFlowList), nullptr, nullptr, [d](const json& p) { return flow_list(*d, p); }},
        {method(protocol::kFlowCount), nullptr, nullptr, [d](const json&) { return flow_count(*d); }},
        {method(protocol::kFlowFlush), [d](const json& p) { return flow_flush(*d, p); }},
        {method(protocol::kTrace), nullptr, nullptr, [d](const json& p) { return trace(*d, p); }},
        // What passes is not for those who may only ask how the switch is.
        {method(protocol::kTraceStart), nullptr,
         [d](const json& p, const Caller& caller) { return trace_start(*d, p, caller); }},
        {method(protocol::kTraceRead), nullptr,
         [d](const json& p, const Caller& caller) { return trace_read(*d, p, caller); }},
        {method(protocol::kTraceStop), nullptr,
         [d](const json& p, const Caller& caller) { return trace_stop(*d, p, caller); }},
        {method(protocol::kStats),
         [d](const json&) -> Answer { return report_stats(d->running, d->eal); }},
        {method(protocol::kCaptureStart), nullptr,
         [d](const json& p, const Caller& caller) { return capture_start(*d, p, caller); }},
        {method(protocol::kCaptureRead), nullptr,
         [d](const json& p, const Caller& caller) { return capture_read(*d, p, caller); }},
        {method(protocol::kCaptureStop), nullptr,
         [d](const json& p, const Caller& caller) { return capture_stop(*d, p, caller); }},
        {method(protocol::kDrops), [d](const json& p) { return drops(*d, p); }},
        {method(protocol::kConfigShow),
         [d](const json&) -> Answer { return json{{"yaml", engine::show(d->running.config())}}; }},
        {method(protocol::kConfigCheck), [d](const json& p) { return config_check(*d, p); }},
        {method(protocol::kConfigDiff), [d](const json& p) { return config_diff(*d, p); }},
        {method(protocol::kConfigReload), [d](const json&) {
             return changed(*d, d->intent.reload(d->running, engine::Clock::now()));
         }},
    };
}

}  // namespace sluice::control
