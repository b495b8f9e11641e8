// Packets of every length between stations whose ports have different MTUs: bridged, routed and through a tunnel;
// spread over buffers, with options, as TCP segments that are to be cut to any size, with DF or as fragments.
//
// An input is one packet after the other. The packets are well-formed, and one switch that has met all its
// neighbors carries those of all inputs: none leaves anything behind. Of each packet all bytes arrive, in frames
// that are no longer than the MTU and have right checksums and lengths, or none do and it is dropped under one
// reason.
#include <rte_log.h>

#include <array>
#include <map>

#include "engine/machine.h"
#include "fuzz/frames.h"
#include "golden/row.h"
#include "wire/mbuf.h"
#include "wire/offload.h"
#include "wire/segment.h"

namespace sluice::fuzz {
namespace {

using test::Packet;

constexpr size_t kMostPackets = 16;
constexpr size_t kEthernet = sizeof(wire::EthernetHeader);
constexpr size_t kOuter = sizeof(wire::Ipv4Header) + sizeof(wire::UdpHeader) + sizeof(wire::VxlanHeader);
constexpr uint32_t kVni = 7;
constexpr const char* kGatewayMac = "02:00:00:00:01:fe";  // in all networks
constexpr const char* kUnderlayMac = "02:00:00:00:02:01";
constexpr const char* kRemoteMac = "02:00:00:00:02:02";

struct Station {
    const char* device;
    const char* network;
    uint32_t mtu;
    const char* mac;
    const char* ipv4;
    const char* ipv6;
};

// The last one is behind a tunnel.
constexpr std::array<Station, 8> kStations{{
    {"a", "blue", 1500, "02:00:00:00:00:01", "10.0.0.1", "fd00::1"},
    {"b", "blue", 1280, "02:00:00:00:00:02", "10.0.0.2", "fd00::2"},
    {"c", "blue", 9000, "02:00:00:00:00:03", "10.0.0.3", "fd00::3"},
    {"d", "red", 65521, "02:00:00:00:00:04", "10.1.0.4", "fd01::4"},
    {"f", "red", 68, "02:00:00:00:00:05", "10.1.0.5", "fd01::5"},
    {"g", "far", 1500, "02:00:00:00:00:06", "10.2.0.6", "fd02::6"},
    {"h", "far", 576, "02:00:00:00:00:07", "10.2.0.7", "fd02::7"},
    {"e", "far", 1600, "02:00:00:00:00:08", "10.2.0.8", "fd02::8"},
}};
constexpr const Station& kRemote = kStations.back();

enum Kind : uint8_t { kTcp, kUdp, kEcho, kOther, kKinds };

// How a packet is; and it may be several.
enum How : uint8_t {
    kIpv6 = 1,
    kDontFragment = 2,
    kIsFragment = 4,
    kUnfinished = 8,  // its L4 checksum is left to others
    kSegment = 16,    // it is to be cut
    kGuarded = 32,
};

std::string configuration() {
    std::string text = fmt::format(R"(networks:
  - {{name: blue, subnets: [10.0.0.0/24, "fd00::/64"], gateway: [10.0.0.254, "fd00::fe"], gateway-mac: '{0}'}}
  - {{name: red, subnets: [10.1.0.0/24, "fd01::/64"], gateway: [10.1.0.254, "fd01::fe"], gateway-mac: '{0}'}}
  - name: far
    subnets: [10.2.0.0/24, "fd02::/64"]
    gateway: [10.2.0.254, "fd02::fe"]
    gateway-mac: '{0}'
    vxlan: {{vni: {1}, remotes: [192.0.2.2], static: [{{mac: '{2}', address: ['{3}', '{4}'], remote: 192.0.2.2}}]}}
underlay: {{port: e, address: 192.0.2.1/24, mac: '{5}'}}
log: {{level: error}}
ports:
)",
                                   kGatewayMac, kVni, kRemote.mac, kRemote.ipv4, kRemote.ipv6, kUnderlayMac);
    for (const Station& station : kStations) {
        if (&station == &kRemote) {
            text += fmt::format("  - {{name: {0}, device: net_ring_{0}, mtu: {1}}}\n", station.device, station.mtu);
            continue;
        }
        text += fmt::format("  - {{name: {0}, device: net_ring_{0}, mtu: {1}, network: {2}, mac: '{3}', "
                            "address: ['{4}', '{5}']}}\n",
                            station.device, station.mtu, station.network, station.mac, station.ipv4, station.ipv6);
    }
    return text;
}

struct Sent {
    Kind kind;
    const Station& from;
    const Station& to;
    bool ipv6;
    bool segment;
    Bytes packet;  // without a tunnel
};

// The bytes of an IP packet that cutting and fragmenting distribute: its payload, of a segment without the TCP
// header that each piece repeats. None for another packet than one to this station.
size_t carried(std::span<const uint8_t> frame, const Sent& sent) {
    const uint16_t type = sent.ipv6 ? 0x86dd : 0x0800;
    if (frame.size() < kEthernet || (frame[12] << 8 | frame[13]) != type) return 0;
    const auto packet = frame.subspan(kEthernet);
    const auto address = test::address_bytes(sent.ipv6 ? sent.to.ipv6 : sent.to.ipv4);
    const size_t header = sent.ipv6 ? sizeof(wire::Ipv6Header) : size_t{packet[0] & 15U} * 4;
    const auto at = sent.ipv6 ? packet.subspan(offsetof(wire::Ipv6Header, destination))
                              : packet.subspan(offsetof(wire::Ipv4Header, destination));
    if (!std::equal(address.begin(), address.end(), at.begin())) return 0;
    const uint8_t protocol = packet[sent.ipv6 ? 6 : 9];
    if (sent.kind != kEcho && (protocol == 1 || protocol == 58)) return 0;  // an ICMP error
    const size_t total = sent.ipv6 ? header + (packet[4] << 8 | packet[5]) : size_t(packet[2] << 8 | packet[3]);
    const bool is_later = !sent.ipv6 && ((packet[6] & 0x1f) != 0 || packet[7] != 0);
    const size_t tcp = sent.segment && !is_later ? static_cast<size_t>(packet[header + 12] >> 4) * 4 : 0;
    return total - header - tcp;
}

class Session {
 public:
    Session() : harness_(1, devices(), {.size = flow::kMinFlows, .timeouts = {}}) {
        auto config = engine::load_config(configuration(), "fuzz", {}, engine::Machine{});
        must(config.has_value(), "{}", config ? "" : config.error()[0].text());
        const engine::Clock::time_point now{std::chrono::seconds(1000)};
        const auto changes = harness_.running().apply(*config, now);
        must(changes.has_value(), "{}", changes ? "" : changes.error()[0].text());
        // The remote end point says where it is.
        Packet reply;
        reply.eth(kRemoteMac, kUnderlayMac).arp_reply(kRemoteMac, "192.0.2.2", kUnderlayMac, "192.0.2.1");
        put(kRemote.device, test::to_mbuf(test::switch_pools().buffers, reply));
        harness_.run();
        for (const std::string& device : devices()) (void)harness_.sent(device);
    }

