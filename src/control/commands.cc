#include "control/commands.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

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
        std::string_view action;
        for (const auto& [value, word] : names(change.action)) {
            if (value == change.action) action = word;
        }
        list.push_back({{"action", action},
                        {"object", change.object},
                        {"origin", change.origin},
                        {"detail", change.detail}});
    }
    return list;
}

Answer changed(Running& daemon, const engine::Changes& changes) {
    if (!changes) return refused(changes.error());
    return json{{"changes", changes_json(*changes)}, {"generation", daemon.running.generation()}};
}

Answer port_show(Running& daemon, const json& params) {
    auto name = text_param(params, "name");
    if (!name) return tl::unexpected(name.error());
    auto found = daemon.running.ports().find(*name);
    if (found == daemon.running.ports().end()) {
        return refused({{fmt::format("there is no port \"{}\"", *name), {}, {}}});
    }
    return json{{"port", report_port(daemon.running, found->second)}};
}

Answer port_add(Running& daemon, const json& params) {
    auto found = params.find("port");
    if (found == params.end() || !found->is_object()) return invalid("\"port\" is not an object");
    auto port = engine::read_port(base::from_json(*found));
    if (!port) return refused(port.error());
    return changed(daemon,
                   daemon.intent.add_port(daemon.running, *port, engine::Clock::now()));
}

Answer port_delete(Running& daemon, const json& params) {
    auto name = text_param(params, "name");
    if (!name) return tl::unexpected(name.error());
    return changed(daemon,
                   daemon.intent.delete_port(daemon.running, *name, engine::Clock::now()));
}

Answer device_bind(Running& daemon, const json& params) {
    auto address = text_param(params, "address");
    if (!address) return tl::unexpected(address.error());
    auto driver = text_param(params, "driver");
    if (!driver) return tl::unexpected(driver.error());
    auto force = flag_param(params, "force");
    if (!force) return tl::unexpected(force.error());
    return answer_of(bind_device(daemon.pci, pci_ports(daemon.running), *address,
                                 driver->empty() ? "vfio-pci" : *driver,
                                 *force ? port::pci::Force::kYes : port::pci::Force::kNo));
}

Answer device_unbind(Running& daemon, const json& params) {
    auto address = text_param(params, "address");
    if (!address) return tl::unexpected(address.error());
    return answer_of(unbind_device(daemon.pci, pci_ports(daemon.running), *address));
}

Answer mac_list(Running& daemon, const json& params) {
    auto network = text_param(params, "network");
    if (!network) return tl::unexpected(network.error());
    if (!network->empty() && !daemon.running.macs().contains(*network)) {
        return refused({{fmt::format("there is no network \"{}\"", *network), {}, {}}});
    }
    return report_macs(daemon.running, *network);
}

// The configuration that a request speaks of: the text in it, or the daemon's own file as it is now.
tl::expected<engine::Config, RpcError> considered(Running& daemon, const json& params,
                                                  std::string& file) {
    auto name = text_param(params, "file");
    if (!name) return tl::unexpected(name.error());
    auto text = text_param(params, "text");
    if (!text) return tl::unexpected(text.error());
    file = name->empty() ? daemon.intent.file() : *name;
    if (!params.contains("text")) {
        auto content = engine::read_file(daemon.intent.file());
        if (!content) return refused(content.error());
        *text = std::move(*content);
    }
    auto config = daemon.intent.consider(*text, file);
    if (!config) return refused(config.error());
    return std::move(*config);
}

Answer config_check(Running& daemon, const json& params) {
    std::string file;
    auto config = considered(daemon, params, file);
    if (!config) return tl::unexpected(config.error());
    return json{{"file", file}, {"errors", json::array()}};
}

Answer config_diff(Running& daemon, const json& params) {
    std::string file;
    auto config = considered(daemon, params, file);
    if (!config) return tl::unexpected(config.error());
    return json{{"changes", changes_json(engine::diff(daemon.running.config(), *config))}};
}

}  // namespace

