// Clients outside that reach back ends at other hosts through a node port, an external IP or a load balancer's
// address: what these back ends see, and the way back.
#include <gtest/gtest.h>

#include "golden/harness.h"
#include "golden/row.h"
#include "kube/manifest.h"
#include "path/tuple_address.h"
#include "port/derived_mac.h"

namespace sluice {
namespace {

using namespace golden;
using golden::port;
using test::Harness;
using Tcp = wire::TcpHeader;

constexpr std::string_view kMacOfA = "02:00:00:00:00:0a";      // a pod here
constexpr std::string_view kMacOfFar = "02:00:00:00:00:fa";    // a pod at the other host
constexpr std::string_view kMacOfHost = "02:00:00:00:00:1a";   // the other host's interface of the underlay
constexpr std::string_view kMacOfWorld = "02:00:00:00:00:dd";  // the router to clients, behind port d
constexpr std::string_view kHere = "10.0.0.1";
constexpr std::string_view kFar = "10.0.0.2";
constexpr std::string_view kFar6 = "fd00:a::2";
constexpr std::string_view kClient = "203.0.113.9";
constexpr std::string_view kClient6 = "2001:db8:9::9";
constexpr std::string_view kNode = "192.0.2.1";
constexpr std::string_view kNode6 = "2001:db8::1";
constexpr std::string_view kSource = "10.0.0.201";  // what far pods see in place of clients outside
constexpr std::string_view kSource6 = "fd00:a::201";
constexpr std::string_view kMacOfNode = "02:00:00:00:00:99";
constexpr size_t kTunnel = 50;  // bytes of the headers of VXLAN over IPv4

// The pods' network spans hosts, and this host has an address in it, of a port that is down: the interface is
// another's. Clients come by port d.
const std::string kNodePort =
    "  - {name: node, host: true, interface: lo, network: pods, address: [10.0.0.201, 'fd00:a::201']}\n";
const std::string kSpanning =
    "networks:\n"
    "  - name: pods\n"
    "    subnets: [10.0.0.0/24, 'fd00:a::/64']\n"
    "    gateway: [10.0.0.254, 'fd00:a::fe']\n"
    "    vxlan: {vni: 100, remotes: [198.51.100.2]}\n"
    "  - {name: out, subnets: [192.0.2.0/24, '2001:db8::/64'], gateway: [192.0.2.1, '2001:db8::1']}\n"
    "routes:\n"
    "  - {to: 0.0.0.0/0, via: 192.0.2.80}\n"
    "  - {to: '::/0', via: '2001:db8::80'}\n"
    "underlay: {port: e, address: [198.51.100.1/24]}\n"
    "service-ranges: {load-balancer-ips: [203.0.113.128/25]}\n"
    "ports:\n" +
    port("a", "pods", ", mac: '02:00:00:00:00:0a', address: [10.0.0.1, 'fd00:a::1'], pod: shop/here") +
    port("d", "out") + port("e", "") + kNodePort;
const std::string kOut = router_of("out");
const std::string kPods = port::derived_mac("router:vni:100:10.0.0.254:fd00:a::fe").text();

std::string service(const std::string& name, const std::string& spec, const std::string& endpoints,
                    const std::string& more = "") {
    std::string slices;
    for (const std::string family : {"IPv4", "IPv6"}) {
        std::string list;
        std::istringstream each(endpoints);
        for (std::string address; each >> address;) {
            if ((address.find(':') == address.npos) == (family == "IPv4"))
                list += "{addresses: ['" + address + "']}, ";
        }
        slices += "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: " + name + "-" +
                  base::lower(family) + ", namespace: shop, labels: {kubernetes.io/service-name: " + name +
                  "}}\naddressType: " + family + "\nports: [{port: 8080, protocol: TCP}]\nendpoints: [" + list +
                  "]\n";
    }
    return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", namespace: shop}\nspec: {" + spec +
           "}\n" + more + slices;
}
const std::string kDual =
    "ipFamilyPolicy: RequireDualStack, clusterIPs: [10.96.0.10, 'fd00:96::a'], clusterIP: 10.96.0.10, ";

class NodePorts : public testing::Test {
 protected:
    ~NodePorts() override {
        harness_.check_books();
        if (!HasFailure()) return;
        for (const auto& [where, count] : harness_.drops())
            std::cout << where.first << " " << path::text(where.second).name << " " << count << "\n";
    }