    // The drop log is full soon, and can't be held against the counters then.
    bool is_worn() const { return logged() > path::DropLog::kSize / 2; }

    void carry(const Sent& sent, rte_mbuf* m) {
        const auto drops = harness_.drops();
        put(sent.from.device, m);
        harness_.run();
        harness_.give_up_fragments();
        std::map<path::Drop, uint64_t> dropped;
        for (const auto& [place, count] : harness_.drops()) {
            const auto before = drops.find(place);
            const uint64_t more = count - (before == drops.end() ? 0 : before->second);
            if (more != 0) dropped[place.second] += more;
        }
        size_t arrived = 0;
        for (const Station& station : kStations) {
            for (const test::Bytes& frame : harness_.sent(station.device)) {
                must(frame.size() <= kEthernet + station.mtu, "a frame of {} bytes leaves by {}, whose MTU is {}",
                     frame.size(), station.device, station.mtu);
                must(test::checksums_valid(frame), "a wrong checksum or length leaves by {}", station.device);
                if (&station != &sent.to) continue;
                const std::span<const uint8_t> bytes(frame);
                const size_t outer = &station == &kRemote ? kEthernet + kOuter : 0;
                if (bytes.size() > outer) arrived += carried(bytes.subspan(outer), sent);
            }
        }
        harness_.check_books();
        must(dropped.size() <= 1, "one packet is dropped under {} reasons", dropped.size());
        // It may be more pieces or fragments than the ring holds.
        if (dropped.contains(path::Drop::kTransmitFull)) return;
        const size_t expected = dropped.empty() ? carried(sent.packet, sent) : 0;
        must(arrived == expected, "{} bytes arrive by {} of {}, {} drops ({})", arrived, sent.to.device,
             carried(sent.packet, sent), dropped.size(),
             dropped.empty() ? "none" : path::text(dropped.begin()->first).name);
    }

 private:
    static std::vector<std::string> devices() {
        std::vector<std::string> names;
        for (const Station& station : kStations) names.emplace_back(station.device);
        return names;
    }
    size_t logged() const {
        const path::Counters& counters = harness_.running().workers()[0]->counters();
        return counters.log.recent().size() + counters.background.recent().size();
    }
    void put(const char* device, rte_mbuf* m) {
        must(m != nullptr, "the pool is dry");
        harness_.device(device).put(m);
    }

