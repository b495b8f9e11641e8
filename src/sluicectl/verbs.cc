#include "sluicectl/verbs.h"

#include <sstream>

#include "sluice/protocol.h"
#include "sluicectl/capture.h"
#include "sluicectl/live_trace.h"
#include "sluicectl/params.h"
#include "sluicectl/print.h"
#include "sluicectl/route_load.h"

namespace sluice::sluicectl {
namespace {

using namespace protocol;

// clang-format off
constexpr Verb kVerbs[] = {
    {"status", "", "how sluiced is doing: workers, memory, ports",
     kStatus, no_params, print_status},

    {"port list", "", "the ports, with their state and counters",
     kPortList, no_params, print_ports},
    {"port show", "PORT", "everything about one port",
     kPortShow, name_param, print_port},
    {"port add", "NAME KEY=VALUE...", "add a port, as in sluice.yaml: netns=web network=blue",
     kPortAdd, port_params, print_added, true},
    {"port delete", "PORT", "delete a port",
     kPortDelete, name_param, print_deleted, true},

    {"device list", "", "the PCI network devices: who has them, and what would be lost",
     kDeviceList, no_params, print_devices},
    {"device bind", "DEVICE [--driver DRIVER] [--force]",
     "take a device from the kernel, for a port (driver: vfio-pci)",
     kDeviceBind, device_params, print_bound, true},
    {"device unbind", "DEVICE", "give a device back to the kernel",
     kDeviceUnbind, device_params, print_unbound, true},

    {"network list", "", "the networks",
     kNetworkList, no_params, print_networks},
    {"mac list", "[--network NETWORK]", "the MAC addresses that the networks know",
     kMacList, network_param, print_macs},

    {"route list", "[PREFIX] [--domain DOMAIN] [--limit COUNT]",
     "the routes, or those within a prefix; the first 1000 unless --limit says more",
     kRouteList, route_list_params, print_routes},
    {"route lookup", "ADDRESS [--domain DOMAIN]", "the way of packets for an address",
     kRouteLookup, route_lookup_params, print_lookup},
    {"route add", "TO KEY=VALUE... [--replace]",
     "add a route, as in sluice.yaml: via=10.0.0.1 (several: ECMP), network=blue, type=blackhole",
     kRouteAdd, route_add_params, print_route_added, true},
    {"route delete", "TO [--domain DOMAIN]", "delete a route that was added",
     kRouteDelete, route_delete_params, print_route_deleted, true},
    {"route load", "FILE [--domain DOMAIN]",
     "add the routes of a file, one a line: 10.1.0.0/16 via 10.0.0.1",
     kRouteLoad, route_load_params, print_loaded, true, load_routes},
    {"neighbor list", "[--network NETWORK]", "the stations that routes lead to, and their MAC addresses",
     kNeighborList, network_param, print_neighbors},
    {"tunnel list", "", "the VXLAN tunnels to other hosts",
     kTunnelList, no_params, print_tunnels},

    {"acl list", "[ACL]", "the rules of the ACLs, and how often each decided",
     kAclList, optional_name_param, print_acls},
    {"flow list",
     "[--address ADDRESS] [--port N] [--network NETWORK] [--state STATE] [--limit COUNT]",
     "the connections that are known: the first 1000 unless --limit says more",
     kFlowList, flow_params, print_flows},
    {"flow count", "", "how many connections are known, by state, and whether the table is full",
     kFlowCount, no_params, print_flow_count},
    {"flow flush", "[--address ADDRESS] [--port N] [--network NETWORK] [--state STATE]",
     "forget connections: those that go on are decided anew",
     kFlowFlush, flow_params, print_flushed, true},
    {"trace",
     "[--from PORT|IP] [--to IP|PORT] [--proto PROTO] [--dport N] [--sport N] [--length BYTES] [--vlan N]"
     " [--source-mac MAC] [--destination-mac MAC] [--live FILTER] [--count COUNT]",
     "what would become of a packet, and which objects decide it (proto: tcp, udp, sctp, icmp; length: of the"
     " IP packet);"
     " --live: what becomes of those that come",
     kTrace, trace_params, print_trace, false, nullptr, live_trace, "live"},

    {"stats", "", "counters of workers, ports and queues",
     kStats, no_params, print_stats},
    {"drops", "[--last] [COUNT] [--port PORT] [--reason REASON]",
     "dropped packets, by port and reason; with --last the last 20, or COUNT, and what decided",
     kDrops, drop_params, print_drops},
    {"capture", "PORT|drops [-f FILTER] [-w FILE] [-c COUNT]",
     "what passes a port, or what is dropped and why; -w writes pcapng (- : standard output)",
     kCaptureStart, capture_params, nullptr, false, nullptr, capture},

    {"config show", "", "the configuration in force, as YAML",
     kConfigShow, no_params, print_yaml},
    {"config check", "[FILE]", "look for errors in a file (sluiced's own, if left out)",
     kConfigCheck, file_params, print_checked},
    {"config diff", "[FILE]", "what loading the file would change",
     kConfigDiff, file_params, print_changes},
    {"config reload", "", "load sluiced's own file again",
     kConfigReload, no_params, print_reloaded, true},
};
// clang-format on

}  // namespace

std::span<const Verb> verbs() {
    return kVerbs;
}

Shape shape_of(const Verb& verb) {
    Shape shape;
    std::istringstream words{std::string(verb.arguments)};
    for (std::string word; words >> word;) {
        if (word.starts_with("[--") && word.ends_with("]")) {
            shape.flags.push_back(word.substr(3, word.size() - 4));
            continue;
        }
        if (word.starts_with("[-")) {
            shape.options.push_back(word.substr(word.starts_with("[--") ? 3 : 1));
            words >> word;  // its value
            continue;
        }
        shape.max = word.ends_with("...") ? SIZE_MAX : shape.max + 1;
        if (!word.starts_with("[")) shape.min++;
    }
    return shape;
}

}  // namespace sluice::sluicectl
