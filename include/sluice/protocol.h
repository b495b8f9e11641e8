// The protocol of the control socket, for sluiced and all its clients (sluicectl, a CNI plugin, a script).
// Constants only; any thread, any process.
//
// JSON-RPC 2.0 (https://www.jsonrpc.org/specification) over a UNIX stream socket, one request or one answer per
// line ('\n'), in UTF-8:
//
//     > {"jsonrpc":"2.0","id":1,"method":"port.delete","params":{"name":"web"}}
//     < {"id":1,"jsonrpc":"2.0","result":{}}
//
// - Parameters are named: "params" is an object or left out. If a parameter is unknown, missing, of a wrong type
//   or out of range, the answer is kInvalidParams, and nothing is done.
// - A request without an "id" is a notification: it is executed and never answered.
// - An array of up to kMaxBatch requests is a batch; its answers come in one array, in order.
// - Requests are served one at a time. The users take turns, root gets every second turn, and a turn is a few
//   milliseconds of a long request. The requests of one user are served in order. If a client has closed its
//   connection, its queries are not answered, but its changes are executed.
// - Answers come in the order of the requests. A client may send several requests without waiting, but sluiced
//   stops reading while kMaxUnsent bytes of answers wait for the client. If kMaxUnsentOfAll bytes wait for all
//   clients together, sluiced closes the connection that has left them unread longest.
// - A line that is no JSON is answered with kParseError and an id of null; the next line is read normally. A
//   request beyond the size limit is answered with kInvalidRequest and ends the connection. So do kDenied, for a
//   user without permission, and kBusy; both may come before any request. kBusy also comes to the client that has
//   been idle longest when another one needs its place: connect again.
// - If an object has a key twice, the whole line is answered with kInvalidRequest and an id of null.
// - A request without its newline is ignored: a client that dies inside a request changes nothing.
//
// If a command refuses or fails, the error is kFailed, and its data gives the places:
//
//     "error": {"code": 1, "message": "2 errors in host.yaml", "data": {"errors": [
//         {"message": "5000 is not a VLAN id (1 to 4094)", "path": "ports[2].vlan",
//          "file": "host.yaml", "line": 41, "column": 11}, ...]}}
//
// The data of kInvalidParams has the same form; "path" is the parameter's name, and there is no place.
//
// "path", "file", "line" and "column" are null or missing if there is no place.
//
// Keys of answers are words with hyphens ("decided-by"). A missing value is null, never an empty text or a
// missing key.
#pragma once

#include <cstddef>