    mutable test::Harness harness_;
};

// What is to be cut, as a guest would say it.
wire::VirtioNetHeader header_of(const Sent& sent, uint16_t size) {
    using Header = wire::VirtioNetHeader;
    const size_t ip = sent.ipv6 ? sizeof(wire::Ipv6Header) : size_t{sent.packet[kEthernet] & 15U} * 4;
    Header header{};
    header.flags = Header::kNeedsChecksum;
    header.checksum_start = static_cast<uint16_t>(kEthernet + ip);
    const auto protocol = sent.kind == kTcp ? wire::Protocol::kTcp : wire::Protocol::kUdp;
    header.checksum_offset = wire::checksum_offset(protocol);
    if (!sent.segment) return header;
    header.gso_type = sent.ipv6 ? Header::kGsoTcpv6 : Header::kGsoTcpv4;
    header.gso_size = size;
    return header;
}

void carry_one(Session& session, Input& input) {
    const Station& from = kStations[input.below(kStations.size())];
    const Station& to = kStations[input.below(kStations.size())];
    const auto kind = static_cast<Kind>(input.below(kKinds));
    const uint8_t how = input.byte();
    const size_t options = input.below(11) * size_t{4};  // of IPv4
    const size_t tcp_options = input.below(11) * size_t{4};
    const size_t length = input.word();
    const uint16_t size = input.word();
    const auto chain = take_chain(input);
    if (&from == &to) return;

    // IPv6 needs an MTU of 1280 (RFC 8200, 5), or the sender can't be told of what is too big.
    const bool ipv6 = (how & kIpv6) != 0 && from.mtu >= 1280;
    const bool fragment = (how & kIsFragment) != 0 && !ipv6;
    // No tunnel carries what a guest has left unfinished.
    const bool unfinished = (how & (kUnfinished | kSegment)) != 0 && kind <= kUdp && !fragment && &from != &kRemote;
    const bool segment = unfinished && (how & kSegment) != 0 && kind == kTcp;
    const size_t ip = ipv6 ? 0 : sizeof(wire::Ipv4Header) + options;
    const size_t headers = ip + sizeof(wire::TcpHeader) + tcp_options;
    const size_t most = 65535 - headers - (&from == &kRemote ? kEthernet + kOuter : 0);

    Packet packet;
    packet.eth(from.mac, std::string_view(from.network) == to.network ? to.mac : kGatewayMac);
    if (ipv6) {
        packet.ipv6(from.ipv6, to.ipv6);
    } else {
        packet.ipv4(from.ipv4, to.ipv4);
        if (options != 0) packet.options(options);
        if (fragment) packet.fragment(static_cast<uint16_t>(0x2000 | (how >> 6)));
        else if ((how & kDontFragment) != 0) packet.fragment(0x4000);
    }
    if (kind == kTcp) packet.tcp(1000, 2000);
    if (kind == kTcp && tcp_options != 0) packet.options(tcp_options);
    if (kind == kUdp) packet.udp(1000, 2000);
    if (kind == kEcho) packet.icmp_echo(1, 1);
    packet.payload(std::min(length, most));
    if (unfinished) packet.unfinished();
    Sent sent{kind, from, to, ipv6, segment, packet.bytes()};

    test::Bytes frame = sent.packet;
    if (&from == &kRemote) {
        frame = Packet().eth(kRemoteMac, kUnderlayMac).ipv4("192.0.2.2", "192.0.2.1").udp(50000, 4789)
                    .without_checksum().vxlan(kVni).payload(sent.packet);
    }
    rte_mempool* pool = test::switch_pools().buffers;
    rte_mbuf* m =
        (how & kGuarded) != 0 ? test::to_guarded_mbuf(pool, frame, chain) : test::to_mbuf(pool, frame, chain);
    must(m != nullptr, "the pool is dry");
    if (unfinished && wire::from_virtio(m, header_of(sent, size)) != wire::OffloadResult::kOk) {
        rte_pktmbuf_free(m);  // as the port would
        return;
    }
    // A segment that fits one frame is none.
    sent.segment = wire::is_segment(m);
    session.carry(sent, m);
}

}  // namespace

void run(std::span<const uint8_t> bytes) {
    static std::optional<Session> session;
    static uint32_t second = 0;
    testing::GTEST_FLAG(throw_on_failure) = true;  // what the harness finds is a fault, too
    pass(++second);  // what is limited by the second is not used up by the inputs before
    if (session && session->is_worn()) session.reset();
    if (!session) {
        test::start_eal();
        rte_log_set_global_level(RTE_LOG_CRIT);
        session.emplace();
    }
    Input input(bytes);
    for (size_t i = 0; i < kMostPackets && !input.at_end(); ++i) carry_one(*session, input);
    must(test::are_full(test::switch_pools()), "an mbuf is missing");
}

std::vector<Bytes> seeds() {
    std::vector<Bytes> seeds;
    for (uint32_t from = 0; from < kStations.size(); ++from) {
        for (uint32_t to = 0; to < kStations.size(); ++to) {
            if (from == to) continue;
            Output seed;
            for (uint32_t i = 0; i < 6; ++i) {
                const uint32_t turn = seeds.size() + i;
                constexpr uint32_t kLengths[] = {20, 700, 1460, 4000, 9000, 64000};
                seed.byte(from).byte(to).byte(i % 2 == 0 ? kTcp : turn % kKinds);
                seed.byte(i % 2 == 0 ? (turn & kIpv6) | kSegment : turn % 64).byte(turn % 3).byte(turn % 4);
                seed.word(kLengths[turn % 6]).word(500 + turn % 1000);
                if (turn % 3 == 0) seed.byte(2).byte(20).byte(200);
                else seed.byte(0);
            }
            seeds.push_back(seed);
        }
    }
    return seeds;
}

std::vector<std::string> words() { return {}; }

}  // namespace sluice::fuzz