std::vector<Command> commands(Running& daemon) {
    Running* d = &daemon;
    using enum Access;
    return {
        {protocol::kStatus, kRead, [d](const json&) -> Answer {
             return report_status(d->running, d->intent.routes(), d->eal, d->intent.file(), d->started);
         }},
        {protocol::kPortList, kRead,
         [d](const json&) -> Answer { return report_ports(d->running); }},
        {protocol::kPortShow, kRead, [d](const json& p) { return port_show(*d, p); }},
        {protocol::kPortAdd, kWrite, [d](const json& p) { return port_add(*d, p); }},
        {protocol::kPortDelete, kWrite, [d](const json& p) { return port_delete(*d, p); }},
        {protocol::kDeviceList, kRead, [d](const json&) {
             return answer_of(list_devices(d->pci, pci_ports(d->running)));
         }},
        {protocol::kDeviceBind, kWrite, [d](const json& p) { return device_bind(*d, p); }},
        {protocol::kDeviceUnbind, kWrite, [d](const json& p) { return device_unbind(*d, p); }},
        {protocol::kNetworkList, kRead,
         [d](const json&) -> Answer { return report_networks(d->running); }},
        {protocol::kMacList, kRead, [d](const json& p) { return mac_list(*d, p); }},
        {protocol::kRouteList, kRead, [d](const json& p) { return route_list(*d, p); }},
        {protocol::kRouteLookup, kRead, [d](const json& p) { return route_lookup(*d, p); }},
        {protocol::kRouteAdd, kWrite, [d](const json& p) { return route_add(*d, p); }},
        {protocol::kRouteDelete, kWrite, [d](const json& p) { return route_delete(*d, p); }},
        {protocol::kRouteLoad, kWrite, [d](const json& p) { return route_load(*d, p); }},
        {protocol::kNeighborList, kRead, [d](const json& p) { return neighbor_list(*d, p); }},
        {protocol::kTunnelList, kRead,
         [d](const json&) -> Answer { return report_tunnels(d->running); }},
        {protocol::kAclList, kRead, [d](const json& p) { return acl_list(*d, p); }},
        {protocol::kFlowList, kRead, [d](const json& p) { return flow_list(*d, p); }},
        {protocol::kFlowCount, kRead, [d](const json&) { return flow_count(*d); }},
        {protocol::kFlowFlush, kWrite, [d](const json& p) { return flow_flush(*d, p); }},
        {protocol::kTrace, kRead, [d](const json& p) { return trace(*d, p); }},
        // What passes is not for those who may only ask how the switch is.
        {protocol::kTraceStart, kWrite, nullptr,
         [d](const json& p, const Caller& caller) { return trace_start(*d, p, caller); }},
        {protocol::kTraceRead, kWrite, nullptr,
         [d](const json& p, const Caller& caller) { return trace_read(*d, p, caller); }},
        {protocol::kTraceStop, kWrite, nullptr,
         [d](const json& p, const Caller& caller) { return trace_stop(*d, p, caller); }},
        {protocol::kStats, kRead,
         [d](const json&) -> Answer { return report_stats(d->running, d->eal); }},
        {protocol::kCaptureStart, kWrite, nullptr,
         [d](const json& p, const Caller& caller) { return capture_start(*d, p, caller); }},
        {protocol::kCaptureRead, kWrite, nullptr,
         [d](const json& p, const Caller& caller) { return capture_read(*d, p, caller); }},
        {protocol::kCaptureStop, kWrite, nullptr,
         [d](const json& p, const Caller& caller) { return capture_stop(*d, p, caller); }},
        {protocol::kDrops, kRead, [d](const json& p) { return drops(*d, p); }},
        {protocol::kConfigShow, kRead,
         [d](const json&) -> Answer { return json{{"yaml", engine::show(d->running.config())}}; }},
        {protocol::kConfigCheck, kRead, [d](const json& p) { return config_check(*d, p); }},
        {protocol::kConfigDiff, kRead, [d](const json& p) { return config_diff(*d, p); }},
        {protocol::kConfigReload, kWrite, [d](const json&) {
             return changed(*d, d->intent.reload(d->running, engine::Clock::now()));
         }},
    };
}

}  // namespace sluice::control