namespace sluice::protocol {

inline constexpr char kDefaultSocket[] = "/run/sluice/control.sock";
inline constexpr char kSocketVariable[] = "SLUICE_SOCKET";  // sluicectl's environment

// Error codes. The first five are JSON-RPC's own.
inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kInternalError = -32603;
inline constexpr int kDenied = -32001;  // this user may not do this
inline constexpr int kBusy = -32002;    // too many clients: connect again
inline constexpr int kFailed = 1;       // the command refused or failed; data.errors says why

inline constexpr std::size_t kMaxClients = 256;
inline constexpr std::size_t kReservedClients = 16;  // of those, for root and the daemon's own user
inline constexpr std::size_t kMaxUserClients = 64;   // of any other user
// A user who may only read gets at most half of the connections, and requests of at most 256 KiB, so that readers
// cannot starve the users who run the switch.
inline constexpr std::size_t kMaxReadClients = kMaxClients / 2;
inline constexpr std::size_t kMaxReadRequest = 256 << 10;
// Their answers also take the control thread at most some tens of milliseconds at a time.
inline constexpr std::size_t kMaxReadRows = 10'000;      // routes or flows in an answer
inline constexpr std::size_t kMaxReadQuestions = 1'000;  // of one trace
inline constexpr std::size_t kMaxReadDrops = 1'000;      // the most recent ones
inline constexpr std::size_t kMaxReadText = 64 << 10;    // bytes of a configuration to be checked
inline constexpr std::size_t kMaxContainerList = 1024;   // addresses, routes or published ports of a container
inline constexpr std::size_t kMaxBatch = 100;
inline constexpr std::size_t kMaxDepth = 100;       // of nested arrays and objects in a request
inline constexpr std::size_t kMaxUnsent = 4 << 20;  // bytes; one answer alone may be larger
inline constexpr std::size_t kMaxUnsentOfAll = 256 << 20;  // bytes that wait for all clients together

// The methods; methods.h describes their parameters and effects.
inline constexpr char kStatus[] = "status";
inline constexpr char kPortList[] = "port.list";
inline constexpr char kPortShow[] = "port.show";
inline constexpr char kPortAdd[] = "port.add";
inline constexpr char kPortSet[] = "port.set";
inline constexpr char kPortDelete[] = "port.delete";
inline constexpr char kDeviceList[] = "device.list";
inline constexpr char kDeviceBind[] = "device.bind";
inline constexpr char kDeviceUnbind[] = "device.unbind";
inline constexpr char kNetworkList[] = "network.list";
inline constexpr char kNetworkAdd[] = "network.add";
inline constexpr char kNetworkSet[] = "network.set";
inline constexpr char kNetworkDelete[] = "network.delete";
inline constexpr char kMacList[] = "mac.list";
inline constexpr char kRouteList[] = "route.list";
inline constexpr char kRouteLookup[] = "route.lookup";
inline constexpr char kRouteAdd[] = "route.add";
inline constexpr char kRouteDelete[] = "route.delete";
inline constexpr char kRouteLoad[] = "route.load";
inline constexpr char kNeighborList[] = "neighbor.list";
inline constexpr char kTunnelList[] = "tunnel.list";
inline constexpr char kAclList[] = "acl.list";
inline constexpr char kAclAdd[] = "acl.add";
inline constexpr char kAclSet[] = "acl.set";
inline constexpr char kAclDelete[] = "acl.delete";
inline constexpr char kAddressSetList[] = "address-set.list";
inline constexpr char kAddressSetAdd[] = "address-set.add";
inline constexpr char kAddressSetSet[] = "address-set.set";
inline constexpr char kAddressSetDelete[] = "address-set.delete";
inline constexpr char kMirrorList[] = "mirror.list";
inline constexpr char kMirrorAdd[] = "mirror.add";
inline constexpr char kMirrorSet[] = "mirror.set";
inline constexpr char kMirrorDelete[] = "mirror.delete";
inline constexpr char kPolicyList[] = "policy.list";
inline constexpr char kPolicyShow[] = "policy.show";
inline constexpr char kPolicyWhy[] = "policy.why";
inline constexpr char kServiceList[] = "service.list";
inline constexpr char kServiceShow[] = "service.show";
inline constexpr char kServiceEnv[] = "service.env";
inline constexpr char kServiceDrain[] = "service.drain";
inline constexpr char kServiceUndrain[] = "service.undrain";
inline constexpr char kNatList[] = "nat.list";
inline constexpr char kContainerList[] = "container.list";
inline constexpr char kContainerAdd[] = "container.add";
inline constexpr char kContainerDelete[] = "container.delete";
inline constexpr char kIpamList[] = "ipam.list";
inline constexpr char kDnsLookup[] = "dns.lookup";
inline constexpr char kDnsShow[] = "dns.show";
inline constexpr char kLeaseList[] = "lease.list";
inline constexpr char kFlowList[] = "flow.list";
inline constexpr char kFlowCount[] = "flow.count";
inline constexpr char kFlowFlush[] = "flow.flush";
inline constexpr char kTrace[] = "trace";
inline constexpr char kTraceStart[] = "trace.start";
inline constexpr char kTraceRead[] = "trace.read";
inline constexpr char kTraceStop[] = "trace.stop";
inline constexpr char kStats[] = "stats";
inline constexpr char kDrops[] = "drops";
inline constexpr char kCaptureStart[] = "capture.start";
inline constexpr char kCaptureRead[] = "capture.read";
inline constexpr char kCaptureStop[] = "capture.stop";
inline constexpr char kAdd[] = "add";
inline constexpr char kDelete[] = "delete";
inline constexpr char kObjectApply[] = "object.apply";
inline constexpr char kObjectDelete[] = "object.delete";
inline constexpr char kObjectList[] = "object.list";
inline constexpr char kConfigShow[] = "config.show";
inline constexpr char kConfigCheck[] = "config.check";
inline constexpr char kConfigDiff[] = "config.diff";
inline constexpr char kConfigReload[] = "config.reload";

inline constexpr std::size_t kRouteLimit = 1000;  // routes in an answer, where no limit is given
inline constexpr std::size_t kMaxRouteLimit = 100'000;
inline constexpr std::size_t kRoutePiece = 1 << 20;  // bytes of routes that sluicectl sends at a time
inline constexpr std::size_t kFlowLimit = 1000;      // flows in an answer, where no limit is given
inline constexpr std::size_t kMaxFlowLimit = 100'000;
inline constexpr std::size_t kMaxQuestions = 200'000;         // of one trace
inline constexpr std::size_t kMaxDetailedQuestions = 10'000;  // of one that isn't brief
inline constexpr std::size_t kMaxManifests = 10'000;          // files of a request
inline constexpr std::size_t kMaxTraceRead = 1'000;   // packets in an answer, of each worker
inline constexpr std::size_t kLastDrops = 20;         // that sluicectl asks for
inline constexpr std::size_t kMaxLastDrops = 10'000;
inline constexpr std::size_t kMaxCaptureRead = 5'000;  // packets in an answer

}  // namespace sluice::protocol
