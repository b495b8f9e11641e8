#include "control/commands.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "base/file.h"
#include "control/answer.h"
#include "control/capture.h"
#include "control/containers.h"
#include "control/devices.h"
#include "control/dns.h"
#include "control/kube_objects.h"
#include "control/objects.h"
#include "control/pod_policy.h"
#include "control/policy.h"
#include "control/report.h"
#include "control/report_drops.h"
#include "control/report_routing.h"
#include "control/routing.h"
#include "control/trace.h"
#include "control/translation.h"

namespace sluice::control {
namespace {

using nlohmann::json;

Answer port_list(Running& daemon, const json& params) {
    const PortQuery query{text_of(params, "name"), text_of(params, "network"), text_of(params, "state")};
    const auto& networks = daemon.running.config().networks;
    const auto is_wanted = [&](const auto& network) { return network.name == query.network; };
    if (!query.network.empty() && std::none_of(networks.begin(), networks.end(), is_wanted)) {
        return refused({{fmt::format("there is no network \"{}\"", query.network), {}, {}}});
    }
    // A name without wildcards that no port has is a mistake. For a pattern, an empty list is an answer.
    const bool is_pattern = query.name.find_first_of("*?[\\") != query.name.npos;
    if (!query.name.empty() && !is_pattern && !daemon.running.ports().contains(query.name) &&
        daemon.intent.find_waiting(engine::ObjectKind::kPort, query.name) == nullptr) {
        return no_port(daemon, query.name);
    }
    return report_ports(daemon.running, daemon.intent.waiting(), query);
}

Answer port_show(Running& daemon, const json& params) {
    const std::string name = text_of(params, "name");
    auto found = daemon.running.ports().find(name);
    if (found != daemon.running.ports().end()) return json{{"port", report_port(daemon.running, found->second)}};
    if (const auto* waiting = daemon.intent.find_waiting(engine::ObjectKind::kPort, name))
        return json{{"port", report_port(*waiting)}};
    return no_port(daemon, name);
}

// Adds the port's state to the answer. A port that was added or changed may not be up, and the state says why.
Answer with_port(Running& daemon, Answer answer, const json& name) {
    if (!answer) return answer;
    const std::string text = name.is_string() ? name.get<std::string>() : "";
    const auto port = daemon.running.ports().find(text);
    const auto* waiting = daemon.intent.find_waiting(engine::ObjectKind::kPort, text);
    if (port != daemon.running.ports().end()) {
        (*answer)["port"] = report_port(daemon.running, port->second);
    } else {
        (*answer)["port"] = waiting != nullptr ? report_port(*waiting) : json();
    }
    return answer;
}

Answer port_add(Running& daemon, const json& params) {
    Answer answer = object_add(daemon, engine::ObjectKind::kPort, params);
    return with_port(daemon, std::move(answer), params.at("port").value("name", json()));
}

Answer port_set(Running& daemon, const json& params) {
    Answer answer = object_set(daemon, engine::ObjectKind::kPort, params);
    return with_port(daemon, std::move(answer), params.at("name"));
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

// Considers the configuration in the request's text; without a text, the daemon's own file as it is now.
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
    // Of its own file the daemon reads the manifests too. A client might name files that it may not read itself.
    const bool is_own = !params.contains("text");
    auto config =
        daemon.intent.consider(text, file, is_own ? engine::WithManifests::kYes : engine::WithManifests::kNo);
    if (!config) return refused(config.error());
    if (!is_own && config->config.manifests != daemon.running.config().manifests) {
        config->left_out.push_back(
            {.text = fmt::format("the manifests of {} were not read: `sluiced --check` of the file reads them",
                                 file)});
    }
    return std::move(*config);
}

// The added objects that a configuration makes wait, and the parts of objects that it leaves out.
json out_of_force(const engine::Combined& config) {
    json waiting = json::array();
    for (const auto& object : config.waiting) {
        waiting.push_back({{"object", object.object->id().text()}, {"reason", object.reason()}});
    }
    json left_out = json::array();
    for (const auto& left : config.left_out) left_out.push_back(left.text);
    return {{"waiting", std::move(waiting)}, {"left-out", std::move(left_out)}};
}

Answer config_check(Running& daemon, const json& params) {
    std::string file;
    auto config = considered(daemon, params, file);
    if (!config) return tl::unexpected(config.error());
    json answer = out_of_force(*config);
    answer["file"] = file;
    answer["errors"] = json::array();
    return answer;
}

Answer config_diff(Running& daemon, const json& params) {
    std::string file;
    auto config = considered(daemon, params, file);
    if (!config) return tl::unexpected(config.error());
    json answer = out_of_force(*config);
    answer["changes"] = changes_json(daemon.intent.changes_to(*config));
    return answer;
}

}  // namespace

std::optional<tl::unexpected<RpcError>> if_waiting(const Running& daemon, std::string_view name) {
    if (daemon.running.ports().contains(std::string(name))) return std::nullopt;
    const auto* waiting = daemon.intent.find_waiting(engine::ObjectKind::kPort, name);
    if (waiting == nullptr) return std::nullopt;
    return refused({{fmt::format("port {} is not in force, it waits: {}", name, waiting->reason()), {}, {}}});
}

tl::unexpected<RpcError> no_port(const Running& daemon, std::string_view name) {
    if (auto waiting = if_waiting(daemon, name)) return *waiting;
    return refused({{fmt::format("there is no port \"{}\"", name), {}, {}}});
}

namespace {

// The commands that every kind of objects has.
void add_object_commands(std::vector<Command>& commands, Running* d) {
    using enum engine::ObjectKind;
    struct Row {
        engine::ObjectKind kind;
        const char* add;  // null: a port has its own, with the port's state in the answer
        const char* set;
        const char* remove;
    };
    static constexpr Row kRows[] = {
        {kNetwork, protocol::kNetworkAdd, protocol::kNetworkSet, protocol::kNetworkDelete},
        {kAddressSet, protocol::kAddressSetAdd, protocol::kAddressSetSet, protocol::kAddressSetDelete},
        {kPort, nullptr, nullptr, protocol::kPortDelete},
        {kAcl, protocol::kAclAdd, protocol::kAclSet, protocol::kAclDelete},
        {kMirror, protocol::kMirrorAdd, protocol::kMirrorSet, protocol::kMirrorDelete},
    };
    const auto add = [&](const char* name, auto carry_out, engine::ObjectKind kind) {
        if (name == nullptr) return;
        commands.push_back({*protocol::find_method(name),
                            [d, carry_out, kind](const json& params) { return carry_out(*d, kind, params); }});
    };
    for (const Row& row : kRows) {
        add(row.add, object_add, row.kind);
        add(row.set, object_set, row.kind);
        add(row.remove, object_delete, row.kind);
    }
}

}  // namespace

std::vector<Command> commands(Running& daemon) {
    Running* d = &daemon;
    using protocol::method;
    std::vector<Command> commands{
        {method(protocol::kStatus),
         [d](const json&) -> Answer { return report_status(d->running, d->intent, d->eal, d->started); }},
        {method(protocol::kPortList), [d](const json& p) { return port_list(*d, p); }},
        {method(protocol::kPortShow), [d](const json& p) { return port_show(*d, p); }},
        {method(protocol::kPortAdd), [d](const json& p) { return port_add(*d, p); }},
        {method(protocol::kPortSet), [d](const json& p) { return port_set(*d, p); }},
        {method(protocol::kAddressSetList), [d](const json&) { return address_set_list(*d); }},
        {method(protocol::kMirrorList), [d](const json&) { return mirror_list(*d); }},
        {method(protocol::kAdd), [d](const json& p) { return batch_add(*d, p); }},
        {method(protocol::kDelete), [d](const json& p) { return batch_delete(*d, p); }},
        {method(protocol::kDeviceList),
         [d](const json&) { return answer_of(list_devices(d->pci, pci_ports(d->running))); }},
        {method(protocol::kDeviceBind), [d](const json& p) { return device_bind(*d, p); }},
        {method(protocol::kDeviceUnbind), [d](const json& p) { return device_unbind(*d, p); }},
        {method(protocol::kNetworkList),
         [d](const json&) -> Answer { return report_networks(d->running, d->intent); }},
        {method(protocol::kMacList), nullptr, nullptr, [d](const json& p) { return mac_list(*d, p); }},
        {method(protocol::kRouteList), [d](const json& p) { return route_list(*d, p); }},
        {method(protocol::kRouteLookup), [d](const json& p) { return route_lookup(*d, p); }},
        {method(protocol::kRouteAdd), [d](const json& p) { return route_add(*d, p); }},
        {method(protocol::kRouteDelete), [d](const json& p) { return route_delete(*d, p); }},
        {method(protocol::kRouteLoad), [d](const json& p) { return route_load(*d, p); }},
        {method(protocol::kNeighborList), nullptr, nullptr, [d](const json& p) { return neighbor_list(*d, p); }},
        {method(protocol::kTunnelList), [d](const json&) -> Answer { return report_tunnels(d->running); }},
        {method(protocol::kAclList), [d](const json& p) { return acl_list(*d, p); }},
        {method(protocol::kPolicyList), nullptr, nullptr, [d](const json& p) { return policy_list(*d, p); }},
        {method(protocol::kPolicyShow), nullptr, nullptr, [d](const json& p) { return policy_show(*d, p); }},
        {method(protocol::kPolicyWhy), [d](const json& p) { return policy_why(*d, p); }},
        {method(protocol::kServiceList), [d](const json& p) { return service_list(*d, p); }},
        {method(protocol::kServiceShow), nullptr, nullptr, [d](const json& p) { return service_show(*d, p); }},
        {method(protocol::kServiceEnv), [d](const json& p) { return service_env(*d, p); }},
        {method(protocol::kServiceDrain), [d](const json& p) { return service_drain(*d, p); }},
        {method(protocol::kServiceUndrain), [d](const json& p) { return service_undrain(*d, p); }},
        {method(protocol::kNatList), [d](const json&) { return nat_list(*d); }},
        {method(protocol::kContainerList), [d](const json& p) { return container_list(*d, p); }},
        {method(protocol::kContainerAdd), [d](const json& p) { return container_add(*d, p); }},
        {method(protocol::kContainerDelete), [d](const json& p) { return container_delete(*d, p); }},
        {method(protocol::kIpamList), [d](const json& p) { return ipam_list(*d, p); }},
        {method(protocol::kDnsLookup), [d](const json& p) { return dns_lookup(*d, p); }},
        {method(protocol::kDnsShow), [d](const json&) { return dns_show(*d); }},
        {method(protocol::kLeaseList), [d](const json& p) { return lease_list(*d, p); }},
        {method(protocol::kFlowList), nullptr, nullptr, [d](const json& p) { return flow_list(*d, p); }},
        {method(protocol::kFlowCount), nullptr, nullptr, [d](const json&) { return flow_count(*d); }},
        {method(protocol::kFlowFlush), [d](const json& p) { return flow_flush(*d, p); }},
        {method(protocol::kTrace), nullptr, nullptr, [d](const json& p) { return trace(*d, p); }},
        // A live trace shows traffic, which clients that may only read don't get to see.
        {method(protocol::kTraceStart), nullptr,
         [d](const json& p, const Caller& caller) { return trace_start(*d, p, caller); }},
        {method(protocol::kTraceRead), nullptr,
         [d](const json& p, const Caller& caller) { return trace_read(*d, p, caller); }},
        {method(protocol::kTraceStop), nullptr,
         [d](const json& p, const Caller& caller) { return trace_stop(*d, p, caller); }},
        {method(protocol::kStats), [d](const json&) -> Answer { return report_stats(d->running, d->eal); }},
        {method(protocol::kCaptureStart), nullptr,
         [d](const json& p, const Caller& caller) { return capture_start(*d, p, caller); }},
        {method(protocol::kCaptureRead), nullptr,
         [d](const json& p, const Caller& caller) { return capture_read(*d, p, caller); }},
        {method(protocol::kCaptureStop), nullptr,
         [d](const json& p, const Caller& caller) { return capture_stop(*d, p, caller); }},
        {method(protocol::kDrops), [d](const json& p) { return drops(*d, p); }},
        {method(protocol::kObjectApply), [d](const json& p) { return object_apply(*d, p); }},
        {method(protocol::kObjectDelete), [d](const json& p) { return kube_object_delete(*d, p); }},
        {method(protocol::kObjectList), nullptr, nullptr, [d](const json& p) { return object_list(*d, p); }},
        {method(protocol::kConfigShow),
         [d](const json&) -> Answer {
             return json{{"yaml", engine::show(d->running.config())}};
         }},
        {method(protocol::kConfigCheck), [d](const json& p) { return config_check(*d, p); }},
        {method(protocol::kConfigDiff), [d](const json& p) { return config_diff(*d, p); }},
        {method(protocol::kConfigReload),
         [d](const json&) { return changed(*d, d->intent.reload(d->running, engine::Clock::now())); }},
    };
    add_object_commands(commands, d);
    return commands;
}

}  // namespace sluice::control
