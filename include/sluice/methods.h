// Every method of the control socket and its parameters, described once. sluiced checks each request by this
// description before it executes the request (src/control/check.h). sluicectl derives its options, --help,
// completion and the reference (`sluicectl help protocol`) from it. Constants only; any thread, any process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "sluice/protocol.h"

namespace sluice::protocol {

// The type of a parameter's value.
enum class Type {
    kText,     // a string that isn't empty
    kContent,  // any string: a file's content, a filter
    kWord,     // one of `words`
    kNumber,   // an integer from `low` to `high`
    kPort,     // the same, or the name that a pod gives to a port of its containers
    kFlag,     // true or false
    kObject,   // checked like the configuration
    kList,     // at most `high` values
};

// The name of a port (RFC 6335, 5.1): at most 15 lowercase letters, digits and '-', at least one of them a letter.
constexpr bool is_port_name(std::string_view text) {
    const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    bool has_letter = false;
    for (const char c : text) {
        has_letter = has_letter || is_letter(c);
        if (!is_letter(c) && !(c >= '0' && c <= '9') && c != '-') return false;
    }
    return has_letter && text.size() <= 15;
}

enum class Need { kRequired, kOptional };

struct Parameter {
    std::string_view name;
    Type type;
    Need need;
    std::string_view placeholder;  // stands for a value in sluicectl's usage
    std::string_view meaning;
    std::string_view example;  // in JSON
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    std::span<const std::string_view> words = {};
    // Required parameters that this one replaces: if it is given, they are left out.
    std::span<const std::string_view> in_place_of = {};
    // Replaces `high` for a client that may only read, since its requests cost time of the thread that supervises
    // the switch. In bytes for kContent. 0: no lower limit.
    std::uint64_t high_for_readers = 0;
};

// The keys of objects whose values are always text: a name may be "7". In JSON such a value is a string.
// sluicectl's users write no types, so sluicectl makes it a string.
inline constexpr std::string_view kTextKeys[] = {"name",     "netns",  "interface", "device",        "network",
                                                 "networks", "native", "path",      "split-horizon", "members",
                                                 "port",     "domain", "from",      "to",            "filter"};

enum class Effect {
    kReads,    // a query; readers may use it
    kListens,  // changes nothing, but shows packets: readers may not
    kChanges,  // changes the switch; leaves a line in the log
};

struct Method {
    std::string_view name;
    Effect effect;
    std::string_view meaning = {};
    std::span<const Parameter> parameters = {};
};

namespace described {

inline constexpr auto kRequired = Need::kRequired;
inline constexpr auto kOptional = Need::kOptional;

// clang-format off
inline constexpr Parameter kNetwork =
    {"network", Type::kText, kOptional, "NETWORK", "only of this network", "\"blue\""};
inline constexpr Parameter kPortName =
    {"name", Type::kText, kRequired, "PORT", "the port's name", "\"web\""};
inline constexpr Parameter kDomain =
    {"domain", Type::kText, kOptional, "DOMAIN", "the routing domain; main if left out", "\"main\""};

inline constexpr Parameter kOnePort[] = {kPortName};
inline constexpr Parameter kOneNetwork[] = {kNetwork};

inline constexpr std::string_view kPortStates[] = {"up", "down", "no-link", "waiting"};
inline constexpr Parameter kPortListParameters[] = {
    {"name", Type::kText, kOptional, "PORT", "only ports whose name matches; * and ? are wildcards",
     "\"web*\""},
    kNetwork,
    {"state", Type::kWord, kOptional, "STATE", "only in this state", "\"down\"", 0, 0, kPortStates},
};

inline constexpr Parameter kPortAddParameters[] = {
    {"port", Type::kObject, kRequired, "PORT", "the port, with the keys of `ports` in sluice.yaml",
     R"({"name": "web", "netns": "web", "network": "blue"})"},
};

// Of an object: its name, and the keys that it is to have.
inline constexpr Parameter kKeys =
    {"keys", Type::kObject, kRequired, "KEYS",
     "keys and their new values, as in sluice.yaml; a mapping is merged into what was given; null: the default "
     "again", R"({"mtu": 1400})"};
inline constexpr Parameter kPortSetParameters[] = {kPortName, kKeys};

inline constexpr Parameter kNetworkAddParameters[] = {
    {"network", Type::kObject, kRequired, "NETWORK", "the network, with the keys of `networks` in sluice.yaml",
     R"({"name": "blue", "subnets": ["10.0.0.0/24"]})"},
};
inline constexpr Parameter kOneNetworkName[] = {
    {"name", Type::kText, kRequired, "NETWORK", "the network's name", "\"blue\""},
};
inline constexpr Parameter kNetworkSetParameters[] = {
    kOneNetworkName[0],
    {"keys", Type::kObject, kRequired, "KEYS", kKeys.meaning, R"({"ageing": 60})"},
};

inline constexpr Parameter kAddress =
    {"address", Type::kText, kRequired, "DEVICE", "the PCI address, or the interface's name", "\"0000:03:00.1\""};
inline constexpr Parameter kDeviceBindParameters[] = {
    kAddress,
    {"driver", Type::kText, kOptional, "DRIVER", "the new driver; vfio-pci if left out", "\"vfio-pci\""},
    {"force", Type::kFlag, kOptional, "", "bind it even if the kernel uses it: its addresses are lost", "true"},
};
inline constexpr Parameter kDeviceUnbindParameters[] = {kAddress};

inline constexpr Parameter kRouteListParameters[] = {
    {"within", Type::kText, kOptional, "PREFIX",
     "a prefix: the routes inside it; an address: the routes that cover it; `default`: the default routes",
      "\"10.0.0.0/8\""},
    {"domain", Type::kText, kOptional, "DOMAIN", "only of this routing domain", "\"main\""},
    {"limit", Type::kNumber, kOptional, "COUNT", "at most so many; 1000 if left out", "20", 1, kMaxRouteLimit,
     {}, {}, kMaxReadRows},
};
inline constexpr Parameter kRouteLookupParameters[] = {
    {"address", Type::kText, kRequired, "ADDRESS", "the destination's IP address", "\"10.1.2.3\""},
    kDomain,
};
inline constexpr Parameter kRouteAddParameters[] = {
    {"route", Type::kObject, kRequired, "ROUTE", "the route, with the keys of `routes` in sluice.yaml",
     R"({"to": "10.1.0.0/16", "via": "10.0.0.1"})"},
    {"replace", Type::kFlag, kOptional, "", "replace a route that was added before", "true"},
};
inline constexpr Parameter kRouteDeleteParameters[] = {
    {"to", Type::kText, kRequired, "TO", "the route's prefix, or default: 0.0.0.0/0 and ::/0", "\"10.1.0.0/16\""},
    kDomain,
};
inline constexpr Parameter kRouteLoadParameters[] = {
    {"text", Type::kContent, kRequired, "TEXT", "routes, one a line", "\"10.1.0.0/16 via 10.0.0.1\\n\""},
    {"domain", Type::kText, kOptional, "DOMAIN", "the routing domain of lines that name none; main if left out",
     "\"main\""},
    {"file", Type::kText, kOptional, "FILE", "the file's name, for messages", "\"/etc/sluice/routes\""},
    {"line", Type::kNumber, kOptional, "N", "the line number of the text's first line in the file", "1", 1,
     UINT32_MAX},
    {"check", Type::kFlag, kOptional, "", "change nothing: only report the mistakes", "true"},
};

inline constexpr Parameter kAclAddParameters[] = {
    {"acl", Type::kObject, kRequired, "ACL", "the ACL, with the keys of `acls` in sluice.yaml",
     R"({"name": "edge", "rules": [{"permit": {"proto": "tcp"}}]})"},
};
inline constexpr Parameter kOneAcl[] = {
    {"name", Type::kText, kRequired, "ACL", "the ACL's name", "\"edge\""},
};
inline constexpr Parameter kAclSetParameters[] = {
    kOneAcl[0],
    {"keys", Type::kObject, kRequired, "KEYS", kKeys.meaning, R"({"rules": [{"deny": {}}]})"},
};
inline constexpr Parameter kAddressSetAddParameters[] = {
    {"address-set", Type::kObject, kRequired, "SET", "the set, with the keys of `address-sets` in sluice.yaml",
     R"({"name": "office", "addresses": ["192.0.2.0/24"]})"},
};
inline constexpr Parameter kOneAddressSet[] = {
    {"name", Type::kText, kRequired, "SET", "the set's name", "\"office\""},
};
inline constexpr Parameter kAddressSetSetParameters[] = {
    kOneAddressSet[0],
    {"keys", Type::kObject, kRequired, "KEYS", kKeys.meaning, R"({"addresses": ["192.0.2.0/25"]})"},
};
inline constexpr Parameter kMirrorAddParameters[] = {
    {"mirror", Type::kObject, kRequired, "MIRROR", "the mirror, with the keys of `mirrors` in sluice.yaml",
     R"({"name": "watch", "from": ["web"], "to": "watch0"})"},
};
inline constexpr Parameter kOneMirror[] = {
    {"name", Type::kText, kRequired, "MIRROR", "the mirror's name", "\"watch\""},
};
inline constexpr Parameter kMirrorSetParameters[] = {
    kOneMirror[0],
    {"keys", Type::kObject, kRequired, "KEYS", kKeys.meaning, R"({"filter": "icmp"})"},
};
inline constexpr Parameter kBatchParameters[] = {
    {"text", Type::kContent, kRequired, "TEXT",
     "YAML with lists as in sluice.yaml: networks, ports, acls, address-sets, mirrors, routes",
     "\"networks: [{name: blue}]\\n\""},
    {"file", Type::kText, kOptional, "FILE", "the file's name, for messages", "\"/etc/sluice/blue.yaml\""},
};

inline constexpr Parameter kAclListParameters[] = {
    {"name", Type::kText, kOptional, "ACL", "only this ACL", "\"edge\""},
};

inline constexpr std::string_view kFlowStates[] = {
    "new", "syn-sent", "syn-received", "established", "fin-wait", "closing", "time-wait", "closed", "init",
    "shutdown", "unanswered", "answered", "stateless", "denied"};
inline constexpr Parameter kFlowListParameters[] = {
    {"address", Type::kText, kOptional, "ADDRESS", "only with this IP address at either end", "\"10.0.0.2\""},
    {"port", Type::kNumber, kOptional, "N", "only with this port number at either end", "443", 0, 65535},
    {"network", Type::kText, kOptional, "NETWORK", "only of this network and of those that it is routed with",
     "\"blue\""},
    {"state", Type::kWord, kOptional, "STATE", "only in this state", "\"established\"", 0, 0, kFlowStates},
    {"limit", Type::kNumber, kOptional, "COUNT", "at most so many; 1000 if left out", "20", 1, kMaxFlowLimit,
     {}, {}, kMaxReadRows},
};
inline constexpr std::span<const Parameter> kFlowFlushParameters{kFlowListParameters, 4};  // without the limit

inline constexpr std::string_view kProtocols[] = {"tcp", "udp", "sctp", "icmp", "icmpv6"};
inline constexpr std::string_view kQuestion[] = {
    "from", "to", "proto", "dport", "sport", "length", "df", "vlan", "source-mac", "destination-mac"};
inline constexpr std::string_view kYesOrNo[] = {"yes", "no"};
inline constexpr Parameter kTraceParameters[] = {
    {"from", Type::kText, kRequired, "POD|PORT|IP",
     "the pod (NAMESPACE/NAME), the port or the IP address that sends the packet", "\"web\""},
    {"to", Type::kText, kRequired, "POD|IP|PORT|MAC",
     "the pod, the IP address, the port or the MAC address that it is for", "\"10.0.0.3\""},
    {"proto", Type::kWord, kOptional, "PROTO", "its protocol; tcp if left out", "\"udp\"", 0, 0, kProtocols},
    {"dport", Type::kPort, kOptional, "N|NAME",
     "its destination port, or the name that the destination's pod gives to it; 80 if left out", "443", 0, 65535},
    {"sport", Type::kNumber, kOptional, "N", "its source port; 40000 if left out", "50000", 0, 65535},
    {"length", Type::kNumber, kOptional, "BYTES", "the length of its IP packet", "1400", 1, 65535},
    {"df", Type::kWord, kOptional, "yes|no",
     "whether its IPv4 header has DF set; if left out, yes for tcp and sctp, no for others", "\"yes\"", 0,
     0, kYesOrNo},
    {"vlan", Type::kNumber, kOptional, "N", "its VLAN tag; 0: none", "7", 0, 4094},
    {"source-mac", Type::kText, kOptional, "MAC", "its source MAC address", "\"02:00:00:00:00:01\""},
    {"destination-mac", Type::kText, kOptional, "MAC", "its destination MAC address", "\"02:00:00:00:00:02\""},
    {"questions", Type::kList, kOptional, "LIST",
     "several such objects: the answer's \"traces\" are in this order",
     R"([{"from": "web", "to": "10.0.0.3"}])", 0, kMaxQuestions, {}, kQuestion, kMaxReadQuestions},
    {"brief", Type::kFlag, kOptional, "",
     "of several questions: the answer's \"outcomes\" are those that there are, and \"traces\" has the place of "
     "each question's outcome among them (from 0); needed for more than 10000 questions",
     "true"},
};
// The parameters of one of several questions.
inline constexpr std::span<const Parameter> kQuestionParameters{kTraceParameters, 10};
inline constexpr Parameter kPolicyListParameters[] = {
    {"namespace", Type::kText, kOptional, "NAMESPACE", "only of this namespace", "\"shop\""},
};
inline constexpr Parameter kServiceShowParameters[] = {
    {"name", Type::kText, kRequired, "SERVICE",
     "the Service's name (NAMESPACE/NAME of a Kubernetes Service), or a published port as `service list` shows it",
     "\"shop/web\""},
};
inline constexpr Parameter kServiceDrainParameters[] = {
    {"name", Type::kText, kRequired, "SERVICE", "the Service's name in the configuration", "\"shop\""},
    {"backend", Type::kText, kRequired, "BACKEND", "the back end's address", "\"10.0.0.2\""},
};
inline constexpr Parameter kServiceEnvParameters[] = {
    {"pod", Type::kText, kRequired, "POD", "the pod (NAMESPACE/NAME)", "\"shop/web-0\""},
};
inline constexpr Parameter kContainer =
    {"container", Type::kText, kRequired, "CONTAINER", "the container's id, as its runtime gives it",
     "\"4f5e\""};
inline constexpr Parameter kInterface =
    {"interface", Type::kText, kOptional, "INTERFACE", "the interface's name in the container; eth0 if left out",
     "\"eth0\""};
inline constexpr Parameter kBy =
    {"by", Type::kText, kRequired, "BY", "which runtime asks, and for which of its networks", "\"cni\""};
inline constexpr Parameter kContainerAddParameters[] = {
    kContainer,
    kInterface,
    kBy,
    {"netns", Type::kText, kOptional, "NETNS", "the container's network namespace, in which it gets an interface",
     "\"web\""},
    {"vhost-user", Type::kObject, kOptional, "SOCKET", "instead of that: as the port's key",
     R"({"path": "/run/sluice/cni/4f5e/eth0.sock", "mode": "server"})"},
    {"network", Type::kText, kRequired, "NETWORK", "the network", "\"blue\""},
    {"subnets", Type::kList, kOptional, "SUBNETS",
     "if there is no such network, it is added with these subnets", R"(["10.0.0.0/24"])", 0, kMaxContainerList},
    {"gateway", Type::kList, kOptional, "GATEWAY", "and with these gateway addresses", R"(["10.0.0.1"])", 0,
     kMaxContainerList},
    {"address", Type::kList, kOptional, "ADDRESS",
     "the container's addresses; if left out, a free one of each family of the network", R"(["10.0.0.2"])", 0,
     kMaxContainerList},
    {"mac", Type::kText, kOptional, "MAC", "as the port's key", "\"02:00:00:00:00:01\""},
    {"mtu", Type::kNumber, kOptional, "MTU", "as the port's key", "1500", 68, 65521},
    {"pod", Type::kText, kOptional, "POD", "as the port's key", "\"shop/web-0\""},
    {"namespace", Type::kText, kOptional, "NAMESPACE", "as the port's key", "\"shop\""},
    {"labels", Type::kObject, kOptional, "LABELS", "as the port's key", R"({"app": "web"})"},
    {"routes", Type::kList, kOptional, "ROUTES", "as the port's key", R"([{"to": "10.1.0.0/16"}])", 0,
     kMaxContainerList},
    {"publish", Type::kList, kOptional, "PUBLISH", "as the port's key", R"([{"port": 8080, "to": 80}])", 0,
     kMaxContainerList},
    {"rate-limit", Type::kObject, kOptional, "LIMITS", "as the port's key", R"({"ingress": {"rate": "100M"}})"},
    {"aliases", Type::kList, kOptional, "ALIASES", "as the port's key", R"(["web"])", 0, kMaxContainerList},
};
inline constexpr Parameter kContainerDeleteParameters[] = {kContainer, kInterface, kBy};
inline constexpr Parameter kContainerListParameters[] = {
    {"by", Type::kText, kOptional, "BY", "only those of this runtime and network", "\"cni:pods\""},
};
inline constexpr std::string_view kDnsTypes[] = {"A", "AAAA", "ANY", "CNAME", "NS", "PTR", "SOA", "SRV", "TXT"};
inline constexpr Parameter kDnsLookupParameters[] = {
    {"name", Type::kText, kRequired, "NAME", "the name, or the IP address of a PTR question", "\"web\""},
    {"type", Type::kWord, kOptional, "TYPE", "of the records; A if left out", "\"SRV\"", 0, 0, kDnsTypes},
    {"network", Type::kText, kOptional, "NETWORK", "where it is asked; the only one with DNS if left out",
     "\"blue\""},
};
inline constexpr Parameter kIpamListParameters[] = {
    {"network", Type::kText, kOptional, "NETWORK", "only of this network", "\"blue\""},
};
inline constexpr Parameter kLeaseListParameters[] = {
    {"network", Type::kText, kOptional, "NETWORK", "only of this network", "\"blue\""},
};
inline constexpr Parameter kPolicyShowParameters[] = {
    {"pod", Type::kText, kRequired, "POD", "the pod (NAMESPACE/NAME), or its port", "\"shop/api\""},
};
inline constexpr Parameter kPolicyWhyParameters[] = {
    {"from", Type::kText, kRequired, "FROM", "the pod (NAMESPACE/NAME), its port or the IP address that begins it",
     "\"shop/frontend-0\""},
    {"to", Type::kText, kRequired, "TO", "the pod, its port or the IP address that it goes to", "\"shop/api\""},
    {"proto", Type::kWord, kOptional, "PROTO", "its protocol; tcp if left out", "\"udp\"", 0, 0, kProtocols},
    {"dport", Type::kPort, kOptional, "N|NAME",
     "its destination port, or the name that the destination's pod gives to it; 80 if left out", "\"http\"", 0,
     65535},
};
inline constexpr Parameter kTraceStartParameters[] = {
    {"filter", Type::kContent, kRequired, "FILTER", "which packets, in tcpdump's language; empty: all",
     "\"icmp\""},
};
inline constexpr Parameter kTraceNumber =
    {"trace", Type::kNumber, kRequired, "N", "the number that trace.start returned", "1", 1, UINT32_MAX};
inline constexpr Parameter kTraceReadParameters[] = {
    kTraceNumber,
    {"most", Type::kNumber, kOptional, "COUNT", "at most so many of each worker", "10", 1, kMaxTraceRead},
};
inline constexpr Parameter kTraceStopParameters[] = {kTraceNumber};

inline constexpr Parameter kDropsParameters[] = {
    {"port", Type::kText, kOptional, "PORT", "only of this port or tunnel", "\"web\""},
    {"reason", Type::kText, kOptional, "REASON", "only for this reason", "\"denied\""},
    {"last", Type::kNumber, kOptional, "COUNT", "the most recent dropped packets instead of counts, at most COUNT",
     "20", 1,
     kMaxLastDrops, {}, {}, kMaxReadDrops},
    {"all", Type::kFlag, kOptional, "", "with the most recent packets, show expected background too", "true"},
};

inline constexpr std::string_view kCapturedPort[] = {"port"};
inline constexpr Parameter kCaptureStartParameters[] = {
    {"port", Type::kText, kRequired, "PORT", "the port whose packets are captured", "\"web\""},
    {"drops", Type::kFlag, kOptional, "", "capture dropped packets, at all ports", "true", 0, 0, {},
     kCapturedPort},
    {"filter", Type::kContent, kOptional, "FILTER", "which packets, in tcpdump's language; all if left out",
     "\"tcp port 80\""},
};
inline constexpr Parameter kCaptureNumber =
    {"capture", Type::kNumber, kRequired, "N", "the number that capture.start returned", "1", 1, UINT32_MAX};
inline constexpr Parameter kCaptureReadParameters[] = {
    kCaptureNumber,
    {"pcapng", Type::kFlag, kOptional, "", "the next bytes of a pcapng file, in base64, instead of \"packets\"",
     "true"},
    {"most", Type::kNumber, kOptional, "COUNT", "at most so many packets", "10", 1, kMaxCaptureRead},
};
inline constexpr Parameter kCaptureStopParameters[] = {kCaptureNumber};

inline constexpr std::string_view kManifestKeys[] = {"file", "text"};
inline constexpr std::string_view kObjectNames[] = {"kind", "name"};
inline constexpr Parameter kFiles =
    {"files", Type::kList, kRequired, "FILES",
     "manifests of Kubernetes objects, YAML or JSON: each file's name, for messages, and its text",
     R"([{"file": "shop.yaml", "text": "apiVersion: v1\n..."}])", 0, kMaxManifests, kManifestKeys};
inline constexpr Parameter kSkipUnknown =
    {"skip-unknown", Type::kFlag, kOptional, "", "skip and name objects of other kinds, instead of refusing them",
     "true"};
inline constexpr Parameter kDryRun =
    {"dry-run", Type::kFlag, kOptional, "", "change nothing: only tell what would be done, or the mistakes",
     "true"};
inline constexpr Parameter kObjectApplyParameters[] = {kFiles, kSkipUnknown, kDryRun};
// Of one file.
inline constexpr Parameter kManifestParameters[] = {
    {"file", Type::kText, kRequired, "FILE", "the file's name", "\"shop.yaml\""},
    {"text", Type::kContent, kRequired, "TEXT", "the file's text", "\"\""},
};
inline constexpr Parameter kKind =
    {"kind", Type::kText, kRequired, "KIND", "Namespace, Pod or NetworkPolicy; ns, po, netpol for short",
     "\"pod\""};
inline constexpr Parameter kObjectDeleteParameters[] = {
    kKind,
    {"name", Type::kText, kRequired, "NAME", "the object's name; several with commas between them", "\"web\""},
    {"namespace", Type::kText, kOptional, "NAMESPACE", "its namespace; default if left out", "\"shop\""},
    {"files", Type::kList, kOptional, "FILES", "manifests that name the objects, as of object.apply",
     kFiles.example, 0, kMaxManifests, kManifestKeys, kObjectNames},
    {"ignore-not-found", Type::kFlag, kOptional, "", "what is not there is no mistake", "true"},
    kSkipUnknown,
    kDryRun,
};
inline constexpr Parameter kObjectListParameters[] = {
    {"kind", Type::kText, kOptional, "KIND",
     "only of this kind: Namespace, Pod or NetworkPolicy; several with commas between them", "\"pod\""},
    {"name", Type::kText, kOptional, "NAME", "only the one with this name", "\"web\""},
    {"namespace", Type::kText, kOptional, "NAMESPACE", "only in this namespace; in all of them if left out",
     "\"shop\""},
    {"selector", Type::kText, kOptional, "SELECTOR", "only with these labels, as kubectl takes them: app=web,!old",
     "\"app=web\""},
};

inline constexpr Parameter kConfigParameters[] = {
    {"text", Type::kContent, kOptional, "TEXT", "the file's content; sluiced's own file if left out",
     "\"ports: []\\n\"", 0, 0, {}, {}, kMaxReadText},
    {"file", Type::kText, kOptional, "FILE", "the file's name, for messages; goes with the text",
     "\"/etc/sluice/sluice.yaml\""},
};

}  // namespace described

inline constexpr Method kMethods[] = {
    {kStatus, Effect::kReads, "how sluiced is doing: workers, memory, ports", {}},
    {kPortList, Effect::kReads, "the ports that match all given parameters, with their state and counters",
     described::kPortListParameters},
    {kPortShow, Effect::kReads, "everything about one port", described::kOnePort},
    {kPortAdd, Effect::kChanges,
     "add a port; it is kept in the state. It need not be up: the answer's \"port\" has "
     "its state and the reason", described::kPortAddParameters},
    {kPortSet, Effect::kChanges, "change keys of a port that was added; it keeps its link where its device stays",
     described::kPortSetParameters},
    {kPortDelete, Effect::kChanges, "delete a port that was added", described::kOnePort},
    {kDeviceList, Effect::kReads, "the PCI network devices: who has them, and what would be lost", {}},
    {kDeviceBind, Effect::kChanges, "take a device from the kernel, for a port", described::kDeviceBindParameters},
    {kDeviceUnbind, Effect::kChanges, "give a device back to the kernel", described::kDeviceUnbindParameters},
    {kNetworkList, Effect::kReads, "the networks", {}},
    {kNetworkAdd, Effect::kChanges, "add a network; it is kept in the state", described::kNetworkAddParameters},
    {kNetworkSet, Effect::kChanges, "change keys of a network that was added", described::kNetworkSetParameters},
    {kNetworkDelete, Effect::kChanges, "delete a network that was added", described::kOneNetworkName},
    {kMacList, Effect::kReads, "the MAC addresses that the networks know", described::kOneNetwork},
    {kRouteList, Effect::kReads, "the routes", described::kRouteListParameters},
    {kRouteLookup, Effect::kReads, "the way of packets for an address", described::kRouteLookupParameters},
    {kRouteAdd, Effect::kChanges, "add a route; it is kept in the state", described::kRouteAddParameters},
    {kRouteDelete, Effect::kChanges, "delete a route that was added", described::kRouteDeleteParameters},
    // sluiced serves no other client while it reads a text, so a long file is sent in pieces: first all of them
    // with "check", then all without.
    {kRouteLoad, Effect::kChanges, "add the routes of a text, all of them or none",
     described::kRouteLoadParameters},
    {kNeighborList, Effect::kReads, "the stations that routes lead to, and their MAC addresses",
     described::kOneNetwork},
    {kTunnelList, Effect::kReads, "the VXLAN tunnels to other hosts", {}},
    {kAclList, Effect::kReads, "the rules of the ACLs, and how often each decided", described::kAclListParameters},
    {kAclAdd, Effect::kChanges, "add an ACL; it is kept in the state", described::kAclAddParameters},
    {kAclSet, Effect::kChanges, "change keys of an ACL that was added", described::kAclSetParameters},
    {kAclDelete, Effect::kChanges, "delete an ACL that was added", described::kOneAcl},
    {kAddressSetList, Effect::kReads, "the address sets that rules may name", {}},
    {kAddressSetAdd, Effect::kChanges, "add an address set; it is kept in the state",
     described::kAddressSetAddParameters},
    {kAddressSetSet, Effect::kChanges, "change keys of an address set that was added",
     described::kAddressSetSetParameters},
    {kAddressSetDelete, Effect::kChanges, "delete an address set that was added", described::kOneAddressSet},
    {kMirrorList, Effect::kReads, "the mirrors", {}},
    {kMirrorAdd, Effect::kChanges, "add a mirror; it is kept in the state", described::kMirrorAddParameters},
    {kMirrorSet, Effect::kChanges, "change keys of a mirror that was added", described::kMirrorSetParameters},
    {kMirrorDelete, Effect::kChanges, "delete a mirror that was added", described::kOneMirror},
    {kPolicyList, Effect::kReads, "the NetworkPolicies, and how many pods each selects",
     described::kPolicyListParameters},
    {kPolicyShow, Effect::kReads, "what the NetworkPolicies say of a pod, in both directions",
     described::kPolicyShowParameters},
    {kPolicyWhy, Effect::kReads,
     "whether the NetworkPolicies allow a connection, and which rule or policies decide",
     described::kPolicyWhyParameters},
    {kServiceList, Effect::kReads, "the addresses and ports of Services and published ports", {}},
    {kServiceShow, Effect::kReads, "the back ends of a Service, with their connections",
     described::kServiceShowParameters},
    {kServiceEnv, Effect::kReads, "the environment variables by which a pod's containers find Services",
     described::kServiceEnvParameters},
    {kServiceDrain, Effect::kChanges,
     "give a back end no new connections; it keeps those that it has. Lasts until sluiced restarts",
     described::kServiceDrainParameters},
    {kServiceUndrain, Effect::kChanges, "give a back end new connections again",
     described::kServiceDrainParameters},
    {kNatList, Effect::kReads, "NAT's pools: ports in use, who uses most; and static addresses", {}},
    {kContainerList, Effect::kReads, "the interfaces of containers that runtimes have added",
     described::kContainerListParameters},
    {kContainerAdd, Effect::kChanges,
     "add a port for a container's interface, with an address of the network; it is kept in the state. Asked "
     "again, the answer is the same. A port that does not come up is not added",
     described::kContainerAddParameters},
    {kContainerDelete, Effect::kChanges, "delete the port of a container's interface, if there is one",
     described::kContainerDeleteParameters},
    {kIpamList, Effect::kReads, "the addresses of the networks that are in use, and who has them",
     described::kIpamListParameters},
    {kDnsLookup, Effect::kReads, "what a DNS query would be answered with, and which objects decide that",
     described::kDnsLookupParameters},
    {kDnsShow, Effect::kReads, "the DNS responder: counters of queries, and the upstreams with their state", {}},
    {kLeaseList, Effect::kReads, "the addresses that guests have by DHCP, and for how long",
     described::kLeaseListParameters},
    {kFlowList, Effect::kReads, "the known connections that match all given parameters",
     described::kFlowListParameters},
    {kFlowCount, Effect::kReads, "how many connections are known, by state, and whether the table is full", {}},
    {kFlowFlush, Effect::kChanges,
     "forget the connections that match all given parameters: their next packets are decided anew",
     described::kFlowFlushParameters},
    {kTrace, Effect::kReads, "what would happen to a packet, and which objects decide that",
     described::kTraceParameters},
    {kTraceStart, Effect::kListens, "trace real packets; ends with the client's connection",
     described::kTraceStartParameters},
    {kTraceRead, Effect::kListens, "the packets since the last read; how many were \"lost\" since the start",
     described::kTraceReadParameters},
    {kTraceStop, Effect::kListens, "stop a trace", described::kTraceStopParameters},
    {kStats, Effect::kReads, "counters of workers, ports and queues", {}},
    {kDrops, Effect::kReads, "dropped packets, by port and reason", described::kDropsParameters},
    {kCaptureStart, Effect::kListens,
     "capture the packets of a port, or dropped packets; ends with the client's connection",
     described::kCaptureStartParameters},
    {kCaptureRead, Effect::kListens, "the packets since the last read; \"more\": read again at once; \"ended\": "
     "why no more will follow", described::kCaptureReadParameters},
    {kCaptureStop, Effect::kListens, "stop a capture; then read it until it has ended",
     described::kCaptureStopParameters},
    {kAdd, Effect::kChanges, "add all objects and routes of a text, or none; they are kept in the state",
     described::kBatchParameters},
    {kDelete, Effect::kChanges,
     "delete the added objects and routes that a text names, all or none; their other keys don't count",
     described::kBatchParameters},
    {kObjectApply, Effect::kChanges,
     "create or replace the Kubernetes objects of manifests, all or none; they are kept in the state",
     described::kObjectApplyParameters},
    {kObjectDelete, Effect::kChanges,
     "delete Kubernetes objects that were applied, all or none; with a namespace, all objects in it",
     described::kObjectDeleteParameters},
    {kObjectList, Effect::kReads, "the Kubernetes objects, those that the configuration's manifests declare too",
     described::kObjectListParameters},
    {kConfigShow, Effect::kReads, "the configuration in force, as YAML", {}},
    {kConfigCheck, Effect::kReads, "look for errors in a file", described::kConfigParameters},
    {kConfigDiff, Effect::kReads, "what loading a file would change", described::kConfigParameters},
    {kConfigReload, Effect::kChanges, "load sluiced's own file again", {}},
};
// clang-format on

constexpr const Method* find_method(std::string_view name) {
    for (const Method& method : kMethods) {
        if (method.name == name) return &method;
    }
    return nullptr;
}

// For a name that is written in the source: a name without a description does not compile.
consteval const Method& method(std::string_view name) {
    return *find_method(name);
}

constexpr const Parameter* find_parameter(std::span<const Parameter> parameters, std::string_view name) {
    for (const Parameter& parameter : parameters) {
        if (parameter.name == name) return &parameter;
    }
    return nullptr;
}

}  // namespace sluice::protocol
