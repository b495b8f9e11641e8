#include "sluicectl/verbs.h"

#include <fmt/format.h>

#include <sstream>

#include "sluice/protocol.h"
#include "sluicectl/capture.h"
#include "sluicectl/live_trace.h"
#include "sluicectl/objects.h"
#include "sluicectl/params.h"
#include "sluicectl/print.h"
#include "sluicectl/route_load.h"
#include "sluicectl/wait.h"

namespace sluice::sluicectl {
namespace {

using namespace protocol;

// clang-format off
constexpr OwnArgument kFileOwn[] = {{"FILE", "the file; sluiced's own if left out"}};
constexpr OwnArgument kPortAddOwn[] = {
    {"NAME", "the port's name"},
    {"KEY=VALUE", "a key of `ports` in sluice.yaml; the dots of KEY nest, VALUE is YAML in one line"},
    {"--wait[=S]", "wait until it is up, S seconds at most (30 if left out); status 1 if it isn't"}};
constexpr OwnArgument kPortSetOwn[] = {
    {"NAME", "the port's name"},
    {"KEY=VALUE", "a key of `ports` in sluice.yaml and its new value; null: the default again"}};
constexpr OwnArgument kNetworkOwn[] = {
    {"NAME", "the network's name"},
    {"KEY=VALUE", "a key of `networks` in sluice.yaml; the dots of KEY nest, VALUE is YAML in one line"}};
constexpr OwnArgument kNetworkSetOwn[] = {
    {"NAME", "the network's name"},
    {"KEY=VALUE", "a key of `networks` in sluice.yaml and its new value; null: the default again"}};
constexpr OwnArgument kAclOwn[] = {
    {"NAME", "the ACL's name"},
    {"KEY=VALUE", "a key of `acls` in sluice.yaml: apply, rules; VALUE is YAML in one line"}};
constexpr OwnArgument kSetOwn[] = {
    {"NAME", "the set's name"},
    {"KEY=VALUE", "a key of `address-sets` in sluice.yaml: addresses; VALUE is YAML in one line"}};
constexpr OwnArgument kMirrorOwn[] = {
    {"NAME", "the mirror's name"},
    {"KEY=VALUE", "a key of `mirrors` in sluice.yaml; VALUE is YAML in one line"}};
constexpr OwnArgument kBatchOwn[] = {
    {"-f FILE", "YAML with lists as in sluice.yaml: networks, ports, acls, address-sets, mirrors, routes; - is "
     "standard input"}};
constexpr OwnArgument kApplyOwn[] = {
    {"-f FILE", "a manifest, YAML or JSON; a folder: all its manifests; - is standard input; -f may stand several "
     "times"}};
constexpr OwnArgument kGetOwn[] = {
    {"KIND", "only of this kind: namespaces, pods, networkpolicies, services, endpoints, endpointslices, nodes; "
     "ns, po, netpol, svc, ep, no for short; several as pods,netpol; all is all"},
    {"NAME", "only the one with this name; KIND/NAME will do too"},
    {"-n NAMESPACE", "of this namespace; default if left out"},
    {"-A", "of all namespaces"},
    {"-l SELECTOR", "only with these labels: app=web,tier in (a,b),!old"},
    {"-o FORMAT", "yaml, json, wide or name"}};
constexpr OwnArgument kDeleteOwn[] = {
    {"KIND", "of the Kubernetes object: namespace, pod, networkpolicy, service, endpoints, endpointslice, node"},
    {"NAME", "of the Kubernetes object, or several; KIND/NAME will do too. With a namespace all that is in it is "
     "deleted"},
    {"-f FILE", "lists as in sluice.yaml of objects and routes that were added; or a manifest, or a folder of "
     "manifests; - is standard input. Only their names count"},
    {"-n NAMESPACE", "of the object with that name; default if left out"}};
constexpr OwnArgument kWaitOwn[] = {{"--timeout S", "seconds at most; 30 if left out"}};
constexpr OwnArgument kRouteAddOwn[] = {
    {"TO", "the route's prefix"},
    {"KEY=VALUE", "a key of `routes` in sluice.yaml; several via=ADDRESS are ECMP"}};
constexpr OwnArgument kRouteLoadOwn[] = {{"FILE", "a file of routes, one a line: 10.1.0.0/16 via 10.0.0.1"}};
constexpr OwnArgument kTraceOwn[] = {
    {"--live FILTER", "what becomes of packets that come and match, in tcpdump's language"},
    {"--count COUNT", "with --live: end after so many"}};
constexpr OwnArgument kDropsOwn[] = {
    {"--last", "the most recent packets in place of counts, and what decided"},
    {"COUNT", "the same, and so many; 20 with --last alone"}};
constexpr OwnArgument kCaptureOwn[] = {
    {"PORT|drops", "the port, or all that is dropped, and why"},
    {"-f FILTER", "only packets that match, in tcpdump's language"},
    {"-w FILE", "write pcapng to a file; - is standard output"},
    {"-c COUNT", "end after so many"}};

constexpr Verb kVerbs[] = {
    {"status", "", "how sluiced is doing: workers, memory, ports",
     "status --watch", kStatus, nullptr, print_status},
    {"stats", "", "counters of workers, ports and queues",
     "stats", kStats, nullptr, print_stats},
    {"wait port", "name [--timeout S]", "wait until a port is up",
     "wait port web --timeout 5",
     kPortShow, wait_params, nullptr, false, nullptr, nullptr, nullptr, kWaitOwn, wait_until},
    {"wait", "[--timeout S]", "wait until sluiced answers",
     "wait --timeout 5",
     kStatus, wait_params, nullptr, false, nullptr, nullptr, nullptr, kWaitOwn, wait_until},

    {"port list", "name --network --state", "the ports, with their state and rates",
     "port list --network blue --state down", kPortList, nullptr, print_ports},
    {"port show", "name", "everything about one port",
     "port show web", kPortShow, nullptr, print_port},
    {"port add", "NAME KEY=VALUE... [--wait[=S]]", "add a port, with keys as in sluice.yaml",
     "port add web netns=web network=blue address=10.0.0.2 --wait",
     kPortAdd, port_params, print_added, true, nullptr, add_and_wait, "wait", kPortAddOwn},
    {"port set", "NAME KEY=VALUE...", "change keys of a port that was added",
     "port set web mtu=1400",
     kPortSet, set_params, print_port_set, true, nullptr, nullptr, nullptr, kPortSetOwn},
    {"port delete", "name", "delete a port that was added",
     "port delete web", kPortDelete, nullptr, print_deleted, true},
    {"device list", "", "the PCI network devices: who has them, and what would be lost",
     "device list", kDeviceList, nullptr, print_devices},
    {"device bind", "address --driver --force", "take a device from the kernel, for a port",
     "device bind 0000:03:00.1", kDeviceBind, nullptr, print_bound, true},
    {"device unbind", "address", "give a device back to the kernel",
     "device unbind 0000:03:00.1", kDeviceUnbind, nullptr, print_unbound, true},

    {"network list", "", "the networks",
     "network list", kNetworkList, nullptr, print_networks},
    {"network add", "NAME [KEY=VALUE]...", "add a network, with keys as in sluice.yaml",
     "network add blue subnets=[10.0.0.0/24] gateway=10.0.0.1",
     kNetworkAdd, [](const Arguments& a) { return object_params("network", a); }, print_done, true, nullptr,
     nullptr, nullptr, kNetworkOwn},
    {"network set", "NAME KEY=VALUE...", "change keys of a network that was added",
     "network set blue ageing=60",
     kNetworkSet, set_params, print_done, true, nullptr, nullptr, nullptr, kNetworkSetOwn},
    {"network delete", "name", "delete a network that was added",
     "network delete blue", kNetworkDelete, nullptr, print_done, true},
    {"mac list", "--network", "the MAC addresses that the networks know",
     "mac list --network blue", kMacList, nullptr, print_macs},
    {"route list", "within --domain --limit", "the routes, or those within a prefix",
     "route list 10.0.0.0/8 --limit 20", kRouteList, nullptr, print_routes},
    {"route lookup", "address --domain", "the way of packets for an address",
     "route lookup 10.1.2.3", kRouteLookup, nullptr, print_lookup},
    {"route add", "TO KEY=VALUE... --replace", "add a route, with keys as in sluice.yaml",
     "route add 10.1.0.0/16 via=10.0.0.1 via=10.0.0.2",
     kRouteAdd, route_add_params, print_route_added, true, nullptr, nullptr, nullptr, kRouteAddOwn},
    {"route delete", "to --domain", "delete a route that was added",
     "route delete 10.1.0.0/16", kRouteDelete, nullptr, print_route_deleted, true},
    {"route load", "FILE --domain", "add the routes of a file",
     "route load routes.txt",
     kRouteLoad, route_load_params, print_loaded, true, load_routes, nullptr, nullptr, kRouteLoadOwn},
    {"neighbor list", "--network", "the stations that routes lead to, and their MAC addresses",
     "neighbor list --network blue", kNeighborList, nullptr, print_neighbors},
    {"tunnel list", "", "the VXLAN tunnels to other hosts",
     "tunnel list", kTunnelList, nullptr, print_tunnels},

    {"acl list", "name", "the rules of the ACLs, and how often each decided",
     "acl list edge", kAclList, nullptr, print_acls},
    {"acl add", "NAME KEY=VALUE...", "add an ACL, with keys as in sluice.yaml",
     "acl add shut 'apply={port: web, direction: egress}' rules=[]",
     kAclAdd, [](const Arguments& a) { return object_params("acl", a); }, print_done, true, nullptr, nullptr,
     nullptr, kAclOwn},
    {"acl set", "NAME KEY=VALUE...", "change keys of an ACL that was added",
     "acl set edge 'rules=[{permit: {proto: tcp, port: 443}}]'",
     kAclSet, set_params, print_done, true, nullptr, nullptr, nullptr, kAclOwn},
    {"acl delete", "name", "delete an ACL that was added",
     "acl delete edge", kAclDelete, nullptr, print_done, true},
    {"address-set list", "", "the address sets that rules may name",
     "address-set list", kAddressSetList, nullptr, print_address_sets},
    {"address-set add", "NAME KEY=VALUE...", "add an address set",
     "address-set add office addresses=[192.0.2.0/24]",
     kAddressSetAdd, [](const Arguments& a) { return object_params("address-set", a); }, print_done, true, nullptr,
     nullptr, nullptr, kSetOwn},
    {"address-set set", "NAME KEY=VALUE...", "change an address set that was added",
     "address-set set office addresses=[192.0.2.0/25]",
     kAddressSetSet, set_params, print_done, true, nullptr, nullptr, nullptr, kSetOwn},
    {"address-set delete", "name", "delete an address set that was added",
     "address-set delete office", kAddressSetDelete, nullptr, print_done, true},
    {"policy list", "--namespace", "the NetworkPolicies, and how many pods each selects",
     "policy list --namespace shop", kPolicyList, nullptr, print_pod_policies},
    {"policy show", "pod", "what the NetworkPolicies say of a pod, in both directions",
     "policy show shop/api", kPolicyShow, nullptr, print_pod_rules},
    {"policy why", "from to --proto --dport",
     "whether the NetworkPolicies allow a connection, and which rule or policies decide",
     "policy why shop/frontend-0 shop/api --dport http", kPolicyWhy, nullptr, print_pod_reasons},
    {"service list", "", "the addresses and ports of Services and published ports",
     "service list", kServiceList, nullptr, print_services},
    {"service show", "name", "the back ends of a Service, with their connections",
     "service show shop/web", kServiceShow, nullptr, print_service},
    {"service env", "pod", "the environment variables by which a pod's containers find Services",
     "service env shop/web-0", kServiceEnv, nullptr, print_variables},
    {"service drain", "name backend", "give a back end no new connections; it keeps those that it has",
     "service drain shop 10.0.0.2", kServiceDrain, nullptr, print_drained, true},
    {"service undrain", "name backend", "give a back end new connections again",
     "service undrain shop 10.0.0.2", kServiceUndrain, nullptr, print_drained, true},
    {"nat list", "", "NAT's pools: ports in use, and who uses most; static addresses",
     "nat list", kNatList, nullptr, print_nat},
    {"container list", "--by", "the interfaces of containers that runtimes have added",
     "container list --by cni:pods", kContainerList, nullptr, print_containers},
    {"ipam list", "network", "the addresses that are in use, and who has them",
     "ipam list blue", kIpamList, nullptr, print_ipam},
    {"dns lookup", "name type --network", "what a DNS query would be answered with, and why",
     "dns lookup web.default.svc.cluster.local AAAA --network blue", kDnsLookup, nullptr, print_dns_lookup},
    {"dns show", "", "the DNS responder: its queries, and the upstreams",
     "dns show", kDnsShow, nullptr, print_dns},
    {"lease list", "network", "the addresses that guests have by DHCP, and for how long",
     "lease list blue", kLeaseList, nullptr, print_leases},
    {"flow list", "--address --port --network --state --limit", "the connections that are known",
     "flow list --address 10.0.0.2 --state established", kFlowList, nullptr, print_flows},
    {"flow count", "", "how many connections are known, and whether the table is full",
     "flow count", kFlowCount, nullptr, print_flow_count},
    {"flow flush", "--address --port --network --state",
     "forget connections: those that go on are decided anew",
     "flow flush --network blue", kFlowFlush, nullptr, print_flushed, true},

    {"trace",
     "--from --to --proto --dport --sport --length --df --vlan --source-mac --destination-mac"
     " [--live FILTER] [--count COUNT]",
     "what would become of a packet, or becomes of those that come, and which objects decide it",
     "trace --from web --to 10.0.0.3 --proto tcp --dport 443",
     kTrace, trace_params, print_trace, false, nullptr, live_trace, "live", kTraceOwn},
    {"drops", "[--last] [COUNT] --all --port --reason", "dropped packets, by port and reason",
     "drops --last 50 --port web",
     kDrops, drop_params, print_drops, false, nullptr, nullptr, nullptr, kDropsOwn},
    {"capture", "PORT|drops [-f FILTER] [-w FILE] [-c COUNT]", "what passes a port, or what is dropped and why",
     "capture web -f 'tcp port 80' -w web.pcapng",
     kCaptureStart, capture_params, nullptr, false, nullptr, capture, nullptr, kCaptureOwn},

    {"mirror list", "", "the mirrors", "mirror list", kMirrorList, nullptr, print_mirrors},
    {"mirror add", "NAME KEY=VALUE...", "add a mirror, with keys as in sluice.yaml",
     "mirror add watch from=[web] to=watch0 filter=icmp",
     kMirrorAdd, [](const Arguments& a) { return object_params("mirror", a); }, print_done, true, nullptr, nullptr,
     nullptr, kMirrorOwn},
    {"mirror set", "NAME KEY=VALUE...", "change keys of a mirror that was added",
     "mirror set watch direction=rx",
     kMirrorSet, set_params, print_done, true, nullptr, nullptr, nullptr, kMirrorOwn},
    {"mirror delete", "name", "delete a mirror that was added",
     "mirror delete watch", kMirrorDelete, nullptr, print_done, true},

    {"get", "[KIND] [NAME] [-n NAMESPACE] [-A] [-l SELECTOR] [-o FORMAT]",
     "the Kubernetes objects: those that were applied, and those of the manifests",
     "get pods -n shop -l app=web -o wide",
     kObjectList, get_params, print_objects, false, nullptr, nullptr, nullptr, kGetOwn},
    {"apply", "[-f FILE] --skip-unknown --dry-run",
     "create or replace the Kubernetes objects of manifests, all or none",
     "apply -f shop.yaml",
     kObjectApply, apply_params, print_applied, true, nullptr, nullptr, nullptr, kApplyOwn},

    {"add", "[-f FILE]", "add all objects and routes of a file, or none",
     "add -f blue.yaml",
     kAdd, add_params, print_done, true, nullptr, nullptr, nullptr, kBatchOwn},
    {"delete", "[KIND] [NAME]... [-f FILE] [-n NAMESPACE] --ignore-not-found --skip-unknown --dry-run",
     "delete what was added or applied: all that a file names, or one Kubernetes object",
     "delete -f blue.yaml",
     kObjectDelete, delete_params, print_deletions, true, call_delete, nullptr, nullptr, kDeleteOwn},
    {"config show", "", "the configuration in force, as YAML",
     "config show", kConfigShow, nullptr, print_yaml},
    {"config check", "[FILE]", "look for errors in a file",
     "config check new.yaml",
     kConfigCheck, file_params, print_checked, false, nullptr, nullptr, nullptr, kFileOwn},
    {"config diff", "[FILE]", "what loading the file would change",
     "config diff new.yaml",
     kConfigDiff, file_params, print_changes, false, nullptr, nullptr, nullptr, kFileOwn},
    {"config reload", "", "load sluiced's own file again",
     "config reload", kConfigReload, nullptr, print_reloaded, true},
};

constexpr Group kGroups[] = {
    {"The switch", "status"},
    {"Ports and devices", "port list"},
    {"Networks and routes", "network list"},
    {"Policies and connections", "acl list"},
    {"What happens to packets", "trace"},
    {"Kubernetes objects", "get"},
    {"Configuration", "add"},
};
// clang-format on

}  // namespace

std::span<const Verb> verbs() {
    return kVerbs;
}

std::span<const Group> groups() {
    return kGroups;
}

const Parameter* parameter_of(const Verb& verb, std::string_view word) {
    if (word.starts_with("--")) word.remove_prefix(2);
    const Method* method = find_method(verb.method);
    return method == nullptr ? nullptr : find_parameter(method->parameters, word);
}

std::string arguments_of(const Verb& verb) {
    std::string text;
    std::istringstream words{std::string(verb.arguments)};
    for (std::string word; words >> word;) {
        const Parameter* parameter = parameter_of(verb, word);
        if (!text.empty()) text += ' ';
        if (parameter == nullptr) {
            text += word;
        } else if (word.starts_with("--")) {
            text += parameter->type == Type::kFlag ? fmt::format("[{}]", word)
                                                   : fmt::format("[{} {}]", word, parameter->placeholder);
        } else {
            text += parameter->need == Need::kRequired ? std::string(parameter->placeholder)
                                                       : fmt::format("[{}]", parameter->placeholder);
        }
    }
    return text;
}

Shape shape_of(const Verb& verb) {
    Shape shape;
    std::istringstream words{arguments_of(verb)};
    for (std::string word; words >> word;) {
        if (const size_t value = word.find("[="); word.starts_with("[--") && value != word.npos) {
            shape.either.push_back(word.substr(3, value - 3));
            continue;
        }
        if (word.starts_with("[--") && word.ends_with("]")) {
            shape.flags.push_back(word.substr(3, word.size() - 4));
            continue;
        }
        if (word.starts_with("[-") && word.ends_with("]")) {
            shape.flags.push_back(word.substr(1, word.size() - 2));
            continue;
        }
        if (word.starts_with("[-")) {
            shape.options.push_back(word.substr(word.starts_with("[--") ? 3 : 1));
            words >> word;  // the option's value
            continue;
        }
        shape.max = word.ends_with("...") ? SIZE_MAX : shape.max + 1;
        if (!word.starts_with("[")) shape.min++;
    }
    return shape;
}

}  // namespace sluice::sluicectl