    void apply(const std::string& yaml, const std::string& objects) {
        auto config = engine::load_config(yaml, "golden", {});
        ASSERT_TRUE(config) << config.error()[0].text();
        auto manifest = kube::parse_manifest(objects, "objects", kube::UnknownKinds::kRefuse);
        ASSERT_TRUE(manifest) << manifest.error()[0].text();
        config->objects = std::make_shared<const std::vector<kube::Object>>(std::move(manifest->objects));
        auto changes = harness_.running().apply(*config, {});
        ASSERT_TRUE(changes) << changes.error()[0].text();
    }
    // The far pod is behind a tunnel, and clients are behind a router.
    void span(const std::string& objects) {
        apply(kSpanning, objects);
        put("e", Packet()
                     .eth(kMacOfHost, router_of("(underlay)"))
                     .arp_reply(kMacOfHost, "198.51.100.2", router_of("(underlay)"), "198.51.100.1"));
        put("d", Packet().eth(kMacOfWorld, kOut).arp_reply(kMacOfWorld, "192.0.2.80", kOut, "192.0.2.1"));
        put("d", advertisement(kMacOfWorld, "2001:db8::80", kOut, kNode6));
        // The switch asks for the pod, which answers whoever asks.
        put("d", Packet().eth(kMacOfWorld, kOut).ipv4(kClient, kFar).udp(9, 9));
        put("d", Packet().eth(kMacOfWorld, kOut).ipv6(kClient6, kFar6).udp(9, 9));
        for (const Bytes& sent : harness_.sent("e")) {
            if (sent.size() < kTunnel + 42) continue;
            const Bytes asked(sent.begin() + kTunnel, sent.end());
            MacAddress mac;
            std::copy_n(asked.begin() + 6, 6, mac.bytes.begin());
            if (asked[13] == 0x06) {
                const std::string asker = fmt::format("{}.{}.{}.{}", asked[28], asked[29], asked[30], asked[31]);
                put("e",
                    tunnelled(Packet().eth(kMacOfFar, mac.text()).arp_reply(kMacOfFar, kFar, mac.text(), asker)));
            } else if (asked[13] == 0xdd) {
                IpAddress asker;
                std::copy_n(asked.begin() + 22, 16, asker.bytes.begin());
                put("e", tunnelled(advertisement(kMacOfFar, kFar6, mac.text(), asker.text())));
            }
        }
        for (const char* name : {"a", "d", "e"}) harness_.sent(name);
    }
    static Bytes advertisement(std::string_view mac, std::string_view address, std::string_view to_mac,
                               std::string_view to) {
        Bytes target = test::address_bytes(address);
        const Bytes own = test::mac_bytes(mac);
        target.insert(target.end(), {2, 1});
        target.insert(target.end(), own.begin(), own.end());
        return Packet().eth(mac, to_mac).ipv6(address, to).ttl(255).icmp(136, 0, 0x6000'0000).payload(target);
    }
    void put(const std::string& device, const Bytes& frame) {
        harness_.device(device).put(test::to_mbuf(test::switch_pools().buffers, frame));
        harness_.run();
    }
    // What leaves by that device, of tunnels what is in them, and nothing by any other.
    Bytes leaves(const std::string& device) {
        Bytes frame;
        for (const char* name : {"a", "d", "e"}) {
            for (Bytes& sent : harness_.sent(name)) {
                EXPECT_TRUE(test::checksums_valid(sent)) << "out of " << name;
                EXPECT_EQ(name, device);
                EXPECT_TRUE(frame.empty()) << "two frames";
                frame = std::move(sent);
            }
        }
        if (device == "e" && frame.size() > kTunnel) frame.erase(frame.begin(), frame.begin() + kTunnel);
        return frame;
    }
    Bytes send(const std::string& device, const Bytes& frame, const std::string& out) {
        put(device, frame);
        return leaves(out);
    }
    // Out of the tunnel.
    static Bytes tunnelled(const Bytes& frame) {
        return Packet()
            .eth(kMacOfHost, router_of("(underlay)"))
            .ipv4("198.51.100.2", "198.51.100.1")
            .udp(50000, 4789)
            .without_checksum()
            .vxlan(100)
            .payload(frame);
    }
    static uint16_t source_port(const Bytes& frame, size_t ip = 20) {
        const size_t at = 14 + ip;
        return frame.size() < at + 2 ? 0 : static_cast<uint16_t>(frame[at] << 8 | frame[at + 1]);
    }
    uint64_t drops(const std::string& device, Drop reason) {
        const auto all = harness_.drops();
        const auto found = all.find({device, reason});
        return found == all.end() ? 0 : found->second;
    }

    // Of a client, a SYN by default.
    static Bytes from_client(std::string_view to, uint16_t source, uint16_t destination, uint8_t flags = Tcp::kSyn,
                             std::string_view client = kClient) {
        return Packet().eth(kMacOfWorld, kOut).ipv4(client, to).tcp(source, destination, flags);
    }
    static Bytes to_client(std::string_view from, uint16_t source, uint16_t destination, uint8_t flags) {
        return Packet().eth(kOut, kMacOfWorld).ipv4(from, kClient).ttl(63).tcp(source, destination, flags);
    }
    static Bytes to_far(std::string_view from, uint16_t source, uint8_t flags = Tcp::kSyn) {
        return Packet().eth(kPods, kMacOfFar).ipv4(from, kFar).ttl(63).tcp(source, 8080, flags);
    }

    Harness harness_{1, {"a", "d", "e"}};
};

constexpr uint8_t kSynAck = Tcp::kSyn | Tcp::kAck;

TEST_F(NodePorts, AClientOfAFarBackEndIsHiddenAndItsAnswersComeBack) {
    span(service("web", kDual + "type: NodePort, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]",
                 "10.0.0.2 fd00:a::2"));
    EXPECT_EQ(send("d", from_client(kNode, 5000, 30080), "e"), to_far(kSource, 5000));
    const Packet far = Packet().eth(kMacOfFar, kMacOfNode).ipv4(kFar, kSource);
    const Bytes answer = tunnelled(Packet(far).tcp(8080, 5000, kSynAck));
    EXPECT_EQ(send("e", answer, "d"), to_client(kNode, 30080, 5000, kSynAck));
    harness_.running().outdate_all_flows();
    EXPECT_EQ(send("e", answer, "d"), to_client(kNode, 30080, 5000, kSynAck));
    EXPECT_EQ(send("d", from_client(kNode, 5000, 30080, test::kAck), "e"), to_far(kSource, 5000, test::kAck));
    // Another client has that port, too.
    const Bytes other = send("d", from_client(kNode, 5000, 30080, Tcp::kSyn, "203.0.113.10"), "e");
    const uint16_t port = source_port(other);
    EXPECT_NE(port, 5000);
    EXPECT_TRUE(port < 30000 || port > 32767) << port;
    EXPECT_EQ(other, to_far(kSource, port));
    // An error about what the back end was sent.
    Bytes quoted = packet_of(to_far(kSource, 5000, test::kAck));
    quoted.resize(28);
    Bytes was = packet_of(from_client(kNode, 5000, 30080, test::kAck));
    was.resize(28);
    was[8] = 63;  // the TTL that the back end saw, and the checksum
    was[10] = static_cast<uint8_t>(was[10] + 1);
    EXPECT_EQ(send("e", tunnelled(Packet(far).icmp(3, 3, 0).payload(quoted)), "d"),
              Bytes(Packet().eth(kOut, kMacOfWorld).ipv4(kNode, kClient).ttl(63).icmp(3, 3, 0).payload(was)));
    // IPv6.
    const Bytes far6 =
        send("d", Packet().eth(kMacOfWorld, kOut).ipv6(kClient6, kNode6).tcp(6000, 30080, Tcp::kSyn), "e");
    EXPECT_EQ(far6,
              Bytes(Packet().eth(kPods, kMacOfFar).ipv6(kSource6, kFar6).ttl(63).tcp(6000, 8080, Tcp::kSyn)));
    EXPECT_EQ(
        send("e", tunnelled(Packet().eth(kMacOfFar, kMacOfNode).ipv6(kFar6, kSource6).tcp(8080, 6000, kSynAck)),
             "d"),
        Bytes(Packet().eth(kOut, kMacOfWorld).ipv6(kNode6, kClient6).ttl(63).tcp(30080, 6000, kSynAck)));
}

TEST_F(NodePorts, ACloseBackEndAndTheClusterIpShowTheClient) {
    span(service("web", kDual + "type: NodePort, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]",
                 "10.0.0.1") +
         service("far",
                 "type: NodePort, clusterIP: 10.96.0.11, ports: [{port: 80, targetPort: 8080, nodePort: 30081}]",
                 "10.0.0.2"));
    EXPECT_EQ(send("d", from_client(kNode, 5000, 30080), "a"),
              Bytes(Packet().eth(kPods, kMacOfA).ipv4(kClient, kHere).ttl(63).tcp(5000, 8080, Tcp::kSyn)));
    // A pod keeps its address at either.
    const auto from_a = [](std::string_view to, uint16_t source, uint16_t destination) -> Bytes {
        return Packet().eth(kMacOfA, kPods).ipv4(kHere, to).tcp(source, destination, Tcp::kSyn);
    };
    EXPECT_EQ(send("a", from_a("10.96.0.11", 5000, 80), "e"), to_far(kHere, 5000));
    EXPECT_EQ(send("a", from_a(kNode, 5001, 30081), "e"), to_far(kHere, 5001));
    const Bytes answer = Packet().eth(kMacOfFar, kMacOfA).ipv4(kFar, kHere).tcp(8080, 5001, kSynAck);
    EXPECT_EQ(send("e", tunnelled(answer), "a"),
              Bytes(Packet().eth(kPods, kMacOfA).ipv4(kNode, kHere).ttl(63).tcp(30081, 5001, kSynAck)));
    // An answer to a client that isn't hidden stays one, also where the client is behind a router.
    const Bytes from_here = Packet().eth(kMacOfA, kPods).ipv4(kHere, kClient).tcp(8080, 5000, kSynAck);
    harness_.running().outdate_all_flows();
    EXPECT_EQ(send("a", from_here, "d"), to_client(kNode, 30080, 5000, kSynAck));
}

// The client's own address counts for its ranges; and with the policy Local it is kept.
TEST_F(NodePorts, ALoadBalancersClientIsJudgedByItsOwnAddress) {
    const std::string balancer =
        "type: LoadBalancer, clusterIP: 10.96.0.10, loadBalancerSourceRanges: [203.0.113.9/32], "
        "ports: [{port: 80, targetPort: 8080}]";
    const std::string status = "status: {loadBalancer: {ingress: [{ip: 203.0.113.200}]}}\n";
    span(service("web", balancer, "10.0.0.2", status));
    EXPECT_EQ(send("d", from_client("203.0.113.200", 5000, 80), "e"), to_far(kSource, 5000));
    EXPECT_EQ(send("d", from_client("203.0.113.200", 5000, 80, Tcp::kSyn, "203.0.113.10"), "e"), Bytes{});
    EXPECT_EQ(drops("d", Drop::kServiceSource), 1u);
    span(service("web", balancer + ", externalTrafficPolicy: Local", "10.0.0.1 10.0.0.2", status));
    EXPECT_EQ(send("d", from_client("203.0.113.200", 5001, 80), "a"),
              Bytes(Packet().eth(kPods, kMacOfA).ipv4(kClient, kHere).ttl(63).tcp(5001, 8080, Tcp::kSyn)));
}

// Hosts that route to each other's pods by their nodes' network, where each has an address of its own.
TEST_F(NodePorts, ABackEndBehindANextHopSeesTheGatewayOfItsNetwork) {
    const std::string routed =
        "networks:\n"
        "  - {name: pods, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}\n"
        "  - {name: nodes, subnets: [192.0.2.0/24], gateway: [192.0.2.1]}\n"
        "routes: [{to: 10.0.1.0/24, via: 192.0.2.2}, {to: 0.0.0.0/0, via: 192.0.2.80}]\n"
        "ports:\n" +
        port("a", "pods", ", mac: '02:00:00:00:00:0a', address: [10.0.0.1], pod: shop/here") + port("d", "nodes");
    apply(routed, service("web",
                          "type: NodePort, clusterIP: 10.96.0.10, "
                          "ports: [{port: 80, targetPort: 8080, nodePort: 30080}]",
                          "10.0.1.5"));
    const std::string nodes = router_of("nodes");
    put("d", Packet().eth(kMacOfHost, nodes).arp_reply(kMacOfHost, "192.0.2.2", nodes, "192.0.2.1"));
    put("d", Packet().eth(kMacOfWorld, nodes).arp_reply(kMacOfWorld, "192.0.2.80", nodes, "192.0.2.1"));
    harness_.sent("d");
    const auto to_node = [&](std::string_view source, uint16_t port, uint8_t flags) -> Bytes {
        return Packet().eth(nodes, kMacOfHost).ipv4(source, "10.0.1.5").ttl(63).tcp(port, 8080, flags);
    };
    const auto from_world = [&](uint16_t port, uint8_t flags) -> Bytes {
        return Packet().eth(kMacOfWorld, nodes).ipv4(kClient, kNode).tcp(port, 30080, flags);
    };
    EXPECT_EQ(send("d", from_world(5000, Tcp::kSyn), "d"), to_node(kNode, 5000, Tcp::kSyn));
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(send("d", Packet().eth(kMacOfHost, nodes).ipv4("10.0.1.5", kNode).tcp(8080, 5000, kSynAck), "d"),
                  Bytes(Packet().eth(nodes, kMacOfWorld).ipv4(kNode, kClient).ttl(63).tcp(30080, 5000, kSynAck)));
        harness_.running().outdate_all_flows();
    }
    // A pod of this host keeps its address: the other host has a route to it.
    EXPECT_EQ(
        send("a", Packet().eth(kMacOfA, router_of("pods")).ipv4(kHere, kNode).tcp(5001, 30080, Tcp::kSyn), "d"),
        to_node(kHere, 5001, Tcp::kSyn));
}

TEST_F(NodePorts, WithoutAFreePortAClientIsRefused) {
    apply(
        "networks:\n"
        "  - {name: pods, subnets: [10.0.0.0/24], gateway: [10.0.0.254]}\n"
        "  - {name: nodes, subnets: [192.0.2.0/24], gateway: [192.0.2.1]}\n"
        "routes: [{to: 10.0.1.0/24, via: 192.0.2.2}]\n"
        "service-ranges: {node-ports: 1028-65535}\n"
        "ports:\n" +
            port("a", "pods", ", address: [10.0.0.1]") + port("d", "nodes"),
        service("web",
                "type: NodePort, clusterIP: 10.96.0.10, "
                "ports: [{port: 80, targetPort: 8080, nodePort: 30080}]",
                "10.0.1.5"));
    const std::string nodes = router_of("nodes");
    put("d", Packet().eth(kMacOfHost, nodes).arp_reply(kMacOfHost, "192.0.2.2", nodes, "192.0.2.1"));
    harness_.sent("d");
    std::set<uint16_t> ports;
    for (uint16_t i = 0; i < 8; ++i) {
        put("d", Packet()
                     .eth(kMacOfWorld, nodes)
                     .ipv4("192.0.2.80", kNode)
                     .tcp(static_cast<uint16_t>(5000 + i), 30080, Tcp::kSyn));
        for (const Bytes& frame : harness_.sent("d")) {
            const uint16_t port = source_port(frame);
            EXPECT_TRUE(port >= 1024 && port < 1028 && ports.insert(port).second) << port;
        }
    }
    EXPECT_GE(ports.size(), 2u);
    EXPECT_EQ(drops("d", Drop::kNatExhausted) + ports.size(), 8u);
}

// Where no address of this host leads back, the client is shown, and people are told.
TEST_F(NodePorts, ANetworkWithoutAnAddressOfThisHostIsToldOf) {
    const std::string objects = service(
        "web", "type: NodePort, clusterIP: 10.96.0.10, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]",
        "10.0.0.2");
    const std::string without = kSpanning.substr(0, kSpanning.size() - kNodePort.size());
    const kube::Key key{kube::Kind::kService, "shop", "web"};
    apply(without, objects);
    const base::Errors warnings = harness_.running().warnings_of({key});
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_EQ(warnings[0].message,
              "service shop/web: clients outside can't reach 10.0.0.2 at another host, whose answers don't come "
              "back: give this host an IPv4 address in network pods, by a port with `host: true`");
    span(objects);
    EXPECT_TRUE(harness_.running().warnings_of({key}).empty());
}

}  // namespace
}  // namespace sluice
